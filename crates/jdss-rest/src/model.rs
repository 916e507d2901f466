//! What the appliance has: pools, VIPs, volumes, targets, LUNs, sessions.

use std::fmt;
use std::net::IpAddr;

use crate::names::ScsiId;

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolInfo {
    /// Its name.
    pub name: String,
    /// Its identity, which survives a renaming; absent on some versions.
    pub id: Option<String>,
    /// Its size, in bytes.
    pub size: u64,
    /// Bytes that can still be allocated.
    pub available: u64,
    /// `ONLINE`, `DEGRADED` and so on.
    pub health: Option<String>,
}

/// A virtual IP address, which moves with its pool between the two heads of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vip {
    /// Its name, by which targets refer to it.
    pub name: String,
    /// Its address, as the appliance writes it.
    pub address: String,
}

impl Vip {
    /// Its address; `None` when the appliance writes something else there.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.trim().parse().ok()
    }
}

impl fmt::Display for Vip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.address)
    }
}

/// A block volume.
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

/// An iSCSI target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// Its name (IQN).
    pub name: String,
    /// Whether it serves at all.
    pub active: bool,
    /// Whether initiators must authenticate (CHAP).
    pub chap: bool,
    /// Names of the VIPs on which it serves; `None` means on every address.
    pub vips: Option<Vec<String>>,
}

/// A volume on a target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lun {
    /// Physical name of the volume.
    pub volume: String,
    /// Its number.
    pub lun: u16,
    /// Its SCSI ID; may be absent right after it was attached.
    pub scsi_id: Option<ScsiId>,
}

/// Where a volume is attached, as the question over all pools answers it.
///
/// Under load some of it can be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// The pool of volume and target.
    pub pool: Option<String>,
    /// The target.
    pub target: Option<String>,
    /// Physical name of the volume.
    pub volume: Option<String>,
    /// The number of the LUN.
    pub lun: Option<u16>,
    /// The SCSI ID of the LUN.
    pub scsi_id: Option<ScsiId>,
}

/// A session of an initiator with a target; with multipath there is one for each portal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// Its id on the appliance.
    pub id: String,
    /// The target.
    pub target: String,
    /// The name of the initiator.
    pub initiator: String,
    /// The address of the initiator, as the appliance writes it.
    pub address: String,
}

impl Session {
    /// Whether the session belongs to the initiator of this name; names compare without case.
    #[must_use]
    pub fn is_of(&self, initiator: &str) -> bool {
        self.initiator.eq_ignore_ascii_case(initiator)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "initiator {} at {}", self.initiator, self.address)
    }
}
