//! Portals: the addresses at which a target answers.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Address and port of a target.
///
/// Written `10.0.0.1:3260` or `[fd00::1]:3260`; without a port it is 3260.
/// Compared as a value, so that one address has one portal however it is
/// spelled.
///
/// ```
/// use jdss_iscsi::Portal;
///
/// assert_eq!("10.0.0.1".parse::<Portal>()?.to_string(), "10.0.0.1:3260");
/// assert_eq!("fd00:0:0::1".parse::<Portal>()?, "[fd00::1]:3260".parse()?);
/// # Ok::<(), jdss_iscsi::PortalError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Portal(SocketAddr);

/// Why a text is not a portal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "portal {text:?} is not an address; allowed are 10.0.0.1, 10.0.0.1:3260, fd00::1 and [fd00::1]:3260"
)]
pub struct PortalError {
    /// The text.
    pub text: String,
}

impl Portal {
    /// The port of iSCSI (RFC 7143).
    pub const DEFAULT_PORT: u16 = 3260;

    /// The portal at this address and port. An IPv4 address that is written as
    /// an IPv6 one (`::ffff:10.0.0.1`) is that IPv4 address.
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self(SocketAddr::new(address.to_canonical(), port))
    }

    /// Its address.
    pub fn address(&self) -> IpAddr {
        self.0.ip()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Reads address and port as sysfs and the node database keep them: apart,
    /// and IPv6 without brackets. `None` for host names.
    pub(crate) fn from_fields(address: &str, port: &str) -> Option<Self> {
        let address = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(address);
        Some(Self::new(address.parse().ok()?, port.parse().ok()?))
    }
}

impl FromStr for Portal {
    type Err = PortalError;

    fn from_str(text: &str) -> Result<Self, PortalError> {
        let bracketed = || {
            let inside = text.strip_prefix('[')?.strip_suffix(']')?;
            inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        };
        let bare = text.parse().ok().or_else(bracketed);
        let found = match bare {
            Some(address) => Some((address, Self::DEFAULT_PORT)),
            None => text.parse().ok().map(|at: SocketAddr| (at.ip(), at.port())),
        };
        match found {
            Some((address, port)) if port != 0 => Ok(Self::new(address, port)),
            _ => Err(PortalError {
                text: text.to_owned(),
            }),
        }
    }
}

impl From<SocketAddr> for Portal {
    fn from(at: SocketAddr) -> Self {
        Self::new(at.ip(), at.port())
    }
}

impl fmt::Display for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read_with_and_without_a_port() {
        for (text, want) in [
            ("10.0.0.1", "10.0.0.1:3260"),
            ("10.0.0.1:3261", "10.0.0.1:3261"),
            ("fd00::1", "[fd00::1]:3260"),
            ("[fd00::1]", "[fd00::1]:3260"),
            ("[fd00:0::0001]:3261", "[fd00::1]:3261"),
            ("::ffff:10.0.0.1", "10.0.0.1:3260"),
        ] {
            assert_eq!(text.parse::<Portal>().unwrap().to_string(), want);
        }
    }

    #[test]
    fn other_texts_are_refused_by_name() {
        for text in [
            "",
            "san1",
            "san1:3260",
            "10.0.0.1:",
            "10.0.0.1:0",
            "10.0.0:3260",
            "[10.0.0.1]",
            "[fd00::1",
            "10.0.0.1,3260",
        ] {
            let error = text.parse::<Portal>().unwrap_err();
            assert_eq!(error.text, text);
        }
    }

    #[test]
    fn a_portal_is_not_the_one_whose_text_begins_with_it() {
        let (two, twenty): (Portal, Portal) =
            ("10.0.0.2".parse().unwrap(), "10.0.0.20".parse().unwrap());
        assert_ne!(two, twenty);
    }

    #[test]
    fn fields_have_no_host_names() {
        let portal = "[fd00::1]:3260".parse().unwrap();
        assert_eq!(Portal::from_fields("fd00::1", "3260"), Some(portal));
        assert_eq!(Portal::from_fields("[fd00::1]", "3260"), Some(portal));
        assert_eq!(Portal::from_fields("san1", "3260"), None);
        assert_eq!(Portal::from_fields("(null)", "-1"), None);
    }

    proptest! {
        #[test]
        fn print_then_parse_is_the_same(address: IpAddr, port in 1u16..) {
            let portal = Portal::new(address, port);
            prop_assert_eq!(portal.to_string().parse::<Portal>().unwrap(), portal);
            let (ip, port) = (portal.address().to_string(), portal.port().to_string());
            prop_assert_eq!(Portal::from_fields(&ip, &port), Some(portal));
        }

        #[test]
        fn no_text_panics(text in ".{0,30}", port in ".{0,6}") {
            let _ = text.parse::<Portal>();
            let _ = Portal::from_fields(&text, &port);
        }
    }
}
