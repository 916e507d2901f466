//! A table of targets that can stand in for an appliance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{HostLun, Login};

/// A table of targets and LUNs for tests that need no whole appliance.
///
/// Clones share the table, so a test keeps one and changes it while the
/// [`Host`](crate::Host) looks into the other.
///
/// ```
/// use jdss_host::{Host, Targets};
/// let targets = Targets::new(["10.0.0.1:3260"]);
/// targets.map("iqn.2026-01.test:a", 0, "4fa1c0de77e2b316", 64 << 20);
/// let host = Host::new(targets.lookup());
/// # assert!(host.left().is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct Targets(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    portals: BTreeSet<String>,
    luns: BTreeMap<String, BTreeMap<u16, HostLun>>,
    refused: BTreeMap<(String, String), i32>,
}

impl Targets {
    /// An appliance that listens at these portals (`ip:port`) and has no target.
    pub fn new<'a>(portals: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Arc::new(Mutex::new(Table {
            portals: portals.into_iter().map(str::to_owned).collect(),
            luns: BTreeMap::new(),
            refused: BTreeMap::new(),
        })))
    }

    /// Shows a volume, as SCST does, at a LUN of a target; replaces what was there.
    pub fn map(&self, target: &str, lun: u16, scsi_id: &str, size: u64) {
        self.map_as(target, HostLun::scst(lun, scsi_id, size));
    }

    /// Shows any LUN.
    pub fn map_as(&self, target: &str, lun: HostLun) {
        let luns = &mut self.table().luns;
        luns.entry(target.to_owned())
            .or_default()
            .insert(lun.lun, lun);
    }

    /// Takes a LUN away; the target stays.
    pub fn unmap(&self, target: &str, lun: u16) {
        if let Some(luns) = self.table().luns.get_mut(target) {
            luns.remove(&lun);
        }
    }

    /// Deletes a target.
    pub fn delete(&self, target: &str) {
        self.table().luns.remove(target);
    }

    /// Answers logins of this target at this portal with an exit code of
    /// iscsiadm; `None` lets them in again.
    pub fn refuse(&self, target: &str, portal: &str, code: Option<i32>) {
        let key = (target.to_owned(), portal.to_owned());
        match code {
            Some(code) => self.table().refused.insert(key, code),
            None => self.table().refused.remove(&key),
        };
    }

    /// The closure for [`Host::new`](crate::Host::new): 8 at a portal where
    /// nobody listens, 19 for an unknown target, the chosen refusal, or the LUNs.
    pub fn lookup(&self) -> impl Fn(&str, &str) -> Login + Send + Sync + 'static {
        let this = self.clone();
        move |target, portal| {
            let table = this.table();
            let key = (target.to_owned(), portal.to_owned());
            match (table.refused.get(&key), table.luns.get(target)) {
                _ if !table.portals.contains(portal) => Login::Refused(8),
                (Some(code), _) => Login::Refused(*code),
                (None, None) => Login::Refused(19),
                (None, Some(luns)) => Login::Luns(luns.values().cloned().collect()),
            }
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
