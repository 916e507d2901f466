//! Logging in.

use crate::iscsiadm::{self, Scope};
use crate::record::Records;
use crate::session::{self, Observed};
use crate::{Code, Error, Initiator, Iqn, LoginSettings, Portal, PortalDown, Session};
use jdss_sys::RunError;
use std::collections::BTreeMap;
use std::time::Instant;

/// What became of one portal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortalOutcome {
    /// The portal.
    pub portal: Portal,
    /// Its session, which is up, and whether this call made it; or why there
    /// is none that is up.
    pub result: Result<(Session, bool), PortalDown>,
}

impl Initiator {
    /// Makes sure that there is a session to `target` at each of `portals`:
    /// one outcome a portal, in their order, each portal once.
    ///
    /// Only missing sessions are made; a session that is there but down is left
    /// to iscsid. Nothing is run when none is missing. Otherwise `iscsiadm` runs
    /// once for each portal without a node record, once to put `settings` into
    /// the records, and once to log in to all portals in parallel; when this
    /// target's name is known at other portals too, which may be another
    /// appliance's, the last two run for each portal apart.
    ///
    /// Call it under a lock of the target: two calls at once would both find a
    /// session missing. Blocks until `deadline` at most, plus six seconds when
    /// `iscsiadm` has to be terminated; with all portals dead it takes a little
    /// more than the login timeout times the number of tries. A child that
    /// changes the node database is never killed but left running, since the
    /// database would stay locked.
    ///
    /// # Errors
    ///
    /// What concerns all portals; a portal's own failure is its outcome.
    ///
    /// * [`Error::ToolMissing`]: install open-iscsi.
    /// * [`Error::DaemonDown`]: start iscsid. With at least one session up it is
    ///   the outcome of the portals that are missing.
    /// * [`Error::NotPermitted`]: run as root.
    /// * [`Error::Run`]: `iscsiadm` cannot be started.
    /// * [`Error::Read`], [`Error::Remove`].
    ///
    /// # Example
    ///
    /// ```no_run
    /// use jdss_iscsi::{Initiator, Iqn, LoginSettings};
    /// use std::time::{Duration, Instant};
    ///
    /// let target: Iqn = "iqn.2025-04.com.example:vm-100".parse()?;
    /// let portals = ["10.0.1.1".parse()?, "10.0.2.1".parse()?];
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let host = Initiator::system();
    /// for outcome in host.login(&target, &portals, &LoginSettings::default(), deadline)? {
    ///     match outcome.result {
    ///         Ok((session, new)) => println!("session {}, new: {new}", session.id),
    ///         Err(down) => println!("{} is down: {down}", outcome.portal),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn login(
        &self,
        target: &Iqn,
        portals: &[Portal],
        settings: &LoginSettings,
        deadline: Instant,
    ) -> Result<Vec<PortalOutcome>, Error> {
        let before = self.observe(target)?;
        let mut wanted: Vec<Portal> = Vec::new();
        for portal in portals {
            if !wanted.contains(portal) {
                wanted.push(*portal);
            }
        }
        let missing: Vec<Portal> = wanted
            .iter()
            .copied()
            .filter(|portal| !before.iter().any(|session| session.portal == Some(*portal)))
            .collect();
        let mut login = Login {
            host: self,
            target,
            portals: &wanted,
            settings,
            deadline,
            made: Vec::new(),
            down: BTreeMap::new(),
            stuck: None,
        };
        if !missing.is_empty() {
            login.attempt(&missing, true)?;
            // A record that was there in the other root, or is gone since: the
            // tool found none where we saw one.
            let again = login.without_reason(&missing)?;
            if !again.is_empty() {
                login.down.retain(|portal, _| !again.contains(portal));
                login.attempt(&again, false)?;
            }
        }
        login.outcomes(&before)
    }

    /// The sessions of a target.
    pub(crate) fn observe(&self, target: &Iqn) -> Result<Vec<Observed>, Error> {
        let mut found = session::observe(&self.root)?;
        found.retain(|session| session.target == *target);
        Ok(found)
    }
}

