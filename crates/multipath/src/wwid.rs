//! The name that udev and multipath-tools give to a volume.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// A world wide identifier: what udev calls `ID_SERIAL`, what `scsi_id` prints
/// and what multipath-tools keeps in `/etc/multipath/wwids`.
///
/// The first character says where it comes from: `3` NAA, `2` EUI-64, `1` T10
/// vendor, `0` vendor specific, `S` serial number. Compared byte by byte.
///
/// # Example
///
/// ```
/// use jdss_multipath::Wwid;
///
/// let wwid: Wwid = "23466613163306465".parse()?;
/// assert_eq!(wwid, Wwid::from_eui64(*b"4fa1c0de"));
/// assert!("../../etc".parse::<Wwid>().is_err());
/// # Ok::<(), jdss_multipath::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wwid(String);

impl Wwid {
    /// The longest text accepted, in bytes.
    pub const MAX_LEN: usize = 128;

    /// What udev makes of an 8-byte EUI-64 designator: `2` and 16 hexadecimal digits.
    pub fn from_eui64(id: [u8; 8]) -> Self {
        let digits = id.iter().map(|byte| format!("{byte:02x}"));
        Self(std::iter::once("2".to_owned()).chain(digits).collect())
    }

    /// The text, as the tools print it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether udev, the wwids file and device-mapper all take `c` as it is. `#`,
/// which udev would let pass, begins a comment in the wwids file.
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+-.:=@_".contains(c)
}

impl FromStr for Wwid {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    ///
    /// * [`Error::WwidLength`]: empty, or longer than [`Wwid::MAX_LEN`].
    /// * [`Error::WwidCharacter`]: other than ASCII letters, digits and `+-.:=@_`,
    ///   or not a letter or digit in front (it becomes an argument and a file name).
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(Error::WwidLength { len: text.len() });
        }
        let wrong =
            |(at, c): &(usize, char)| !is_allowed(*c) || (*at == 0 && !c.is_ascii_alphanumeric());
        if let Some((at, found)) = text.char_indices().find(wrong) {
            let text = text.to_owned();
            return Err(Error::WwidCharacter { text, found, at });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Wwid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Wwid {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn eui64_becomes_a_two_and_hex_digits() {
        assert_eq!(
            Wwid::from_eui64(*b"\x00\x0a\xff1234\x7f").as_str(),
            "2000aff313233347f"
        );
    }

    #[test]
    fn what_would_be_an_option_a_path_or_a_comment_is_refused() {
        for text in [
            "-a", ".", "..", "a/b", "a b", "3600#1", "a\n", "3é", "", "\"x\"",
        ] {
            assert!(text.parse::<Wwid>().is_err(), "{text:?} was accepted");
        }
        assert!("x".repeat(Wwid::MAX_LEN).parse::<Wwid>().is_ok());
        assert!("x".repeat(Wwid::MAX_LEN + 1).parse::<Wwid>().is_err());
    }

    #[test]
    fn real_names_are_accepted() {
        for text in [
            "23466613163306465",
            "360000000000000000e00000000010001",
            "1eui.3739613166306332",
            "0QEMU_QEMU_HARDDISK_drive-scsi0",
            "SSCST_BIO_vol1_a1b2c3d4",
            "1LIO-ORG_disk:1+2=3@4",
        ] {
            assert_eq!(text.parse::<Wwid>().unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn printed_and_parsed_again_is_the_same(text in "[0-9A-Za-z][0-9A-Za-z+.:=@_-]{0,127}") {
            let wwid: Wwid = text.parse().unwrap();
            prop_assert_eq!(wwid.to_string().parse::<Wwid>().unwrap(), wwid);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            if let Ok(wwid) = text.parse::<Wwid>() {
                prop_assert_eq!(wwid.as_str(), text);
            }
        }
    }
}
