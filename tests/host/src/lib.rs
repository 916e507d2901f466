//! A pretend Linux host for tests: sysfs, iscsiadm, multipathd and friends.
//!
//! It is a host with state, not a script of calls. A test hands the verbs
//! [`Host::run`], [`Host::write`], [`Host::open_exclusive`] and [`Host::ask`]
//! to the code under test, which reads what it likes below [`Host::root`], and
//! then asserts where the host ended: [`Host::left`], [`Host::harm`],
//! [`Host::serves`], [`Host::counts`], [`Host::log`]. Whatever it is not sure
//! of, it does not guess: an unknown argv, attribute or request panics with its
//! text, so that neither the fake nor the code drifts unseen.
//!
//! ```
//! use jdss_host::{Host, Targets};
//! let targets = Targets::new(["10.0.0.1:3260"]);
//! targets.map("iqn.2026-01.test:a", 0, "4fa1c0de77e2b316", 64 << 20);
//! let host = Host::new(targets.lookup());
//! let node = ["-m", "node", "-T", "iqn.2026-01.test:a", "-p", "10.0.0.1:3260"];
//! host.run("multipath", &["-a", "23466613163306465"]).unwrap();
//! host.run("iscsiadm", &[&node[..], &["-o", "new"]].concat()).unwrap();
//! let login = host.run("iscsiadm", &[&node[..], &["--login"]].concat()).unwrap();
//! assert_eq!(login.code, 0);
//! assert!(host.root().join("dev/mapper/23466613163306465").exists());
//! assert_eq!(host.serves("dm-0"), ["23466613163306465"]);
//! ```
//!
//! # What it pretends
//!
//! * **Kernel.** iSCSI sessions, hosts and connections; SCSI disks with cached
//!   VPD pages and size that only `device/rescan` refreshes; a LUN that
//!   vanished or was reused goes unnoticed until then; a scan adds what is
//!   missing and nothing else; a disk can be deleted under its users; names,
//!   host and dm numbers are reused as the kernel does. `/proc` has the daemons
//!   (multipathd with its paths open), udev workers and whoever a test lets
//!   [`hold`](Host::hold) a device.
//! * **open-iscsi 2.1.8.** `-m node -T IQN [-p PORTAL]` with `-o new`, `-o
//!   update`, `-o delete`, `--login`, `--logout`; texts and exit codes as
//!   captured; `--version`. The record files are the truth: what a program writes into them
//!   counts at the next login. A fresh record scans all LUNs at login.
//! * **udev and multipathd 0.9.4 or 0.11.1** with `find_multipaths strict`,
//!   `flush_on_last_del no`, `fast_io_fail_tmo 5`: a disk whose WWID is
//!   enrolled joins a map at once, later or never ([`Udev`]); requests of the
//!   socket as `show daemon`, `show maps json`, `show map X json`, `add|del
//!   path`, `add|del map`, `disable|restorequeueing map`, `fail|reinstate
//!   path`, `resize|suspend|resume map`.
//! * `/lib/udev/scsi_id -g -u -d DEV`, asked of the appliance and not of the
//!   cache; `multipath -a|-w WWID`; `dmsetup status`, `dmsetup info -c
//!   --noheadings -o open`.
//! * The **appliance** is a closure from (target, portal) to [`Login`], asked
//!   anew whenever a real host would send a command, so that its changes show
//!   where they would. It must not call back into the host.
//! * **Faults.** A tool or one effect refuses, hangs, or does its work too late
//!   for its caller ([`Fault`]); daemons stop, programs are missing, portals
//!   fall silent, the node database stays locked, LVM or a udev worker is first.
//! * **Crash and power cut.** [`Counter`] stops before any effect;
//!   [`Host::reboot`] keeps what is on disk and nothing else.
//!
//! # What it does not
//!
//! No data is stored or moved, so nothing waits for I/O: what would hang on a
//! real host (a write to a blocked disk) answers `TimedOut` at once and is
//! listed as harm. No clock: delays are counted in effects and
//! [`Host::tick`]s, and recovery times are over when the test says so
//! ([`Host::block`], then [`Host::cut`]). No partitions on disks, no
//! `iscsiadm -m session` or discovery, no blacklist by vendor, no priority
//! groups, one connection a session. Files are plain files: no `st_rdev`, and
//! `/proc/PID/fd/N` leads to `/dev/NAME` as text.
//!
//! Each file is replaced whole, and a directory is complete before a class or
//! `/sys/block` links to it, so readers in other threads see no halves.

