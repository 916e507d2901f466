//! That the target asks for CHAP, or does not, as the caller wants it.

use super::Chap;
use super::work::{Look, Work};
use crate::error::{Error, ErrorKind};
use crate::model::Target;
use crate::names::{ChapPassword, ChapUser};

impl Work<'_> {
    /// Makes an existing target of the group ask for CHAP, or not.
    ///
    /// What others could need to come back after a network failure is taken
    /// away only while nobody has a session: then the error beside the target
    /// says that it is not as it should be.
    pub(super) fn guard(&self, target: Target) -> Result<Look<(Target, Option<Error>)>, Error> {
        let guarded = match &self.request.chap {
            Chap::Unmanaged => Ok((target, None)),
            Chap::Off if !target.chap => Ok((target, None)),
            Chap::Off => self.open(target),
            Chap::On { user, password } => self.close(target, user, password),
        };
        match guarded {
            Ok(guarded) => Ok(Look::Done(guarded)),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(Look::Again(error)),
            Err(error) => Err(error),
        }
    }

    /// The switch first: users that are missing while it is on lock everybody out.
    fn open(&self, mut target: Target) -> Result<(Target, Option<Error>), Error> {
        let sessions = self.pool.sessions(&target.name, self.deadline)?;
        if !sessions.is_empty() {
            let (name, wanted) = (target.name.clone(), false);
            return Ok((
                target,
                Some(Error::ChapInUse {
                    target: name,
                    wanted,
                    sessions,
                }),
            ));
        }
        self.pool.set_chap(&target.name, false, self.deadline)?;
        target.chap = false;
        for user in self.pool.chap_users(&target.name, self.deadline)? {
            self.pool
                .remove_chap_user(&target.name, &user, self.deadline)?;
        }
        Ok((target, None))
    }

    /// The user first: the switch without it locks everybody out.
    fn close(
        &self,
        mut target: Target,
        user: &ChapUser,
        password: &ChapPassword,
    ) -> Result<(Target, Option<Error>), Error> {
        let users = self.pool.chap_users(&target.name, self.deadline)?;
        let (ours, others): (Vec<String>, Vec<String>) =
            users.into_iter().partition(|name| name == user.as_str());
        if ours.is_empty() {
            self.pool
                .ensure_chap_user(&target.name, user, password, self.deadline)?;
        }
        if target.chap && others.is_empty() {
            return Ok((target, None));
        }
        let sessions = self.pool.sessions(&target.name, self.deadline)?;
        if !sessions.is_empty() {
            let (name, wanted) = (target.name.clone(), true);
            let in_use = || Error::ChapInUse {
                target: name,
                wanted,
                sessions,
            };
            let in_use = (!target.chap).then(in_use);
            return Ok((target, in_use));
        }
        if !target.chap {
            self.pool.set_chap(&target.name, true, self.deadline)?;
            target.chap = true;
        }
        for other in others {
            self.pool
                .remove_chap_user(&target.name, &other, self.deadline)?;
        }
        Ok((target, None))
    }
}
