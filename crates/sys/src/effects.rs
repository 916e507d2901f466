//! The seam: every effect on the host passes here.

use crate::{Command, OnTimeout, Output, RunError, run};
use rustix::fs::{Mode, OFlags};
use std::fmt::Debug;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// What can be done to a host.
///
/// [`System`] does it to the real one. A pretend host keeps state instead,
/// which is how the layers above are tested without root rights. There are no
/// default bodies on purpose: a fake that forgets a verb must not reach the
/// real host.
pub trait Effects: Send + Sync + Debug {
    /// Runs one command to its end, for at most `limit`.
    ///
    /// With [`OnTimeout::Terminate`] it may take up to six seconds longer: the
    /// child is given time to end by itself.
    ///
    /// # Errors
    ///
    /// [`RunError`] means that there is no exit status: the program is missing
    /// or cannot be started, or the time passed. A command that ran and failed
    /// is an `Ok` whose [`Output`] says so.
    fn run(
        &self,
        command: &Command,
        limit: Duration,
        on_timeout: OnTimeout,
    ) -> Result<Output, RunError>;

    /// Writes `value` to one sysfs attribute, in a single write.
    ///
    /// `attribute` is a whole path, already joined with a [`Root`](crate::Root).
    /// It must exist; it is never created. **This blocks for as long as the
    /// kernel wants**, minutes for a device whose transport is being recovered:
    /// look at its state first.
    ///
    /// # Errors
    ///
    /// What the kernel said; `NotFound` when the device is gone.
    fn write(&self, attribute: &Path, value: &str) -> io::Result<()>;

    /// Opens a block device exclusively for reading, and closes it again: a
    /// question, not a claim.
    ///
    /// Like [`write`](Self::write) it can block while the device's transport is
    /// being recovered.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ResourceBusy`] when somebody holds it exclusively (a
    /// mounted file system, swap, md, LVM, device-mapper), in whatever
    /// namespace; everything else as the kernel said it.
    fn open_exclusive(&self, device: &Path) -> io::Result<()>;

    /// Removes one file: a broken record of a tool that can neither read nor
    /// remove it itself.
    ///
    /// # Errors
    ///
    /// What the kernel said; `NotFound` when there is none.
    fn remove_file(&self, file: &Path) -> io::Result<()>;
}

/// The real host.
///
/// Commands run with `LC_ALL=C`, without standard input, in a process group of
/// their own, and with the sbin directories at the end of `PATH`.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Effects for System {
    fn run(
        &self,
        command: &Command,
        limit: Duration,
        on_timeout: OnTimeout,
    ) -> Result<Output, RunError> {
        run::run(command, limit, on_timeout, run::GRACE)
    }

    fn write(&self, attribute: &Path, value: &str) -> io::Result<()> {
        OpenOptions::new()
            .write(true)
            .open(attribute)?
            .write_all(value.as_bytes())
    }

    fn open_exclusive(&self, device: &Path) -> io::Result<()> {
        // O_EXCL without O_CREAT is how Linux asks for a block device alone.
        let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::open(device, flags, Mode::empty())?;
        Ok(())
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        std::fs::remove_file(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_changes_an_attribute_but_never_creates_one() {
        let dir = tempfile::tempdir().unwrap();
        let attribute = dir.path().join("scan");
        let error = System.write(&attribute, "0 0 1").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!attribute.exists());

        std::fs::File::create(&attribute).unwrap();
        System.write(&attribute, "0 0 1").unwrap();
        assert_eq!(std::fs::read_to_string(&attribute).unwrap(), "0 0 1");
    }

    #[test]
    fn remove_takes_a_file_away_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("default");
        std::fs::File::create(&file).unwrap();
        System.remove_file(&file).unwrap();
        assert!(!file.exists());
        let error = System.remove_file(&file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_missing_device_is_not_a_busy_one() {
        let dir = tempfile::tempdir().unwrap();
        let error = System.open_exclusive(&dir.path().join("sda")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
