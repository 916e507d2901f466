//! What a test does to the host: faults, users, daemons, power.

use std::sync::Arc;

use crate::record::{Record, RecordKey};
use crate::state::SessionState;
use crate::{Counter, Daemon, Fault, Hold, Host, LastPath, Udev};

/// A hold of a device, for [`Host::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[must_use = "the device stays held until the hold is released"]
pub struct Held(u64);

impl Host {
    /// The count of effects, to be shared with the other pretend parts of a test.
    pub fn counter(&self) -> &Arc<Counter> {
        &self.counter
    }

    /// See [`Counter::stop_before`].
    pub fn stop_before(&self, n: Option<usize>) {
        self.counter.stop_before(n);
    }

    /// Lets time pass: delayed udev events come nearer, short udev openers end.
    pub fn tick(&self) {
        self.change(|inner| {
            inner.state.tick();
        });
    }

    /// Chooses when new disks are learnt of. Default: [`Udev::AtOnce`].
    pub fn set_udev(&self, udev: Udev) {
        self.change(|inner| inner.state.udev = udev);
    }

    /// Lets a udev worker hold each new map for so many ticks. Default: 0, none.
    pub fn set_udev_probe(&self, ticks: u32) {
        self.change(|inner| inner.state.udev_probe = ticks);
    }

    /// Chooses what becomes of a map that lost its paths. Default: [`LastPath::MapGoes`].
    pub fn set_last_path(&self, last_path: LastPath) {
        self.change(|inner| inner.state.last_path = last_path);
    }

    /// Lets the host's LVM take every new disk that multipath does not claim.
    pub fn set_lvm_grabs(&self, grabs: bool) {
        self.change(|inner| inner.state.lvm_grabs = grabs);
    }

    /// `user_friendly_names yes`: new maps are called `mpatha` and so on.
    pub fn set_friendly_names(&self, friendly: bool) {
        self.change(|inner| inner.state.friendly_names = friendly);
    }

    /// Whether multipathd takes the caller for root. Only multipathd minds.
    pub fn set_privileged(&self, privileged: bool) {
        self.change(|inner| inner.state.privileged = privileged);
    }

    /// Blacklists a WWID in multipath's configuration.
    pub fn blacklist(&self, wwid: &str) {
        self.change(|inner| inner.state.blacklist.insert(wwid.to_owned()));
    }

    /// Makes a target ask for CHAP; without it a session needs none.
    pub fn require_chap(&self, target: &str, user: &str, secret: &str) {
        let credentials = (user.to_owned(), secret.to_owned());
        self.change(|inner| inner.state.chap.insert(target.to_owned(), credentials));
    }

    /// Where open-iscsi keeps its database: `etc/iscsi` (the default) or
    /// `var/lib/iscsi`. Records that are there are not moved.
    pub fn set_database(&self, dir: &str) {
        self.change(|inner| inner.set_nodes(format!("{dir}/nodes")));
    }

    /// A dead process left the lock of the node database: every use fails with 6.
    pub fn set_database_locked(&self, locked: bool) {
        self.change(|inner| inner.database_locked = locked);
    }

    /// Makes a record as discovery does: another layout of the file.
    pub fn discover(&self, target: &str, address: &str, port: u16) {
        self.change(|inner| {
            let key = RecordKey {
                target: target.to_owned(),
                address: address.to_owned(),
                port,
            };
            let mut record = Record::new(&inner.nodes);
            record.discovered = true;
            inner.state.records.insert(key, Arc::new(record));
        });
    }

    /// Starts or stops a daemon.
    pub fn set_daemon(&self, daemon: Daemon, up: bool) {
        self.change(|inner| {
            let state = &mut inner.state;
            let was = state.is_up(daemon);
            if up {
                state.daemons.insert(daemon);
            } else {
                state.daemons.remove(&daemon);
            }
            match daemon {
                Daemon::Multipathd if up && !was => state.multipathd_starts(),
                Daemon::Multipathd if was && !up => state.multipathd_stops(),
                _ => {}
            }
        });
    }

    /// Removes a program (`iscsiadm`, `scsi_id`, ...); `false` puts it back.
    pub fn uninstall(&self, program: &str, gone: bool) {
        self.change(|inner| {
            if gone {
                inner.state.uninstalled.insert(program.to_owned());
            } else {
                inner.state.uninstalled.remove(program);
            }
        });
    }

    /// Lets a program (or `multipathd`, for its socket) misbehave each time;
    /// `None` mends it.
    pub fn set_fault(&self, program: &str, fault: Option<Fault>) {
        self.change(|inner| {
            match fault {
                Some(fault) => inner.state.faults.insert(program.to_owned(), fault),
                None => inner.state.faults.remove(program),
            };
        });
    }

    /// Lets the next effect misbehave whose line in [`log`](Self::log) begins so:
    /// `ask del map`, `run iscsiadm`, `write sys/block/sda/device/delete`.
    pub fn fail_next(&self, effect: &str, fault: Fault) {
        self.change(|inner| inner.next_faults.push((effect.to_owned(), fault)));
    }

