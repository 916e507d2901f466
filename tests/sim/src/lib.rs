//! A simulated JovianDSS appliance: REST over TLS and a real iSCSI target in one process.

mod error;
mod model;

pub use error::{Error, Result};
