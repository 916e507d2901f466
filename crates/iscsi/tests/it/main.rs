//! The crate against a small pretend host.

mod disks;
mod facts;
mod host;
mod iscsiadm;
mod login;
mod logout;
