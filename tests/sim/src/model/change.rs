//! Changes of a volume, and its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::check::{check_full_name, check_name, check_scsi_id, check_space, whole_blocks};
use super::{Model, State, Volume};
use crate::error::{Error, Result};

impl Model {
    /// Gives a volume a new size in bytes, of which what does not fill a block is cut off; what lies beyond the end is
    /// gone.
    pub(crate) fn resize_volume(&self, pool: &str, name: &str, size: u64) -> Result<()> {
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            let size = whole_blocks(size, volume.block_size)?;
            if !volume.thin() {
                let available = state.pool(pool)?.available() + volume.size();
                check_space(pool, size, available)?;
            }
            volume.set_size(size, || Ok(()))
        })
    }

    /// Gives a volume a new name. Its LUN goes on being served.
    pub(crate) fn rename_volume(&self, pool: &str, name: &str, new: &str) -> Result<()> {
        check_name(new)?;
        check_full_name(format!("{pool}/{new}"))?;
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            if new == name {
                return Ok(());
            }
            let there = state.pool_mut(pool)?;
            if there.volumes.contains_key(new) || there.datasets.contains(new) {
                return Err(Error::VolumeExists {
                    pool: pool.to_owned(),
                    volume: new.to_owned(),
                });
            }
            let path = self.dir.join(pool).join(new);
            volume.contents.rename(&path).map_err(|source| Error::Io {
                action: "rename",
                path: volume.contents.path(),
                source,
            })?;
            there.volumes.remove(name);
            new.clone_into(&mut volume.changing().name);
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
            let properties = &mut volume.changing().properties;
            properties.insert(property.to_owned(), value.to_owned());
            Ok(())
        })
    }

    /// Gives a volume and its LUN another SCSI ID. Nothing is checked but its length: two volumes may carry the same.
    pub(crate) fn set_scsi_id(&self, pool: &str, name: &str, scsi_id: &str) -> Result<()> {
        check_scsi_id(scsi_id)?;
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            scsi_id.clone_into(&mut volume.changing().scsi_id);
            state.claim(scsi_id);
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

    /// Deletes a volume and its contents, and its snapshots when `snapshots` says so. Refused, in this order, while it
    /// has clones, snapshots that are not to go, or a LUN.
    pub(crate) fn delete_volume(&self, pool: &str, name: &str, snapshots: bool) -> Result<()> {
        self.change(|state| {
            let volume = state.volume(pool, name)?;
            state.delete(&volume, snapshots)
        })
    }
}

impl State {
    /// [`Model::delete_volume`]
    pub(super) fn delete(&mut self, volume: &Arc<Volume>, snapshots: bool) -> Result<()> {
        let (pool, name) = (volume.pool.clone(), volume.name());
        let own = self.snapshots(volume);
        if own.iter().any(|own| !self.clones(own).is_empty()) {
            return Err(Error::VolumeHasClones { pool, volume: name });
        }
        if !own.is_empty() && !snapshots {
            return Err(Error::VolumeHasSnapshots {
                pool,
                volume: name,
                snapshots: own.iter().map(|own| own.name.clone()).collect(),
            });
        }
        if self.attached_to(volume).is_some() {
            return Err(Error::VolumeBusy { pool, volume: name });
        }
        volume.contents.remove().map_err(|source| Error::Io {
            action: "remove",
            path: volume.contents.path(),
            source,
        })?;
        self.snapshots.remove(&volume.id);
        self.pool_mut(&pool)?.volumes.remove(&name);
        Ok(())
    }
}

impl Volume {
    /// Sets the size, and calls `meanwhile` while the file is as long as the larger of both sizes: it is never shorter
    /// than what initiators are told, not even for an instant.
    pub(super) fn set_size(
        &self,
        size: u64,
        meanwhile: impl FnOnce() -> std::io::Result<()>,
    ) -> Result<()> {
        let failed = |source| Error::Io {
            action: "change the size of",
            path: self.contents.path(),
            source,
        };
        let shrinks = size < self.size();
        if shrinks {
            self.size.store(size, Ordering::SeqCst);
        } else {
            self.contents.set_len(size).map_err(failed)?;
        }
        meanwhile().map_err(failed)?;
        if shrinks {
            self.contents.set_len(size).map_err(failed)?;
        } else {
            self.size.store(size, Ordering::SeqCst);
        }
        Ok(())
    }
}
