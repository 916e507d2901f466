//! The host as a whole: the state, and the tree that shows it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::record::{self, Record, RecordKey};
use crate::state::{Disk, Lookup, Map, Process, Session, Stacked, State};
use crate::tree::{Changes, Entries, Node, Shadow, Tree};
use crate::{Counts, Fault, Ran, Release, iscsiadm, render, unknown};

pub(crate) const WWIDS: &str = "etc/multipath/wwids";

const DIRS: &[&str] = &[
    "sys/block",
    "sys/class/iscsi_session",
    "sys/class/iscsi_connection",
    "sys/class/iscsi_host",
    "sys/class/scsi_host",
    "sys/class/scsi_device",
    "sys/class/scsi_disk",
    "sys/devices/platform",
    "sys/devices/virtual/block",
    "dev/mapper",
    "dev/disk/by-id",
    "dev/disk/by-path",
    "proc/self",
    "proc/net",
    "proc/sys/kernel/random",
    "etc/multipath",
    "etc/iscsi/nodes",
    "run/lock/iscsi",
    "run/multipath/failed_wwids",
    "usr/sbin",
    "lib/udev",
];

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) tree: Tree,
    pub(crate) counts: Counts,
    pub(crate) nodes: String,
    pub(crate) database_locked: bool,
    /// Beginnings of effects that misbehave once.
    pub(crate) next_faults: Vec<(String, Fault)>,
    shadows: Shadows,
    plain: BTreeMap<String, Arc<Node>>,
    /// Of the last [`plain_files`](Self::plain_files); 0 at first.
    facts: u64,
    _dir: TempDir,
}

#[derive(Debug, Default)]
struct Shadows {
    sessions: Shadow<u32, Session>,
    disks: Shadow<u32, Disk>,
    maps: Shadow<u32, Map>,
    stacked: Shadow<u32, Stacked>,
    processes: Shadow<u32, Process>,
    records: Shadow<RecordKey, Record>,
    plain: Shadow<String, Node>,
}

impl Inner {
    pub(crate) fn new(release: Release, lookup: Lookup) -> io::Result<Self> {
        // In memory where there is such a place: it is all small files.
        let dir = tempfile::Builder::new().prefix("jdss-host-").to_owned();
        let dir = dir.tempdir_in("/dev/shm").or_else(|_| dir.tempdir())?;
        let base = dir.path().canonicalize()?;
        fs::create_dir(base.join("root"))?;
        let mut inner = Self {
            state: State::new(release, lookup),
            tree: Tree::new(base.join("root"), base.join("scratch")),
            counts: Counts::default(),
            nodes: "etc/iscsi/nodes".to_owned(),
            database_locked: false,
            next_faults: Vec::new(),
            shadows: Shadows::default(),
            plain: BTreeMap::new(),
            facts: 0,
            _dir: dir,
        };
        inner.make_dirs();
        inner.sync();
        Ok(inner)
    }

    fn make_dirs(&self) {
        for dir in DIRS {
            fs::create_dir_all(self.tree.root().join(dir)).expect("a directory in the root");
        }
    }

    /// Brings the tree up to the state.
    pub(crate) fn sync(&mut self) {
        self.state.settle();
        let (state, shadows) = (&self.state, &mut self.shadows);
        let mut changes = Changes::default();
        let all = &mut changes;
        shadows.records.follow(&state.records, render::record, all);
        let sessions = &mut shadows.sessions;
        sessions.follow(&state.sessions, |_, at| render::session(at), all);
        let disks = &mut shadows.disks;
        let disks = disks.follow(&state.disks, |_, at| render::disk(at), all);
        let maps = &mut shadows.maps;
        let maps = maps.follow(&state.maps, |_, at| render::map(at), all);
        let stacked = &mut shadows.stacked;
        stacked.follow(&state.stacked, |_, at| render::stacked(at), all);
        let processes = &mut shadows.processes;
        processes.follow(&state.processes, |_, at| render::process(at), all);
        self.plain_files(disks || maps, all);
        if !changes.is_empty() {
            let written = self.tree.apply(&changes);
            written.expect("the pretend root is writable");
        }
    }

    /// The files of no device, when what they show has changed.
    fn plain_files(&mut self, devices_changed: bool, changes: &mut Changes) {
        let facts = self.fixed_facts();
        if facts == self.facts && !devices_changed {
            return;
        }
        self.facts = facts;
        let mut now = self.fixed_files();
        now.extend(self.by_id_links());
        self.plain.retain(|path, _| now.contains_key(path));
        for (path, node) in now {
            if self.plain.get(&path).is_none_or(|old| **old != node) {
                self.plain.insert(path, Arc::new(node));
            }
        }
        let file = |path: &String, node: &Node| Entries::from([(path.clone(), node.clone())]);
        self.shadows.plain.follow(&self.plain, file, changes);
    }

    pub(crate) fn set_nodes(&mut self, nodes: String) {
        let made = fs::create_dir_all(self.tree.root().join(&nodes));
        made.expect("the pretend root is writable");
        self.nodes = nodes;
    }

    /// How this effect of this tool misbehaves, if it does.
    pub(crate) fn fault(&mut self, effect: &str, tool: &str) -> Option<Fault> {
        let faults = &mut self.next_faults;
        match faults
            .iter()
            .position(|(begin, _)| effect.starts_with(begin))
        {
            Some(at) => Some(faults.remove(at).1),
            None => self.state.faults.get(tool).cloned(),
        }
    }

