//! What can go wrong with records and locks.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::{BadTimestamp, Key};

/// What can go wrong with records and locks.
///
/// No text contains its cause: walk [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A storage, volume or snapshot name cannot be one.
    #[error("the {what} name {problem}")]
    BadName {
        /// `storage`, `volume` or `snapshot`.
        what: &'static str,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// A record, or the directory of records, is there but cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A record's file is there but is not a record.
    #[error("the record {} is damaged; look at it and at the volume, then remove the file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Damage,
    },
    /// A record was written by a newer release.
    #[error("the record {} has version {found}, this release knows up to {}; upgrade it", path.display(), crate::Record::VERSION)]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version in it.
        found: u64,
    },
    /// A record's content names another volume than its file name does.
    #[error("the record {} is about {names}; it was moved or copied: remove it", path.display())]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// The volume that it names.
        names: Box<Key>,
    },
    /// A record could not be written durably; the old one, if any, may still be there.
    #[error("cannot write the record {}", path.display())]
    Write {
        /// The record's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A record could not be removed durably.
    #[error("cannot remove the record {}", path.display())]
    Remove {
        /// The record's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A record lacks what the other layout must have, or has what it cannot hold.
    #[error(
        "the record of {key} cannot be converted: its {field} is missing or has no place there"
    )]
    NotConvertible {
        /// The volume.
        key: Box<Key>,
        /// The field.
        field: &'static str,
    },
    /// The lock did not become free in time.
    #[error("{what} is locked by {holder}; gave up after {:.1} s", waited.as_secs_f64())]
    Locked {
        /// What the lock is for, such as `volume jovian:vm-100-disk-0`.
        what: String,
        /// Who holds it.
        holder: Holder,
        /// How long this call waited.
        waited: Duration,
    },
    /// A lock file cannot be made, opened or locked.
    #[error("cannot use the lock file {}", path.display())]
    Lock {
        /// The lock file, or the directory of lock files.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The directory of lock files belongs to somebody else, or others may write to it.
    #[error(
        "{} is owned by user {owner} and has mode {mode:04o}; it must be owned by user {wanted} \
         and writable by nobody else: remove it",
        path.display()
    )]
    UnsafeLockDirectory {
        /// The directory.
        path: PathBuf,
        /// User id of its owner.
        owner: u32,
        /// User id of this process.
        wanted: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The kernel's boot id cannot be read.
    #[error("cannot read the boot id from {}", path.display())]
    BootId {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Whether only another process stood in the way, so that a later try may succeed.
    #[must_use]
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameProblem {
    /// It has no character.
    #[error("is empty")]
    Empty,
    /// It has more than [`Key::MAX_LEN`] bytes.
    #[error("has {len} bytes, the limit is {}", Key::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
}

/// What is wrong with the content of a record's file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It has no byte: typical for a file that a crash cut short.
    #[error("the file is empty")]
    Empty,
    /// It is much longer than any record.
    #[error("the file has more than {} bytes", crate::Store::RECORD_MAX)]
    TooLong,
    /// It is not JSON, a field is missing or unknown, or a value has the wrong type.
    #[error("the content is not that of a record")]
    Json(#[source] serde_json::Error),
    /// It has a version that no release wrote.
    #[error("there is no version {found}")]
    Version {
        /// The version in it.
        found: u64,
    },
    /// A name in it is empty or too long.
    #[error("its {what} name {problem}")]
    Name {
        /// `storage`, `volume` or `snapshot`.
        what: &'static str,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// A time in it is none.
    #[error("its time of {field} is wrong")]
    Time {
        /// `creation` or `update`.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: BadTimestamp,
    },
    /// A value in it is none that this field can have.
    #[error("its {field} cannot be {found}")]
    Value {
        /// The field.
        field: &'static str,
        /// What was found.
        found: String,
    },
}

/// Who holds a lock, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Process id that the holder left in the lock file.
    pub pid: Option<u32>,
    /// Command name of that process, as `/proc` has it now; `None` when there is no such process.
    pub command: Option<String>,
    /// What the holder does, in its own words.
    pub purpose: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.command) {
            (Some(pid), Some(command)) => write!(f, "process {pid} ({command})")?,
            // The process that took the lock is gone, yet somebody has its open file.
            (Some(pid), None) => write!(f, "a child of process {pid}, which is gone")?,
            (None, _) => f.write_str("a process that left no name")?,
        }
        if self.purpose.is_empty() {
            Ok(())
        } else {
            write!(f, ", which does: {}", self.purpose)
        }
    }
}
