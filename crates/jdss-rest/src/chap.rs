//! CHAP: the users of a target, and the switch that makes it ask for them.

use std::time::Instant;

use secrecy::zeroize::Zeroize;
use serde::Deserialize;
use serde_json::json;

use crate::call::{Call, told};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::initiator::LocalInitiator;
use crate::list::Listed;
use crate::names::{ChapPassword, ChapUser};
use crate::pool::Pool;
use crate::transport::Method;

/// Attempts to add a user before giving up.
const ADD_ROUNDS: u32 = 4;
/// Shorter beginnings of a password at the end of a text are taken for chance.
const SHOWN_AT_MOST: usize = 3;

/// How the targets of a publication authenticate initiators.
///
/// # Example
///
/// ```
/// use jdss_rest::{Chap, ChapPassword};
/// let chap = Chap::On {
///     user: "pve".parse()?,
///     password: ChapPassword::new("a-good-password".to_owned().into())?,
/// };
/// assert!(!format!("{chap:?}").contains("a-good-password"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Chap {
    /// Targets stay as they are; new ones do not ask for CHAP.
    #[default]
    Unmanaged,
    /// Targets do not ask for CHAP.
    Off,
    /// Targets let in initiators with this user and password, and no others.
    On {
        /// The name of the user.
        user: ChapUser,
        /// Its password. The appliance never shows one: a user of this name
        /// that is there already is taken to have it. When a login with it is
        /// refused, see [`Client::renew_chap`].
        password: ChapPassword,
    },
}

/// Which CHAP user to give a new password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewChap {
    /// The pool.
    pub pool: String,
    /// The target (IQN).
    pub target: String,
    /// The name of the user.
    pub user: ChapUser,
    /// Its new password.
    pub password: ChapPassword,
    /// Who we are: sessions of others are not touched.
    pub local: LocalInitiator,
}

#[derive(Deserialize)]
struct User {
    name: String,
}

impl Listed for User {
    fn key(&self) -> Option<&str> {
        Some(&self.name)
    }
}

impl Client {
    /// Gives a CHAP user of a target another password, by making the user anew: three calls.
    ///
    /// For a login that was refused although the user is there. A session that
    /// is open goes on; but who comes back after a network failure with the
    /// old password is refused, so this is done only while nobody but the
    /// local initiator has a session. May block up to the deadline.
    ///
    /// # Errors
    ///
    /// * [`Error::ForeignSessions`]: others are logged in; nothing was changed.
    ///   Log them out first.
    /// * Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    /// * Kind [`Conflict`](ErrorKind::Conflict) or [`Exists`](ErrorKind::Exists):
    ///   the user is there again each time; somebody else adds it.
    /// * Those that all calls have: see [`Pool`]. The user can be missing then,
    ///   so that nobody gets in, until this is done again or a volume of the
    ///   target is published.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::{ChapPassword, LocalInitiator, RenewChap};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let renew = RenewChap {
    ///     pool: "Pool-0".to_owned(),
    ///     target: "iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0".to_owned(),
    ///     user: "pve".parse()?,
    ///     password: ChapPassword::new("a-new-password".to_owned().into())?,
    ///     local: LocalInitiator::new("iqn.1993-08.org.debian:01:aa11bb22cc33", &["10.1.0.51".parse()?]),
    /// };
    /// client.renew_chap(&renew, Instant::now() + Duration::from_secs(60))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn renew_chap(&self, renew: &RenewChap, deadline: Instant) -> Result<(), Error> {
        let pool = self.pool(&renew.pool);
        let (target, user) = (renew.target.as_str(), &renew.user);
        let mut round = 1;
        loop {
            let sessions = pool.sessions(target, deadline)?;
            renew.local.refuse_foreign(target, sessions)?;
            pool.remove_chap_user(target, user.as_str(), deadline)?;
            match pool.add_user(target, user, &renew.password, deadline) {
                Ok(true) => return Ok(()),
                // A user that is there may have the old password: not removed after all,
                // or added by somebody else.
                Ok(false) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Exists | ErrorKind::Conflict | ErrorKind::Transient
                    ) && round < ADD_ROUNDS => {}
                Err(error) => return Err(error),
            }
            if round >= ADD_ROUNDS || !self.pause(round, deadline) {
                return Err(Error::NotSeen {
                    what: format!("renew {}", pool.user_text(target, user.as_str())),
                    found: "nothing".to_owned(),
                });
            }
            round += 1;
        }
    }
}

impl Pool {
    fn user_text(&self, target: &str, user: &str) -> String {
        format!(
            "CHAP user {user} of target {target} in pool {}",
            self.name()
        )
    }

