//! The appliance as it was at one instant, to be read later.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex};

use super::{Lateness, Model, Volume};

impl Model {
    /// A copy that later changes do not reach. It is for reading: both have the same files.
    pub(crate) fn frozen(&self) -> Self {
        let mut state = self.lock().clone();
        let mut copies = HashMap::new();
        for pool in state.pools.values_mut() {
            for volume in pool.volumes.values_mut() {
                let copy = Arc::new(volume.frozen());
                copies.insert(Arc::as_ptr(volume), Arc::clone(&copy));
                *volume = copy;
            }
        }
        for lun in state
            .targets
            .values_mut()
            .flat_map(|target| target.luns.values_mut())
        {
            if let Some(copy) = copies.get(&Arc::as_ptr(&lun.volume)) {
                lun.volume = Arc::clone(copy);
            }
        }
        Self {
            dir: self.dir.clone(),
            options: self.options.clone(),
            lateness: Lateness::default(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }
}

impl Volume {
    fn frozen(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            device: self.device.clone(),
            id: self.id,
            serial: self.serial.clone(),
            block_size: self.block_size,
            created: self.created,
            contents: self.contents.same_file(),
            changing: Mutex::new(self.changing().clone()),
            size: AtomicU64::new(self.size()),
            thin: AtomicBool::new(self.thin()),
        }
    }
}
