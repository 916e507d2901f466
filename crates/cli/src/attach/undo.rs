//! What this call has done so far, to be taken back newest first.

use std::path::PathBuf;

use jdss_iscsi::{Iqn, Portal};
use jdss_multipath::Wwid;
use jdss_state::{Key, ScsiIdLock};

use super::{Attach, Budget, Error};

/// One change of this call.
#[derive(Debug)]
pub(super) enum Change {
    /// The WWID was added to multipath's list.
    Enrolled(Wwid),
    /// Sessions were made.
    LoggedIn { target: Iqn, portals: Vec<Portal> },
    /// A disk appeared by our scan.
    Disk(String),
    /// A map may have appeared that was not there before.
    Map(Wwid),
    /// The link was made.
    Link(PathBuf),
}

/// The changes of this call, oldest first.
#[derive(Debug, Default)]
pub(super) struct Journal(Vec<Change>);

impl Journal {
    pub(super) fn add(&mut self, change: Change) {
        self.0.push(change);
    }
}

impl Attach {
    /// Takes back what `journal` holds and only that, newest first. Goes on
    /// after a failure; all failures are told.
    pub(super) fn unwind(
        &self,
        key: &Key,
        journal: Journal,
        wwid: Option<&ScsiIdLock>,
        budget: &Budget,
    ) -> Vec<Error> {
        let mut failed = Vec::new();
        // The list first: multipathd must not make the map again while its
        // disks are taken away.
        let (enrolled, others): (Vec<_>, Vec<_>) = journal
            .0
            .into_iter()
            .rev()
            .partition(|c| matches!(c, Change::Enrolled(_)));
        for change in enrolled.into_iter().chain(others) {
            if let Err(error) = self.take_back(key, &change, wwid, budget) {
                failed.push(error);
            }
        }
        failed
    }

    fn take_back(
        &self,
        key: &Key,
        change: &Change,
        wwid_lock: Option<&ScsiIdLock>,
        budget: &Budget,
    ) -> Result<(), Error> {
        match change {
            Change::Link(link) => self.unlink(link),
            Change::Map(wwid) => match self.multipath.map(wwid).map_err(Error::Multipath)? {
                Some(map) => self.remove_map(&map, budget.end()),
                None => Ok(()),
            },
            Change::Disk(name) => match self.initiator.disk_by_name(name).map_err(Error::Iscsi)? {
                Some(disk) => self.delete_disk(&disk, budget.end()),
                None => Ok(()),
            },
            Change::LoggedIn { target, portals } => {
                // Sessions are made only with the lock of the SCSI ID held.
                let _target = wwid_lock
                    .map(|lock| lock.target(target.as_str(), budget.end()))
                    .transpose()
                    .map_err(Error::State)?;
                // Another volume may use them by now, even without a disk yet.
                let (_, going) = self.split_by_need(key, target, portals)?;
                self.logout(target, &going, budget.end())
            }
            Change::Enrolled(wwid) => self.withdraw(wwid, budget.end()),
        }
    }
}
