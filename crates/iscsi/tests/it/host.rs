//! A small pretend host: sysfs in the shape of the real one, in a temporary
//! directory. Its `iscsiadm` is in [`crate::iscsiadm`].

use jdss_iscsi::{Initiator, Iqn, Portal};
use jdss_sys::{Command, Effects, OnTimeout, Output, Root, RunError};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub(crate) const TARGET: &str = "iqn.2026-01.test.e2e:vol1";
pub(crate) const NODES: &str = "etc/iscsi/nodes";

pub(crate) fn target() -> Iqn {
    TARGET.parse().expect("a name")
}

pub(crate) fn portal(text: &str) -> Portal {
    text.parse().expect("a portal")
}

/// Two portals, as in the transcripts.
pub(crate) fn two() -> [Portal; 2] {
    [portal("10.0.1.1"), portal("10.0.2.1")]
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// What a write to `delete` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletes {
    All,
    Nothing,
    /// The SCSI device stays a little longer than its disk.
    DiskOnly,
    /// The name goes to another disk at once.
    AndReuses,
}

/// What `iscsiadm` does instead of ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hang {
    Before,
    After,
}

/// Something that happens to the host meanwhile.
pub(crate) type Act = fn(&Host);

#[derive(Debug)]
pub(crate) struct State {
    /// Every command that ran, without `iscsiadm -m node`.
    pub(crate) runs: Vec<String>,
    /// Every write to sysfs, and every file removed.
    pub(crate) effects: Vec<String>,
    /// Portals whose login fails, with the exit code.
    pub(crate) refuse: BTreeMap<Portal, i32>,
    /// Exit code of every verb of the database.
    pub(crate) database: i32,
    /// LUNs of the target and their sizes in sectors.
    pub(crate) luns: BTreeMap<u16, u64>,
    /// Block devices that somebody holds exclusively.
    pub(crate) busy: BTreeSet<String>,
    /// What a write to `delete` does.
    pub(crate) deletes: Deletes,
    /// Exit code of a login or logout that does nothing.
    pub(crate) idle: Option<i32>,
    /// A verb that does not end.
    pub(crate) hang: Option<(&'static str, Hang)>,
    /// There is no iscsiadm.
    pub(crate) uninstalled: bool,
    /// Where new records go.
    pub(crate) nodes: &'static str,
    /// Next session, host and disk.
    pub(crate) next: (u32, u32, u8),
    /// Disks so far.
    pub(crate) sequence: u32,
    /// Called before the command with this word in it.
    pub(crate) before: Option<(&'static str, Act)>,
}

#[derive(Debug)]
pub(crate) struct Host {
    dir: tempfile::TempDir,
    state: Mutex<State>,
}

impl Host {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            state: Mutex::new(State {
                runs: Vec::new(),
                effects: Vec::new(),
                refuse: BTreeMap::new(),
                database: 0,
                luns: BTreeMap::from([(0, 131_072)]),
                busy: BTreeSet::new(),
                deletes: Deletes::All,
                idle: None,
                hang: None,
                uninstalled: false,
                nodes: NODES,
                next: (1, 0, b'a'),
                sequence: 0,
                before: None,
            }),
        })
    }

    pub(crate) fn initiator(self: &Arc<Self>) -> Initiator {
        Initiator::new(Root::at(self.dir.path()), self.clone())
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test thread panicked")
    }

    /// What ran since the last call.
    pub(crate) fn runs(&self) -> Vec<String> {
        std::mem::take(&mut self.state().runs)
    }

    /// What was written since the last call.
    pub(crate) fn effects(&self) -> Vec<String> {
        std::mem::take(&mut self.state().effects)
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn file(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a directory above it")).expect("a directory");
        let mut file = fs::File::create(path).expect("a file");
        file.write_all(text.as_bytes()).expect("its text");
    }

    pub(crate) fn remove(&self, relative: &str) {
        let path = self.path(relative);
        let removed = if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.expect("it was there");
    }

    /// A class device at `parent`, and its link below `sys/class`.
    fn class(&self, class: &str, name: &str, parent: &str, attributes: &[(&str, &str)]) {
        let dir = format!("{parent}/{class}/{name}");
        for (attribute, value) in attributes {
            self.file(&format!("{dir}/{attribute}"), &format!("{value}\n"));
        }
        fs::create_dir_all(self.path(&dir)).expect("a directory");
        self.link(
            &format!("sys/class/{class}/{name}"),
            &format!("../../{}", &dir[4..]),
        );
        let base = parent.rsplit('/').next().unwrap_or_default();
        self.link(&format!("{dir}/device"), &format!("../../../{base}"));
    }

    fn link(&self, at: &str, to: &str) {
        let at = self.path(at);
        fs::create_dir_all(at.parent().expect("a directory above it")).expect("a directory");
        symlink(to, at).expect("a link");
    }

    /// Makes a session as the kernel shows it, and returns its number.
    pub(crate) fn add_session(&self, target: &str, address: &str, port: &str) -> u32 {
        let (id, host) = {
            let mut state = self.state();
            let (id, host, _) = state.next;
            state.next.0 += 1;
            state.next.1 += 1;
            (id, host)
        };
        let dir = format!("sys/devices/platform/host{host}");
        self.class("scsi_host", &format!("host{host}"), &dir, &[("scan", "")]);
        let session = format!("{dir}/session{id}");
        let attributes = [
            ("targetname", target),
            ("state", "LOGGED_IN"),
            ("recovery_tmo", "5"),
        ];
        self.class(
            "iscsi_session",
            &format!("session{id}"),
            &session,
            &attributes,
        );
        let connection = format!("{session}/connection{id}:0");
        let attributes = [
            ("address", address),
            ("port", port),
            ("persistent_address", address),
            ("persistent_port", port),
        ];
        self.class(
            "iscsi_connection",
            &format!("connection{id}:0"),
            &connection,
            &attributes,
        );
        id
    }

    fn session_dir(&self, id: u32) -> String {
        let class = self.path(&format!("sys/class/iscsi_session/session{id}/device"));
        let dir = class.canonicalize().expect("the session is there");
        let root = self.dir.path().canonicalize().expect("the root is there");
        let dir = dir.strip_prefix(root).expect("below the root");
        dir.display().to_string()
    }

    pub(crate) fn host_of(&self, id: u32) -> u32 {
        let dir = self.session_dir(id);
        let host = dir.split('/').find_map(|name| name.strip_prefix("host"));
        host.and_then(|host| host.parse().ok()).expect("a host")
    }

    pub(crate) fn set(&self, id: u32, attribute: &str, value: &str) {
        let dir = self.session_dir(id);
        let path = if attribute.contains('/') {
            format!(
                "{dir}/connection{id}:0/iscsi_connection/connection{id}:0/{}",
                &attribute[1..]
            )
        } else {
            format!("{dir}/iscsi_session/session{id}/{attribute}")
        };
        self.file(&path, &format!("{value}\n"));
    }

    pub(crate) fn end_session(&self, id: u32) {
        let host = self.host_of(id);
        for hctl in self.devices(host) {
            self.remove_device(&hctl);
        }
        self.remove(&format!("sys/class/iscsi_session/session{id}"));
        self.remove(&format!("sys/class/iscsi_connection/connection{id}:0"));
        self.remove(&format!("sys/class/scsi_host/host{host}"));
        self.remove(&format!("sys/devices/platform/host{host}"));
    }

    fn devices(&self, host: u32) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("sys/class/scsi_device")) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names
            .filter(|name| name.starts_with(&format!("{host}:")))
            .collect()
    }

    /// A SCSI device at a LUN of a session; a disk when it has a size.
    pub(crate) fn add_device(&self, id: u32, lun: u64, sectors: Option<u64>) -> String {
        let host = self.host_of(id);
        let hctl = format!("{host}:0:0:{lun}");
        let dir = format!("{}/target{host}:0:0/{hctl}", self.session_dir(id));
        for (attribute, value) in [("state", "running\n"), ("rescan", ""), ("delete", "")] {
            self.file(&format!("{dir}/{attribute}"), value);
        }
        self.file(&format!("{dir}/vpd_pg83"), "\0\u{3}\0\u{0}");
        if let Some(sectors) = sectors {
            let letter = {
                let mut state = self.state();
                state.next.2 += 1;
                char::from(state.next.2 - 1)
            };
            let block = format!("{dir}/block/sd{letter}");
            let number = u32::from(letter) - u32::from('a');
            self.file(&format!("{block}/size"), &format!("{sectors}\n"));
            self.file(&format!("{block}/dev"), &format!("8:{}\n", number * 16));
            let sequence = {
                let mut state = self.state();
                state.sequence += 1;
                state.sequence
            };
            self.file(&format!("{block}/diskseq"), &format!("{sequence}\n"));
            self.link(
                &format!("sys/block/sd{letter}"),
                &format!("../{}", &block[4..]),
            );
        }
        self.class("scsi_device", &hctl, &dir, &[]);
        hctl
    }

    pub(crate) fn set_disk(&self, hctl: &str, attribute: &str, value: &str) {
        let path = format!("sys/class/scsi_device/{hctl}/device/{attribute}");
        self.file(&path, &format!("{value}\n"));
    }

    /// Whoever reads this file gets the next of these texts; the last one stays.
    pub(crate) fn in_turn(&self, path: &str, texts: &[&str]) {
        let path = self.path(path).canonicalize().expect("it is there");
        let next = path.with_extension("next");
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        fs::remove_file(&path).expect("it is there");
        fifo(&path);
        std::thread::spawn(move || {
            let (last, turns) = texts.split_last().expect("a text");
            for (number, text) in turns.iter().enumerate() {
                // Returns when a reader has opened it; the next one finds
                // another file.
                let opened = fs::File::options().write(true).open(&path);
                let mut writer = opened.expect("a reader");
                if number + 1 < turns.len() {
                    fifo(&next);
                } else {
                    fs::File::create(&next)
                        .and_then(|mut file| file.write_all(last.as_bytes()))
                        .expect("the last text");
                }
                fs::rename(&next, &path).expect("another file");
                writer.write_all(text.as_bytes()).expect("it is read");
            }
        });
    }

    pub(crate) fn remove_device(&self, hctl: &str) {
        let class = format!("sys/class/scsi_device/{hctl}");
        let device = self.path(&format!("{class}/device"));
        let device = device.canonicalize().expect("the device is there");
        if let Ok(entries) = fs::read_dir(device.join("block")) {
            for entry in entries {
                let name = entry.expect("an entry").file_name();
                self.remove(&format!("sys/block/{}", name.to_string_lossy()));
            }
        }
        fs::remove_dir_all(&device).expect("the device is there");
        self.remove(&class);
    }

    /// Numbers of the sessions that match.
    pub(crate) fn matching(&self, target: &str, at: Option<Portal>) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(self.path("sys/class/iscsi_session")) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned();
            let id = name.strip_prefix("session").and_then(|id| id.parse().ok());
            let read = |path: &str| fs::read_to_string(self.path(path)).unwrap_or_default();
            let names = read(&format!("sys/class/iscsi_session/{name}/targetname"));
            let id: u32 = id.expect("a number");
            let connection = format!("sys/class/iscsi_connection/connection{id}:0");
            let address = read(&format!("{connection}/persistent_address"));
            let port = read(&format!("{connection}/persistent_port"));
            let here = crate::iscsiadm::portal_of(&format!("{},{}", address.trim(), port.trim()));
            if names.trim() == target && at.is_none_or(|at| here == Some(at)) {
                found.push(id);
            }
        }
        found.sort_unstable();
        found
    }
}

fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a fifo");
}

impl Effects for Host {
    fn run(
        &self,
        command: &Command,
        limit: Duration,
        on_timeout: OnTimeout,
    ) -> Result<Output, RunError> {
        let text = command.to_string();
        let args = command.arguments_lossy();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let verb = text.strip_prefix("iscsiadm -m node ").unwrap_or(&text);
        self.state().runs.push(verb.to_owned());
        if self.state().uninstalled {
            let program = command.program().to_owned();
            return Err(RunError::NotFound { program });
        }
        // A verb of the database may not be killed, and waits 30 s for its lock.
        let database = text.contains(" -o ");
        assert_eq!(database, on_timeout == OnTimeout::Abandon, "{text}");
        let before = self.state().before;
        if let Some((word, act)) = before
            && text.contains(word)
        {
            act(self);
        }
        let hang = self.state().hang.filter(|(verb, _)| text.contains(verb));
        if hang.is_none_or(|(_, hang)| hang == Hang::After) {
            let output = self.iscsiadm(&args);
            if hang.is_none() {
                return Ok(output);
            }
        }
        Err(RunError::TimedOut {
            command: Box::new(command.clone()),
            limit,
            abandoned: database,
        })
    }

    fn write(&self, attribute: &Path, value: &str) -> io::Result<()> {
        let path = attribute
            .strip_prefix(self.dir.path())
            .expect("below the root");
        let path = path.display().to_string();
        self.state().effects.push(format!("{path} = {value}"));
        if !attribute.exists() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            ["sys", "class", "scsi_host", host, "scan"] => {
                let host: u32 = host[4..].parse().expect("a number");
                let lun = value.strip_prefix("0 0 ").expect("channel and target 0");
                let lun: u16 = lun.parse().expect("a number");
                let sectors = self.state().luns.get(&lun).copied();
                let sessions = self.matching(TARGET, None);
                let session = sessions.into_iter().find(|id| self.host_of(*id) == host);
                let there = self.path(&format!("sys/class/scsi_device/{host}:0:0:{lun}"));
                if let (Some(id), Some(sectors), false) = (session, sectors, there.exists()) {
                    self.add_device(id, lun.into(), Some(sectors));
                }
            }
            ["sys", "class", "scsi_device", hctl, "device", "rescan"] => {
                let block = fs::read_dir(attribute.with_file_name("block")).expect("a disk");
                let lun = hctl.rsplit(':').next().and_then(|lun| lun.parse().ok());
                let sectors = self.state().luns[&lun.expect("a number")];
                for name in block {
                    let name = name.expect("an entry").file_name();
                    let size = format!("block/{}/size", name.to_string_lossy());
                    self.set_disk(hctl, &size, &sectors.to_string());
                }
            }
            ["sys", "class", "scsi_device", hctl, "device", "delete"] => {
                let deletes = self.state().deletes;
                match deletes {
                    Deletes::All => self.remove_device(hctl),
                    Deletes::Nothing => {}
                    Deletes::DiskOnly => {
                        self.remove_device(hctl);
                        self.add_device(1, 0, None);
                    }
                    Deletes::AndReuses => {
                        self.remove_device(hctl);
                        self.state().next.2 = b'a';
                        self.add_device(1, 9, Some(8));
                    }
                }
            }
            _ => panic!("the pretend host does not know {path}"),
        }
        Ok(())
    }

    fn open_exclusive(&self, device: &Path) -> io::Result<()> {
        let name = device.file_name().unwrap_or_default().to_string_lossy();
        if self.state().busy.contains(&*name) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        Ok(())
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        let path = file.strip_prefix(self.dir.path()).expect("below the root");
        self.state()
            .effects
            .push(format!("remove {}", path.display()));
        fs::remove_file(file)
    }
}
