//! Taking a volume off its target, unless somebody else may be using it.

use std::time::Instant;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::initiator::LocalInitiator;
use crate::names::{TargetFamily, TargetGroup, TargetPrefix};
use crate::pool::Pool;
use crate::remove::with_time_to_look;

/// Rounds before giving up.
const ROUNDS: u32 = 8;

/// What to take off its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublish {
    /// The pool.
    pub pool: String,
    /// Physical name of the volume, or of the clone that exports a snapshot.
    pub volume: String,
    /// The target it is on, as far as is known; saves a call.
    pub target: Option<String>,
    /// The prefix of target names.
    pub target_prefix: TargetPrefix,
    /// The group of volumes that share targets with it.
    pub group: TargetGroup,
    /// Who we are, and whose sessions count for nothing.
    pub local: LocalInitiator,
}

/// What became of a volume that was taken off its target.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unpublished {
    /// The target it was on; `None` where it was attached to none. After an
    /// attempt that was cut short it can be the one that this left behind empty.
    pub target: Option<String>,
    /// Whether that target is gone, too.
    pub target_deleted: bool,
    /// Why that target is still there, when it was to go. Doing it again with
    /// this [`target`](Unpublish::target) finishes it.
    pub left: Option<Box<Error>>,
}

impl Client {
    /// Makes sure that a volume is attached nowhere, unless others are logged in to its target.
    ///
    /// Doing it twice is the same as doing it once. A target of the group on
    /// which nothing but this volume is, and to which nobody is logged in, is
    /// deleted with it. Three calls when [`Unpublish::target`] is right, four
    /// otherwise; six more on an appliance that deletes only empty targets.
    /// Two for a volume that is attached nowhere.
    /// Blocks until it is done, at most up to the deadline: a teardown can
    /// take minutes. Log out before: a target with sessions of our own stays.
    ///
    /// Sessions are the last thing that is looked at before anything is taken
    /// away, and are looked at again before that is tried once more.
    /// A volume that another client attaches to the same target between the
    /// look at it and its deletion can lose its attachment; publishing it
    /// again cures that. Hold one lock for each target group around publishing
    /// and unpublishing where that must not be.
    ///
    /// # Errors
    ///
    /// * [`Error::ForeignSessions`]: others are logged in; nothing was changed.
    /// * [`Error::AttachedTwice`]: detach it from all targets but one.
    /// * Kind [`Missing`](ErrorKind::Missing): the pool is not here.
    /// * Those that all calls have: see [`Pool`]. "Not attached" is success,
    ///   "could not ask" is not: the volume may be attached or not.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::{ErrorKind, LocalInitiator, TargetGroup, Unpublish};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let request = Unpublish {
    ///     pool: "Pool-0".to_owned(),
    ///     volume: "v_vm-100-disk-0".to_owned(),
    ///     target: None,
    ///     target_prefix: "iqn.2025-04.proxmox.joviandss.iscsi:".parse()?,
    ///     group: TargetGroup::of("vm-100-disk-0")?,
    ///     local: LocalInitiator::new("iqn.1993-08.org.debian:01:aa11bb22cc33", &["10.1.0.51".parse()?]),
    /// };
    /// match client.unpublish(&request, Instant::now() + Duration::from_secs(60)) {
    ///     Ok(done) => println!("it was on {:?}", done.target),
    ///     Err(error) if error.kind() == ErrorKind::InUse => println!("later: {error}"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unpublish(&self, request: &Unpublish, deadline: Instant) -> Result<Unpublished, Error> {
        let done = self.withdraw(request, deadline)?;
        if done.target.is_none() {
            // On the wrong head everything seems to be missing.
            self.pool(&request.pool).info(deadline)?;
        }
        Ok(done)
    }

    /// The same; that the volume is attached nowhere is believed, also of a pool that is not here.
    pub(crate) fn withdraw(
        &self,
        request: &Unpublish,
        deadline: Instant,
    ) -> Result<Unpublished, Error> {
        let family = TargetFamily::new(&request.target_prefix, &request.group)
            .map_err(|reason| Error::Name { reason })?;
        let work = Withdrawal {
            client: self,
            pool: self.pool(&request.pool),
            request,
            family,
            deadline,
            luns_first: false,
            tried: None,
            emptied: None,
        };
        work.run()
    }
}

/// What came of a step.
enum Step {
    Done(Unpublished),
    /// It is not where it was thought to be: ask.
    Elsewhere,
    /// Somebody or something came between; look again.
    Again(Option<Error>),
}

/// One withdrawal under way.
struct Withdrawal<'a> {
    client: &'a Client,
    pool: Pool,
    request: &'a Unpublish,
    family: TargetFamily,
    deadline: Instant,
    /// The appliance does not delete a target that has LUNs, or it did not work out.
    luns_first: bool,
    /// A target from which the volume may have been taken, with the failure that leaves it open.
    tried: Option<(String, Error)>,
    /// What became of the target it was thought to be on, which was empty.
    emptied: Option<Unpublished>,
}

