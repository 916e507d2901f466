//! The host's own initiator, driven through iscsiadm as an administrator does.

use std::time::Duration;

use crate::network::Portal;
use crate::sysfs::{self, Disk, Session};
use crate::{Command, Error, wait};

/// Settings of a new node record: those that the product uses, so that what is measured here holds for it.
const SETTINGS: [(&str, &str); 7] = [
    ("node.startup", "manual"),
    ("node.session.scan", "manual"),
    ("node.session.initial_login_retry_max", "1"),
    ("node.session.timeo.replacement_timeout", "5"),
    ("node.conn[0].timeo.login_timeout", "10"),
    ("node.conn[0].timeo.noop_out_interval", "2"),
    ("node.conn[0].timeo.noop_out_timeout", "2"),
];

/// `iscsiadm -m node` for one target at one portal.
#[must_use]
pub fn node(target: &str, portal: Portal) -> Command {
    Command::words("iscsiadm -m node -T").args([target, "-p", &portal.with_port()])
}

/// Makes a node record for `target` at `portal` and logs in. Nothing is scanned.
///
/// # Errors
///
/// Those of [`Command::ok`]; [`Error::InVain`] when the session is not there although the tool said so.
pub fn login(target: &str, portal: Portal) -> Result<Session, Error> {
    node(target, portal).args(["-o", "new"]).ok()?;
    let settings = SETTINGS
        .iter()
        .flat_map(|(name, value)| ["-n", name, "-v", value]);
    node(target, portal)
        .args(["-o", "update"])
        .args(settings)
        .ok()?;
    node(target, portal).arg("--login").ok()?;
    wait::until("a session", wait::SOON, || {
        let all = sysfs::sessions().map_err(|e| e.to_string())?;
        let found = all.iter().find(|s| {
            s.target == target && s.portal == portal.with_port() && s.state == "LOGGED_IN"
        });
        found.cloned().ok_or_else(|| format!("{all:?}"))
    })
}

/// Logs out of `target` at `portal` and deletes the node record.
///
/// # Errors
///
/// Those of [`Command::ok`].
pub fn logout(target: &str, portal: Portal) -> Result<(), Error> {
    node(target, portal).arg("--logout").ok()?;
    node(target, portal).args(["-o", "delete"]).ok()?;
    Ok(())
}

/// Asks the kernel to look for `lun` in `session`; a number that is not there makes no disk.
///
/// # Errors
///
/// [`Error::File`].
pub fn scan(session: &Session, lun: u64) -> Result<(), Error> {
    sysfs::write(
        format!("/sys/class/scsi_host/host{}/scan", session.host),
        &format!("0 0 {lun}"),
    )
}

/// The disk with `lun` in `session`, waited for until its node is there.
///
/// # Errors
///
/// [`Error::InVain`].
pub fn disk(session: &Session, lun: u64) -> Result<Disk, Error> {
    wait::until("a disk", wait::SOON, || {
        let all = sysfs::disks().map_err(|e| e.to_string())?;
        let found = all
            .iter()
            .find(|d| d.session == session.id && d.lun == lun && d.path().exists());
        found.cloned().ok_or_else(|| format!("{all:?}"))
    })
}

/// Logs in at both portals and scans for `lun`; the disks in the order of the portals.
///
/// # Errors
///
/// Those of [`login`], [`scan`] and [`disk`].
pub fn attach(target: &str, lun: u64) -> Result<[(Session, Disk); 2], Error> {
    let [first, second] = Portal::ALL;
    let sessions = [login(target, first)?, login(target, second)?];
    for session in &sessions {
        scan(session, lun)?;
    }
    let disks = [disk(&sessions[0], lun)?, disk(&sessions[1], lun)?];
    let [first, second] = sessions;
    let [a, b] = disks;
    Ok([(first, a), (second, b)])
}

/// Logs out at both portals.
///
/// # Errors
///
/// Those of [`logout`].
pub fn detach(target: &str) -> Result<(), Error> {
    Portal::ALL
        .into_iter()
        .try_for_each(|portal| logout(target, portal))
}

/// The identity of a disk, as `/lib/udev/scsi_id` tells it: what multipath calls its WWID.
///
/// # Errors
///
/// Those of [`Command::ok`].
pub fn scsi_id(disk: &Disk) -> Result<String, Error> {
    let id = Command::words("/lib/udev/scsi_id -g -u -d")
        .arg(disk.path())
        .limit(Duration::from_secs(30))
        .ok()?;
    Ok(id.trim_end().to_owned())
}
