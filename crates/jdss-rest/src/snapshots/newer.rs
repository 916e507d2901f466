//! Which snapshots are newer than another one.

use crate::model::{Snapshot, SnapshotTime};

/// How far apart local times can be and yet be in the wrong order, in seconds: the clock
/// is set back once a year.
const SET_BACK: i64 = 2 * 3600;

/// The snapshots newer than `mark`, given that the appliance counts `count` of them.
///
/// Transactions decide where the appliance tells them, else times. Times may be equal,
/// absent or, as local ones, set back; the count then decides who of the doubtful belongs to
/// them. Where it cannot, all of the doubtful do: what might be destroyed is shown. `None`
/// when count and snapshots contradict each other.
pub(super) fn newer<'a>(
    all: &'a [Snapshot],
    mark: &Snapshot,
    count: u64,
) -> Option<Vec<&'a Snapshot>> {
    [0, SET_BACK].into_iter().find_map(|slack| {
        let pick = |wanted: &[Option<bool>]| -> Vec<&'a Snapshot> {
            all.iter()
                .filter(|other| other.name != mark.name)
                .filter(|other| wanted.contains(&is_newer(other, mark, slack)))
                .collect()
        };
        let certain = pick(&[Some(true)]);
        if certain.len() as u64 == count {
            return Some(certain);
        }
        let possible = pick(&[Some(true), None]);
        let range = certain.len() as u64..=possible.len() as u64;
        range.contains(&count).then_some(possible)
    })
}

/// `None`: that cannot be told.
fn is_newer(one: &Snapshot, other: &Snapshot, slack: i64) -> Option<bool> {
    if let (Some(one), Some(other)) = (one.txg, other.txg) {
        return (one != other).then_some(one > other);
    }
    let (one, other) = (one.created?, other.created?);
    let slack = match (one, other) {
        (SnapshotTime::Epoch(_), SnapshotTime::Epoch(_)) => 0,
        (SnapshotTime::Local(_), SnapshotTime::Local(_)) => slack,
        _ => return None,
    };
    let apart = one.seconds(0) - other.seconds(0);
    (apart.abs() > slack).then_some(apart > 0)
}