    /// Lists the names of the CHAP users of a target, none where the target is missing: one call.
    ///
    /// # Errors
    ///
    /// As for all methods.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// println!("{:?}", pool.chap_users("iqn.2025-04.com.example:vm-100-0", deadline)?);
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn chap_users(&self, target: &str, deadline: Instant) -> Result<Vec<String>, Error> {
        let subject = format!("the CHAP users of target {target} in pool {}", self.name());
        let path = self.path(&["san", "iscsi", "targets", target, "incoming-users"])?;
        let call = Call::new(Method::Get, path, format!("list {subject}"), subject);
        match self.client.list::<User>(call, deadline) {
            Ok(users) => Ok(users.into_iter().map(|user| user.name).collect()),
            // A target that never had a user has no list of them.
            Err(error) if error.kind() == ErrorKind::Missing => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Adds a CHAP user to a target: one call. It counts only while the target asks for
    /// CHAP: see [`set_chap`](Self::set_chap).
    ///
    /// # Errors
    ///
    /// * Kind [`Conflict`](ErrorKind::Conflict) or [`Exists`](ErrorKind::Exists):
    ///   there is a user of this name; its password is not changed.
    /// * Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    /// * [`Error::LostReply`]: look whether it is there.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// use jdss_rest::ChapPassword;
    /// let target = "iqn.2025-04.com.example:vm-100-0";
    /// let password = ChapPassword::new("a-good-password".to_owned().into())?;
    /// pool.add_chap_user(target, &"pve".parse()?, &password, deadline)?;
    /// pool.set_chap(target, true, deadline)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_chap_user(
        &self,
        target: &str,
        user: &ChapUser,
        password: &ChapPassword,
        deadline: Instant,
    ) -> Result<(), Error> {
        self.add_user(target, user, password, deadline).map(drop)
    }

    /// The same; false when the answer does not say that it was done.
    fn add_user(
        &self,
        target: &str,
        user: &ChapUser,
        password: &ChapPassword,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let subject = self.user_text(target, user.as_str());
        let path = self.path(&["san", "iscsi", "targets", target, "incoming-users"])?;
        let what = format!("add {subject}");
        // Neither has a character that JSON escapes; so the password is written once, and nowhere else.
        const FRAME: usize = r#"{"name":"","password":""}"#.len();
        let secret = password.expose_secret();
        let mut body = String::with_capacity(FRAME + user.as_str().len() + secret.len());
        for part in [
            r#"{"name":""#,
            user.as_str(),
            r#"","password":""#,
            secret,
            r#""}"#,
        ] {
            body.push_str(part);
        }
        let call = Call::new(Method::Post, path, what, subject).secret_body(body);
        self.client
            .call(&call, deadline, told)
            .map_err(|error| hide(error, secret))
    }

    /// Adds a CHAP user that was not there when looked for; somebody who was faster is fine.
    pub(crate) fn ensure_chap_user(
        &self,
        target: &str,
        user: &ChapUser,
        password: &ChapPassword,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut round = 1;
        loop {
            let error = match self.add_user(target, user, password, deadline) {
                Ok(true) => return Ok(()),
                Ok(false) => Error::NotSeen {
                    what: format!("add {}", self.user_text(target, user.as_str())),
                    found: "no such user".to_owned(),
                },
                Err(error) => match error.kind() {
                    ErrorKind::Exists | ErrorKind::Conflict => return Ok(()),
                    ErrorKind::Transient => error,
                    _ => return Err(error),
                },
            };
            let users = self.chap_users(target, deadline)?;
            if users.iter().any(|name| name == user.as_str()) {
                return Ok(());
            }
            if round >= ADD_ROUNDS || !self.client.pause(round, deadline) {
                return Err(error);
            }
            round += 1;
        }
    }

    /// Removes a CHAP user from a target; false when it was not there: one call.
    ///
    /// While the target asks for CHAP and has no user, nobody can log in.
    ///
    /// # Errors
    ///
    /// As for all methods.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let target = "iqn.2025-04.com.example:vm-100-0";
    /// pool.set_chap(target, false, deadline)?;
    /// pool.remove_chap_user(target, "pve", deadline)?;
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn remove_chap_user(
        &self,
        target: &str,
        user: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let segments = ["san", "iscsi", "targets", target, "incoming-users", user];
        self.remove(&segments, self.user_text(target, user), deadline)
    }

    /// Makes a target ask for CHAP, or not: one call, two where the answer says nothing.
    /// Sessions that are open stay.
    ///
    /// Add the user before switching on, switch off before removing it:
    /// otherwise everybody is locked out in between.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// pool.set_chap("iqn.2025-04.com.example:vm-100-0", false, deadline)?;
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn set_chap(&self, target: &str, on: bool, deadline: Instant) -> Result<(), Error> {
        let body = json!({ "name": target, "incoming_users_active": on });
        let subject = format!("target {target} in pool {}", self.name());
        let what = format!(
            "switch CHAP {} for {subject}",
            if on { "on" } else { "off" }
        );
        let path = self.path(&["san", "iscsi", "targets", target])?;
        let call = Call::new(Method::Put, path, what, subject).body(&body);
        self.change_target(&call, target, |target| target.chap == on, deadline)
    }
}

/// An appliance that refuses a password may quote it; what the error keeps of a long text can
/// end within.
fn hide(mut error: Error, secret: &str) -> Error {
    const HIDDEN: &str = "(password)";
    if let Error::Api(api) = &mut error {
        let mut hidden = api.message.replace(secret, HIDDEN);
        let cut = (SHOWN_AT_MOST..secret.len())
            .rev()
            .find(|length| hidden.ends_with(&secret[..*length]));
        if let Some(length) = cut {
            hidden.truncate(hidden.len() - length);
            hidden.push_str(HIDDEN);
        }
        std::mem::replace(&mut api.message, hidden).zeroize();
    }
    error
}
