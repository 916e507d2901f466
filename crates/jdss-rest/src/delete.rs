//! Deleting a volume that may be published.

use std::time::Instant;

use crate::client::Client;
use crate::error::Error;
use crate::initiator::LocalInitiator;
use crate::names::{SnapshotId, TargetGroup, TargetPrefix};
use crate::unpublish::{Unpublish, Unpublished};
use crate::volumes::DeleteVolume;

/// Which volume to delete, and what may go along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The pool.
    pub pool: String,
    /// Physical name of the volume.
    pub volume: String,
    /// Whether its snapshots may go along.
    pub snapshots: bool,
    /// Whether clones that only export these snapshots may go along: see [`Client::publish_snapshot`].
    pub exports: bool,
    /// The prefix of target names.
    pub target_prefix: TargetPrefix,
    /// The group of volumes that share targets with it.
    pub group: TargetGroup,
    /// Who we are, and whose sessions count for nothing.
    pub local: LocalInitiator,
}

/// What became of a volume that was deleted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Deleted {
    /// Whether it was there.
    pub existed: bool,
    /// Where it was published.
    pub unpublished: Unpublished,
    /// Physical names of the exports of its snapshots that went along.
    pub exports: Vec<String>,
}

impl Client {
    /// Makes sure that a volume does not exist any more, unless others are logged in to its target.
    ///
    /// Doing it twice is the same as doing it once. It is taken off its target
    /// first, as by [`unpublish`](Self::unpublish), and deleted then: three
    /// calls for a volume that is attached nowhere, six for one that is.
    /// A volume that is gone is taken off its target, too. Blocks until it is
    /// done, at most up to the deadline: minutes, now and then.
    ///
    /// # Errors
    ///
    /// * [`Error::ForeignSessions`]: others are logged in to its target, or to
    ///   that of an export of one of its snapshots; it was not deleted.
    /// * [`Error::HasDependents`]: snapshots or clones depend on it. It is off
    ///   its target then, and nobody used it; publishing it cures that.
    /// * [`Error::AttachedTwice`]: detach it from all targets but one.
    /// * Those that all calls have: see [`Pool`](crate::Pool). It is never
    ///   deleted when it could not be asked who uses it.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::{Delete, ErrorKind, LocalInitiator, TargetGroup};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let request = Delete {
    ///     pool: "Pool-0".to_owned(),
    ///     volume: "v_vm-100-disk-0".to_owned(),
    ///     snapshots: true,
    ///     exports: true,
    ///     target_prefix: "iqn.2025-04.proxmox.joviandss.iscsi:".parse()?,
    ///     group: TargetGroup::of("vm-100-disk-0")?,
    ///     local: LocalInitiator::new("iqn.1993-08.org.debian:01:aa11bb22cc33", &["10.1.0.51".parse()?]),
    /// };
    /// match client.delete(&request, Instant::now() + Duration::from_secs(300)) {
    ///     Ok(_) => {}
    ///     Err(error) if error.kind() == ErrorKind::InUse => println!("not now: {error}"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete(&self, request: &Delete, deadline: Instant) -> Result<Deleted, Error> {
        let pool = self.pool(&request.pool);
        let unpublished = self.withdraw(&request.unpublish(&request.volume), deadline)?;
        let how = DeleteVolume {
            snapshots: request.snapshots,
        };
        let delete = || pool.delete_volume_named(&request.volume, how, deadline);
        let mut exports = Vec::new();
        let existed = match delete() {
            Err(Error::HasDependents {
                what,
                snapshots,
                clones,
            }) if request.exports && snapshots.is_empty() => {
                // All of them are exports, or nothing of it goes.
                for clone in &clones {
                    if !self.is_export(request, clone, deadline)? {
                        return Err(Error::HasDependents {
                            what,
                            snapshots,
                            clones,
                        });
                    }
                }
                for clone in clones {
                    self.delete_clone(&request.unpublish(&clone), deadline)?;
                    exports.push(clone);
                }
                delete()?
            }
            result => result?,
        };
        Ok(Deleted {
            existed,
            unpublished,
            exports,
        })
    }

    /// Takes a clone that only exports a snapshot off its target, and deletes it.
    pub(crate) fn delete_clone(
        &self,
        request: &Unpublish,
        deadline: Instant,
    ) -> Result<(bool, Unpublished), Error> {
        let unpublished = self.withdraw(request, deadline)?;
        // The appliance may make snapshots of everything by itself.
        let how = DeleteVolume { snapshots: true };
        let pool = self.pool(&request.pool);
        let existed = pool.delete_volume_named(&request.volume, how, deadline)?;
        Ok((existed, unpublished))
    }

    /// Whether a clone does nothing but export a snapshot of the volume: by name and origin.
    fn is_export(&self, request: &Delete, clone: &str, deadline: Instant) -> Result<bool, Error> {
        let Some((snapshot, volume)) = SnapshotId::from_export(clone) else {
            return Ok(false);
        };
        if volume.physical_name() != request.volume {
            return Ok(false);
        }
        let found = self.pool(&request.pool).find_volume(clone, deadline)?;
        Ok(found.is_none_or(|found| {
            found.origin.is_some_and(|origin| {
                origin.volume == request.volume && origin.snapshot == snapshot.physical_name()
            })
        }))
    }
}

impl Delete {
    fn unpublish(&self, volume: &str) -> Unpublish {
        Unpublish {
            pool: self.pool.clone(),
            volume: volume.to_owned(),
            target: None,
            target_prefix: self.target_prefix.clone(),
            group: self.group.clone(),
            local: self.local.clone(),
        }
    }
}
