//! Locks of this host that the kernel releases when their holder dies.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, fstat, open, openat};
use rustix::process::geteuid;

use crate::name::{FILE_NAME_MAX, encode, shorten};
use crate::{Error, Holder, Key};

/// How long a waiting call sleeps between two tries: this long first, growing to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_millis(100);

/// More than any holder writes into its lock file.
const HOLDER_MAX: u64 = 1024;

/// The locks of this host: one file each in one directory, locked with `flock`.
///
/// There are three classes, to be taken in this order and kept: the volume, its SCSI ID, its
/// target. The order is that of the types: only a [`VolumeLock`] takes a [`ScsiIdLock`], only
/// that takes a [`TargetLock`]; each keeps those before it locked as long as it lives. Whoever
/// needs a volume and its snapshots takes the volume first. So no two processes can wait for
/// each other.
///
/// A lock ends when its value is dropped or its process dies, however it dies; programs that the
/// process starts do not inherit it. The files stay. Threads of one process exclude each other
/// like processes.
///
/// ```
/// use std::time::{Duration, Instant};
/// use jdss_state::{Key, Locks};
///
/// # let dir = tempfile::tempdir()?;
/// let locks = Locks::at(dir.path().join("jdss")).purpose("activate");
/// let deadline = Instant::now() + Duration::from_secs(5);
///
/// let volume = locks.volume(&Key::new("jovian", "vm-100-disk-0", None)?, deadline)?;
/// let scsi_id = volume.scsi_id("23466613163306465", deadline)?;
/// {
///     let _target = scsi_id.target("iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0", deadline)?;
///     // log in
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Locks {
    dir: PathBuf,
    purpose: String,
}

impl Locks {
    /// The locks of this host, in `/run/lock/jdss`.
    #[must_use]
    pub fn system() -> Self {
        Self::at("/run/lock/jdss")
    }

