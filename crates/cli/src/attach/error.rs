//! What can go wrong in an operation, by class.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jdss_iscsi::{Iqn, Lun, Portal};
use jdss_multipath::Wwid;

/// Why an operation failed.
///
/// The text says what happened and what to do; [`class`](Self::class) is what
/// programs decide by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client of the appliance cannot be made from the configuration.
    #[error("the connection to the appliance cannot be set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The appliance refused, or did not answer.
    #[error(transparent)]
    Appliance(Box<jdss_rest::Error>),
    /// An iSCSI step on this host failed.
    #[error(transparent)]
    Iscsi(jdss_iscsi::Error),
    /// A multipath step on this host failed.
    #[error(transparent)]
    Multipath(jdss_multipath::Error),
    /// A record or a lock of this host failed.
    #[error(transparent)]
    State(jdss_state::Error),
    /// What the appliance or a record says cannot be used on this host.
    #[error("{what} `{value}` cannot be used")]
    Unusable {
        /// What it is, e.g. `target name`.
        what: &'static str,
        /// What was found.
        value: String,
        /// It is in a record of this host; otherwise the appliance said it.
        recorded: bool,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No portal gave a session.
    #[error("no portal of {target} gives a session: {}", list(portals))]
    NoSession {
        /// The target.
        target: Iqn,
        /// Each portal and why.
        portals: Vec<(Portal, String)>,
    },
    /// Sessions are up, yet no disk of the volume has appeared.
    #[error(
        "{target} LUN {lun} has given no usable disk: {}; \
         check at the appliance that the volume is attached there",
        list(portals)
    )]
    NoDisk {
        /// The target.
        target: Iqn,
        /// The LUN.
        lun: Lun,
        /// Each portal and why.
        portals: Vec<(Portal, String)>,
    },
    /// A device answers with another identity than the appliance named, and
    /// somebody has it open, so it was left alone.
    #[error(
        "{device} is held by {holder}, but answers as {found} where {wanted} is expected: nothing was handed out \
         and no device was taken away; stop what uses it, then try again"
    )]
    WrongDevice {
        /// The disk or map.
        device: String,
        /// Who has it.
        holder: String,
        /// The identity it has now.
        found: String,
        /// The identity that it should have.
        wanted: Wwid,
    },
    /// A device that somebody has open does not answer, so that nobody can tell
    /// what it is; it was left alone.
    #[error(
        "{device} is held by {holder} and does not answer as the volume: nothing was handed out and \
         nothing was changed; stop what uses it, or bring its paths back, then try again"
    )]
    Unclear {
        /// The disk or map.
        device: String,
        /// Who has it.
        holder: String,
    },
    /// A volume of this name is up, and by the configuration the name means
    /// another volume now.
    #[error(
        "{name} is up as {up}, but by the configuration it is {wanted} now; deactivate it first"
    )]
    OtherVolume {
        /// The volume's name.
        name: String,
        /// Pool and volume that are up.
        up: String,
        /// Pool and volume that the configuration means.
        wanted: String,
    },
    /// A disk keeps answering with another identity.
    #[error(
        "disk {disk} at {target} LUN {lun} answers as {found}, the appliance says {wanted}; nothing was handed out"
    )]
    Identity {
        /// Kernel name of the disk.
        disk: String,
        /// The target.
        target: Iqn,
        /// The LUN.
        lun: Lun,
        /// The identity it has.
        found: String,
        /// The identity that it should have.
        wanted: Wwid,
    },
    /// Another device on this host carries the volume's WWID.
    #[error(
        "WWID {wwid} is in use on this host already, by {other}: two volumes with one ID cannot be told apart; \
         give one of them another SCSI ID at the appliance, or deactivate the other"
    )]
    SameWwid {
        /// The WWID.
        wwid: Wwid,
        /// The other device or record.
        other: String,
    },
    /// A disk is in the map that is not one of the volume's paths.
    #[error(
        "map {map} contains disk {disk}, which is not a path of this volume; nothing was handed out"
    )]
    ForeignDisk {
        /// The map.
        map: String,
        /// The disk.
        disk: String,
    },
    /// The map has no path that works.
    #[error("map {map} has no active path: {}", .paths.join(", "))]
    NoActivePath {
        /// The map.
        map: String,
        /// State of each path.
        paths: Vec<String>,
    },
    /// The size differs from what the appliance says.
    #[error("{device} has {found} bytes, the appliance says {wanted}; nothing was handed out")]
    Size {
        /// Disk or map.
        device: String,
        /// Its size in bytes.
        found: u64,
        /// The size that the appliance gives.
        wanted: u64,
    },
    /// The device is in use and was left as it is.
    #[error("{device} is in use by {holder}; stop that first, then try again")]
    InUse {
        /// The device.
        device: String,
        /// Who has it.
        holder: String,
    },
    /// A map took a volume that is to be used through a single path.
    #[error(
        "multipathd has made map {map} of the volume although the storage says `multipath 0`; \
         set `multipath 1`, or keep multipathd off it (find_multipaths strict)"
    )]
    UnwantedMap {
        /// The map.
        map: String,
    },
    /// udev has not made the link that a single-path volume is used by.
    #[error("{link} does not lead to disk {disk}; is systemd-udevd running?")]
    NoById {
        /// The link.
        link: PathBuf,
        /// The disk.
        disk: String,
    },
    /// A link cannot be made or removed.
    #[error("cannot change link {link}")]
    Link {
        /// The link.
        link: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The deadline is too near for another step forward.
    #[error("time is over while {doing} (deadline {} s); a longer --deadline may help", .limit.as_secs())]
    TimeOver {
        /// What was about to be done.
        doing: &'static str,
        /// The whole deadline.
        limit: Duration,
    },
    /// Whoever asked is gone or has called it off.
    #[error("called off while {doing}")]
    Cancelled {
        /// What was about to be done.
        doing: &'static str,
    },
    /// The operation failed, and undoing it did not succeed either.
    #[error(
        "{cause}; and undoing it failed: {}; run deactivate to finish",
        list_errors(undo)
    )]
    NotUndone {
        /// The first failure.
        #[source]
        cause: Box<Error>,
        /// What could not be undone.
        undo: Vec<Error>,
    },
    /// Part of the volume's devices could not be taken away in time.
    #[error(
        "not everything could be taken away: {}; run deactivate again",
        list_errors(left)
    )]
    Left {
        /// Why, for each thing that is left.
        left: Vec<Error>,
    },
}

