//! Snapshots of volumes: what a volume held at one instant.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::check::{check_full_name, check_name};
use super::contents::Contents;
use super::volume::now;
use super::{Model, State, Volume};
use crate::error::{Error, Result};

/// A snapshot. Its file is removed with the last that holds it.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) name: String,
    /// Never the same again.
    pub(crate) guid: u64,
    /// The volume's size then, in bytes.
    pub(crate) size: u64,
    /// The volume's block size in bytes.
    pub(super) block_size: u64,
    /// Grows with each snapshot: the order in which they were made.
    pub(super) txg: u64,
    pub(super) contents: Contents,
    /// Seconds since 1970.
    created: Mutex<Option<u64>>,
    /// Another one once a clone is promoted.
    volume: Mutex<Weak<Volume>>,
}

/// What a rollback would destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newer {
    pub(crate) snapshots: usize,
    /// Clones of these snapshots. They keep the rollback from being done.
    pub(crate) clones: usize,
}

impl Snapshot {
    /// Seconds since 1970; without, the appliance does not say.
    pub(crate) fn created(&self) -> Option<u64> {
        *self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The volume that it belongs to; `None` when it is being deleted.
    pub(crate) fn volume(&self) -> Option<Arc<Volume>> {
        self.volume
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .upgrade()
    }

    /// `POOL/VOLUME@SNAPSHOT`
    pub(crate) fn full_name(&self) -> String {
        let volume = self.volume().map(|volume| volume.full_name());
        format!("{}@{}", volume.unwrap_or_default(), self.name)
    }

    /// Bytes that it takes on disk.
    pub(crate) fn referenced(&self) -> u64 {
        self.contents.allocated()
    }

    pub(super) fn belongs_to(&self, volume: &Arc<Volume>) {
        *self.volume.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(volume);
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        drop(self.contents.remove()); // What is gone already is no loss.
    }
}

impl Model {
    /// Takes a snapshot.
    pub(crate) fn create_snapshot(
        &self,
        pool: &str,
        volume: &str,
        name: &str,
    ) -> Result<Arc<Snapshot>> {
        self.change(|state| {
            let volume = state.volume(pool, volume)?;
            self.snapshot_of(state, &volume, name)
        })
    }

    /// The snapshots of a volume, the oldest first.
    pub(crate) fn snapshots(&self, pool: &str, volume: &str) -> Result<Vec<Arc<Snapshot>>> {
        let state = self.lock();
        let volume = state.volume(pool, volume)?;
        Ok(state.snapshots(&volume).to_vec())
    }

    /// All snapshots of a pool, by volume and then the oldest first.
    pub(crate) fn pool_snapshots(&self, pool: &str) -> Result<Vec<Arc<Snapshot>>> {
        let state = self.lock();
        let volumes = state.pool(pool)?.volumes.values();
        let all = volumes.flat_map(|volume| state.snapshots(volume));
        Ok(all.cloned().collect())
    }

    /// One snapshot.
    pub(crate) fn snapshot(&self, pool: &str, volume: &str, name: &str) -> Result<Arc<Snapshot>> {
        self.lock().snapshot(pool, volume, name)
    }

    /// Gives a snapshot another time of creation, or none; its place in the order stays.
    pub(crate) fn set_snapshot_created(
        &self,
        pool: &str,
        volume: &str,
        name: &str,
        seconds: Option<u64>,
    ) -> Result<()> {
        self.change(|state| {
            let snapshot = state.snapshot(pool, volume, name)?;
            *snapshot
                .created
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = seconds;
            Ok(())
        })
    }

    /// Deletes a snapshot; refused while it has clones.
    pub(crate) fn delete_snapshot(&self, pool: &str, volume: &str, name: &str) -> Result<()> {
        self.change(|state| {
            let snapshot = state.snapshot(pool, volume, name)?;
            let clones = state.clones(&snapshot);
            if !clones.is_empty() {
                return Err(Error::SnapshotHasClones {
                    pool: pool.to_owned(),
                    volume: volume.to_owned(),
                    snapshot: name.to_owned(),
                    clones: clones.iter().map(|clone| clone.name()).collect(),
                });
            }
            let volume = state.volume(pool, volume)?;
            let snapshots = state.snapshots.entry(volume.id).or_default();
            snapshots.retain(|other| !Arc::ptr_eq(other, &snapshot));
            Ok(())
        })
    }

