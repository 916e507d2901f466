//! Bringing a volume onto a target, with the fewest calls.
//!
//! Nothing on the appliance is locked. Each round looks how things are and
//! goes one way from there; where somebody else was faster, or an answer got
//! lost, the next round looks again. So a lost answer of our own, another
//! node that attaches the same volume, and one that takes the same LUN number
//! are all handled by looking.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::vips::Vips;
use super::{Chap, Created, Publish, Published};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::model::{Attachment, Lun, Target};
use crate::names::{ScsiId, TargetFamily};
use crate::pool::Pool;

/// Rounds before giving up.
const ROUNDS: u32 = 8;
/// Looks at a LUN that has no SCSI ID yet, with growing pauses: a few seconds in all.
const SCSI_ID_LOOKS: u32 = 6;
/// How long to tidy up after success.
const TIDY: Duration = Duration::from_secs(15);

/// What came of a step.
pub(super) enum Look<T> {
    Done(T),
    /// Somebody or something came between; look again.
    Again(Error),
}

/// One publication under way.
pub(super) struct Work<'a> {
    pub(super) client: &'a Client,
    pub(super) pool: Pool,
    pub(super) request: &'a Publish,
    /// Physical name of the volume.
    pub(super) name: String,
    pub(super) family: TargetFamily,
    pub(super) deadline: Instant,
    pub(super) vips: Option<Vips>,
    size: Option<u64>,
    /// LUN numbers that turned out to be taken, whatever lists say.
    pub(super) refused: BTreeSet<(String, u16)>,
    /// The target that this call created, or may have created.
    pub(super) asked_target: Option<String>,
    /// The place at which this call attached the volume, or may have.
    pub(super) asked_lun: Option<(String, u16)>,
    /// A name that was taken, although the pool has no such target.
    pub(super) taken: Option<String>,
    /// The target outside of the group from which this call took the volume.
    moved_from: Option<String>,
}

impl<'a> Work<'a> {
    /// Will publish the volume with this physical name, and of this size where that is known.
    pub(super) fn new(
        client: &'a Client,
        request: &'a Publish,
        name: String,
        size: Option<u64>,
        family: TargetFamily,
        deadline: Instant,
    ) -> Self {
        Self {
            client,
            pool: client.pool(&request.pool),
            request,
            name,
            family,
            deadline,
            vips: None,
            size,
            refused: BTreeSet::new(),
            asked_target: None,
            asked_lun: None,
            taken: None,
            moved_from: None,
        }
    }

    pub(super) fn run(mut self) -> Result<Published, Error> {
        let result = self.rounds();
        self.clean_up(result)
    }

    fn rounds(&mut self) -> Result<Published, Error> {
        let mut round = 1;
        loop {
            let error = match self.round()? {
                Look::Done(published) => return Ok(published),
                Look::Again(error) => error,
            };
            if round >= ROUNDS || !self.client.pause(round, self.deadline) {
                let (volume, source) = (self.name.clone(), Box::new(error));
                return Err(Error::Contended {
                    volume,
                    rounds: round,
                    source,
                });
            }
            round += 1;
        }
    }

    /// Takes back a target that was made in vain, and only that.
    fn clean_up(&self, result: Result<Published, Error>) -> Result<Published, Error> {
        let Some(target) = &self.asked_target else {
            return result;
        };
        let deadline = match &result {
            Ok(published) if published.target == *target => return result,
            // Good news must not wait for minutes on a slow teardown.
            Ok(_) => self.deadline.min(Instant::now() + TIDY),
            Err(_) => self.deadline,
        };
        let undo = self
            .client
            .delete_target_if_empty(self.pool.name(), target, deadline);
        match (result, undo) {
            (Err(cause), Err(undo)) => Err(Error::NotUndone {
                cause: Box::new(cause),
                left: format!("the new target {target}"),
                undo: Box::new(undo),
            }),
            // The volume is published; an empty target harms nobody and is used next time.
            (result, _) => result,
        }
    }

    fn round(&mut self) -> Result<Look<Published>, Error> {
        match self
            .client
            .attached_in(&self.pool, &self.name, self.deadline)
        {
            Ok(None) => self.attach(),
            Ok(Some(found)) => self.attached(found),
            Err(error @ Error::Incomplete { .. }) => Ok(Look::Again(error)),
            Err(error) => Err(error),
        }
    }

    /// The volume is attached: use it where it is, or bring it home.
    fn attached(&mut self, found: Attachment) -> Result<Look<Published>, Error> {
        let name = found.target.unwrap_or_default();
        if !self.family.contains(&name) {
            return self.outside(&name, found.lun, found.scsi_id);
        }
        let target = match self.pool.target(&name, self.deadline) {
            Ok(target) => target,
            Err(error) if error.kind() == ErrorKind::Missing => return Ok(Look::Again(error)),
            Err(error) => return Err(error),
        };
        let target = match self.ready(target)? {
            Look::Done(target) => target,
            Look::Again(error) => return Ok(Look::Again(error)),
        };
        self.complete(target, found.lun, found.scsi_id)
    }

