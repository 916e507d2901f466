//! Where the host ended.

use crate::state::SessionState;
use crate::{Counts, Host, HostLun};

impl Host {
    /// How often each kind of effect happened.
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// The effects in order, those of the other parts of the [`Counter`](crate::Counter) too.
    pub fn log(&self) -> Vec<String> {
        self.counter.log()
    }

    /// Forgets counts and log.
    pub fn forget(&self) {
        self.lock().counts = Counts::default();
        self.counter.clear();
    }

    /// Target and address of the portal of each session that is logged in.
    pub fn sessions(&self) -> Vec<(String, String)> {
        let inner = self.lock();
        let sessions = inner.state.sessions.values();
        sessions
            .filter(|session| matches!(session.state, SessionState::LoggedIn))
            .map(|session| (session.target.clone(), session.address.clone()))
            .collect()
    }

    /// What is left compared with a fresh host, each as one line: sessions,
    /// disks, maps, node records, enrolled WWIDs, and files below `/dev`,
    /// `/etc/iscsi` and `/etc/multipath` that others made. Empty: "host as before".
    pub fn left(&self) -> Vec<String> {
        let mut inner = self.lock();
        inner.reload();
        inner.reload_records();
        let state = &inner.state;
        let mut left = Vec::new();
        for session in state.sessions.values() {
            let (id, target) = (session.id, &session.target);
            left.push(format!("session {id} of {target} at {}", session.portal()));
        }
        for disk in state.disks.values() {
            left.push(format!("disk {} ({})", disk.name(), disk.hctl()));
        }
        for map in state.maps.values() {
            left.push(format!("map {} (dm-{})", map.name, map.minor));
        }
        for stacked in state.stacked.values() {
            let (name, minor) = (&stacked.name, stacked.minor);
            left.push(format!("device {name} (dm-{minor}) over {}", stacked.over));
        }
        for key in state.records.keys() {
            left.push(format!("record of {} at {}", key.target, key.portal()));
        }
        left.extend(state.active_wwids().map(|wwid| format!("enrolled {wwid}")));
        for dir in ["dev", "etc/iscsi", "etc/multipath"] {
            left.extend(
                inner
                    .foreign(dir)
                    .into_iter()
                    .map(|path| format!("file {path}")),
            );
        }
        left
    }

    /// What must never happen and did, each as one line: a device taken from
    /// under a user, waiting I/O that was failed, an effect that would hang.
    pub fn harm(&self) -> Vec<String> {
        self.lock().state.harm.clone()
    }

    /// The WWIDs of the volumes that a device (`sda`, `dm-3`, or a name of
    /// `/dev/mapper`) reads and writes **now**, one for each path that works,
    /// whatever the host believes.
    ///
    /// # Panics
    ///
    /// When there is no such device.
    pub fn serves(&self, device: &str) -> Vec<String> {
        let luns = self.serves_luns(device);
        luns.iter().filter_map(HostLun::wwid).collect()
    }

    /// The same, as LUNs: their serials tell volumes of one WWID apart.
    ///
    /// # Panics
    ///
    /// When there is no such device.
    pub fn serves_luns(&self, device: &str) -> Vec<HostLun> {
        let inner = self.lock();
        let state = &inner.state;
        if let Some(index) = state.disk_named(device) {
            return state.fresh(&state.disks[&index]).into_iter().collect();
        }
        let minor = crate::holds::minor_of(device);
        let mut maps = state.maps.values();
        let map = maps.find(|map| Some(map.minor) == minor || map.name == device);
        let map = map.unwrap_or_else(|| panic!("the pretend host has no device {device:?}"));
        let paths = map.paths.iter().filter(|path| !path.failed);
        paths
            .filter_map(|path| state.fresh(&state.disks[&path.disk]))
            .collect()
    }
}
