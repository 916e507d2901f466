//! Announces changes of the model to open sessions, as SCST does.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use super::link::{Link, Notice};
use crate::model::{LunView, TargetView};
use crate::scsi::Sense;

/// The longest sleep between two looks at whether the target stops. Changes end it at once.
const NAP: Duration = Duration::from_millis(200);

/// What a session can learn about a LUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Face {
    attachment: u64,
    scsi_id: String,
    size: u64,
}

/// The LUNs of a target by number.
pub(crate) type Faces = BTreeMap<u16, Face>;

/// What a target shows now.
pub(crate) fn faces(target: &TargetView) -> Faces {
    let face = |unit: &LunView| {
        let face = Face {
            attachment: unit.attachment,
            scsi_id: unit.scsi_id.clone(),
            size: unit.volume.size(),
        };
        (unit.lun, face)
    };
    target.luns.iter().map(face).collect()
}

/// Tells sessions of what has changed since they were opened, or were told the last time, until the target stops.
/// `generation` is the model's before the first session.
pub(crate) fn run(shared: &Shared, mut generation: u64) {
    while !shared.stopping.load(Ordering::SeqCst) {
        let now = shared.model.wait_change(generation, NAP);
        if now != generation {
            generation = now;
            for link in shared.registry.select(|_| true) {
                compare(shared, &link);
            }
        }
    }
}

fn compare(shared: &Shared, link: &Link) {
    let target = |link: &Link| link.opened.get()?.identity.target.clone();
    let Some(target) = target(link) else { return };
    let mut seen = link.seen();
    // Asked for under the lock, so that it is not older than what was seen.
    let (Some(before), Some(target)) = (&*seen, shared.model.target(&target)) else {
        return;
    };
    let now = faces(&target);
    let events = changes(before, &now);
    *seen = Some(now);
    drop(seen);
    for (lun, sense) in events {
        link.notify(Notice::Event(lun, sense));
    }
}

/// What there is to tell, and at which LUN.
fn changes(before: &Faces, now: &Faces) -> Vec<(u16, Sense)> {
    let mut found = Vec::new();
    let same_luns = before.len() == now.len()
        && now.iter().all(|(lun, face)| {
            before
                .get(lun)
                .is_some_and(|old| old.attachment == face.attachment)
        });
    if !same_luns {
        // SCST names LUN 0, whichever has come or gone.
        found.push((0, Sense::LUNS_CHANGED));
    }
    for (lun, face) in now {
        let Some(old) = before.get(lun) else { continue };
        if old.scsi_id != face.scsi_id {
            found.push((*lun, Sense::INQUIRY_CHANGED));
        }
        if old.attachment == face.attachment && old.size != face.size {
            found.push((*lun, Sense::CAPACITY_CHANGED));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lun(attachment: u64, scsi_id: &str, size: u64) -> Face {
        Face {
            attachment,
            scsi_id: scsi_id.to_owned(),
            size,
        }
    }

    #[test]
    fn each_kind_of_change_is_told_once() {
        let before = BTreeMap::from([(0, lun(1, "a", 10)), (1, lun(2, "b", 10))]);
        assert_eq!(changes(&before, &before), []);
        let grown = BTreeMap::from([(0, lun(1, "a", 20)), (1, lun(2, "b", 10))]);
        assert_eq!(changes(&before, &grown), [(0, Sense::CAPACITY_CHANGED)]);
        let removed = BTreeMap::from([(0, lun(1, "a", 10))]);
        assert_eq!(changes(&before, &removed), [(0, Sense::LUNS_CHANGED)]);
        let reused = BTreeMap::from([(0, lun(1, "a", 10)), (1, lun(3, "c", 30))]);
        assert_eq!(
            changes(&before, &reused),
            [(0, Sense::LUNS_CHANGED), (1, Sense::INQUIRY_CHANGED)]
        );
        let renamed = BTreeMap::from([(0, lun(1, "z", 10)), (1, lun(2, "b", 10))]);
        assert_eq!(changes(&before, &renamed), [(0, Sense::INQUIRY_CHANGED)]);
    }
}
