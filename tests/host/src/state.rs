//! What the pretend host is: the facts that every tool and every file shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::record::{Record, RecordKey};
use crate::{HostLun, Login, identity};

/// The appliance, as asked by (target, portal).
pub(crate) type Lookup = Box<dyn Fn(&str, &str) -> Login + Send + Sync>;

/// Which Debian release's tools the host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Release {
    /// Debian 12, Proxmox VE 8: multipath-tools 0.9.4, open-iscsi 2.1.8.
    #[default]
    Bookworm,
    /// Debian 13, Proxmox VE 9: multipath-tools 0.11.1, open-iscsi 2.1.11.
    Trixie,
}

/// When udev and multipathd learn of a new disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Udev {
    /// Before the scan or login returns.
    #[default]
    AtOnce,
    /// After so many further effects or [`Host::tick`](crate::Host::tick)s.
    After(u32),
    /// udev does, multipathd never: only `add path` tells it.
    Lost,
}

/// What becomes of an idle map whose last path vanishes under multipathd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastPath {
    /// multipathd removes it.
    #[default]
    MapGoes,
    /// A udev worker opens it and hangs in its queue, so that it stays until
    /// queueing is switched off (7 of 8 logouts measured on Debian 12).
    UdevHangs,
}

/// A daemon of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Daemon {
    /// open-iscsi's.
    Iscsid,
    /// multipath-tools'.
    Multipathd,
}

/// How somebody holds a block device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// A process of this name has it open, not exclusively (as QEMU does).
    Process(String),
    /// It is mounted here, in this mount namespace.
    Mount(String),
    /// Claimed exclusively by something that neither /proc nor holders name: a
    /// mount of another namespace, swap.
    Exclusive,
    /// A logical volume of this device-mapper name lies on it.
    Lvm(String),
    /// A partition map of this number made by kpartx.
    Partition(u32),
}

/// A tool or an attribute that misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and never ends, or never answers.
    Hangs,
    /// It does its work, but the caller's limit is over by then.
    TooLate,
    /// It does nothing and ends with this code and this text on its standard
    /// error. From the daemon, the text is the reply; from an attribute or a
    /// device, the code is the errno.
    Says(i32, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionState {
    LoggedIn,
    Failed,
    Free,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: u32,
    pub(crate) host: u32,
    pub(crate) target: String,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) state: SessionState,
    pub(crate) recovery_tmo: i64,
    pub(crate) scans_alone: bool,
    pub(crate) initiator: String,
    pub(crate) credentials: Option<(String, String)>,
}

impl Session {
    pub(crate) fn portal(&self) -> String {
        portal_text(&self.address, self.port)
    }

    pub(crate) fn dir(&self) -> String {
        format!("sys/devices/platform/host{}/session{}", self.host, self.id)
    }
}

/// `10.0.0.1:3260`, `[fe80::1]:3260`.
pub(crate) fn portal_text(address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Pending(u32),
    Lost,
    Done,
}

#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) index: u32,
    pub(crate) session: u32,
    pub(crate) host: u32,
    pub(crate) lun: u16,
    pub(crate) by_path: String,
    /// The kernel's cached copies: refreshed by a rescan only.
    pub(crate) page83: Vec<u8>,
    pub(crate) page80: Vec<u8>,
    pub(crate) vendor: String,
    pub(crate) model: String,
    pub(crate) size: u64,
    /// The kernel's sequence number of block devices: never used twice a boot.
    pub(crate) seq: u64,
    pub(crate) state: &'static str,
    /// udev's `ID_SERIAL`: none before its first event.
    pub(crate) udev_wwid: Option<String>,
    pub(crate) event: Event,
    /// In multipathd's list of paths.
    pub(crate) known: bool,
    pub(crate) map: Option<u32>,
    /// Names of device-mapper devices on it; derived.
    pub(crate) holders: Vec<String>,
}

impl Disk {
    pub(crate) fn name(&self) -> String {
        disk_name(self.index)
    }

    pub(crate) fn hctl(&self) -> String {
        format!("{}:0:0:{}", self.host, self.lun)
    }

    pub(crate) fn dir(&self) -> String {
        let (host, session) = (self.host, self.session);
        let hctl = self.hctl();
        format!("sys/devices/platform/host{host}/session{session}/target{host}:0:0/{hctl}")
    }

    pub(crate) fn block_dir(&self) -> String {
        format!("{}/block/{}", self.dir(), self.name())
    }

    /// The device number, as sd spreads 16 minors a disk over its majors.
    pub(crate) fn dev(&self) -> String {
        const MAJORS: [u32; 16] = [
            8, 65, 66, 67, 68, 69, 70, 71, 128, 129, 130, 131, 132, 133, 134, 135,
        ];
        let major = MAJORS[(self.index / 16) as usize % MAJORS.len()];
        format!("{major}:{}", self.index % 16 * 16)
    }
}

