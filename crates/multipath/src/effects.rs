//! The seam of this crate.

use crate::Socket;
use jdss_sys::{Command, OnTimeout, Output, RunError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// What this crate does to a host: commands, one look at who holds a device,
/// and requests to multipathd.
///
/// [`System`] does it to the real one. A pretend host keeps state instead.
pub trait Effects: jdss_sys::Effects {
    /// Sends one request to multipathd, waiting for at most `limit`, and gives
    /// its answer without the NUL byte at its end.
    ///
    /// # Errors
    ///
    /// As [`Socket::ask`]: above all `ConnectionRefused` or `NotFound` when
    /// nobody listens, and `TimedOut` when it is not known what was done.
    fn ask(&self, request: &str, limit: Duration) -> io::Result<String>;
}

/// The real host.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl jdss_sys::Effects for System {
    fn run(
        &self,
        command: &Command,
        limit: Duration,
        on_timeout: OnTimeout,
    ) -> Result<Output, RunError> {
        jdss_sys::System.run(command, limit, on_timeout)
    }

    fn write(&self, attribute: &Path, value: &str) -> io::Result<()> {
        jdss_sys::System.write(attribute, value)
    }

    fn open_exclusive(&self, device: &Path) -> io::Result<()> {
        jdss_sys::System.open_exclusive(device)
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        jdss_sys::System.remove_file(file)
    }
}

impl Effects for System {
    fn ask(&self, request: &str, limit: Duration) -> io::Result<String> {
        Socket::system().ask(request, limit)
    }
}
