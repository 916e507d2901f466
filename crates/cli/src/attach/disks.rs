//! The sessions and disks of an activation.

use std::time::{Duration, Instant};

use jdss_iscsi::{Disk, LoginSettings, Portal, PortalOutcome, Session};
use jdss_state::Record;

use super::activate::Attempt;
use super::convert::Place;
use super::undo::{Change, Journal};
use super::verify::{Finding, identity_error};
use super::{Attach, Budget, Error, Event};

/// How long a disk may take to appear after the scan.
pub(super) const DISK_PATIENCE: Duration = Duration::from_secs(30);

impl Attach {
    /// Sessions to the portals that lack one. With a single path, to the first
    /// portal that works; the others become spares in the record.
    pub(super) fn log_in(&self, attempt: &mut Attempt<'_>, place: Place) -> Result<Place, Error> {
        let Attempt {
            volume,
            budget,
            record,
            journal,
            wwid,
            ..
        } = attempt;
        let _target = wwid
            .as_ref()
            .map(|lock| budget.lock(|until| lock.target(place.target.as_str(), until)))
            .transpose()?;
        let settings = if volume.multipath {
            LoginSettings::default()
        } else {
            LoginSettings::single_path()
        };
        let all: Vec<&[Portal]> = if volume.multipath {
            vec![&place.portals]
        } else {
            place.portals.chunks(1).collect()
        };
        let mut down = Vec::new();
        for portals in all {
            budget.step("logging in")?;
            self.note_sessions(&place, portals, record, journal)?;
            let outcomes = self
                .initiator
                .login(&place.target, portals, &settings, budget.forward())
                .map_err(Error::Iscsi)?;
            let up = self.tell_logins(&outcomes, &mut down);
            if up.is_empty() {
                continue;
            }
            if volume.multipath {
                return Ok(place);
            }
            let spares = place.portals.iter().filter(|p| !up.contains(p));
            record.spare_portals = spares.map(Portal::to_string).collect();
            record.portals = up.iter().map(Portal::to_string).collect();
            self.save(record)?;
            return Ok(Place {
                portals: up,
                ..place
            });
        }
        Err(Error::NoSession {
            target: place.target,
            portals: down,
        })
    }

    /// What a login may make is undone even if it fails half way. So are
    /// sessions of another volume that may be taken down meanwhile: it leaves
    /// them to us, since our record names them.
    fn note_sessions(
        &self,
        place: &Place,
        portals: &[Portal],
        record: &Record,
        journal: &mut Journal,
    ) -> Result<(), Error> {
        let sessions = self.initiator.sessions().map_err(Error::Iscsi)?;
        let there = |portal: &Portal| {
            let at = |s: &Session| s.target == place.target && s.portal == *portal;
            sessions.iter().any(at)
        };
        let (shared, _) = self.split_by_need(record.key(), &place.target, portals)?;
        let ours = |p: &Portal| !there(p) || shared.contains(p);
        let portals: Vec<Portal> = portals.iter().copied().filter(ours).collect();
        if !portals.is_empty() {
            journal.add(Change::Sessions {
                target: place.target.clone(),
                portals,
            });
        }
        Ok(())
    }

    /// Tells what became of each portal; gives those that are up.
    fn tell_logins(
        &self,
        outcomes: &[PortalOutcome],
        down: &mut Vec<(Portal, String)>,
    ) -> Vec<Portal> {
        let mut up = Vec::new();
        for PortalOutcome { portal, result, .. } in outcomes {
            match result {
                Ok((_, new)) => {
                    up.push(*portal);
                    self.tell(Event::LoggedIn {
                        portal: portal.to_string(),
                        new: *new,
                    });
                }
                Err(reason) => {
                    let reason = reason.to_string();
                    down.push((*portal, reason.clone()));
                    self.tell(Event::PortalDown {
                        portal: portal.to_string(),
                        reason,
                    });
                }
            }
        }
        up
    }

