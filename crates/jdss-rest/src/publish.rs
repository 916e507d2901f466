//! What to publish, and what came of it.

mod work;

use std::net::IpAddr;
use std::time::Instant;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::names::{ScsiId, TargetFamily, TargetGroup, TargetPrefix, VolumeId};
use work::Work;

/// The highest number of LUNs that a target can have.
const MAX_LUNS: u16 = 16384;

/// What to publish, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The pool.
    pub pool: String,
    /// The volume.
    pub volume: VolumeId,
    /// The prefix of target names.
    pub target_prefix: TargetPrefix,
    /// The group of volumes that share targets with it.
    pub group: TargetGroup,
    /// Volumes on one target, at most; 8 is usual.
    pub luns_per_target: u16,
    /// The addresses to reach it on, best first; those that are VIPs of the pool count.
    pub data_addresses: Vec<IpAddr>,
}

/// Where a published volume is, and what it looks like to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The target (IQN).
    pub target: String,
    /// The number of the LUN.
    pub lun: u16,
    /// The addresses to log in at, in the order asked for; at least one.
    pub portals: Vec<IpAddr>,
    /// Data addresses that are no portals: no VIP of this pool, or not allowed on the target.
    pub unused: Vec<IpAddr>,
    /// The identity of the disk.
    pub scsi_id: ScsiId,
    /// The size of the disk, in bytes.
    pub size: u64,
    /// What this call made.
    pub created: Created,
}

/// What a call made on the appliance, to take back when a later step fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Created {
    /// The target was made by this call.
    pub target: bool,
    /// The volume was attached by this call.
    pub lun: bool,
}

impl Client {
    /// Makes sure that a volume is attached to a target that can be reached, and says where.
    ///
    /// Doing it twice is the same as doing it once: a volume that is attached
    /// stays where it is. Four calls then, five when a VIP has to be added;
    /// six for a volume on a new target. Blocks until that is done, never
    /// beyond the deadline.
    ///
    /// An attached volume is used as it is, also when its target belongs to
    /// another prefix or group; such a target is not changed in any way, and
    /// the volume is not moved. VIPs are only ever added to a target of the
    /// group: taking one away would break sessions of others.
    ///
    /// After an error nothing is left on the appliance but, possibly, the
    /// attached volume: a target that this call made is removed when it is
    /// still empty.
    ///
    /// # Errors
    ///
    /// * Kind [`Missing`](ErrorKind::Missing): no such volume, or no such pool.
    /// * Kind [`NoVip`](ErrorKind::NoVip): none of the data addresses is a VIP
    ///   of the pool, or none is allowed on the target.
    /// * [`Error::Inactive`]: the target is switched off; switch it on.
    /// * [`Error::TargetElsewhere`]: another pool has the name; use another prefix.
    /// * [`Error::AttachedTwice`]: detach the volume from all targets but one.
    /// * [`Error::NoScsiId`]: the appliance does not say which disk it is.
    /// * [`Error::Contended`]: others were always faster; try again.
    /// * [`Error::NotUndone`]: a failure, and a new empty target stays behind.
    /// * Those that all calls have: see [`Pool`](crate::Pool).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::{Publish, TargetGroup};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let request = Publish {
    ///     pool: "Pool-0".to_owned(),
    ///     volume: "vm-100-disk-0".parse()?,
    ///     target_prefix: "iqn.2025-04.proxmox.joviandss.iscsi:".parse()?,
    ///     group: TargetGroup::of("vm-100-disk-0")?,
    ///     luns_per_target: 8,
    ///     data_addresses: vec!["10.1.0.11".parse()?, "10.2.0.11".parse()?],
    /// };
    /// let published = client.publish(&request, Instant::now() + Duration::from_secs(60))?;
    /// println!("{} LUN {}: {}", published.target, published.lun, published.scsi_id.wwid());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, request: &Publish, deadline: Instant) -> Result<Published, Error> {
        if !(1..=MAX_LUNS).contains(&request.luns_per_target) {
            return Err(Error::LunLimit {
                found: request.luns_per_target,
                max: MAX_LUNS,
            });
        }
        let family = TargetFamily::new(&request.target_prefix, &request.group)
            .map_err(|reason| Error::Name { reason })?;
        Work::new(self, request, family, deadline).run()
    }

    /// Removes a target that has neither LUN nor session; true when it is gone.
    ///
    /// For undoing: give it only a target that was just created, for somebody
    /// may attach a volume between the look and the removal. Three calls; may
    /// block up to the deadline.
    ///
    /// # Errors
    ///
    /// As for the methods of [`Pool`](crate::Pool); then the target may still be there.
    pub fn delete_target_if_empty(
        &self,
        pool: &str,
        target: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let pool = self.pool(pool);
        let looked = pool
            .luns(target, deadline)
            .and_then(|luns| Ok(luns.is_empty() && pool.sessions(target, deadline)?.is_empty()));
        match looked {
            Ok(true) => pool.delete_target(target, deadline).map(|_| true),
            Ok(false) => Ok(false),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(true),
            Err(error) => Err(error),
        }
    }
}