impl Withdrawal<'_> {
    fn run(mut self) -> Result<Unpublished, Error> {
        let mut hint = self.request.target.clone();
        let mut round = 1;
        loop {
            let error = match self.round(hint.take())? {
                Step::Done(done) => return Ok(done),
                Step::Elsewhere => continue,
                Step::Again(error) => error,
            };
            if round >= ROUNDS || !self.client.pause(round, self.deadline) {
                let tried = self.tried.take().map(|(_, error)| error);
                return Err(error.or(tried).unwrap_or_else(|| self.incomplete()));
            }
            round += 1;
        }
    }

    fn round(&mut self, hint: Option<String>) -> Result<Step, Error> {
        if let Some(target) = hint {
            return self.take_off(target, true);
        }
        let volume = &self.request.volume;
        match self.client.attached_in(&self.pool, volume, self.deadline) {
            Ok(None) => self.is_nowhere().map(Step::Done),
            Ok(Some(found)) => self.take_off(found.target.unwrap_or_default(), false),
            Err(error @ Error::Incomplete { .. }) => Ok(Step::Again(Some(error))),
            Err(error) => Err(error),
        }
    }

    fn incomplete(&self) -> Error {
        let volume = self.request.volume.clone();
        Error::Incomplete { volume }
    }

    /// The appliance says that the volume is attached nowhere.
    fn is_nowhere(&mut self) -> Result<Unpublished, Error> {
        let Some((target, error)) = self.tried.take() else {
            return Ok(self.emptied.take().unwrap_or(Unpublished {
                target: None,
                target_deleted: false,
                left: None,
            }));
        };
        // The deletion went through although it failed; all of it, or only what was on the target?
        let target_deleted = match self.pool.target(&target, self.deadline) {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::Missing => true,
            Err(error) => return Err(error),
        };
        Ok(Unpublished {
            target: Some(target),
            target_deleted,
            left: (!target_deleted).then(|| Box::new(error)),
        })
    }

    /// Takes the volume off this target. Sessions are the last thing looked at: who
    /// has none yet loses no device, and publishes again.
    fn take_off(&mut self, target: String, guessed: bool) -> Result<Step, Error> {
        let gone = |error: Error| match error.kind() {
            ErrorKind::Missing if guessed => Ok(Step::Elsewhere),
            ErrorKind::Missing => Ok(Step::Again(Some(error))),
            _ => Err(error),
        };
        let luns = match self.pool.luns(&target, self.deadline) {
            Ok(luns) => luns,
            Err(error) => return gone(error),
        };
        let ours = luns.iter().any(|lun| lun.volume == self.request.volume);
        let of_group = self.family.contains(&target);
        // What an attempt that was cut short has left; who is about to attach
        // a volume there makes it anew.
        let left_empty = guessed && luns.is_empty() && of_group;
        if guessed && !ours && !left_empty {
            return Ok(Step::Elsewhere);
        }
        let sessions = match self.pool.sessions(&target, self.deadline) {
            Ok(sessions) => sessions,
            Err(error) => return gone(error),
        };
        if left_empty {
            if sessions.is_empty() {
                let gone = self.pool.delete_target_after_look(&target, self.limit());
                self.emptied = Some(emptied(target, gone.map(|_| true)));
            }
            return Ok(Step::Elsewhere);
        }
        let sessions = self.request.local.refuse_foreign(&target, sessions)?;
        let alone = ours && luns.len() == 1;
        let whole = alone && sessions.is_empty() && of_group;
        if whole && !self.luns_first {
            return self.delete_target(target);
        }
        let volume = &self.request.volume;
        match self.pool.detach_after_look(&target, volume, self.limit()) {
            Ok(was_there) => {
                self.here(was_there)?;
                let gone = if whole { self.tidy(&target) } else { Ok(false) };
                Ok(Step::Done(emptied(target, gone)))
            }
            Err(error) => self.lost(target, error),
        }
    }

    /// Until when to wait for the answer to a deletion.
    fn limit(&self) -> Instant {
        with_time_to_look(self.deadline)
    }

    /// What has just been seen and is not there any more was removed by somebody else; or
    /// the pool has left for the other head, where everything seems to be missing.
    fn here(&self, was_there: bool) -> Result<(), Error> {
        if !was_there {
            self.pool.info(self.deadline)?;
        }
        Ok(())
    }

    /// The target has no other LUN and nobody is logged in to it.
    fn delete_target(&mut self, target: String) -> Result<Step, Error> {
        match self.pool.delete_target_after_look(&target, self.limit()) {
            Ok(was_there) => {
                self.here(was_there)?;
                Ok(Step::Done(emptied(target, Ok(true))))
            }
            // It may have been done; and somebody may have logged in.
            Err(error) if is_open(&error) => {
                self.luns_first = true;
                self.lost(target, error)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Auth | ErrorKind::Untrusted) => {
                Err(error)
            }
            // An appliance that deletes only empty targets: look again, the LUN goes first then.
            Err(_) => {
                self.luns_first = true;
                self.take_off(target, false)
            }
        }
    }

    /// The volume is off its target, which is empty now unless somebody was faster: taking
    /// it off can have lasted for minutes.
    fn tidy(&self, target: &str) -> Result<bool, Error> {
        self.client
            .delete_target_if_empty(self.pool.name(), target, self.limit())
    }

    /// A deletion whose end is not known.
    fn lost(&mut self, target: String, error: Error) -> Result<Step, Error> {
        if !is_open(&error) || Instant::now() >= self.deadline {
            return Err(error);
        }
        self.tried = Some((target, error));
        Ok(Step::Again(None))
    }
}

/// The volume is off this target, which is gone, is in use by others, or could not be removed.
fn emptied(target: String, gone: Result<bool, Error>) -> Unpublished {
    let target = Some(target);
    match gone {
        Ok(target_deleted) => Unpublished {
            target,
            target_deleted,
            left: None,
        },
        Err(error) => Unpublished {
            target,
            target_deleted: false,
            left: Some(Box::new(error)),
        },
    }
}

/// Whether it may have been done or not.
fn is_open(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Deadline | ErrorKind::Transient | ErrorKind::Unreachable
    )
}
