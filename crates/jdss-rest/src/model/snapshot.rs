use super::{Origin, SnapshotTime};

/// A snapshot of a volume.
///
/// What a list says of it is less than what [`Pool::snapshot`](crate::Pool::snapshot)
/// says: some versions leave out the size and the clones there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its physical name, without the volume.
    ///
    /// Not all are made by this client: the appliance's own are named `autosnap_...`, and
    /// the one that a clone of a live volume was made from is named like that clone.
    pub name: String,
    /// Physical name of the volume.
    pub volume: String,
    /// When it was made; `None` when the appliance does not say, or in no known form.
    pub created: Option<SnapshotTime>,
    /// The transaction in which it was made, where the appliance says so: a later snapshot
    /// has a larger one.
    pub txg: Option<u64>,
    /// Its identity, which no other snapshot has.
    pub guid: Option<String>,
    /// The size of the volume then, in bytes.
    pub size: Option<u64>,
    /// Physical names of the volumes cloned from it, where the appliance says so.
    pub clones: Vec<String>,
}

/// A volume cloned from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloneInfo {
    /// Its physical name.
    pub name: String,
    /// The snapshot it was cloned from.
    pub origin: Option<Origin>,
}
