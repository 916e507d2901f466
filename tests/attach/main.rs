//! The engine on the pretend host and the simulated appliance: what is
//! printed, what it costs, what is left, and what happens when it is killed.

#[path = "../support/mod.rs"]
mod support;

mod everyday;
mod export;
mod hazards;
mod kills;
mod lab;
mod races;
mod setup;
mod undoing;
