//! Disks of sessions, as the kernel shows them.

use crate::number::Hctl;
use crate::session::{self, Observed};
use crate::{Error, Lun, SessionId};
use jdss_sys::Root;
use std::fmt;
use std::path::PathBuf;

/// A disk behind a session.
///
/// What it says of itself is what the kernel remembers: neither the size nor
/// the page 83 prove which volume answers at this LUN now. Rescan it first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disk {
    /// Its name: `sda`. A name is given to another disk when this one is gone.
    pub name: String,
    /// Its session.
    pub session: SessionId,
    /// Its LUN.
    pub lun: Lun,
    /// Its SCSI address: `2:0:0:1`.
    pub hctl: String,
    /// Whether it can be used.
    pub state: DiskState,
    /// Its size in bytes, as the kernel remembers it.
    pub size: u64,
}

impl Disk {
    /// Its device node: `/dev/sda`.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/dev").join(&self.name)
    }

    /// Its directory below the root.
    pub(crate) fn dir(&self) -> String {
        device_dir(&self.hctl)
    }
}

/// State of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskState {
    /// It can be used.
    Running,
    /// Its session is being recovered: requests wait, so does everyone who
    /// opens it.
    Blocked,
    /// Given up by error handling; requests fail.
    Offline,
    /// Its session was not recovered in time; requests fail.
    TransportOffline,
    /// The kernel said something else.
    Other(String),
}

impl DiskState {
    fn parse(text: &str) -> Self {
        match text {
            "running" => Self::Running,
            "blocked" => Self::Blocked,
            "offline" => Self::Offline,
            "transport-offline" => Self::TransportOffline,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for DiskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Offline => "offline",
            Self::TransportOffline => "transport-offline",
            Self::Other(text) => text,
        })
    }
}

pub(crate) fn device_dir(hctl: &str) -> String {
    format!("sys/class/scsi_device/{hctl}/device")
}

/// The disk at this address; `None` when there is none, or none any more.
pub(crate) fn at(root: &Root, session: SessionId, hctl: Hctl) -> Result<Option<Disk>, Error> {
    let Some(lun) = hctl.lun() else {
        return Ok(None);
    };
    let dir = device_dir(&hctl.to_string());
    let names = root.list(format!("{dir}/block")).map_err(Error::read)?;
    let (Some(name), Some(state)) = (
        names.into_iter().next(),
        root.read(format!("{dir}/state")).map_err(Error::read)?,
    ) else {
        return Ok(None);
    };
    let size = root
        .read(format!("sys/block/{name}/size"))
        .map_err(Error::read)?;
    // sysfs counts in units of 512 bytes whatever the disk's block size is.
    let Some(sectors) = size.and_then(|text| text.parse::<u64>().ok()) else {
        return Ok(None);
    };
    Ok(Some(Disk {
        name,
        session,
        lun,
        hctl: hctl.to_string(),
        state: DiskState::parse(&state),
        size: sectors.saturating_mul(512),
    }))
}

/// The disks of a session, by LUN; with `lun`, only the one at that LUN.
pub(crate) fn of(
    root: &Root,
    session: SessionId,
    host: u32,
    lun: Option<Lun>,
) -> Result<Vec<Disk>, Error> {
    let mut found = Vec::new();
    for hctl in session::devices(root, host)? {
        if lun.is_none() || hctl.lun() == lun {
            found.extend(at(root, session, hctl)?);
        }
    }
    Ok(found)
}

/// The disks of all these sessions, by session and LUN.
pub(crate) fn of_all(root: &Root, sessions: &[Observed]) -> Result<Vec<Disk>, Error> {
    let devices = session::all_devices(root)?;
    let mut found = Vec::new();
    for session in sessions {
        for hctl in devices.iter().filter(|hctl| hctl.host == session.host) {
            found.extend(at(root, session.id, *hctl)?);
        }
    }
    Ok(found)
}
