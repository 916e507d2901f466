//! Removing things that may take minutes to go, or hang.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::call::{Call, done, told};
use crate::decode;
use crate::error::{Error, ErrorKind};
use crate::pool::Pool;
use crate::transport::Method;

/// Attempts before giving up, where the appliance answers without saying anything.
const ROUNDS: u32 = 4;
/// The longest time kept for looking what became of a removal that is not answered.
const LOOK: Duration = Duration::from_secs(15);

/// Until when to wait for an answer, so that there is time left to look without it.
pub(crate) fn with_time_to_look(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline
        .checked_sub((left / 5).min(LOOK))
        .unwrap_or(deadline)
}

/// What an answer without data means, whose status lets one expect some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// That it was done.
    Done,
    /// Nothing.
    Nothing,
}

/// What the appliance shows of a thing that was to go.
enum Shown {
    Gone,
    There,
    Unknown,
    /// No address answers, for as long as that is waited for.
    Nothing,
}

impl Pool {
    /// Removes; false when it was not there.
    pub(crate) fn remove(
        &self,
        segments: &[&str],
        subject: String,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let call = self.removal(segments, subject)?;
        match self.client.call(&call, deadline, done) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The call that removes.
    pub(crate) fn removal(&self, segments: &[&str], subject: String) -> Result<Call, Error> {
        let what = format!("delete {subject}");
        Ok(Call::new(
            Method::Delete,
            self.path(segments)?,
            what,
            subject,
        ))
    }

    /// Removes what can be read at the same path; false when it was not there.
    ///
    /// A removal that gets no answer, or one that does not say what was done, is looked
    /// at: what is gone was removed.
    pub(crate) fn remove_and_look(
        &self,
        call: &Call,
        silence: Silence,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let mut round = 1;
        loop {
            let ask_until = with_time_to_look(deadline);
            let error = match self.client.call(call, ask_until, told) {
                Ok(true) => return Ok(true),
                Ok(false) if silence == Silence::Done => return Ok(true),
                Ok(false) => None,
                Err(error) if error.kind() == ErrorKind::Missing && round == 1 => return Ok(false),
                // It was there, so that it went meanwhile; or the pool did.
                Err(error) if error.kind() == ErrorKind::Missing => {
                    return match self.look(call, deadline) {
                        Shown::Gone => Ok(true),
                        _ => Err(error),
                    };
                }
                Err(error) if error.is_transient() => Some(error),
                Err(error) => return Err(error),
            };
            match error {
                None => match self.look(call, deadline) {
                    Shown::Gone => return Ok(true),
                    _ if round < ROUNDS && self.client.pause(round, deadline) => round += 1,
                    _ => {
                        return Err(Error::NotSeen {
                            what: call.what.clone(),
                            found: call.subject.clone(),
                        });
                    }
                },
                // Answered, or the caller has to look first: not waited for.
                Some(error)
                    if matches!(error, Error::Api(_) | Error::Protocol { .. })
                        || call.after_look && error.kind() != ErrorKind::Deadline =>
                {
                    return match self.look(call, deadline) {
                        Shown::Gone => Ok(true),
                        _ => Err(error),
                    };
                }
                // Nobody was there to receive it.
                Some(error) if never_received(&error) => match self.look(call, deadline) {
                    Shown::Gone => return Ok(true),
                    Shown::There if round < ROUNDS && self.client.pause(round, deadline) => {
                        round += 1;
                    }
                    _ => return Err(error),
                },
                Some(error) => return self.await_end(call, error, deadline),
            }
        }
    }

    /// There was no answer, so that it may still go.
    fn await_end(&self, call: &Call, error: Error, deadline: Instant) -> Result<bool, Error> {
        let mut round = 1;
        loop {
            match self.look(call, deadline) {
                Shown::Gone => return Ok(true),
                Shown::There | Shown::Unknown if self.client.pause(round, deadline) => round += 1,
                _ => return Err(error),
            }
        }
    }

    fn look(&self, call: &Call, deadline: Instant) -> Shown {
        let (path, subject) = (call.request.path.clone(), call.subject.clone());
        let look = Call::new(Method::Get, path, format!("read {subject}"), subject);
        let found = self.client.call(&look, deadline, decode::object::<Value>);
        match found {
            Ok(_) => Shown::There,
            Err(error) if error.kind() == ErrorKind::Missing => match self.info(deadline) {
                Ok(_) => Shown::Gone,
                // A pool that moves to the other head takes everything along.
                Err(_) => Shown::Unknown,
            },
            Err(error) if error.kind() == ErrorKind::Unreachable => Shown::Nothing,
            Err(_) => Shown::Unknown,
        }
    }
}

/// Whether no address could be connected to when it was tried last.
fn never_received(error: &Error) -> bool {
    match error {
        Error::Unreachable { attempts, .. } => {
            attempts.iter().all(|(_, reason)| !reason.maybe_received())
        }
        _ => false,
    }
}
