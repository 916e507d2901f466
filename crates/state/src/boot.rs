//! Which boot of this host it is.

use std::fs;
use std::io;
use std::path::Path;

use crate::Error;

/// Reads the id that the kernel drew when it booted: 36 characters, another one after each boot.
///
/// `root` is `/` on a real host, else a directory with a `proc` below it.
///
/// # Errors
///
/// [`Error::BootId`] when `proc/sys/kernel/random/boot_id` below `root` cannot be read or holds
/// something else: is `/proc` mounted?
///
/// ```no_run
/// let boot = jdss_state::boot_id("/".as_ref())?;
/// assert_eq!(boot.len(), 36);
/// # Ok::<(), jdss_state::Error>(())
/// ```
pub fn boot_id(root: &Path) -> Result<String, Error> {
    let path = root.join("proc/sys/kernel/random/boot_id");
    let text = fs::read_to_string(&path).and_then(|text| {
        let id = text.trim_end();
        if is_boot_id(id) {
            return Ok(id.to_owned());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "no id of 36 characters in it",
        ))
    });
    text.map_err(|source| Error::BootId { path, source })
}

fn is_boot_id(id: &str) -> bool {
    id.len() == 36
        && id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
