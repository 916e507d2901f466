//! What can be wrong with a configuration.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What can be wrong with a configuration or a password file.
///
/// No text has a password in it, nor anything from a line of a password file.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is missing or cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// There is no such storage of type `joviandss`.
    #[error("{} has no section `joviandss: {id}`; it has {}", path.display(), list(known, "none of this type"))]
    NoSuchStorage {
        /// The file.
        path: PathBuf,
        /// The storage that was asked for.
        id: String,
        /// Those that exist.
        known: Vec<String>,
    },
    /// A section's head cannot be read.
    #[error(
        "{at}: found {found:?}, which is no head of a section; write `joviandss: ID`, ID being letters, digits, `-`, `_` and `.`, at least two, the first a letter, the last a letter or digit"
    )]
    BadHead {
        /// The line.
        at: Place,
        /// The line's text, shortened.
        found: String,
    },
    /// Two sections have one id.
    #[error("{at}: a storage `{id}` was described in line {first} already; remove one of them")]
    SectionTwice {
        /// The second section's first line.
        at: Place,
        /// The id.
        id: String,
        /// The first section's first line.
        first: usize,
    },
    /// A line is no property. Proxmox VE would ignore it.
    #[error(
        "{at}, section `joviandss: {section}`: found {found:?}, which is no property of it; a property is an indented line `NAME VALUE`, and an empty line ends the section"
    )]
    NotAProperty {
        /// The line.
        at: Place,
        /// The section's id.
        section: String,
        /// The line's text, shortened.
        found: String,
    },
    /// A property has a name that this type of storage does not know.
    #[error("{at}, section `joviandss: {section}`: there is no property `{property}`; {}", match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("allowed are {}", super::property::names()),
    })]
    UnknownProperty {
        /// The line.
        at: Place,
        /// The section's id.
        section: String,
        /// The name that was found, shortened.
        property: String,
        /// The most similar name, if one is similar.
        nearest: Option<&'static str>,
    },
    /// A property is given twice.
    #[error(
        "{at}, section `joviandss: {section}`: `{property}` was given in line {first} already; remove one of them"
    )]
    PropertyTwice {
        /// The second line.
        at: Place,
        /// The section's id.
        section: String,
        /// The property.
        property: &'static str,
        /// The first line.
        first: usize,
    },
    /// A property has a value that it cannot have.
    #[error(
        "{at}, section `joviandss: {section}`: `{property}` cannot be {found:?}; allowed: {allowed}"
    )]
    BadValue {
        /// The line.
        at: Place,
        /// The section's id.
        section: String,
        /// The property.
        property: &'static str,
        /// What was found, shortened.
        found: String,
        /// What it can be.
        allowed: &'static str,
    },
    /// A property that must be there is not.
    #[error("{at}, section `joviandss: {section}`: `{property}` is missing")]
    Missing {
        /// The section's first line.
        at: Place,
        /// The section's id.
        section: String,
        /// The property.
        property: &'static str,
    },
    /// A secret stands where everybody who may read the configuration can read it.
    #[error(
        "{at}, section `joviandss: {section}`: `{property}` must not be in this file; put it into the password file"
    )]
    InlineSecret {
        /// The line.
        at: Place,
        /// The section's id.
        section: String,
        /// The property.
        property: &'static str,
    },
    /// The password file is missing or cannot be read.
    #[error("cannot read the password file {} of storage `{storage}`; make one with mode 0600 and the line `user_password PASSWORD`", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// The storage.
        storage: String,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Everybody on the host can read or change the password file.
    #[error("the password file {} has mode {mode:04o}, so that everybody can read or change it; make that 0600, and change the password", path.display())]
    PasswordFileOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line of the password file cannot be understood. What is in it is not told.
    #[error(
        "{at}: {problem}; allowed are `user_password PASSWORD`, `chap_user_password PASSWORD` and lines that begin with `#`"
    )]
    PasswordLine {
        /// The line.
        at: Place,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The password file lacks a password.
    #[error("the password file {} has no `{key}`; add the line `{key} PASSWORD`", path.display())]
    PasswordMissing {
        /// The file.
        path: PathBuf,
        /// The line's first word.
        key: &'static str,
    },
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line, the first being 1.
    pub line: usize,
}

impl Place {
    pub(super) fn new(path: &Path, line: usize) -> Self {
        Self {
            path: path.to_owned(),
            line,
        }
    }
}

/// `FILE line N`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.path.display(), self.line)
    }
}

/// The beginning of `text`, as much as an error should show.
pub(super) fn shorten(text: &str) -> String {
    const MAX: usize = 80;
    let mut short: String = text.chars().take(MAX).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

fn list(names: &[String], none: &str) -> String {
    if names.is_empty() {
        return none.to_owned();
    }
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
