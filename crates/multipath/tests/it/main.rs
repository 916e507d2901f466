//! The crate against a pretend host: what it runs, asks and leaves behind.

mod change;
mod enrol;
mod host;
mod page83;
mod remove;
mod tools;
mod wait;
