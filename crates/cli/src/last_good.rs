//! The control address that answered last, kept from one process to the next.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;

use jdss_sys::Root;

/// Directory of the files, one a storage; empty after a boot.
const DIRECTORY: &str = "run/jdss";

/// What is remembered of one storage.
///
/// It only spares time: a file that is missing, unreadable or nonsense is no
/// preference, and one that cannot be written is none for the next process.
#[derive(Debug)]
pub(crate) struct LastGood {
    root: Root,
    /// Name of the file; none for a storage whose name cannot be one.
    name: Option<String>,
}

impl LastGood {
    pub(crate) fn new(root: Root, storage: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        // A name that begins with a dot is one of a file in the making.
        let usable =
            storage.starts_with(|c: char| c.is_ascii_alphanumeric()) && storage.chars().all(plain);
        Self {
            root,
            name: usable.then(|| format!("{storage}.control")),
        }
    }

    pub(crate) fn load(&self) -> Option<IpAddr> {
        let text = self.root.read(self.relative()?).ok()??;
        text.parse().ok()
    }

    /// Keeps the address, unless it is the one kept already.
    pub(crate) fn store(&self, address: IpAddr) {
        if self.load() != Some(address) {
            // The next process finds out for itself.
            let _ = self.replace(address);
        }
    }

    fn replace(&self, address: IpAddr) -> io::Result<()> {
        let (Some(name), Some(relative)) = (&self.name, self.relative()) else {
            return Ok(());
        };
        let directory = self.root.join(DIRECTORY);
        fs::create_dir_all(&directory)?;
        let new = directory.join(format!(".{name}.{}", std::process::id()));
        let written = fs::File::create(&new)
            .and_then(|mut file| writeln!(file, "{address}"))
            .and_then(|()| fs::rename(&new, self.root.join(relative)));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }

    fn relative(&self) -> Option<PathBuf> {
        let name = self.name.as_ref()?;
        Some(PathBuf::from(DIRECTORY).join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Root::at(directory.path());
        (directory, root)
    }

    fn put(path: &std::path::Path, content: &[u8]) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test wants exactly these bytes there"
        )]
        fs::write(path, content).expect("it can be written");
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_next_process_knows_the_address_of_its_own_storage() {
        let (directory, root) = place();
        let one = LastGood::new(root.clone(), "jovian");
        let other = LastGood::new(root.clone(), "jovian2");
        assert_eq!(one.load(), None);
        one.store(ip("10.0.0.1"));
        other.store(ip("2001:db8::1"));
        one.store(ip("10.0.0.2"));
        for (storage, kept) in [("jovian", "10.0.0.2"), ("jovian2", "2001:db8::1")] {
            assert_eq!(LastGood::new(root.clone(), storage).load(), Some(ip(kept)));
        }
        // Nothing half written stays.
        let files = fs::read_dir(directory.path().join(DIRECTORY)).unwrap();
        assert_eq!(files.count(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_no_preference_and_is_replaced() {
        let (directory, root) = place();
        let memory = LastGood::new(root, "jovian");
        let file = directory.path().join(DIRECTORY).join("jovian.control");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        for nonsense in [
            &b""[..],
            b"10.0.0",
            b"10.0.0.1:82",
            b"\xff\0",
            b"10.0.0.1\n10.0.0.2",
        ] {
            put(&file, nonsense);
            assert_eq!(memory.load(), None, "{nonsense:?}");
        }
        memory.store(ip("10.0.0.1"));
        assert_eq!(memory.load(), Some(ip("10.0.0.1")));
        // A directory in its place can neither be read nor replaced: no matter.
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        put(&file.join("full"), b"");
        memory.store(ip("10.0.0.1"));
        assert_eq!(memory.load(), None);
        let left = fs::read_dir(file.parent().unwrap()).unwrap();
        assert_eq!(left.count(), 1, "a half-written file was left");
    }

    #[test]
    fn no_name_of_a_storage_leads_elsewhere() {
        let (directory, root) = place();
        for storage in ["", ".", "..", "../../etc/x", "a/b", "a\0b", ".a", "\u{e4}"] {
            let memory = LastGood::new(root.clone(), storage);
            memory.store(ip("10.0.0.1"));
            assert_eq!(memory.load(), None, "{storage:?}");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
