//! Numbers with a meaning of their own.

use std::fmt;
use std::str::FromStr;

/// A logical unit number, 0 to 16383: what SCSI can write in its flat form,
/// and the appliance offers.
///
/// ```
/// use jdss_iscsi::Lun;
///
/// assert_eq!("7".parse::<Lun>()?, Lun::try_from(7)?);
/// assert!(Lun::try_from(16384).is_err());
/// # Ok::<(), jdss_iscsi::LunError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lun(u16);

/// Why something is not a logical unit number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("lun {text:?} is not a number from 0 to {max}", max = Lun::MAX)]
pub struct LunError {
    /// What it was.
    pub text: String,
}

impl Lun {
    /// The largest one.
    pub const MAX: u16 = 16383;

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Lun {
    type Error = LunError;

    fn try_from(number: u16) -> Result<Self, LunError> {
        if number > Self::MAX {
            let text = number.to_string();
            return Err(LunError { text });
        }
        Ok(Self(number))
    }
}

impl FromStr for Lun {
    type Err = LunError;

    fn from_str(text: &str) -> Result<Self, LunError> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse::<u16>().ok()).flatten();
        number
            .and_then(|number| Self::try_from(number).ok())
            .ok_or_else(|| LunError {
                text: text.to_owned(),
            })
    }
}

impl From<Lun> for u16 {
    fn from(lun: Lun) -> Self {
        lun.0
    }
}

impl fmt::Display for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kernel's number of a session. It is not used again until a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u32);

impl SessionId {
    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl From<u32> for SessionId {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A SCSI address: host, channel, target, and a LUN of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hctl {
    pub(crate) host: u32,
    pub(crate) channel: u32,
    pub(crate) target: u32,
    pub(crate) lun: u64,
}

impl Hctl {
    /// Parses `2:0:0:1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(':');
        let hctl = Self {
            host: fields.next()?.parse().ok()?,
            channel: fields.next()?.parse().ok()?,
            target: fields.next()?.parse().ok()?,
            lun: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(hctl)
    }

    /// Its LUN, when this crate has a name for it.
    pub(crate) fn lun(self) -> Option<Lun> {
        Lun::try_from(u16::try_from(self.lun).ok()?).ok()
    }
}

impl fmt::Display for Hctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}:{}",
            self.host, self.channel, self.target, self.lun
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn luns_end_where_the_flat_form_ends() {
        assert_eq!("16383".parse::<Lun>().unwrap().get(), Lun::MAX);
        for text in ["", "16384", "65536", "-1", "+1", "1 ", "0x1", "a"] {
            assert_eq!(text.parse::<Lun>().unwrap_err().text, text);
        }
        assert_eq!(Lun::try_from(16384).unwrap_err().text, "16384");
    }

    #[test]
    fn a_scsi_address_has_four_numbers() {
        let hctl = Hctl::parse("2:0:1:16384").unwrap();
        assert_eq!(
            (hctl.host, hctl.channel, hctl.target, hctl.lun),
            (2, 0, 1, 16384)
        );
        assert_eq!(hctl.lun(), None);
        assert_eq!(Hctl::parse("2:0:0:7").unwrap().lun(), Lun::try_from(7).ok());
        for text in ["", "2:0:0", "2:0:0:1:0", "a:0:0:1", "host2"] {
            assert_eq!(Hctl::parse(text), None);
        }
    }

    proptest! {
        #[test]
        fn print_then_parse_is_the_same(number in 0..=Lun::MAX, host: u32, lun: u64) {
            let parsed = Lun::try_from(number).unwrap();
            prop_assert_eq!(parsed.to_string().parse::<Lun>().unwrap(), parsed);
            let hctl = Hctl { host, channel: 0, target: 1, lun };
            prop_assert_eq!(Hctl::parse(&hctl.to_string()), Some(hctl));
        }

        #[test]
        fn no_text_panics(text in ".{0,30}") {
            let _ = text.parse::<Lun>();
            let _ = Hctl::parse(&text);
        }
    }
}
