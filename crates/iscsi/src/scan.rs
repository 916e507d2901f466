//! Disks come and go: scan, rescan, delete.

use crate::initiator::down;
use crate::{Disk, DiskState, Error, Initiator, Lun, Session, SessionState, session};
use std::io;
use std::time::Instant;

impl Initiator {
    /// Asks the session for exactly this LUN. The disk, if there is one,
    /// appears at once or a little later: [`wait_disk`](Self::wait_disk). A LUN
    /// that is not there is no error, and leaves nothing behind.
    ///
    /// Blocks while the target answers, and **for minutes if the session breaks
    /// off meanwhile**.
    ///
    /// # Errors
    ///
    /// [`Error::SessionDown`] when the session is not up: nothing was done.
    /// [`Error::Write`].
    pub fn scan(&self, session: &Session, lun: Lun) -> Result<(), Error> {
        self.must_be_up(session)?;
        let path = format!("sys/class/scsi_host/host{}/scan", session.host);
        // iscsi_tcp has channel 0 and target 0 only.
        self.write(&path, &format!("0 0 {lun}"))
            .map_err(|error| match error {
                Error::Write { source, .. } if is_gone(&source) => session_down(session, None),
                other => other,
            })
    }

    /// Waits for the disk at this LUN to appear. `None` when the time is over,
    /// or the session is gone.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn wait_disk(
        &self,
        session: &Session,
        lun: Lun,
        deadline: Instant,
    ) -> Result<Option<Disk>, Error> {
        let found = jdss_sys::poll(deadline, || {
            if let Some(disk) = self.disk(session, lun)? {
                return Ok(Some(Some(disk)));
            }
            Ok(match self.state(session.id)? {
                Some(_) => None,
                None => Some(None),
            })
        })?;
        Ok(found.flatten())
    }

    /// Makes the kernel ask the disk anew: its size and page 83 are fresh
    /// afterwards. Blocks while the target answers, and **for minutes if the
    /// session breaks off meanwhile**.
    ///
    /// # Errors
    ///
    /// [`Error::SessionDown`], [`Error::DiskDown`]: nothing was done.
    /// [`Error::Write`].
    pub fn rescan(&self, disk: &Disk) -> Result<(), Error> {
        let session = session::observe_one(&self.root, disk.session.get()).map_err(Error::read)?;
        match session {
            Some(session) if session.state == SessionState::LoggedIn => {}
            Some(session) => {
                return Err(Error::SessionDown {
                    target: session.target,
                    portal: session.portal,
                    state: Some(session.state),
                });
            }
            // Without its session a disk is gone, or will be in a moment.
            None => return Err(down(disk, None)),
        }
        match self.current(disk)? {
            Some(now) if now.state == DiskState::Running => {}
            other => return Err(down(disk, other.map(|now| now.state))),
        }
        match self.write(&format!("{}/rescan", disk.dir()), "1") {
            Err(Error::Write { source, .. }) if is_gone(&source) => Err(down(disk, None)),
            other => other,
        }
    }

    /// Takes a disk that nobody uses away from the host, and waits until it is
    /// gone. Doing it twice is the same as doing it once.
    ///
    /// A blocked disk is waited for first, until its session is back or given
    /// up: to ask who uses it, and to delete it, would hang till then.
    ///
    /// # Errors
    ///
    /// * [`Error::InUse`]: somebody uses it. Nothing was done.
    /// * [`Error::DiskDown`]: it was blocked until the deadline. Nothing was done.
    /// * [`Error::StillThere`]: deleted, and not gone at the deadline.
    /// * [`Error::Read`], [`Error::Write`].
    pub fn delete(&self, disk: &Disk, deadline: Instant) -> Result<(), Error> {
        let unblocked = jdss_sys::poll(deadline, || {
            let now = self.current(disk)?;
            let blocked = now
                .as_ref()
                .is_some_and(|now| now.state == DiskState::Blocked);
            Ok::<_, Error>((!blocked).then_some(now))
        })?;
        match unblocked {
            None => return Err(down(disk, Some(DiskState::Blocked))),
            Some(None) => return Ok(()),
            Some(Some(_)) => {}
        }
        // A name is given to the next disk at once; this number never again.
        let sequence = self.sequence(disk)?;
        let usage = self.usage(disk)?;
        if !usage.is_free() {
            return Err(Error::InUse {
                disk: disk.name.clone(),
                usage,
            });
        }
        match self.write(&format!("{}/delete", disk.dir()), "1") {
            Err(Error::Write { source, .. }) if is_gone(&source) => {}
            other => other?,
        }
        let gone = jdss_sys::poll(deadline, || {
            Ok::<_, Error>((!self.is_left(disk, &sequence)?).then_some(()))
        })?;
        gone.ok_or_else(|| Error::StillThere {
            disk: disk.name.clone(),
        })
    }

    /// Whether anything is left of a deleted disk. A disk that came to its name
    /// or its LUN since is another one.
    fn is_left(&self, disk: &Disk, sequence: &Option<String>) -> Result<bool, Error> {
        let block = self.root.exists(format!("sys/block/{}", disk.name));
        if block.map_err(Error::read)? {
            return Ok(self.sequence(disk)? == *sequence);
        }
        // The SCSI device goes a little later than its disk, and keeps its
        // session from being logged out till then.
        let device = self.root.exists(disk.dir()).map_err(Error::read)?;
        let names = self.root.list(format!("{}/block", disk.dir()));
        Ok(device && names.map_err(Error::read)?.is_empty())
    }

    /// The number of this very disk; kernels before 5.15 have none.
    fn sequence(&self, disk: &Disk) -> Result<Option<String>, Error> {
        let path = format!("sys/block/{}/diskseq", disk.name);
        self.root.read(path).map_err(Error::read)
    }

    fn must_be_up(&self, session: &Session) -> Result<(), Error> {
        match self.state(session.id)? {
            Some(SessionState::LoggedIn) => Ok(()),
            state => Err(session_down(session, state)),
        }
    }

    fn write(&self, path: &str, value: &str) -> Result<(), Error> {
        let path = self.root.join(path);
        self.effects
            .write(&path, value)
            .map_err(|source| Error::Write {
                path,
                value: value.to_owned(),
                source,
            })
    }
}

fn session_down(session: &Session, state: Option<SessionState>) -> Error {
    Error::SessionDown {
        target: session.target.clone(),
        portal: Some(session.portal),
        state,
    }
}

/// The device went away between the look and the write.
fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let gone = [Errno::NOENT, Errno::NODEV, Errno::NXIO];
    gone.into_iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