/// What kind of failure it is, for programs; see the exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The configuration cannot be used.
    Configuration,
    /// The appliance cannot be reached.
    Unreachable,
    /// The appliance refuses user name or password.
    Auth,
    /// The volume, pool or target does not exist.
    Missing,
    /// The appliance answered with another error.
    Appliance,
    /// No VIP of the pool is among the data addresses.
    NoVip,
    /// A tool or daemon of this host is missing or does not answer, or it may not be used.
    Host,
    /// No portal or path works.
    NoPath,
    /// A device or name belongs to something else.
    Conflict,
    /// The device is in use.
    InUse,
    /// Time was over.
    Timeout,
    /// A record or lock cannot be used.
    State,
}

impl Error {
    /// Whether devices of this host are left half way, and deactivate is to be run.
    #[must_use]
    pub fn leaves_something(&self) -> bool {
        matches!(self, Self::NotUndone { .. } | Self::Left { .. })
    }

    /// The class of this failure.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Setup(_) => Class::Configuration,
            Self::Appliance(e) => appliance(e),
            Self::Iscsi(e) => iscsi(e),
            Self::Multipath(e) => multipath(e),
            Self::State(e) if e.is_contention() => Class::Timeout,
            Self::State(_) => Class::State,
            Self::Unusable { recorded, .. } => {
                if *recorded {
                    Class::State
                } else {
                    Class::Appliance
                }
            }
            Self::NoSession { .. }
            | Self::NoDisk { .. }
            | Self::NoActivePath { .. }
            | Self::NoById { .. } => Class::NoPath,
            Self::WrongDevice { .. }
            | Self::Identity { .. }
            | Self::Unclear { .. }
            | Self::OtherVolume { .. }
            | Self::SameWwid { .. }
            | Self::ForeignDisk { .. }
            | Self::Size { .. }
            | Self::UnwantedMap { .. } => Class::Conflict,
            Self::InUse { .. } => Class::InUse,
            Self::Link { .. } => Class::Host,
            Self::TimeOver { .. } | Self::Cancelled { .. } => Class::Timeout,
            Self::NotUndone { cause, .. } => cause.class(),
            // In use only if something is; else its time was not enough.
            Self::Left { left } => {
                if left.iter().any(|e| e.class() == Class::InUse) {
                    Class::InUse
                } else {
                    Class::Timeout
                }
            }
        }
    }
}

fn appliance(error: &jdss_rest::Error) -> Class {
    use jdss_rest::ErrorKind as Kind;
    match error.kind() {
        Kind::Missing => Class::Missing,
        Kind::Auth => Class::Auth,
        Kind::Unreachable => Class::Unreachable,
        Kind::Untrusted | Kind::Invalid => Class::Configuration,
        Kind::Deadline => Class::Timeout,
        Kind::NoVip => Class::NoVip,
        Kind::Exists | Kind::Conflict => Class::Conflict,
        Kind::Busy | Kind::InUse => Class::InUse,
        _ => Class::Appliance,
    }
}

fn iscsi(error: &jdss_iscsi::Error) -> Class {
    match error {
        jdss_iscsi::Error::InUse { .. } => Class::InUse,
        jdss_iscsi::Error::NoTime { .. } => Class::Timeout,
        _ => Class::Host,
    }
}

fn multipath(error: &jdss_multipath::Error) -> Class {
    match error {
        jdss_multipath::Error::InUse { .. } => Class::InUse,
        jdss_multipath::Error::DeadlinePassed { .. } => Class::Timeout,
        jdss_multipath::Error::NoMap { .. } => Class::NoPath,
        _ => Class::Host,
    }
}

struct List<'a>(&'a [(Portal, String)]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (portal, why)) in self.0.iter().enumerate() {
            write!(f, "{}{portal}: {why}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

fn list(portals: &[(Portal, String)]) -> List<'_> {
    List(portals)
}

fn list_errors(errors: &[Error]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
