//! LUNs: volumes made visible on a target.

use std::sync::Arc;

use super::{Model, State, Volume};
use crate::error::{Error, Result};

/// The highest LUN number that SCST serves.
const LUN_MAX: u16 = 16383;

/// A LUN of a target.
#[derive(Clone, Debug)]
pub(crate) struct Lun {
    pub(crate) number: u16,
    pub(crate) volume: Arc<Volume>,
    /// `wt`, `wb` or `ro`.
    pub(crate) mode: String,
    /// 512 or 4096 bytes.
    pub(crate) block_size: u32,
    /// 16 characters; the volume's own unless another one was asked for.
    pub(crate) scsi_id: String,
    /// Never the same again, so that a LUN taken away and given back is told from one that stayed.
    pub(crate) attachment: u64,
}

/// What a new LUN is to be like.
#[derive(Clone, Debug)]
pub(crate) struct NewLun {
    /// A volume of the target's pool.
    pub(crate) volume: String,
    pub(crate) number: u16,
    pub(crate) mode: String,
    pub(crate) block_size: u32,
    pub(crate) scsi_id: Option<String>,
}

/// A LUN and where it is.
#[derive(Clone, Debug)]
pub(crate) struct LunPlace {
    pub(crate) pool: String,
    pub(crate) target: String,
    pub(crate) active: bool,
    pub(crate) lun: Lun,
}

impl Model {
    /// The LUNs of a target, sorted by number.
    pub(crate) fn luns(&self, pool: &str, target: &str) -> Result<Vec<Lun>> {
        Ok(self
            .lock()
            .target(pool, target)?
            .luns
            .values()
            .cloned()
            .collect())
    }

    /// The LUN of a target that shows this volume.
    pub(crate) fn lun(&self, pool: &str, target: &str, volume: &str) -> Result<Lun> {
        let state = self.lock();
        let target = state.target(pool, target)?;
        let missing = || Error::LunMissing {
            target: target.name.clone(),
            volume: volume.to_owned(),
        };
        target
            .luns
            .values()
            .find(|lun| lun.volume.name() == volume)
            .cloned()
            .ok_or_else(missing)
    }

    /// Every LUN of every pool, or those that show a volume of one name.
    pub(crate) fn find_luns(&self, volume: Option<&str>) -> Vec<LunPlace> {
        let state = self.lock();
        let mut found = Vec::new();
        for target in state.targets.values() {
            let wanted = |lun: &&Lun| volume.is_none_or(|name| lun.volume.name() == name);
            found.extend(target.luns.values().filter(wanted).map(|lun| LunPlace {
                pool: target.pool.clone(),
                target: target.name.clone(),
                active: target.active,
                lun: lun.clone(),
            }));
        }
        found
    }

    /// Shows a volume of the target's pool on the target.
    pub(crate) fn attach(&self, pool: &str, target: &str, new: NewLun) -> Result<Lun> {
        if new.number > LUN_MAX {
            return Err(Error::InvalidLun { lun: new.number });
        }
        self.change(|state| {
            let name = state.target(pool, target)?.name.clone();
            let volume = state.volume(pool, &new.volume)?;
            let attachment = state.generation;
            if state.attached_to(&volume).is_some() {
                return Err(Error::VolumeUsed {
                    pool: pool.to_owned(),
                    volume: new.volume,
                });
            }
            let luns = &mut state.target_mut(pool, target)?.luns;
            if luns.contains_key(&new.number) {
                return Err(Error::LunUsed {
                    lun: new.number,
                    target: name,
                });
            }
            let scsi_id = new.scsi_id.unwrap_or_else(|| volume.scsi_id());
            let lun = Lun {
                number: new.number,
                volume,
                mode: new.mode,
                block_size: new.block_size,
                scsi_id,
                attachment,
            };
            luns.insert(new.number, lun.clone());
            Ok(lun)
        })
    }

    /// Takes a volume off a target, whether or not an initiator uses it.
    pub(crate) fn detach(&self, pool: &str, target: &str, volume: &str) -> Result<()> {
        self.change(|state| {
            let target = state.target_mut(pool, target)?;
            let missing = || Error::LunMissing {
                target: target.name.clone(),
                volume: volume.to_owned(),
            };
            let found = target
                .luns
                .values()
                .find(|lun| lun.volume.name() == volume)
                .map(|lun| lun.number);
            let number = found.ok_or_else(missing)?;
            target.luns.remove(&number);
            Ok(())
        })
    }
}

impl State {
    /// The target that shows this volume.
    pub(super) fn attached_to(&self, volume: &Arc<Volume>) -> Option<&str> {
        let shows = |lun: &super::Lun| Arc::ptr_eq(&lun.volume, volume);
        self.targets
            .values()
            .find(|target| target.luns.values().any(shows))
            .map(|target| target.name.as_str())
    }
}
