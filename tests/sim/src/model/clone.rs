//! Clones: volumes that began as a snapshot and keep it from being deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::{check_full_name, check_name, check_space};
use super::volume::NewVolume;
use super::{Model, Snapshot, State, Volume};
use crate::error::{Error, Result};

/// What a new clone is to be like.
#[derive(Clone, Debug)]
pub(crate) struct NewClone {
    pub(crate) name: String,
    /// Of which snapshot; without, of one of the same name as the clone that is made for it and stays.
    pub(crate) snapshot: Option<String>,
    /// Thin provisioned.
    pub(crate) sparse: bool,
    /// ZFS properties that differ from what a volume has by itself.
    pub(crate) properties: BTreeMap<String, String>,
}

impl Model {
    /// Clones a volume. When it fails, a snapshot that was made for it stays, as it does on the appliance.
    pub(crate) fn clone_volume(
        &self,
        pool: &str,
        volume: &str,
        new: NewClone,
    ) -> Result<Arc<Volume>> {
        check_name(&new.name)?;
        check_full_name(format!("{pool}/{}", new.name))?;
        let snapshot = match &new.snapshot {
            Some(name) => self.snapshot(pool, volume, name)?,
            None => self.create_snapshot(pool, volume, &new.name)?,
        };
        self.change(|state| {
            // It may have gone meanwhile.
            let snapshot = state.snapshot(pool, volume, &snapshot.name)?;
            let there = state.pool(pool)?;
            if there.volumes.contains_key(&new.name) || there.datasets.contains(&new.name) {
                return Err(Error::DatasetExists {
                    pool: pool.to_owned(),
                    name: new.name,
                });
            }
            if !new.sparse {
                check_space(pool, snapshot.size, there.available())?;
            }
            let path = self.dir.join(pool).join(&new.name);
            let copied = snapshot.contents.copy(path.clone(), snapshot.size);
            let contents = copied.map_err(|source| Error::Io {
                action: "create",
                path,
                source,
            })?;
            let new = NewVolume {
                name: new.name,
                size: snapshot.size,
                sparse: new.sparse,
                block_size: snapshot.block_size,
                scsi_id: None,
                properties: new.properties,
            };
            state.add_volume(pool, new, contents, Some(snapshot))
        })
    }

    /// The clones of a snapshot, sorted by name.
    pub(crate) fn clones(
        &self,
        pool: &str,
        volume: &str,
        snapshot: &str,
    ) -> Result<Vec<Arc<Volume>>> {
        let state = self.lock();
        let snapshot = state.snapshot(pool, volume, snapshot)?;
        Ok(state.clones(&snapshot))
    }

    /// Deletes a clone of a snapshot as [`delete_volume`](Self::delete_volume) does. The snapshot stays.
    pub(crate) fn delete_clone(
        &self,
        pool: &str,
        volume: &str,
        snapshot: &str,
        clone: &str,
        snapshots: bool,
    ) -> Result<()> {
        self.change(|state| {
            let clone = state.clone_of(pool, volume, snapshot, clone)?;
            state.delete(&clone, snapshots)
        })
    }

    /// Promotes a clone of a snapshot: see [`promote`](Self::promote).
    pub(crate) fn promote_clone(
        &self,
        pool: &str,
        volume: &str,
        snapshot: &str,
        clone: &str,
    ) -> Result<()> {
        self.change(|state| {
            let clone = state.clone_of(pool, volume, snapshot, clone)?;
            state.promote(&clone)
        })
    }

    /// Turns a clone and the volume that it is a clone of around, as ZFS does: the snapshot and all older ones become
    /// the clone's, and the volume becomes a clone of that snapshot.
    pub(crate) fn promote(&self, pool: &str, clone: &str) -> Result<()> {
        self.change(|state| {
            let clone = state.volume(pool, clone)?;
            state.promote(&clone)
        })
    }
}

impl State {
    /// The volumes whose origin is this snapshot, sorted by name.
    pub(super) fn clones(&self, snapshot: &Arc<Snapshot>) -> Vec<Arc<Volume>> {
        let Some(parent) = snapshot.volume() else {
            return Vec::new();
        };
        let Some(pool) = self.pools.get(&parent.pool) else {
            return Vec::new();
        };
        let cloned = |volume: &&Arc<Volume>| {
            let origin = &volume.changing().origin;
            origin
                .as_ref()
                .is_some_and(|origin| Arc::ptr_eq(origin, snapshot))
        };
        pool.volumes.values().filter(cloned).cloned().collect()
    }

    /// A clone, if it is one of this snapshot.
    fn clone_of(
        &self,
        pool: &str,
        volume: &str,
        snapshot: &str,
        clone: &str,
    ) -> Result<Arc<Volume>> {
        let snapshot = self.snapshot(pool, volume, snapshot)?;
        let found = self.volume(pool, clone)?;
        let origin = found.origin();
        if origin.is_some_and(|origin| Arc::ptr_eq(&origin, &snapshot)) {
            return Ok(found);
        }
        Err(Error::VolumeMissing {
            pool: pool.to_owned(),
            volume: clone.to_owned(),
        })
    }

    fn promote(&mut self, clone: &Arc<Volume>) -> Result<()> {
        let not_a_clone = || Error::NotAClone {
            pool: clone.pool.clone(),
            volume: clone.name(),
        };
        let origin = clone.origin().ok_or_else(not_a_clone)?;
        let parent = origin.volume().ok_or_else(not_a_clone)?;
        let (moved, kept): (Vec<_>, Vec<_>) = self
            .snapshots(&parent)
            .iter()
            .cloned()
            .partition(|snapshot| snapshot.txg <= origin.txg);
        let own = self.snapshots(clone);
        if let Some(both) = moved
            .iter()
            .find(|snapshot| own.iter().any(|own| own.name == snapshot.name))
        {
            return Err(Error::PromotionConflict {
                pool: clone.pool.clone(),
                volume: clone.name(),
                snapshot: both.name.clone(),
            });
        }
        for snapshot in &moved {
            snapshot.belongs_to(clone);
        }
        clone.changing().origin = parent.origin();
        parent.changing().origin = Some(origin);
        // Those that come are older than its own.
        let own = self.snapshots.remove(&clone.id).unwrap_or_default();
        let all = moved.into_iter().chain(own).collect();
        self.snapshots.insert(clone.id, all);
        self.snapshots.insert(parent.id, kept);
        Ok(())
    }
}
