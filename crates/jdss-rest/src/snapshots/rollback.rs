//! Rolling a volume back to a snapshot.

use std::collections::BTreeSet;
use std::time::Instant;

use super::newer::newer;
use crate::call::{Call, Patience, told};
use crate::decode::RollbackCounts;
use crate::error::{Error, ErrorKind};
use crate::pool::Pool;
use crate::remove::with_time_to_look;
use crate::transport::Method;

/// Attempts before giving up.
const ROUNDS: u32 = 4;
/// Readings of counts and names that contradict each other.
const READINGS: u32 = 3;

/// What is newer than a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rollback {
    /// Physical names of the snapshots that a rollback destroys, whoever made them.
    pub snapshots: Vec<String>,
    /// Physical names of the clones of these, which block a rollback.
    pub clones: Vec<String>,
}

/// Which snapshots a rollback may destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destroy<'a> {
    /// None: it must be the latest one that is rolled back to.
    Nothing,
    /// Those with these physical names.
    These(&'a [String]),
}

impl Destroy<'_> {
    fn allows(&self, name: &String) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(names) => names.contains(name),
        }
    }
}

/// What a check found, and the snapshots there were.
struct Checked {
    rollback: Rollback,
    all: BTreeSet<String>,
}

/// A request without an answer.
struct Lost {
    error: Error,
    /// What was newer before it.
    newer: Vec<String>,
}

impl Lost {
    /// All that it was to destroy is gone.
    fn was_done(&self, now: &Checked) -> bool {
        !self.newer.is_empty() && self.newer.iter().all(|name| !now.all.contains(name))
    }
}

impl Pool {
    /// Finds out what a rollback to a snapshot destroys, and what blocks it.
    ///
    /// One call when nothing is newer. Otherwise one more for the list of snapshots (or for
    /// each page of it), and where there are clones one for each newer snapshot. The appliance
    /// counts, and the names are checked against its numbers; where snapshots were made
    /// in the same second, more may be named than it counts, never fewer.
    ///
    /// # Errors
    ///
    /// * Kind [`Missing`](ErrorKind::Missing): there is no such snapshot, or no such volume.
    /// * [`Error::ListChanged`]: numbers and names contradict each other; try again.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::Destroy;
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let pool = client.pool("Pool-0");
    /// let found = pool.rollback_check("v_vm-100-disk-0", "s_before-update", deadline)?;
    /// println!("this destroys {:?}", found.snapshots);
    /// let allowed = Destroy::These(&found.snapshots);
    /// pool.rollback("v_vm-100-disk-0", "s_before-update", allowed, deadline)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rollback_check(
        &self,
        volume: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Rollback, Error> {
        Ok(self.check(volume, name, deadline)?.rollback)
    }

    fn check(&self, volume: &str, name: &str, deadline: Instant) -> Result<Checked, Error> {
        let mut reading = 1;
        loop {
            let changed = match self.check_once(volume, name, deadline)? {
                Ok(checked) => return Ok(checked),
                Err(changed) => changed,
            };
            if reading >= READINGS || !self.client.pause(reading, deadline) {
                return Err(changed);
            }
            reading += 1;
        }
    }

