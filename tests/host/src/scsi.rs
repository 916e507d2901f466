//! The kernel's side of SCSI disks: scan, rescan, delete, and `scsi_id`.

use std::io;
use std::sync::Arc;

use crate::state::{Disk, Event, LastPath, Session, SessionState, State, Udev};
use crate::{Daemon, Hold, HostLun, Ran, identity};

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

const EINVAL: i32 = 22;
const ENOENT: i32 = 2;

/// An attribute that can be written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attribute {
    /// `scan` of a SCSI host.
    Scan(u32),
    /// `rescan` of a disk.
    Rescan(u32),
    /// `delete` of a disk.
    Delete(u32),
}

impl State {
    /// What a path below the root means; `None`: not known, perhaps for a link
    /// on the way; `Err`: its device is not there.
    pub(crate) fn attribute(&self, path: &str) -> Option<io::Result<Attribute>> {
        let parts: Vec<&str> = path.split('/').collect();
        let by_hctl = |hctl: &str| self.disks.values().find(|disk| disk.hctl() == hctl);
        let (disk, verb) = match parts[..] {
            ["sys", "class", "scsi_host", host, "scan"]
            | ["sys", "devices", "platform", _, "scsi_host", host, "scan"] => {
                let named = |session: &&Arc<Session>| format!("host{}", session.host) == host;
                let session = self.sessions.values().find(named);
                let scan = session.map(|session| Attribute::Scan(session.host));
                return Some(scan.ok_or_else(|| errno(ENOENT)));
            }
            ["sys", "block", name, "device", verb] => {
                (self.disk_named(name).map(|index| &self.disks[&index]), verb)
            }
            [
                "sys",
                "class",
                "scsi_device" | "scsi_disk",
                hctl,
                "device",
                verb,
            ] => (by_hctl(hctl), verb),
            ["sys", "devices", "platform", .., hctl, verb] => (by_hctl(hctl), verb),
            _ => return None,
        };
        let attribute = match verb {
            "rescan" => Attribute::Rescan,
            "delete" => Attribute::Delete,
            _ => return None,
        };
        let found = disk.map(|disk| attribute(disk.index));
        Some(found.ok_or_else(|| errno(ENOENT)))
    }

    pub(crate) fn write(&mut self, attribute: Attribute, value: &str) -> io::Result<()> {
        let (index, verb) = match attribute {
            Attribute::Scan(host) => return self.scan(host, value),
            Attribute::Rescan(index) => (index, "rescanning"),
            Attribute::Delete(index) => (index, "deleting"),
        };
        // The kernel does not look at the value.
        if self.disks[&index].state == "blocked" {
            let name = self.disks[&index].name();
            return Err(self.would_hang(&format!("{verb} {name}")));
        }
        match attribute {
            Attribute::Rescan(_) => self.rescan(index),
            _ => self.remove_disk(index),
        }
        Ok(())
    }

    fn scan(&mut self, host: u32, value: &str) -> io::Result<()> {
        let (channel, id, lun) = match value.split_whitespace().collect::<Vec<_>>()[..] {
            [channel, id, lun] => (channel, id, lun),
            _ => return Err(errno(EINVAL)),
        };
        if !matches!(channel, "0" | "-") || !matches!(id, "0" | "-") {
            return Err(errno(EINVAL));
        }
        let only = match lun {
            "-" => None,
            lun => Some(lun.parse::<u64>().map_err(|_| errno(EINVAL))?),
        };
        let mut sessions = self.sessions.values();
        let session = sessions.find(|session| session.host == host);
        let session = Arc::clone(session.ok_or_else(|| errno(ENOENT))?);
        match session.state {
            SessionState::LoggedIn => {}
            SessionState::Free => return Ok(()),
            SessionState::Failed => {
                return Err(self.would_hang(&format!("scanning host{host}")));
            }
        }
        self.scan_session(session.id, only);
        Ok(())
    }

    /// Adds the disks that are not there; one that is there is left as it is.
    pub(crate) fn scan_session(&mut self, id: u32, only: Option<u64>) {
        let session = Arc::clone(&self.sessions[&id]);
        for lun in self.luns(&session) {
            let wanted = only.is_none_or(|only| only == u64::from(lun.lun));
            let there = |disk: &Arc<Disk>| disk.session == id && disk.lun == lun.lun;
            if wanted && !self.disks.values().any(there) {
                self.add_disk(id, &lun);
            }
        }
    }

