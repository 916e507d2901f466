use std::fmt;

use crate::names::ScsiId;

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
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// for session in client.pool("Pool-0").sessions("iqn.2025-04.a:vm-1-0", deadline)? {
    ///     if !session.is_of("iqn.1993-08.org.debian:01:aa11bb22cc33") {
    ///         println!("{session}"); // initiator iqn... at 10.1.0.51
    ///     }
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
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
