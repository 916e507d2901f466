//! Why the appliance refuses something.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why the appliance refuses something, in the words that its REST API uses where those are known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the text of each case says what the fields are"
)]
pub enum Error {
    #[error("Pool {pool} not found.")]
    PoolMissing { pool: String },
    #[error("pool {pool} exists already")]
    PoolExists { pool: String },
    #[error("VIP {vip} of pool {pool} exists already")]
    VipExists { pool: String, vip: String },
    #[error("VIP {vip} not found in pool {pool}.")]
    VipMissing { pool: String, vip: String },
    #[error("Zfs resource: {pool}/{volume} not found in this collection.")]
    VolumeMissing { pool: String, volume: String },
    #[error("Resource {pool}/{volume} already exists.")]
    VolumeExists { pool: String, volume: String },
    #[error("cannot destroy '{pool}/{volume}': dataset is busy")]
    VolumeBusy { pool: String, volume: String },
    #[error("In order to delete a zvol, you must delete all of its clones first.")]
    VolumeHasClones { pool: String, volume: String },
    #[error(
        "cannot destroy '{pool}/{volume}': volume has children\nuse '-r' to destroy the following datasets:{}",
        lines(snapshots, &format!("{pool}/{volume}@"))
    )]
    VolumeHasSnapshots {
        pool: String,
        volume: String,
        snapshots: Vec<String>,
    },
    #[error("cannot create '{pool}/{name}': dataset already exists")]
    DatasetExists { pool: String, name: String },
    #[error("Zfs resource: {pool}/{volume}@{snapshot} not found in this collection.")]
    SnapshotMissing {
        pool: String,
        volume: String,
        snapshot: String,
    },
    #[error("Resource {pool}/{volume}@{snapshot} already exists.")]
    SnapshotExists {
        pool: String,
        volume: String,
        snapshot: String,
    },
    #[error(
        "cannot destroy '{pool}/{volume}@{snapshot}': snapshot has dependent clones\nuse '-R' to destroy the following datasets:{}",
        lines(clones, &format!("{pool}/"))
    )]
    SnapshotHasClones {
        pool: String,
        volume: String,
        snapshot: String,
        clones: Vec<String>,
    },
    #[error(
        "cannot rollback to '{pool}/{volume}@{snapshot}': clones of previous snapshots exist\nuse '-R' to force deletion of the following clones and dependents:{}",
        lines(clones, &format!("{pool}/"))
    )]
    RollbackBlocked {
        pool: String,
        volume: String,
        snapshot: String,
        clones: Vec<String>,
    },
    #[error("cannot promote '{pool}/{volume}': not a cloned filesystem")]
    NotAClone { pool: String, volume: String },
    #[error("cannot promote '{pool}/{volume}': snapshot name '{snapshot}' conflicts")]
    PromotionConflict {
        pool: String,
        volume: String,
        snapshot: String,
    },
    #[error("cannot create '{name}': name is too long")]
    NameTooLong { name: String },
    #[error("New zvol size({wanted}) exceeds available space on pool {pool}({available}).")]
    NoSpace {
        pool: String,
        wanted: u64,
        available: u64,
    },
    #[error("'{name}' is not a name: 1 to 256 of A-Z a-z 0-9 _ - are allowed")]
    InvalidName { name: String },
    #[error("volume size {size} must be at least the volume block size {block_size}")]
    InvalidSize { size: u64, block_size: u64 },
    #[error("'{text}' is not a size: a number of bytes, or a number with K, M, G or T")]
    InvalidSizeText { text: String },
    #[error("'{scsi_id}' is not a SCSI ID: 16 printable characters without blanks are needed")]
    InvalidScsiId { scsi_id: String },
    #[error("Target {target} not exists.")]
    TargetMissing { target: String },
    #[error("Target with name {target} is already present on {pool}.")]
    TargetExists { target: String, pool: String },
    #[error("Target {target} is in use: device or resource busy")]
    TargetBusy { target: String },
    #[error("Target {target} is not empty: it has LUNs.")]
    TargetHasLuns { target: String },
    #[error("'{name}' is not a target name: 1 to 223 of a-z 0-9 . : - are allowed")]
    InvalidIqn { name: String },
    #[error("Lun {volume} not exists in {target}.")]
    LunMissing { target: String, volume: String },
    #[error("Volume {pool}/{volume} is already used.")]
    VolumeUsed { pool: String, volume: String },
    #[error("LUN {lun} is already used in {target}.")]
    LunUsed { lun: u16, target: String },
    #[error("LUN {lun} is too high: 0 to 16383 are allowed")]
    InvalidLun { lun: u16 },
    #[error("Incoming users of {target} not exists.")]
    UsersMissing { target: String },
    #[error("User {user} not exists.")]
    UserMissing { user: String },
    #[error("User {user} already exists.")]
    UserExists { user: String },
    #[error("'{user}' is not a user name: letters, digits, _ and inside also - are allowed")]
    InvalidUserName { user: String },
    #[error(
        "the password has {length} characters or a wrong one: 12 to 255 of A-Z a-z 0-9 -_!@%()+?.:; are allowed"
    )]
    InvalidPassword { length: usize },
    #[error("there is no route {method} {route}: give it as the log of requests does")]
    UnknownRoute { method: String, route: String },
    #[error("a {method} reads no list that could be wrong: set this fault for a GET")]
    UnfitFault { method: String },
    #[error("there is one head only: describe a second one, to which a pool can move")]
    OneHead,
    #[error("pool {pool} is on its way already: let it arrive first")]
    PoolMoving { pool: String },
    #[error("pool {pool} is not on its way: move it first")]
    PoolNotMoving { pool: String },
    #[error("{message}")]
    Control { message: String },
    #[error("nothing is served at {address}")]
    UnknownPortal { address: IpAddr },
    #[error("cannot {action} {address}")]
    Socket {
        action: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Each name on a line of its own, as ZFS lists them.
fn lines(names: &[String], prefix: &str) -> String {
    names
        .iter()
        .fold(String::new(), |text, name| text + "\n" + prefix + name)
}
