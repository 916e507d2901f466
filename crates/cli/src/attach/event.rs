//! What an operation did, told as it happens.

use std::fmt;

use jdss_state::Phase;

/// One thing that an operation has done or found, in the order it happened.
///
/// `Display` gives one line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The volume was up already and nothing was changed.
    AlreadyUp,
    /// The intent or the outcome is on disk.
    Recorded {
        /// The phase in the record.
        phase: Phase,
    },
    /// The appliance exports the volume.
    Published {
        /// Name of the target.
        target: String,
        /// Number of the LUN.
        lun: u16,
        /// WWID that the appliance's SCSI ID gives on this host.
        wwid: String,
        /// Size in bytes.
        size: u64,
    },
    /// A leftover of an earlier use was taken away before the scan.
    Settled {
        /// What it was.
        what: String,
    },
    /// The WWID is in multipath's list.
    Enrolled {
        /// The WWID.
        wwid: String,
        /// False when it was there before.
        added: bool,
    },
    /// A session to this portal is up.
    LoggedIn {
        /// Address and port.
        portal: String,
        /// False when it was there before.
        new: bool,
    },
    /// A portal gives no session.
    PortalDown {
        /// Address and port.
        portal: String,
        /// Why.
        reason: String,
    },
    /// A disk of the volume is there and has proved to be ours.
    Disk {
        /// Kernel name, e.g. `sda`.
        disk: String,
        /// The portal that it comes through.
        portal: String,
    },
    /// `scsi_id` was asked about a new disk and named our WWID.
    ScsiId {
        /// Kernel name of the disk.
        disk: String,
        /// The answer.
        wwid: String,
    },
    /// The map is there and has proved to be ours.
    Map {
        /// Path of its node.
        path: String,
        /// How many of its paths are active.
        active: usize,
    },
    /// The stable link points to the device.
    Linked {
        /// The link.
        link: String,
    },
    /// The stable link is gone.
    Unlinked {
        /// The link.
        link: String,
    },
    /// The WWID is no longer in multipath's list.
    Withdrawn {
        /// The WWID.
        wwid: String,
    },
    /// The map is gone.
    MapRemoved {
        /// Its name.
        name: String,
    },
    /// A disk of the volume is gone.
    DiskRemoved {
        /// Kernel name.
        disk: String,
    },
    /// The sessions of the target at these portals are gone.
    LoggedOut {
        /// Name of the target.
        target: String,
        /// Addresses and ports.
        portals: Vec<String>,
    },
    /// Sessions stay, since others use them.
    SessionsKept {
        /// Name of the target.
        target: String,
    },
    /// The record is gone.
    Forgotten,
    /// Something that the administrator should know, without which it works.
    Note {
        /// One sentence.
        text: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyUp => f.write_str("already up, nothing to do"),
            Self::Recorded { phase } => write!(f, "record written: {}", phase_name(*phase)),
            Self::Published {
                target,
                lun,
                wwid,
                size,
            } => {
                write!(
                    f,
                    "appliance exports it as {target} LUN {lun}, WWID {wwid}, {size} bytes"
                )
            }
            Self::Settled { what } => write!(f, "leftover taken away: {what}"),
            Self::Enrolled { wwid, added: true } => {
                write!(f, "WWID {wwid} enrolled with multipath")
            }
            Self::Enrolled { wwid, added: false } => {
                write!(f, "WWID {wwid} is enrolled with multipath already")
            }
            Self::LoggedIn { portal, new: true } => write!(f, "logged in at {portal}"),
            Self::LoggedIn { portal, new: false } => write!(f, "session at {portal} is up already"),
            Self::PortalDown { portal, reason } => write!(f, "portal {portal} is down: {reason}"),
            Self::Disk { disk, portal } => write!(f, "disk {disk} through {portal} is the volume"),
            Self::ScsiId { disk, wwid } => write!(f, "scsi_id says {wwid} for {disk}"),
            Self::Map { path, active } => write!(f, "{path} is up with {active} active path(s)"),
            Self::Linked { link } => write!(f, "{link} points to it"),
            Self::Unlinked { link } => write!(f, "{link} is gone"),
            Self::Withdrawn { wwid } => write!(f, "WWID {wwid} withdrawn from multipath"),
            Self::MapRemoved { name } => write!(f, "map {name} is gone"),
            Self::DiskRemoved { disk } => write!(f, "disk {disk} is gone"),
            Self::LoggedOut { target, portals } => {
                write!(f, "logged out of {target} at {}", portals.join(", "))
            }
            Self::SessionsKept { target } => {
                write!(f, "sessions of {target} stay: other volumes use them")
            }
            Self::Forgotten => f.write_str("record is gone"),
            Self::Note { text } => write!(f, "note: {text}"),
        }
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Activating => "activating",
        Phase::Active => "active",
        Phase::Deactivating => "deactivating",
        Phase::UnpublishPending => "unpublish-pending",
    }
}
