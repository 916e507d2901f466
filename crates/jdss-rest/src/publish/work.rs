//! Bringing a volume onto a target, with the fewest calls.
//!
//! Nothing on the appliance is locked. Each round looks how things are and
//! goes one way from there; where somebody else was faster, or an answer got
//! lost, the next round looks again. So a lost answer of our own, another
//! node that attaches the same volume, and one that takes the same LUN number
//! are all handled by looking.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Created, Publish, Published};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::model::{Attachment, Lun, Target, Vip, Volume};
use crate::names::{ScsiId, TargetFamily, free_lun};
use crate::pool::Pool;

/// Rounds before giving up.
const ROUNDS: u32 = 8;
/// Looks at a LUN that has no SCSI ID yet, with growing pauses: a few seconds in all.
const SCSI_ID_LOOKS: u32 = 6;
/// Looks at a pool without any VIP: a pool that just moved shows none for a moment.
const VIP_LOOKS: u32 = 3;
/// How long to tidy up after success.
const TIDY: Duration = Duration::from_secs(15);
/// How a round ended.
enum Round {
    Done(Published),
    /// Somebody or something came between; look again.
    Again(Error),
}

/// A VIP that is a data address.
#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    address: IpAddr,
}

/// One publication under way.
pub(super) struct Work<'a> {
    client: &'a Client,
    pool: Pool,
    request: &'a Publish,
    /// Physical name of the volume.
    name: String,
    family: TargetFamily,
    deadline: Instant,
    size: Option<u64>,
    vips: Option<Vec<Wanted>>,
    /// LUN numbers that turned out to be taken, whatever lists say.
    refused: BTreeSet<(String, u16)>,
    /// The target that this call created, or may have created.
    asked_target: Option<String>,
    /// The place at which this call attached the volume, or may have.
    asked_lun: Option<(String, u16)>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        client: &'a Client,
        request: &'a Publish,
        family: TargetFamily,
        deadline: Instant,
    ) -> Self {
        Self {
            client,
            pool: client.pool(&request.pool),
            request,
            name: request.volume.physical_name(),
            family,
            deadline,
            size: None,
            vips: None,
            refused: BTreeSet::new(),
            asked_target: None,
            asked_lun: None,
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
                Round::Done(published) => return Ok(published),
                Round::Again(error) => error,
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
                target: target.clone(),
                undo: Box::new(undo),
            }),
            // The volume is published; an empty target harms nobody and is used next time.
            (result, _) => result,
        }
    }

    fn round(&mut self) -> Result<Round, Error> {
        let all = self.client.attachments(&self.name, self.deadline)?;
        let is_ours = |a: &Attachment| {
            a.pool
                .as_deref()
                .is_none_or(|pool| pool == self.pool.name())
        };
        let mut ours: Vec<Attachment> = all.into_iter().filter(is_ours).collect();
        if ours.iter().any(|a| a.pool.is_none() || a.target.is_none()) {
            // Which pool or target it is must not be guessed.
            return Ok(Round::Again(Error::Incomplete {
                volume: self.name.clone(),
            }));
        }
        match ours.len() {
            0 => self.attach(),
            1 => self.attached(ours.remove(0)),
            _ => Err(Error::AttachedTwice {
                volume: self.name.clone(),
                pool: self.pool.name().to_owned(),
                targets: ours.into_iter().filter_map(|a| a.target).collect(),
            }),
        }
    }

    /// The volume is attached: use it where it is.
    fn attached(&mut self, found: Attachment) -> Result<Round, Error> {
        let target = found.target.unwrap_or_default();
        let target = match self.pool.target(&target, self.deadline) {
            Ok(target) => target,
            Err(error) if error.kind() == ErrorKind::Missing => return Ok(Round::Again(error)),
            Err(error) => return Err(error),
        };
        let size = self.size()?;
        self.finish(target, found.lun, found.scsi_id, size)
    }

    /// The volume is attached nowhere: find a place and attach it.
    fn attach(&mut self) -> Result<Round, Error> {
        let size = self.size()?;
        let mut targets = self.pool.targets(self.deadline)?;
        targets.retain(|target| self.family.contains(&target.name));
        targets.sort_by(|a, b| a.name.cmp(&b.name));
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        let free = self.family.first_free(&names);
        for target in targets {
            match self.place(target, size)? {
                Place::Done(round) => return Ok(round),
                Place::None => {}
            }
        }
        let wanted: Vec<String> = self.vips()?.into_iter().map(|vip| vip.name).collect();
        match self.pool.create_target(&free, &wanted, self.deadline) {
            Ok(()) => self.asked_target = Some(free.clone()),
            Err(error) if error.kind() == ErrorKind::Transient => {
                self.asked_target = Some(free);
                return Ok(Round::Again(error));
            }
            Err(error) if matches!(error.kind(), ErrorKind::Exists | ErrorKind::Conflict) => {
                return self.name_taken(&free, size, error);
            }
            Err(error) => return Err(error),
        }
        let (name, vips) = (free, Some(wanted));
        let target = Target {
            name,
            active: true,
            chap: false,
            vips,
        };
        self.attach_to(target, 0, size)
    }

    /// The name of the new target is taken: by another node for this group, or elsewhere?
    fn name_taken(&mut self, name: &str, size: u64, error: Error) -> Result<Round, Error> {
        match self.pool.target(name, self.deadline) {
            Ok(target) => Ok(match self.place(target, size)? {
                Place::Done(round) => round,
                Place::None => Round::Again(error),
            }),
            Err(error) if error.kind() == ErrorKind::Missing => Err(Error::TargetElsewhere {
                target: name.to_owned(),
                pool: self.pool.name().to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Tries to find room on an existing target of the group.
    fn place(&mut self, target: Target, size: u64) -> Result<Place, Error> {
        let luns = match self.pool.luns(&target.name, self.deadline) {
            Ok(luns) => luns,
            Err(error) if error.kind() == ErrorKind::Missing => return Ok(Place::None),
            Err(error) => return Err(error),
        };
        if let Some(lun) = luns.iter().find(|lun| lun.volume == self.name) {
            let (number, scsi_id) = (lun.lun, lun.scsi_id.clone());
            return self
                .finish(target, Some(number), scsi_id, size)
                .map(Place::Done);
        }
        let mut taken: BTreeSet<u16> = luns.iter().map(|lun| lun.lun).collect();
        let refused = self.refused.iter().filter(|(name, _)| *name == target.name);
        taken.extend(refused.map(|(_, lun)| *lun));
        match free_lun(&taken, self.request.luns_per_target) {
            Some(lun) => self.attach_to(target, lun, size).map(Place::Done),
            None => Ok(Place::None),
        }
    }

    fn attach_to(&mut self, target: Target, lun: u16, size: u64) -> Result<Round, Error> {
        self.check_active(&target)?;
        // Before the volume is attached: without a portal that would be in vain.
        let target = match self.allow_vips(target)? {
            Ok(target) => target,
            Err(error) => return Ok(Round::Again(error)),
        };
        match self
            .pool
            .attach(&target.name, &self.name, lun, self.deadline)
        {
            Ok(made) => {
                self.asked_lun = Some((target.name.clone(), lun));
                let (lun, scsi_id) = match made {
                    Some(Lun { lun, scsi_id, .. }) => (Some(lun), scsi_id),
                    None => (None, None),
                };
                self.finish(target, lun, scsi_id, size)
            }
            Err(error) => match error.kind() {
                ErrorKind::Conflict | ErrorKind::Exists => {
                    // The number or the volume: what the next look shows, tells.
                    self.refused.insert((target.name, lun));
                    Ok(Round::Again(error))
                }
                ErrorKind::Missing => {
                    // The target, or the volume: the next look at it tells.
                    self.size = None;
                    Ok(Round::Again(error))
                }
                ErrorKind::Transient => {
                    self.asked_lun = Some((target.name, lun));
                    Ok(Round::Again(error))
                }
                _ => Err(error),
            },
        }
    }

    /// The volume is on the target: complete what is known of it.
    fn finish(
        &mut self,
        target: Target,
        lun: Option<u16>,
        scsi_id: Option<ScsiId>,
        size: u64,
    ) -> Result<Round, Error> {
        self.check_active(&target)?;
        let target = match self.allow_vips(target)? {
            Ok(target) => target,
            Err(error) => return Ok(Round::Again(error)),
        };
        let portals = self.portals(&target)?;
        let (lun, scsi_id) = match (lun, scsi_id) {
            (Some(lun), Some(scsi_id)) => (lun, scsi_id),
            _ => match self.poll_lun(&target.name)? {
                Ok(found) => found,
                Err(error) => return Ok(Round::Again(error)),
            },
        };
        let unused = self.request.data_addresses.iter().copied();
        Ok(Round::Done(Published {
            lun,
            unused: unused
                .filter(|address| !portals.contains(address))
                .collect(),
            portals,
            scsi_id,
            size,
            created: Created {
                target: self.asked_target.as_ref() == Some(&target.name),
                lun: self
                    .asked_lun
                    .as_ref()
                    .is_some_and(|asked| *asked == (target.name.clone(), lun)),
            },
            target: target.name,
        }))
    }

    fn check_active(&self, target: &Target) -> Result<(), Error> {
        if target.active {
            return Ok(());
        }
        Err(Error::Inactive {
            target: target.name.clone(),
            pool: self.pool.name().to_owned(),
        })
    }

    /// Adds the VIPs that are missing on a target of the group. The inner error asks for another look.
    fn allow_vips(&mut self, mut target: Target) -> Result<Result<Target, Error>, Error> {
        let wanted = self.vips()?;
        let Some(allowed) = &mut target.vips else {
            return Ok(Ok(target));
        };
        let missing: Vec<String> = wanted
            .into_iter()
            .map(|vip| vip.name)
            .filter(|name| !allowed.contains(name))
            .collect();
        if missing.is_empty() || !self.family.contains(&target.name) {
            return Ok(Ok(target));
        }
        allowed.extend(missing);
        match self
            .pool
            .set_target_vips(&target.name, allowed, self.deadline)
        {
            Ok(()) => Ok(Ok(target)),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }

    fn portals(&mut self, target: &Target) -> Result<Vec<IpAddr>, Error> {
        let allowed = |vip: &Wanted| {
            target
                .vips
                .as_ref()
                .is_none_or(|names| names.contains(&vip.name))
        };
        let portals: Vec<IpAddr> = self
            .vips()?
            .into_iter()
            .filter(allowed)
            .map(|vip| vip.address)
            .collect();
        if portals.is_empty() {
            return Err(Error::VipNotAllowed {
                target: target.name.clone(),
                wanted: self.request.data_addresses.clone(),
                allowed: target.vips.clone().unwrap_or_default(),
            });
        }
        Ok(portals)
    }

    /// The LUN with its SCSI ID, waited for; the inner error asks for another look.
    fn poll_lun(&self, target: &str) -> Result<Result<(u16, ScsiId), Error>, Error> {
        for look in 1..=SCSI_ID_LOOKS {
            match self.pool.lun(target, &self.name, self.deadline) {
                Ok(Lun {
                    lun,
                    scsi_id: Some(scsi_id),
                    ..
                }) => return Ok(Ok((lun, scsi_id))),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Missing => return Ok(Err(error)),
                Err(error) => return Err(error),
            }
            if look < SCSI_ID_LOOKS && !self.client.pause(look, self.deadline) {
                break;
            }
        }
        Err(self.no_scsi_id(target))
    }

    fn no_scsi_id(&self, target: &str) -> Error {
        Error::NoScsiId {
            volume: self.name.clone(),
            target: target.to_owned(),
        }
    }

    /// The size of the volume; that it exists is known only now.
    fn size(&mut self) -> Result<u64, Error> {
        if let Some(size) = self.size {
            return Ok(size);
        }
        let Volume { size, .. } = match self.pool.volume_named(&self.name, self.deadline) {
            Ok(volume) => volume,
            Err(error) if error.kind() == ErrorKind::Missing => {
                // Not the volume is missing if the pool is: say that.
                self.pool.info(self.deadline)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        self.size = Some(size);
        Ok(size)
    }

    /// The VIPs that are data addresses, in the order of those.
    fn vips(&mut self) -> Result<Vec<Wanted>, Error> {
        if let Some(vips) = &self.vips {
            return Ok(vips.clone());
        }
        let mut look = 1;
        let found: Vec<Vip> = loop {
            let found = self.pool.vips(self.deadline)?;
            if !found.is_empty() || look >= VIP_LOOKS || !self.client.pause(look, self.deadline) {
                break found;
            }
            look += 1;
        };
        let mut wanted: Vec<Wanted> = Vec::new();
        for &address in &self.request.data_addresses {
            let vip = found.iter().find(|vip| vip.ip() == Some(address));
            if let Some(vip) = vip.filter(|_| wanted.iter().all(|w| w.address != address)) {
                wanted.push(Wanted {
                    name: vip.name.clone(),
                    address,
                });
            }
        }
        if wanted.is_empty() {
            return Err(Error::NoVip {
                pool: self.pool.name().to_owned(),
                wanted: self.request.data_addresses.clone(),
                found,
            });
        }
        self.vips = Some(wanted.clone());
        Ok(wanted)
    }
}

/// What looking for room on one target gave.
enum Place {
    Done(Round),
    None,
}
