use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use super::NameError;

/// The SCSI ID that the appliance gave to a LUN, such as `4fa1c0de77e2b316`.
///
/// Its first eight characters are the identity that a Linux host sees: two
/// volumes that agree in them cannot be told apart by a host.
///
/// # Example
///
/// ```
/// let id: jdss_rest::ScsiId = "4fa1c0de77e2b316".parse()?;
/// assert_eq!(id.wwid(), "23466613163306465");
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScsiId(String);

impl ScsiId {
    /// Characters that make up the identity; a shorter id is refused.
    ///
    /// The target pads a shorter one, other clients do not: its WWID would be a guess.
    pub const MIN_LEN: usize = 8;
    /// The longest id that the target takes.
    pub const MAX_LEN: usize = 25;

    /// The id as the appliance writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The eight bytes of the EUI-64 designator.
    ///
    /// # Example
    ///
    /// ```
    /// let id: jdss_rest::ScsiId = "4fa1c0de77e2b316".parse()?;
    /// assert_eq!(&id.eui64(), b"4fa1c0de");
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    #[must_use]
    pub fn eui64(&self) -> [u8; 8] {
        let mut eui = [0; 8];
        eui.copy_from_slice(&self.0.as_bytes()[..Self::MIN_LEN]);
        eui
    }

    /// The WWID under which udev and multipath know the disk: `2` and 16 hex digits.
    ///
    /// # Example
    ///
    /// ```
    /// let id: jdss_rest::ScsiId = "95545635e1780899".parse()?;
    /// assert_eq!(id.wwid(), "23935353435363335");
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    #[must_use]
    pub fn wwid(&self) -> String {
        format!("2{}", HEXLOWER.encode(&self.eui64()))
    }
}

impl FromStr for ScsiId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "the SCSI ID";
        if let Some(found) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(NameError::BadCharacter {
                what: WHAT,
                value: super::shorten(text),
                found,
                allowed: "printable ASCII characters without blanks",
            });
        }
        if text.len() < Self::MIN_LEN {
            return Err(NameError::TooShort {
                what: WHAT,
                value: text.to_owned(),
                len: text.len(),
                min: Self::MIN_LEN,
            });
        }
        if text.len() > Self::MAX_LEN {
            return Err(NameError::TooLong {
                value: super::shorten(text),
                len: text.len(),
                max: Self::MAX_LEN,
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ScsiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
