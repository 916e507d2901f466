//! Helpers for scenarios that run as root in a guest with a real kernel, udev, open-iscsi and multipathd.
//!
//! `tests/vm/run` boots the guest and runs the program `jdss-scenarios` of this package in it. Nothing here is meant
//! for a host that somebody uses: network, daemons and `/etc` are changed at will, and what a failed scenario leaves
//! behind is removed by force.
//!
//! A scenario gets one [`Guest`] and starts from "host as before": both daemons run, `multipath.conf` is the one of
//! the documentation, all portals are reachable, and none of what [`clean`] looks for is there. It must end so too.

pub mod appliance;
pub mod clean;
pub mod command;
pub mod config;
pub mod daemon;
pub mod dm;
mod error;
mod guest;
pub mod initiator;
pub mod multipath;
pub mod network;
mod process;
pub mod sysfs;
pub mod tgt;
pub mod wait;

pub use command::{Command, Output};
pub use error::Error;
pub use guest::{Guest, Release};
