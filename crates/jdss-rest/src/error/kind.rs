//! The sorts of failure, and which error is of which.

use super::Error;

/// What sort of failure it is: the thing to match on.
///
/// # Example
///
/// ```
/// use jdss_rest::{Error, ErrorKind};
///
/// fn advice(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::Missing => "it is not there",
///         ErrorKind::Auth => "check user and password",
///         _ if error.is_transient() => "try again later",
///         _ => "look at the text",
///     }
/// }
/// ```
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
    /// Initiators have sessions with it.
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

impl Error {
    /// The sort of failure.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::{Client, ErrorKind};
    /// let error = Client::builder(vec![]).build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Invalid);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoAddress
            | Self::BadUser
            | Self::CaFile { .. }
            | Self::BadCa { .. }
            | Self::NoPin
            | Self::Name { .. }
            | Self::LunLimit { .. }
            | Self::BlockSize { .. }
            | Self::Shrink { .. } => ErrorKind::Invalid,
            Self::VolumeExists { .. } | Self::SnapshotExists { .. } | Self::OtherVolume { .. } => {
                ErrorKind::Exists
            }
            Self::HasDependents { .. } | Self::RollbackBlocked { .. } => ErrorKind::Busy,
            Self::ForeignSessions { .. } | Self::ChapInUse { .. } => ErrorKind::InUse,
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::Untrusted { .. } => ErrorKind::Untrusted,
            Self::Deadline { .. } => ErrorKind::Deadline,
            Self::LostReply { .. } | Self::ListChanged { .. } | Self::NotSeen { .. } => {
                ErrorKind::Transient
            }
            Self::Api(error) => error.kind,
            Self::Protocol { reason, .. } if reason.is_transient() => ErrorKind::Transient,
            Self::Protocol { .. }
            | Self::BadEntry { .. }
            | Self::NoScsiId { .. }
            | Self::Unidentified { .. }
            | Self::Incomplete { .. } => ErrorKind::Protocol,
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
            // Not that of the source: the rollback is done, and doing it again lists nothing.
            Self::RolledBack { .. } => ErrorKind::Other,
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
            Self::Contended { .. }
            | Self::NoScsiId { .. }
            | Self::Unidentified { .. }
            | Self::Incomplete { .. } => true,
            Self::NotUndone { cause, .. } => cause.is_transient(),
            _ => matches!(
                self.kind(),
                ErrorKind::Unreachable | ErrorKind::Transient | ErrorKind::Deadline
            ),
        }
    }
}
