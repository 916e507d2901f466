//! Addresses that gave no answer.

use std::fmt;
use std::net::SocketAddr;

use crate::transport::TransportError;

/// The addresses tried, each with the reason why it gave no answer.
///
/// # Example
///
/// ```
/// use jdss_rest::Error;
///
/// fn explain(error: &Error) {
///     if let Error::Unreachable { attempts, .. } = error {
///         for (address, reason) in attempts.iter() {
///             eprintln!("{address}: {reason}");
///         }
///     }
/// }
/// ```
#[derive(Debug, Default)]
pub struct Attempts(pub(crate) Vec<(SocketAddr, TransportError)>);

impl Attempts {
    /// Address and reason, in the order tried.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &TransportError)> {
        self.0.iter().map(|(address, reason)| (*address, reason))
    }

    pub(super) fn as_suffix(&self) -> String {
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
