//! The VIPs of pools, remembered for a while: they change once in years.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Vip;

/// How long a list of VIPs is used without asking again.
pub(crate) const VIP_MEMORY: Duration = Duration::from_secs(60);

/// What was read last, by pool.
#[derive(Debug)]
pub(crate) struct VipMemory {
    pools: Mutex<HashMap<String, Read>>,
    age: Duration,
}

#[derive(Debug)]
struct Read {
    vips: Vec<Vip>,
    at: Instant,
}

impl VipMemory {
    /// Remembers a list for `age`.
    pub(crate) fn new(age: Duration) -> Self {
        Self {
            pools: Mutex::default(),
            age,
        }
    }

    /// The VIPs of a pool, if they were read not long ago.
    pub(crate) fn get(&self, pool: &str) -> Option<Vec<Vip>> {
        let pools = self.lock();
        let read = pools.get(pool)?;
        (read.at.elapsed() < self.age).then(|| read.vips.clone())
    }

    /// Keeps what has just been read.
    pub(crate) fn set(&self, pool: &str, vips: &[Vip]) {
        let read = Read {
            vips: vips.to_vec(),
            at: Instant::now(),
        };
        self.lock().insert(pool.to_owned(), read);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Read>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_remembered_for_its_pool_and_not_for_ever() {
        let vips = [Vip {
            name: "vip1".to_owned(),
            address: "10.1.0.11".to_owned(),
        }];
        let memory = VipMemory::new(VIP_MEMORY);
        assert_eq!(memory.get("Pool-0"), None);
        memory.set("Pool-0", &vips);
        assert_eq!(memory.get("Pool-0"), Some(vips.to_vec()));
        assert_eq!(memory.get("Pool-1"), None);
        let forgetful = VipMemory::new(Duration::ZERO);
        forgetful.set("Pool-0", &vips);
        assert_eq!(forgetful.get("Pool-0"), None);
    }
}
