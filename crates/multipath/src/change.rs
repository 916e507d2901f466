//! Changing a map that stays: failing a path, taking a new size.

use crate::error::{Error, Result};
use crate::{Map, Multipath, Reply, map};
use std::time::{Duration, Instant};

/// Between two requests to resize.
const FIRST_GAP: Duration = Duration::from_millis(50);
const LAST_GAP: Duration = Duration::from_secs(1);

impl Multipath {
    /// Takes a path out of use in its map (`fail path sda`), until somebody
    /// reinstates it: for a disk that turns out to be another volume. The
    /// kernel is asked afterwards whether it is out. Success as well when the
    /// disk is in no map. Blocks for at most 10 s.
    ///
    /// # Errors
    ///
    /// * [`Error::NotFailed`]: the kernel still sends I/O through it.
    /// * [`Error::DaemonDown`], [`Error::DaemonSilent`], [`Error::Daemon`],
    ///   [`Error::Refused`], [`Error::DeadlinePassed`]: it was not possible to ask.
    /// * [`Error::Read`], [`Error::Run`], [`Error::Failed`], [`Error::Output`]: it
    ///   is not known what became of it.
    pub fn fail_path(&self, disk: &str, deadline: Instant) -> Result<()> {
        if !self.carries_io(disk)? {
            return Ok(());
        }
        let mut reply = self.request(&format!("fail path {disk}"), deadline)?;
        let out = jdss_sys::poll(deadline, || {
            if !self.carries_io(disk)? {
                return Ok(Some(()));
            }
            if reply == Reply::Timeout {
                reply = self.request(&format!("fail path {disk}"), deadline)?;
                return Ok(None);
            }
            // It was said and not done: looking again changes nothing.
            Err(Error::NotFailed {
                disk: disk.to_owned(),
                reply: reply.clone(),
            })
        })?;
        out.ok_or_else(|| Error::NotFailed {
            disk: disk.to_owned(),
            reply,
        })
    }

    /// Whether the disk is an active path of a map.
    fn carries_io(&self, disk: &str) -> Result<bool> {
        let Some(map) = self.map_of_disk(disk)? else {
            return Ok(false);
        };
        let active = match self.paths(&map) {
            Err(Error::MapGone { .. }) => return Ok(false),
            paths => paths?
                .into_iter()
                .find(|path| path.disk.as_deref() == Some(disk)),
        };
        Ok(active.is_some_and(|path| path.active))
    }

    /// Gives a map the size that all its disks have by now (`resize map`), and
    /// confirms it in sysfs. **Rescan the disks first**: the daemon goes by
    /// what the kernel last learnt of them. Success as well when the map has
    /// that size already. Blocks until `deadline`.
    ///
    /// # Errors
    ///
    /// * [`Error::DiskSize`]: a disk has another size; nothing was asked. With
    ///   some versions the map would get a size that not every path has.
    /// * [`Error::NotResized`]: the map has another size at the deadline.
    /// * [`Error::MapGone`]: there is no such map any more.
    /// * [`Error::DaemonDown`], [`Error::DaemonSilent`], [`Error::Daemon`],
    ///   [`Error::Refused`], [`Error::Read`].
    pub fn resize(&self, map: &Map, size: u64, deadline: Instant) -> Result<Map> {
        let mut reply = None;
        let mut found = map.size;
        let mut gap = FIRST_GAP;
        let mut next = Instant::now();
        let done = jdss_sys::poll(deadline, || {
            let now = self.map(&map.wwid)?.ok_or_else(|| Error::MapGone {
                wwid: map.wwid.clone(),
            })?;
            found = now.size;
            if now.size == size {
                return Ok(Some(now));
            }
            self.all_have(&now, size)?;
            if Instant::now() < next {
                return Ok(None);
            }
            next = Instant::now() + gap;
            gap = (gap * 2).min(LAST_GAP);
            // For some seconds after it made a map the daemon answers "fail".
            reply = match self.request(&format!("resize map {}", now.argument()), deadline) {
                Err(Error::DeadlinePassed { .. }) if reply.is_some() => return Ok(None),
                answer => Some(answer?),
            };
            Ok(self.map(&map.wwid)?.filter(|now| now.size == size))
        })?;
        done.ok_or_else(|| Error::NotResized {
            name: map.name.clone(),
            found,
            wanted: size,
            reply: reply.unwrap_or(Reply::Timeout),
        })
    }

    fn all_have(&self, map: &Map, wanted: u64) -> Result<()> {
        for disk in &map.disks {
            let size = map::size(&self.root, disk).map_err(Error::Read)?;
            if let Some(found) = size.filter(|size| *size != wanted) {
                let disk = disk.clone();
                return Err(Error::DiskSize {
                    disk,
                    found,
                    wanted,
                });
            }
        }
        Ok(())
    }
}