mod admin;
mod counter;
mod dmsetup;
mod holds;
mod identity;
mod inner;
mod iscsiadm;
mod json;
mod multipathd;
mod plain;
mod record;
mod render;
mod report;
mod scsi;
mod state;
mod targets;
mod tree;
mod wwids;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use admin::Held;
pub use counter::{Counter, Stopped};
pub use identity::{HostLun, Login, scst_page83};
pub use state::{Daemon, Fault, Hold, LastPath, Release, Udev};
pub use targets::Targets;

use inner::Inner;

/// A child that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    fn new(code: i32, stdout: &str, stderr: &str) -> Self {
        let (stdout, stderr) = (stdout.to_owned(), stderr.to_owned());
        Self {
            code,
            stdout,
            stderr,
        }
    }
}

/// A child of which there is no exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunError {
    /// The program is not installed.
    NotFound,
    /// It hangs: on a real host the caller's limit would pass.
    TimedOut,
    /// See [`Counter::stop_before`].
    Stopped,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "program not found",
            Self::TimedOut => "the program hangs",
            Self::Stopped => "stopped before this effect",
        })
    }
}

impl std::error::Error for RunError {}

/// How often each kind of effect happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Children, by the program's file name.
    pub children: BTreeMap<String, usize>,
    /// sysfs attributes written.
    pub writes: usize,
    /// Requests to multipathd.
    pub asks: usize,
    /// Exclusive opens tried.
    pub opens: usize,
}

/// A pretend Linux host; clones are the same host.
#[derive(Debug, Clone)]
pub struct Host {
    inner: Arc<Mutex<Inner>>,
    root: Arc<PathBuf>,
    counter: Arc<Counter>,
}

impl Host {
    /// A freshly booted Debian 12 host before the appliance `lookup`, which is
    /// asked with target name and `ip:port` (`[ip6]:port`) of a session.
    pub fn new(lookup: impl Fn(&str, &str) -> Login + Send + Sync + 'static) -> Self {
        Self::with_release(Release::default(), lookup)
    }

    /// The same with the tools of another release.
    ///
    /// # Panics
    ///
    /// When there is no place for temporary files.
    pub fn with_release(
        release: Release,
        lookup: impl Fn(&str, &str) -> Login + Send + Sync + 'static,
    ) -> Self {
        let inner = Inner::new(release, Box::new(lookup)).expect("a temporary directory");
        Self {
            root: Arc::new(inner.tree.root().to_owned()),
            inner: Arc::new(Mutex::new(inner)),
            counter: Arc::default(),
        }
    }

