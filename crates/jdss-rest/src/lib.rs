//! Typed, blocking client of the Open-E JovianDSS REST API for block volumes.
//!
//! It speaks to the appliance over HTTPS and knows nothing of the host it runs
//! on: names in, names and numbers out.
//!
//! * [`Client`] asks one appliance, by several control addresses.
//! * [`Pool`] has the single calls: volumes, targets, LUNs, sessions, VIPs.
//! * [`Client::publish`] brings a volume onto a target and says what a host
//!   needs to find it: target, LUN, portals, SCSI ID, size.
//! * [`names`] converts ids to the names on the appliance and back.
//! * [`Error::kind`] says what went wrong, [`Error::is_transient`] whether
//!   trying again helps.
//!
//! Every call takes a deadline and ends by then. What may be repeated is
//! repeated; what may not is looked at first.
//!
//! # Example
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//! use jdss_rest::{Client, ErrorKind, Tls};
//!
//! let client = Client::builder(vec!["10.1.0.11".parse()?])
//!     .credentials("admin", "secret".to_owned().into())
//!     .tls(Tls::Insecure)
//!     .build()?;
//! let deadline = Instant::now() + Duration::from_secs(20);
//! match client.pool("Pool-0").info(deadline) {
//!     Ok(pool) => println!("{} of {} bytes free", pool.available, pool.size),
//!     Err(error) if error.kind() == ErrorKind::Missing => println!("no such pool"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod call;
mod chap;
mod client;
mod clones;
mod decode;
mod delete;
mod error;
mod export;
mod fingerprint;
mod free;
mod https;
mod initiator;
mod list;
mod model;
pub mod names;
mod path;
mod pinned;
mod pool;
mod publish;
mod remove;
mod snapshots;
mod targets;
pub mod transport;
mod unpublish;
mod vips;
mod volumes;

pub use builder::Builder;
pub use chap::{Chap, RenewChap};
pub use client::Client;
pub use clones::{CloneOf, CloneVolume};
pub use delete::{Delete, Deleted};
pub use error::{ApiError, Attempts, Difference, Error, ErrorKind, ProtocolReason};
pub use export::UnpublishSnapshot;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use free::FreeName;
pub use https::Tls;
pub use initiator::{Ignored, LocalInitiator};
pub use list::List;
pub use model::{
    Attachment, CloneInfo, LocalTime, Lun, Origin, PoolInfo, Session, Snapshot, SnapshotTime,
    Target, Vip, Volume,
};
pub use names::{
    ChapPassword, ChapPasswordError, ChapUser, ClusterPrefix, NameError, ScsiId, SnapshotId,
    TargetGroup, TargetPrefix, VolumeId,
};
pub use pool::Pool;
pub use publish::{Created, Publish, Published};
pub use secrecy::SecretString;
pub use snapshots::{Destroy, Rollback};
pub use unpublish::{Unpublish, Unpublished};
pub use volumes::{DeleteVolume, NewVolume};
