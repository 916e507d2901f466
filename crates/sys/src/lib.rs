//! Bounded child processes, sysfs access and block-device usage on a Linux host.
//!
//! Everything that the layers above do to the host passes one trait,
//! [`Effects`]; everything that they look at is a plain file below a
//! [`Root`]. So each layer runs against a pretend host without root rights,
//! and against the real one with [`System`] and [`Root::host`].
//!
//! * [`Command`] is a command as data; [`Effects::run`] runs it with a time
//!   limit, and [`OnTimeout`] says what becomes of a child that passes it.
//! * [`usage()`] answers who uses a block device.
//! * [`poll`] waits for something with a short poll and a deadline.
//!
//! # Example
//!
//! ```
//! use jdss_sys::{Command, Effects, OnTimeout, System};
//! use std::time::Duration;
//!
//! let command = Command::new("echo").arg("hello world");
//! let output = System.run(&command, Duration::from_secs(10), OnTimeout::Terminate)?;
//! assert!(output.success());
//! assert_eq!(output.stdout, "hello world\n");
//! assert_eq!(command.to_string(), "echo 'hello world'");
//! # Ok::<(), jdss_sys::RunError>(())
//! ```

mod command;
mod effects;
mod process;
mod program;
mod root;
mod run;
mod usage;
mod wait;

pub use command::{Command, OnTimeout, Output, RunError};
pub use effects::{Effects, System};
pub use process::find_process;
pub use program::has_program;
pub use root::Root;
pub use usage::{Process, Usage, usage};
pub use wait::poll;
