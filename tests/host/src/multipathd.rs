//! multipathd with `find_multipaths strict` and `user_friendly_names no`: its
//! list of paths, the maps it makes of them, and what it answers.

use std::io;
use std::sync::Arc;

use crate::holds::minor_of;
use crate::state::{Disk, Event, HoldKind, HoldRecord, MULTIPATHD, Map, MapPath, State};
use crate::{Daemon, Hold, Release};

/// fast_io_fail_tmo, with which it overwrites recovery_tmo of a path's session.
const FAST_IO_FAIL: i64 = 5;

impl State {
    /// A known path joins the map of its WWID, or begins it, where strict mode
    /// allows; `named`: the administrator asked for this map. False when
    /// something kept it out that should not have.
    pub(crate) fn join(&mut self, index: u32, named: bool) -> bool {
        let disk = &self.disks[&index];
        let Some(wwid) = disk.udev_wwid.clone() else {
            return false;
        };
        if disk.map.is_some() {
            return true;
        }
        let existing = self.map_by_wwid(&wwid);
        let wanted = existing.is_some() || named || self.enrolled(&wwid);
        if !wanted || self.blacklist.contains(&wwid) {
            return true;
        }
        let size = existing.map_or(disk.size, |minor| self.maps[&minor].size);
        let fits = |disk: &Arc<Disk>| {
            let mine = disk.known && disk.map.is_none() && disk.udev_wwid.as_ref() == Some(&wwid);
            mine && disk.size == size && size > 0
        };
        let disks = self.disks.values().filter(|disk| fits(disk));
        let joining: Vec<Arc<Disk>> = disks.cloned().collect();
        let taken = |disk: &Arc<Disk>| self.holds_of(&disk.name()).any(HoldRecord::exclusive);
        if joining.is_empty() || joining.iter().any(taken) {
            // The kernel refuses the table: somebody else has a path.
            if existing.is_none() {
                self.failed_wwids.insert(wwid);
            }
            return false;
        }
        let minor = existing.unwrap_or_else(|| self.create_map(&wwid, &joining[0]));
        for disk in joining {
            if self.sessions[&disk.session].recovery_tmo != FAST_IO_FAIL {
                self.session_mut(disk.session).recovery_tmo = FAST_IO_FAIL;
            }
            let path = self.path_of(&disk);
            self.map_mut(minor).paths.push(path);
            self.disk_mut(disk.index).map = Some(minor);
        }
        self.disks[&index].map.is_some()
    }

    fn create_map(&mut self, wwid: &str, first: &Disk) -> u32 {
        let minor = self.free_minor();
        let name = if self.friendly_names {
            let name = crate::state::disk_name(minor);
            format!("mpath{}", &name[2..])
        } else {
            wwid.to_owned()
        };
        let map = Map {
            minor,
            name,
            wwid: wwid.to_owned(),
            size: first.size,
            seq: self.new_seq(),
            suspended: false,
            queueing: true,
            paths: Vec::new(),
            vendor: first.vendor.clone(),
            model: first.model.clone(),
            holders: Vec::new(),
        };
        self.maps.insert(minor, Arc::new(map));
        self.enrol(wwid);
        self.failed_wwids.remove(wwid);
        if self.udev_probe > 0 {
            self.udev_opens(&format!("dm-{minor}"), Some(self.udev_probe));
        }
        minor
    }

    fn path_of(&self, disk: &Disk) -> MapPath {
        MapPath {
            disk: disk.index,
            dev: disk.dev(),
            block_dir: disk.block_dir(),
            target: self.sessions[&disk.session].target.clone(),
            failed: disk.state != "running",
            held_failed: false,
            fails: 0,
        }
    }

    pub(crate) fn remove_map(&mut self, minor: u32) {
        let block = format!("dm-{minor}");
        self.release_where(|hold| hold.block == block);
        if let Some(map) = self.maps.remove(&minor) {
            for path in &map.paths {
                self.disk_mut(path.disk).map = None;
            }
        }
    }