    /// The volume is on a target of another prefix or group: used as it is
    /// while anybody has a session, else moved to the group.
    ///
    /// That target itself is never changed: whose it is cannot be known.
    fn outside(
        &mut self,
        name: &str,
        lun: Option<u16>,
        scsi_id: Option<ScsiId>,
    ) -> Result<Look<Published>, Error> {
        // It has not been moved by an earlier round.
        self.moved_from = None;
        // All that can fail is asked before anything is taken away, sessions last.
        self.vips()?;
        self.size()?;
        let movable = match self.request.may_move {
            true => self.is_idle(name),
            false => Ok(false),
        };
        match movable {
            Ok(true) => match self.pool.detach_after_look(name, &self.name, self.deadline) {
                Ok(was_there) => {
                    if was_there {
                        self.moved_from = Some(name.to_owned());
                    }
                    self.attach()
                }
                // Who is logged in has to be asked again; and it may be done.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Transient | ErrorKind::Unreachable) =>
                {
                    self.moved_from = Some(name.to_owned());
                    Ok(Look::Again(error))
                }
                Err(error) => Err(error),
            },
            Ok(false) => match self.pool.target(name, self.deadline) {
                Ok(target) => {
                    self.check_active(&target)?;
                    self.complete(target, lun, scsi_id)
                }
                Err(error) if error.kind() == ErrorKind::Missing => Ok(Look::Again(error)),
                Err(error) => Err(error),
            },
            Err(error) if error.kind() == ErrorKind::Missing => Ok(Look::Again(error)),
            Err(error) => Err(error),
        }
    }

    /// The volume is on the target, which is ready: complete what is known of it.
    pub(super) fn complete(
        &mut self,
        target: Target,
        lun: Option<u16>,
        scsi_id: Option<ScsiId>,
    ) -> Result<Look<Published>, Error> {
        let portals = self.portals(&target)?;
        let size = self.size()?;
        let (lun, scsi_id) = match (lun, scsi_id) {
            (Some(lun), Some(scsi_id)) => (lun, scsi_id),
            _ => match self.poll_lun(&target.name)? {
                Look::Done(found) => found,
                Look::Again(error) => return Ok(Look::Again(error)),
            },
        };
        let unused = self.request.data_addresses.iter().copied();
        let asked_lun = self.asked_lun.as_ref();
        Ok(Look::Done(Published {
            lun,
            unused: unused
                .filter(|address| !portals.contains(address))
                .collect(),
            portals,
            scsi_id,
            size,
            chap: target.chap,
            moved_from: self.moved_from.clone(),
            created: Created {
                target: self.asked_target.as_ref() == Some(&target.name),
                lun: asked_lun.is_some_and(|asked| *asked == (target.name.clone(), lun)),
                clone: false,
            },
            target: target.name,
        }))
    }

    pub(super) fn check_active(&self, target: &Target) -> Result<(), Error> {
        if target.active {
            return Ok(());
        }
        Err(Error::Inactive {
            target: target.name.clone(),
            pool: self.pool.name().to_owned(),
        })
    }

    /// Makes a target of the group, on which the volume is already, as it is to be.
    pub(super) fn ready(&mut self, target: Target) -> Result<Look<Target>, Error> {
        self.check_active(&target)?;
        match self.guard(target)? {
            Look::Done((target, None)) => self.serve(target),
            // What is exported without authentication stays so while it is in use.
            Look::Done((target, Some(_))) if matches!(self.request.chap, Chap::On { .. }) => {
                self.serve(target)
            }
            // Nobody without a user could log in, and it is not ours to open.
            Look::Done((_, Some(in_use))) => Err(in_use),
            Look::Again(error) => Ok(Look::Again(error)),
        }
    }

    /// The LUN with its SCSI ID, waited for.
    fn poll_lun(&self, target: &str) -> Result<Look<(u16, ScsiId)>, Error> {
        for look in 1..=SCSI_ID_LOOKS {
            match self.pool.lun(target, &self.name, self.deadline) {
                Ok(Lun {
                    volume,
                    lun,
                    scsi_id: Some(scsi_id),
                }) if volume == self.name => return Ok(Look::Done((lun, scsi_id))),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Missing => return Ok(Look::Again(error)),
                Err(error) => return Err(error),
            }
            if look < SCSI_ID_LOOKS && !self.client.pause(look, self.deadline) {
                break;
            }
        }
        Err(Error::NoScsiId {
            volume: self.name.clone(),
            target: target.to_owned(),
        })
    }

    /// The size of the volume; that it exists is known only now.
    pub(super) fn size(&mut self) -> Result<u64, Error> {
        if let Some(size) = self.size {
            return Ok(size);
        }
        let volume = match self.pool.volume_named(&self.name, self.deadline) {
            Ok(volume) => volume,
            Err(error) if error.kind() == ErrorKind::Missing => {
                // Not the volume is missing if the pool is: say that.
                self.pool.info(self.deadline)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        self.size = Some(volume.size);
        Ok(volume.size)
    }

    /// The volume, or the target, is gone: the next look at it tells which.
    pub(super) fn forget_size(&mut self) {
        self.size = None;
    }
}
