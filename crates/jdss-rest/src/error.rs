//! What can go wrong, and what a caller may do about it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::model::Vip;
use crate::names::NameError;
use crate::transport::{Method, TransportError};

/// What sort of failure it is: the thing to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The appliance says that there is no such thing.
    Missing,
    /// There is one already.
    Exists,
    /// Clones or snapshots depend on it.
    Busy,
    /// Somebody else has the name, the LUN number or the volume.
    Conflict,
    /// Somebody uses it.
    InUse,
    /// The pool is full.
    NoSpace,
    /// User or password is wrong, or the user may not do this.
    Auth,
    /// No control address answers.
    Unreachable,
    /// An address answers, but its certificate is not trusted.
    Untrusted,
    /// The appliance failed in a way that passes.
    Transient,
    /// The time given is over.
    Deadline,
    /// The answer makes no sense.
    Protocol,
    /// No VIP of the pool can be used as a portal.
    NoVip,
    /// The target is switched off.
    Inactive,
    /// The appliance is too old for the request.
    Unsupported,
    /// The request, or a setting of the client, is not valid.
    Invalid,
    /// The appliance reports a failure of no known kind.
    Other,
}

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client was given no control address.
    #[error("no control address is given; at least one IP address of the appliance is needed")]
    NoAddress,
    /// The user name cannot be used with Basic authentication.
    #[error("the user name contains a ':'; choose a user without one")]
    BadUser,
    /// The file with the certificates cannot be read.
    #[error("cannot read the CA file {}", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no usable certificate.
    #[error(
        "no certificate can be read from {origin}; a PEM file with the appliance's CA certificate is needed"
    )]
    BadCa {
        /// Where it was looked for.
        origin: String,
    },
    /// A name is not valid.
    #[error("{reason}")]
    Name {
        /// What is wrong with it.
        reason: NameError,
    },
    /// A limit of LUNs a target is not valid.
    #[error("{found} LUNs per target are asked for; allowed are 1 to {max}")]
    LunLimit {
        /// The limit found.
        found: u16,
        /// The largest one.
        max: u16,
    },
    /// A block size is not one that the appliance has.
    #[error("block size {found} is not allowed; use a power of two from 4096 to 1048576")]
    BlockSize {
        /// The size found, in bytes.
        found: u32,
    },
    /// A volume was to be created that exists already.
    #[error("volume {pool}/{volume} exists already; choose another name")]
    VolumeExists {
        /// Physical name of the volume.
        volume: String,
        /// Its pool.
        pool: String,
    },
    /// None of the control addresses gave an answer.
    #[error(
        "cannot reach the appliance to {what}: {attempts}; check that the control addresses are right, that the port is open and that the appliance is up"
    )]
    Unreachable {
        /// What was to be done.
        what: String,
        /// Each address, with the reason.
        attempts: Attempts,
    },
    /// No control address gave an answer, and some showed a certificate that is not trusted.
    #[error(
        "cannot {what}: {attempts}; give the certificate of the authority that signed the appliance's, reach the appliance by an address named in it, or switch the verification off"
    )]
    Untrusted {
        /// What was to be done.
        what: String,
        /// Each address, with the reason.
        attempts: Attempts,
    },
    /// The time given passed.
    #[error("no time left to {what}{}", .attempts.as_suffix())]
    Deadline {
        /// What was to be done.
        what: String,
        /// The addresses tried last, with the reason.
        attempts: Attempts,
    },
    /// A request that creates something got no answer: it may have been done or not.
    #[error(
        "no answer from {address} to the request to {what}, so it may have been done or not; look before trying again"
    )]
    LostReply {
        /// The address asked.
        address: SocketAddr,
        /// What was to be done.
        what: String,
        /// Why there was no answer.
        #[source]
        source: TransportError,
    },
    /// The appliance answered with an error.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// The answer is not what the API promises.
    #[error("{address} gave an unusable answer to {what} (HTTP status {status}): {reason}")]
    Protocol {
        /// The address asked.
        address: SocketAddr,
        /// What was to be done.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong.
        reason: ProtocolReason,
    },
    /// None of the data addresses is a VIP of the pool.
    #[error("none of the data addresses {} is a VIP of pool {pool} (its VIPs: {}); set the data addresses to VIPs of this pool", List(.wanted), List(.found))]
    NoVip {
        /// The pool.
        pool: String,
        /// The data addresses asked for.
        wanted: Vec<IpAddr>,
        /// The VIPs of the pool.
        found: Vec<Vip>,
    },
    /// VIPs match, but the target is not allowed to serve on them.
    #[error("target {target} may not be reached on any of the data addresses {} (allowed VIPs: {}); allow one of them on the target", List(.wanted), List(.allowed))]
    VipNotAllowed {
        /// The target.
        target: String,
        /// The data addresses asked for.
        wanted: Vec<IpAddr>,
        /// Names of the VIPs that the target may use.
        allowed: Vec<String>,
    },
    /// The target is switched off on the appliance.
    #[error("target {target} in pool {pool} is inactive; activate it on the appliance")]
    Inactive {
        /// The target.
        target: String,
        /// Its pool.
        pool: String,
    },
    /// The name of the target is taken, and not in this pool.
    #[error(
        "target name {target} is taken outside of pool {pool}; use another target prefix for this storage"
    )]
    TargetElsewhere {
        /// The target.
        target: String,
        /// The pool in which it was to be.
        pool: String,
    },
    /// A volume is attached to more than one target.
    #[error("volume {pool}/{volume} is attached more than once ({}); detach it on the appliance from all but one", List(.targets))]
    AttachedTwice {
        /// Physical name of the volume.
        volume: String,
        /// Its pool.
        pool: String,
        /// The targets.
        targets: Vec<String>,
    },
    /// The appliance does not say where a volume is attached.
    #[error(
        "volume {volume} is attached, but the appliance does not name the pool or the target; try again"
    )]
    Incomplete {
        /// Physical name of the volume.
        volume: String,
    },
    /// The appliance names no SCSI ID for the LUN.
    #[error(
        "the appliance gives no SCSI ID for volume {volume} on target {target}; without it the device cannot be told from others; try again"
    )]
    NoScsiId {
        /// Physical name of the volume.
        volume: String,
        /// The target.
        target: String,
    },
    /// Others changed the same targets at the same time, again and again.
    #[error("cannot attach volume {volume}: gave up after {rounds} attempts")]
    Contended {
        /// Physical name of the volume.
        volume: String,
        /// Attempts made.
        rounds: u32,
        /// What stopped the last one.
        #[source]
        source: Box<Error>,
    },
    /// A failure, and what this call had created could not be taken back either.
    #[error("{cause}; besides, the new target {target} could not be removed: {undo}")]
    NotUndone {
        /// The first failure.
        cause: Box<Error>,
        /// The target left behind.
        target: String,
        /// Why it could not be removed.
        undo: Box<Error>,
    },
}

