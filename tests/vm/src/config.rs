//! Configuration files of the host.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// `multipath.conf` as the documentation gives it to administrators. Each nested block stands on lines of its own:
/// multipath-tools misread `blacklist { device { ... } }` on one line, with a mere warning.
pub const MULTIPATH: &str = r#"defaults {
    uid_attrs                   "sd:ID_SERIAL"
    find_multipaths             strict
    uxsock_timeout              4000
}

devices {
    device {
        vendor                  "^SCST_"
        product                 ".*"
        path_selector           "round-robin 0"
        path_grouping_policy    multibus
        rr_min_io               100
        no_path_retry           queue
        user_friendly_names     no
        skip_kpartx             yes
        prio                    const
        detect_prio             "no"
        path_checker            tur
        hardware_handler        "0"
        prio_args "5"
    }
}

blacklist {
    device {
        vendor                  ".*"
    }
}

blacklist_exceptions {
    device {
        vendor                  "^SCST_"
    }
}
"#;

/// Where settings of LVM may stand that differ from the defaults; absent when a scenario begins.
pub const LVM_LOCAL: &str = "/etc/lvm/lvmlocal.conf";

/// Writes `text` to `path`, with `mode` and making directories as needed.
///
/// # Errors
///
/// [`Error::File`].
pub fn write(path: impl AsRef<Path>, mode: u32, text: &str) -> Result<(), Error> {
    let path = path.as_ref();
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)
            .map_err(Error::file(directory))?;
    }
    // Not written in place: the mode holds for new files alone.
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::file(path)(e)),
        _ => {}
    }
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::file(path))
}

/// One `joviandss` section of a `storage.cfg` and its password file.
#[derive(Debug, Clone)]
pub struct Storage {
    id: String,
    properties: Vec<(String, String)>,
    password: String,
}

impl Storage {
    /// A section `joviandss: ID` without properties.
    #[must_use]
    pub fn new(id: &str, password: &str) -> Self {
        Self {
            id: id.to_owned(),
            properties: Vec::new(),
            password: password.to_owned(),
        }
    }

    /// Adds one property.
    #[must_use]
    pub fn property(mut self, name: &str, value: impl ToString) -> Self {
        self.properties.push((name.to_owned(), value.to_string()));
        self
    }

    /// Where the password of storage `id` stands.
    #[must_use]
    pub fn password_file(id: &str) -> PathBuf {
        Path::new("/etc/pve/priv/storage/joviandss").join(format!("{id}.pw"))
    }

    /// The section's text.
    #[must_use]
    pub fn text(&self) -> String {
        let properties: String = self
            .properties
            .iter()
            .map(|(name, value)| format!("\t{name} {value}\n"))
            .collect();
        format!("joviandss: {}\n{properties}\n", self.id)
    }

    /// Writes all `sections` to `/etc/pve/storage.cfg`, and their password files.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn write(sections: &[Self]) -> Result<(), Error> {
        let text: String = sections.iter().map(Self::text).collect();
        write("/etc/pve/storage.cfg", 0o640, &text)?;
        for section in sections {
            write(
                Self::password_file(&section.id),
                0o600,
                &format!("user_password {}\n", section.password),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_section_is_what_pve_writes() {
        let storage = Storage::new("jdss", "secret")
            .property("pool_name", "Pool-0")
            .property("multipath", 1);
        assert_eq!(
            storage.text(),
            "joviandss: jdss\n\tpool_name Pool-0\n\tmultipath 1\n\n"
        );
    }

    #[test]
    fn a_file_written_again_has_the_new_text_and_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        write(&path, 0o644, "old, longer").unwrap();
        write(&path, 0o600, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
