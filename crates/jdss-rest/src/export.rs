//! Snapshots, made visible through a clone.

use std::time::Instant;

use crate::client::Client;
use crate::clones::CloneOf;
use crate::delete::Deleted;
use crate::error::{Difference, Error, ErrorKind};
use crate::initiator::LocalInitiator;
use crate::model::{Origin, Volume};
use crate::names::{SnapshotId, TargetGroup, TargetPrefix, VolumeId};
use crate::pool::Pool;
use crate::publish::{Publish, Published};
use crate::unpublish::Unpublish;

/// Which snapshot not to export any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpublishSnapshot {
    /// The pool.
    pub pool: String,
    /// The volume.
    pub volume: VolumeId,
    /// Its snapshot.
    pub snapshot: SnapshotId,
    /// The target that it is exported on, as far as is known; saves a call.
    pub target: Option<String>,
    /// The prefix of target names.
    pub target_prefix: TargetPrefix,
    /// The group of volumes that share targets with it.
    pub group: TargetGroup,
    /// Who we are, and whose sessions count for nothing.
    pub local: LocalInitiator,
}

impl Client {
    /// Makes sure that a snapshot of [`Publish::volume`] can be reached, read only, and says where.
    ///
    /// A snapshot is no device: a thin, read-only clone of it is published,
    /// whose name follows from both ids ([`SnapshotId::export_name`]). Doing it
    /// twice is the same as doing it once: two calls more than
    /// [`publish`](Self::publish) for a clone that has to be made, none more
    /// for one that is there. The size is that of the snapshot. Blocks until it
    /// is done, at most up to the deadline.
    ///
    /// After an error the clone is deleted again if this call made it, and the
    /// rest is as with `publish`.
    ///
    /// # Errors
    ///
    /// * Kind [`Missing`](ErrorKind::Missing): no such snapshot, volume or pool.
    /// * [`Error::OtherVolume`]: the name of the clone is taken by something
    ///   that is no clone of this snapshot; it is not touched.
    /// * [`Error::NotUndone`]: a failure, and the new clone stays behind.
    /// * Those of [`publish`](Self::publish).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::{Client, Publish, SnapshotId};
    ///
    /// fn export(client: &Client, volume: &Publish) -> Result<(), Box<dyn std::error::Error>> {
    ///     let snapshot: SnapshotId = "before-update".parse()?;
    ///     let deadline = Instant::now() + Duration::from_secs(60);
    ///     let published = client.publish_snapshot(volume, &snapshot, deadline)?;
    ///     println!("{} LUN {}", published.target, published.lun);
    ///     Ok(())
    /// }
    /// ```
    pub fn publish_snapshot(
        &self,
        request: &Publish,
        snapshot: &SnapshotId,
        deadline: Instant,
    ) -> Result<Published, Error> {
        let pool = self.pool(&request.pool);
        let export = Export::new(&pool, &request.volume, snapshot)?;
        let (clone, made) = export.ensure(deadline)?;
        let published = self.publish_as(request, export.name.clone(), Some(clone.size), deadline);
        let cause = match published {
            Ok(mut published) => {
                published.created.clone = made;
                return Ok(published);
            }
            Err(cause) if !made => return Err(cause),
            Err(cause) => cause,
        };
        let undo = Unpublish {
            pool: request.pool.clone(),
            volume: export.name.clone(),
            target: None,
            target_prefix: request.target_prefix.clone(),
            group: request.group.clone(),
            local: LocalInitiator::none(),
        };
        match self.delete_clone(&undo, deadline) {
            Ok(_) => Err(cause),
            Err(undo) => Err(Error::NotUndone {
                cause: Box::new(cause),
                left: format!("the new clone {}", export.name),
                undo: Box::new(undo),
            }),
        }
    }

