//! The paths of a volume on this host, as sysfs shows them now.

use jdss_iscsi::{Disk, DiskState, Portal, Session};

use super::convert::Place;
use super::{Attach, Error, MissingPath};

/// One portal of the volume: its session and the disk at our LUN, if any.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) portal: Portal,
    pub(super) session: Option<Session>,
    pub(super) disk: Option<Disk>,
}

impl Path {
    /// The disk, when I/O may be sent to it without the risk of a hang: its
    /// session is logged in and it is running.
    pub(super) fn up(&self) -> Option<&Disk> {
        let session = self.session.as_ref()?;
        self.disk
            .as_ref()
            .filter(|disk| session.is_up() && disk.state == DiskState::Running)
    }

    /// Why this path is not up, in words.
    pub(super) fn reason(&self) -> String {
        match (&self.session, &self.disk) {
            (None, _) => "no session".into(),
            (Some(session), _) if !session.is_up() => {
                format!("session {} is {}", session.id, session.state)
            }
            (Some(_), None) => "session is up, but the LUN has no disk".into(),
            (Some(_), Some(disk)) => format!("disk {} is {}", disk.name, disk.state),
        }
    }
}

impl Attach {
    /// One entry for each portal of `place`, in its order.
    pub(super) fn paths(&self, place: &Place) -> Result<Vec<Path>, Error> {
        let sessions = self.initiator.sessions().map_err(Error::Iscsi)?;
        place
            .portals
            .iter()
            .map(|portal| {
                let mut matching: Vec<_> = sessions
                    .iter()
                    .filter(|s| s.target == place.target && s.portal == *portal)
                    .cloned()
                    .collect();
                // Should there be two for one portal, the one that works counts.
                matching.sort_by_key(|s| !s.is_up());
                let session = matching.into_iter().next();
                let disk = match &session {
                    Some(s) => self.initiator.disk(s, place.lun).map_err(Error::Iscsi)?,
                    None => None,
                };
                Ok(Path {
                    portal: *portal,
                    session,
                    disk,
                })
            })
            .collect()
    }
}

/// Splits paths into portals whose disk is among `usable` and those that are
/// missing, with the reason.
pub(super) fn split(paths: &[Path], usable: &[String]) -> (Vec<String>, Vec<MissingPath>) {
    let mut up = Vec::new();
    let mut missing = Vec::new();
    for path in paths {
        let portal = path.portal.to_string();
        match path.up() {
            Some(disk) if usable.contains(&disk.name) => up.push(portal),
            Some(disk) => missing.push(MissingPath {
                portal,
                reason: format!("disk {} is no working path of the map", disk.name),
            }),
            None => missing.push(MissingPath {
                portal,
                reason: path.reason(),
            }),
        }
    }
    (up, missing)
}
