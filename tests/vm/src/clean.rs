//! "Host as before": what a scenario may not leave behind, and how it is removed by force when it did.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, kill_process};

use crate::network::Portal;
use crate::{Command, Error, process, sysfs};

const NODES: [&str; 2] = ["/etc/iscsi/nodes", "/var/lib/iscsi/nodes"];
const DISCOVERIES: [&str; 2] = ["/etc/iscsi/send_targets", "/var/lib/iscsi/send_targets"];
/// Names of the lock of iscsiadm's database; whoever is killed while holding it leaves it to all others.
const DATABASE_LOCK: &str = "/run/lock/iscsi/lock.write";
const WWIDS: &str = "/etc/multipath/wwids";
const RECORDS: &str = "/etc/joviandss/state";
const LINKS: &str = "/dev/jdss";
const LOCKS: &str = "/run/lock/jdss";

/// The processes that were there before a scenario.
#[derive(Debug)]
pub struct Before {
    known: BTreeSet<u32>,
}

impl Before {
    /// Looks at what runs now.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn now() -> Result<Self, Error> {
        Ok(Self {
            known: process::all()?.into_keys().collect(),
        })
    }

    /// All that is there now and was not before, one line each; empty on a clean host. Processes below those of
    /// `roots` are the harness' own.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn left(&self, roots: &[u32]) -> Result<Vec<String>, Error> {
        let mut left = Vec::new();
        for s in sysfs::sessions()? {
            left.push(format!(
                "iSCSI session {}: {} at {} is {}",
                s.id, s.target, s.portal, s.state
            ));
        }
        for (what, directories) in [("node record", NODES), ("discovery record", DISCOVERIES)] {
            left.extend(
                directories
                    .iter()
                    .flat_map(|d| below(Path::new(d)))
                    .map(|p| format!("{what}: {}", p.display())),
            );
        }
        if Path::new(DATABASE_LOCK).exists() {
            left.push(format!("lock of iscsiadm's database: {DATABASE_LOCK}"));
        }
        for name in sysfs::names("/sys/block")?
            .into_iter()
            .filter(|n| n.starts_with("sd"))
        {
            left.push(format!("disk: {name}"));
        }
        // Not from sysfs: a device without a table is not there.
        let maps = Command::words("dmsetup info -c --noheadings -o name,uuid").ok()?;
        for map in maps.lines().filter(|l| *l != "No devices found") {
            left.push(format!("device-mapper device: {map}"));
        }
        for name in sysfs::names("/sys/block")?
            .into_iter()
            .filter(|n| n.starts_with("loop"))
        {
            if let Some(file) = sysfs::text(format!("/sys/block/{name}/loop/backing_file"))? {
                left.push(format!("loop device: {name} of {file}"));
            }
        }
        let wwids = sysfs::text(WWIDS)?.unwrap_or_default();
        left.extend(
            wwids
                .lines()
                .filter(|l| l.starts_with('/'))
                .map(|l| format!("active line of {WWIDS}: {l}")),
        );
        left.extend(
            below(Path::new(RECORDS))
                .iter()
                .map(|p| format!("record: {}", p.display())),
        );
        left.extend(
            below(Path::new(LINKS))
                .iter()
                .map(|p| format!("link: {}", p.display())),
        );
        for lock in below(Path::new(LOCKS)) {
            if held(&lock) {
                left.push(format!("held lock: {}", lock.display()));
            }
        }
        left.extend(
            process::strangers(&self.known, roots)?
                .iter()
                .map(|p| format!("process: {} {}", p.pid, p.command)),
        );
        Ok(left)
    }

    /// Removes all that [`left`](Self::left) finds, in use or not, and gives what is there all the same.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn force(&self, roots: &[u32]) -> Result<Vec<String>, Error> {
        const ROUNDS: usize = 5;
        for _ in 0..ROUNDS {
            self.force_once(roots)?;
            if self.left(roots)?.is_empty() {
                return Ok(Vec::new());
            }
        }
        self.left(roots)
    }

    fn force_once(&self, roots: &[u32]) -> Result<(), Error> {
        for portal in Portal::ALL {
            portal.restore()?;
        }
        for process in process::strangers(&self.known, roots)? {
            if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
                // It may have ended meanwhile; `left` tells.
                let _gone = kill_process(pid, Signal::KILL);
            }
        }
        // None of these must succeed: what is not there cannot be removed, and `left` tells in the end.
        let attempt = |line: &str| drop(Command::words(line).limit(Duration::from_secs(30)).run());
        attempt("multipathd disablequeueing maps");
        for mount in sysfs::text("/proc/mounts")?.unwrap_or_default().lines() {
            let mut words = mount.split(' ');
            if let (Some(device), Some(place)) = (words.next(), words.next())
                && ["/dev/dm-", "/dev/mapper/", "/dev/sd", "/dev/loop"]
                    .iter()
                    .any(|p| device.starts_with(p))
            {
                attempt(&format!("umount --lazy {place}"));
            }
        }
        attempt("swapoff -a");
        attempt("vgchange --activate n");
        let maps = Command::words("dmsetup info -c --noheadings -o name,uuid").ok()?;
        for (map, _) in maps
            .lines()
            .filter_map(|l| l.split_once(':'))
            .filter(|(_, uuid)| !uuid.starts_with("mpath-"))
        {
            attempt(&format!("dmsetup remove --force --retry {map}"));
        }
        drop(fs::remove_file(WWIDS));
        attempt("multipath -F");
        attempt("iscsiadm -m session --logout");
        for disk in sysfs::names("/sys/block")?
            .iter()
            .filter(|n| n.starts_with("sd"))
        {
            let delete = format!("echo 1 >/sys/block/{disk}/device/delete");
            drop(
                Command::new("sh")
                    .args(["-c", &delete])
                    .limit(Duration::from_secs(30))
                    .run(),
            );
        }
        attempt("losetup --detach-all");
        attempt(&format!("rm -f {DATABASE_LOCK}"));
        for directory in NODES
            .iter()
            .chain(&DISCOVERIES)
            .chain(&[RECORDS, LINKS, LOCKS])
        {
            drop(fs::remove_dir_all(directory));
        }
        attempt("udevadm settle");
        Ok(())
    }
}

/// All files and links below a directory; none when it is not there.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            found.extend(below(&entry.path()))
        } else {
            found.push(entry.path())
        }
    }
    found.sort();
    found
}

/// Whether some process holds a lock of flock(2) on `file`.
fn held(file: &Path) -> bool {
    let Ok(file) = fs::File::open(file) else {
        return false;
    };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
}
