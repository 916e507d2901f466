//! What to publish, and what came of it.

mod chap;
mod place;
mod vips;
mod work;

use std::net::IpAddr;
use std::time::Instant;

use crate::chap::Chap;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::names::{ScsiId, TargetFamily, TargetGroup, TargetPrefix, VolumeId};
use work::Work;

/// The highest number of LUNs that a target can have.
const MAX_LUNS: u16 = 16384;
/// Attempts to remove an empty target.
const EMPTY_ROUNDS: u32 = 8;

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
    /// Whether initiators have to authenticate.
    pub chap: Chap,
    /// Whether a volume that nobody uses on a target outside of the group is moved to the group;
    /// usually it is. Not from a host that still has the volume's disks: while its network is
    /// down the appliance shows no session of it.
    pub may_move: bool,
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
    /// Whether the target asks initiators for CHAP. With [`Chap::On`] false
    /// means that the target has been in use without it: see [`Client::publish`].
    pub chap: bool,
    /// The target of another prefix or group from which the volume was moved. It is not
    /// removed, even if it is empty now.
    pub moved_from: Option<String>,
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
    /// The clone that exports a snapshot was made by this call.
    pub clone: bool,
}

impl Client {
    /// Makes sure that a volume is attached to a target that can be reached, and says where.
    ///
    /// Doing it twice is the same as doing it once. Blocks until that is done,
    /// never beyond the deadline.
    ///
    /// *Calls.* Three for a volume that is attached; five for one that is not,
    /// on a new target as on the first one of its group that has room, and one
    /// more for each target before that one, since nothing but its own list
    /// tells how full a target is. One more when the VIPs of the pool have not
    /// been read for a minute, when the VIPs of the target have to change, and
    /// for the users of [`Chap::On`].
    ///
    /// *Place.* A volume that is attached to a target of its group stays there.
    /// One that is attached to a target of another prefix or group is used
    /// there as long as any initiator has a session with that target, and
    /// moved to the group otherwise ([`Publish::may_move`]). Targets outside of the group are never
    /// changed, nor removed when they have become empty: whose they are is not
    /// known.
    ///
    /// *VIPs.* Those that are missing on a target of the group are always
    /// added; others are taken away only while nobody has a session. All who
    /// publish volumes of one group should use the same data addresses.
    ///
    /// *CHAP.* It is changed on targets of the group only. There the user is
    /// added at once; the switch is turned, and other users are removed, only
    /// while nobody has a session: who is logged in needs them as they are to
    /// come back after a network failure. While there are sessions, an
    /// unattached volume goes to another target; an attached one is reported
    /// without CHAP where [`Chap::On`] is asked for ([`Published::chap`]), and
    /// refused where [`Chap::Off`] is. A new target is made with the switch on,
    /// and gets the user before the volume.
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
    /// * [`Error::ChapInUse`]: initiators are logged in to a target with CHAP,
    ///   and none is wanted; log them out.
    /// * [`Error::NoScsiId`]: the appliance does not say which disk it is.
    /// * [`Error::Contended`]: others were always faster; try again.
    /// * [`Error::NotUndone`]: a failure, and a new empty target stays behind.
    /// * Those that all calls have: see [`Pool`](crate::Pool).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::{Chap, Publish, TargetGroup};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let request = Publish {
    ///     pool: "Pool-0".to_owned(),
    ///     volume: "vm-100-disk-0".parse()?,
    ///     target_prefix: "iqn.2025-04.proxmox.joviandss.iscsi:".parse()?,
    ///     group: TargetGroup::of("vm-100-disk-0")?,
    ///     luns_per_target: 8,
    ///     data_addresses: vec!["10.1.0.11".parse()?, "10.2.0.11".parse()?],
    ///     chap: Chap::Unmanaged,
    ///     may_move: true,
    /// };
    /// let published = client.publish(&request, Instant::now() + Duration::from_secs(60))?;
    /// println!("{} LUN {}: {}", published.target, published.lun, published.scsi_id.wwid());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, request: &Publish, deadline: Instant) -> Result<Published, Error> {
        self.publish_as(request, request.volume.physical_name(), None, deadline)
    }

    /// Publishes the volume with this physical name, and of this size where that is known.
    pub(crate) fn publish_as(
        &self,
        request: &Publish,
        name: String,
        size: Option<u64>,
        deadline: Instant,
    ) -> Result<Published, Error> {
        if !(1..=MAX_LUNS).contains(&request.luns_per_target) {
            return Err(Error::LunLimit {
                found: request.luns_per_target,
                max: MAX_LUNS,
            });
        }
        let family = TargetFamily::new(&request.target_prefix, &request.group)
            .map_err(|reason| Error::Name { reason })?;
        Work::new(self, request, name, size, family, deadline).run()
    }

    /// Removes a target that has neither LUN nor session; true when it is gone.
    ///
    /// For undoing: give it only a target that was just created, for somebody
    /// may attach a volume between the look and the removal. Three calls; may
    /// block up to the deadline.
    ///
    /// # Errors
    ///
    /// * Kind [`Missing`](ErrorKind::Missing): the pool is not here.
    /// * Those that all calls have: see [`Pool`](crate::Pool). Then the target may still be there.
    pub fn delete_target_if_empty(
        &self,
        pool: &str,
        target: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let pool = self.pool(pool);
        let mut round = 1;
        loop {
            let looked = pool.luns(target, deadline).and_then(|luns| {
                Ok(luns.is_empty() && pool.sessions(target, deadline)?.is_empty())
            });
            match looked {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                // On the wrong head everything seems to be missing.
                Err(error) if error.kind() == ErrorKind::Missing => {
                    return pool.info(deadline).map(|_| true);
                }
                Err(error) => return Err(error),
            }
            match pool.delete_target_after_look(target, deadline) {
                Ok(_) => return Ok(true),
                Err(error)
                    if matches!(error.kind(), ErrorKind::Transient | ErrorKind::Unreachable)
                        && round < EMPTY_ROUNDS
                        && self.pause(round, deadline) => {}
                Err(error) => return Err(error),
            }
            round += 1;
        }
    }
}