/// One call of [`Initiator::login`].
struct Login<'a> {
    host: &'a Initiator,
    target: &'a Iqn,
    /// All portals of the call.
    portals: &'a [Portal],
    settings: &'a LoginSettings,
    deadline: Instant,
    /// Portals whose record was made by this call.
    made: Vec<Portal>,
    /// Why portals are down, as far as it was told.
    down: BTreeMap<Portal, PortalDown>,
    /// The node database cannot be used: each further try would cost as much
    /// time as this one did.
    stuck: Option<PortalDown>,
}

impl Login<'_> {
    /// One round: records, settings, login. What the tool says decides nothing
    /// but the reason that is told; [`outcomes`](Self::outcomes) looks.
    fn attempt(&mut self, missing: &[Portal], trust_records: bool) -> Result<(), Error> {
        let records = Records::read(&self.host.root, self.target)?;
        let mut ready = Vec::new();
        for portal in missing {
            let there = trust_records && records.has(*portal);
            if there || self.make_record(*portal, &records)? {
                ready.push(*portal);
            }
        }
        let scopes = self.scopes(&ready, &records)?;
        for (scope, portals) in scopes {
            if self.write_settings(scope, &portals)? {
                self.log_in(scope, &portals)?;
            }
        }
        Ok(())
    }

    /// One command for all portals where that reaches no others: target-wide
    /// forms act on every record and session of this name, and another
    /// appliance may have the same.
    fn scopes(
        &self,
        ready: &[Portal],
        records: &Records,
    ) -> Result<Vec<(Scope, Vec<Portal>)>, Error> {
        let one = |portal: &Portal| (Scope::Portal(*portal), vec![*portal]);
        if ready.len() < 2 || !records.only_at(self.portals) {
            return Ok(ready.iter().map(one).collect());
        }
        let alone = self.host.observe(self.target)?.iter().all(|session| {
            session
                .portal
                .is_some_and(|portal| self.portals.contains(&portal))
        });
        Ok(if alone {
            vec![(Scope::Target, ready.to_vec())]
        } else {
            ready.iter().map(one).collect()
        })
    }

    /// `-o new`, which would wipe a record that is there: so only where there
    /// is none. `false` when it failed, with the reason noted.
    fn make_record(&mut self, portal: Portal, records: &Records) -> Result<bool, Error> {
        self.host.remove_broken(records, portal)?;
        let command = iscsiadm::node(self.target, Scope::Portal(portal)).args(["-o", "new"]);
        let done = self.change(&command, &[portal])?;
        if done {
            self.made.push(portal);
        }
        Ok(done)
    }

    fn write_settings(&mut self, scope: Scope, portals: &[Portal]) -> Result<bool, Error> {
        let mut command = iscsiadm::node(self.target, scope).args(["-o", "update"]);
        for (name, value) in self.settings.parameters() {
            command = command.args(["-n", name, "-v", &value]);
        }
        self.change(&command, portals)
    }

    /// Runs a verb of the node database for these portals.
    fn change(&mut self, command: &jdss_sys::Command, portals: &[Portal]) -> Result<bool, Error> {
        if let Some(down) = self.stuck.clone() {
            self.note(portals, &down);
            return Ok(false);
        }
        let down = match iscsiadm::change(&*self.host.effects, command, self.deadline) {
            Ok(output) if output.success() => return Ok(true),
            Ok(output) => PortalDown::Record {
                code: Code::from(&output),
                text: iscsiadm::one_line(&output.stderr),
            },
            Err(error) => no_status(error)?,
        };
        if down.code().is_none_or(|code| code == Code::Database) {
            self.stuck = Some(down.clone());
        }
        self.note(portals, &down);
        Ok(false)
    }

    fn log_in(&mut self, scope: Scope, portals: &[Portal]) -> Result<(), Error> {
        let command = iscsiadm::node(self.target, scope).arg("--login");
        let effects = &*self.host.effects;
        let limit = self.settings.login_limit();
        let output = match iscsiadm::ask_daemon(effects, &command, limit, self.deadline) {
            Ok(output) => output,
            Err(error) => {
                let down = no_status(error)?;
                self.note(portals, &down);
                return Ok(());
            }
        };
        let code = Code::from(&output);
        let mut reasons = iscsiadm::reasons(&output.stderr);
        for portal in portals {
            if let Some(code) = reasons.remove(portal) {
                let text = String::new();
                self.note(&[*portal], &PortalDown::Login { code, text });
            } else if !matches!(code, Code::Success | Code::SessionExists | Code::NotFound) {
                let text = iscsiadm::one_line(&output.stderr);
                self.note(&[*portal], &PortalDown::Login { code, text });
            }
        }
        self.settle(portals)
    }

    /// Waits for those that are not said to be down. Mostly they are up by now;
    /// a login that somebody else began may need a moment.
    fn settle(&self, portals: &[Portal]) -> Result<(), Error> {
        let until = self
            .deadline
            .min(Instant::now() + self.settings.one_login());
        let step = || {
            let now = self.host.observe(self.target)?;
            // One that is not there will not come: the login has ended.
            let pending = now.iter().any(|session| {
                session.portal.is_some_and(|portal| {
                    portals.contains(&portal) && !self.down.contains_key(&portal)
                }) && session.state != crate::SessionState::LoggedIn
            });
            Ok::<_, Error>((!pending).then_some(()))
        };
        jdss_sys::poll(until, step).map(drop)
    }

    fn note(&mut self, portals: &[Portal], down: &PortalDown) {
        for portal in portals {
            self.down.insert(*portal, down.clone());
        }
    }

    /// The portals that have no session although nothing was said against it,
    /// and whose record this call found and did not make.
    fn without_reason(&self, missing: &[Portal]) -> Result<Vec<Portal>, Error> {
        let now = self.host.observe(self.target)?;
        let found = missing.iter().copied().filter(|portal| {
            !now.iter().any(|session| session.portal == Some(*portal))
                && !self.made.contains(portal)
                && self
                    .down
                    .get(portal)
                    .is_none_or(|down| down.code() == Some(Code::NotFound))
        });
        Ok(found.collect())
    }

    /// Looks what there is now.
    fn outcomes(self, before: &[Observed]) -> Result<Vec<PortalOutcome>, Error> {
        let sessions = self.host.sessions()?;
        let mut outcomes = Vec::new();
        for portal in self.portals {
            let ours = sessions
                .iter()
                .filter(|session| session.target == *self.target && session.portal == *portal)
                .min_by_key(|session| !session.is_up());
            let result = match ours {
                Some(session) if session.is_up() => {
                    let new = !before.iter().any(|old| old.id == session.id);
                    Ok((session.clone(), new))
                }
                Some(session) => Err(PortalDown::Session {
                    state: session.state,
                }),
                None => Err(self
                    .down
                    .get(portal)
                    .cloned()
                    .unwrap_or(PortalDown::Missing)),
            };
            outcomes.push(PortalOutcome {
                portal: *portal,
                result,
            });
        }
        // A session that is up works without iscsid; with none there is no use
        // in telling portal by portal.
        let mut codes = outcomes.iter().filter_map(|outcome| match &outcome.result {
            Ok(_) => None,
            Err(down) => down.code().filter(|code| code.is_daemon_down()),
        });
        let none_up = outcomes.iter().all(|outcome| outcome.result.is_err());
        match codes.next() {
            Some(code) if none_up => Err(Error::DaemonDown { code }),
            _ => Ok(outcomes),
        }
    }
}

/// A command without an exit status: out of time concerns its portals,
/// everything else all.
fn no_status(error: Error) -> Result<PortalDown, Error> {
    match error {
        Error::NoTime { .. } => Ok(PortalDown::NoTime),
        Error::Run {
            source: RunError::TimedOut { limit, .. },
        } => Ok(PortalDown::TimedOut { limit }),
        other => Err(other),
    }
}
