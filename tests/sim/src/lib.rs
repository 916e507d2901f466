//! A simulated JovianDSS appliance: REST over TLS and a real iSCSI target in one process.
//!
//! Everything begins with [`Appliance::builder`]. The README has the routes by which the program
//! `jdss-sim` is asked and disturbed from outside, and what is not simulated.

mod appliance;
mod control;
mod data;
mod error;
mod iscsi;
mod model;
mod rest;
mod scsi;
mod size;

pub use appliance::{Appliance, Builder, Export};
pub use error::{Error, Result};
pub use iscsi::{CommandCount, CommandKey, ScsiCommand};
pub use model::{Lag, Session};
pub use rest::{Connections, Fault, Firmware, Moment, Request, Trigger, Violation};
pub use size::parse_size;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
