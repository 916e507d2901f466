//! What can go wrong, and what a caller may do about it.

mod api;
mod attempts;
mod difference;
mod kind;
mod protocol;
mod words;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::model::{Session, Vip};
use crate::names::NameError;
use crate::transport::TransportError;
use words::{Dependents, List};

pub use api::ApiError;
pub use attempts::Attempts;
pub use difference::Difference;
pub use kind::ErrorKind;
pub use protocol::ProtocolReason;

/// An error of this crate.
///
/// # Example
///
/// ```
/// use jdss_rest::{Error, ErrorKind};
///
/// fn explain(error: &Error) -> String {
///     match error {
///         Error::HasDependents { snapshots, clones, .. } => {
///             format!("delete first: {snapshots:?} {clones:?}")
///         }
///         error if error.kind() == ErrorKind::Missing => "it is not there".to_owned(),
///         error => error.to_string(),
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client was given no control address.
    #[error("no control address is given; at least one IP address of the appliance is needed")]
    NoAddress,
    /// The user name cannot be used with Basic authentication.
    #[error("the user name contains a ':'; choose a user without one")]
    BadUser,
    /// The file with the certificates cannot be read.
    #[error("cannot read the CA file {}", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no usable certificate.
    #[error(
        "no certificate can be read from {origin}; a PEM file with the appliance's CA certificate is needed"
    )]
    BadCa {
        /// Where it was looked for.
        origin: String,
    },
    /// No certificate could ever be trusted.
    #[error(
        "no fingerprint is pinned; at least one SHA-256 fingerprint of the appliance's certificate is needed"
    )]
    NoPin,
    /// A name is not valid.
    #[error("{reason}")]
    Name {
        /// What is wrong with it.
        reason: NameError,
    },
    /// A limit of LUNs a target is not valid.
    #[error("{found} LUNs per target are asked for; allowed are 1 to {max}")]
    LunLimit {
        /// The limit found.
        found: u16,
        /// The largest one.
        max: u16,
    },
    /// A block size is not one that the appliance has.
    #[error("block size {found} is not allowed; use a power of two from 4096 to 1048576")]
    BlockSize {
        /// The size found, in bytes.
        found: u32,
    },
    /// A volume was to be created that exists already.
    #[error("volume {pool}/{volume} exists already; choose another name")]
    VolumeExists {
        /// Physical name of the volume.
        volume: String,
        /// Its pool.
        pool: String,
    },
    /// None of the control addresses gave an answer.
    #[error(
        "cannot reach the appliance to {what}: {attempts}; check that the control addresses are right, that the port is open and that the appliance is up"
    )]
    Unreachable {
        /// What was to be done.
        what: String,
        /// Each address, with the reason.
        attempts: Attempts,
    },
    /// No control address gave an answer, and some showed a certificate that is not trusted.
    #[error(
        "cannot {what}: {attempts}; pin the fingerprint of the appliance's certificate after comparing it there, or give the certificate of the authority that signed it and use an address named in it, or switch the verification off"
    )]
    Untrusted {
        /// What was to be done.
        what: String,
        /// Each address, with the reason.
        attempts: Attempts,
    },
    /// The time given passed.
    #[error("no time left to {what}{}", .attempts.as_suffix())]
    Deadline {
        /// What was to be done.
        what: String,
        /// The addresses tried last, with the reason.
        attempts: Attempts,
    },
    /// A request that creates something got no answer: it may have been done or not.
    #[error(
        "no answer from {address} to the request to {what}, so it may have been done or not; look before trying again"
    )]
    LostReply {
        /// The address asked.
        address: SocketAddr,
        /// What was to be done.
        what: String,
        /// Why there was no answer.
        #[source]
        source: TransportError,
    },
    /// The appliance answered with an error.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// The answer is not what the API promises.
    #[error("{address} gave an unusable answer to {what} (HTTP status {status}): {reason}")]
    Protocol {
        /// The address asked.
        address: SocketAddr,
        /// What was to be done.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong.
        reason: ProtocolReason,
    },
    /// None of the data addresses is a VIP of the pool.
    #[error("none of the data addresses {} is a VIP of pool {pool} (its VIPs: {}); set the data addresses to VIPs of this pool", List(.wanted), List(.found))]
    NoVip {
        /// The pool.
        pool: String,
        /// The data addresses asked for.
        wanted: Vec<IpAddr>,
        /// The VIPs of the pool.
        found: Vec<Vip>,
    },
    /// VIPs match, but the target is not allowed to serve on them.
    #[error("target {target} may not be reached on any of the data addresses {} (allowed VIPs: {}); allow one of them on the target", List(.wanted), List(.allowed))]
    VipNotAllowed {
        /// The target.
        target: String,
        /// The data addresses asked for.
        wanted: Vec<IpAddr>,
        /// Names of the VIPs that the target may use.
        allowed: Vec<String>,
    },
    /// The target is switched off on the appliance.
    #[error("target {target} in pool {pool} is inactive; activate it on the appliance")]
    Inactive {
        /// The target.
        target: String,
        /// Its pool.
        pool: String,
    },
    /// The name of the target is taken, and not in this pool.
    #[error(
        "target name {target} is taken outside of pool {pool}; use another target prefix for this storage"
    )]
    TargetElsewhere {
        /// The target.
        target: String,
        /// The pool in which it was to be.
        pool: String,
    },
    /// A volume is attached to more than one target.
    #[error("volume {pool}/{volume} is attached more than once ({}); detach it on the appliance from all but one", List(.targets))]
    AttachedTwice {
        /// Physical name of the volume.
        volume: String,
        /// Its pool.
        pool: String,
        /// The targets.
        targets: Vec<String>,
    },
    /// The appliance does not say where a volume is attached.
    #[error(
        "volume {volume} is attached, but the appliance does not name the pool or the target; try again"
    )]
    Incomplete {
        /// Physical name of the volume.
        volume: String,
    },
    /// The appliance names no SCSI ID for the LUN.
    #[error(
        "the appliance gives no SCSI ID for volume {volume} on target {target}; without it the device cannot be told from others; try again"
    )]
    NoScsiId {
        /// Physical name of the volume.
        volume: String,
        /// The target.
        target: String,
    },
    /// Others changed the same targets at the same time, again and again.
    #[error(
        "cannot attach volume {volume}: gave up after {rounds} attempts, as something came between each time; try again"
    )]
    Contended {
        /// Physical name of the volume.
        volume: String,
        /// Attempts made.
        rounds: u32,
        /// What stopped the last one.
        #[source]
        source: Box<Error>,
    },
    /// Snapshots or clones depend on it, so that it cannot be deleted.
    #[error("cannot {what}: {} depend on it; delete these first", Dependents(.snapshots, .clones))]
    HasDependents {
        /// What was to be done.
        what: String,
        /// Physical names of the snapshots.
        snapshots: Vec<String>,
        /// Physical names of the clones.
        clones: Vec<String>,
    },
    /// A rollback would destroy, or is blocked by, more than the caller allowed.
    #[error("cannot roll volume {volume} back to snapshot {snapshot}: {} came later; delete these first, or allow the rollback to destroy the snapshots", Dependents(.snapshots, .clones))]
    RollbackBlocked {
        /// Physical name of the volume.
        volume: String,
        /// Physical name of the snapshot.
        snapshot: String,
        /// Physical names of newer snapshots that may not be destroyed.
        snapshots: Vec<String>,
        /// Physical names of clones of newer snapshots; a rollback never destroys these.
        clones: Vec<String>,
    },
    /// Initiators that are not the caller's have sessions with the target.
    #[error("target {target} is in use by {}; log these initiators out first, or have their sessions ignored if their hosts are dead", List(.sessions))]
    ForeignSessions {
        /// The target.
        target: String,
        /// The sessions of others.
        sessions: Vec<Session>,
    },
    /// The switch for CHAP is not turned under sessions: they could not come back, or lose a protection.
    #[error("CHAP of target {target} is {}, and cannot be switched {} while it is in use by {}; log these initiators out first", on(!*.wanted), on(*.wanted), List(.sessions))]
    ChapInUse {
        /// The target.
        target: String,
        /// Whether CHAP was to be on.
        wanted: bool,
        /// The sessions.
        sessions: Vec<Session>,
    },
    /// A list changed while it was read, again and again.
    #[error(
        "cannot {what}: {got} entries were read, but the appliance counts {of}; the list changes while it is read, or the appliance is overloaded; try again"
    )]
    ListChanged {
        /// What was to be done.
        what: String,
        /// Entries read, each counted once.
        got: u64,
        /// Entries that the appliance counts.
        of: u64,
    },
    /// An entry of a list cannot be read. The others are not in doubt.
    #[error("cannot {what}: entry {name} is not understood: {detail}")]
    BadEntry {
        /// What was to be done.
        what: String,
        /// The name of the entry, or what there is of it.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A volume would become smaller.
    #[error(
        "volume {volume} has {found} bytes and cannot shrink to {wanted}; ask for {found} bytes or more"
    )]
    Shrink {
        /// Physical name of the volume.
        volume: String,
        /// Its size, in bytes.
        found: u64,
        /// The size asked for, in bytes and rounded up to whole blocks.
        wanted: u64,
    },
    /// A change was accepted, but the appliance does not show it in time.
    #[error(
        "the appliance accepted to {what}, but still shows {found}; look again before relying on it"
    )]
    NotSeen {
        /// What was to be done.
        what: String,
        /// What is there instead.
        found: String,
    },
    /// The appliance gives no SCSI ID for a volume, so that a change of its name cannot be verified.
    #[error(
        "the appliance gives no SCSI ID for volume {volume}; without it a renamed volume cannot be told from another; try again"
    )]
    Unidentified {
        /// Physical name of the volume.
        volume: String,
    },
    /// A snapshot was to be created that exists already.
    #[error("snapshot {pool}/{volume}@{snapshot} exists already; choose another name")]
    SnapshotExists {
        /// Its pool.
        pool: String,
        /// Physical name of the volume.
        volume: String,
        /// Physical name of the snapshot.
        snapshot: String,
    },
    /// The name is taken by a volume that is not the one meant.
    #[error("volume {pool}/{volume} is another one than expected: {reason}; choose another name")]
    OtherVolume {
        /// Its pool.
        pool: String,
        /// Physical name of the volume.
        volume: String,
        /// In what it differs.
        reason: Box<Difference>,
    },
    /// A rollback was done, but what it destroyed cannot be listed.
    #[error(
        "volume {volume} was rolled back to snapshot {snapshot}, but what that destroyed cannot be listed; compare the snapshots known before with those there now"
    )]
    RolledBack {
        /// Physical name of the volume.
        volume: String,
        /// Physical name of the snapshot.
        snapshot: String,
        /// Why not.
        #[source]
        source: Box<Error>,
    },
    /// A failure, and what this call had created could not be taken back either.
    #[error("{cause}; besides, {left} could not be removed: {undo}")]
    NotUndone {
        /// The first failure.
        cause: Box<Error>,
        /// What is left behind: "the new target iqn.a:b".
        left: String,
        /// Why it could not be removed.
        undo: Box<Error>,
    },
}

fn on(switch: bool) -> &'static str {
    if switch { "on" } else { "off" }
}