/// `sda`, ... `sdz`, `sdaa`.
pub(crate) fn disk_name(mut index: u32) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'a' + (index % 26) as u8));
        match (index / 26).checked_sub(1) {
            Some(next) => index = next,
            None => break,
        }
    }
    letters.push('d');
    letters.push('s');
    letters.into_iter().rev().collect()
}

#[derive(Debug, Clone)]
pub(crate) struct Map {
    pub(crate) minor: u32,
    pub(crate) name: String,
    pub(crate) wwid: String,
    pub(crate) size: u64,
    pub(crate) seq: u64,
    pub(crate) suspended: bool,
    pub(crate) queueing: bool,
    pub(crate) paths: Vec<MapPath>,
    pub(crate) vendor: String,
    pub(crate) model: String,
    /// Derived, as of a disk.
    pub(crate) holders: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct MapPath {
    pub(crate) disk: u32,
    pub(crate) dev: String,
    pub(crate) block_dir: String,
    pub(crate) target: String,
    pub(crate) failed: bool,
    /// By `fail path`: not reinstated by the checker.
    pub(crate) held_failed: bool,
    pub(crate) fails: u32,
}

/// A logical volume or partition map on something.
#[derive(Debug, Clone)]
pub(crate) struct Stacked {
    pub(crate) minor: u32,
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) size: u64,
    pub(crate) seq: u64,
    pub(crate) over_dir: String,
    pub(crate) over: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) parent: u32,
    pub(crate) fds: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct HoldRecord {
    pub(crate) block: String,
    pub(crate) kind: HoldKind,
    pub(crate) pid: Option<u32>,
    pub(crate) stacked: Option<u32>,
    /// The device vanished under it.
    pub(crate) gone: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum HoldKind {
    User(Hold),
    /// A udev worker; ends after so many ticks, or never by itself.
    Udev(Option<u32>),
}

impl HoldRecord {
    pub(crate) fn exclusive(&self) -> bool {
        !matches!(
            self.kind,
            HoldKind::Udev(_) | HoldKind::User(Hold::Process(_))
        )
    }

    /// Whether it is somebody's data, and not just udev or kpartx.
    pub(crate) fn real(&self) -> bool {
        !matches!(
            self.kind,
            HoldKind::Udev(_) | HoldKind::User(Hold::Partition(_))
        )
    }
}

impl fmt::Display for HoldRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid.unwrap_or_default();
        match &self.kind {
            HoldKind::User(Hold::Process(name)) => write!(f, "{name} (process {pid})"),
            HoldKind::User(Hold::Mount(at)) => write!(f, "the mount at {at}"),
            HoldKind::User(Hold::Exclusive) => write!(f, "an exclusive opener"),
            HoldKind::User(Hold::Lvm(name)) => write!(f, "logical volume {name}"),
            HoldKind::User(Hold::Partition(number)) => write!(f, "partition map {number}"),
            HoldKind::Udev(_) => write!(f, "a udev worker (process {pid})"),
        }
    }
}

pub(crate) const UDEVD: u32 = 119;
pub(crate) const ISCSID: u32 = 174;
pub(crate) const MULTIPATHD: u32 = 179;

pub(crate) struct State {
    pub(crate) lookup: Lookup,
    pub(crate) release: Release,
    pub(crate) udev: Udev,
    pub(crate) last_path: LastPath,
    pub(crate) udev_probe: u32,
    pub(crate) lvm_grabs: bool,
    pub(crate) friendly_names: bool,
    pub(crate) privileged: bool,
    pub(crate) blacklist: BTreeSet<String>,
    pub(crate) chap: BTreeMap<String, (String, String)>,
    pub(crate) daemons: BTreeSet<Daemon>,
    pub(crate) uninstalled: BTreeSet<String>,
    pub(crate) faults: BTreeMap<String, Fault>,
    pub(crate) cut: BTreeSet<String>,
    pub(crate) initiator: String,
    pub(crate) next_session: u32,
    pub(crate) next_pid: u32,
    pub(crate) next_hold: u64,
    pub(crate) next_seq: u64,
    pub(crate) boots: u32,
    pub(crate) sessions: BTreeMap<u32, Arc<Session>>,
    pub(crate) disks: BTreeMap<u32, Arc<Disk>>,
    pub(crate) maps: BTreeMap<u32, Arc<Map>>,
    pub(crate) stacked: BTreeMap<u32, Arc<Stacked>>,
    pub(crate) records: BTreeMap<RecordKey, Arc<Record>>,
    pub(crate) processes: BTreeMap<u32, Arc<Process>>,
    pub(crate) holds: BTreeMap<u64, HoldRecord>,
    pub(crate) wwids: String,
    pub(crate) failed_wwids: BTreeSet<String>,
    pub(crate) harm: Vec<String>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("sessions", &self.sessions)
            .field("disks", &self.disks)
            .field("maps", &self.maps)
            .finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn new(release: Release, lookup: Lookup) -> Self {
        let mut state = Self {
            lookup,
            release,
            udev: Udev::default(),
            last_path: LastPath::default(),
            udev_probe: 0,
            lvm_grabs: false,
            friendly_names: false,
            privileged: true,
            blacklist: BTreeSet::new(),
            chap: BTreeMap::new(),
            daemons: BTreeSet::from([Daemon::Iscsid, Daemon::Multipathd]),
            uninstalled: BTreeSet::new(),
            faults: BTreeMap::new(),
            cut: BTreeSet::new(),
            initiator: "iqn.2026-01.test.e2e:initiator".to_owned(),
            next_session: 1,
            next_pid: 4001,
            next_hold: 1,
            next_seq: 1,
            boots: 1,
            sessions: BTreeMap::new(),
            disks: BTreeMap::new(),
            maps: BTreeMap::new(),
            stacked: BTreeMap::new(),
            records: BTreeMap::new(),
            processes: BTreeMap::new(),
            holds: BTreeMap::new(),
            wwids: crate::wwids::HEADER.to_owned(),
            failed_wwids: BTreeSet::new(),
            harm: Vec::new(),
        };
        state.settle();
        state
    }

