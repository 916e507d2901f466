//! What the store does to the disk, verb by verb.

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Everything that [`Store`](crate::Store) does to the disk passes here.
///
/// [`System`] is the real disk. A test brings one that can lose what was not synced, or that
/// stops before the n-th call. Each verb does what the system call of that name does, no more:
/// what is durable when is the store's business.
pub trait Verbs: Debug + Send + Sync {
    /// Reads a file, or its first `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`File::open`]; [`io::ErrorKind::NotFound`] is taken to mean that there is no such file.
    fn read(&self, file: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// Creates a file for its owner alone, or empties the one that is there, and writes `bytes`.
    ///
    /// # Errors
    ///
    /// As [`File::create`]; [`io::ErrorKind::NotFound`] when its directory is missing.
    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Makes a file's bytes durable.
    ///
    /// # Errors
    ///
    /// As [`File::sync_all`].
    fn sync(&self, file: &Path) -> io::Result<()>;

    /// Gives a file another name in the same directory, in place of what has that name.
    ///
    /// # Errors
    ///
    /// As [`fs::rename`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    ///
    /// As [`File::sync_all`]; [`io::ErrorKind::NotFound`] when there is no such directory.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Removes the name of a file.
    ///
    /// # Errors
    ///
    /// As [`fs::remove_file`]; [`io::ErrorKind::NotFound`] when there is none.
    fn remove(&self, file: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// As [`fs::remove_dir`]; [`io::ErrorKind::DirectoryNotEmpty`] when something is in it.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    ///
    /// As [`fs::read_dir`]; [`io::ErrorKind::NotFound`] when there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Creates one directory for its owner alone.
    ///
    /// # Errors
    ///
    /// As [`fs::create_dir`]; [`io::ErrorKind::AlreadyExists`] when it is there,
    /// [`io::ErrorKind::NotFound`] when its parent is missing.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Whether something has this name.
    ///
    /// # Errors
    ///
    /// As [`fs::exists`].
    fn exists(&self, path: &Path) -> io::Result<bool>;
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name alone, without the directory.
    pub name: OsString,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// The real disk. Files get mode 0600, directories 0700.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Verbs for System {
    fn read(&self, file: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(file)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(file)?
            .write_all(bytes)
    }

    fn sync(&self, file: &Path) -> io::Result<()> {
        File::open(file)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        fs::read_dir(dir)?
            .map(|entry| {
                let entry = entry?;
                Ok(Entry {
                    name: entry.file_name(),
                    is_dir: entry.file_type()?.is_dir(),
                })
            })
            .collect()
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }
}
