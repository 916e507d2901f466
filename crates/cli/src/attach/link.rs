//! The stable link of a volume, `/dev/jdss/<storage>/<volume>`.
//!
//! A pure function of the names, so that it can be given out before the
//! volume is up; once it is, the link resolves to the device.

use std::io;
use std::path::{Path, PathBuf};

use jdss_state::Key;
use jdss_sys::Root;

/// Directory of all links.
const LINKS: &str = "dev/jdss";

/// The link of a volume below `root`.
pub(super) fn path(root: &Root, key: &Key) -> PathBuf {
    root.join(LINKS).join(key.directory()).join(key.name())
}

/// The link of a volume as a user of this host sees it.
///
/// # Example
///
/// ```
/// let key = jdss_state::Key::new("jdss0", "vm-100-disk-0", None)?;
/// assert_eq!(
///     jdss::attach::link_path(&key).to_string_lossy(),
///     "/dev/jdss/jdss0/vm-100-disk-0",
/// );
/// # Ok::<(), jdss_state::Error>(())
/// ```
#[must_use]
pub fn link_path(key: &Key) -> PathBuf {
    path(&Root::host(), key)
}

/// Makes the link point to `device`, replacing what it pointed to in one step.
pub(super) fn set(link: &Path, device: &Path) -> io::Result<()> {
    if std::fs::read_link(link).is_ok_and(|now| now == device) {
        return Ok(());
    }
    let dir = link.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(dir)?;
    // Another process never works on this link: the volume's lock is held.
    let mut name = link
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_owned();
    name.push(".new");
    let new = dir.join(name);
    match std::fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    std::os::unix::fs::symlink(device, &new)?;
    std::fs::rename(&new, link)
}

/// Takes the link away, and its directory when it was the last one.
///
/// `Ok(false)`: there was none.
pub(super) fn remove(link: &Path) -> io::Result<bool> {
    let was = match std::fs::remove_file(link) {
        Ok(()) => true,
        Err(e) if e.kind() == io::ErrorKind::NotFound => false,
        Err(e) => return Err(e),
    };
    // Fails while other links are in it, which is fine.
    for dir in link.ancestors().skip(1).take(2) {
        if std::fs::remove_dir(dir).is_err() {
            break;
        }
    }
    Ok(was)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_replaced_and_its_directories_go_with_the_last_one() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("jdss/store/vm-1-disk-0");
        set(&link, Path::new("/dev/mapper/a")).unwrap();
        set(&link, Path::new("/dev/mapper/b")).unwrap();
        assert_eq!(
            std::fs::read_link(&link).unwrap(),
            Path::new("/dev/mapper/b")
        );
        assert!(remove(&link).unwrap());
        assert!(!remove(&link).unwrap());
        assert!(!dir.path().join("jdss").exists());
    }
}
