//! Brings block volumes of an Open-E JovianDSS appliance up on this host, each
//! as one multipath device over several iSCSI paths, and takes them down again.
//!
//! * [`attach`]: the engine, a library that prints nothing and can be embedded.
//! * [`config`]: Proxmox `storage.cfg` and password files.
//! * [`setup`]: from the configuration to what the engine wants.
//! * `cli` (feature `cli`, on by default): the command `jdss`.
//!
//! The layers below can be used alone: [`jdss_rest`], [`jdss_iscsi`],
//! [`jdss_multipath`], [`jdss_state`].

pub mod attach;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
mod last_good;
pub mod setup;
