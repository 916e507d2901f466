//! What the appliance has: pools, VIPs, volumes, snapshots, targets, LUNs, sessions.

mod pool;
mod snapshot;
mod target;
mod time;
mod volume;

pub use pool::{PoolInfo, Vip};
pub use snapshot::{CloneInfo, Snapshot};
pub use target::{Attachment, Lun, Session, Target};
pub use time::{LocalTime, SnapshotTime};
pub use volume::{Origin, Volume};
