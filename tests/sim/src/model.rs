//! What the appliance is made of: pools, volumes, VIPs, targets, LUNs and sessions.
//!
//! One [`Model`] is shared by the REST side, which changes it, and by the iSCSI side, which serves what it says. Both
//! look at snapshots of it ([`TargetView`] and the like); only [`Volume`] is shared, so that a new size or a new SCSI
//! ID is seen at once by those who hold it.

mod change;
mod check;
mod clone;
mod contents;
mod frozen;
mod lag;
mod lun;
mod session;
mod snapshot;
mod target;
mod view;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use clone::NewClone;
pub use lag::Lag;
pub(crate) use lag::{Late, Lateness};
pub(crate) use lun::{Lun, LunPlace, NewLun};
pub use session::Session;
pub(crate) use session::SessionInfo;
pub(crate) use snapshot::Snapshot;
pub(crate) use target::{NewTarget, Target, TargetChange, User, VipAllowed};
pub(crate) use view::{LunView, TargetView};
pub(crate) use volume::{NewVolume, PROPERTIES, Volume};

use crate::error::{Error, Result};

/// The appliance's state behind one lock. No method blocks for longer than a file operation takes.
#[derive(Debug)]
pub(crate) struct Model {
    dir: PathBuf,
    options: Options,
    lateness: Lateness,
    state: Mutex<State>,
    changed: Condvar,
}

/// How the appliance is set up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Its clocks are so many seconds ahead of UTC.
    pub(crate) utc_offset: i32,
    /// By REST a target is deleted only when it has no LUNs.
    pub(crate) keep_targets_with_luns: bool,
    /// How late it shows what it has done.
    pub(crate) lag: Lag,
}

#[derive(Clone, Debug)]
struct State {
    pools: BTreeMap<String, Pool>,
    /// By name over all pools: the appliance has one name space for targets.
    targets: BTreeMap<String, Target>,
    /// By the volume's number, the oldest first.
    snapshots: BTreeMap<u32, Vec<Arc<Snapshot>>>,
    sessions: BTreeMap<String, Session>,
    generation: u64,
    /// First 8 characters of the SCSI IDs that were asked for.
    claimed: BTreeSet<String>,
    /// Counts SCSI IDs and session IDs given out.
    serial: u32,
    /// Differs from appliance to appliance, so that two of them in one test do not give out the same SCSI IDs.
    seed: u64,
}

#[derive(Clone, Debug)]
struct Pool {
    id: String,
    size: u64,
    vips: Vec<Vip>,
    volumes: BTreeMap<String, Arc<Volume>>,
    /// NAS datasets, of which nothing but the name is known.
    datasets: BTreeSet<String>,
}

/// A virtual address of a pool, at which its targets are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vip {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) netmask: String,
}

/// A pool as REST shows it. Sizes in bytes.
#[derive(Clone, Debug)]
pub(crate) struct PoolView {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) size: u64,
    pub(crate) available: u64,
}

impl Model {
    /// An appliance without pools, whose volumes are sparse files below `dir`.
    pub(crate) fn new(dir: &Path, options: Options) -> Self {
        let state = State {
            pools: BTreeMap::new(),
            targets: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            sessions: BTreeMap::new(),
            generation: 0,
            claimed: BTreeSet::new(),
            serial: 0,
            seed: RandomState::new().hash_one(0),
        };
        Self {
            dir: dir.to_owned(),
            lateness: Lateness::new(options.lag),
            options,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// What is done and not shown yet.
    pub(crate) fn lateness(&self) -> &Lateness {
        &self.lateness
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// A number that grows with every change of pools, volumes, targets or LUNs (not of sessions).
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Waits until [`generation`](Self::generation) is no longer `seen`, for at most `limit`; the generation then.
    pub(crate) fn wait_change(&self, seen: u64, limit: Duration) -> u64 {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        while state.generation == seen {
            let Some(left) = end
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            else {
                break;
            };
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.generation
    }

    /// Adds a pool of `size` bytes.
    pub(crate) fn add_pool(&self, name: &str, size: u64) -> Result<()> {
        check::check_name(name)?;
        let dir = self.dir.join(name);
        std::fs::create_dir_all(&dir).map_err(|source| Error::Io {
            action: "create a directory",
            path: dir.clone(),
            source,
        })?;
        remove_snapshots(&dir).map_err(|source| Error::Io {
            action: "empty",
            path: dir,
            source,
        })?;
        self.change(|state| {
            if state.pools.contains_key(name) {
                return Err(Error::PoolExists {
                    pool: name.to_owned(),
                });
            }
            let id = (state.seed ^ u64::from(state.next_serial())).to_string();
            state.pools.insert(
                name.to_owned(),
                Pool {
                    id,
                    size,
                    vips: Vec::new(),
                    volumes: BTreeMap::new(),
                    datasets: BTreeSet::new(),
                },
            );
            Ok(())
        })
    }

    /// Adds a NAS dataset, whose name no volume may have then.
    pub(crate) fn add_dataset(&self, pool: &str, name: &str) -> Result<()> {
        check::check_name(name)?;
        self.change(|state| {
            let there = state.pool_mut(pool)?;
            if there.volumes.contains_key(name) || !there.datasets.insert(name.to_owned()) {
                return Err(Error::DatasetExists {
                    pool: pool.to_owned(),
                    name: name.to_owned(),
                });
            }
            Ok(())
        })
    }

    /// Adds a VIP to a pool. The order of addition is the order in which REST lists them.
    pub(crate) fn add_vip(&self, pool: &str, vip: Vip) -> Result<()> {
        self.change(|state| {
            let vips = &mut state.pool_mut(pool)?.vips;
            if vips.iter().any(|old| old.name == vip.name) {
                return Err(Error::VipExists {
                    pool: pool.to_owned(),
                    vip: vip.name,
                });
            }
            vips.push(vip);
            Ok(())
        })
    }

    /// One pool.
    pub(crate) fn pool(&self, name: &str) -> Result<PoolView> {
        let state = self.lock();
        let pool = state.pool(name)?;
        Ok(PoolView {
            name: name.to_owned(),
            id: pool.id.clone(),
            size: pool.size,
            available: pool.available(),
        })
    }

    /// The VIPs of a pool.
    pub(crate) fn vips(&self, pool: &str) -> Result<Vec<Vip>> {
        Ok(self.lock().pool(pool)?.vips.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of one connection's thread must not bring the appliance down: the state is changed in whole steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells those who wait, unless `change` fails (it must then have changed nothing).
    fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.lock();
        let done = change(&mut state)?;
        state.generation += 1;
        drop(state);
        self.changed.notify_all();
        Ok(done)
    }
}

impl State {
    fn pool(&self, name: &str) -> Result<&Pool> {
        self.pools.get(name).ok_or_else(|| Error::PoolMissing {
            pool: name.to_owned(),
        })
    }

    fn pool_mut(&mut self, name: &str) -> Result<&mut Pool> {
        self.pools.get_mut(name).ok_or_else(|| Error::PoolMissing {
            pool: name.to_owned(),
        })
    }

    fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }
}

impl Pool {
    fn available(&self) -> u64 {
        let reserved = self.volumes.values().map(|volume| volume.reserved()).sum();
        self.size.saturating_sub(reserved)
    }
}

/// Removes what snapshots of an earlier run, which did not end by itself, have left in a pool's directory.
fn remove_snapshots(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"@") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
