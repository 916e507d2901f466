//! Volumes: sparse files with an identity.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Model, State};
use crate::error::{Error, Result};

/// The ZFS properties of a volume that the API changes, and the values that a new one has.
pub(crate) const PROPERTIES: [(&str, &str); 8] = [
    ("compression", "lz4"),
    ("copies", "1"),
    ("dedup", "off"),
    ("logbias", "latency"),
    ("primarycache", "all"),
    ("readonly", "off"),
    ("secondarycache", "all"),
    ("sync", "always"),
];

/// What a new volume is to be like.
#[derive(Clone, Debug)]
pub(crate) struct NewVolume {
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Thin provisioned: takes no space of the pool until it is written.
    pub(crate) sparse: bool,
    /// Bytes; also called `volblocksize`.
    pub(crate) block_size: u64,
    /// 16 characters; without it, one that is unique in its first 8.
    pub(crate) scsi_id: Option<String>,
    /// ZFS properties that differ from what a volume has by itself.
    pub(crate) properties: BTreeMap<String, String>,
}

/// A volume. Held by whoever serves it: data goes to `file`, attributes are always the current ones.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) pool: String,
    /// The contents; at least [`size`](Self::size) bytes long, sparse.
    pub(crate) file: File,
    /// The name it was created with, which its block device keeps when the volume is renamed.
    pub(crate) device: String,
    /// Unit serial number (SCST's `usn`): 8 hexadecimal digits.
    pub(crate) serial: String,
    /// Bytes.
    pub(crate) block_size: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
    name: Mutex<String>,
    scsi_id: Mutex<String>,
    size: AtomicU64,
    thin: AtomicBool,
    properties: Mutex<BTreeMap<String, String>>,
}

impl Volume {
    pub(crate) fn name(&self) -> String {
        self.name
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The volume's own SCSI ID, 16 characters. A LUN usually has the same ([`LunView`](super::LunView) says which).
    pub(crate) fn scsi_id(&self) -> String {
        self.scsi_id
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The size in bytes that the appliance tells initiators.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::SeqCst)
    }

    pub(crate) fn thin(&self) -> bool {
        self.thin.load(Ordering::SeqCst)
    }

    pub(crate) fn read_only(&self) -> bool {
        self.properties
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get("readonly")
            .is_some_and(|value| value == "on")
    }

    /// The ZFS properties that the API shows and changes by name.
    pub(crate) fn properties(&self) -> BTreeMap<String, String> {
        self.properties
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Bytes of the pool that are set aside for it.
    pub(crate) fn reserved(&self) -> u64 {
        if self.thin() { 0 } else { self.size() }
    }
}

impl Model {
    /// Creates a volume full of zeros.
    pub(crate) fn create_volume(&self, pool: &str, new: NewVolume) -> Result<Arc<Volume>> {
        check_name(&new.name)?;
        if let Some(id) = &new.scsi_id {
            check_scsi_id(id)?;
        }
        check_size(new.size, new.block_size)?;
        self.change(|state| {
            let there = state.pool(pool)?;
            if there.volumes.contains_key(&new.name) {
                return Err(Error::VolumeExists {
                    pool: pool.to_owned(),
                    volume: new.name,
                });
            }
            if !new.sparse {
                let available = there.available();
                check_space(pool, new.size, available)?;
            }
            let path = self.dir.join(pool).join(&new.name);
            let file = create(&path, new.size).map_err(|source| Error::Io {
                action: "create",
                path,
                source,
            })?;
            let scsi_id = new.scsi_id.unwrap_or_else(|| state.fresh_scsi_id());
            let mut properties: BTreeMap<_, _> = PROPERTIES
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            properties.extend(new.properties);
            let volume = Arc::new(Volume {
                pool: pool.to_owned(),
                file,
                device: new.name.clone(),
                serial: format!(
                    "{:08x}",
                    state.next_serial().wrapping_mul(0x9e37_79b1) ^ state.seed as u32
                ),
                block_size: new.block_size,
                created: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |since| since.as_secs()),
                name: Mutex::new(new.name.clone()),
                scsi_id: Mutex::new(scsi_id),
                size: AtomicU64::new(new.size),
                thin: AtomicBool::new(new.sparse),
                properties: Mutex::new(properties),
            });
            state
                .pool_mut(pool)?
                .volumes
                .insert(new.name, Arc::clone(&volume));
            Ok(volume)
        })
    }

    /// One volume.
    pub(crate) fn volume(&self, pool: &str, name: &str) -> Result<Arc<Volume>> {
        self.lock().volume(pool, name)
    }

    /// All volumes of a pool, sorted by name.
    pub(crate) fn volumes(&self, pool: &str) -> Result<Vec<Arc<Volume>>> {
        Ok(self.lock().pool(pool)?.volumes.values().cloned().collect())
    }

    /// Where the volume's contents are.
    pub(crate) fn volume_path(&self, pool: &str, name: &str) -> Result<PathBuf> {
        let volume = self.volume(pool, name)?;
        Ok(self.dir.join(&volume.pool).join(volume.name()))
    }

