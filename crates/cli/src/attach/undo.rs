//! What this call has done so far, to be taken back.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jdss_iscsi::{Disk, Iqn, Portal};
use jdss_multipath::Wwid;
use jdss_state::{Key, ScsiIdLock, TargetLock};

use super::{Attach, Budget, Error};

/// How long a disk that has just appeared may be held by udev, or by a map
/// that multipathd was still making.
const UDEV_PATIENCE: Duration = Duration::from_secs(10);

/// One change of this call.
#[derive(Debug)]
pub(super) enum Change {
    /// The WWID was added to multipath's list.
    Enrolled(Wwid),
    /// The link was made.
    Link(PathBuf),
    /// There was no map; from here on multipathd may make one at any moment.
    Map(Wwid),
    /// A disk appeared by our scan.
    Disk(Disk),
    /// Sessions were made, or taken over from a volume that may be gone since.
    Sessions { target: Iqn, portals: Vec<Portal> },
}

impl Change {
    /// What is taken back first has the lowest rank: the list before the map,
    /// or multipathd would make it again, and each thing before what is below.
    fn rank(&self) -> u8 {
        match self {
            Self::Enrolled(_) => 0,
            Self::Link(_) => 1,
            Self::Map(_) => 2,
            Self::Disk(_) => 3,
            Self::Sessions { .. } => 4,
        }
    }
}

/// The changes of this call.
#[derive(Debug, Default)]
pub(super) struct Journal(Vec<Change>);

impl Journal {
    pub(super) fn add(&mut self, change: Change) {
        self.0.push(change);
    }

    /// The disk is gone again: its name may be another's from now on.
    pub(super) fn forget_disk(&mut self, gone: &Disk) {
        self.0
            .retain(|change| !matches!(change, Change::Disk(disk) if same(disk, gone)));
    }
}

/// The same disk, not just one that got its name.
fn same(one: &Disk, other: &Disk) -> bool {
    (&one.name, &one.hctl, one.session) == (&other.name, &other.hctl, other.session)
}

impl Attach {
    /// Takes back what `journal` holds and only that. Goes on after a failure;
    /// all failures are told.
    ///
    /// The target's lock, where it was needed, is given to the caller: the
    /// record is to change while it is held, since others go by it.
    pub(super) fn unwind(
        &self,
        key: &Key,
        journal: Journal,
        wwid: Option<&ScsiIdLock>,
        budget: &Budget,
    ) -> (Vec<Error>, Option<TargetLock>) {
        let mut changes = journal.0;
        changes.reverse();
        changes.sort_by_key(Change::rank);
        let may_be_mapped = changes.iter().any(|c| matches!(c, Change::Map(_)));
        let (mut failed, mut target_lock) = (Vec::new(), None);
        for change in &changes {
            let done = match change {
                Change::Enrolled(wwid) => self.withdraw(wwid, budget.end()),
                Change::Link(link) => self.unlink(link),
                Change::Map(wwid) => self.unmap(wwid, budget),
                Change::Disk(disk) => self.unscan(disk, may_be_mapped, budget),
                Change::Sessions { target, portals } => {
                    self.log_back_out(key, target, portals, wwid, &mut target_lock, budget)
                }
            };
            failed.extend(done.err());
        }
        (failed, target_lock)
    }

    fn unmap(&self, wwid: &Wwid, budget: &Budget) -> Result<(), Error> {
        match self.multipath.map(wwid).map_err(Error::Multipath)? {
            Some(map) => self.remove_map(&map, budget.end()),
            None => Ok(()),
        }
    }

    fn unscan(&self, disk: &Disk, may_be_mapped: bool, budget: &Budget) -> Result<(), Error> {
        let now = self
            .initiator
            .disk_by_name(&disk.name)
            .map_err(Error::Iscsi)?;
        let Some(now) = now.filter(|now| same(now, disk)) else {
            return Ok(());
        };
        let patience = Instant::now() + UDEV_PATIENCE;
        self.delete_patiently(&now, patience, budget.end(), || {
            // Made after it was looked for.
            match self.map_of(&now)? {
                Some(map) if may_be_mapped => self.remove_map(&map, budget.end()),
                _ => Ok(()),
            }
        })
    }

    fn log_back_out(
        &self,
        key: &Key,
        target: &Iqn,
        portals: &[Portal],
        wwid: Option<&ScsiIdLock>,
        target_lock: &mut Option<TargetLock>,
        budget: &Budget,
    ) -> Result<(), Error> {
        // Sessions are made only with the lock of the SCSI ID held.
        if let (None, Some(wwid)) = (&target_lock, wwid) {
            let lock = wwid
                .target(target.as_str(), budget.end())
                .map_err(Error::State)?;
            *target_lock = Some(lock);
        }
        // Another volume may use them by now, even without a disk yet.
        let (_, going) = self.split_by_need(key, target, portals)?;
        self.logout(target, &going, budget.end())
    }
}