    fn add_disk(&mut self, id: u32, lun: &HostLun) {
        let seq = self.new_seq();
        let session = &self.sessions[&id];
        let by_path = format!(
            "ip-{}-iscsi-{}-lun-{}",
            session.portal(),
            session.target,
            lun.lun
        );
        // A name stays taken as long as somebody holds the vanished disk open.
        let index = (0..).find(|index| {
            let name = crate::state::disk_name(*index);
            let held = |hold: &crate::state::HoldRecord| hold.gone && hold.block == name;
            !self.disks.contains_key(index) && !self.holds.values().any(held)
        });
        let index = index.unwrap_or_default();
        let disk = Disk {
            index,
            session: id,
            host: session.host,
            lun: lun.lun,
            by_path,
            page83: lun.page83.clone(),
            page80: lun.page80(),
            vendor: lun.vendor.clone(),
            model: lun.model.clone(),
            size: lun.size,
            seq,
            state: "running",
            udev_wwid: None,
            event: match self.udev {
                Udev::AtOnce => Event::Done,
                Udev::After(ticks) => Event::Pending(ticks),
                Udev::Lost => Event::Lost,
            },
            known: false,
            map: None,
            holders: Vec::new(),
        };
        let event = disk.event;
        self.disks.insert(index, Arc::new(disk));
        match event {
            Event::Done => self.disk_appeared(index),
            Event::Lost => self.udev_sees(index),
            Event::Pending(_) => {}
        }
    }

    /// udev's part of an event: it asks the disk who it is.
    pub(crate) fn udev_sees(&mut self, index: u32) {
        let fresh = self.fresh_wwid(&self.disks[&index]);
        let disk = self.disk_mut(index);
        disk.udev_wwid = fresh.or_else(|| identity::udev_wwid(&disk.page83));
    }

    /// The `add` event of a disk, handled by udev, then by whoever wants it.
    pub(crate) fn disk_appeared(&mut self, index: u32) {
        self.udev_sees(index);
        self.disk_mut(index).event = Event::Done;
        if self.is_up(Daemon::Multipathd) {
            self.disk_mut(index).known = true;
            self.join(index, false);
        }
        let disk = &self.disks[&index];
        let wwid = disk.udev_wwid.clone().unwrap_or_default();
        let claimed = disk.map.is_some() || self.enrolled(&wwid);
        if self.lvm_grabs && !claimed {
            let name = disk.name();
            self.hold(&name, Hold::Lvm(format!("guest{index}-root")));
        }
    }

    fn rescan(&mut self, index: u32) {
        if self.disks[&index].state != "running" {
            return;
        }
        let disk = &self.disks[&index];
        let before = disk.size;
        let now = match self.fresh(disk) {
            Some(lun) => (lun.page80(), lun.page83, lun.size),
            None => (disk.page80.clone(), disk.page83.clone(), 0),
        };
        if (&disk.page80, &disk.page83, disk.size) != (&now.0, &now.1, now.2) {
            let disk = self.disk_mut(index);
            (disk.page80, disk.page83, disk.size) = now;
        }
        let size = self.disks[&index].size;
        // Only a new size raises an event, and not to or from nothing.
        if before != size && before != 0 && size != 0 {
            let old = self.disks[&index].udev_wwid.clone();
            self.udev_sees(index);
            if self.disks[&index].known && self.disks[&index].udev_wwid != old {
                self.leave_map(index);
                self.join(index, false);
            }
        }
    }

    pub(crate) fn remove_disk(&mut self, index: u32) {
        let name = self.disks[&index].name();
        let held = self.holds_of(&name).filter(|hold| hold.real());
        let harm: Vec<_> = held
            .map(|hold| format!("{name} vanished under {hold}"))
            .collect();
        self.harm.extend(harm);
        for hold in self.holds.values_mut() {
            hold.gone |= hold.block == name;
        }
        self.leave_map(index);
        self.disks.remove(&index);
    }

    /// Takes a disk out of its map, as multipathd does when it vanishes.
    pub(crate) fn leave_map(&mut self, index: u32) {
        let Some(minor) = self.disks[&index].map else {
            return;
        };
        self.disk_mut(index).map = None;
        let map = self.map_mut(minor);
        let had_path = map.paths.iter().any(|path| !path.failed);
        map.paths.retain(|path| path.disk != index);
        let has_path = map.paths.iter().any(|path| !path.failed);
        let (empty, queueing) = (map.paths.is_empty(), map.queueing);
        let block = format!("dm-{minor}");
        if had_path && !has_path {
            let held = self.holds_of(&block).filter(|hold| hold.real());
            let harm: Vec<_> = held
                .map(|hold| format!("the last path of {block} vanished under {hold}"))
                .collect();
            self.harm.extend(harm);
        }
        if !empty || !self.is_up(Daemon::Multipathd) {
            return;
        }
        if self.last_path == LastPath::UdevHangs && queueing {
            self.udev_opens(&block, None);
        } else if self.open_count(minor) == 0 {
            self.remove_map(minor);
        }
    }

    /// What `scsi_id` says of a disk, asked of the LUN itself. `Err`: it hangs.
    pub(crate) fn scsi_id(&mut self, name: &str) -> io::Result<Ran> {
        let Some(index) = self.disk_named(name) else {
            panic!("the pretend host does not know what scsi_id says of {name:?}");
        };
        let disk = Arc::clone(&self.disks[&index]);
        if disk.state == "blocked" {
            return Err(self.would_hang(&format!("scsi_id of {name}")));
        }
        Ok(match self.fresh_wwid(&disk) {
            Some(wwid) => Ran::new(0, &format!("{wwid}\n"), ""),
            None => Ran::new(1, "", ""),
        })
    }
}
