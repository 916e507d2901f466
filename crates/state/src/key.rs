//! What a record is about: one volume, or one snapshot of it, of one storage.

use std::fmt;

use crate::name::{FILE_NAME_MAX, decode, encode, shorten};
use crate::{Error, NameProblem};

/// Room that a record's file name needs besides the encoded name: `.` NAME `.json` `.tmp`.
const AFFIXES: usize = ".".len() + ".json".len() + ".tmp".len();

/// Names one volume, or one snapshot of a volume, of one storage.
///
/// Any text is a name, up to [`Key::MAX_LEN`] bytes; case is kept. [`Key::directory`] and
/// [`Key::name`] write it as safe file names: letters, digits, `_`, `-` and `.` stay as they
/// are, every other byte becomes `%XX`, and so do a `.` or `-` in front. `@` separates the
/// snapshot. An encoded name of more than [`Key::NAME_MAX`] bytes is cut and ends in `~` and a
/// SHA-256; the record inside has the full name.
///
/// ```
/// use jdss_state::Key;
///
/// let key = Key::new("jovian", "vm-100-disk-0", Some("before/upgrade"))?;
/// assert_eq!(key.directory(), "jovian");
/// assert_eq!(key.name(), "vm-100-disk-0@before%2Fupgrade");
/// assert_eq!(key.to_string(), "jovian:vm-100-disk-0@before/upgrade");
/// # Ok::<(), jdss_state::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    storage: String,
    volume: String,
    snapshot: Option<String>,
}

impl Key {
    /// Longest storage, volume or snapshot name, in bytes.
    pub const MAX_LEN: usize = 1024;

    /// Longest text that [`Key::name`] returns, in bytes.
    pub const NAME_MAX: usize = FILE_NAME_MAX - AFFIXES;

    /// Checks the three names and keeps them.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`] when one of them is empty or longer than [`Key::MAX_LEN`].
    pub fn new(storage: &str, volume: &str, snapshot: Option<&str>) -> Result<Self, Error> {
        Self::check(storage, volume, snapshot)
            .map_err(|(what, problem)| Error::BadName { what, problem })
    }

    /// [`Key::new`] with the pieces of its error.
    pub(crate) fn check(
        storage: &str,
        volume: &str,
        snapshot: Option<&str>,
    ) -> Result<Self, (&'static str, NameProblem)> {
        let check = |what, name: &str| match name.len() {
            0 => Err((what, NameProblem::Empty)),
            len if len > Self::MAX_LEN => Err((what, NameProblem::TooLong { len })),
            _ => Ok(name.to_owned()),
        };
        Ok(Self {
            storage: check("storage", storage)?,
            volume: check("volume", volume)?,
            snapshot: snapshot.map(|name| check("snapshot", name)).transpose()?,
        })
    }

    /// The storage's name, as given.
    #[must_use]
    pub fn storage(&self) -> &str {
        &self.storage
    }

    /// The volume's name, as given.
    #[must_use]
    pub fn volume(&self) -> &str {
        &self.volume
    }

    /// The snapshot's name, as given.
    #[must_use]
    pub fn snapshot(&self) -> Option<&str> {
        self.snapshot.as_deref()
    }

    /// The storage as one safe file name of at most 255 bytes.
    #[must_use]
    pub fn directory(&self) -> String {
        directory(&self.storage)
    }

    /// Volume and snapshot as one safe file name of at most [`Key::NAME_MAX`] bytes.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = encode(&self.volume);
        if let Some(snapshot) = &self.snapshot {
            name.push('@');
            name.push_str(&encode(snapshot));
        }
        shorten(name, Self::NAME_MAX)
    }

    /// Reads back what [`Key::directory`] and [`Key::name`] wrote.
    ///
    /// `None` for text that they do not write, and for a shortened name.
    ///
    /// ```
    /// # use jdss_state::Key;
    /// let key = Key::from_encoded("jovian", "vm-100-disk-0@a%20b").ok_or("not ours")?;
    /// assert_eq!(key.snapshot(), Some("a b"));
    /// assert_eq!(Key::from_encoded("jovian", ".."), None);
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn from_encoded(directory: &str, name: &str) -> Option<Self> {
        let (volume, snapshot) = match name.split_once('@') {
            Some((volume, snapshot)) => (volume, Some(decode(snapshot)?)),
            None => (name, None),
        };
        Self::new(&decode(directory)?, &decode(volume)?, snapshot.as_deref()).ok()
    }
}

/// The directory of a storage's records.
pub(crate) fn directory(storage: &str) -> String {
    shorten(encode(storage), FILE_NAME_MAX)
}

/// `STORAGE:VOLUME`, or `STORAGE:VOLUME@SNAPSHOT`: for people, not for parsing.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.storage, self.volume)?;
        match &self.snapshot {
            Some(snapshot) => write!(f, "@{snapshot}"),
            None => Ok(()),
        }
    }
}
