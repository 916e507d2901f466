//! Where a volume goes that is attached nowhere.

use std::collections::BTreeSet;

use super::work::{Look, Work};
use super::{Chap, Published};
use crate::error::{Error, ErrorKind};
use crate::model::{Lun, Target};
use crate::names::free_lun;

/// What looking for room on one target gave.
enum Place {
    Done(Look<Published>),
    None,
}

impl Work<'_> {
    /// Finds a place and attaches the volume there.
    ///
    /// One call for each target of the group up to the first one with room:
    /// how many LUNs a target has is told nowhere else.
    pub(super) fn attach(&mut self) -> Result<Look<Published>, Error> {
        self.size()?;
        let mut targets = self.pool.targets(self.deadline)?;
        targets.retain(|target| self.family.contains(&target.name));
        targets.sort_by(|a, b| a.name.cmp(&b.name));
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        let free = self.family.first_free(&names);
        for target in targets {
            match self.place(target)? {
                Place::Done(look) => return Ok(look),
                Place::None => {}
            }
        }
        self.on_new_target(free)
    }

    /// Creates the target of this name and attaches the volume to it.
    fn on_new_target(&mut self, name: String) -> Result<Look<Published>, Error> {
        let chap = matches!(self.request.chap, Chap::On { .. });
        let vips = loop {
            let vips = self.vips()?.names();
            // With its switch on from the start nobody gets in before its user is there.
            let made = self
                .pool
                .create_target_with(&name, &vips, chap, self.deadline);
            match made {
                Ok(()) => {
                    self.asked_target = Some(name.clone());
                    break vips;
                }
                Err(error) if error.kind() == ErrorKind::Transient => {
                    self.asked_target = Some(name);
                    return Ok(Look::Again(error));
                }
                Err(error) if matches!(error.kind(), ErrorKind::Exists | ErrorKind::Conflict) => {
                    return self.name_taken(&name, error);
                }
                Err(error) if self.vips_were_old(&error)? => {}
                Err(error) => return Err(error),
            }
        };
        if let Chap::On { user, password } = &self.request.chap {
            match self
                .pool
                .ensure_chap_user(&name, user, password, self.deadline)
            {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), ErrorKind::Transient | ErrorKind::Missing) => {
                    return Ok(Look::Again(error));
                }
                Err(error) => return Err(error),
            }
        }
        let target = Target {
            name,
            active: true,
            chap,
            vips: Some(vips),
        };
        self.attach_to(target, 0)
    }

    /// The name of the new target is taken: by another node for this group, or elsewhere?
    fn name_taken(&mut self, name: &str, error: Error) -> Result<Look<Published>, Error> {
        match self.pool.target(name, self.deadline) {
            Ok(target) => Ok(match self.place(target)? {
                Place::Done(look) => look,
                Place::None => Look::Again(error),
            }),
            Err(missing) if missing.kind() == ErrorKind::Missing => {
                // Once it can have been deleted in between; twice it is another pool's.
                if self.taken.replace(name.to_owned()).as_deref() != Some(name) {
                    return Ok(Look::Again(error));
                }
                Err(Error::TargetElsewhere {
                    target: name.to_owned(),
                    pool: self.pool.name().to_owned(),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Tries to find room on an existing target of the group.
    fn place(&mut self, target: Target) -> Result<Place, Error> {
        let luns = match self.pool.luns(&target.name, self.deadline) {
            Ok(luns) => luns,
            Err(error) if error.kind() == ErrorKind::Missing => return Ok(Place::None),
            Err(error) => return Err(error),
        };
        if let Some(lun) = luns.iter().find(|lun| lun.volume == self.name) {
            let (number, scsi_id) = (lun.lun, lun.scsi_id.clone());
            return Ok(Place::Done(match self.ready(target)? {
                Look::Done(target) => self.complete(target, Some(number), scsi_id)?,
                Look::Again(error) => Look::Again(error),
            }));
        }
        let mut taken: BTreeSet<u16> = luns.iter().map(|lun| lun.lun).collect();
        let refused = self.refused.iter().filter(|(name, _)| *name == target.name);
        taken.extend(refused.map(|(_, lun)| *lun));
        let Some(lun) = free_lun(&taken, self.request.luns_per_target) else {
            return Ok(Place::None);
        };
        self.check_active(&target)?;
        // Before the volume is attached: without a portal that would be in
        // vain, and without the right CHAP it would be open to all, or closed to us.
        let target = match self.guard(target)? {
            Look::Done((target, None)) => target,
            Look::Done((_, Some(_in_use))) => return Ok(Place::None),
            Look::Again(error) => return Ok(Place::Done(Look::Again(error))),
        };
        Ok(Place::Done(match self.serve(target)? {
            Look::Done(target) => self.attach_to(target, lun)?,
            Look::Again(error) => Look::Again(error),
        }))
    }

    /// Attaches the volume to a target that is ready.
    fn attach_to(&mut self, target: Target, lun: u16) -> Result<Look<Published>, Error> {
        match self
            .pool
            .attach(&target.name, &self.name, lun, self.deadline)
        {
            Ok(made) => {
                self.asked_lun = Some((target.name.clone(), lun));
                let (lun, scsi_id) = match made {
                    Some(Lun {
                        volume,
                        lun,
                        scsi_id,
                    }) if volume == self.name => (Some(lun), scsi_id),
                    _ => (None, None),
                };
                self.complete(target, lun, scsi_id)
            }
            Err(error) => match error.kind() {
                ErrorKind::Conflict | ErrorKind::Exists => {
                    // The number or the volume: what the next look shows, tells.
                    self.refused.insert((target.name, lun));
                    Ok(Look::Again(error))
                }
                ErrorKind::Missing => {
                    self.forget_size();
                    Ok(Look::Again(error))
                }
                ErrorKind::Transient => {
                    self.asked_lun = Some((target.name, lun));
                    Ok(Look::Again(error))
                }
                _ => Err(error),
            },
        }
    }
}
