//! Is this device the volume? The questions that are asked before a path is
//! handed out.

use jdss_iscsi::Disk;
use jdss_multipath::{Map, Wwid, page83};

use super::convert::Place;
use super::paths::Path;
use super::{Attach, Error};

/// What a disk without a usable page 83 is called in messages.
const NO_ID: &str = "a device without an ID";

pub(super) fn name_of(found: Option<&Wwid>) -> String {
    found.map_or_else(|| NO_ID.to_owned(), ToString::to_string)
}

impl Attach {
    /// The identity that the disk gives now, not the one the kernel remembers.
    ///
    /// Only for a disk that is up: the rescan would hang on another.
    pub(super) fn fresh_identity(&self, disk: &Disk) -> Result<Option<Wwid>, Error> {
        self.initiator.rescan(disk).map_err(Error::Iscsi)?;
        self.last_identity(disk)
    }

    /// The identity that the kernel remembers of the disk.
    pub(super) fn last_identity(&self, disk: &Disk) -> Result<Option<Wwid>, Error> {
        let page = self.initiator.page83(disk).map_err(Error::Iscsi)?;
        Ok(page.as_deref().and_then(page83::wwid))
    }

    /// Fresh for a path that is up, remembered for one that is not.
    pub(super) fn identity(&self, path: &Path) -> Result<Option<Wwid>, Error> {
        let Some(disk) = &path.disk else {
            return Ok(None);
        };
        if path.up().is_none() {
            return self.last_identity(disk);
        }
        match self.fresh_identity(disk) {
            // It went down just now.
            Err(Error::Iscsi(
                jdss_iscsi::Error::SessionDown { .. } | jdss_iscsi::Error::DiskDown { .. },
            )) => self.last_identity(disk),
            found => found,
        }
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

    /// Every disk of the map is the disk at one of our (session, LUN), and
    /// each shows our ID.
    pub(super) fn verify_map(&self, place: &Place, map: &Map, paths: &[Path]) -> Result<(), Error> {
        if let Some(disk) = foreign_disk(map, paths) {
            return Err(Error::ForeignDisk {
                map: map.name.clone(),
                disk: disk.to_owned(),
            });
        }
        for path in paths {
            let Some(disk) = path.disk.as_ref().filter(|d| map.disks.contains(&d.name)) else {
                continue;
            };
            let found = self.identity(path)?;
            if found.as_ref() != Some(&place.wwid) {
                return Err(Error::Identity {
                    disk: disk.name.clone(),
                    target: place.target.clone(),
                    lun: place.lun,
                    found: name_of(found.as_ref()),
                    wanted: place.wwid.clone(),
                });
            }
            if let Some(holder) = self.other_holder(map, &disk.name)? {
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
}

/// A disk of the map that is at none of our paths.
pub(super) fn foreign_disk<'a>(map: &'a Map, paths: &[Path]) -> Option<&'a str> {
    map.disks
        .iter()
        .find(|name| {
            !paths
                .iter()
                .any(|p| p.disk.as_ref().is_some_and(|d| d.name == **name))
        })
        .map(String::as_str)
}
