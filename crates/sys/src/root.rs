//! Reads below a root directory.

use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// The directory below which `/sys`, `/dev`, `/proc`, `/etc` and `/run` are read.
///
/// Paths given to it are relative, such as `sys/block/sda/size`. A device that
/// is gone is an answer and not an error: sysfs files vanish while one reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self::host()
    }
}

impl Root {
    /// The real host: `/`.
    pub fn host() -> Self {
        Self::at("/")
    }

    /// Another directory, with a tree of the same shape.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Whether this is the real host.
    pub fn is_host(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// The whole path of `relative`; a leading `/` is ignored.
    pub fn join(&self, relative: impl AsRef<Path>) -> PathBuf {
        let relative = relative.as_ref();
        self.0.join(relative.strip_prefix("/").unwrap_or(relative))
    }

    /// The text of a file without surrounding white space; `None` when it or
    /// its device is gone. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    ///
    /// Any other reason why it cannot be read, with the path in its text.
    pub fn read(&self, relative: impl AsRef<Path>) -> io::Result<Option<String>> {
        let bytes = self.read_bytes(relative)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    /// The bytes of a file; `None` when it or its device is gone.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_bytes(&self, relative: impl AsRef<Path>) -> io::Result<Option<Vec<u8>>> {
        let path = self.join(relative);
        present(&path, std::fs::read(&path))
    }

    /// The names in a directory, sorted; none when it is absent.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn list(&self, relative: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let path = self.join(relative);
        let Some(entries) = present(&path, std::fs::read_dir(&path))? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in entries {
            // A directory that is removed while it is listed just ends.
            let Some(entry) = present(&path, entry)? else {
                break;
            };
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Where a symbolic link points, as it is written; `None` when it is gone.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); also when it is not a symbolic link.
    pub fn link(&self, relative: impl AsRef<Path>) -> io::Result<Option<PathBuf>> {
        let path = self.join(relative);
        present(&path, std::fs::read_link(&path))
    }

    /// The whole path of a file with all symbolic links resolved; `None` when
    /// it is gone or a link leads nowhere.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn resolve(&self, relative: impl AsRef<Path>) -> io::Result<Option<PathBuf>> {
        let path = self.join(relative);
        present(&path, std::fs::canonicalize(&path))
    }

    /// Kind and size of a file, symbolic links followed; `None` when it is gone.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn metadata(&self, relative: impl AsRef<Path>) -> io::Result<Option<std::fs::Metadata>> {
        let path = self.join(relative);
        present(&path, std::fs::metadata(&path))
    }

    /// Whether something is there; a symbolic link counts by itself.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn exists(&self, relative: impl AsRef<Path>) -> io::Result<bool> {
        let path = self.join(relative);
        Ok(present(&path, std::fs::symlink_metadata(&path))?.is_some())
    }
}

/// Turns "gone" into `None` and names the path in every other error.
fn present<T>(path: &Path, result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => {
            let text = format!("cannot read {}: {error}", path.display());
            Err(io::Error::new(error.kind(), text))
        }
    }
}

/// ENODEV and ENXIO come from attributes of a device that is going away,
/// ESRCH from files of a process that has ended.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let gone = [
        Errno::NOENT,
        Errno::NOTDIR,
        Errno::NODEV,
        Errno::NXIO,
        Errno::SRCH,
    ];
    gone.into_iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_absent_is_none_or_empty() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        assert_eq!(root.read("sys/x").unwrap(), None);
        assert_eq!(root.read_bytes("sys/x").unwrap(), None);
        assert_eq!(root.list("sys").unwrap(), Vec::<String>::new());
        assert_eq!(root.link("sys/x").unwrap(), None);
        assert_eq!(root.resolve("sys/x").unwrap(), None);
        assert!(root.metadata("sys/x").unwrap().is_none());
        assert!(!root.exists("sys/x").unwrap());
    }

    #[test]
    fn text_is_trimmed_and_names_are_sorted() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        for (name, text) in [("b", " two \n"), ("a", "one")] {
            fs::File::create(dir.path().join(name)).unwrap();
            crate::Effects::write(&crate::System, &dir.path().join(name), text).unwrap();
        }
        symlink("../a", dir.path().join("c")).unwrap();
        symlink("a", dir.path().join("d")).unwrap();
        assert_eq!(root.read("/b").unwrap().as_deref(), Some("two"));
        assert_eq!(root.read_bytes("b").unwrap().unwrap(), b" two \n");
        assert_eq!(root.list("").unwrap(), ["a", "b", "c", "d"]);
        assert!(root.resolve("d").unwrap().unwrap().ends_with("a"));
        assert_eq!(root.resolve("c").unwrap(), None);
        assert_eq!(root.metadata("d").unwrap().unwrap().len(), 3);
        assert_eq!(root.link("c").unwrap(), Some(PathBuf::from("../a")));
        assert!(root.exists("c").unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let error = Root::at(dir.path()).read("").unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&dir.path().display().to_string())
        );
    }
}
