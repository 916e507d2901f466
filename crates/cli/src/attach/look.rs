//! The look before the scan: leftovers that would make the volume another
//! one are taken away, or the activation is refused.
//!
//! Without it multipathd would merge two volumes: a LUN number that was given
//! to another volume under a map makes the map serve that volume's data, and
//! two volumes whose IDs agree in the first eight characters have one WWID.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jdss_iscsi::{Disk, Portal};
use jdss_multipath::Map;
use jdss_state::{Key, Record};

use super::convert::{Place, place_of_record};
use super::verify::Finding;
use super::{Attach, Budget, Error, Event};

/// How long a leftover whose path is down is waited for; it is left then.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(10);

impl Attach {
    /// Leaves nothing on the host that could be taken for the volume, except
    /// what proves to be it.
    ///
    /// Gives further portals through which somebody uses the volume already:
    /// they become the volume's, too.
    pub(super) fn settle(
        &self,
        key: &Key,
        boot_id: &str,
        place: &Place,
        budget: &Budget,
    ) -> Result<Vec<Portal>, Error> {
        self.refuse_other_record(key, boot_id, place)?;
        let further = self.settle_our_wwid_elsewhere(place, budget)?;
        self.settle_our_lun(place, budget)?;
        Ok(further)
    }

    /// Another volume of this host, up now, carries the same WWID.
    fn refuse_other_record(&self, key: &Key, boot_id: &str, place: &Place) -> Result<(), Error> {
        for record in self.records_of(boot_id)?.list {
            if record.key() != key
                && record.scsi_id.as_deref() == Some(place.wwid.as_str())
                && self.has_device(&record)?
            {
                return Err(Error::SameWwid {
                    wwid: place.wwid.clone(),
                    other: format!(
                        "volume {} of storage {}",
                        record.key().volume(),
                        record.key().storage()
                    ),
                });
            }
        }
        Ok(())
    }

    /// Whether a disk is at one of the record's paths: only then it counts.
    pub(super) fn has_device(&self, record: &Record) -> Result<bool, Error> {
        let Some(place) = place_of_record(record)? else {
            return Ok(false);
        };
        Ok(self.paths(&place)?.iter().any(|p| p.disk.is_some()))
    }

    /// The records of this boot. A broken one is told, hides nothing else, and
    /// is no proof that nobody needs something.
    pub(super) fn records_of(&self, boot_id: &str) -> Result<Records, Error> {
        let mut records = Records::default();
        for record in self.store.list(None).map_err(Error::State)? {
            match record {
                Ok(record) if record.is_of_boot(boot_id) => records.list.push(record),
                Ok(_) => {}
                Err(error) => {
                    records.complete = false;
                    self.note(error.to_string());
                }
            }
        }
        Ok(records)
    }

    /// Our WWID, remembered or mapped, at a disk that is not at our LUN.
    fn settle_our_wwid_elsewhere(
        &self,
        place: &Place,
        budget: &Budget,
    ) -> Result<Vec<Portal>, Error> {
        let ours: BTreeSet<String> = self
            .paths(place)?
            .into_iter()
            .filter_map(|p| p.disk)
            .map(|d| d.name)
            .collect();
        let mapped: BTreeSet<String> = self
            .multipath
            .map(&place.wwid)
            .map_err(Error::Multipath)?
            .map(|m| m.disks.into_iter().collect())
            .unwrap_or_default();
        let mut further = Vec::new();
        for disk in self.initiator.all_disks().map_err(Error::Iscsi)? {
            if ours.contains(&disk.name) {
                continue;
            }
            let remembered = self.last_identity(&disk)?;
            if remembered.as_ref() != Some(&place.wwid) && !mapped.contains(&disk.name) {
                continue;
            }
            let found = self.find(&disk, &place.wwid)?;
            if found == Finding::Ours {
                if !self.is_path_of(place, &disk)? {
                    return Err(Error::SameWwid {
                        wwid: place.wwid.clone(),
                        other: format!("disk {} ({})", disk.name, disk.hctl),
                    });
                }
                if let Some(portal) = self.portal_in_use(&disk)? {
                    self.note(format!("somebody uses the volume through {portal} already"));
                    further.push(portal);
                    continue;
                }
            }
            self.take_away(&disk, &found, place, budget)?;
        }
        // A map of ours whose disks are all gone.
        if let Some(map) = self.multipath.map(&place.wwid).map_err(Error::Multipath)?
            && map.disks.is_empty()
        {
            self.remove_leftover_map(&map, budget)?;
        }
        Ok(further)
    }

