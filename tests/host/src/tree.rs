//! The state as a directory tree; only what changed is written.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of the pretend host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Dir,
    /// Content and mode.
    File(Vec<u8>, u32),
    /// The link's text.
    Link(String),
}

/// Paths below the root.
pub(crate) type Entries = BTreeMap<String, Node>;

/// The text of a link at `at` that leads to `to`, both below the root.
pub(crate) fn relative(at: &str, to: &str) -> String {
    let from: Vec<&str> = at.split('/').collect();
    let from = &from[..from.len() - 1];
    let to: Vec<&str> = to.split('/').collect();
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut parts = vec![".."; from.len() - same];
    parts.extend(&to[same..]);
    parts.join("/")
}

/// What one kind of object looked like when it was last written.
#[derive(Debug)]
pub(crate) struct Shadow<K, T>(BTreeMap<K, (Arc<T>, Entries)>);

impl<K, T> Default for Shadow<K, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// What is to be removed and written.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    old: Entries,
    new: Entries,
}

impl Changes {
    /// Notes what differs between an object's old files and its new ones.
    fn replace(&mut self, mut old: Entries, new: &Entries) {
        for (path, node) in new {
            if old.get(path) == Some(node) {
                old.remove(path);
            } else {
                self.new.insert(path.clone(), node.clone());
            }
        }
        self.old.extend(old);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.old.is_empty() && self.new.is_empty()
    }
}

impl<K: Ord + Clone, T> Shadow<K, T> {
    /// Renders the objects that are another than last time (objects are never
    /// changed in place while the shadow shares them), and says whether any is.
    pub(crate) fn follow(
        &mut self,
        now: &BTreeMap<K, Arc<T>>,
        render: impl Fn(&K, &T) -> Entries,
        changes: &mut Changes,
    ) -> bool {
        let mut changed = false;
        let gone: Vec<K> = self
            .0
            .keys()
            .filter(|key| !now.contains_key(*key))
            .cloned()
            .collect();
        for key in gone {
            if let Some((_, old)) = self.0.remove(&key) {
                changed = true;
                changes.replace(old, &Entries::new());
            }
        }
        for (key, object) in now {
            match self.0.get_mut(key) {
                Some((known, _)) if Arc::ptr_eq(known, object) => {}
                Some((known, entries)) => {
                    changed = true;
                    let old = std::mem::replace(entries, render(key, object));
                    *known = Arc::clone(object);
                    changes.replace(old, entries);
                }
                None => {
                    changed = true;
                    let entries = render(key, object);
                    changes.replace(Entries::new(), &entries);
                    self.0.insert(key.clone(), (Arc::clone(object), entries));
                }
            }
        }
        changed
    }

    /// Notes that a file was changed by somebody else.
    pub(crate) fn seen(&mut self, key: &K, path: &str, content: &str) {
        if let Some((_, entries)) = self.0.get_mut(key)
            && let Some(Node::File(bytes, _)) = entries.get_mut(path)
            && bytes != content.as_bytes()
        {
            *bytes = content.as_bytes().to_vec();
        }
    }

    /// Notes that an object's files were removed by somebody else.
    pub(crate) fn lost(&mut self, key: &K) {
        if let Some((_, entries)) = self.0.get_mut(key) {
            entries.retain(|_, node| *node == Node::Dir);
        }
    }

    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    /// Everything written for these objects.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        self.0.values().flat_map(|(_, entries)| entries.keys())
    }
}

/// Writes trees below a root.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    /// On the same file system, outside the root: files are replaced whole, so
    /// that no reader sees half a value.
    scratch: PathBuf,
}

impl Tree {
    pub(crate) fn new(root: PathBuf, scratch: PathBuf) -> Self {
        Self { root, scratch }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the root show `new` where it showed `old`: links vanish first and
    /// come last, so that none leads to a half made directory.
    pub(crate) fn apply(&self, changes: &Changes) -> io::Result<()> {
        let Changes { old, new } = changes;
        let gone = || {
            old.iter()
                .rev()
                .filter(|(path, _)| !new.contains_key(*path))
        };
        for (path, _) in gone().filter(|(_, node)| matches!(node, Node::Link(_))) {
            quiet(fs::remove_file(self.root.join(path)))?;
        }
        for (path, node) in gone() {
            match node {
                Node::Dir => quiet(fs::remove_dir(self.root.join(path)))?,
                Node::File(..) => quiet(fs::remove_file(self.root.join(path)))?,
                Node::Link(_) => {}
            }
        }
        let fresh = || {
            new.iter()
                .filter(|(path, node)| old.get(*path) != Some(*node))
        };
        let mut made = HashSet::new();
        for (path, _) in fresh().filter(|(_, node)| **node == Node::Dir) {
            match fs::create_dir(self.root.join(path)) {
                Ok(()) => made.insert(path.as_str()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(error),
            };
        }
        // Nobody looks into a directory made just now; elsewhere a file comes whole.
        let unseen = |path: &str| {
            let dir = path.rsplit_once('/');
            dir.is_some_and(|(dir, _)| made.contains(dir))
        };
        for (path, node) in fresh() {
            if let Node::File(bytes, mode) = node {
                let target = self.root.join(path);
                let place = if unseen(path) { &target } else { &self.scratch };
                let mut options = fs::OpenOptions::new();
                options.write(true).create(true).truncate(true).mode(*mode);
                options.open(place)?.write_all(bytes)?;
                if *place != target {
                    fs::rename(place, &target)?;
                }
            }
        }
        for (path, node) in fresh() {
            if let Node::Link(text) = node {
                let target = self.root.join(path);
                if old.contains_key(path) || symlink(text, &target).is_err() {
                    symlink(text, &self.scratch)?;
                    fs::rename(&self.scratch, target)?;
                }
            }
        }
        Ok(())
    }
}

/// Another object may share the directory, or somebody else removed the file.
fn quiet(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn links_are_relative_as_in_sysfs() {
        assert_eq!(
            relative("sys/block/sda", "sys/devices/x/sda"),
            "../devices/x/sda"
        );
        assert_eq!(relative("dev/mapper/a", "dev/dm-0"), "../dm-0");
        assert_eq!(relative("a/b/c/device", "a/b"), "..");
    }
}
