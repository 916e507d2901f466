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

/// How often making a link is tried again when its directory has just gone
/// with another volume's link.
const TRIES: u32 = 100;

/// Makes the link point to `device`, replacing what it pointed to in one step.
///
/// `Ok(false)`: it did so already.
pub(super) fn set(link: &Path, device: &Path) -> io::Result<bool> {
    if std::fs::read_link(link).is_ok_and(|now| now == device) {
        return Ok(false);
    }
    let mut tries = 1;
    loop {
        match make(link, device) {
            Err(e) if went(&e) && tries < TRIES => tries += 1,
            made => return made.map(|()| true),
        }
    }
}

/// The directory went between two looks at it. `create_dir_all` says "exists"
/// when it was there to be made, but no more to be looked at.
fn went(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
    )
}

fn make(link: &Path, device: &Path) -> io::Result<()> {
    let dir = link.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(dir)?;
    let new = half_made(link)?;
    remove_file(&new)?;
    std::os::unix::fs::symlink(device, &new)?;
    std::fs::rename(&new, link)
}

/// The name of a link that is being made. No volume's link begins with a dot,
/// and another process never works on this one: the volume's lock is held.
fn half_made(link: &Path) -> io::Result<PathBuf> {
    let name = link.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".new");
    Ok(link.with_file_name(hidden))
}

/// Takes the link away, one that was left half made too, and its directory
/// when it was the last one.
///
/// `Ok(false)`: there was none.
pub(super) fn remove(link: &Path) -> io::Result<bool> {
    remove_file(&half_made(link)?)?;
    let was = remove_file(link)?;
    // Fails while other links are in it, which is fine.
    for dir in link.ancestors().skip(1).take(2) {
        if std::fs::remove_dir(dir).is_err() {
            break;
        }
    }
    Ok(was)
}

fn remove_file(path: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
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

    #[test]
    fn the_link_of_a_volume_with_a_similar_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("s/vm"), dir.path().join("s/vm.new"));
        set(&other, Path::new("/dev/mapper/b")).unwrap();
        set(&one, Path::new("/dev/mapper/a")).unwrap();
        assert_eq!(
            std::fs::read_link(&other).unwrap(),
            Path::new("/dev/mapper/b")
        );
    }

    #[test]
    fn links_come_and_go_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let failed = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for name in ["a", "b"] {
                let (link, failed) = (dir.path().join("jdss/store").join(name), &failed);
                scope.spawn(move || {
                    for _ in 0..2000 {
                        if let Err(e) = set(&link, Path::new("/dev/mapper/x")) {
                            failed.lock().unwrap().push(e.to_string());
                        }
                        remove(&link).unwrap();
                    }
                });
            }
        });
        assert_eq!(*failed.lock().unwrap(), [""; 0]);
    }
}