    /// What a rollback to a snapshot would destroy.
    pub(crate) fn newer(&self, pool: &str, volume: &str, name: &str) -> Result<Newer> {
        let state = self.lock();
        let newer = state.newer(&*state.snapshot(pool, volume, name)?);
        Ok(Newer {
            snapshots: newer.len(),
            clones: newer.iter().map(|newer| state.clones(newer).len()).sum(),
        })
    }

    /// Gives a volume the size and the contents of one of its snapshots, and deletes the newer ones; refused while one
    /// of those has clones. The volume may be in use: initiators see its data change, as with a ZFS volume.
    pub(crate) fn roll_back(&self, pool: &str, volume: &str, name: &str) -> Result<()> {
        self.change(|state| {
            let snapshot = state.snapshot(pool, volume, name)?;
            let newer = state.newer(&snapshot);
            let clones: Vec<String> = newer
                .iter()
                .flat_map(|newer| state.clones(newer))
                .map(|clone| clone.name())
                .collect();
            if !clones.is_empty() {
                return Err(Error::RollbackBlocked {
                    pool: pool.to_owned(),
                    volume: volume.to_owned(),
                    snapshot: name.to_owned(),
                    clones,
                });
            }
            let volume = state.volume(pool, volume)?;
            let (contents, size) = (&snapshot.contents, snapshot.size);
            volume.set_size(size, || volume.contents.restore(contents, size))?;
            let snapshots = state.snapshots.entry(volume.id).or_default();
            snapshots.retain(|other| other.txg <= snapshot.txg);
            Ok(())
        })
    }

    pub(super) fn snapshot_of(
        &self,
        state: &mut State,
        volume: &Arc<Volume>,
        name: &str,
    ) -> Result<Arc<Snapshot>> {
        check_name(name)?;
        check_full_name(format!("{}@{name}", volume.full_name()))?;
        if state.snapshots(volume).iter().any(|old| old.name == name) {
            return Err(Error::SnapshotExists {
                pool: volume.pool.clone(),
                volume: volume.name(),
                snapshot: name.to_owned(),
            });
        }
        let serial = u64::from(state.next_serial());
        // An odd factor makes different numbers of different serials.
        let guid = serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ state.seed;
        let path = self.dir.join(&volume.pool).join(format!("@{guid}"));
        let size = volume.size();
        let contents = volume.contents.copy(path.clone(), size);
        let snapshot = Arc::new(Snapshot {
            name: name.to_owned(),
            guid,
            size,
            block_size: volume.block_size,
            txg: serial,
            contents: contents.map_err(|source| Error::Io {
                action: "create",
                path,
                source,
            })?,
            created: Mutex::new(Some(now())),
            volume: Mutex::new(Arc::downgrade(volume)),
        });
        let snapshots = state.snapshots.entry(volume.id).or_default();
        snapshots.push(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

impl State {
    /// The snapshots of a volume, the oldest first.
    pub(super) fn snapshots(&self, volume: &Volume) -> &[Arc<Snapshot>] {
        self.snapshots.get(&volume.id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn snapshot(&self, pool: &str, volume: &str, name: &str) -> Result<Arc<Snapshot>> {
        let missing = || Error::SnapshotMissing {
            pool: pool.to_owned(),
            volume: volume.to_owned(),
            snapshot: name.to_owned(),
        };
        let volume = self.volume(pool, volume)?;
        let mut snapshots = self.snapshots(&volume).iter();
        let found = snapshots.find(|own| own.name == name);
        found.cloned().ok_or_else(missing)
    }

    /// The snapshots of its volume that were made after this one, the oldest first.
    fn newer(&self, snapshot: &Snapshot) -> Vec<Arc<Snapshot>> {
        let Some(volume) = snapshot.volume() else {
            return Vec::new();
        };
        let newer = |other: &&Arc<Snapshot>| other.txg > snapshot.txg;
        let all = self.snapshots(&volume).iter();
        all.filter(newer).cloned().collect()
    }
}
