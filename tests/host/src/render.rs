//! What each part of the state looks like as files.

use std::collections::BTreeMap;

use crate::identity;
use crate::record::{Record, RecordKey};
use crate::state::{Disk, Map, Process, Session, SessionState, Stacked};
use crate::tree::{Entries, Node, relative};

struct Files(Entries);

impl Files {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn dir(&mut self, path: &str) {
        self.0.insert(path.to_owned(), Node::Dir);
    }

    fn attribute(&mut self, dir: &str, name: &str, value: &str) {
        let line = format!("{value}\n").into_bytes();
        self.0
            .insert(format!("{dir}/{name}"), Node::File(line, 0o644));
    }

    fn attributes<'a>(&mut self, dir: &str, list: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.dir(dir);
        for (name, value) in list {
            self.attribute(dir, name, value);
        }
    }

    fn write_only(&mut self, path: String) {
        self.0.insert(path, Node::File(Vec::new(), 0o200));
    }

    fn bytes(&mut self, path: String, bytes: &[u8]) {
        self.0.insert(path, Node::File(bytes.to_vec(), 0o444));
    }

    /// A relative link from `at` to `to`, both below the root.
    fn link(&mut self, at: &str, to: &str) {
        self.0.insert(at.to_owned(), Node::Link(relative(at, to)));
    }

    /// A class device: its own directory below `parent`, listed under the class.
    fn class(&mut self, class: &str, name: &str, parent: &str) -> String {
        let dir = format!("{parent}/{class}/{name}");
        self.dir(&format!("{parent}/{class}"));
        self.dir(&dir);
        self.link(&format!("{dir}/device"), parent);
        self.link(&format!("sys/class/{class}/{name}"), &dir);
        dir
    }
}

pub(crate) fn session(session: &Session) -> Entries {
    let mut files = Files::new();
    let (id, host) = (session.id, session.host);
    let host_dir = format!("sys/devices/platform/host{host}");
    let dir = session.dir();
    files.dir(&host_dir);
    files.dir(&dir);
    let at = files.class("scsi_host", &format!("host{host}"), &host_dir);
    let host_values = [("state", "running"), ("proc_name", "iscsi_tcp")];
    files.attributes(&at, host_values);
    files.write_only(format!("{at}/scan"));
    let at = files.class("iscsi_host", &format!("host{host}"), &host_dir);
    let initiator = session.initiator.as_str();
    files.attributes(&at, [("initiatorname", initiator)]);

    let at = files.class("iscsi_session", &format!("session{id}"), &dir);
    let (state, connection) = match session.state {
        SessionState::LoggedIn => ("LOGGED_IN", "up"),
        SessionState::Failed => ("FAILED", "failed"),
        SessionState::Free => ("FREE", "failed"),
    };
    let recovery = session.recovery_tmo.to_string();
    let (user, secret) = match &session.credentials {
        Some((user, secret)) => (user.as_str(), secret.as_str()),
        None => ("(null)", "(null)"),
    };
    let session_values = [
        ("targetname", session.target.as_str()),
        ("tpgt", "1"),
        ("state", state),
        ("recovery_tmo", &recovery),
        ("ifacename", "default"),
        ("initiatorname", initiator),
        ("username", user),
        ("password", secret),
        ("username_in", "(null)"),
        ("password_in", "(null)"),
    ];
    files.attributes(&at, session_values);
    let connection_dir = format!("{dir}/connection{id}:0");
    files.dir(&connection_dir);
    let at = files.class(
        "iscsi_connection",
        &format!("connection{id}:0"),
        &connection_dir,
    );
    let port = session.port.to_string();
    let connection_values = [
        ("address", session.address.as_str()),
        ("port", &port),
        ("persistent_address", &session.address),
        ("persistent_port", &port),
        ("state", connection),
    ];
    files.attributes(&at, connection_values);
    files.0
}

pub(crate) fn disk(disk: &Disk) -> Entries {
    let mut files = Files::new();
    let (dir, name, hctl) = (disk.dir(), disk.name(), disk.hctl());
    if let Some((target, _)) = dir.rsplit_once('/') {
        files.dir(target);
    }
    // SCST's strings are padded with blanks to the width of the field.
    let (vendor, model) = (format!("{:<8}", disk.vendor), format!("{:<16}", disk.model));
    let wwid = identity::sysfs_wwid(&disk.page83).unwrap_or_default();
    let values = [
        ("state", disk.state),
        ("wwid", &wwid),
        ("vendor", &vendor),
        ("model", &model),
        ("rev", "3110"),
        ("timeout", "30"),
    ];
    files.attributes(&dir, values);
    files.bytes(format!("{dir}/vpd_pg80"), &disk.page80);
    files.bytes(format!("{dir}/vpd_pg83"), &disk.page83);
    files.write_only(format!("{dir}/rescan"));
    files.write_only(format!("{dir}/delete"));
    files.class("scsi_device", &hctl, &dir);
    files.class("scsi_disk", &hctl, &dir);
    let block = disk.block_dir();
    files.dir(&format!("{dir}/block"));
    block_device(&mut files, &block, disk.size, &disk.dev(), disk.seq);
    files.link(&format!("{block}/device"), &dir);
    holders(&mut files, &block, &disk.holders);
    files.link(&format!("sys/block/{name}"), &block);
    files.bytes(format!("dev/{name}"), &[]);
    files.0
}