    pub(crate) fn is_up(&self, daemon: Daemon) -> bool {
        self.daemons.contains(&daemon)
    }

    /// What the appliance shows at this LUN now; `None` also when it is unreachable.
    pub(crate) fn fresh(&self, disk: &Disk) -> Option<HostLun> {
        let session = self.sessions.get(&disk.session)?;
        if session.state != SessionState::LoggedIn {
            return None;
        }
        let wanted = disk.lun;
        self.luns(session).into_iter().find(|lun| lun.lun == wanted)
    }

    pub(crate) fn fresh_wwid(&self, disk: &Disk) -> Option<String> {
        self.fresh(disk)
            .and_then(|lun| identity::udev_wwid(&lun.page83))
    }

    pub(crate) fn luns(&self, session: &Session) -> Vec<HostLun> {
        match (self.lookup)(&session.target, &session.portal()) {
            Login::Luns(luns) => luns,
            Login::Refused(_) => Vec::new(),
        }
    }

    pub(crate) fn disk_named(&self, name: &str) -> Option<u32> {
        self.disks
            .values()
            .find(|disk| disk.name() == name)
            .map(|disk| disk.index)
    }

    pub(crate) fn map_by_wwid(&self, wwid: &str) -> Option<u32> {
        let map = self.maps.values().find(|map| map.wwid == wwid)?;
        Some(map.minor)
    }

    pub(crate) fn disk_mut(&mut self, index: u32) -> &mut Disk {
        let disk = self.disks.get_mut(&index);
        Arc::make_mut(disk.expect("the caller has just looked the disk up"))
    }

    pub(crate) fn map_mut(&mut self, minor: u32) -> &mut Map {
        let map = self.maps.get_mut(&minor);
        Arc::make_mut(map.expect("the caller has just looked the map up"))
    }

    pub(crate) fn session_mut(&mut self, id: u32) -> &mut Session {
        let session = self.sessions.get_mut(&id);
        Arc::make_mut(session.expect("the caller has just looked the session up"))
    }

    pub(crate) fn free_minor(&self) -> u32 {
        let taken = |minor: &u32| self.maps.contains_key(minor) || self.stacked.contains_key(minor);
        (0..).find(|minor| !taken(minor)).unwrap_or_default()
    }

    pub(crate) fn new_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }

    /// Holds of a device that is there.
    pub(crate) fn holds_of<'a>(&'a self, block: &'a str) -> impl Iterator<Item = &'a HoldRecord> {
        let mine = move |hold: &&HoldRecord| hold.block == block && !hold.gone;
        self.holds.values().filter(mine)
    }

    /// Something that would block for minutes on a real host was tried.
    pub(crate) fn would_hang(&mut self, what: &str) -> std::io::Error {
        self.harm.push(format!("{what} would hang"));
        std::io::ErrorKind::TimedOut.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{disk_name, portal_text};

    #[test]
    fn disks_are_named_as_the_kernel_does() {
        let named = [
            (0, "sda"),
            (25, "sdz"),
            (26, "sdaa"),
            (701, "sdzz"),
            (702, "sdaaa"),
        ];
        for (index, name) in named {
            assert_eq!(disk_name(index), name);
        }
    }

    #[test]
    fn ipv6_portals_have_brackets() {
        assert_eq!(portal_text("fe80::1", 3260), "[fe80::1]:3260");
        assert_eq!(portal_text("10.0.0.1", 3260), "10.0.0.1:3260");
    }
}
