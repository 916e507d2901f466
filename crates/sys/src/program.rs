//! Is a program installed? Asked without running it.

use crate::Root;
use crate::run::SYSTEM_DIRS;
use std::io;
use std::path::PathBuf;

/// Whether a program of this name is in the directories that [`System`](crate::System)
/// searches, below `root`. Only looks; below a root of its own the environment's `PATH`
/// means nothing.
///
/// # Errors
///
/// A directory cannot be looked into.
pub fn has_program(root: &Root, name: &str) -> io::Result<bool> {
    let path = std::env::var_os("PATH").filter(|_| root.is_host());
    let of_path = path.iter().flat_map(std::env::split_paths);
    for dir in SYSTEM_DIRS.iter().map(PathBuf::from).chain(of_path) {
        if root.exists(dir.join(name))? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_below_its_root_only() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        assert!(!has_program(&root, "sh").unwrap());
        std::fs::create_dir_all(dir.path().join("usr/sbin")).unwrap();
        std::fs::File::create(dir.path().join("usr/sbin/tool")).unwrap();
        assert!(has_program(&root, "tool").unwrap());
        assert!(has_program(&Root::host(), "sh").unwrap());
    }
}
