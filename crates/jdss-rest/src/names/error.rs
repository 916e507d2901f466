/// Why a text is not a valid name.
///
/// # Example
///
/// ```
/// use jdss_rest::{ClusterPrefix, NameError};
/// let error = "pve-A".parse::<ClusterPrefix>().unwrap_err();
/// assert!(matches!(error, NameError::BadCharacter { found: '-', .. }));
/// assert_eq!(
///     error.to_string(),
///     "the cluster prefix \"pve-A\" contains '-'; allowed are A-Z, a-z and 0-9"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty.
    #[error("{what} is empty; a name is needed")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// The name made from the text is longer than allowed.
    #[error(
        "{value:?} makes a name of {len} bytes, at most {max} are allowed; choose a shorter one"
    )]
    TooLong {
        /// The text, shortened.
        value: String,
        /// Length of the name, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The text is shorter than allowed.
    #[error("{what} {value:?} has {len} characters, at least {min} are needed")]
    TooShort {
        /// What was to be named.
        what: &'static str,
        /// The text.
        value: String,
        /// Length found, in characters.
        len: usize,
        /// The limit, in characters.
        min: usize,
    },
    /// A character is not allowed.
    #[error("{what} {value:?} contains {found:?}; allowed are {allowed}")]
    BadCharacter {
        /// What was to be named.
        what: &'static str,
        /// The text, shortened.
        value: String,
        /// The first offending character.
        found: char,
        /// The characters that are allowed.
        allowed: &'static str,
    },
    /// The text cannot be one segment of a request path.
    #[error("{what} {value:?} cannot be used as the name of a resource")]
    Reserved {
        /// What was to be named.
        what: &'static str,
        /// The text.
        value: String,
    },
    /// The name is not one of a volume.
    #[error(
        "{value:?} is not the name of a volume, and a snapshot made for a clone of this name could \
         not be told from a user's; choose a name that begins with \"v_\""
    )]
    NotVolume {
        /// The name.
        value: String,
    },
    /// The text cannot be followed by a number to make a name.
    #[error(
        "{value:?} cannot begin the names of volumes; give a text that is not blank and does not \
         end in a digit, such as \"vm-100-disk-\""
    )]
    Stem {
        /// The text.
        value: String,
    },
}
