//! Long-running programs of the guest: the host's two daemons and whatever serves as a target.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::command::kill_group;
use crate::{Command, Error, wait};

/// Where logs go; `tests/vm/run` brings everything below it out of the guest.
pub const LOGS: &str = "/out";

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    name: &'static str,
    child: Child,
}

impl Daemon {
    /// Starts `command`; what it prints is appended to `/out/NAME.log`.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], [`Error::File`].
    pub fn start(name: &'static str, command: &Command) -> Result<Self, Error> {
        let log = Self::log(name);
        let file: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::file(log))?;
        Ok(Self {
            name,
            child: command.start(&file)?,
        })
    }

    /// The file with what the daemon `name` printed since boot.
    #[must_use]
    pub fn log(name: &str) -> PathBuf {
        PathBuf::from(LOGS).join(format!("{name}.log"))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, and kills it when it has not after 10 seconds.
    ///
    /// # Errors
    ///
    /// [`Error::InVain`] when not even that ended it.
    pub fn stop(mut self) -> Result<(), Error> {
        self.signal(Signal::TERM);
        if self.ended(Duration::from_secs(10)).is_err() {
            kill_group(&self.child);
        }
        self.ended(Duration::from_secs(10))
    }

    /// Sends it one signal, as a crash or an administrator would.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Fails only when it is gone already.
            let _gone = kill_process(pid, signal);
        }
    }

    fn ended(&mut self, limit: Duration) -> Result<(), Error> {
        let what = format!("the end of {}", self.name);
        wait::until(&what, limit, || match self.child.try_wait() {
            Ok(Some(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.runs() {
            kill_group(&self.child);
            // A bounded wait, so that no zombie is left; it cannot fail in a way that matters here.
            let _ended = self.ended(Duration::from_secs(5));
        }
    }
}
