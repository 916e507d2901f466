//! Adding a volume to multipathd's list, and taking it off.

use crate::error::{Error, Result};
use crate::multipath::message;
use crate::{Multipath, Wwid};
use jdss_sys::{Command, Output};
use std::time::Instant;

/// Who made the entry of an enrolled volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    /// This call did.
    Added,
    /// It was there already; so it is not this caller's to remove on an error.
    Already,
}

impl Multipath {
    /// Enrols a volume: makes sure that `/etc/multipath/wwids` has it, with
    /// `multipath -a WWID`. **Do it before the disks appear**: then udev hands
    /// them to multipathd at once, which makes the map by itself. An entry made
    /// for disks that are there already is noticed by nobody, until
    /// [`wait_map`](Self::wait_map) helps.
    ///
    /// Doing it twice is doing it once; nothing is run when the entry is there.
    /// Blocks for at most 20 s.
    ///
    /// # Errors
    ///
    /// * [`Error::ToolMissing`]: install multipath-tools.
    /// * [`Error::NotEnrolled`]: the entry is not there afterwards; the WWID is
    ///   blacklisted, or the file is kept elsewhere.
    /// * [`Error::Run`], [`Error::DeadlinePassed`], [`Error::Read`].
    pub fn enrol(&self, wwid: &Wwid, deadline: Instant) -> Result<Enrolment> {
        if self.enrolled(wwid)? {
            return Ok(Enrolment::Already);
        }
        let output = self.multipath("-a", wwid, deadline);
        // The entry counts, not the exit code: the program says "added" for
        // what was there, and one that was killed may have written it.
        if self.enrolled(wwid)? {
            return Ok(Enrolment::Added);
        }
        let message = message(&output?);
        let wwid = wwid.clone();
        Err(Error::NotEnrolled { wwid, message })
    }

    /// Withdraws a volume: makes sure that `/etc/multipath/wwids` has no active
    /// entry for it, with `multipath -w WWID`. A map that is there stays; one
    /// that is removed afterwards is not made again. Says whether there was an
    /// entry.
    ///
    /// Doing it twice is doing it once; nothing is run when there is none.
    /// Blocks for at most 20 s.
    ///
    /// # Errors
    ///
    /// * [`Error::ToolMissing`]: install multipath-tools.
    /// * [`Error::StillEnrolled`]: the entry is there afterwards.
    /// * [`Error::Run`], [`Error::DeadlinePassed`], [`Error::Read`].
    pub fn withdraw(&self, wwid: &Wwid, deadline: Instant) -> Result<bool> {
        if !self.enrolled(wwid)? {
            return Ok(false);
        }
        let output = self.multipath("-w", wwid, deadline);
        if !self.enrolled(wwid)? {
            return Ok(true);
        }
        let message = message(&output?);
        let wwid = wwid.clone();
        Err(Error::StillEnrolled { wwid, message })
    }

    fn multipath(&self, option: &str, wwid: &Wwid, deadline: Instant) -> Result<Output> {
        let command = Command::new("multipath").arg(option).arg(wwid.as_str());
        self.run(&command, "multipath-tools", deadline)
    }
}
