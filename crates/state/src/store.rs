//! Records on disk that a crash cannot tear.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Damage;
use crate::key;
use crate::{Error, Key, Record, System, Timestamp, Verbs};

const SUFFIX: &str = ".json";

/// The records of this host: one JSON file each, `DIR/STORAGE/VOLUME[@SNAPSHOT].json`.
///
/// After a crash or a power cut at any instant a record is the old one or the new one, whole.
/// When [`save`](Self::save) or [`remove`](Self::remove) has returned `Ok`, so it stays.
///
/// Two callers must not save or remove the record of one volume at the same time: hold its
/// [`Locks::volume`](crate::Locks::volume). Reading needs no lock. Nothing here waits for
/// anything but the disk.
///
/// ```
/// use jdss_state::{Key, Phase, Record, Store};
///
/// # let dir = tempfile::tempdir()?;
/// let store = Store::at(dir.path());
/// let key = Key::new("jovian", "vm-100-disk-0", None)?;
///
/// let mut record = Record::new(key.clone(), "4be8f6b5-7b5e-4d0e-8f4f-2f6a5c1f7b1e");
/// store.save(&record)?; // the intent, before the first change
/// record.phase = Phase::Active;
/// record.mapper_path = Some("/dev/mapper/23466613163306465".to_owned());
/// store.save(&record)?;
///
/// let found = store.load(&key)?.ok_or("no record")?;
/// assert_eq!(found.mapper_path, record.mapper_path);
/// assert!(store.remove(&key)?);
/// assert!(store.load(&key)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) verbs: Arc<dyn Verbs>,
}

impl Store {
    /// Longest file that counts as a record, in bytes.
    pub const RECORD_MAX: u64 = 64 * 1024;

    /// The records of this host, in `/etc/joviandss/state`.
    #[must_use]
    pub fn system() -> Self {
        Self::at("/etc/joviandss/state")
    }

