//! Crash-safe attachment records and locks of a host.
//!
//! A [`Record`] says how one volume, or one snapshot of it, was brought up on this host: its
//! SCSI ID, its path, its target and portals, and how far it has come. A [`Store`] keeps records
//! on disk, one JSON file each. A record is old or new, never torn, whenever the process is
//! killed or the power fails; what was saved stays. A file that is there but cannot be
//! understood is always an [`Error`] that names it, never "no record".
//!
//! [`Locks`] keep two processes from working on the same volume, SCSI ID or target. The kernel
//! releases them when their holder dies.
//!
//! Nothing here knows iSCSI, multipath or the appliance: addresses and IDs are text.
//!
//! # On disk
//!
//! ```text
//! /etc/joviandss/state/STORAGE/VOLUME.json            a volume
//! /etc/joviandss/state/STORAGE/VOLUME@SNAPSHOT.json   a snapshot of it
//! /etc/joviandss/state/STORAGE/.VOLUME.json.tmp       left by a crash, overwritten by the next save
//! /run/lock/jdss/volume:STORAGE:VOLUME                held while it is locked; the file stays
//! ```
//!
//! [`Key`] says how names become file names. `version` is the first field of a record. A newer
//! version is refused ([`Error::TooNew`]), and so is an unknown field: each new field raises the
//! version, because an older release would lose it with its next save. Times are UTC.
//!
//! # Embedding
//!
//! Hold the volume's lock around everything that saves or removes its record:
//!
//! ```
//! use std::time::{Duration, Instant};
//! use jdss_state::{Key, Locks, Record, Store, boot_id};
//!
//! # let dir = tempfile::tempdir()?;
//! # let (store, locks) = (Store::at(dir.path().join("state")), Locks::at(dir.path().join("lock")));
//! let key = Key::new("jovian", "vm-100-disk-0", None)?;
//! let lock = locks.volume(&key, Instant::now() + Duration::from_secs(10))?;
//! if store.load(&key)?.is_none() {
//!     store.save(&Record::new(key, &boot_id("/".as_ref())?))?;
//! }
//! drop(lock);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod boot;
mod error;
mod key;
mod legacy;
mod locks;
mod name;
mod record;
mod store;
mod time;
mod verbs;

pub use boot::boot_id;
pub use error::{Damage, Error, Holder, NameProblem};
pub use key::Key;
pub use legacy::LegacyRecord;
pub use locks::{Locks, ScsiIdLock, TargetLock, VolumeLock};
pub use record::{Phase, Record};
pub use store::Store;
pub use time::{BadTimestamp, Timestamp};
pub use verbs::{Entry, System, Verbs};