    /// Gives a volume a new size in bytes; what lies beyond the end is gone.
    pub(crate) fn resize_volume(&self, pool: &str, name: &str, size: u64) -> Result<()> {
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            check_size(size, volume.block_size)?;
            if !volume.thin() {
                let available = state.pool(pool)?.available() + volume.size();
                check_space(pool, size, available)?;
            }
            let path = || self.dir.join(pool).join(name);
            let failed = |source| Error::Io {
                action: "resize",
                path: path(),
                source,
            };
            // Never shorter than what initiators are told, not even for an instant.
            if size < volume.size() {
                volume.size.store(size, Ordering::SeqCst);
                volume.file.set_len(size).map_err(failed)?;
            } else {
                volume.file.set_len(size).map_err(failed)?;
                volume.size.store(size, Ordering::SeqCst);
            }
            Ok(())
        })
    }

    /// Gives a volume a new name. Its LUN goes on being served.
    pub(crate) fn rename_volume(&self, pool: &str, name: &str, new: &str) -> Result<()> {
        check_name(new)?;
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            if new == name {
                return Ok(());
            }
            let there = state.pool_mut(pool)?;
            if there.volumes.contains_key(new) {
                return Err(Error::VolumeExists {
                    pool: pool.to_owned(),
                    volume: new.to_owned(),
                });
            }
            let dir = self.dir.join(pool);
            std::fs::rename(dir.join(name), dir.join(new)).map_err(|source| Error::Io {
                action: "rename",
                path: dir.join(name),
                source,
            })?;
            there.volumes.remove(name);
            new.clone_into(&mut volume.name.lock().unwrap_or_else(PoisonError::into_inner));
            there.volumes.insert(new.to_owned(), volume);
            Ok(())
        })
    }

    /// Makes a volume thin or thick.
    pub(crate) fn set_thin(&self, pool: &str, name: &str, thin: bool) -> Result<()> {
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            if !thin && volume.thin() {
                check_space(pool, volume.size(), state.pool(pool)?.available())?;
            }
            volume.thin.store(thin, Ordering::SeqCst);
            Ok(())
        })
    }

    /// Sets a ZFS property, for example `readonly` to `on`. The name and the value are not checked here.
    pub(crate) fn set_property(
        &self,
        pool: &str,
        name: &str,
        property: &str,
        value: &str,
    ) -> Result<()> {
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            let mut properties = volume
                .properties
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            properties.insert(property.to_owned(), value.to_owned());
            Ok(())
        })
    }

    /// Gives a volume and its LUN another SCSI ID. Nothing is checked but its length: two volumes may carry the same.
    pub(crate) fn set_scsi_id(&self, pool: &str, name: &str, scsi_id: &str) -> Result<()> {
        check_scsi_id(scsi_id)?;
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            scsi_id.clone_into(
                &mut volume
                    .scsi_id
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            for lun in state
                .targets
                .values_mut()
                .flat_map(|target| target.luns.values_mut())
            {
                if Arc::ptr_eq(&lun.volume, &volume) {
                    scsi_id.clone_into(&mut lun.scsi_id);
                }
            }
            Ok(())
        })
    }

    /// Deletes a volume and its contents.
    pub(crate) fn delete_volume(&self, pool: &str, name: &str) -> Result<()> {
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            if state.attached_to(&volume).is_some() {
                return Err(Error::VolumeBusy {
                    pool: pool.to_owned(),
                    volume: name.to_owned(),
                });
            }
            let path = self.dir.join(pool).join(name);
            std::fs::remove_file(&path).map_err(|source| Error::Io {
                action: "remove",
                path,
                source,
            })?;
            state.pool_mut(pool)?.volumes.remove(name);
            Ok(())
        })
    }
}

impl State {
    pub(super) fn volume(&self, pool: &str, name: &str) -> Result<Arc<Volume>> {
        let missing = || Error::VolumeMissing {
            pool: pool.to_owned(),
            volume: name.to_owned(),
        };
        self.pool(pool)?
            .volumes
            .get(name)
            .cloned()
            .ok_or_else(missing)
    }

    /// 16 hexadecimal digits, of which the first 8 are given out once.
    fn fresh_scsi_id(&mut self) -> String {
        loop {
            let serial = self.next_serial();
            // An odd factor makes different numbers of different serials; it also makes them look like the real ones.
            let head = format!(
                "{:08x}",
                serial.wrapping_mul(0x9e37_79b1) ^ (self.seed >> 32) as u32
            );
            let taken = |volume: &Arc<Volume>| volume.scsi_id().starts_with(&head);
            if !self
                .pools
                .values()
                .flat_map(|pool| pool.volumes.values())
                .any(taken)
            {
                return format!(
                    "{head}{:08x}",
                    serial.wrapping_mul(0x85eb_ca6b) ^ self.seed as u32
                );
            }
        }
    }
}

/// Names as the appliance takes them for volumes and pools.
pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.len() <= 256 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::InvalidName {
        name: name.to_owned(),
    })
}

fn check_scsi_id(id: &str) -> Result<()> {
    if id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::InvalidScsiId {
        scsi_id: id.to_owned(),
    })
}

fn check_size(size: u64, block_size: u64) -> Result<()> {
    if size > 0 && size.is_multiple_of(block_size) {
        return Ok(());
    }
    Err(Error::InvalidSize { size, block_size })
}

fn check_space(pool: &str, wanted: u64, available: u64) -> Result<()> {
    if wanted <= available {
        return Ok(());
    }
    Err(Error::NoSpace {
        pool: pool.to_owned(),
        wanted,
        available,
    })
}

fn create(path: &std::path::Path, size: u64) -> std::io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.set_len(size)?;
    Ok(file)
}
