//! The fingerprint of a certificate.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXUPPER_PERMISSIVE;
use sha2::{Digest, Sha256};

/// SHA-256 of a certificate in its DER form: what `openssl x509 -noout
/// -fingerprint -sha256` and browsers show.
///
/// # Example
///
/// ```
/// use jdss_rest::Fingerprint;
///
/// let text = "9F:86:D0:81:88:4C:7D:65:9A:2F:EA:A0:C5:5A:D0:15:A3:BF:4F:1B:2B:0B:82:2C:D1:5D:6C:15:B0:F0:0A:08";
/// let fingerprint: Fingerprint = text.parse()?;
/// assert_eq!(fingerprint.to_string(), text);
/// assert_eq!(text.replace(':', "").to_lowercase().parse(), Ok(fingerprint));
/// # Ok::<(), jdss_rest::FingerprintError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate, given in DER form.
    ///
    /// # Example
    ///
    /// ```
    /// let fingerprint = jdss_rest::Fingerprint::of(b"a certificate's bytes");
    /// assert!(fingerprint.to_string().starts_with("F4:D4:"));
    /// ```
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

/// Why a text is not a fingerprint.
///
/// # Example
///
/// ```
/// use jdss_rest::{Fingerprint, FingerprintError};
/// let sha1 = "A94A8FE5CCB19BA61C4C0873D391E987982FBBD3".parse::<Fingerprint>();
/// assert_eq!(sha1, Err(FingerprintError::Length { found: 40 }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// It has another length; SHA-1, for one, has 40 digits.
    #[error(
        "the fingerprint has {found} hexadecimal digits; SHA-256 has 64, as `openssl x509 -noout -fingerprint -sha256` prints them"
    )]
    Length {
        /// The digits found.
        found: usize,
    },
    /// It contains something else than hexadecimal digits, or colons elsewhere
    /// than after every second digit.
    #[error(
        "the fingerprint `{found}` is not hexadecimal; give 64 digits, with a colon after every second one or with none"
    )]
    NotHex {
        /// The text.
        found: String,
    },
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let not_hex = || FingerprintError::NotHex {
            found: text.to_owned(),
        };
        if text.contains(':') && text.split(':').any(|pair| pair.len() != 2) {
            return Err(not_hex());
        }
        let digits = text.replace(':', "");
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(not_hex());
        }
        let found = digits.len();
        let bytes = HEXUPPER_PERMISSIVE.decode(digits.as_bytes());
        bytes
            .ok()
            .and_then(|bytes| Some(Self(bytes.try_into().ok()?)))
            .ok_or(FingerprintError::Length { found })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}
