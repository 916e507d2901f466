//! The look before the scan: leftovers that would make the volume another
//! one are taken away, or the activation is refused.
//!
//! Without it multipathd would merge two volumes: a LUN number that was given
//! to another volume under a map makes the map serve that volume's data, and
//! two volumes whose IDs agree in the first eight characters have one WWID.

use std::collections::BTreeSet;
use std::fmt;

use jdss_iscsi::{Disk, DiskState};
use jdss_multipath::{Map, Wwid};
use jdss_state::{Key, Record};

use super::convert::{Place, place_of_record};
use super::verify::name_of;
use super::{Attach, Budget, Error, Event};

impl Attach {
    /// Leaves nothing on the host that could be taken for the volume, except
    /// what proves to be it.
    pub(super) fn settle(
        &self,
        key: &Key,
        boot_id: &str,
        place: &Place,
        budget: &Budget,
    ) -> Result<(), Error> {
        self.refuse_other_record(key, boot_id, place)?;
        self.settle_our_wwid_elsewhere(place, budget)?;
        self.settle_our_lun(place, budget)
    }

    /// Another volume of this host, up now, carries the same WWID.
    fn refuse_other_record(&self, key: &Key, boot_id: &str, place: &Place) -> Result<(), Error> {
        for record in self.records_of(boot_id)? {
            if record.key() == key || record.scsi_id.as_deref() != Some(place.wwid.as_str()) {
                continue;
            }
            let Some(other) = place_of_record(&record)? else {
                continue;
            };
            let present = self.paths(&other)?.iter().any(|p| p.disk.is_some());
            if present {
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

    /// The readable records of this boot. A broken one is told and hides
    /// nothing else.
    pub(super) fn records_of(&self, boot_id: &str) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for record in self.store.list(None).map_err(Error::State)? {
            match record {
                Ok(record) if record.is_of_boot(boot_id) => records.push(record),
                Ok(_) => {}
                Err(error) => self.note(error.to_string()),
            }
        }
        Ok(records)
    }

    /// Our WWID, remembered or mapped, at a disk that is not at our LUN.
    fn settle_our_wwid_elsewhere(&self, place: &Place, budget: &Budget) -> Result<(), Error> {
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
        for disk in self.initiator.all_disks().map_err(Error::Iscsi)? {
            if ours.contains(&disk.name) {
                continue;
            }
            let remembered = self.last_identity(&disk)?;
            if remembered.as_ref() != Some(&place.wwid) && !mapped.contains(&disk.name) {
                continue;
            }
            let found = if self.answers(&disk)? {
                self.fresh_identity(&disk)?
            } else {
                None
            };
            if found.as_ref() == Some(&place.wwid) && !self.is_stray_of(place, &disk)? {
                return Err(Error::SameWwid {
                    wwid: place.wwid.clone(),
                    other: format!("disk {} ({})", disk.name, disk.hctl),
                });
            }
            self.take_away(&disk, found.as_ref(), place, budget)?;
        }
        // A map of ours whose disks are all gone.
        if let Some(map) = self.multipath.map(&place.wwid).map_err(Error::Multipath)?
            && map.disks.is_empty()
        {
            self.remove_leftover_map(&map, budget)?;
        }
        Ok(())
    }

    /// The same target and LUN through a portal that is not ours (any more).
    fn is_stray_of(&self, place: &Place, disk: &Disk) -> Result<bool, Error> {
        let sessions = self.initiator.sessions().map_err(Error::Iscsi)?;
        Ok(disk.lun == place.lun
            && sessions
                .iter()
                .any(|s| s.id == disk.session && s.target == place.target))
    }

    /// Another identity at our (session, LUN), or ours in another map.
    fn settle_our_lun(&self, place: &Place, budget: &Budget) -> Result<(), Error> {
        let ours = self.multipath.map(&place.wwid).map_err(Error::Multipath)?;
        for path in self.paths(place)? {
            let Some(disk) = &path.disk else { continue };
            let found = self.identity(&path)?;
            let right = found.as_ref() == Some(&place.wwid);
            if right && ours.as_ref().is_some_and(|m| m.disks.contains(&disk.name)) {
                continue;
            }
            if right
                && self.map_of(disk)?.is_none()
                && !self.initiator.usage(disk).map_err(Error::Iscsi)?.is_free()
            {
                // In use as a single path; the map, if one is wanted, says so.
                continue;
            }
            // Ours, but outside our map: udev may remember it under another
            // ID, and only a disk that is made anew is right everywhere.
            self.take_away(disk, found.as_ref(), place, budget)?;
        }
        Ok(())
    }

    /// Takes a disk away that is not to be there, and the map it is in;
    /// refuses when somebody uses it.
    fn take_away(
        &self,
        disk: &Disk,
        found: Option<&Wwid>,
        place: &Place,
        budget: &Budget,
    ) -> Result<(), Error> {
        budget.step("taking leftovers away")?;
        if let Some(map) = self.map_of(disk)? {
            let usage = self.multipath.usage(&map).map_err(Error::Multipath)?;
            if !usage.is_free() {
                // Whoever reads the map must not get the other volume's data.
                self.multipath
                    .fail_path(&disk.name, budget.forward())
                    .map_err(Error::Multipath)?;
                return Err(held(
                    &map.path().display().to_string(),
                    &usage,
                    found,
                    place,
                ));
            }
            self.remove_leftover_map(&map, budget)?;
        }
        let usage = self.initiator.usage(disk).map_err(Error::Iscsi)?;
        if !usage.is_free() {
            return Err(held(
                &disk.path().display().to_string(),
                &usage,
                found,
                place,
            ));
        }
        self.delete_disk(disk, budget.forward())?;
        self.tell(Event::Settled {
            what: format!("disk {} ({}), {}", disk.name, disk.hctl, name_of(found)),
        });
        Ok(())
    }

    fn remove_leftover_map(&self, map: &Map, budget: &Budget) -> Result<(), Error> {
        self.withdraw(&map.wwid, budget.forward())?;
        self.remove_map(map, budget.forward())?;
        self.tell(Event::Settled {
            what: format!("map {}", map.name),
        });
        Ok(())
    }

    fn map_of(&self, disk: &Disk) -> Result<Option<Map>, Error> {
        self.multipath
            .map_of_disk(&disk.name)
            .map_err(Error::Multipath)
    }

    /// Whether the disk may be asked: its session is up and it is running.
    fn answers(&self, disk: &Disk) -> Result<bool, Error> {
        let sessions = self.initiator.sessions().map_err(Error::Iscsi)?;
        Ok(disk.state == DiskState::Running
            && sessions.iter().any(|s| s.id == disk.session && s.is_up()))
    }
}

fn held(device: &str, usage: &dyn fmt::Display, found: Option<&Wwid>, place: &Place) -> Error {
    Error::WrongDevice {
        device: device.to_owned(),
        holder: usage.to_string(),
        found: name_of(found),
        wanted: place.wwid.clone(),
    }
}
