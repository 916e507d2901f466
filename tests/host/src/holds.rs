//! Who has which device: openers, mounts, stacked devices, daemons.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::state::{
    Disk, Event, HoldKind, HoldRecord, ISCSID, MULTIPATHD, MapPath, Process, Stacked, State, UDEVD,
};
use crate::{Daemon, Hold};

const EBUSY: i32 = 16;

impl State {
    pub(crate) fn hold(&mut self, block: &str, hold: Hold) -> u64 {
        assert!(
            self.block_exists(block),
            "the pretend host has no block device {block:?} to hold"
        );
        let pid = match &hold {
            Hold::Process(name) => Some(self.spawn(name, 1, block)),
            _ => None,
        };
        let stacked = match &hold {
            Hold::Lvm(name) => Some(self.stack(block, name, &format!("LVM-{name}"))),
            Hold::Partition(number) => {
                let below = self.dm_name(block);
                let uuid = format!("part{number}-{}", self.dm_uuid(block));
                Some(self.stack(block, &format!("{below}-part{number}"), &uuid))
            }
            _ => None,
        };
        self.record_hold(HoldRecord {
            block: block.to_owned(),
            kind: HoldKind::User(hold),
            pid,
            stacked,
            gone: false,
        })
    }

    /// A udev worker opens a device, and closes it after some ticks or never.
    pub(crate) fn udev_opens(&mut self, block: &str, ticks: Option<u32>) {
        let pid = self.spawn("(udev-worker)", UDEVD, block);
        self.record_hold(HoldRecord {
            block: block.to_owned(),
            kind: HoldKind::Udev(ticks),
            pid: Some(pid),
            stacked: None,
            gone: false,
        });
    }

    fn record_hold(&mut self, hold: HoldRecord) -> u64 {
        let id = self.next_hold;
        self.next_hold += 1;
        self.holds.insert(id, hold);
        id
    }

    pub(crate) fn release(&mut self, id: u64) {
        let Some(hold) = self.holds.remove(&id) else {
            return;
        };
        if let Some(pid) = hold.pid {
            self.processes.remove(&pid);
        }
        if let Some(minor) = hold.stacked {
            self.stacked.remove(&minor);
        }
    }

    pub(crate) fn release_where(&mut self, matches: impl Fn(&HoldRecord) -> bool) {
        let holds = self.holds.iter().filter(|(_, hold)| matches(hold));
        let ids: Vec<u64> = holds.map(|(id, _)| *id).collect();
        for id in ids {
            self.release(id);
        }
    }

    fn spawn(&mut self, name: &str, parent: u32, block: &str) -> u32 {
        let pid = self.next_pid;
        self.next_pid += 1;
        let process = Process {
            pid,
            name: name.to_owned(),
            parent,
            fds: vec![format!("/dev/{block}")],
        };
        self.processes.insert(pid, Arc::new(process));
        pid
    }

    fn stack(&mut self, over: &str, name: &str, uuid: &str) -> u32 {
        let minor = self.free_minor();
        let (over_dir, size) = match self.disk_named(over) {
            Some(index) => (self.disks[&index].block_dir(), self.disks[&index].size),
            None => {
                let size = minor_of(over).and_then(|minor| self.maps.get(&minor));
                let size = size.map(|map| map.size).unwrap_or_default();
                (format!("sys/devices/virtual/block/{over}"), size)
            }
        };
        let stacked = Stacked {
            minor,
            name: name.to_owned(),
            uuid: uuid.to_owned(),
            size,
            seq: self.new_seq(),
            over_dir,
            over: over.to_owned(),
        };
        self.stacked.insert(minor, Arc::new(stacked));
        minor
    }

    fn dm_name(&self, block: &str) -> String {
        let map = minor_of(block).and_then(|minor| self.maps.get(&minor));
        map.map_or_else(|| block.to_owned(), |map| map.name.clone())
    }

    fn dm_uuid(&self, block: &str) -> String {
        let map = minor_of(block).and_then(|minor| self.maps.get(&minor));
        map.map_or_else(String::new, |map| format!("mpath-{}", map.wwid))
    }

    pub(crate) fn block_exists(&self, block: &str) -> bool {
        let dm = |minor| self.maps.contains_key(&minor) || self.stacked.contains_key(&minor);
        self.disk_named(block).is_some() || minor_of(block).is_some_and(dm)
    }