    /// The directory that stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    ///
    /// [`RunError::NotFound`] for an [`uninstall`](Self::uninstall)ed program,
    /// [`RunError::TimedOut`] for one that hangs, [`RunError::Stopped`].
    ///
    /// # Panics
    ///
    /// With the argv when the pretend host does not know it.
    pub fn run(&self, program: &str, args: &[impl AsRef<str>]) -> Result<Ran, RunError> {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let what = format!("run {program} {}", args.join(" "));
        let mut inner = self.effect(&what).map_err(|Stopped| RunError::Stopped)?;
        let name = program.rsplit('/').next().unwrap_or(program);
        if inner.state.uninstalled.contains(name) {
            return Err(RunError::NotFound);
        }
        *inner.counts.children.entry(name.to_owned()).or_default() += 1;
        let fault = inner.fault(&what, name);
        match &fault {
            Some(Fault::Hangs) => return Err(RunError::TimedOut),
            Some(Fault::Says(code, text)) => return Ok(Ran::new(*code, "", text)),
            Some(Fault::TooLate) | None => {}
        }
        let ran = match (program, name) {
            ("iscsiadm" | "/sbin/iscsiadm" | "/usr/sbin/iscsiadm", _) => Ok(inner.iscsiadm(&args)),
            (_, "multipath") => Ok(inner.state.multipath(&args)),
            (_, "dmsetup") => Ok(inner.state.dmsetup(&args)),
            ("/lib/udev/scsi_id" | "/usr/lib/udev/scsi_id", _) => inner.scsi_id(&args),
            _ => unknown(program, &args),
        };
        inner.sync();
        match fault {
            Some(_) => Err(RunError::TimedOut),
            None => ran.map_err(|_| RunError::TimedOut),
        }
    }

    /// Writes one sysfs attribute, given with the root before it.
    ///
    /// # Errors
    ///
    /// `NotFound` when it is not (or no longer) there, `EINVAL` for a bad
    /// value, `TimedOut` where a real host would hang, [`Stopped`] as the
    /// inner error of a kind `Other`.
    ///
    /// # Panics
    ///
    /// With the path when the pretend host does not know the attribute.
    pub fn write(&self, attribute: &Path, value: &str) -> io::Result<()> {
        let shown = attribute.strip_prefix(&*self.root).unwrap_or(attribute);
        let what = format!("write {} {}", shown.display(), value.trim());
        let mut inner = self.effect(&what).map_err(io::Error::other)?;
        inner.counts.writes += 1;
        inner.attempt(&what, |inner| inner.write(attribute, value))
    }

    /// Opens a block device with `O_EXCL` and closes it again.
    ///
    /// # Errors
    ///
    /// `EBUSY` when somebody has it exclusively, `ENXIO` for an offline disk,
    /// otherwise as [`write`](Self::write).
    pub fn open_exclusive(&self, device: &Path) -> io::Result<()> {
        let shown = device.strip_prefix(&*self.root).unwrap_or(device);
        let what = format!("open {}", shown.display());
        let mut inner = self.effect(&what).map_err(io::Error::other)?;
        inner.counts.opens += 1;
        inner.attempt(&what, |inner| {
            let name = inner.block_name(device)?;
            inner.state.open_exclusive(&name)
        })
    }

    /// Sends multipathd one request; the answer comes without its trailing NUL.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when the daemon does not run, `TimedOut` when it
    /// hangs, otherwise as [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// With the request when the pretend host does not know it.
    pub fn ask(&self, request: &str) -> io::Result<String> {
        let what = format!("ask {request}");
        let mut inner = self.effect(&what).map_err(io::Error::other)?;
        inner.counts.asks += 1;
        let fault = inner.fault(&what, "multipathd");
        match &fault {
            Some(Fault::Hangs) => return Err(io::ErrorKind::TimedOut.into()),
            Some(Fault::Says(_, text)) => return Ok(text.clone()),
            Some(Fault::TooLate) | None => {}
        }
        let answer = inner.state.ask(request);
        inner.sync();
        match fault {
            Some(_) => Err(io::ErrorKind::TimedOut.into()),
            None => answer,
        }
    }

    /// Counts an effect; time passes by one tick.
    fn effect(&self, what: &str) -> Result<MutexGuard<'_, Inner>, Stopped> {
        let mut inner = self.lock();
        self.counter.step(what)?;
        inner.reload();
        if inner.state.tick() {
            inner.sync();
        }
        Ok(inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic of an unknown argv leaves the state whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(program: &str, args: &[&str]) -> ! {
    panic!("the pretend host does not know {program:?} with {args:?}")
}
