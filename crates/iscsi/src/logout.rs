//! Logging out.

use crate::iscsiadm::{self, Scope};
use crate::record::Records;
use crate::session::{self, Observed};
use crate::{Code, Error, Initiator, Iqn, Portal};
use std::time::{Duration, Instant};

/// iscsid itself waits 15 s for the target's answer.
const LOGOUT_LIMIT: Duration = Duration::from_secs(30);

/// What a logout did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogoutReport {
    /// Portals whose sessions this call ended.
    pub logged_out: Vec<Portal>,
    /// Portals whose sessions stay, since devices of theirs are left.
    pub kept: Vec<Kept>,
    /// Portals whose node records this call deleted.
    pub records: Vec<Portal>,
}

/// A portal whose session was left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The portal.
    pub portal: Portal,
    /// SCSI addresses of the devices that are left (`2:0:0:1`), disks or not.
    pub devices: Vec<String>,
}

impl Initiator {
    /// Ends the sessions to `target` at `portals` that have no device left, and
    /// deletes the node records of those portals.
    ///
    /// A logout takes all devices of a session away, whoever uses them; so one
    /// with any device left is kept, and the report says so. That is looked at
    /// again just before each logout. The state of a session does not matter.
    /// Nothing is run when there is neither session nor record; doing it twice
    /// is the same as doing it once. One logout and one deletion serve all
    /// portals when this target's name is known at no others, which may be
    /// another appliance's; otherwise they run for each portal apart.
    ///
    /// Call it under a lock of the target, or a scan may come in between.
    /// Blocks until `deadline` at most, plus six seconds when `iscsiadm` has to
    /// be terminated.
    ///
    /// # Errors
    ///
    /// * [`Error::StillLoggedIn`]: a session did not end.
    /// * [`Error::DaemonDown`]: start iscsid.
    /// * [`Error::ToolMissing`], [`Error::NotPermitted`], [`Error::Failed`],
    ///   [`Error::Run`], [`Error::NoTime`], [`Error::Read`], [`Error::Remove`].
    ///
    /// What was done before stays done; the same call goes on from there.
    pub fn logout(
        &self,
        target: &Iqn,
        portals: &[Portal],
        deadline: Instant,
    ) -> Result<LogoutReport, Error> {
        let mut report = LogoutReport::default();
        let records = Records::read(&self.root, target)?;
        let sessions = self.observe(target)?;
        if self.log_out_all(target, portals, &sessions, &records, deadline)? {
            report.logged_out = at_portals(&sessions, portals);
        } else {
            for portal in at_portals(&sessions, portals) {
                self.log_out_one(target, portal, deadline, &mut report)?;
            }
        }
        self.delete_records(target, portals, &records, deadline, &mut report)?;
        Ok(report)
    }

    /// `true` when one command ended all sessions of the target. `false` when
    /// nothing was done: there is at most one, or some must stay.
    fn log_out_all(
        &self,
        target: &Iqn,
        portals: &[Portal],
        sessions: &[Observed],
        records: &Records,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let ours = |session: &Observed| session.portal.is_some_and(|at| portals.contains(&at));
        let alone = records.only_at(portals) && sessions.iter().all(ours);
        if !alone || at_portals(sessions, portals).len() < 2 {
            return Ok(false);
        }
        for session in sessions {
            if !session::devices(&self.root, session.host)?.is_empty() {
                return Ok(false);
            }
        }
        self.end(target, Scope::Target, deadline)?;
        Ok(true)
    }

    fn log_out_one(
        &self,
        target: &Iqn,
        portal: Portal,
        deadline: Instant,
        report: &mut LogoutReport,
    ) -> Result<(), Error> {
        // Read again: between two logouts there is time for a scan.
        let mut sessions = self.observe(target)?;
        sessions.retain(|session| session.portal == Some(portal));
        let mut devices = Vec::new();
        for session in &sessions {
            let left = session::devices(&self.root, session.host)?;
            devices.extend(left.iter().map(ToString::to_string));
        }
        if !devices.is_empty() {
            report.kept.push(Kept { portal, devices });
        } else if !sessions.is_empty() {
            self.end(target, Scope::Portal(portal), deadline)?;
            report.logged_out.push(portal);
        }
        Ok(())
    }

    /// Runs the logout and waits until the sessions are gone.
    fn end(&self, target: &Iqn, scope: Scope, deadline: Instant) -> Result<(), Error> {
        let command = iscsiadm::node(target, scope).arg("--logout");
        let in_scope = |session: &Observed| match scope {
            Scope::Target => true,
            Scope::Portal(portal) => session.portal == Some(portal),
        };
        let mut sessions = self.observe(target)?;
        sessions.retain(in_scope);
        // A session counts until its last trace is gone: iscsiadm would still
        // see one that is half torn down, and keep its record.
        let left = || {
            for session in &sessions {
                if session::is_traced(&self.root, session.id)? {
                    return Ok(Some(session));
                }
            }
            Ok::<_, Error>(None)
        };
        let effects = &*self.effects;
        let output = iscsiadm::ask_daemon(effects, &command, LOGOUT_LIMIT, deadline);
        // Gone is gone, whatever the tool says; and where it failed there is
        // nothing to wait for.
        let code = output.as_ref().map(Code::from).ok();
        let worked = code.is_some_and(|code| code == Code::Success || code.is_absent());
        let until = if worked { deadline } else { Instant::now() };
        let gone = jdss_sys::poll(until, || Ok::<_, Error>(left()?.is_none().then_some(())))?;
        if gone.is_some() {
            return Ok(());
        }
        let output = output?;
        match left()? {
            None => Ok(()),
            Some(session) if worked => Err(Error::StillLoggedIn {
                target: session.target.clone(),
                portal: session.portal,
            }),
            Some(_) => Err(iscsiadm::failed(&command, &output)),
        }
    }

    /// Deletes the records of the portals without a session.
    fn delete_records(
        &self,
        target: &Iqn,
        portals: &[Portal],
        records: &Records,
        deadline: Instant,
        report: &mut LogoutReport,
    ) -> Result<(), Error> {
        let sessions = self.observe(target)?;
        let kept = at_portals(&sessions, portals);
        let mut whole = records.whole();
        whole.retain(|portal| portals.contains(portal) && !kept.contains(portal));
        for portal in portals.iter().filter(|portal| !kept.contains(portal)) {
            self.remove_broken(records, *portal)?;
        }
        let all = records.only_at(portals) && sessions.is_empty() && whole.len() > 1;
        let scopes = if all {
            vec![Scope::Target]
        } else {
            whole.iter().map(|portal| Scope::Portal(*portal)).collect()
        };
        for scope in scopes {
            let command = iscsiadm::node(target, scope).args(["-o", "delete"]);
            let output = iscsiadm::change(&*self.effects, &command, deadline)?;
            if !output.success() && !Code::from(&output).is_absent() {
                return Err(iscsiadm::failed(&command, &output));
            }
        }
        report.records = whole;
        Ok(())
    }

    /// Removes empty record files, which `iscsiadm` can neither use nor delete.
    pub(crate) fn remove_broken(&self, records: &Records, portal: Portal) -> Result<(), Error> {
        for file in records.broken(portal) {
            let path = self.root.join(file);
            match self.effects.remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::Remove { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Those of `portals` at which there is a session, each once.
fn at_portals(sessions: &[Observed], portals: &[Portal]) -> Vec<Portal> {
    let mut found: Vec<Portal> = sessions
        .iter()
        .filter_map(|session| session.portal)
        .collect();
    found.retain(|portal| portals.contains(portal));
    found.sort_unstable();
    found.dedup();
    found
}
