//! Bringing a volume up.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jdss_iscsi::Portal;
use jdss_multipath::Enrolment;
use jdss_state::{Key, Phase, Record, ScsiIdLock, VolumeLock};

use super::convert::{Place, place_of_published, place_of_record};
use super::disks::DISK_PATIENCE;
use super::paths::split;
use super::undo::{Change, Journal};
use super::{Active, Attach, Budget, Connect, Error, Event, MissingPath, Volume, link};

/// How long a map may take to take in all its paths.
const MAP_PATIENCE: Duration = Duration::from_secs(60);

/// One activation on its way.
pub(super) struct Attempt<'a> {
    pub(super) volume: &'a Volume,
    pub(super) key: &'a Key,
    pub(super) lock: &'a VolumeLock,
    pub(super) budget: &'a Budget,
    pub(super) link: PathBuf,
    pub(super) record: Record,
    pub(super) journal: Journal,
    /// Held from when the WWID is known until the end, undoing included.
    pub(super) wwid: Option<ScsiIdLock>,
}

/// Path of the device, portals that are up, portals that are missing.
type Device = (PathBuf, Vec<String>, Vec<MissingPath>);

impl Attach {
    /// Brings the volume up and gives its device.
    ///
    /// Doing it twice is doing it once: a volume that is up, with all its
    /// paths proved to be it, costs no call of the appliance and no tool.
    /// Blocks until the device is there, at most until the end of `budget`.
    ///
    /// # Errors
    ///
    /// After an error the host is as it was before the call, unless it is
    /// [`Error::NotUndone`]. The classes, and what to do:
    ///
    /// * [`Class::Host`](super::Class::Host): a tool or daemon of this host
    ///   is missing or not running; nothing was changed anywhere.
    /// * [`Class::Unreachable`](super::Class::Unreachable),
    ///   [`Auth`](super::Class::Auth), [`Missing`](super::Class::Missing),
    ///   [`NoVip`](super::Class::NoVip): the appliance's answer.
    /// * [`Class::NoPath`](super::Class::NoPath): no portal works.
    /// * [`Class::Conflict`](super::Class::Conflict): a device on this host
    ///   is, or is taken for, another volume. Nothing was handed out.
    /// * [`Class::Timeout`](super::Class::Timeout): `budget` was too short.
    pub fn activate(
        &self,
        volume: &Volume,
        appliance: &dyn Connect,
        budget: &Budget,
    ) -> Result<Active, Error> {
        let key = Key::new(&volume.storage, &volume.name, None).map_err(Error::State)?;
        let lock = budget.lock(|until| self.locks.volume(&key, until))?;
        let boot_id = self.boot_id()?;
        let link = link::path(&self.root, &key);
        let before = self.store.load(&key).map_err(Error::State)?;
        if let Some(record) = &before
            && let Some(wwid) = &record.scsi_id
            && record.phase == Phase::Active
            && record.is_of_boot(&boot_id)
        {
            same_volume(record, volume)?;
            let _wwid = budget.lock(|until| lock.scsi_id(wwid, until))?;
            if let Some(active) = self.judge(record, link.clone(), budget)? {
                self.tell(Event::AlreadyUp);
                return Ok(active);
            }
        }

        self.initiator.check().map_err(Error::Iscsi)?;
        if volume.multipath {
            self.multipath.check().map_err(Error::Multipath)?;
        }
        let mut attempt = Attempt {
            volume,
            key: &key,
            budget,
            link,
            lock: &lock,
            record: new_record(volume, &key, &boot_id, before.as_ref()),
            journal: Journal::default(),
            wwid: None,
        };
        self.bring_up(&mut attempt, appliance)
            .map_err(|cause| self.give_up(cause, attempt, before))
    }

    /// Keeps the record; from then on a killed process can be followed up.
    pub(super) fn save(&self, record: &Record) -> Result<(), Error> {
        self.store.save(record).map_err(Error::State)?;
        self.tell(Event::Recorded {
            phase: record.phase,
        });
        Ok(())
    }

    /// Undoes what this call did; the record tells what could not be undone.
    fn give_up(&self, cause: Error, attempt: Attempt<'_>, before: Option<Record>) -> Error {
        let Attempt {
            key,
            budget,
            mut record,
            journal,
            wwid,
            ..
        } = attempt;
        let (mut undo, target_lock) = self.unwind(key, journal, wwid.as_ref(), budget);
        let kept = if undo.is_empty() {
            match before {
                Some(before) => self.store.save(&before),
                None => self.store.remove(key).map(|_| ()),
            }
        } else {
            record.phase = Phase::Deactivating;
            self.store.save(&record)
        };
        if let Err(error) = kept {
            undo.push(Error::State(error));
        }
        drop(target_lock);
        drop(wwid);
        if undo.is_empty() {
            cause
        } else {
            Error::NotUndone {
                cause: Box::new(cause),
                undo,
            }
        }
    }