    /// Locks in `dir`, which is created with mode 0700 when the first lock is taken.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            purpose: String::new(),
        }
    }

    /// Sets what those who wait are told that the holder does. Default: nothing.
    ///
    /// One line; it is readable by the owner of the directory alone, but it may end in a log.
    #[must_use]
    pub fn purpose(self, purpose: &str) -> Self {
        let purpose = purpose
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        Self { purpose, ..self }
    }

    /// Locks the names of one volume or snapshot. Blocks until `deadline`, not longer.
    ///
    /// # Errors
    ///
    /// * [`Error::Locked`]: it was not free in time; the text names the process that holds it.
    /// * [`Error::Lock`]: the file cannot be made, opened or locked; does this process run as root?
    /// * [`Error::UnsafeLockDirectory`]: somebody else made the directory.
    pub fn volume(&self, key: &Key, deadline: Instant) -> Result<VolumeLock, Error> {
        let name = format!("volume:{}:{}", key.directory(), key.name());
        let held = Held::take(self, name, &format!("volume {key}"), None, deadline)?;
        Ok(VolumeLock {
            locks: self.clone(),
            held: Arc::new(held),
        })
    }

    fn directory(&self) -> Result<File, Error> {
        let failed = |source| Error::Lock {
            path: self.dir.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = open(&self.dir, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let stat = fstat(&dir).map_err(|error| failed(error.into()))?;
        // /run/lock is writable by everybody on Debian: somebody may have been there first.
        let (owner, wanted) = (stat.st_uid, geteuid().as_raw());
        let mode = stat.st_mode & 0o7777;
        if owner != wanted || mode & 0o022 != 0 {
            return Err(Error::UnsafeLockDirectory {
                path: self.dir.clone(),
                owner,
                wanted,
                mode,
            });
        }
        Ok(dir.into())
    }
}

/// One volume or snapshot is locked.
#[derive(Debug)]
#[must_use = "a lock ends when it is dropped"]
pub struct VolumeLock {
    locks: Locks,
    held: Arc<Held>,
}

impl VolumeLock {
    /// Locks a SCSI ID, as `scsi_id` prints it. Blocks until `deadline`, not longer.
    ///
    /// # Errors
    ///
    /// As [`Locks::volume`].
    pub fn scsi_id(&self, id: &str, deadline: Instant) -> Result<ScsiIdLock, Error> {
        let name = format!("scsi-id:{}", encode(id));
        let parent = Some(Arc::clone(&self.held));
        let held = Held::take(
            &self.locks,
            name,
            &format!("SCSI ID {id}"),
            parent,
            deadline,
        )?;
        Ok(ScsiIdLock {
            locks: self.locks.clone(),
            held: Arc::new(held),
        })
    }
}

/// One SCSI ID is locked, and so is the volume.
#[derive(Debug)]
#[must_use = "a lock ends when it is dropped"]
pub struct ScsiIdLock {
    locks: Locks,
    held: Arc<Held>,
}

impl ScsiIdLock {
    /// Locks a target by its iSCSI name. Blocks until `deadline`, not longer.
    ///
    /// Several volumes share a target: hold it only around login and logout.
    ///
    /// # Errors
    ///
    /// As [`Locks::volume`].
    pub fn target(&self, name: &str, deadline: Instant) -> Result<TargetLock, Error> {
        let file = format!("target:{}", encode(name));
        let parent = Some(Arc::clone(&self.held));
        let held = Held::take(
            &self.locks,
            file,
            &format!("target {name}"),
            parent,
            deadline,
        )?;
        Ok(TargetLock { _held: held })
    }
}

/// One target is locked, and so are the SCSI ID and the volume.
#[derive(Debug)]
#[must_use = "a lock ends when it is dropped"]
pub struct TargetLock {
    _held: Held,
}

/// A locked file.
#[derive(Debug)]
struct Held {
    // Before the parent, which must be released after it.
    file: File,
    _parent: Option<Arc<Held>>,
}

impl Held {
    fn take(
        locks: &Locks,
        name: String,
        what: &str,
        parent: Option<Arc<Held>>,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let name = shorten(name, FILE_NAME_MAX);
        let path = locks.dir.join(&name);
        let failed = |source| Error::Lock {
            path: path.clone(),
            source,
        };
        let start = Instant::now();
        let mut pause = PAUSE_FIRST;
        let mut file = open_lock(&locks.directory()?, &name).map_err(failed)?;
        loop {
            if try_lock(&file).map_err(failed)? {
                let mut held = Self {
                    file,
                    _parent: parent,
                };
                held.sign(&locks.purpose).map_err(failed)?;
                return Ok(held);
            }
            let now = Instant::now();
            if now >= deadline {
                let holder = read_holder(&mut file).map_err(failed)?;
                return Err(Error::Locked {
                    what: what.to_owned(),
                    holder,
                    waited: now - start,
                });
            }
            // A pause between two looks, never past the deadline.
            std::thread::sleep(pause.min(deadline - now));
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }

    /// Leaves the pid and the purpose in the file, for those who wait.
    fn sign(&mut self, purpose: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file
            .write_all(format!("{} {purpose}\n", std::process::id()).as_bytes())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Only so that nobody is named who no longer holds it.
        let _ = self.file.set_len(0);
        // Closing is not enough at once: a child between fork and exec has the open file too.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// Opens the lock file, and makes it if need be. CLOEXEC: children must not inherit the lock.
fn open_lock(dir: &File, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

fn try_lock(file: &File) -> io::Result<bool> {
    use rustix::io::Errno;
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn read_holder(file: &mut File) -> io::Result<Holder> {
    let mut text = Vec::new();
    file.take(HOLDER_MAX).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let (pid, purpose) = text
        .trim_end()
        .split_once(' ')
        .unwrap_or((text.trim_end(), ""));
    let pid = pid.parse::<u32>().ok();
    let command = pid.and_then(|pid| {
        let name = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm"));
        name.ok().map(|name| name.trim_end().to_owned())
    });
    let purpose = if pid.is_some() {
        purpose.to_owned()
    } else {
        String::new()
    };
    Ok(Holder {
        pid,
        command,
        purpose,
    })
}
