//! Who uses a block device.

use crate::root::is_gone;
use crate::{Effects, Root, process};
use rustix::fs::{major, minor};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Daemons whose look at a device, and that of their children, is no use of it.
const WATCHERS: [&str; 3] = ["systemd-udevd", "udevd", "multipathd"];

/// A process that has a device open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, at most 15 bytes (`/proc/PID/comm`).
    pub name: String,
}

/// Who uses a block device or one of its partitions. Displayed, it is one line
/// that names them all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Block devices on top of it (`dm-3`, `md0`), sorted.
    pub holders: Vec<String>,
    /// Processes that have it open, by number. Not counted are `multipathd`,
    /// udev and their children.
    pub openers: Vec<Process>,
    /// Somebody holds it exclusively: a mount in any namespace, swap, md, LVM, device-mapper.
    pub exclusive: bool,
    /// Where it is mounted in our mount namespace.
    pub mounts: Vec<String>,
}

impl Usage {
    /// Whether nobody uses it.
    pub fn is_free(&self) -> bool {
        self.holders.is_empty()
            && self.openers.is_empty()
            && !self.exclusive
            && self.mounts.is_empty()
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.holders.is_empty() {
            parts.push(format!("held by {}", self.holders.join(", ")));
        }
        if !self.mounts.is_empty() {
            parts.push(format!("mounted on {}", self.mounts.join(", ")));
        }
        if !self.openers.is_empty() {
            let names: Vec<_> = self.openers.iter().map(Process::to_string).collect();
            parts.push(format!("open in {}", names.join(", ")));
        }
        match (self.exclusive, parts.is_empty()) {
            (true, true) => f.write_str(
                "held exclusively by something not visible from here (a mount in another \
                 namespace, swap or the kernel)",
            ),
            (false, true) => f.write_str("not in use"),
            _ => f.write_str(&parts.join("; ")),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// Who uses the block device `block_name` (`sda`, `dm-3`) or a partition of it.
///
/// Reads, below `root`: `sys/block/NAME/{dev,holders}`, `sys/block/NAME/dm/name`,
/// the same of partitions, `proc/*/fd`, `proc/*/stat` and `proc/self/mountinfo`;
/// and opens `dev/NAME` exclusively, which **can block for minutes while the
/// device's transport is being recovered**: look at its state first. A device
/// that is gone is free.
///
/// # Errors
///
/// What could not be looked at, with its path: without root rights the files
/// of other users' processes and the device itself. An error is never an
/// "it is free".
///
/// # Example
///
/// ```no_run
/// use jdss_sys::{Root, System, usage};
///
/// let usage = usage(&Root::host(), &System, "sda")?;
/// println!("sda is {usage}");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn usage(root: &Root, effects: &dyn Effects, block_name: &str) -> io::Result<Usage> {
    let mut usage = Usage::default();
    let devices = devices(root, block_name)?;
    if devices.is_empty() {
        return Ok(usage);
    }
    for device in &devices {
        usage
            .holders
            .extend(root.list(format!("{}/holders", device.dir))?);
    }
    usage.holders.sort_unstable();
    usage.holders.dedup();
    usage.mounts = mounts(root, &devices)?;
    usage.openers = openers(root, &devices)?;
    usage.exclusive = match effects.open_exclusive(&root.join(format!("dev/{block_name}"))) {
        Ok(()) => false,
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => true,
        // The kernel looks whether it is held before it asks the device: a
        // device that cannot answer (offline, no medium) is one nobody holds.
        Err(error) if is_dead(&error) => false,
        Err(error) if is_gone(&error) && !root.exists(format!("sys/block/{block_name}"))? => false,
        Err(error) => {
            let text = format!("cannot open /dev/{block_name} exclusively: {error}");
            return Err(io::Error::new(error.kind(), text));
        }
    };
    Ok(usage)
}

fn is_dead(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let dead = [Errno::NXIO, Errno::IO, Errno::NOMEDIUM, Errno::NODEV];
    dead.into_iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// A disk or a partition.
struct Device {
    /// Below the root: `sys/block/sda/sda1`.
    dir: String,
    /// Names below `/dev`: `sda1`, `mapper/NAME`.
    nodes: Vec<String>,
    /// `MAJOR:MINOR`; `None` when it vanished meanwhile.
    number: Option<String>,
}

/// The disk and its partitions; none when the disk is gone.
fn devices(root: &Root, block_name: &str) -> io::Result<Vec<Device>> {
    let disk = format!("sys/block/{block_name}");
    if !root.exists(&disk)? {
        return Ok(Vec::new());
    }
    let mut found = vec![device(root, disk.clone(), block_name)?];
    for name in root.list(&disk)? {
        let dir = format!("{disk}/{name}");
        if name.starts_with(block_name) && root.exists(format!("{dir}/partition"))? {
            found.push(device(root, dir, &name)?);
        }
    }
    Ok(found)
}

fn device(root: &Root, dir: String, name: &str) -> io::Result<Device> {
    let mut nodes = vec![name.to_owned()];
    if let Some(name) = root.read(format!("{dir}/dm/name"))? {
        nodes.push(format!("mapper/{name}"));
    }
    let number = root.read(format!("{dir}/dev"))?;
    Ok(Device { dir, nodes, number })
}

/// Where they are mounted, by device number.
fn mounts(root: &Root, devices: &[Device]) -> io::Result<Vec<String>> {
    let text = root.read("proc/self/mountinfo")?.unwrap_or_default();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        if let [_, _, number, _, mount_point, ..] = fields[..]
            && devices
                .iter()
                .any(|device| device.number.as_deref() == Some(number))
        {
            found.insert(unescape(mount_point));
        }
    }
    Ok(found.into_iter().collect())
}

/// Undoes the `\040` of mountinfo: blank, tab, newline and backslash.
fn unescape(text: &str) -> String {
    let pairs = [
        (r"\040", " "),
        (r"\011", "\t"),
        (r"\012", "\n"),
        (r"\134", "\\"),
    ];
    pairs
        .into_iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The processes that have one of them open.
fn openers(root: &Root, devices: &[Device]) -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for pid in process::pids(root)? {
        if has_open(root, pid, devices)? && !is_watcher(root, pid)? {
            let stat = process::stat(root, pid)?;
            // Gone since: then it has nothing open any more.
            found.extend(stat.map(|stat| Process {
                pid,
                name: stat.name,
            }));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn has_open(root: &Root, pid: u32, devices: &[Device]) -> io::Result<bool> {
    let dir = format!("proc/{pid}/fd");
    for fd in root.list(&dir)? {
        let path = format!("{dir}/{fd}");
        let Some(target) = root.link(&path)? else {
            continue;
        };
        if is_one_of(root, &path, &target, devices)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the open file `path`, whose link says `target`, is one of them.
fn is_one_of(root: &Root, path: &str, target: &Path, devices: &[Device]) -> io::Result<bool> {
    let target = target.to_string_lossy();
    if !root.is_host() {
        let node = target.strip_prefix("/dev/");
        return Ok(devices
            .iter()
            .any(|device| device.nodes.iter().any(|name| node == Some(name))));
    }
    // Only what lies in some /dev is asked for its number: a stat of a file on
    // a dead network file system would hang.
    if !target.contains("/dev/") {
        return Ok(false);
    }
    match std::fs::metadata(root.join(path)) {
        Ok(meta) => {
            let number = format!("{}:{}", major(meta.rdev()), minor(meta.rdev()));
            Ok(devices
                .iter()
                .any(|device| device.number.as_deref() == Some(number.as_str())))
        }
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether this is udev, multipathd or a descendant of theirs.
fn is_watcher(root: &Root, mut pid: u32) -> io::Result<bool> {
    // Numbers can be reused while one climbs, so the climb is bounded.
    for _ in 0..64 {
        let Some(stat) = process::stat(root, pid)? else {
            return Ok(false);
        };
        if WATCHERS.contains(&stat.name.as_str()) {
            return Ok(true);
        }
        if stat.parent <= 1 {
            return Ok(false);
        }
        pid = stat.parent;
    }
    Ok(false)
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