    /// From the appliance to the device, its link and its record.
    fn bring_up(
        &self,
        attempt: &mut Attempt<'_>,
        appliance: &dyn Connect,
    ) -> Result<Active, Error> {
        let (volume, budget) = (attempt.volume, attempt.budget);
        budget.step("beginning")?;
        self.save(&attempt.record)?;
        let mut place = self.publish(attempt, appliance)?;
        let lock = attempt.lock;
        attempt.wwid = Some(budget.lock(|until| lock.scsi_id(place.wwid.as_str(), until))?);
        let further = self.settle(attempt.key, &attempt.record.boot_id, &place, budget)?;
        if !further.is_empty() {
            place.portals.extend(further);
            attempt.record.portals = place.portals.iter().map(Portal::to_string).collect();
            self.save(&attempt.record)?;
        }
        if self
            .multipath
            .map(&place.wwid)
            .map_err(Error::Multipath)?
            .is_none()
        {
            attempt.journal.add(Change::Map(place.wwid.clone()));
        }
        if volume.multipath {
            self.enrol(attempt, &place)?;
        }
        let place = self.log_in(attempt, place)?;
        self.find_disks(attempt, &place)?;
        let (path, up, missing) = if volume.multipath {
            self.map_device(attempt, &place)?
        } else {
            self.single_device(attempt, &place)?
        };
        self.hand_out(attempt, &path)?;
        Ok(Active {
            path,
            link: attempt.link.clone(),
            wwid: place.wwid.to_string(),
            size: place.size,
            up,
            missing,
            changed: true,
        })
    }

    /// Asks the appliance to export the volume; the record gets the answer.
    fn publish(&self, attempt: &mut Attempt<'_>, appliance: &dyn Connect) -> Result<Place, Error> {
        let Attempt {
            volume,
            budget,
            lock,
            record,
            ..
        } = attempt;
        budget.step("asking the appliance")?;
        // Sessions that are down do not show at the appliance; devices that wait for them are here.
        let may_move = !self.is_here(record)?;
        let published = appliance
            .connect()?
            .publish(&publish_request(volume, may_move), budget.forward())
            .map_err(|e| Error::Appliance(Box::new(e)))?;
        if let Some(old) = &published.moved_from {
            self.note(format!(
                "nobody was logged in to {old}, which is of another prefix or group: the volume has moved to {}",
                published.target
            ));
        }
        if published.chap {
            self.note(format!(
                "target {} asks for CHAP, which this storage does not use: the login can fail",
                published.target
            ));
        }
        for address in &published.unused {
            self.note(format!(
                "no path goes through data address {address}: it is no VIP of pool {}, or not allowed on {}",
                volume.pool, published.target
            ));
        }
        let place = place_of_published(&published, volume.data_port)?;
        if let Some(old) = place_of_record(record)?
            && old.target != place.target
        {
            self.note(format!(
                "the volume has moved from {} to {}",
                old.target, place.target
            ));
            let wwid = budget.lock(|until| lock.scsi_id(old.wwid.as_str(), until))?;
            let map = self.multipath.map(&old.wwid).map_err(Error::Multipath)?;
            self.wait_until_free(&old, map.as_ref(), budget)?;
            drop(self.take_down(record, &old, &wwid, budget)?);
        }
        record.multipath = volume.multipath;
        record.target = Some(place.target.to_string());
        record.lun = Some(place.lun.get());
        record.scsi_id = Some(place.wwid.to_string());
        record.size = Some(place.size);
        record.portals = place.portals.iter().map(Portal::to_string).collect();
        self.save(record)?;
        self.tell(Event::Published {
            target: place.target.to_string(),
            lun: place.lun.get(),
            wwid: place.wwid.to_string(),
            size: place.size,
        });
        Ok(place)
    }

    /// Whether a device that the record names is on this host, alive or not.
    fn is_here(&self, record: &Record) -> Result<bool, Error> {
        let Some(place) = place_of_record(record)? else {
            return Ok(false);
        };
        let map = self.multipath.map(&place.wwid).map_err(Error::Multipath)?;
        Ok(map.is_some() || self.has_device(record)?)
    }

    /// Puts the WWID into multipath's list, before anything of the volume is
    /// seen on this host, so that nobody but multipathd takes its first path.
    fn enrol(&self, attempt: &mut Attempt<'_>, place: &Place) -> Result<(), Error> {
        attempt.budget.step("enrolling the WWID")?;
        let enrolment = self
            .multipath
            .enrol(&place.wwid, attempt.budget.forward())
            .map_err(Error::Multipath)?;
        let added = enrolment == Enrolment::Added;
        if added {
            attempt.journal.add(Change::Enrolled(place.wwid.clone()));
        }
        self.tell(Event::Enrolled {
            wwid: place.wwid.to_string(),
            added,
        });
        Ok(())
    }