    /// The inner error: numbers and names contradict each other.
    fn check_once(
        &self,
        volume: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Result<Checked, Error>, Error> {
        let path = self.path(&["volumes", volume, "snapshots", name, "rollback"])?;
        let subject = self.snapshot_text(volume, name);
        let counts: RollbackCounts = self.client.get(path, subject.clone(), deadline)?;
        if counts.snapshots == 0 && counts.clones == 0 {
            return Ok(Ok(Checked {
                rollback: Rollback::default(),
                all: BTreeSet::new(),
            }));
        }
        let contradiction = |thing: &str, got: usize, of: u64| Error::ListChanged {
            what: format!("list the {thing} newer than {subject}"),
            got: got as u64,
            of,
        };
        let all = self.snapshots(volume, deadline).all()?;
        let mark = all.iter().find(|snapshot| snapshot.name == name);
        let Some(newer) = mark.and_then(|mark| newer(&all, mark, counts.snapshots)) else {
            let others = all.len().saturating_sub(1);
            return Ok(Err(contradiction("snapshots", others, counts.snapshots)));
        };
        let mut clones = Vec::new();
        if counts.clones > 0 {
            for snapshot in &newer {
                clones.extend(self.clones_of(snapshot, deadline)?);
            }
        }
        let exact = newer.len() as u64 == counts.snapshots;
        let named = clones.len() as u64;
        if named < counts.clones || exact && named > counts.clones {
            return Ok(Err(contradiction("clones", clones.len(), counts.clones)));
        }
        let snapshots = newer.iter().map(|snapshot| snapshot.name.clone()).collect();
        Ok(Ok(Checked {
            rollback: Rollback { snapshots, clones },
            all: all.into_iter().map(|snapshot| snapshot.name).collect(),
        }))
    }

    /// Rolls a volume back to a snapshot; gives the physical names of the snapshots that
    /// this destroyed: those that were there before and are not afterwards.
    ///
    /// Checks just before what it would destroy, as [`rollback_check`](Self::rollback_check),
    /// and does nothing unless all of that is allowed. So a snapshot made after the caller's
    /// own check is safe, except in the moment between this check and the rollback.
    /// Two calls when nothing is newer, four otherwise (where the list of snapshots has one
    /// page); an answer that says nothing costs one or two more. The answer is waited for as long
    /// as the deadline allows; where none comes it is checked again and then repeated.
    /// Nobody may use the volume meanwhile.
    ///
    /// # Errors
    ///
    /// * [`Error::RollbackBlocked`]: snapshots that are not allowed to go, or clones, are newer;
    ///   nothing was done.
    /// * Kind [`Missing`](ErrorKind::Missing): there is no such snapshot, or no such volume.
    /// * [`Error::ListChanged`]: as for the check; nothing was done.
    /// * [`Error::RolledBack`]: done, but what it destroyed cannot be listed.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// use jdss_rest::{Destroy, Error};
    /// match pool.rollback("v_vm-100-disk-0", "s_before-update", Destroy::Nothing, deadline) {
    ///     Ok(destroyed) => assert!(destroyed.is_empty()),
    ///     Err(Error::RollbackBlocked { snapshots, clones, .. }) => {
    ///         println!("newer: {snapshots:?}, and their clones {clones:?}");
    ///     }
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn rollback(
        &self,
        volume: &str,
        name: &str,
        destroy: Destroy<'_>,
        deadline: Instant,
    ) -> Result<Vec<String>, Error> {
        let subject = self.snapshot_text(volume, name);
        let what = format!("roll back to {subject}");
        let path = self.path(&["volumes", volume, "snapshots", name, "rollback"])?;
        // Repeated while it is at work, it would undo what was written after the first one.
        let call = Call::new(Method::Post, path, what, subject).patience(Patience::Delete);
        let mut before = BTreeSet::new();
        let mut round = 1;
        let mut silent = false;
        let mut lost: Option<Lost> = None;
        loop {
            let checked = match self.check(volume, name, deadline) {
                Ok(checked) => checked,
                Err(look) => {
                    // That it may be done matters more than why it cannot be seen.
                    return Err(match lost {
                        Some(lost) if look.is_transient() => lost.error,
                        _ => look,
                    });
                }
            };
            let blocked = blocked(volume, name, &checked.rollback, destroy);
            if blocked.is_err() && lost.is_some_and(|lost| lost.was_done(&checked)) {
                // What blocks now came afterwards.
                before.extend(checked.all);
                break;
            }
            before.extend(checked.all);
            blocked?;
            let asked = self.client.call(&call, with_time_to_look(deadline), told);
            let error = match asked {
                Ok(true) => break,
                Ok(false) => {
                    // What was newer is gone together with the data, or neither is.
                    let went = match checked.rollback.snapshots.first() {
                        // On the wrong head everything seems to be missing.
                        Some(newer) => {
                            !self.has_snapshot(volume, newer, deadline)?
                                && self.info(deadline).is_ok()
                        }
                        // Nothing to see: the second time silence is how it says that it is done.
                        None => silent,
                    };
                    if went {
                        break;
                    }
                    silent = true;
                    Error::NotSeen {
                        what: call.what.clone(),
                        found: "nothing".to_owned(),
                    }
                }
                // Busy: something came between. The next check names it.
                Err(error) if error.is_transient() || error.kind() == ErrorKind::Busy => error,
                Err(error) => return Err(error),
            };
            if round >= ROUNDS || !self.client.pause(round, deadline) {
                return Err(error);
            }
            lost = matches!(error, Error::LostReply { .. }).then_some(Lost {
                error,
                newer: checked.rollback.snapshots,
            });
            round += 1;
        }
        self.destroyed(volume, name, before, deadline)
    }

    /// Which of these snapshots are gone.
    fn destroyed(
        &self,
        volume: &str,
        name: &str,
        mut before: BTreeSet<String>,
        deadline: Instant,
    ) -> Result<Vec<String>, Error> {
        if before.is_empty() {
            return Ok(Vec::new());
        }
        match self.snapshots(volume, deadline).all() {
            Ok(after) => {
                for snapshot in after {
                    before.remove(&snapshot.name);
                }
                Ok(before.into_iter().collect())
            }
            Err(source) => Err(Error::RolledBack {
                volume: volume.to_owned(),
                snapshot: name.to_owned(),
                source: Box::new(source),
            }),
        }
    }
}

fn blocked(volume: &str, name: &str, found: &Rollback, destroy: Destroy<'_>) -> Result<(), Error> {
    let refused = found.snapshots.iter().filter(|name| !destroy.allows(name));
    let snapshots: Vec<String> = refused.cloned().collect();
    if snapshots.is_empty() && found.clones.is_empty() {
        return Ok(());
    }
    Err(Error::RollbackBlocked {
        volume: volume.to_owned(),
        snapshot: name.to_owned(),
        snapshots,
        clones: found.clones.clone(),
    })
}