    /// Records below `dir`, which is created when the first record is saved.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self::new(dir, Arc::new(System))
    }

    /// Records below `dir`, on the disk that `verbs` is.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, verbs: Arc<dyn Verbs>) -> Self {
        Self {
            dir: dir.into(),
            verbs,
        }
    }

    /// The file of `key`'s record.
    #[must_use]
    pub fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(key.directory()).join(key.name() + SUFFIX)
    }

    /// Reads the record of `key`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Damaged`], [`Error::TooNew`] or [`Error::Misplaced`]: there is
    /// a file, but its content is not known. Never take that for "no record".
    pub fn load(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.read(&self.path(key))
    }

    /// Writes `record` durably in place of the one that is there.
    ///
    /// What is written has the present time as `updated`; `record` itself is left as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]: the disk is full, broken or read-only. The old record is still there,
    /// except when making the new name durable failed: then either may be.
    pub fn save(&self, record: &Record) -> Result<(), Error> {
        let path = self.path(record.key());
        let json = record.to_json(Timestamp::now());
        self.replace(&path, &json)
            .map_err(|source| Error::Write { path, source })
    }

    /// Checks that a record of `key` could be written now: writes one as large as records are
    /// to a temporary file, syncs it, removes it.
    ///
    /// Call it before an operation whose first steps are not worth doing without a record.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]: the disk is full, broken or read-only. Nothing has changed.
    pub fn probe(&self, key: &Key) -> Result<(), Error> {
        let path = self.path(key);
        let temporary = temporary(&path);
        let attempt = || {
            self.ensure_dir(parent(&path))?;
            self.verbs.write(&temporary, &[b' '; 4096])?;
            self.verbs.sync(&temporary)
        };
        let result = attempt();
        let removed = self.remove_name(&temporary);
        result
            .and(removed.map(drop))
            .map_err(|source| Error::Write { path, source })
    }

    /// Removes the record of `key` durably, whatever is in it. `false`: there was none.
    ///
    /// # Errors
    ///
    /// [`Error::Remove`]: the disk is broken or read-only. The record may or may not be there.
    pub fn remove(&self, key: &Key) -> Result<bool, Error> {
        let path = self.path(key);
        let attempt = || {
            self.remove_name(&temporary(&path))?;
            let removed = self.remove_name(&path)?;
            // Also when there was none: a call that was killed may have removed it unsynced.
            match self.verbs.sync_dir(parent(&path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                result => result.map(|()| removed),
            }
        };
        attempt().map_err(|source| Error::Remove { path, source })
    }

    /// Reads all records, or all of one storage, in the order of their file names.
    ///
    /// A file that is no record is an `Err` of its own and hides no other. Directories and
    /// files without `.json` at the end are not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when the directory itself is there but cannot be read.
    pub fn list(&self, storage: Option<&str>) -> Result<Vec<Result<Record, Error>>, Error> {
        if let Some(storage) = storage {
            return self.list_dir(&self.dir.join(key::directory(storage)));
        }
        let mut all = Vec::new();
        for dir in self.entries(&self.dir, true)? {
            match self.list_dir(&dir) {
                Ok(records) => all.extend(records),
                Err(error) => all.push(Err(error)),
            }
        }
        Ok(all)
    }

    fn list_dir(&self, dir: &Path) -> Result<Vec<Result<Record, Error>>, Error> {
        let files = self.entries(dir, false)?;
        let is_record = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.as_encoded_bytes().ends_with(SUFFIX.as_bytes())
        };
        // `None`: removed since the directory was read.
        Ok(files
            .iter()
            .filter(is_record)
            .filter_map(|path| self.read(path).transpose())
            .collect())
    }

    /// The paths in `dir`, sorted: its directories or everything else. None when it is missing.
    pub(crate) fn entries(&self, dir: &Path, dirs: bool) -> Result<Vec<PathBuf>, Error> {
        match self.verbs.list(dir) {
            Ok(mut entries) => {
                entries.sort();
                entries.retain(|entry| entry.is_dir == dirs);
                Ok(entries
                    .into_iter()
                    .map(|entry| dir.join(entry.name))
                    .collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(Error::Read {
                path: dir.to_owned(),
                source,
            }),
        }
    }

    fn read(&self, path: &Path) -> Result<Option<Record>, Error> {
        let Some(json) = self.read_bytes(path)? else {
            return Ok(None);
        };
        let record = Record::from_json(&json, path)?;
        if self.path(record.key()) != path {
            let names = Box::new(record.key().clone());
            return Err(Error::Misplaced {
                path: path.to_owned(),
                names,
            });
        }
        Ok(Some(record))
    }

    /// A file's bytes; `None` when it is missing.
    pub(crate) fn read_bytes(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        let path = path.to_owned();
        match self.verbs.read(&path, Self::RECORD_MAX + 1) {
            Ok(bytes) if bytes.len() as u64 > Self::RECORD_MAX => Err(Error::Damaged {
                path,
                source: Damage::TooLong,
            }),
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Makes `bytes` the whole content of `path`, durably and at once.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 > Self::RECORD_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let dir = parent(path);
        self.ensure_dir(dir)?;
        // One temporary name for one record, so that what a crash left is overwritten.
        let temporary = temporary(path);
        let attempt = || {
            self.verbs.write(&temporary, bytes)?;
            self.verbs.sync(&temporary)?;
            self.verbs.rename(&temporary, path)
        };
        if let Err(error) = attempt() {
            // The first error is the one to tell; a leftover harms nobody.
            let _ = self.remove_name(&temporary);
            return Err(error);
        }
        self.verbs.sync_dir(dir)
    }

    /// Makes `dir` exist, durably.
    ///
    /// The name of each directory is durable before anything is created in it. So when `dir` is
    /// there, at most its own name may be undurable, left so by a call that was killed.
    fn ensure_dir(&self, dir: &Path) -> io::Result<()> {
        let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
            return Ok(());
        };
        if !self.verbs.exists(dir)? {
            self.ensure_dir(parent)?;
            match self.verbs.create_dir(dir) {
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result?,
            }
        }
        self.verbs.sync_dir(parent)
    }

    /// Removes a name; `false` when there is none, or not even its directory.
    pub(crate) fn remove_name(&self, path: &Path) -> io::Result<bool> {
        match self.verbs.remove(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The directory of a record.
fn parent(path: &Path) -> &Path {
    // A record's path is made of a directory and a name.
    path.parent().unwrap_or(Path::new("."))
}

/// Where the next content of `path` is made: no name that [`Store::list`] looks at.
fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    path.with_file_name(name)
}