    /// The network to a portal (`ip:port`) falls silent, just now: sessions are
    /// FAILED, their disks blocked, the maps do not know yet. New logins exit 8.
    pub fn block(&self, portal: &str) {
        self.transport(portal, SessionState::Failed, "blocked");
    }

    /// The network to a portal is gone and the recovery time is over: sessions
    /// are FREE, disks transport-offline, paths failed (if multipathd runs).
    pub fn cut(&self, portal: &str) {
        self.transport(portal, SessionState::Free, "transport-offline");
    }

    /// The network to a portal is back: sessions that the appliance still lets
    /// in are LOGGED_IN again, their paths active.
    pub fn restore(&self, portal: &str) {
        self.transport(portal, SessionState::LoggedIn, "running");
    }

    fn transport(&self, portal: &str, to: SessionState, disks: &'static str) {
        self.change(|inner| {
            let state = &mut inner.state;
            if to == SessionState::LoggedIn {
                state.cut.remove(portal);
            } else {
                state.cut.insert(portal.to_owned());
            }
            let sessions = state.sessions.values();
            let ids: Vec<u32> = sessions
                .filter(|session| session.portal() == portal)
                .map(|session| session.id)
                .collect();
            for id in ids {
                let session = &state.sessions[&id];
                let answer = (state.lookup)(&session.target, portal);
                if to == SessionState::LoggedIn && !matches!(answer, crate::Login::Luns(_)) {
                    continue;
                }
                state.session_mut(id).state = to;
                let mine = state.disks.values().filter(|disk| disk.session == id);
                let mine: Vec<u32> = mine.map(|disk| disk.index).collect();
                for index in mine {
                    state.disk_mut(index).state = disks;
                }
            }
            state.check_paths();
        });
    }

    /// The target's Async Message about its LUNs: sessions that log in with
    /// `node.session.scan=auto` scan by themselves, the others do nothing.
    pub fn announce(&self, target: &str) {
        self.change(|inner| {
            let state = &mut inner.state;
            let sessions = state.sessions.values().filter(|session| {
                session.target == target
                    && session.scans_alone
                    && session.state == SessionState::LoggedIn
            });
            let ids: Vec<u32> = sessions.map(|session| session.id).collect();
            for id in ids {
                state.scan_session(id, None);
            }
        });
    }

    /// Lets somebody hold a device (`sda`, `dm-3`).
    ///
    /// # Panics
    ///
    /// When there is no such device.
    pub fn hold(&self, block: &str, hold: Hold) -> Held {
        Held(self.change(|inner| inner.state.hold(block, hold)))
    }

    /// Ends a hold; nothing happens when it is over already.
    pub fn release(&self, held: Held) {
        self.change(|inner| inner.state.release(held.0));
    }

    /// Suspends or resumes a map (`dm-3`), as a removal that failed half way does.
    ///
    /// # Panics
    ///
    /// When there is no such map.
    pub fn set_suspended(&self, block: &str, suspended: bool) {
        self.change(|inner| {
            let minor = crate::holds::minor_of(block);
            let minor = minor.filter(|minor| inner.state.maps.contains_key(minor));
            let minor = minor.unwrap_or_else(|| panic!("the pretend host has no map {block:?}"));
            inner.state.map_mut(minor).suspended = suspended;
        });
    }

    /// The power goes and comes back. The files of /etc and /var stay, with
    /// whatever others wrote there; sessions, disks, maps, users, /run, /dev
    /// and /proc begin anew, the boot id is another, and records with
    /// `node.startup = automatic` are logged in. Installed daemons run.
    pub fn reboot(&self) {
        self.change(|inner| {
            inner.reload();
            inner.reload_records();
            inner.wipe();
            inner.database_locked = false;
            let state = &mut inner.state;
            state.sessions.clear();
            state.disks.clear();
            state.maps.clear();
            state.stacked.clear();
            state.holds.clear();
            state.processes.clear();
            state.failed_wwids.clear();
            state.boots += 1;
            state.next_session = 1;
            state.next_seq = 1;
            state.daemons.clear();
            for (daemon, program) in [
                (Daemon::Iscsid, "iscsid"),
                (Daemon::Multipathd, "multipathd"),
            ] {
                if !state.uninstalled.contains(program) {
                    state.daemons.insert(daemon);
                }
            }
            let records = state.records.iter();
            let automatic: Vec<RecordKey> = records
                .filter(|(_, record)| record.get("node.startup") == "automatic")
                .map(|(key, _)| key.clone())
                .collect();
            for key in automatic {
                // What does not answer at boot is not logged in; that is all.
                let _ = state.login(&key);
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut crate::inner::Inner) -> T) -> T {
        let mut inner = self.lock();
        let result = change(&mut inner);
        inner.sync();
        result
    }
}
