//! A simulated JovianDSS appliance: REST over TLS and a real iSCSI target in one process.

mod appliance;
mod control;
mod data;
mod error;
mod model;
mod rest;

pub use appliance::{Appliance, Builder};
pub use data::ScsiCommand;
pub use error::{Error, Result};
pub use model::Session;
pub use rest::{Fault, Firmware, Request, Violation};
