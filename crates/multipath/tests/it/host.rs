//! A pretend host: a tree of files that the effects change, and a log of them.

use jdss_multipath::{Multipath, Patience, Wwid};
use jdss_sys::Root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub(crate) const WWID: &str = "23466613163306465";
pub(crate) const OTHER: &str = "360000000000000000e00000000010001";
pub(crate) const SECTORS: u64 = 131_072;
const UDEVD: u32 = 300;

/// Which release's words the daemon uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Release {
    /// 0.9.4: `fail`, no reasons.
    #[default]
    Bookworm,
    /// 0.11.1: `fail` and a reason.
    Trixie,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Daemon {
    #[default]
    Up,
    Down,
    Silent,
}

/// How a program misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Missing,
    /// It does nothing and fails with this code.
    Fails(i32),
    /// It does its work and is killed for its slowness.
    Slow,
    /// It does nothing and is killed for its slowness.
    Hangs,
    /// It does nothing and succeeds.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opener {
    /// Somebody who is seen in /proc.
    Process(u32),
    /// Something in the kernel.
    Hidden,
    /// A udev worker that closes after so many looks at the open count.
    Watcher(u32, u32),
    /// A udev worker that waits for I/O that only failing ends.
    Stuck(u32),
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) log: Vec<String>,
    pub(crate) release: Release,
    pub(crate) daemon: Daemon,
    pub(crate) faults: BTreeMap<&'static str, Fault>,
    /// Answers that come instead of doing anything, the first first.
    pub(crate) answers: BTreeMap<&'static str, Vec<&'static str>>,
    pub(crate) blacklisted: BTreeSet<String>,
    /// After so many removals, the map comes back.
    pub(crate) comes_back: u32,
    /// What `scsi_id` prints.
    pub(crate) scsi_id: String,
    /// A refused removal leaves the map suspended.
    pub(crate) suspends: bool,
    /// The node of a removed map stays.
    pub(crate) udev_lags: bool,
    /// The map goes just when queueing is to be switched on again.
    pub(crate) late: bool,
    /// When queueing is switched off a user comes, and the map is suspended.
    pub(crate) user_comes: bool,
    /// How many maps were ever made.
    made: u64,
    pub(crate) exclusive: BTreeSet<String>,
    pub(crate) openers: BTreeMap<String, Vec<Opener>>,
    pub(crate) failed: BTreeSet<String>,
    pub(crate) wwids: BTreeMap<String, String>,
    pub(crate) queueing: BTreeMap<String, bool>,
}

#[derive(Debug)]
pub(crate) struct Host {
    dir: tempfile::TempDir,
    state: Mutex<State>,
}

