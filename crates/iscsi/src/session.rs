//! Sessions, as the kernel shows them.

use crate::number::Hctl;
use crate::{Error, Iqn, Portal, SessionId};
use jdss_sys::Root;
use std::path::{Component, Path};

/// A session of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// The kernel's number of it.
    pub id: SessionId,
    /// Its target.
    pub target: Iqn,
    /// The portal that was asked for; after a redirect the session may run to
    /// another one.
    pub portal: Portal,
    /// Whether it is up.
    pub state: SessionState,
    /// Number of its SCSI host.
    pub host: u32,
    /// How many seconds its disks wait for it to come back; -1 means for ever.
    /// `None` when the kernel did not say.
    pub recovery_tmo: Option<i64>,
}

impl Session {
    /// Whether it is logged in. Only then may its disks be scanned, rescanned,
    /// opened or read: everything else can hang until it has recovered.
    pub fn is_up(&self) -> bool {
        self.state == SessionState::LoggedIn
    }
}

/// State of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// It works.
    LoggedIn,
    /// It broke off and is being recovered; its disks are blocked meanwhile.
    Failed,
    /// Not there yet, or not recovered in time; its disks fail every request.
    Free,
    /// The kernel said something else.
    Unknown,
}

impl SessionState {
    fn parse(text: &str) -> Self {
        match text {
            "LOGGED_IN" => Self::LoggedIn,
            "FAILED" => Self::Failed,
            "FREE" => Self::Free,
            _ => Self::Unknown,
        }
    }
}

impl std::fmt::Display for SessionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LoggedIn => "logged in",
            Self::Failed => "failed, being recovered",
            Self::Free => "free (not connected)",
            Self::Unknown => "in an unknown state",
        })
    }
}

/// A session whose portal may have no numeric address, which happens to those
/// of other programs.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    pub(crate) id: SessionId,
    pub(crate) target: Iqn,
    pub(crate) portal: Option<Portal>,
    pub(crate) state: SessionState,
    pub(crate) host: u32,
    pub(crate) recovery_tmo: Option<i64>,
}

impl Observed {
    pub(crate) fn session(self) -> Option<Session> {
        Some(Session {
            id: self.id,
            target: self.target,
            portal: self.portal?,
            state: self.state,
            host: self.host,
            recovery_tmo: self.recovery_tmo,
        })
    }
}

const CLASS: &str = "sys/class/iscsi_session";

/// All sessions, by number.
pub(crate) fn observe(root: &Root) -> Result<Vec<Observed>, Error> {
    let names = root.list(CLASS).map_err(Error::read)?;
    let mut found = Vec::new();
    for name in names {
        if let Some(number) = name.strip_prefix("session").and_then(|n| n.parse().ok()) {
            found.extend(observe_one(root, number).map_err(Error::read)?);
        }
    }
    found.sort_by_key(|session| session.id);
    Ok(found)
}

/// `None` when it is gone, is going, or is not whole yet.
pub(crate) fn observe_one(root: &Root, number: u32) -> std::io::Result<Option<Observed>> {
    let dir = format!("{CLASS}/session{number}");
    let text = |path: String| root.read(path).map(|text| text.filter(|t| is_set(t)));
    let (Some(target), Some(state), Some(host)) = (
        text(format!("{dir}/targetname"))?,
        text(format!("{dir}/state"))?,
        host(root, &dir, number)?,
    ) else {
        return Ok(None);
    };
    let connection = format!("sys/class/iscsi_connection/connection{number}:0");
    let (Some(address), Some(port)) = (
        text(format!("{connection}/persistent_address"))?,
        text(format!("{connection}/persistent_port"))?,
    ) else {
        return Ok(None);
    };
    let portal = Portal::from_fields(&address, &port).or_else(|| {
        // A host name was asked for. Where it led is known while connected;
        // otherwise reading this fails with ENOTCONN.
        let address = root.read(format!("{connection}/address")).ok()??;
        Portal::from_fields(&address, &port)
    });
    let recovery_tmo = text(format!("{dir}/recovery_tmo"))?;
    Ok(Some(Observed {
        id: SessionId::from(number),
        target: Iqn::reported(target),
        portal,
        state: SessionState::parse(&state),
        host,
        recovery_tmo: recovery_tmo.and_then(|text| match text.as_str() {
            "off" => Some(-1),
            number => number.parse().ok(),
        }),
    }))
}

/// Whether anything is left of a session.
pub(crate) fn is_traced(root: &Root, id: SessionId) -> Result<bool, Error> {
    root.exists(format!("{CLASS}/session{id}"))
        .map_err(Error::read)
}

/// The kernel prints a name that is not set yet, or no more, as `(null)`.
fn is_set(text: &str) -> bool {
    !text.is_empty() && text != "(null)"
}

/// The number of the session's SCSI host, from its place in the device tree.
fn host(root: &Root, dir: &str, number: u32) -> std::io::Result<Option<u32>> {
    let device = format!("{dir}/device");
    let resolved = root.resolve(&device)?;
    if let Some(host) = resolved.and_then(|path| host_in(&path, number)) {
        return Ok(Some(host));
    }
    // In a tree that is not a whole sysfs the link may lead nowhere.
    Ok(root.link(&device)?.and_then(|path| host_in(&path, number)))
}

/// The `2` of `.../host2/session1`.
fn host_in(path: &Path, session: u32) -> Option<u32> {
    let names: Vec<&str> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let session = format!("session{session}");
    let mut pairs = names.windows(2).filter(|pair| pair[1] == session);
    pairs.find_map(|pair| pair[0].strip_prefix("host")?.parse().ok())
}

/// Addresses of all SCSI devices of a host, disks or not, sorted.
pub(crate) fn devices(root: &Root, host: u32) -> Result<Vec<Hctl>, Error> {
    let mut found = all_devices(root)?;
    found.retain(|hctl| hctl.host == host);
    Ok(found)
}

/// Addresses of all SCSI devices, sorted.
pub(crate) fn all_devices(root: &Root) -> Result<Vec<Hctl>, Error> {
    let names = root.list("sys/class/scsi_device").map_err(Error::read)?;
    let mut found: Vec<Hctl> = names.iter().filter_map(|name| Hctl::parse(name)).collect();
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_host_is_the_directory_above_the_session() {
        let path = Path::new("/sys/devices/platform/host12/session1/iscsi_session/session1");
        assert_eq!(host_in(path, 1), Some(12));
        assert_eq!(host_in(Path::new("../../../session1"), 1), None);
        assert_eq!(host_in(Path::new("/host2/session10"), 1), None);
    }

    proptest! {
        #[test]
        fn no_path_panics(path in ".{0,40}") {
            let _ = host_in(Path::new(&path), 1);
        }
    }
}