    /// Takes in what others wrote into the wwids file.
    pub(crate) fn reload(&mut self) {
        let text = fs::read_to_string(self.tree.root().join(WWIDS)).unwrap_or_default();
        if text != self.state.wwids {
            self.shadows.plain.seen(&WWIDS.to_owned(), WWIDS, &text);
            self.state.wwids = text;
            // Looked at anew, even when the text is soon as before.
            self.plain.remove(WWIDS);
            self.facts = 0;
        }
    }

    /// Takes in what others wrote into the node records.
    pub(crate) fn reload_records(&mut self) {
        let loaded = record::load(self.tree.root(), &self.nodes);
        let keys: Vec<&RecordKey> = loaded.iter().map(|(key, _, _)| key).collect();
        let shadow = &mut self.shadows.records;
        self.state.records.retain(|key, _| {
            let there = keys.contains(&key);
            if !there {
                shadow.lost(key);
            }
            there
        });
        for (key, record, text) in loaded {
            let path = record.path(&key);
            self.shadows.records.seen(&key, &path, &text);
            if self
                .state
                .records
                .get(&key)
                .is_none_or(|old| **old != record)
            {
                self.state.records.insert(key, Arc::new(record));
            }
        }
    }

    pub(crate) fn iscsiadm(&mut self, args: &[&str]) -> Ran {
        if self.database_locked && args != ["--version"] {
            return iscsiadm::database_locked();
        }
        self.reload_records();
        self.state.iscsiadm(args, &self.nodes)
    }

    pub(crate) fn scsi_id(&mut self, args: &[&str]) -> io::Result<Ran> {
        let ["-g", "-u", "-d", device] = args else {
            unknown("scsi_id", args);
        };
        match self.block_name(Path::new(device)) {
            Ok(name) => self.state.scsi_id(&name),
            Err(_) => {
                let text = format!("scsi_id: cannot open {device}: No such file or directory\n");
                Ok(Ran::new(1, "", &text))
            }
        }
    }

    /// An effect of no tool, unless it misbehaves.
    pub(crate) fn attempt(
        &mut self,
        effect: &str,
        act: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let fault = self.fault(effect, "");
        match fault {
            Some(Fault::Hangs) => return Err(io::ErrorKind::TimedOut.into()),
            Some(Fault::Says(errno, _)) => return Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::TooLate) | None => {}
        }
        let result = act(self);
        self.sync();
        match fault {
            Some(_) => Err(io::ErrorKind::TimedOut.into()),
            None => result,
        }
    }

    /// Writes an attribute, given with the root before it.
    pub(crate) fn write(&mut self, attribute: &Path, value: &str) -> io::Result<()> {
        let below = |path: &Path| match path.strip_prefix(self.tree.root()) {
            Ok(path) => path.to_string_lossy().into_owned(),
            Err(_) => panic!("{} is not below the pretend root", path.display()),
        };
        // The usual ways to an attribute need no walk through the links.
        let path = match self.state.attribute(&below(attribute)) {
            Some(found) => found?,
            None => {
                let real = below(&attribute.canonicalize()?);
                let found = self.state.attribute(&real);
                let unknown =
                    || panic!("the pretend host does not know how to write {value:?} to {real:?}");
                found.unwrap_or_else(unknown)?
            }
        };
        self.state.write(path, value)
    }

    /// The kernel's name of a device, given with or without the root before it.
    pub(crate) fn block_name(&self, device: &Path) -> io::Result<String> {
        let root = self.tree.root();
        let real = if device.starts_with(root) {
            device.canonicalize()?
        } else {
            root.join(device.strip_prefix("/").unwrap_or(device))
                .canonicalize()?
        };
        let name = real.file_name().unwrap_or_default();
        Ok(name.to_string_lossy().into_owned())
    }

    /// Everything that is not on disk is lost, also what others put there.
    pub(crate) fn wipe(&mut self) {
        for dir in ["sys", "proc", "dev", "run"] {
            let wiped = fs::remove_dir_all(self.tree.root().join(dir));
            wiped.expect("the pretend root is ours");
        }
        let shadows = &mut self.shadows;
        shadows.sessions.forget();
        shadows.disks.forget();
        shadows.maps.forget();
        shadows.stacked.forget();
        shadows.processes.forget();
        shadows.plain.forget();
        self.facts = 0;
        self.make_dirs();
    }

    /// Files and links below `dir` that the host did not make.
    pub(crate) fn foreign(&self, dir: &str) -> Vec<String> {
        let shadows = &self.shadows;
        let ours = |path: &String| {
            shadows.plain.paths().any(|at| at == path)
                || shadows.records.paths().any(|at| at == path)
                || shadows.disks.paths().any(|at| at == path)
                || shadows.maps.paths().any(|at| at == path)
                || shadows.stacked.paths().any(|at| at == path)
        };
        let mut found = Vec::new();
        let mut dirs = vec![dir.to_owned()];
        while let Some(dir) = dirs.pop() {
            let entries = fs::read_dir(self.tree.root().join(&dir));
            for entry in entries.into_iter().flatten().flatten() {
                let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => dirs.push(path),
                    _ if !ours(&path) => found.push(path),
                    _ => {}
                }
            }
        }
        found.sort();
        found
    }
}
