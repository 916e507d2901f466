use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use super::NameError;

/// The name of a CHAP user.
///
/// ASCII letters, digits, `_` and `-`, where `-` is neither first nor last.
///
/// # Example
///
/// ```
/// use jdss_rest::ChapUser;
///
/// let user: ChapUser = "pve-node".parse()?;
/// assert_eq!(user.as_str(), "pve-node");
/// assert!("-node".parse::<ChapUser>().is_err());
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChapUser(String);

impl ChapUser {
    /// The longest value that iSCSI carries in a login, in bytes.
    pub const MAX_LEN: usize = 255;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChapUser {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "the CHAP user";
        let bad = |found, allowed| NameError::BadCharacter {
            what: WHAT,
            value: super::shorten(text),
            found,
            allowed,
        };
        if text.is_empty() {
            return Err(NameError::Empty { what: WHAT });
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if let Some(found) = text.chars().find(|&c| !word(c) && c != '-') {
            return Err(bad(found, "A-Z, a-z, 0-9, '_' and '-'"));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(bad(
                '-',
                "A-Z, a-z, 0-9 and '_' as the first and the last character",
            ));
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

impl fmt::Display for ChapUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The password of a CHAP user: 12 to 255 of ASCII letters, digits and `-_!@%()+?.:;`.
///
/// It is wiped from memory when dropped, and `Debug` shows nothing of it.
///
/// # Example
///
/// ```
/// use jdss_rest::{ChapPassword, ChapPasswordError, SecretString};
///
/// let password = ChapPassword::new(SecretString::from("correct-horse"))?;
/// assert_eq!(password.expose_secret(), "correct-horse");
/// assert_eq!(format!("{password:?}"), "ChapPassword(..)");
///
/// let short = ChapPassword::new(SecretString::from("horse"));
/// assert_eq!(short, Err(ChapPasswordError::TooShort));
/// # Ok::<(), ChapPasswordError>(())
/// ```
#[derive(Clone)]
pub struct ChapPassword(SecretString);

impl ChapPassword {
    /// The shortest password that the appliance takes, in characters.
    pub const MIN_LEN: usize = 12;
    /// The longest password that the appliance takes, in characters.
    pub const MAX_LEN: usize = 255;

    /// Checks a password.
    ///
    /// # Errors
    ///
    /// [`ChapPasswordError`]: it is too short or too long, or has a character
    /// that the appliance refuses; choose another one.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::{ChapPassword, SecretString};
    /// assert!(ChapPassword::new(SecretString::from("correct-horse")).is_ok());
    /// let refused = ChapPassword::new(SecretString::from("correct horse")).unwrap_err();
    /// assert!(refused.to_string().starts_with("character 8 "));
    /// ```
    pub fn new(password: SecretString) -> Result<Self, ChapPasswordError> {
        let text = password.expose_secret();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_!@%()+?.:;".contains(c);
        if let Some(index) = text.chars().position(|c| !allowed(c)) {
            let position = index + 1;
            return Err(ChapPasswordError::BadCharacter { position });
        }
        // ASCII by now: bytes are characters.
        if text.len() < Self::MIN_LEN {
            return Err(ChapPasswordError::TooShort);
        }
        if text.len() > Self::MAX_LEN {
            return Err(ChapPasswordError::TooLong);
        }
        Ok(Self(password))
    }

    /// The password itself, for the request or the login that needs it.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

impl TryFrom<SecretString> for ChapPassword {
    type Error = ChapPasswordError;

    fn try_from(password: SecretString) -> Result<Self, ChapPasswordError> {
        Self::new(password)
    }
}

impl PartialEq for ChapPassword {
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret() == other.expose_secret()
    }
}

impl Eq for ChapPassword {}

impl fmt::Debug for ChapPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChapPassword(..)")
    }
}

/// Why a text is not a CHAP password; never shows any of it.
///
/// # Example
///
/// ```
/// use jdss_rest::ChapPasswordError;
/// let error = ChapPasswordError::TooShort;
/// assert_eq!(error.to_string(), "the CHAP password is too short; it needs 12 to 255 characters");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChapPasswordError {
    /// It is too short.
    #[error(
        "the CHAP password is too short; it needs {} to {} characters",
        ChapPassword::MIN_LEN,
        ChapPassword::MAX_LEN
    )]
    TooShort,
    /// It is too long.
    #[error(
        "the CHAP password is too long; it needs {} to {} characters",
        ChapPassword::MIN_LEN,
        ChapPassword::MAX_LEN
    )]
    TooLong,
    /// A character is not allowed.
    #[error(
        "character {position} of the CHAP password is not allowed; use A-Z, a-z, 0-9 and -_!@%()+?.:;"
    )]
    BadCharacter {
        /// Which one, counted from 1.
        position: usize,
    },
}