impl Error {
    /// The sort of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoAddress
            | Self::BadUser
            | Self::CaFile { .. }
            | Self::BadCa { .. }
            | Self::Name { .. }
            | Self::LunLimit { .. }
            | Self::BlockSize { .. } => ErrorKind::Invalid,
            Self::VolumeExists { .. } => ErrorKind::Exists,
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::Untrusted { .. } => ErrorKind::Untrusted,
            Self::Deadline { .. } => ErrorKind::Deadline,
            Self::LostReply { .. } => ErrorKind::Transient,
            Self::Api(error) => error.kind,
            Self::Protocol { reason, .. } if reason.is_transient() => ErrorKind::Transient,
            Self::Protocol { .. } | Self::NoScsiId { .. } | Self::Incomplete { .. } => {
                ErrorKind::Protocol
            }
            Self::NoVip { .. } | Self::VipNotAllowed { .. } => ErrorKind::NoVip,
            Self::Inactive { .. } => ErrorKind::Inactive,
            Self::TargetElsewhere { .. } | Self::AttachedTwice { .. } => ErrorKind::Conflict,
            Self::Contended { source, .. } => match source.kind() {
                kind @ (ErrorKind::Transient | ErrorKind::Unreachable | ErrorKind::Deadline) => {
                    kind
                }
                // Above all not "missing": that is an answer, and this is none.
                _ => ErrorKind::Conflict,
            },
            Self::NotUndone { cause, .. } => cause.kind(),
        }
    }

    /// Whether the same call, made later, may succeed without anybody changing anything.
    ///
    /// # Example
    ///
    /// ```
    /// let error = jdss_rest::Client::builder(vec![]).build().unwrap_err();
    /// assert!(!error.is_transient());
    /// ```
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Contended { .. } | Self::NoScsiId { .. } | Self::Incomplete { .. } => true,
            Self::NotUndone { cause, .. } => cause.is_transient(),
            _ => matches!(
                self.kind(),
                ErrorKind::Unreachable | ErrorKind::Transient | ErrorKind::Deadline
            ),
        }
    }
}

