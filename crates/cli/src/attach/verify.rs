//! Is this device the volume? The questions that are asked before a path is
//! handed out.

use std::fmt;

use jdss_iscsi::{Disk, DiskState};
use jdss_multipath::{Map, Wwid, page83};

use super::convert::Place;
use super::paths::Path;
use super::{Attach, Error};

/// What a disk turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// It answers, freshly asked, with our ID.
    Ours,
    /// It answers with another ID.
    Other(Wwid),
    /// Its session is up, but behind it is no volume: the LUN is gone.
    Silent,
    /// It cannot be asked without the risk of a hang.
    Down {
        /// The kernel remembers our ID of it.
        ours: bool,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("the volume"),
            Self::Other(wwid) => write!(f, "{wwid}"),
            Self::Silent => f.write_str("nothing (its LUN is gone)"),
            Self::Down { .. } => f.write_str("nothing (its path is down)"),
        }
    }
}

impl Attach {
    /// The identity that the kernel remembers of the disk.
    pub(super) fn last_identity(&self, disk: &Disk) -> Result<Option<Wwid>, Error> {
        let page = self.initiator.page83(disk).map_err(Error::Iscsi)?;
        Ok(page.as_deref().and_then(page83::wwid))
    }

    /// What the disk is now: asked freshly when it is up, else remembered.
    pub(super) fn find(&self, disk: &Disk, wwid: &Wwid) -> Result<Finding, Error> {
        let down = || {
            let ours = self.last_identity(disk)?.as_ref() == Some(wwid);
            Ok(Finding::Down { ours })
        };
        if !self.answers(disk)? {
            return down();
        }
        match self.initiator.rescan(disk) {
            Ok(()) => {}
            // It went down just now.
            Err(jdss_iscsi::Error::SessionDown { .. } | jdss_iscsi::Error::DiskDown { .. }) => {
                return down();
            }
            Err(error) => return Err(Error::Iscsi(error)),
        }
        let now = self
            .initiator
            .disk_by_name(&disk.name)
            .map_err(Error::Iscsi)?;
        // A LUN that is gone keeps its page 83 in the kernel; its size tells.
        if now.is_none_or(|now| now.size == 0) {
            return Ok(Finding::Silent);
        }
        Ok(match self.last_identity(disk)? {
            Some(found) if found == *wwid => Finding::Ours,
            Some(found) => Finding::Other(found),
            None => Finding::Silent,
        })
    }

    /// Whether the disk may be asked: its session is up and it is running.
    pub(super) fn answers(&self, disk: &Disk) -> Result<bool, Error> {
        let sessions = self.initiator.sessions().map_err(Error::Iscsi)?;
        Ok(disk.state == DiskState::Running
            && sessions.iter().any(|s| s.id == disk.session && s.is_up()))
    }

    /// The volume's target and LUN, through whatever portal.
    pub(super) fn is_path_of(&self, place: &Place, disk: &Disk) -> Result<bool, Error> {
        let sessions = self.initiator.sessions().map_err(Error::Iscsi)?;
        Ok(disk.lun == place.lun
            && sessions
                .iter()
                .any(|s| s.id == disk.session && s.target == place.target))
    }

    /// Who holds a disk of the map beside the map: device-mapper lets a logical
    /// volume and a map share a disk, and one of both then has a single path.
    pub(super) fn other_holder(&self, map: &Map, disk: &str) -> Result<Option<String>, Error> {
        let read = |source| Error::Multipath(jdss_multipath::Error::Read(source));
        let holders = self.root.list(format!("sys/block/{disk}/holders"));
        let mut others = holders.map_err(read)?;
        others.retain(|holder| *holder != map.device);
        let Some(holder) = others.into_iter().next() else {
            return Ok(None);
        };
        let name = self.root.read(format!("sys/block/{holder}/dm/name"));
        Ok(Some(match name.map_err(read)? {
            Some(name) => format!("{holder} ({name})"),
            None => holder,
        }))
    }

    /// Every disk of the map is the disk at one of our (session, LUN), each
    /// shows our ID, and all have the size that the appliance says.
    pub(super) fn verify_map(&self, place: &Place, map: &Map, paths: &[Path]) -> Result<(), Error> {
        for name in &map.disks {
            let mine = paths
                .iter()
                .filter_map(|p| p.disk.as_ref())
                .find(|d| d.name == *name);
            let Some(disk) = mine else {
                return Err(Error::ForeignDisk {
                    map: map.name.clone(),
                    disk: name.clone(),
                });
            };
            match self.find(disk, &place.wwid)? {
                Finding::Ours => self.check_size(place, disk)?,
                Finding::Down { ours: true } => {}
                found => return Err(identity_error(place, disk, found.to_string())),
            }
            if let Some(holder) = self.other_holder(map, name)? {
                return Err(Error::InUse {
                    device: disk.path().display().to_string(),
                    holder,
                });
            }
        }
        if map.size != place.size {
            return Err(Error::Size {
                device: map.path().display().to_string(),
                found: map.size,
                wanted: place.size,
            });
        }
        Ok(())
    }

    /// The disk has the size that the appliance says, as of the last rescan.
    pub(super) fn check_size(&self, place: &Place, disk: &Disk) -> Result<(), Error> {
        let now = self
            .initiator
            .disk_by_name(&disk.name)
            .map_err(Error::Iscsi)?;
        let size = now.map_or(0, |disk| disk.size);
        if size == place.size {
            return Ok(());
        }
        Err(Error::Size {
            device: disk.path().display().to_string(),
            found: size,
            wanted: place.size,
        })
    }
}

pub(super) fn identity_error(place: &Place, disk: &Disk, found: String) -> Error {
    Error::Identity {
        disk: disk.name.clone(),
        target: place.target.clone(),
        lun: place.lun,
        found,
        wanted: place.wwid.clone(),
    }
}
