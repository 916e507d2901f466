//! Volumes: sparse files with an identity.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::check::{check_full_name, check_name, check_scsi_id, check_space, whole_blocks};
use super::contents::{Access, Contents};
use super::{Model, Snapshot, State};
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
    /// Bytes; what does not fill a block is cut off.
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

/// A volume. Held by whoever serves it: its data and attributes are always the current ones.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) pool: String,
    /// Never the same again.
    pub(super) id: u32,
    /// The name it was created with, which its block device keeps when the volume is renamed.
    pub(crate) device: String,
    /// Unit serial number (SCST's `usn`): 8 hexadecimal digits.
    pub(crate) serial: String,
    /// Bytes.
    pub(crate) block_size: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// At least [`size`](Self::size) bytes long.
    pub(super) contents: Contents,
    pub(super) changing: Mutex<Changing>,
    pub(super) size: AtomicU64,
    pub(super) thin: AtomicBool,
}

/// What may change about a volume and is not a number.
#[derive(Clone, Debug)]
pub(super) struct Changing {
    pub(super) name: String,
    pub(super) scsi_id: String,
    pub(super) properties: BTreeMap<String, String>,
    /// What it is a clone of.
    pub(super) origin: Option<Arc<Snapshot>>,
}

impl Volume {
    pub(crate) fn name(&self) -> String {
        self.changing().name.clone()
    }

    /// `POOL/VOLUME`
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.pool, self.changing().name)
    }

    /// The volume's own SCSI ID, 16 characters. A LUN usually has the same ([`LunView`](super::LunView) says which).
    pub(crate) fn scsi_id(&self) -> String {
        self.changing().scsi_id.clone()
    }

    /// The size in bytes that the appliance tells initiators.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::SeqCst)
    }

    pub(crate) fn thin(&self) -> bool {
        self.thin.load(Ordering::SeqCst)
    }

    pub(crate) fn read_only(&self) -> bool {
        let changing = self.changing();
        let value = changing.properties.get("readonly");
        value.is_some_and(|value| value == "on")
    }

    /// The ZFS properties that the API shows and changes by name.
    pub(crate) fn properties(&self) -> BTreeMap<String, String> {
        self.changing().properties.clone()
    }

    /// The snapshot that it is a clone of.
    pub(crate) fn origin(&self) -> Option<Arc<Snapshot>> {
        self.changing().origin.clone()
    }

    /// Bytes of the pool that are set aside for it.
    pub(crate) fn reserved(&self) -> u64 {
        if self.thin() { 0 } else { self.size() }
    }

    /// Bytes that were written.
    pub(crate) fn used(&self) -> u64 {
        self.contents.allocated()
    }

    /// Its data, to be read and written. Held for the one transfer only: a snapshot waits for it.
    ///
    /// # Errors
    ///
    /// Its file cannot be opened.
    pub(crate) fn data(&self) -> io::Result<Access<'_>> {
        self.contents.access()
    }

    pub(super) fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// Creates a volume full of zeros.
    pub(crate) fn create_volume(&self, pool: &str, mut new: NewVolume) -> Result<Arc<Volume>> {
        check_name(&new.name)?;
        check_full_name(format!("{pool}/{}", new.name))?;
        if let Some(id) = &new.scsi_id {
            check_scsi_id(id)?;
        }
        new.size = whole_blocks(new.size, new.block_size)?;
        self.change(|state| {
            let there = state.pool(pool)?;
            if there.volumes.contains_key(&new.name) {
                return Err(Error::VolumeExists {
                    pool: pool.to_owned(),
                    volume: new.name,
                });
            }
            if there.datasets.contains(&new.name) {
                return Err(Error::DatasetExists {
                    pool: pool.to_owned(),
                    name: new.name,
                });
            }
            if !new.sparse {
                check_space(pool, new.size, there.available())?;
            }
            let path = self.dir.join(pool).join(&new.name);
            let contents =
                Contents::create(path.clone(), new.size).map_err(|source| Error::Io {
                    action: "create",
                    path,
                    source,
                })?;
            state.add_volume(pool, new, contents, None)
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
        Ok(self.volume(pool, name)?.contents.path())
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

    /// Registers a volume whose contents are there.
    pub(super) fn add_volume(
        &mut self,
        pool: &str,
        new: NewVolume,
        contents: Contents,
        origin: Option<Arc<Snapshot>>,
    ) -> Result<Arc<Volume>> {
        let scsi_id = match new.scsi_id {
            Some(id) => {
                self.claim(&id);
                id
            }
            None => self.fresh_scsi_id(),
        };
        let mut properties: BTreeMap<_, _> = PROPERTIES
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        properties.extend(new.properties);
        let id = self.next_serial();
        let serial = id.wrapping_mul(0x9e37_79b1) ^ self.seed as u32;
        let volume = Arc::new(Volume {
            id,
            pool: pool.to_owned(),
            device: new.name.clone(),
            serial: format!("{serial:08x}"),
            block_size: new.block_size,
            created: now(),
            contents,
            changing: Mutex::new(Changing {
                name: new.name.clone(),
                scsi_id,
                properties,
                origin,
            }),
            size: AtomicU64::new(new.size),
            thin: AtomicBool::new(new.sparse),
        });
        let there = &mut self.pool_mut(pool)?.volumes;
        there.insert(new.name, Arc::clone(&volume));
        Ok(volume)
    }

    /// 16 hexadecimal digits, of which the first 8 are given out once, and not if they were asked for by someone.
    fn fresh_scsi_id(&mut self) -> String {
        loop {
            let serial = self.next_serial();
            // An odd factor makes different numbers of different serials; it also makes them look like the real ones.
            let head = serial.wrapping_mul(0x9e37_79b1) ^ (self.seed >> 32) as u32;
            let tail = serial.wrapping_mul(0x85eb_ca6b) ^ self.seed as u32;
            let id = format!("{head:08x}{tail:08x}");
            if !self.claimed.contains(&id[..8]) {
                return id;
            }
        }
    }

    /// Keeps an ID that was asked for from being given out.
    pub(super) fn claim(&mut self, scsi_id: &str) {
        self.claimed.insert(scsi_id[..8].to_owned());
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_was_asked_for_is_not_given_out() {
        let dir = tempfile::tempdir().unwrap();
        let model = Model::new(dir.path(), Default::default());
        model.add_pool("Pool-0", 1 << 30).unwrap();
        let volume = |name: &str, scsi_id: Option<String>| {
            let new = NewVolume {
                name: name.to_owned(),
                size: 1 << 20,
                sparse: true,
                block_size: 4096,
                scsi_id,
                properties: BTreeMap::new(),
            };
            model.create_volume("Pool-0", new).unwrap().scsi_id()
        };
        let serial = model.lock().serial;
        let next = volume("a", None);
        for asked in [Some(next.clone()), None] {
            model.lock().serial = serial;
            let id = volume(&format!("b{}", asked.is_some()), asked.clone());
            assert_eq!(id == next, asked.is_some());
        }
        let id = volume("c", None);
        model.set_scsi_id("Pool-0", "a", &id).unwrap();
        let after = model.lock().serial;
        model.lock().serial = after - 2;
        assert_ne!(volume("d", None)[..8], id[..8]);
    }
}