    /// `O_EXCL` of a block device, closed again.
    pub(crate) fn open_exclusive(&mut self, block: &str) -> io::Result<()> {
        if !self.block_exists(block) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Some(index) = self.disk_named(block) {
            if self.disks[&index].state == "blocked" {
                return Err(self.would_hang(&format!("opening /dev/{block}")));
            }
            if self.disks[&index].state != "running" {
                return Err(io::Error::from_raw_os_error(6));
            }
            if self.disks[&index].map.is_some() {
                return Err(io::Error::from_raw_os_error(EBUSY));
            }
        }
        if self.holds_of(block).any(HoldRecord::exclusive) {
            return Err(io::Error::from_raw_os_error(EBUSY));
        }
        Ok(())
    }

    /// Time passes: delayed events happen, udev workers end.
    /// Says whether anything came of it.
    pub(crate) fn tick(&mut self) -> bool {
        let mut ended = Vec::new();
        for (id, hold) in &mut self.holds {
            match &mut hold.kind {
                HoldKind::Udev(Some(0)) => ended.push(*id),
                HoldKind::Udev(Some(ticks)) => *ticks -= 1,
                _ => {}
            }
        }
        let happened = !ended.is_empty();
        for id in ended {
            self.release(id);
        }
        let pending = |disk: &&Arc<Disk>| matches!(disk.event, Event::Pending(_));
        let pending: Vec<u32> = self
            .disks
            .values()
            .filter(pending)
            .map(|disk| disk.index)
            .collect();
        for index in &pending {
            if let Event::Pending(ticks) = self.disks[index].event {
                match ticks.checked_sub(1) {
                    Some(left) => self.disk_mut(*index).event = Event::Pending(left),
                    None => self.disk_appeared(*index),
                }
            }
        }
        happened || !pending.is_empty()
    }

    /// Brings what follows from other facts up to date: holders, paths' names,
    /// the daemons' processes. Changes only what differs.
    pub(crate) fn settle(&mut self) {
        self.settle_holders();
        self.settle_daemons();
        for hold in self.holds.values().filter(|hold| hold.gone) {
            let Some(process) = hold.pid.and_then(|pid| self.processes.get_mut(&pid)) else {
                continue;
            };
            let fd = format!("/dev/{} (deleted)", hold.block);
            if process.fds != [fd.as_str()] {
                Arc::make_mut(process).fds = vec![fd];
            }
        }
    }

    fn settle_holders(&mut self) {
        let mut over: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for stacked in self.stacked.values() {
            let holder = format!("dm-{}", stacked.minor);
            over.entry(&stacked.over).or_default().push(holder);
        }
        for disk in self.disks.values_mut() {
            let map = disk.map.map(|minor| format!("dm-{minor}"));
            let stacked = over
                .get(disk.name().as_str())
                .into_iter()
                .flatten()
                .cloned();
            let holders: Vec<String> = map.into_iter().chain(stacked).collect();
            if disk.holders != holders {
                Arc::make_mut(disk).holders = holders;
            }
        }
        for map in self.maps.values_mut() {
            let holders = over.remove(format!("dm-{}", map.minor).as_str());
            let holders = holders.unwrap_or_default();
            if map.holders != holders {
                Arc::make_mut(map).holders = holders;
            }
        }
    }

    fn settle_daemons(&mut self) {
        let mut daemons = vec![(1, "systemd", 0, Vec::new())];
        daemons.push((UDEVD, "systemd-udevd", 1, Vec::new()));
        if self.is_up(Daemon::Iscsid) {
            daemons.push((ISCSID, "iscsid", 1, Vec::new()));
        } else {
            self.processes.remove(&ISCSID);
        }
        if self.is_up(Daemon::Multipathd) {
            // It keeps every path open for its checker.
            let known = self.disks.values().filter(|disk| disk.known);
            let fds = known.map(|disk| format!("/dev/{}", disk.name())).collect();
            daemons.push((MULTIPATHD, "multipathd", 1, fds));
        } else {
            self.processes.remove(&MULTIPATHD);
        }
        for (pid, name, parent, fds) in daemons {
            if self
                .processes
                .get(&pid)
                .is_none_or(|process| process.fds != fds)
            {
                let name = name.to_owned();
                let process = Process {
                    pid,
                    name,
                    parent,
                    fds,
                };
                self.processes.insert(pid, Arc::new(process));
            }
        }
    }
}

/// The minor of `dm-N`.
pub(crate) fn minor_of(block: &str) -> Option<u32> {
    block.strip_prefix("dm-")?.parse().ok()
}

impl MapPath {
    pub(crate) fn name(&self) -> &str {
        self.block_dir.rsplit('/').next().unwrap_or_default()
    }
}
