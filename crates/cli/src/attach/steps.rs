//! Single steps that both directions share. Each is done when it returns:
//! looked at, changed, looked at again.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jdss_iscsi::{Disk, Iqn, Portal};
use jdss_multipath::{Map, Wwid};
use jdss_state::Key;

use super::{Attach, Error, Event, link};

impl Attach {
    /// The WWID is no longer in multipath's list.
    pub(super) fn withdraw(&self, wwid: &Wwid, deadline: Instant) -> Result<(), Error> {
        if self
            .multipath
            .withdraw(wwid, deadline)
            .map_err(Error::Multipath)?
        {
            self.tell(Event::Withdrawn {
                wwid: wwid.to_string(),
            });
        }
        Ok(())
    }

    /// The map is gone.
    pub(super) fn remove_map(&self, map: &Map, deadline: Instant) -> Result<(), Error> {
        self.multipath
            .remove(map, deadline)
            .map_err(Error::Multipath)?;
        self.tell(Event::MapRemoved {
            name: map.name.clone(),
        });
        Ok(())
    }

    /// The disk is gone.
    pub(super) fn delete_disk(&self, disk: &Disk, deadline: Instant) -> Result<(), Error> {
        self.initiator
            .delete(disk, deadline)
            .map_err(Error::Iscsi)?;
        self.tell(Event::DiskRemoved {
            disk: disk.name.clone(),
        });
        Ok(())
    }

    /// The disk is gone; until `patience` a short opener, such as udev's, is
    /// waited for. `clear` comes before each try.
    pub(super) fn delete_patiently(
        &self,
        disk: &Disk,
        patience: Instant,
        deadline: Instant,
        clear: impl Fn() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut held = None;
        let gone = jdss_sys::poll(patience.min(deadline), || {
            clear()?;
            match self.delete_disk(disk, deadline) {
                Err(error @ Error::Iscsi(jdss_iscsi::Error::InUse { .. })) => {
                    held = Some(error);
                    Ok(None)
                }
                done => done.map(Some),
            }
        })?;
        match (gone, held) {
            (None, Some(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Splits portals of a target by whether another volume of this host, up
    /// or on its way, needs the session: those it needs first.
    ///
    /// The caller holds the target's lock. A volume on its way has its portals
    /// in its record before it asks for that lock, so none is overlooked.
    pub(super) fn split_by_need(
        &self,
        key: &Key,
        target: &Iqn,
        portals: &[Portal],
    ) -> Result<(Vec<Portal>, Vec<Portal>), Error> {
        let records = self.records_of(&self.boot_id()?)?;
        let needed = |portal: &Portal| {
            let text = portal.to_string();
            // A record that cannot be read may name any of them.
            !records.complete
                || records.list.iter().any(|other| {
                    other.key() != key
                        && other.target.as_deref() == Some(target.as_str())
                        && other.portals.contains(&text)
                })
        };
        Ok(portals.iter().copied().partition(needed))
    }

    /// The running boot of this host.
    pub(super) fn boot_id(&self) -> Result<String, Error> {
        jdss_state::boot_id(&self.root.join("")).map_err(Error::State)
    }

    /// Sessions and node records at these portals are gone, unless a disk is
    /// left. The caller holds the target's lock.
    pub(super) fn logout(
        &self,
        target: &Iqn,
        portals: &[Portal],
        deadline: Instant,
    ) -> Result<(), Error> {
        if portals.is_empty() {
            return Ok(());
        }
        let report = self
            .initiator
            .logout(target, portals, deadline)
            .map_err(Error::Iscsi)?;
        if !report.logged_out.is_empty() {
            self.tell(Event::LoggedOut {
                target: target.to_string(),
                portals: report.logged_out.iter().map(Portal::to_string).collect(),
            });
        }
        if !report.kept.is_empty() {
            self.tell(Event::SessionsKept {
                target: target.to_string(),
            });
        }
        Ok(())
    }

    /// The stable link is gone.
    pub(super) fn unlink(&self, link: &Path) -> Result<(), Error> {
        let was = link::remove(link).map_err(|source| Error::Link {
            link: link.to_owned(),
            source,
        })?;
        if was {
            self.tell(Event::Unlinked {
                link: self.shown(link),
            });
        }
        Ok(())
    }

    /// A path below the root as users of this host write it.
    pub(super) fn shown(&self, path: &Path) -> String {
        let below = path.strip_prefix(self.root.join("")).unwrap_or(path);
        Path::new("/").join(below).display().to_string()
    }

    /// The device of a single-path volume, by udev's name for its ID.
    pub(super) fn by_id(&self, wwid: &Wwid) -> PathBuf {
        PathBuf::from(format!("/dev/disk/by-id/scsi-{wwid}"))
    }

    /// Whether udev's link leads to this very disk.
    pub(super) fn leads_to(&self, link: &Path, disk: &Disk) -> bool {
        let below = self.root.join(link.strip_prefix("/").unwrap_or(link));
        std::fs::read_link(below).is_ok_and(|to| {
            to.file_name()
                .is_some_and(|name| name == disk.name.as_str())
        })
    }

    /// A map on a disk that is to be used alone.
    pub(super) fn refuse_map(&self, disk: &Disk) -> Result<(), Error> {
        match self
            .multipath
            .map_of_disk(&disk.name)
            .map_err(Error::Multipath)?
        {
            Some(map) => Err(Error::UnwantedMap { map: map.name }),
            None => Ok(()),
        }
    }
}
