//! Taking a volume down on this host.

use std::time::{Duration, Instant};

use jdss_iscsi::Portal;
use jdss_multipath::Map;
use jdss_state::{Key, Phase, Record};

use super::convert::{Place, place_of_record};
use super::verify::name_of;
use super::{Attach, Budget, Deactivated, Error, Event, link};

/// How long at most the last opener is waited for when no path is up: nobody
/// can finish I/O then.
const OPENER_PATIENCE_DEAD: Duration = Duration::from_secs(2);

impl Attach {
    /// Takes the volume down on this host: map, disks, sessions that nobody
    /// else uses, record. The appliance is not asked and not changed, and
    /// nothing is written to the volume.
    ///
    /// Doing it twice is doing it once; a volume that was never up is taken
    /// down already. Blocks until everything is gone, at most until the end
    /// of `budget`; a part of that is for the last opener to close the device
    /// ([`opener_patience`](Self::opener_patience)).
    ///
    /// # Errors
    ///
    /// * [`Error::InUse`]: somebody has the device open; nothing was changed.
    ///   Stop what uses it and try again.
    /// * [`Error::Left`]: something could not be taken away in time. The
    ///   record stays; run it again.
    /// * [`Error::State`]: the record cannot be read, so that it is not known
    ///   what to take down.
    pub fn deactivate(&self, key: &Key, budget: &Budget) -> Result<Deactivated, Error> {
        let volume_lock = self
            .locks
            .volume(key, budget.forward())
            .map_err(Error::State)?;
        let link = link::path(&self.root, key);
        let Some(mut record) = self.store.load(key).map_err(Error::State)? else {
            self.unlink(&link)?;
            return Ok(Deactivated::WasNot);
        };
        let Some(place) = place_of_record(&record)? else {
            // The intent of an activation that never reached this host.
            self.unlink(&link)?;
            self.forget(key)?;
            return Ok(Deactivated::Done);
        };
        let wwid_lock = volume_lock
            .scsi_id(place.wwid.as_str(), budget.forward())
            .map_err(Error::State)?;
        let boot_id = self.boot_id()?;
        let others: Vec<Record> = self
            .records_of(&boot_id)?
            .into_iter()
            .filter(|r| r.key() != key)
            .collect();
        if others.iter().any(|r| r.scsi_id == record.scsi_id) {
            self.note("another record of this host names the same WWID: its devices stay");
            self.unlink(&link)?;
            self.forget(key)?;
            return Ok(Deactivated::Done);
        }

        let map = self.multipath.map(&place.wwid).map_err(Error::Multipath)?;
        if map.is_some() {
            // Without its daemon the map cannot go: told before anything is changed.
            self.multipath.check().map_err(Error::Multipath)?;
        }
        self.wait_until_free(&place, map.as_ref(), budget)?;
        budget.step("taking the volume down")?;
        let phase = record.phase;
        record.phase = Phase::Deactivating;
        self.save_or_note(&record);
        self.unlink(&link)?;
        self.withdraw(&place.wwid, budget.forward())?;
        if let Some(map) = &map
            && let Err(error) = self.remove_map(map, budget.forward())
        {
            record.phase = phase;
            return Err(self.back_up(error, &record, map, &link, budget));
        }
        let left = self.delete_disks(&place, budget)?;
        if !left.is_empty() {
            return Err(Error::Left { left });
        }
        let _target = wwid_lock
            .target(place.target.as_str(), budget.forward())
            .map_err(Error::State)?;
        self.log_out_if_last(&record, &place, budget)?;
        self.forget(key)?;
        Ok(Deactivated::Done)
    }

    fn forget(&self, key: &Key) -> Result<(), Error> {
        self.store.remove(key).map_err(Error::State)?;
        self.tell(Event::Forgotten);
        Ok(())
    }

    /// A record that cannot be written does not stop a deactivation.
    fn save_or_note(&self, record: &Record) {
        match self.store.save(record) {
            Ok(()) => self.tell(Event::Recorded {
                phase: record.phase,
            }),
            Err(error) => self.note(format!("the record could not be written: {error}")),
        }
    }

    /// Waits for the last opener, before anything is changed.
    fn wait_until_free(
        &self,
        place: &Place,
        map: Option<&Map>,
        budget: &Budget,
    ) -> Result<(), Error> {
        let alive = self.paths(place)?.iter().any(|p| p.up().is_some());
        let patience = if alive {
            self.openers
        } else {
            self.openers.min(OPENER_PATIENCE_DEAD)
        };
        let deadline = budget.forward().min(Instant::now() + patience);
        let mut holder = None;
        let free = jdss_sys::poll(deadline, || {
            holder = self.holder(place, map)?;
            Ok::<_, Error>(holder.is_none().then_some(()))
        })?;
        match (free, holder) {
            (None, Some((device, usage))) => Err(Error::InUse {
                device,
                holder: usage,
            }),
            _ => Ok(()),
        }
    }

