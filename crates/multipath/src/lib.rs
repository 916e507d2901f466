//! SCSI IDs and device-mapper multipath maps of a Linux host.
//!
//! For a program that has a volume on several disks (`sda`, `sdb`: one a path)
//! and wants the one device over them, `/dev/mapper/NAME`; and that later wants
//! it gone without taking it away from anybody. This crate knows nothing of
//! iSCSI or of any storage appliance. It needs a running multipathd
//! (multipath-tools 0.8.5 or later, tried with 0.9.4 and 0.11.1), `dmsetup`
//! and root rights; it never changes multipathd's configuration.
//!
//! # How it goes
//!
//! Up:
//!
//! 1. [`Multipath::check`]: is everything there? The error says what to install or start.
//! 2. [`Multipath::enrol`] the volume's [`Wwid`], **before its disks appear**.
//!    Then udev and multipathd claim the very first disk, and nothing else does.
//! 3. Bring the disks up (that is somebody else's business), and make sure that
//!    they are the right ones: [`Multipath::scsi_id`] asks a disk itself,
//!    [`page83::wwid`] reads what the kernel last heard from it.
//! 4. [`Multipath::wait_map`]: waits, and helps the daemon when it is late.
//! 5. [`Multipath::paths`]: which of its paths does the kernel use?
//!
//! [`Multipath::config`] shows how the daemon is set up, for checks.
//!
//! Down:
//!
//! 1. [`Multipath::usage`]: does somebody use it? Wait for them to end.
//! 2. [`Multipath::withdraw`] the WWID, so that the map is not made again.
//! 3. [`Multipath::remove`] the map. When it refuses, [enrol](Multipath::enrol) again.
//! 4. Take the disks away.
//!
//! # What it takes for true
//!
//! Names, uuids, sizes, disks and holders are read in sysfs, enrolment in
//! `/etc/multipath/wwids`, path states and open counts with `dmsetup`, which
//! only reads. What multipathd answers is never taken for done: see [`Reply`].
//! A map is one of a volume when its device-mapper uuid is `mpath-` and the
//! WWID, not when its name looks like it.
//!
//! # Time
//!
//! Functions that wait take a `deadline` and end by it, some seconds later at
//! most. What the daemon and the tools need in ordinary cases is milliseconds;
//! [`Patience`] has the waits in between. **An open of a disk whose path is
//! down can block for minutes** ([`Multipath::scsi_id`] does one): look at its
//! session or at `/sys/block/sdX/device/state` first.
//!
//! # Testing what is built on it
//!
//! [`Multipath::new`] takes a directory to read below, and the [`Effects`] to
//! act through: a pretend host needs no root rights.
//!
//! # Example
//!
//! ```no_run
//! use jdss_multipath::{Enrolment, Multipath, Wwid};
//! use std::time::{Duration, Instant};
//!
//! let multipath = Multipath::system();
//! multipath.check()?;
//! let wwid = Wwid::from_eui64(*b"4fa1c0de");
//! let deadline = Instant::now() + Duration::from_secs(60);
//!
//! let enrolment = multipath.enrol(&wwid, deadline)?;
//! // ... the disks sda and sdb come up here ...
//! let map = match multipath.wait_map(&wwid, &["sda", "sdb"], deadline) {
//!     Ok(map) => map,
//!     Err(error) => {
//!         if enrolment == Enrolment::Added {
//!             multipath.withdraw(&wwid, Instant::now() + Duration::from_secs(20))?;
//!         }
//!         return Err(error);
//!     }
//! };
//! assert!(map.path().exists());
//!
//! let usage = multipath.usage(&map)?;
//! if usage.is_free() {
//!     multipath.withdraw(&wwid, deadline)?;
//!     multipath.remove(&map, deadline)?;
//! }
//! # Ok::<(), jdss_multipath::Error>(())
//! ```

mod change;
mod config;
mod dmsetup;
mod effects;
mod enrol;
mod error;
mod map;
mod multipath;
pub mod page83;
mod remove;
mod reply;
mod socket;
mod usage;
mod wait;
mod wwid;
mod wwids;

pub use config::{Config, Section};
pub use effects::{Effects, System};
pub use enrol::Enrolment;
pub use error::{Error, Result};
pub use map::Map;
pub use multipath::{Multipath, Patience};
pub use reply::Reply;
pub use socket::Socket;
pub use usage::{MapUsage, PathState};
pub use wait::Obstacle;
pub use wwid::Wwid;
