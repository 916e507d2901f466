use std::fmt;

use crate::names::ScsiId;

/// A block volume.
///
/// # Example
///
/// ```
/// use jdss_rest::{Volume, VolumeId};
///
/// fn describe(volume: &Volume) -> String {
///     let gib = volume.size >> 30;
///     match VolumeId::from_physical(&volume.name) {
///         Some(id) => format!("{id}, {gib} GiB"),
///         None => format!("{} of somebody else, {gib} GiB", volume.name),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Volume {
    /// Its physical name.
    pub name: String,
    /// Its size as a disk, in bytes.
    pub size: u64,
    /// The SCSI ID it will have, or has, as a LUN; may be absent right after creation.
    pub scsi_id: Option<ScsiId>,
    /// The snapshot it is a clone of.
    pub origin: Option<Origin>,
    /// Its block size, in bytes.
    pub block_size: Option<u64>,
    /// When it was made, in seconds since 1970.
    pub created: Option<u64>,
    /// Whether space is taken only as data is written; `None` when the appliance does not say.
    pub thin: Option<bool>,
    /// Bytes that it takes in the pool, its snapshots included.
    pub used: Option<u64>,
    /// Whether it refuses to be written.
    pub read_only: Option<bool>,
    /// Whether it depends on the snapshot of another volume.
    ///
    /// It turns false when the clone is promoted, which also happens on the appliance
    /// when the other volume is deleted there.
    pub is_clone: bool,
}

/// The snapshot from which a clone was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The pool.
    pub pool: String,
    /// Physical name of the volume.
    pub volume: String,
    /// Physical name of the snapshot.
    pub snapshot: String,
}

impl Origin {
    /// Takes `Pool-0/v_vm-100-disk-0@s_snap1` apart; `None` for anything else.
    ///
    /// # Example
    ///
    /// ```
    /// let origin = jdss_rest::Origin::parse("Pool-0/v_a@s_b").expect("an origin");
    /// assert_eq!((origin.volume.as_str(), origin.snapshot.as_str()), ("v_a", "s_b"));
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pool, rest) = text.split_once('/')?;
        let (volume, snapshot) = rest.rsplit_once('@')?;
        Some(Self {
            pool: pool.to_owned(),
            volume: volume.to_owned(),
            snapshot: snapshot.to_owned(),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.pool, self.volume, self.snapshot)
    }
}
