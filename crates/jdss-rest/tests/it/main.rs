//! Tests of the public API: on canned answers, and against a simulated appliance.

mod appliance;
mod client;
mod clones;
mod costs;
mod decode;
mod errors;
mod free;
mod lengths;
mod lists;
mod names;
mod procedures;
mod publish;
mod script;
mod server;
mod snapshots;
mod storage;
mod volumes;
