//! Whose sessions are ours.

use std::net::IpAddr;

use crate::error::Error;
use crate::model::Session;

/// The initiator of this host, by which its sessions are told from those of others.
///
/// Names alone do not tell: cloned hosts share one. So a session is ours only
/// if its initiator name (compared without case) and its address are ours.
///
/// # Example
///
/// ```
/// use jdss_rest::{Ignored, LocalInitiator};
///
/// let addresses = ["10.1.0.51".parse()?, "10.2.0.51".parse()?];
/// let local = LocalInitiator::new("iqn.1993-08.org.debian:01:aa11bb22cc33", &addresses)
///     // A node that is known to be dead; the appliance still shows its sessions.
///     .ignoring(Ignored {
///         initiator: "iqn.1993-08.org.debian:01:dead00000000".to_owned(),
///         address: None,
///     });
/// assert_eq!(local.addresses.len(), 2);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalInitiator {
    /// Its name, as in `/etc/iscsi/initiatorname.iscsi`.
    pub name: String,
    /// The addresses that it comes from.
    pub addresses: Vec<IpAddr>,
    /// Sessions of others that count for nothing.
    pub ignore: Vec<Ignored>,
}

/// Sessions of another initiator that count for nothing, such as a dead node's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The name of the initiator, compared without case.
    pub initiator: String,
    /// The address it came from; `None`: any.
    pub address: Option<IpAddr>,
}

impl LocalInitiator {
    /// The initiator with this name and these addresses, which ignores nobody.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::LocalInitiator;
    /// let local = LocalInitiator::new("iqn.1993-08.org.debian:01:aa11bb22cc33", &["10.1.0.51".parse()?]);
    /// assert!(local.ignore.is_empty());
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn new(name: &str, addresses: &[IpAddr]) -> Self {
        Self {
            name: name.to_owned(),
            addresses: addresses.to_vec(),
            ignore: Vec::new(),
        }
    }

    /// No initiator: all sessions are those of others.
    ///
    /// # Example
    ///
    /// ```
    /// let nobody = jdss_rest::LocalInitiator::none();
    /// assert!(nobody.addresses.is_empty());
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Self::new("", &[])
    }

    /// Lets sessions of another initiator count for nothing.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::{Ignored, LocalInitiator};
    /// let initiator = "iqn.1993-08.org.debian:01:dead00000000".to_owned();
    /// let local = LocalInitiator::none().ignoring(Ignored { initiator, address: None });
    /// assert_eq!(local.ignore.len(), 1);
    /// ```
    #[must_use]
    pub fn ignoring(mut self, ignored: Ignored) -> Self {
        self.ignore.push(ignored);
        self
    }

    /// Whether the session is of this initiator: by name and address.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// # let local = jdss_rest::LocalInitiator::none();
    /// let sessions = pool.sessions("iqn.2025-04.com.example:vm-100-0", deadline)?;
    /// let ours = sessions.iter().filter(|session| local.owns(session)).count();
    /// println!("{ours} of {}", sessions.len());
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    #[must_use]
    pub fn owns(&self, session: &Session) -> bool {
        session.is_of(&self.name)
            && session
                .ip()
                .is_some_and(|ip| self.addresses.iter().any(|own| own.to_canonical() == ip))
    }

    /// Whether the session is of somebody else, and counts.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// # let local = jdss_rest::LocalInitiator::none();
    /// let sessions = pool.sessions("iqn.2025-04.com.example:vm-100-0", deadline)?;
    /// for session in sessions.iter().filter(|session| local.is_foreign(session)) {
    ///     println!("in use: {session}");
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    #[must_use]
    pub fn is_foreign(&self, session: &Session) -> bool {
        let ignored = |ignored: &Ignored| {
            session.is_of(&ignored.initiator)
                && ignored
                    .address
                    .is_none_or(|address| session.ip() == Some(address.to_canonical()))
        };
        !self.owns(session) && !self.ignore.iter().any(ignored)
    }

    /// All sessions of a target again, unless one is foreign.
    pub(crate) fn refuse_foreign(
        &self,
        target: &str,
        sessions: Vec<Session>,
    ) -> Result<Vec<Session>, Error> {
        let (foreign, others): (Vec<Session>, Vec<Session>) = sessions
            .into_iter()
            .partition(|session| self.is_foreign(session));
        if foreign.is_empty() {
            return Ok(others);
        }
        Err(Error::ForeignSessions {
            target: target.to_owned(),
            sessions: foreign,
        })
    }
}

impl Session {
    /// The address of the initiator; `None` when the appliance writes something else there.
    ///
    /// A zone, brackets and the notation of IPv4 inside IPv6 do not matter.
    ///
    /// # Example
    ///
    /// A session that was read has the address as text:
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let deadline = Instant::now() + Duration::from_secs(20);
    /// for session in client.pool("Pool-0").sessions("iqn.2025-04.a:vm-1-0", deadline)? {
    ///     println!("{} from {:?}", session.initiator, session.ip());
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        let text = self.address.trim();
        let text = text.strip_prefix('[').unwrap_or(text);
        let text = text.split([']', '%']).next().unwrap_or(text);
        text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    }
}