impl Host {
    pub(crate) fn new() -> Arc<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let host = Self {
            dir,
            state: Mutex::default(),
        };
        host.put("usr/sbin/multipath", "");
        host.put(
            "etc/multipath/wwids",
            "# Multipath wwids, Version : 1.0\n#\n# Valid WWIDs:\n",
        );
        host.put(
            &format!("proc/{UDEVD}/stat"),
            "300 (systemd-udevd) S 1 300\n",
        );
        Arc::new(host)
    }

    /// The crate on this host, with no patience.
    pub(crate) fn multipath(self: &Arc<Self>) -> Multipath {
        let none = Duration::ZERO;
        let patience = Patience {
            help: none,
            stuck: none,
            settle: none,
            daemon: none,
        };
        Multipath::new(self.root(), self.clone()).patience(patience)
    }

    pub(crate) fn root(&self) -> Root {
        Root::at(self.dir.path())
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds this")
    }

    /// What was run and asked since the last call.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        let mut file = fs::File::create(path).expect("a file");
        file.write_all(text.as_bytes()).expect("it can be written");
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        symlink(target, path).expect("a link");
    }

    pub(crate) fn remove_path(&self, path: &str) {
        let path = self.dir.path().join(path);
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let text = self.root().read(path).expect("it can be read");
        text.unwrap_or_default()
    }

    /// A disk that udev has finished with.
    pub(crate) fn add_disk(&self, name: &str, wwid: &str) {
        let index = u32::from(name.as_bytes()[2] - b'a');
        let number = format!("8:{}", index * 16);
        let dir = format!("sys/block/{name}");
        self.put(&format!("{dir}/dev"), &number);
        self.put(&format!("{dir}/size"), &SECTORS.to_string());
        self.put(&format!("{dir}/device/state"), "running");
        self.put(&format!("run/udev/data/b{number}"), "");
        self.state().wwids.insert(name.to_owned(), wwid.to_owned());
    }

    /// A map named by its WWID, over disks that exist.
    pub(crate) fn add_map(&self, device: &str, wwid: &str, disks: &[&str]) {
        self.add_dm(device, wwid, &format!("mpath-{wwid}"), disks);
        self.state().queueing.insert(device.to_owned(), true);
    }

    pub(crate) fn add_dm(&self, device: &str, name: &str, uuid: &str, below: &[&str]) {
        let dir = format!("sys/block/{device}");
        let minor = device.trim_start_matches("dm-");
        self.put(&format!("{dir}/dev"), &format!("253:{minor}"));
        self.put(&format!("{dir}/size"), &SECTORS.to_string());
        self.put(&format!("{dir}/dm/uuid"), uuid);
        self.put(&format!("{dir}/dm/name"), name);
        self.put(&format!("{dir}/dm/suspended"), "0");
        let made = {
            let mut state = self.state();
            state.made += 1;
            state.made
        };
        self.put(&format!("{dir}/diskseq"), &made.to_string());
        for disk in below {
            self.join(device, disk);
        }
        self.link(&format!("dev/mapper/{name}"), &format!("../{device}"));
    }

    pub(crate) fn join(&self, device: &str, disk: &str) {
        self.link(&format!("sys/block/{device}/slaves/{disk}"), "x");
        self.link(&format!("sys/block/{disk}/holders/{device}"), "x");
    }

    pub(crate) fn remove_map(&self, device: &str) {
        for disk in self.disks(device) {
            self.remove_path(&format!("sys/block/{disk}/holders/{device}"));
        }
        let name = self.read(&format!("sys/block/{device}/dm/name"));
        self.remove_path(&format!("sys/block/{device}"));
        if !self.state().udev_lags {
            self.remove_path(&format!("dev/mapper/{name}"));
        }
    }

    pub(crate) fn disks(&self, device: &str) -> Vec<String> {
        let disks = self.root().list(format!("sys/block/{device}/slaves"));
        disks.expect("it can be listed")
    }

    pub(crate) fn open_by(&self, device: &str, pid: u32, name: &str) {
        self.process(device, pid, name, 1);
        self.open(device, Opener::Process(pid));
    }

    pub(crate) fn open_by_kernel(&self, device: &str) {
        self.open(device, Opener::Hidden);
    }

    pub(crate) fn watch(&self, device: &str, pid: u32, looks: u32) {
        self.process(device, pid, "(udev-worker)", UDEVD);
        self.open(device, Opener::Watcher(pid, looks));
    }

    pub(crate) fn stick(&self, device: &str, pid: u32) {
        self.process(device, pid, "(udev-worker)", UDEVD);
        self.open(device, Opener::Stuck(pid));
    }

    pub(crate) fn hold_exclusively(&self, device: &str) {
        self.state().exclusive.insert(device.to_owned());
    }

    pub(crate) fn fail_all(&self, disks: &[&str]) {
        let failed = disks.iter().map(ToString::to_string);
        self.state().failed.extend(failed);
    }

    pub(crate) fn queues(&self, device: &str) -> bool {
        self.state().queueing.get(device) == Some(&true)
    }

    fn process(&self, device: &str, pid: u32, name: &str, parent: u32) {
        self.put(
            &format!("proc/{pid}/stat"),
            &format!("{pid} ({name}) S {parent} {pid}\n"),
        );
        self.link(&format!("proc/{pid}/fd/3"), &format!("/dev/{device}"));
    }

    fn open(&self, device: &str, opener: Opener) {
        let mut state = self.state();
        state
            .openers
            .entry(device.to_owned())
            .or_default()
            .push(opener);
    }

    pub(crate) fn close(&self, device: &str, which: impl Fn(&Opener) -> bool) {
        let mut state = self.state();
        let Some(openers) = state.openers.get_mut(device) else {
            return;
        };
        for opener in openers.extract_if(.., |opener| which(opener)) {
            if let Opener::Process(pid) | Opener::Watcher(pid, _) | Opener::Stuck(pid) = opener {
                self.remove_path(&format!("proc/{pid}"));
            }
        }
    }

    pub(crate) fn open_count(&self, device: &str) -> usize {
        let holders = self.root().list(format!("sys/block/{device}/holders"));
        let openers = self.state().openers.get(device).map_or(0, Vec::len);
        holders.expect("it can be listed").len() + openers
    }

    /// The device with this name, number or WWID.
    pub(crate) fn device(&self, what: &str) -> Option<String> {
        let devices = self.root().list("sys/block").expect("it can be listed");
        devices.into_iter().find(|device| {
            let dir = format!("sys/block/{device}/dm");
            device.starts_with("dm-")
                && (device == what || self.read(&format!("{dir}/name")) == what)
        })
    }
}

pub(crate) fn wwid() -> Wwid {
    WWID.parse().expect("a WWID")
}

/// A deadline that no test reaches.
pub(crate) fn far() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// A deadline soon enough to be reached.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_millis(150)
}
