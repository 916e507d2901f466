//! iSCSI sessions and disks of a Linux host, on top of its open-iscsi.
//!
//! [`Initiator`] is the entry. It makes sessions to the portals of a target,
//! finds the disks behind them, and takes both away again, never from under
//! somebody:
//!
//! 1. [`login`](Initiator::login): sessions to all portals, those that are missing.
//! 2. [`scan`](Initiator::scan) and [`wait_disk`](Initiator::wait_disk): the disk
//!    at exactly one LUN of a session.
//! 3. [`rescan`](Initiator::rescan) and [`page83`](Initiator::page83): what that
//!    disk says of itself now. **A LUN is no identity**: targets use numbers
//!    again, and the kernel remembers the disk that was there before.
//! 4. [`delete`](Initiator::delete): the disk away, if nobody uses it.
//! 5. [`logout`](Initiator::logout): the sessions that have no disk left.
//!
//! A session is a pair of target and portal, a disk a pair of session and LUN;
//! both are compared as values. All calls are idempotent: what is so already
//! is a success, and costs no child process. Nothing here knows of multipath
//! or of the storage behind the target.
//!
//! # What is read
//!
//! Facts come from the kernel and not from the words of a tool. Below the root
//! directory:
//!
//! * `sys/class/iscsi_session/sessionN/{targetname,state,recovery_tmo,device}`
//! * `sys/class/iscsi_connection/connectionN:0/{persistent_address,persistent_port}`,
//!   and `address` where a host name was asked for
//! * `sys/class/scsi_device/H:C:T:L/device/{state,vpd_pg83,block/}`
//! * `sys/block/NAME/{size,diskseq}`, and for who uses a disk what
//!   [`jdss_sys::usage`] reads
//! * `etc/iscsi/nodes`, `var/lib/iscsi/nodes` (names and sizes only),
//!   `etc/iscsi/initiatorname.iscsi`, `proc/net/unix`
//!
//! # What is changed
//!
//! * `sys/class/scsi_host/hostH/scan`, `sys/class/scsi_device/H:C:T:L/device/{rescan,delete}`
//! * by `iscsiadm -m node`: node records, sessions
//!
//! # What blocks
//!
//! Reads do not. Calls that run `iscsiadm` keep to their deadline. Writes to
//! sysfs and opens of a disk are done only while the session is up and the
//! disk runs; should the session break off just then, they hang until it is
//! back or given up.
//!
//! It works with the transport `iscsi_tcp`, which has one SCSI host a session.
//!
//! # Example
//!
//! ```no_run
//! use jdss_iscsi::{Initiator, Iqn, LoginSettings, Lun};
//! use std::time::{Duration, Instant};
//!
//! let host = Initiator::system();
//! let target: Iqn = "iqn.2025-04.com.example:vm-100".parse()?;
//! let portals = ["10.0.1.1".parse()?, "10.0.2.1".parse()?];
//! let lun = Lun::try_from(0)?;
//! let deadline = Instant::now() + Duration::from_secs(60);
//!
//! let mut disks = Vec::new();
//! for outcome in host.login(&target, &portals, &LoginSettings::default(), deadline)? {
//!     if let Ok((session, _)) = outcome.result {
//!         host.scan(&session, lun)?;
//!         disks.extend(host.wait_disk(&session, lun, deadline)?);
//!     }
//! }
//! for disk in &disks {
//!     host.rescan(disk)?;
//!     println!("{}: {} bytes", disk.path().display(), disk.size);
//! }
//! for disk in &disks {
//!     host.delete(disk, deadline)?;
//! }
//! host.logout(&target, &portals, deadline)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod code;
mod disk;
mod error;
mod initiator;
mod iqn;
mod iscsiadm;
mod login;
mod logout;
mod number;
mod portal;
mod record;
mod scan;
mod session;
mod settings;

pub use code::Code;
pub use disk::{Disk, DiskState};
pub use error::{Error, PortalDown};
pub use initiator::Initiator;
pub use iqn::{Iqn, NameError};
pub use login::PortalOutcome;
pub use logout::{Kept, LogoutReport};
pub use number::{Lun, LunError, SessionId};
pub use portal::{Portal, PortalError};
pub use session::{Session, SessionState};
pub use settings::LoginSettings;