    /// The link, then the record: from here on the volume is up.
    fn hand_out(&self, attempt: &mut Attempt<'_>, path: &Path) -> Result<(), Error> {
        let Attempt {
            budget,
            link,
            record,
            journal,
            ..
        } = attempt;
        budget.step("handing the device out")?;
        let made = link::set(link, path).map_err(|source| Error::Link {
            link: link.clone(),
            source,
        })?;
        if made {
            journal.add(Change::Link(link.clone()));
            self.tell(Event::Linked {
                link: self.shown(link),
            });
        }
        record.mapper_path = Some(path.display().to_string());
        record.phase = Phase::Active;
        self.save(record)
    }

    /// The map, proved to be the volume and nothing but it.
    fn map_device(&self, attempt: &Attempt<'_>, place: &Place) -> Result<Device, Error> {
        let budget = attempt.budget;
        budget.step("waiting for the map")?;
        let paths = self.paths(place)?;
        let disks: Vec<&str> = paths
            .iter()
            .filter_map(|p| p.up())
            .map(|d| d.name.as_str())
            .collect();
        let deadline = budget.forward().min(Instant::now() + MAP_PATIENCE);
        let map = self
            .multipath
            .wait_map(&place.wwid, &disks, deadline)
            .map_err(Error::Multipath)?;
        let paths = self.paths(place)?;
        self.verify_map(place, &map, &paths)?;
        let states = self.multipath.paths(&map).map_err(Error::Multipath)?;
        let active = states.iter().filter(|p| p.active).count();
        if active == 0 {
            return Err(Error::NoActivePath {
                map: map.name,
                paths: states
                    .iter()
                    .map(|p| format!("{} failed", p.device_number))
                    .collect(),
            });
        }
        self.tell(Event::Map {
            path: map.path().display().to_string(),
            active,
        });
        let (up, missing) = split(&paths, &map.disks);
        Ok((map.path(), up, missing))
    }

    /// The disk of the one session, by udev's name for its ID.
    fn single_device(&self, attempt: &Attempt<'_>, place: &Place) -> Result<Device, Error> {
        let budget = attempt.budget;
        let paths = self.paths(place)?;
        let by_id = self.by_id(&place.wwid);
        let Some((path, disk)) = paths.iter().find_map(|p| Some((p, p.up()?))) else {
            return Err(Error::NoDisk {
                target: place.target.clone(),
                lun: place.lun,
                portals: paths.iter().map(|p| (p.portal, p.reason())).collect(),
            });
        };
        let deadline = budget.forward().min(Instant::now() + DISK_PATIENCE);
        let linked = jdss_sys::poll(deadline, || {
            self.refuse_map(disk)?;
            Ok::<_, Error>(self.leads_to(&by_id, disk).then_some(()))
        })?;
        if linked.is_none() {
            return Err(Error::NoById {
                link: by_id,
                disk: disk.name.clone(),
            });
        }
        Ok((by_id, vec![path.portal.to_string()], Vec::new()))
    }
}

fn publish_request(volume: &Volume, may_move: bool) -> jdss_rest::Publish {
    jdss_rest::Publish {
        pool: volume.pool.clone(),
        volume: volume.id.clone(),
        target_prefix: volume.target_prefix.clone(),
        group: volume.group.clone(),
        luns_per_target: volume.luns_per_target,
        data_addresses: volume.data_addresses.clone(),
        chap: jdss_rest::Chap::Unmanaged,
        may_move,
    }
}

/// The intent. What an earlier record of this boot knows stays in it until the
/// appliance has answered: devices may still be where it says.
fn new_record(volume: &Volume, key: &Key, boot_id: &str, before: Option<&Record>) -> Record {
    let mut record = Record::new(key.clone(), boot_id);
    record.multipath = volume.multipath;
    if let Some(before) = before.filter(|before| before.is_of_boot(boot_id)) {
        record.clone_from(before);
        record.phase = Phase::Activating;
    }
    record.pool = Some(volume.pool.clone());
    record.physical_name = Some(volume.id.physical_name());
    record
}

/// A name whose meaning has changed since: the device that is up is not the
/// volume that is asked for now.
fn same_volume(record: &Record, volume: &Volume) -> Result<(), Error> {
    let (pool, name) = (volume.pool.as_str(), volume.id.physical_name());
    let same = |known: &Option<String>, now: &str| known.as_deref().is_none_or(|k| k == now);
    if same(&record.pool, pool) && same(&record.physical_name, &name) {
        return Ok(());
    }
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    Err(Error::OtherVolume {
        name: volume.name.clone(),
        up: format!("{}/{}", known(&record.pool), known(&record.physical_name)),
        wanted: format!("{pool}/{name}"),
    })
}
