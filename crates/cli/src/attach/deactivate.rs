//! Taking a volume down on this host.

use std::time::{Duration, Instant};

use jdss_iscsi::Portal;
use jdss_multipath::Map;
use jdss_state::{Key, Phase, Record, ScsiIdLock, TargetLock};

use super::convert::{Place, place_of_record};
use super::{Attach, Budget, Deactivated, Error, Event, link};

/// How long at most the last opener is waited for when no path is up: nobody
/// can finish I/O then.
const OPENER_PATIENCE_DEAD: Duration = Duration::from_secs(2);
/// How long at most an opener of a disk is waited for when its map is gone.
const OPENER_PATIENCE_SHORT: Duration = Duration::from_secs(10);

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
        let volume_lock = budget.lock(|until| self.locks.volume(key, until))?;
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
        let wwid_lock = budget.lock(|until| volume_lock.scsi_id(place.wwid.as_str(), until))?;
        if self.another_has_the_device(&record, &place)? {
            self.note(
                "another volume of this host has the same WWID, target and LUN: its devices stay",
            );
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
        let before = record.clone();
        record.phase = Phase::Deactivating;
        self.save_or_note(&record);
        let _target = self
            .take_down(&record, &place, &wwid_lock, budget)
            .map_err(|error| {
                // What failed while the map is whole is undone.
                match (&map, error) {
                    (_, error @ Error::Left { .. }) => error,
                    (Some(map), error) if self.is_whole(map) => {
                        self.back_up(error, &before, map, &link, budget)
                    }
                    (_, error) => error,
                }
            })?;
        self.forget(key)?;
        Ok(Deactivated::Done)
    }

    /// The devices are another volume's, too: its record names the same WWID at
    /// the same place.
    fn another_has_the_device(&self, record: &Record, place: &Place) -> Result<bool, Error> {
        for other in self.records_of(&self.boot_id()?)?.list {
            if other.key() != record.key()
                && other.scsi_id.as_deref() == Some(place.wwid.as_str())
                && (&other.target, other.lun) == (&record.target, record.lun)
                && self.has_device(&other)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_whole(&self, map: &Map) -> bool {
        matches!(self.multipath.map(&map.wwid), Ok(Some(now)) if now.device == map.device)
    }

    /// Takes link, map, disks and sessions of a volume away; its openers have
    /// been waited for. Gives the target's lock: the record is to go while it is held.
    pub(super) fn take_down(
        &self,
        record: &Record,
        place: &Place,
        wwid_lock: &ScsiIdLock,
        budget: &Budget,
    ) -> Result<TargetLock, Error> {
        let map = self.multipath.map(&place.wwid).map_err(Error::Multipath)?;
        self.unlink(&link::path(&self.root, record.key()))?;
        self.withdraw(&place.wwid, budget.forward())?;
        if let Some(map) = &map {
            self.remove_map(map, budget.forward())?;
        }
        let left = self.delete_disks(place, budget)?;
        if !left.is_empty() {
            return Err(Error::Left { left });
        }
        let lock = budget.lock(|until| wwid_lock.target(place.target.as_str(), until))?;
        self.log_out_if_last(record, place, budget)?;
        Ok(lock)
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
    pub(super) fn wait_until_free(
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
            if holder.is_some() {
                budget.called_off("waiting for the last opener")?;
            }
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

    /// Who has the map or one of our disks open.
    fn holder(&self, place: &Place, map: Option<&Map>) -> Result<Option<(String, String)>, Error> {
        if let Some(map) = map {
            let usage = self.multipath.usage(map).map_err(Error::Multipath)?;
            if !usage.is_free() {
                return Ok(Some((map.path().display().to_string(), usage.to_string())));
            }
        }
        for path in self.paths(place)? {
            let Some(disk) = path.disk else { continue };
            let device = disk.path().display().to_string();
            let mapped = map.filter(|m| m.disks.contains(&disk.name));
            if let Some(map) = mapped
                && let Some(holder) = self.other_holder(map, &disk.name)?
            {
                return Ok(Some((device, holder)));
            }
            if mapped.is_none() && self.last_identity(&disk)?.as_ref() != Some(&place.wwid) {
                continue;
            }
            let usage = match self.initiator.usage(&disk) {
                Ok(usage) => usage,
                // It cannot be asked now; it is when it is deleted.
                Err(jdss_iscsi::Error::DiskDown { .. }) => continue,
                Err(error) => return Err(Error::Iscsi(error)),
            };
            // The map holds its disks, and exclusively.
            let free = match mapped {
                Some(_) => usage.openers.is_empty() && usage.mounts.is_empty(),
                None => usage.is_free(),
            };
            if !free {
                return Ok(Some((device, usage.to_string())));
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
    /// for which only one of both holds is not ours: see the strays. Gives what
    /// could not be taken away; the others are, all the same.
    fn delete_disks(&self, place: &Place, budget: &Budget) -> Result<Vec<Error>, Error> {
        let mut left = Vec::new();
        let patience = Instant::now() + self.openers.min(OPENER_PATIENCE_SHORT);
        for path in self.paths(place)? {
            let Some(disk) = &path.disk else { continue };
            if self.last_identity(disk)?.as_ref() == Some(&place.wwid) {
                let gone = self.delete_patiently(disk, patience, budget.forward(), || Ok(()));
                left.extend(gone.err());
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
                match self.initiator.usage(&disk) {
                    Ok(usage) if usage.is_free() => self.delete_disk(&disk, budget.forward())?,
                    Ok(usage) => {
                        self.note(format!("disk {} ({}) stays: {usage}", disk.name, disk.hctl));
                    }
                    Err(error) => self.note(format!("disk {} stays: {error}", disk.name)),
                }
            }
        }
        Ok(())
    }
}