    /// Who has the map, or one of our disks outside it, open.
    fn holder(&self, place: &Place, map: Option<&Map>) -> Result<Option<(String, String)>, Error> {
        if let Some(map) = map {
            let usage = self.multipath.usage(map).map_err(Error::Multipath)?;
            if !usage.is_free() {
                return Ok(Some((map.path().display().to_string(), usage.to_string())));
            }
            for disk in &map.disks {
                if let Some(holder) = self.other_holder(map, disk)? {
                    return Ok(Some((format!("/dev/{disk}"), holder)));
                }
            }
        }
        for path in self.paths(place)? {
            let Some(disk) = path.disk else { continue };
            let mapped = map.is_some_and(|m| m.disks.contains(&disk.name));
            if mapped || self.last_identity(&disk)?.as_ref() != Some(&place.wwid) {
                continue;
            }
            let usage = self.initiator.usage(&disk).map_err(Error::Iscsi)?;
            if !usage.is_free() {
                return Ok(Some((disk.path().display().to_string(), usage.to_string())));
            }
        }
        Ok(None)
    }

    /// The map would not go: everything as it was, and the reason.
    fn back_up(
        &self,
        error: Error,
        record: &Record,
        map: &Map,
        link: &std::path::Path,
        budget: &Budget,
    ) -> Error {
        let mut undo = Vec::new();
        if let Err(e) = self.multipath.enrol(&map.wwid, budget.end()) {
            undo.push(Error::Multipath(e));
        }
        if record.phase == Phase::Active
            && let Err(source) = link::set(link, &map.path())
        {
            undo.push(Error::Link {
                link: link.to_owned(),
                source,
            });
        }
        self.save_or_note(record);
        if undo.is_empty() {
            error
        } else {
            Error::NotUndone {
                cause: Box::new(error),
                undo,
            }
        }
    }

    /// Takes away the disks that are at our LUN and carry our WWID. A disk
    /// for which only one of both holds is somebody else's: left and told.
    fn delete_disks(&self, place: &Place, budget: &Budget) -> Result<Vec<String>, Error> {
        let mut left = Vec::new();
        for path in self.paths(place)? {
            let Some(disk) = &path.disk else { continue };
            let found = self.last_identity(disk)?;
            if found.as_ref() != Some(&place.wwid) {
                self.note(format!(
                    "disk {} at {} LUN {} stays: it answers as {}, not as {}",
                    disk.name,
                    place.target,
                    place.lun,
                    name_of(found.as_ref()),
                    place.wwid
                ));
                continue;
            }
            if let Err(error) = self.delete_disk(disk, budget.forward()) {
                // The others are taken away all the same.
                left.push(format!("disk {} at {}: {error}", disk.name, path.portal));
            }
        }
        Ok(left)
    }

    /// Logs out where no other volume of this host needs the session. The
    /// caller holds the target's lock.
    fn log_out_if_last(
        &self,
        record: &Record,
        place: &Place,
        budget: &Budget,
    ) -> Result<(), Error> {
        // A spare may have a node record of a login that failed.
        let spares = record.spare_portals.iter().filter_map(|p| p.parse().ok());
        let portals: Vec<Portal> = place.portals.iter().copied().chain(spares).collect();
        let (kept, going) = self.split_by_need(record.key(), &place.target, &portals)?;
        if !kept.is_empty() {
            self.tell(Event::SessionsKept {
                target: place.target.to_string(),
            });
        }
        self.delete_strays(place, &going, budget)?;
        self.logout(&place.target, &going, budget.forward())
    }

    /// Disks of sessions that no volume of this host needs, and that nobody
    /// holds: a LUN that was given to another volume meanwhile, for example.
    /// They would keep the sessions for ever.
    fn delete_strays(
        &self,
        place: &Place,
        portals: &[Portal],
        budget: &Budget,
    ) -> Result<(), Error> {
        for session in self.initiator.sessions().map_err(Error::Iscsi)? {
            if session.target != place.target || !portals.contains(&session.portal) {
                continue;
            }
            for disk in self.initiator.disks(&session).map_err(Error::Iscsi)? {
                let usage = self.initiator.usage(&disk).map_err(Error::Iscsi)?;
                if usage.is_free() {
                    self.delete_disk(&disk, budget.forward())?;
                } else {
                    self.note(format!("disk {} ({}) stays: {usage}", disk.name, disk.hctl));
                }
            }
        }
        Ok(())
    }
}
