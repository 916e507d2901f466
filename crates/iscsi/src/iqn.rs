//! iSCSI names.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The iSCSI name of a target or an initiator: `iqn.`, `eui.` or `naa.` form.
///
/// It keeps its spelling, since some targets look names up as they are
/// written; compared, ordered and hashed, upper and lower case are the same.
///
/// ```
/// use jdss_iscsi::Iqn;
///
/// let name: Iqn = "iqn.2025-04.com.example:vm-100".parse()?;
/// assert_eq!(name, "IQN.2025-04.com.example:VM-100".parse()?);
/// assert!("iqn.2025-04.com.example:vm 100".parse::<Iqn>().is_err());
/// # Ok::<(), jdss_iscsi::NameError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Iqn(String);

/// Why a text is not an iSCSI name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has another form.
    #[error(
        "iscsi name {name:?} has an unknown form; allowed are `iqn.` and a name, `eui.` and 16 \
         hexadecimal digits, `naa.` and 16 or 32 hexadecimal digits"
    )]
    Form {
        /// The text.
        name: String,
    },
    /// It has a character that iSCSI names do not have.
    #[error(
        "iscsi name {name:?} has {found:?} in it; allowed are letters, digits, `.`, `:` and `-`"
    )]
    Character {
        /// The text.
        name: String,
        /// The first such character.
        found: char,
    },
    /// It is too long.
    #[error("iscsi name has {len} bytes, the limit is {max}", max = Iqn::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
}

impl Iqn {
    /// The longest name, in bytes (RFC 7143).
    pub const MAX_LEN: usize = 223;

    /// The name as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that the kernel reports. It is in use, so it is taken as it is:
    /// some targets have names outside the standard, and their sessions and
    /// disks must not be overlooked.
    pub(crate) fn reported(name: String) -> Self {
        Self(name)
    }

    fn lower(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl FromStr for Iqn {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if name.len() > Self::MAX_LEN {
            return Err(NameError::TooLong { len: name.len() });
        }
        let legal = |c: &char| c.is_ascii_alphanumeric() || ".:-".contains(*c);
        if let Some(found) = name.chars().find(|c| !legal(c)) {
            let name = name.to_owned();
            return Err(NameError::Character { name, found });
        }
        let (kind, rest) = name.split_once('.').unwrap_or_default();
        let hexadecimal = rest.chars().all(|c| c.is_ascii_hexdigit());
        let right = match kind.to_ascii_lowercase().as_str() {
            "iqn" => !rest.is_empty(),
            "eui" => hexadecimal && rest.len() == 16,
            "naa" => hexadecimal && [16, 32].contains(&rest.len()),
            _ => false,
        };
        if right {
            Ok(Self(name.to_owned()))
        } else {
            let name = name.to_owned();
            Err(NameError::Form { name })
        }
    }
}

impl fmt::Display for Iqn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Iqn {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Iqn {}

impl Ord for Iqn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.lower().cmp(other.lower())
    }
}

impl PartialOrd for Iqn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Iqn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lower().for_each(|byte| state.write_u8(byte));
        state.write_u8(0xff);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn the_three_forms_are_names() {
        for name in [
            "iqn.2025-04.com.example:vm-100-0",
            "iqn.2025-04.com.example",
            "eui.02004567A425678D",
            "naa.52004567BA64678D",
            "naa.62004567BA64678D0123456789ABCDEF",
        ] {
            assert_eq!(name.parse::<Iqn>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn other_forms_are_not() {
        for name in [
            "",
            "iqn",
            "iqn.",
            "eui.1",
            "naa.52004567BA64678",
            "disk.1",
            ".iqn",
        ] {
            let error = name.parse::<Iqn>().unwrap_err();
            assert!(matches!(error, NameError::Form { .. }), "{name}: {error}");
        }
        for (name, found) in [
            ("iqn.a/../b", '/'),
            ("iqn.a b", ' '),
            ("iqn.a_b", '_'),
            ("iqn.\u{e4}", '\u{e4}'),
        ] {
            let error = name.parse::<Iqn>().unwrap_err();
            assert_eq!(
                error,
                NameError::Character {
                    name: name.to_owned(),
                    found
                }
            );
        }
        let long = format!("iqn.{}", "a".repeat(220));
        assert_eq!(
            long.parse::<Iqn>().unwrap_err(),
            NameError::TooLong { len: 224 }
        );
        assert!(long[..223].parse::<Iqn>().is_ok());
    }

    #[test]
    fn case_does_not_make_another_name() {
        let (a, b): (Iqn, Iqn) = ("iqn.x:A".parse().unwrap(), "IQN.X:a".parse().unwrap());
        assert_eq!(a, b);
        assert_eq!(a.cmp(&b), Ordering::Equal);
        assert_eq!(HashSet::from([a, b]).len(), 1);
        let (short, long): (Iqn, Iqn) = (
            "iqn.x:vm-1".parse().unwrap(),
            "iqn.x:vm-10".parse().unwrap(),
        );
        assert_ne!(short, long);
    }

    proptest! {
        #[test]
        fn print_then_parse_is_the_same(name in "iqn\\.[a-zA-Z0-9.:-]{1,40}") {
            let iqn: Iqn = name.parse().unwrap();
            prop_assert_eq!(iqn.to_string().parse::<Iqn>().unwrap(), iqn);
        }

        #[test]
        fn no_text_panics(name in ".{0,40}") {
            let _ = name.parse::<Iqn>();
        }
    }
}
