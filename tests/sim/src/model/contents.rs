//! What a volume or a snapshot holds: a sparse file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;

/// Bytes that are copied in one go.
const CHUNK: usize = 1 << 20;

/// A sparse file. It is opened when it is first read or written by an initiator, so that thousands of volumes need no
/// descriptors.
#[derive(Debug)]
pub(crate) struct Contents {
    path: Mutex<PathBuf>,
    file: OnceLock<File>,
    /// Shared by whoever reads or writes a part, held alone by what copies or replaces the whole: a snapshot shows one
    /// instant, whatever initiators are doing.
    whole: RwLock<()>,
}

/// The open file, for as long as nothing replaces the whole of it.
#[derive(Debug)]
pub(crate) struct Access<'a> {
    file: &'a File,
    _shared: RwLockReadGuard<'a, ()>,
}

impl Deref for Access<'_> {
    type Target = File;

    fn deref(&self) -> &File {
        self.file
    }
}

impl Contents {
    /// A new file of `size` bytes, all zeros; one that is there already is emptied.
    pub(super) fn create(path: PathBuf, size: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        file.set_len(size)?;
        Ok(Self {
            path: Mutex::new(path),
            file: OnceLock::new(),
            whole: RwLock::new(()),
        })
    }

    /// For reading and writing. Waits while the whole is copied or replaced.
    pub(crate) fn access(&self) -> io::Result<Access<'_>> {
        let shared = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let file = self.open()?;
                self.file.get_or_init(|| file)
            }
        };
        Ok(Access {
            file,
            _shared: shared,
        })
    }

    /// Another handle of the same file, which a later renaming leaves behind.
    pub(super) fn same_file(&self) -> Self {
        Self {
            path: Mutex::new(self.path()),
            file: OnceLock::new(),
            whole: RwLock::new(()),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Bytes that it takes on disk; 0 when it is gone.
    pub(crate) fn allocated(&self) -> u64 {
        fs::metadata(self.path()).map_or(0, |metadata| metadata.blocks() * 512)
    }

    pub(super) fn set_len(&self, size: u64) -> io::Result<()> {
        self.open()?.set_len(size)
    }

    /// Moves the file, also while it is open.
    pub(super) fn rename(&self, new: &Path) -> io::Result<()> {
        let mut path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        fs::rename(&*path, new)?;
        new.clone_into(&mut path);
        Ok(())
    }

    /// Removes the file. Whoever has it open keeps its data.
    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(self.path())
    }

    /// A copy of it as it is at one instant, `size` bytes long, in a new file.
    pub(super) fn copy(&self, path: PathBuf, size: u64) -> io::Result<Self> {
        let new = Self::create(path, size)?;
        let _alone = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        let copied = copy(&self.open()?, &new.open()?, size);
        if copied.is_err() {
            drop(new.remove()); // The first error is the one to tell.
        }
        copied.map(|()| new)
    }

    /// Makes it equal to `from` in the first `size` bytes. Its length stays.
    pub(super) fn restore(&self, from: &Self, size: u64) -> io::Result<()> {
        let _alone = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = (from.open()?, self.open()?);
        // What is a hole there must be a hole here.
        let length = to.metadata()?.len();
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&to, hole, 0, length) {
            Ok(()) => {}
            // This file system knows no holes; cut to nothing the file reads as zeros, too.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                to.set_len(0)?;
                to.set_len(length)?;
            }
            Err(error) => return Err(error.into()),
        }
        copy(&from, &to, size)
    }

    /// The path is held until it is open: a renaming in between would lead nowhere.
    fn open(&self) -> io::Result<File> {
        let path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        OpenOptions::new().read(true).write(true).open(&*path)
    }
}

/// Copies the parts of the first `size` bytes that are data. `to` is a hole there.
fn copy(from: &File, to: &File, size: u64) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut end = 0;
    while end < size {
        let start = match seek(from, SeekFrom::Data(end)) {
            Ok(start) if start < size => start,
            Ok(_) | Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        end = seek(from, SeekFrom::Hole(start))?.min(size);
        let mut offset = start;
        while offset < end {
            let part = &mut buffer[..CHUNK.min((end - offset) as usize)];
            from.read_exact_at(part, offset)?;
            to.write_all_at(part, offset)?;
            offset += part.len() as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn read(contents: &Contents, offset: u64) -> [u8; 4] {
        let mut bytes = [0; 4];
        let file = contents.access().unwrap();
        file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }

    #[test]
    fn a_copy_has_the_data_and_the_holes_of_its_instant() {
        let dir = tempfile::tempdir().unwrap();
        let size = 1 << 40;
        let first = Contents::create(dir.path().join("a"), size).unwrap();
        let write = |bytes: &[u8], offset| {
            let file = first.access().unwrap();
            file.write_all_at(bytes, offset).unwrap();
        };
        write(b"here", 0);
        write(&vec![7; 3 * CHUNK + 5], 5 * MIB);
        write(b"last", size - 4);
        let copy = first.copy(dir.path().join("b"), size).unwrap();
        write(b"late", 0);
        write(b"late", 900 * MIB);
        assert_eq!(&read(&copy, 0), b"here");
        assert_eq!(read(&copy, 8 * MIB), [7; 4]);
        assert_eq!(&read(&copy, size - 4), b"last");
        assert_eq!(read(&copy, 900 * MIB), [0; 4]);
        assert!(copy.allocated() < 8 * MIB, "{}", copy.allocated());

        first.restore(&copy, size).unwrap();
        assert_eq!(&read(&first, 0), b"here");
        assert_eq!(read(&first, 900 * MIB), [0; 4]);
        assert_eq!(read(&first, 5 * MIB), [7; 4]);
        assert!(first.allocated() < 8 * MIB, "{}", first.allocated());
    }

    #[test]
    fn who_reads_or_writes_keeps_a_copy_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let first = Contents::create(dir.path().join("a"), MIB).unwrap();
        let access = first.access().unwrap();
        assert!(first.whole.try_write().is_err());
        drop(access);
        assert!(first.whole.try_write().is_ok());
    }

    #[test]
    fn an_open_file_is_followed_when_it_is_renamed_and_restored() {
        let dir = tempfile::tempdir().unwrap();
        let first = Contents::create(dir.path().join("a"), MIB).unwrap();
        let copy = first.copy(dir.path().join("b"), MIB).unwrap();
        first.access().unwrap().write_all_at(b"new!", 0).unwrap();
        first.rename(&dir.path().join("c")).unwrap();
        assert_eq!(&read(&first, 0), b"new!");
        first.restore(&copy, MIB).unwrap();
        assert_eq!(read(&first, 0), [0; 4]);
    }
}