    /// Makes sure that a snapshot is not exported, unless others are logged in to its target.
    ///
    /// Its clone is taken off its target, as by [`unpublish`](Self::unpublish),
    /// and deleted. Doing it twice is the same as doing it once. Six calls when
    /// [`UnpublishSnapshot::target`] is right. Blocks until it is done, at most
    /// up to the deadline.
    ///
    /// # Errors
    ///
    /// * [`Error::ForeignSessions`]: others are logged in; nothing was changed.
    /// * [`Error::OtherVolume`]: what has the name of the clone is no clone of
    ///   this snapshot, for example because the appliance promoted it when the
    ///   volume was deleted there; it is not touched.
    /// * [`Error::HasDependents`]: somebody cloned the clone.
    /// * Those of [`unpublish`](Self::unpublish).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::{LocalInitiator, TargetGroup, UnpublishSnapshot};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let request = UnpublishSnapshot {
    ///     pool: "Pool-0".to_owned(),
    ///     volume: "vm-100-disk-0".parse()?,
    ///     snapshot: "before-update".parse()?,
    ///     target: None,
    ///     target_prefix: "iqn.2025-04.proxmox.joviandss.iscsi:".parse()?,
    ///     group: TargetGroup::of("vm-100-disk-0")?,
    ///     local: LocalInitiator::new("iqn.1993-08.org.debian:01:aa11bb22cc33", &["10.1.0.51".parse()?]),
    /// };
    /// client.unpublish_snapshot(&request, Instant::now() + Duration::from_secs(60))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unpublish_snapshot(
        &self,
        request: &UnpublishSnapshot,
        deadline: Instant,
    ) -> Result<Deleted, Error> {
        let pool = self.pool(&request.pool);
        let export = Export::new(&pool, &request.volume, &request.snapshot)?;
        if let Some(clone) = pool.find_volume(&export.name, deadline)? {
            export.check(&clone)?;
        }
        let unpublish = Unpublish {
            pool: request.pool.clone(),
            volume: export.name.clone(),
            target: request.target.clone(),
            target_prefix: request.target_prefix.clone(),
            group: request.group.clone(),
            local: request.local.clone(),
        };
        let (existed, unpublished) = self.delete_clone(&unpublish, deadline)?;
        Ok(Deleted {
            existed,
            unpublished,
            exports: Vec::new(),
        })
    }
}

/// The clone through which a snapshot is seen.
struct Export<'a> {
    pool: &'a Pool,
    /// Its physical name.
    name: String,
    /// The snapshot.
    origin: Origin,
}

impl<'a> Export<'a> {
    fn new(pool: &'a Pool, volume: &VolumeId, snapshot: &SnapshotId) -> Result<Self, Error> {
        let name = snapshot
            .export_name(volume)
            .map_err(|reason| Error::Name { reason })?;
        let origin = Origin {
            pool: pool.name().to_owned(),
            volume: volume.physical_name(),
            snapshot: snapshot.physical_name(),
        };
        Ok(Self { pool, name, origin })
    }

    /// The clone, and whether it was made here.
    fn ensure(&self, deadline: Instant) -> Result<(Volume, bool), Error> {
        if let Some(clone) = self.pool.find_volume(&self.name, deadline)? {
            self.check(&clone)?;
            return Ok((clone, false));
        }
        let clone = CloneOf {
            volume: self.origin.volume.clone(),
            snapshot: self.origin.snapshot.clone(),
            name: self.name.clone(),
            thin: true,
            read_only: true,
        };
        match self.pool.make_clone(&clone, deadline) {
            Ok(clone) => Ok((clone, true)),
            // Another node was faster.
            Err(error) if error.kind() == ErrorKind::Exists => {
                let clone = self.pool.volume_named(&self.name, deadline)?;
                self.check(&clone)?;
                Ok((clone, false))
            }
            Err(error) => Err(error),
        }
    }

    fn check(&self, clone: &Volume) -> Result<(), Error> {
        if clone.origin.as_ref() == Some(&self.origin) {
            return Ok(());
        }
        Err(Error::OtherVolume {
            pool: self.pool.name().to_owned(),
            volume: self.name.clone(),
            reason: Box::new(Difference::Origin {
                found: clone.origin.clone(),
                wanted: self.origin.clone(),
            }),
        })
    }
}