    /// The checker's round: dm learns what became of the paths' transport.
    pub(crate) fn check_paths(&mut self) {
        if !self.is_up(Daemon::Multipathd) {
            return;
        }
        let minors: Vec<u32> = self.maps.keys().copied().collect();
        for minor in minors {
            for at in 0..self.maps[&minor].paths.len() {
                let path = &self.maps[&minor].paths[at];
                let state = self.disks[&path.disk].state;
                let failed = match state {
                    "running" => path.held_failed,
                    "blocked" => path.failed,
                    _ => true,
                };
                if failed != path.failed {
                    let path = &mut self.map_mut(minor).paths[at];
                    path.failed = failed;
                    path.fails += u32::from(failed);
                }
            }
        }
    }

    /// The daemon starts: it reads disks, maps and the wwids file anew.
    pub(crate) fn multipathd_starts(&mut self) {
        let disks = self.disks.values();
        let seen: Vec<u32> = disks
            .filter(|disk| !matches!(disk.event, Event::Pending(_)))
            .map(|disk| disk.index)
            .collect();
        for index in &seen {
            self.disk_mut(*index).known = true;
        }
        for index in seen {
            self.join(index, false);
        }
        self.check_paths();
    }

    pub(crate) fn multipathd_stops(&mut self) {
        let known = self.disks.values().filter(|disk| disk.known);
        let known: Vec<u32> = known.map(|disk| disk.index).collect();
        for index in known {
            self.disk_mut(index).known = false;
        }
    }

    /// One request over the daemon's socket.
    ///
    /// # Panics
    ///
    /// For a request that the pretend host does not know.
    pub(crate) fn ask(&mut self, request: &str) -> io::Result<String> {
        if !self.is_up(Daemon::Multipathd) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let words: Vec<&str> = request.split_whitespace().collect();
        if !self.privileged && words.first() != Some(&"show") {
            return Ok("permission deny: need to be root\n".to_owned());
        }
        Ok(match words[..] {
            ["show", "daemon"] => format!("pid {MULTIPATHD} idle\n"),
            ["show", "maps", "json"] => crate::json::maps(self),
            ["show", "map", name, "json"] => match self.map_argument(name) {
                Some(minor) => crate::json::map(self, &self.maps[&minor]),
                None => self.fail("device not found"),
            },
            ["add", "path", name] => self.add_path(name),
            ["del", "path", name] => self.del_path(name),
            ["add", "map", name] => self.add_map(name),
            ["fail", "path", name] => self.set_path(name, true),
            ["reinstate", "path", name] => self.set_path(name, false),
            [verb, "map", name] => match self.map_argument(name) {
                Some(minor) => self.change_map(verb, minor, request),
                None => self.fail("device not found"),
            },
            _ => panic!("the pretend host does not know multipathd's {request:?}"),
        })
    }

    /// `dm-N` or a name; also a WWID from 0.9.9 on.
    fn map_argument(&self, argument: &str) -> Option<u32> {
        let named = |map: &&Arc<Map>| {
            map.name == argument || (self.release == Release::Trixie && map.wwid == argument)
        };
        minor_of(argument)
            .filter(|minor| self.maps.contains_key(minor))
            .or_else(|| Some(self.maps.values().find(named)?.minor))
    }

    fn change_map(&mut self, verb: &str, minor: u32, request: &str) -> String {
        match verb {
            "del" => {
                let block = format!("dm-{minor}");
                let partition =
                    |hold: &HoldRecord| matches!(hold.kind, HoldKind::User(Hold::Partition(_)));
                if self.holds_of(&block).any(|hold| !partition(hold)) {
                    return self.fail("map or partition in use");
                }
                self.remove_map(minor);
            }
            "disablequeueing" => self.stop_queueing(minor),
            "restorequeueing" => self.map_mut(minor).queueing = true,
            "suspend" => self.map_mut(minor).suspended = true,
            "resume" => self.map_mut(minor).suspended = false,
            "resize" => return self.resize_map(minor),
            _ => panic!("the pretend host does not know multipathd's {request:?}"),
        }
        "ok\n".to_owned()
    }

