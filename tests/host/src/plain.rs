//! The host as a whole: state, its tree, and the files that are no device's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::holds::minor_of;
use crate::record::{self, Record, RecordKey};
use crate::state::{
    Disk, Hold, HoldKind, ISCSID, Lookup, MULTIPATHD, Map, Process, Session, Stacked, State,
};
use crate::tree::{Changes, Entries, Node, Shadow, Tree};
use crate::{Counts, Daemon, Ran, Release, iscsiadm, render, unknown};

const WWIDS: &str = "etc/multipath/wwids";
const DATABASE_LOCK: &str = "run/lock/iscsi/lock.write";

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

/// The programs, where Debian has them.
const PROGRAMS: &[&str] = &[
    "usr/sbin/iscsiadm",
    "usr/sbin/iscsid",
    "usr/sbin/multipath",
    "usr/sbin/multipathd",
    "usr/sbin/dmsetup",
    "lib/udev/scsi_id",
];

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) tree: Tree,
    pub(crate) counts: Counts,
    pub(crate) nodes: String,
    pub(crate) database_locked: bool,
    shadows: Shadows,
    plain: BTreeMap<String, Arc<Node>>,
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
            shadows: Shadows::default(),
            plain: BTreeMap::new(),
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
        self.plain_files();
        let (state, shadows) = (&self.state, &mut self.shadows);
        let mut changes = Changes::default();
        let all = &mut changes;
        shadows.records.follow(&state.records, render::record, all);
        shadows
            .sessions
            .follow(&state.sessions, |_, at| render::session(at), all);
        shadows
            .disks
            .follow(&state.disks, |_, at| render::disk(at), all);
        shadows
            .maps
            .follow(&state.maps, |_, at| render::map(at), all);
        shadows
            .stacked
            .follow(&state.stacked, |_, at| render::stacked(at), all);
        shadows
            .processes
            .follow(&state.processes, |_, at| render::process(at), all);
        let file = |path: &String, node: &Node| Entries::from([(path.clone(), node.clone())]);
        shadows.plain.follow(&self.plain, file, all);
        if !changes.is_empty() {
            let written = self.tree.apply(&changes);
            written.expect("the pretend root is writable");
        }
    }

    fn plain_files(&mut self) {
        let mut now = self.fixed_files();
        now.extend(self.by_id_links());
        self.plain.retain(|path, _| now.contains_key(path));
        for (path, node) in now {
            if self.plain.get(&path).is_none_or(|old| **old != node) {
                self.plain.insert(path, Arc::new(node));
            }
        }
    }

    fn fixed_files(&self) -> Entries {
        let state = &self.state;
        let mut files = Entries::new();
        let mut put = |path: &str, text: String, mode| {
            files.insert(path.to_owned(), Node::File(text.into_bytes(), mode));
        };
        put(WWIDS, state.wwids.clone(), 0o600);
        put(
            "etc/iscsi/initiatorname.iscsi",
            format!(
                "## DO NOT EDIT OR REMOVE THIS FILE!\n## If you remove this file, the iSCSI \
                 daemon will not start.\nInitiatorName={}\n",
                state.initiator
            ),
            0o600,
        );
        let boot = format!("00000000-0000-4000-8000-{:012x}\n", state.boots);
        put("proc/sys/kernel/random/boot_id", boot, 0o444);
        put("proc/self/mountinfo", self.mountinfo(), 0o444);
        put("dev/mapper/control", String::new(), 0o600);
        let mut sockets = String::from(
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 101 /run/systemd/private\n",
        );
        let daemons = [
            (
                Daemon::Iscsid,
                "iscsid",
                ISCSID,
                "@ISCSIADM_ABSTRACT_NAMESPACE",
            ),
            (
                Daemon::Multipathd,
                "multipathd",
                MULTIPATHD,
                "@/org/kernel/linux/storage/multipathd",
            ),
        ];
        for (daemon, name, pid, socket) in daemons {
            if state.is_up(daemon) {
                put(&format!("run/{name}.pid"), format!("{pid}\n"), 0o644);
                sockets += &format!(
                    "0000000000000000: 00000002 00000000 00010000 0001 01 {pid} {socket}\n"
                );
            }
        }
        put("proc/net/unix", sockets, 0o444);
        for wwid in &state.failed_wwids {
            put(
                &format!("run/multipath/failed_wwids/{wwid}"),
                String::new(),
                0o600,
            );
        }
        if self.database_locked {
            put(DATABASE_LOCK, String::new(), 0o600);
        }
        for program in PROGRAMS {
            let name = program.rsplit('/').next().unwrap_or(program);
            if !state.uninstalled.contains(name) {
                put(program, String::new(), 0o755);
            }
        }
        files
    }

    fn mountinfo(&self) -> String {
        let mut text = String::from(
            "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
             23 22 0:21 / /sys rw,nosuid shared:2 - sysfs sysfs rw\n",
        );
        for (id, hold) in &self.state.holds {
            let HoldKind::User(Hold::Mount(at)) = &hold.kind else {
                continue;
            };
            let (dev, source) = match self.state.disk_named(&hold.block) {
                Some(index) => (
                    self.state.disks[&index].dev(),
                    format!("/dev/{}", hold.block),
                ),
                None => {
                    let minor = minor_of(&hold.block).unwrap_or_default();
                    let name = self.state.maps.get(&minor).map(|map| map.name.as_str());
                    (
                        format!("253:{minor}"),
                        format!("/dev/mapper/{}", name.unwrap_or("gone")),
                    )
                }
            };
            // A blank in a mount point is written in octal.
            let at = at.replace(' ', "\\040");
            text += &format!(
                "{} 22 {dev} / {at} rw,relatime - ext4 {source} rw\n",
                100 + id
            );
        }
        text
    }

    /// What udev links: a map wins over its paths, the last disk over the first.
    fn by_id_links(&self) -> Entries {
        let mut links = Entries::new();
        let mut put = |path: String, to: String| {
            links.insert(path, Node::Link(format!("../../{to}")));
        };
        for disk in self.state.disks.values() {
            if let Some(wwid) = &disk.udev_wwid {
                put(format!("dev/disk/by-id/scsi-{wwid}"), disk.name());
                put(format!("dev/disk/by-path/{}", disk.by_path), disk.name());
            }
        }
        for map in self.state.maps.values() {
            let device = || format!("dm-{}", map.minor);
            put(format!("dev/disk/by-id/scsi-{}", map.wwid), device());
            put(format!("dev/disk/by-id/dm-name-{}", map.name), device());
            put(
                format!("dev/disk/by-id/dm-uuid-mpath-{}", map.wwid),
                device(),
            );
        }
        links
    }

    /// Takes in what others wrote into the wwids file.
    pub(crate) fn reload(&mut self) {
        let text = fs::read_to_string(self.tree.root().join(WWIDS)).unwrap_or_default();
        self.shadows.plain.seen(&WWIDS.to_owned(), WWIDS, &text);
        if text != self.state.wwids {
            self.state.wwids = text;
        }
    }

    /// Takes in what others wrote into the node records.
    pub(crate) fn reload_records(&mut self) {
        let loaded = record::load(self.tree.root(), &self.nodes);
        let keys: Vec<&RecordKey> = loaded.iter().map(|(key, _, _)| key).collect();
        self.state.records.retain(|key, _| keys.contains(&key));
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
        if self.database_locked {
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