/// What the appliance said, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// The meaning.
    pub kind: ErrorKind,
    /// The address that answered.
    pub address: SocketAddr,
    /// The method used.
    pub method: Method,
    /// What was to be done.
    pub what: String,
    /// The thing it was about; the one that is missing or there already.
    pub subject: String,
    /// The HTTP status.
    pub status: u16,
    /// The class of the error, as the appliance names it.
    pub class: Option<String>,
    /// The number of the error.
    pub errno: Option<i64>,
    /// The text of the error.
    pub message: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            what,
            subject,
            status,
            message,
            ..
        } = self;
        match self.kind {
            ErrorKind::Missing => write!(f, "{subject} does not exist ({address}: {message})"),
            ErrorKind::Exists => write!(f, "{subject} exists already ({address}: {message})"),
            ErrorKind::Busy => {
                write!(
                    f,
                    "cannot {what}: others depend on it ({address}: {message})"
                )
            }
            ErrorKind::NoSpace => {
                write!(
                    f,
                    "cannot {what}: not enough space in the pool ({address}: {message})"
                )
            }
            ErrorKind::Auth => write!(
                f,
                "{address} refused to {what} (HTTP status {status}); check user and password, and \
                 that the user may use the REST API"
            ),
            ErrorKind::Unsupported => write!(
                f,
                "cannot {what}: the appliance is too old for this ({address}: {message}); update it"
            ),
            _ => {
                write!(
                    f,
                    "cannot {what}: {address} answered {message:?} (HTTP status {status}"
                )?;
                if let Some(class) = &self.class {
                    write!(f, ", {class}")?;
                }
                if let Some(errno) = self.errno {
                    write!(f, ", errno {errno}")?;
                }
                f.write_str(")")
            }
        }
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolReason {
    /// There is no payload; an appliance under load answers so.
    Empty,
    /// It is not JSON.
    NotJson,
    /// The payload is not of the expected sort; an appliance under load answers so.
    Shape {
        /// What was expected.
        expected: &'static str,
    },
    /// Fewer entries came than the list is said to have.
    Partial {
        /// Entries received.
        got: usize,
        /// Entries announced.
        of: u64,
    },
    /// A field is absent or of the wrong sort.
    Field {
        /// What the decoder said.
        detail: String,
    },
    /// A status that the API does not use, such as a redirection.
    Status,
}

impl ProtocolReason {
    fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Empty | Self::NotJson | Self::Shape { .. } | Self::Partial { .. }
        )
    }
}

impl fmt::Display for ProtocolReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::NotJson => f.write_str("it is not JSON"),
            Self::Shape { expected } => write!(f, "{expected} was expected"),
            Self::Partial { got, of } => write!(f, "{got} entries of {of}"),
            Self::Field { detail } => f.write_str(detail),
            Self::Status => f.write_str(
                "the status is not one that the API uses; is this the REST port of the appliance?",
            ),
        }
    }
}

/// The addresses tried, each with the reason why it gave no answer.
#[derive(Debug, Default)]
pub struct Attempts(pub(crate) Vec<(SocketAddr, TransportError)>);

impl Attempts {
    /// Address and reason, in the order tried.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &TransportError)> {
        self.0.iter().map(|(address, reason)| (*address, reason))
    }

    fn as_suffix(&self) -> String {
        if self.0.is_empty() {
            String::new()
        } else {
            format!(" ({self})")
        }
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (address, reason)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{address}: {reason}")?;
        }
        Ok(())
    }
}

/// `a, b, c`, or a word for nothing.
struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, item) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}