    fn stop_queueing(&mut self, minor: u32) {
        self.map_mut(minor).queueing = false;
        if self.maps[&minor].paths.iter().any(|path| !path.failed) {
            return;
        }
        let block = format!("dm-{minor}");
        let held = self.holds_of(&block).filter(|hold| hold.real());
        let harm: Vec<_> = held
            .map(|hold| format!("queueing of {block} was switched off under {hold}"))
            .collect();
        self.harm.extend(harm);
        // What hung in the queue gets its error.
        let stuck = |hold: &HoldRecord| matches!(hold.kind, HoldKind::Udev(None));
        self.release_where(|hold| hold.block == block && stuck(hold));
    }

    fn resize_map(&mut self, minor: u32) -> String {
        let map = &self.maps[&minor];
        let sizes = map.paths.iter().map(|path| self.disks[&path.disk].size);
        let sizes: Vec<u64> = sizes.collect();
        let Some(&size) = sizes.first() else {
            return self.fail("");
        };
        if size == map.size && self.release == Release::Bookworm {
            return "ok\n".to_owned();
        }
        // 0.9.4 looks at the first path; the kernel refuses a table beyond another's end.
        let refused = sizes.iter().any(|other| match self.release {
            Release::Bookworm => *other < size,
            Release::Trixie => *other != size,
        });
        if refused || size == 0 {
            return self.fail("");
        }
        if size != map.size {
            self.map_mut(minor).size = size;
        }
        "ok\n".to_owned()
    }

    fn blacklisted(&self, wwid: Option<&String>) -> bool {
        wwid.is_some_and(|wwid| self.blacklist.contains(wwid))
    }

    fn add_path(&mut self, name: &str) -> String {
        let Some(index) = self.disk_named(name) else {
            return self.fail("");
        };
        let disk = &self.disks[&index];
        if matches!(disk.event, Event::Pending(_)) {
            return self.fail("");
        }
        if self.blacklisted(disk.udev_wwid.as_ref()) {
            return "blacklisted\n".to_owned();
        }
        if !disk.known {
            let disk = self.disk_mut(index);
            disk.known = true;
            disk.event = Event::Done;
        }
        if self.join(index, false) {
            "ok\n".to_owned()
        } else {
            self.fail("")
        }
    }

    fn del_path(&mut self, name: &str) -> String {
        match self.disk_named(name) {
            Some(index) if self.disks[&index].known => {
                self.disk_mut(index).known = false;
                self.leave_map(index);
                "ok\n".to_owned()
            }
            _ => self.fail("device not found"),
        }
    }

    fn add_map(&mut self, name: &str) -> String {
        if self.blacklist.contains(name) {
            return "blacklisted\n".to_owned();
        }
        if self.map_argument(name).is_some() {
            return "ok\n".to_owned();
        }
        let mine = |disk: &&Arc<Disk>| disk.known && disk.udev_wwid.as_deref() == Some(name);
        let Some(index) = self.disks.values().find(mine).map(|disk| disk.index) else {
            return self.fail("");
        };
        // Before 0.10.0 it looks for a map of that name afterwards.
        if self.join(index, true) && self.map_argument(name).is_some() {
            "ok\n".to_owned()
        } else {
            self.fail("")
        }
    }

    fn set_path(&mut self, name: &str, failed: bool) -> String {
        let index = self.disk_named(name);
        let Some((index, minor)) = index.and_then(|at| Some((at, self.disks[&at].map?))) else {
            return self.fail("device not found");
        };
        for path in &mut self.map_mut(minor).paths {
            if path.disk == index {
                path.fails += u32::from(failed && !path.failed);
                path.failed = failed;
                path.held_failed = failed;
            }
        }
        "ok\n".to_owned()
    }
}