    /// The disk of our LUN on each session, each proved to be the volume.
    pub(super) fn find_disks(&self, attempt: &mut Attempt<'_>, place: &Place) -> Result<(), Error> {
        let Attempt {
            budget, journal, ..
        } = attempt;
        let mut failed = Vec::new();
        let mut found = 0;
        let mut asked = false;
        for path in self.paths(place)? {
            budget.step("looking for the disks")?;
            let Some(session) = path.session.as_ref().filter(|s| s.is_up()) else {
                failed.push((path.portal, path.reason()));
                continue;
            };
            let new = path.disk.is_none();
            let disk = match self.proved_disk(place, session, path.disk, journal, budget) {
                Ok(Some(disk)) => disk,
                Ok(None) => {
                    failed.push((path.portal, "the LUN has no disk after the scan".into()));
                    continue;
                }
                // It went down just now: one path less, like one that was down before.
                Err(Error::Iscsi(
                    error @ (jdss_iscsi::Error::SessionDown { .. }
                    | jdss_iscsi::Error::DiskDown { .. }),
                )) => {
                    failed.push((path.portal, error.to_string()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if new && !asked {
                self.ask_scsi_id(place, &disk, budget)?;
                asked = true;
            }
            found += 1;
            self.tell(Event::Disk {
                disk: disk.name,
                portal: path.portal.to_string(),
            });
        }
        if found == 0 {
            return Err(Error::NoDisk {
                target: place.target.clone(),
                lun: place.lun,
                portals: failed,
            });
        }
        Ok(())
    }

    /// The disk of our LUN on this session, scanned for when it is not there.
    /// One that answers as another volume, and that nobody holds, is made anew
    /// once: the number may have been given away just now.
    fn proved_disk(
        &self,
        place: &Place,
        session: &Session,
        there: Option<Disk>,
        journal: &mut Journal,
        budget: &Budget,
    ) -> Result<Option<Disk>, Error> {
        let disk = match there {
            Some(disk) => disk,
            None => match self.scanned_disk(place, session, journal, budget)? {
                Some(disk) => disk,
                None => return Ok(None),
            },
        };
        match self.prove(place, &disk) {
            Ok(()) => return Ok(Some(disk)),
            Err(Error::Identity { .. }) => {}
            Err(error) => return Err(error),
        }
        self.delete_disk(&disk, budget.forward())?;
        journal.forget_disk(&disk);
        let Some(disk) = self.scanned_disk(place, session, journal, budget)? else {
            return Ok(None);
        };
        self.prove(place, &disk)?;
        Ok(Some(disk))
    }

    fn scanned_disk(
        &self,
        place: &Place,
        session: &Session,
        journal: &mut Journal,
        budget: &Budget,
    ) -> Result<Option<Disk>, Error> {
        self.initiator
            .scan(session, place.lun)
            .map_err(Error::Iscsi)?;
        let deadline = budget.forward().min(Instant::now() + DISK_PATIENCE);
        let disk = self
            .initiator
            .wait_disk(session, place.lun, deadline)
            .map_err(Error::Iscsi)?;
        if let Some(disk) = &disk {
            journal.add(Change::Disk(disk.clone()));
        }
        Ok(disk)
    }

    /// The disk answers, fresh, with our ID and the appliance's size.
    fn prove(&self, place: &Place, disk: &Disk) -> Result<(), Error> {
        match self.find(disk, &place.wwid)? {
            Finding::Ours => self.check_size(place, disk),
            Finding::Down { .. } => Err(Error::Iscsi(jdss_iscsi::Error::DiskDown {
                disk: disk.name.clone(),
                state: Some(disk.state.clone()),
            })),
            found => Err(identity_error(place, disk, found.to_string())),
        }
    }

    /// The host's own word for the identity, once an activation.
    fn ask_scsi_id(&self, place: &Place, disk: &Disk, budget: &Budget) -> Result<(), Error> {
        let wwid = self
            .multipath
            .scsi_id(&disk.path(), budget.forward())
            .map_err(Error::Multipath)?;
        if wwid != place.wwid {
            return Err(identity_error(place, disk, wwid.to_string()));
        }
        self.tell(Event::ScsiId {
            disk: disk.name.clone(),
            wwid: wwid.to_string(),
        });
        Ok(())
    }
}
