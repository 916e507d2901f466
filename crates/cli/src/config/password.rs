//! Passwords, in a file of their own for each storage.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::error::{ConfigError, Place};
use super::syntax::is_storage_id;

/// Where Proxmox VE keeps the password files, on all nodes.
const DIRECTORY: &str = "/etc/pve/priv/storage/joviandss";

/// Longest file that is read, in bytes.
const SIZE_MAX: usize = 64 * 1024;

/// Others may read or write.
const OPEN_TO_ALL: u32 = 0o006;

/// The passwords of one storage. Wiped from memory when dropped, never shown.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Passwords {
    /// Password of the REST API's user.
    pub user: SecretString,
    /// Password of the CHAP user, if there is one.
    pub chap_user: Option<SecretString>,
}

/// The password file of storage `id`: `/etc/pve/priv/storage/joviandss/ID.pw`.
///
/// # Errors
///
/// [`ConfigError::PasswordFile`]: `id` is none that Proxmox VE allows.
pub fn password_file(id: &str) -> Result<PathBuf, ConfigError> {
    if is_storage_id(id) {
        return Ok(Path::new(DIRECTORY).join(format!("{id}.pw")));
    }
    let source = io::Error::new(io::ErrorKind::InvalidFilename, "not the id of a storage");
    Err(ConfigError::PasswordFile {
        path: DIRECTORY.into(),
        storage: id.to_owned(),
        source: Arc::new(source),
    })
}

/// Reads the passwords of storage `id` from `file`, or from [`password_file`] without one.
///
/// A line is `user_password PASSWORD` or `chap_user_password PASSWORD`; the password is what
/// follows the blanks after the name, to the end of the line, blanks included. Empty lines and
/// lines that begin with `#` are skipped. Waits for nothing but the filesystem.
///
/// # Errors
///
/// * [`ConfigError::PasswordFile`]: the file is missing or cannot be read.
/// * [`ConfigError::PasswordFileOpen`]: everybody may read or write it.
/// * [`ConfigError::PasswordLine`]: a line is neither of these, or is given twice.
/// * [`ConfigError::PasswordMissing`]: there is no `user_password`.
///
/// ```no_run
/// # use jdss::config::passwords;
/// let passwords = passwords(None, "jovian")?;
/// # Ok::<(), jdss::config::ConfigError>(())
/// ```
pub fn passwords(file: Option<&Path>, id: &str) -> Result<Passwords, ConfigError> {
    let path = file.map_or_else(|| password_file(id), |file| Ok(file.to_owned()))?;
    let failed = |source| ConfigError::PasswordFile {
        path: path.clone(),
        storage: id.to_owned(),
        source: Arc::new(source),
    };
    let file = File::open(&path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    if mode & OPEN_TO_ALL != 0 {
        return Err(ConfigError::PasswordFileOpen { path, mode });
    }
    // With all its room from the start: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SIZE_MAX + 1));
    file.take(SIZE_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > SIZE_MAX {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    parse(&path, &bytes)
}

pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Passwords, ConfigError> {
    let (mut user, mut chap_user) = (None, None);
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let wrong = |problem| ConfigError::PasswordLine {
            at: Place::new(path, at + 1),
            problem,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let end = line
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(line.len());
        let (name, value) = (&line[..end], line[end..].trim_ascii_start());
        let slot = match name {
            b"user_password" => &mut user,
            b"chap_user_password" => &mut chap_user,
            // It may be a password: it is not shown.
            _ => return Err(wrong("the line's first word is no name of a password")),
        };
        if value.is_empty() {
            return Err(wrong("there is no password in the line"));
        }
        let value = std::str::from_utf8(value).map_err(|_| wrong("the password is not UTF-8"))?;
        if slot.replace(SecretString::from(value)).is_some() {
            return Err(wrong("this password was given before"));
        }
    }
    let missing = || ConfigError::PasswordMissing {
        path: path.to_owned(),
        key: "user_password",
    };
    Ok(Passwords {
        user: user.ok_or_else(missing)?,
        chap_user,
    })
}