fn block_device(files: &mut Files, dir: &str, size: u64, dev: &str, seq: u64) {
    let (sectors, seq) = ((size / 512).to_string(), seq.to_string());
    let values = [
        ("size", sectors.as_str()),
        ("dev", dev),
        ("ro", "0"),
        ("diskseq", &seq),
    ];
    files.attributes(dir, values);
    files.dir(&format!("{dir}/holders"));
    files.dir(&format!("{dir}/slaves"));
}

fn holders(files: &mut Files, block: &str, holders: &[String]) {
    for holder in holders {
        let at = format!("{block}/holders/{holder}");
        files.link(&at, &format!("sys/devices/virtual/block/{holder}"));
    }
}

/// What every device-mapper device shows.
struct Dm<'a> {
    minor: u32,
    name: &'a str,
    uuid: &'a str,
    size: u64,
    seq: u64,
    suspended: bool,
}

fn dm_device(files: &mut Files, dm: &Dm<'_>) -> String {
    let Dm { minor, name, .. } = dm;
    let dir = format!("sys/devices/virtual/block/dm-{minor}");
    block_device(files, &dir, dm.size, &format!("253:{minor}"), dm.seq);
    let suspended = if dm.suspended { "1" } else { "0" };
    let values = [("name", *name), ("uuid", dm.uuid), ("suspended", suspended)];
    files.attributes(&format!("{dir}/dm"), values);
    files.link(&format!("sys/block/dm-{minor}"), &dir);
    files.bytes(format!("dev/dm-{minor}"), &[]);
    files.link(&format!("dev/mapper/{name}"), &format!("dev/dm-{minor}"));
    dir
}

pub(crate) fn map(map: &Map) -> Entries {
    let mut files = Files::new();
    let dm = Dm {
        minor: map.minor,
        name: &map.name,
        uuid: &format!("mpath-{}", map.wwid),
        size: map.size,
        seq: map.seq,
        suspended: map.suspended,
    };
    let dir = dm_device(&mut files, &dm);
    for path in &map.paths {
        files.link(&format!("{dir}/slaves/{}", path.name()), &path.block_dir);
    }
    holders(&mut files, &dir, &map.holders);
    files.0
}

pub(crate) fn stacked(stacked: &Stacked) -> Entries {
    let mut files = Files::new();
    let dm = Dm {
        minor: stacked.minor,
        name: &stacked.name,
        uuid: &stacked.uuid,
        size: stacked.size,
        seq: stacked.seq,
        suspended: false,
    };
    let dir = dm_device(&mut files, &dm);
    files.link(&format!("{dir}/slaves/{}", stacked.over), &stacked.over_dir);
    files.0
}

pub(crate) fn process(process: &Process) -> Entries {
    let mut files = Files::new();
    let dir = format!("proc/{}", process.pid);
    // The kernel keeps 15 characters.
    let name: String = process.name.chars().take(15).collect();
    let stat = format!(
        "{} ({name}) S {} {} {} 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 {}00 0 0",
        process.pid, process.parent, process.pid, process.pid, process.pid
    );
    files.attributes(&dir, [("comm", name.as_str()), ("stat", &stat)]);
    files.dir(&format!("{dir}/fd"));
    let null = Node::Link("/dev/null".to_owned());
    files.0.insert(format!("{dir}/fd/0"), null);
    for (number, target) in process.fds.iter().enumerate() {
        let at = format!("{dir}/fd/{}", number + 3);
        files.0.insert(at, Node::Link(target.clone()));
    }
    files.0
}

pub(crate) fn record(key: &RecordKey, record: &Record) -> Entries {
    let mut entries = Entries::new();
    let path = record.path(key);
    let mut dir = path.as_str();
    while let Some((parent, _)) = dir.rsplit_once('/')
        && parent != record.nodes
    {
        entries.insert(parent.to_owned(), Node::Dir);
        dir = parent;
    }
    let text = record.text(key).into_bytes();
    entries.insert(path, Node::File(text, 0o600));
    entries
}