    /// The portal of a disk that somebody uses, alone or through its map.
    fn portal_in_use(&self, disk: &Disk) -> Result<Option<Portal>, Error> {
        let free = match self.map_of(disk)? {
            Some(map) => self
                .multipath
                .usage(&map)
                .map_err(Error::Multipath)?
                .is_free(),
            None => self.initiator.usage(disk).map_err(Error::Iscsi)?.is_free(),
        };
        let sessions = self.initiator.sessions().map_err(Error::Iscsi)?;
        let session = sessions.iter().find(|s| s.id == disk.session);
        Ok(session.filter(|_| !free).map(|s| s.portal))
    }

    /// Another identity at our (session, LUN), or ours in another map.
    fn settle_our_lun(&self, place: &Place, budget: &Budget) -> Result<(), Error> {
        for path in self.paths(place)? {
            let Some(disk) = &path.disk else { continue };
            let found = self.find(disk, &place.wwid)?;
            let map = self.map_of(disk)?;
            let in_ours = map.as_ref().is_some_and(|m| m.wwid == place.wwid);
            match found {
                Finding::Ours if in_ours => continue,
                // In use as a single path; the map, if one is wanted, says so.
                Finding::Ours
                    if map.is_none()
                        && !self.initiator.usage(disk).map_err(Error::Iscsi)?.is_free() =>
                {
                    continue;
                }
                // A path that is missing. What it is shows when it comes back.
                Finding::Down { .. } => continue,
                // Ours, but outside our map, is taken away as well: udev may
                // remember it under another ID, and only a disk that is made
                // anew is right everywhere.
                Finding::Ours | Finding::Other(_) | Finding::Silent => {}
            }
            self.take_away(disk, &found, place, budget)?;
        }
        Ok(())
    }

    /// Takes a disk away that is not to be there, and the map it is in;
    /// refuses when somebody uses it.
    fn take_away(
        &self,
        disk: &Disk,
        found: &Finding,
        place: &Place,
        budget: &Budget,
    ) -> Result<(), Error> {
        budget.step("taking leftovers away")?;
        if let Some(map) = self.map_of(disk)? {
            let usage = self.multipath.usage(&map).map_err(Error::Multipath)?;
            if !usage.is_free() {
                return Err(self.held_map(place, &map, &usage.to_string(), budget)?);
            }
            self.remove_leftover_map(&map, budget)?;
        }
        match self.initiator.usage(disk) {
            Ok(usage) if !usage.is_free() => {
                let device = disk.path().display().to_string();
                let holder = usage.to_string();
                return Err(match found {
                    Finding::Other(other) => Error::WrongDevice {
                        device,
                        holder,
                        found: other.to_string(),
                        wanted: place.wwid.clone(),
                    },
                    _ => Error::Unclear { device, holder },
                });
            }
            // Who uses a disk that is down is asked when it is deleted.
            Ok(_) | Err(jdss_iscsi::Error::DiskDown { .. }) => {}
            Err(error) => return Err(Error::Iscsi(error)),
        }
        let deadline = budget.forward().min(Instant::now() + LEFTOVER_PATIENCE);
        match self.delete_disk(disk, deadline) {
            Ok(()) => {}
            Err(Error::Iscsi(error @ jdss_iscsi::Error::DiskDown { .. })) => {
                self.note(format!("a leftover stays: {error}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.tell(Event::Settled {
            what: format!("disk {} ({}), {found}", disk.name, disk.hctl),
        });
        Ok(())
    }

    /// A map that somebody uses and that is in the way. Its paths that answer
    /// as a volume that the map is not are failed, and no others.
    fn held_map(
        &self,
        place: &Place,
        map: &Map,
        holder: &str,
        budget: &Budget,
    ) -> Result<Error, Error> {
        let mut wrong = Vec::new();
        for name in &map.disks {
            if let Some(disk) = self.initiator.disk_by_name(name).map_err(Error::Iscsi)?
                && let Finding::Other(found) = self.find(&disk, &map.wwid)?
            {
                wrong.push((name.clone(), found.to_string()));
            }
        }
        if wrong.is_empty() {
            return Ok(Error::Unclear {
                device: map.path().display().to_string(),
                holder: holder.to_owned(),
            });
        }
        let of_map = Place {
            wwid: map.wwid.clone(),
            ..place.clone()
        };
        Ok(self.fail_wrong(&of_map, map, &wrong, holder, budget))
    }

    fn remove_leftover_map(&self, map: &Map, budget: &Budget) -> Result<(), Error> {
        self.withdraw(&map.wwid, budget.forward())?;
        self.remove_map(map, budget.forward())?;
        self.tell(Event::Settled {
            what: format!("map {}", map.name),
        });
        Ok(())
    }

    pub(super) fn map_of(&self, disk: &Disk) -> Result<Option<Map>, Error> {
        self.multipath
            .map_of_disk(&disk.name)
            .map_err(Error::Multipath)
    }
}

/// The records of one boot.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) list: Vec<Record>,
    /// All could be read.
    pub(super) complete: bool,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            complete: true,
        }
    }
}
