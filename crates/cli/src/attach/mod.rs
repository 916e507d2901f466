//! Bringing a volume up on this host, and taking it down again.
//!
//! This is the composition of the layers: the appliance
//! ([`jdss_rest`]), sessions and disks ([`jdss_iscsi`]), maps
//! ([`jdss_multipath`]) and records ([`jdss_state`]). It prints nothing and
//! never ends the process, so it can be embedded.
//!
//! * [`Attach::activate`] ends with one device node that has proved to be the
//!   volume, or with an error and the host as it was.
//! * [`Attach::deactivate`] takes away what the record names, on this host
//!   only: the appliance goes on exporting the volume, since in a live
//!   migration another host uses it.
//!
//! Both may be repeated; both can be killed at any moment and run again.
//!
//! Operations block; none blocks beyond its [`Budget`], except where the
//! kernel itself does not answer (a write to sysfs, an open). A caller that
//! must go on in that case runs them in a process of its own, as the command
//! line tool does.

mod activate;
mod budget;
mod convert;
mod deactivate;
mod disks;
mod error;
mod event;
mod judge;
mod link;
mod look;
mod paths;
mod steps;
mod undo;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jdss_iscsi::Initiator;
use jdss_multipath::Multipath;
use jdss_rest::{TargetGroup, TargetPrefix, VolumeId};
use jdss_state::{Locks, Store};
use jdss_sys::Root;

pub use budget::Budget;
pub use error::{Class, Error};
pub use event::Event;
pub use link::link_path;

/// The engine: one host, its tools, its records and locks.
///
/// # Example
///
/// Takes a volume down on this host:
///
/// ```no_run
/// use std::time::Duration;
/// use jdss::attach::{Attach, Budget};
///
/// let attach = Attach::system();
/// let key = jdss_state::Key::new("jdss0", "vm-100-disk-0", None)?;
/// attach.deactivate(&key, &Budget::new(Duration::from_secs(90)))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Attach {
    root: Root,
    initiator: Initiator,
    multipath: Multipath,
    store: Store,
    locks: Locks,
    openers: Duration,
    observer: Arc<dyn Fn(&Event) + Send + Sync>,
}

impl fmt::Debug for Attach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attach")
            .field("root", &self.root)
            .field("initiator", &self.initiator)
            .field("multipath", &self.multipath)
            .field("store", &self.store)
            .field("locks", &self.locks)
            .finish_non_exhaustive()
    }
}

impl Attach {
    /// The engine of this host, with its own tools, records and locks.
    #[must_use]
    pub fn system() -> Self {
        Self::new(
            Root::host(),
            Initiator::system(),
            Multipath::system(),
            Store::system(),
            Locks::system(),
        )
    }

    /// The engine of a host that is given by its layers.
    ///
    /// `root` is where device links are made; the layers have their own.
    #[must_use]
    pub fn new(
        root: Root,
        initiator: Initiator,
        multipath: Multipath,
        store: Store,
        locks: Locks,
    ) -> Self {
        Self {
            root,
            initiator,
            multipath,
            store,
            locks,
            openers: Duration::from_secs(60),
            observer: Arc::new(|_| ()),
        }
    }

    /// Sets how long a deactivation waits for the last opener to close the
    /// device before it refuses. Default: 60 s.
    #[must_use]
    pub fn opener_patience(mut self, patience: Duration) -> Self {
        self.openers = patience;
        self
    }

    /// Sets what others that wait for a lock are told about its holder.
    #[must_use]
    pub fn purpose(mut self, purpose: &str) -> Self {
        self.locks = self.locks.purpose(purpose);
        self
    }

    /// Calls `observer` with everything that happens, as it happens.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    fn tell(&self, event: Event) {
        (self.observer)(&event);
    }

    fn note(&self, text: impl Into<String>) {
        self.tell(Event::Note { text: text.into() });
    }
}

/// What is to be brought up, and how.
///
/// Everything here comes from the configuration; once the volume is up, its
/// record says how it was brought up and the configuration is not asked again.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Name of the storage that the volume belongs to; names the record.
    pub storage: String,
    /// The volume's name in that storage.
    pub name: String,
    /// The volume at the appliance.
    pub id: VolumeId,
    /// The pool.
    pub pool: String,
    /// Prefix of target names, e.g. `iqn.2025-04.proxmox.joviandss.iscsi:`.
    pub target_prefix: TargetPrefix,
    /// Group of the target; [`TargetGroup::of`] is the usual one.
    pub group: TargetGroup,
    /// How many LUNs a target gets before another is made.
    pub luns_per_target: u16,
    /// Addresses of the appliance for iSCSI, one path each.
    pub data_addresses: Vec<std::net::IpAddr>,
    /// Port of the iSCSI portals.
    pub data_port: u16,
    /// Several paths as one map, or the first path that works.
    pub multipath: bool,
}

/// A client of the appliance, made only when one is needed.
///
/// A volume that is up needs none, so neither password nor certificate are
/// read for it.
pub trait Connect {
    /// Makes the client. Blocks for local work only.
    ///
    /// # Errors
    ///
    /// [`Error::Setup`]: the client cannot be made, e.g. because the password
    /// file or the CA file is unreadable.
    fn connect(&self) -> Result<jdss_rest::Client, Error>;
}

impl<F: Fn() -> Result<jdss_rest::Client, Error>> Connect for F {
    fn connect(&self) -> Result<jdss_rest::Client, Error> {
        self()
    }
}

/// A volume that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Active {
    /// The device node: `/dev/mapper/<name>`, or with a single path
    /// `/dev/disk/by-id/scsi-<wwid>`.
    pub path: PathBuf,
    /// The stable link that resolves to it.
    pub link: PathBuf,
    /// WWID of the volume on this host.
    pub wwid: String,
    /// Size in bytes.
    pub size: u64,
    /// Portals whose path is up.
    pub up: Vec<String>,
    /// Portals whose path is missing, and why. Not empty: degraded.
    pub missing: Vec<MissingPath>,
    /// False when the volume was up already and nothing was changed.
    pub changed: bool,
}

/// A path that a volume should have and has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPath {
    /// Address and port of the portal.
    pub portal: String,
    /// Why it is missing.
    pub reason: String,
}

/// How a deactivation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deactivated {
    /// There was no record: nothing to take down.
    WasNot,
    /// The volume was taken down.
    Done,
}
