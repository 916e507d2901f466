//! Errors that the appliance reports.

use std::fmt;
use std::net::SocketAddr;

use super::ErrorKind;
use crate::transport::Method;

/// What the appliance said, and what it means.
///
/// # Example
///
/// ```
/// use jdss_rest::Error;
///
/// fn number(error: &Error) -> Option<i64> {
///     match error {
///         Error::Api(api) => api.errno,
///         _ => None,
///     }
/// }
/// ```
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
