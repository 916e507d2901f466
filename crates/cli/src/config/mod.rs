//! The configuration: Proxmox VE's `storage.cfg`, and the password files beside it.
//!
//! A section of type `joviandss` describes one storage, with the properties that the existing
//! storage plugin has, so that its file is read as it is. Sections of other types are skipped.
//!
//! ```text
//! joviandss: jovian
//!         pool_name Pool-0
//!         user_name admin
//!         data_addresses 10.1.0.11,10.2.0.11
//!         multipath 1
//! ```
//!
//! An error in one section makes that storage unusable and no other: [`Config::storage`] returns
//! it, with file, line, section, property, what was found and what is allowed. Nothing is
//! repaired or skipped silently. Passwords are never in this file: see [`passwords`].

mod error;
mod password;
mod property;
mod storage;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::{ConfigError, Place};
pub use password::{Passwords, password_file, passwords};
pub use storage::StorageConfig;

/// The storages of one `storage.cfg`.
///
/// ```
/// # use jdss::config::Config;
/// let text = "joviandss: jovian
/// \tpool_name Pool-0
/// \tuser_name admin
/// \tdata_addresses 10.1.0.11,10.2.0.11
/// ";
/// let config = Config::parse("storage.cfg".as_ref(), text);
/// let storage = config.storage("jovian")?;
/// assert_eq!(storage.pool()?, "Pool-0");
/// assert_eq!(storage.control_addresses, storage.data_addresses);
/// # Ok::<(), jdss::config::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    path: PathBuf,
    storages: BTreeMap<String, Result<StorageConfig, ConfigError>>,
    /// What looks like the head of a section of ours but is none.
    strays: Vec<ConfigError>,
}

impl Config {
    /// Where Proxmox VE keeps the file.
    pub const DEFAULT_PATH: &str = "/etc/pve/storage.cfg";

    /// Longest file that is read, in bytes. Proxmox VE's own limit is lower.
    pub const SIZE_MAX: u64 = 4 * 1024 * 1024;

    /// Reads a file. Waits for nothing but the filesystem.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Read`]: it is missing, cannot be read or is longer than
    /// [`Config::SIZE_MAX`]. What is wrong *in* it [`Config::storage`] tells.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = || {
            let mut bytes = Vec::new();
            File::open(path)?
                .take(Self::SIZE_MAX + 1)
                .read_to_end(&mut bytes)?;
            if bytes.len() as u64 > Self::SIZE_MAX {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
            Ok(bytes)
        };
        match read() {
            // A comment may be in any encoding; no value of ours may.
            Ok(bytes) => Ok(Self::parse(path, &String::from_utf8_lossy(&bytes))),
            Err(source) => Err(ConfigError::Read {
                path: path.to_owned(),
                source: Arc::new(source),
            }),
        }
    }

    /// Reads the text of a file. `path` is for the errors alone.
    #[must_use]
    pub fn parse(path: &Path, text: &str) -> Self {
        let mut storages = BTreeMap::new();
        let mut lines: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
        let file = syntax::parse(path, text);
        for section in &file.sections {
            let ours = section.is_ours();
            let first = lines.insert(section.id, (section.line, ours));
            if ours {
                storages.insert(section.id.to_owned(), StorageConfig::read(path, section));
            }
            // Storages of all types share their ids.
            if let Some((line, _)) = first.filter(|(_, first_ours)| ours || *first_ours) {
                let twice = ConfigError::SectionTwice {
                    at: Place::new(path, section.line),
                    id: section.id.to_owned(),
                    first: line,
                };
                storages.insert(section.id.to_owned(), Err(twice));
            }
        }
        Self {
            path: path.to_owned(),
            storages,
            strays: file.strays,
        }
    }

    /// The storage `id`.
    ///
    /// # Errors
    ///
    /// * [`ConfigError::NoSuchStorage`]: no section of type `joviandss` has this id; it names
    ///   those that exist.
    /// * Every other one but [`ConfigError::Read`] and those of passwords: its section is wrong.
    pub fn storage(&self, id: &str) -> Result<&StorageConfig, ConfigError> {
        match self.storages.get(id) {
            Some(Ok(storage)) => Ok(storage),
            Some(Err(error)) => Err(error.clone()),
            // It may be the one whose head cannot be read.
            None => Err(self.strays.first().cloned().unwrap_or_else(|| {
                let known = self.ids().map(str::to_owned).collect();
                ConfigError::NoSuchStorage {
                    path: self.path.clone(),
                    id: id.to_owned(),
                    known,
                }
            })),
        }
    }

    /// The ids of all storages of type `joviandss`, sorted, also of those with an error.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.storages.keys().map(String::as_str)
    }

    /// Everything that is wrong in the file, as far as it concerns storages of type `joviandss`.
    pub fn problems(&self) -> impl Iterator<Item = &ConfigError> {
        let broken = self
            .storages
            .values()
            .filter_map(|storage| storage.as_ref().err());
        self.strays.iter().chain(broken)
    }
}
