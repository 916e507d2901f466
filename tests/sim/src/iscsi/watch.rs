//! Announces changes of the model to open sessions, as SCST does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use super::link::Notice;
use super::task::is_of;
use crate::model::LunView;
use crate::scsi::Sense;

/// The longest sleep between two looks at whether the target stops. Changes end it at once.
const NAP: Duration = Duration::from_millis(200);

/// What a session can learn about a LUN.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Face {
    attachment: u64,
    scsi_id: String,
    size: u64,
}

/// All LUNs by target and number.
type Faces = BTreeMap<String, BTreeMap<u16, Face>>;

/// Compares the model with what it was.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    generation: u64,
    faces: Faces,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let generation = shared.model.generation();
        let faces = faces(&shared);
        Self {
            shared,
            generation,
            faces,
        }
    }

    /// Announces changes until the target stops.
    pub(crate) fn run(mut self) {
        while !self.shared.stopping.load(Ordering::SeqCst) {
            let generation = self.shared.model.wait_change(self.generation, NAP);
            if generation != self.generation {
                self.generation = generation;
                self.compare();
            }
        }
    }

    fn compare(&mut self) {
        let now = faces(&self.shared);
        let none = BTreeMap::new();
        for (target, luns) in &now {
            for (lun, sense) in changes(self.faces.get(target).unwrap_or(&none), luns) {
                self.shared
                    .registry
                    .notify(|link| is_of(link, Some(target)), Notice::Event(lun, sense));
            }
        }
        self.faces = now;
    }
}

fn faces(shared: &Shared) -> Faces {
    let face = |unit: &LunView| {
        let face = Face {
            attachment: unit.attachment,
            scsi_id: unit.scsi_id.clone(),
            size: unit.volume.size(),
        };
        (unit.lun, face)
    };
    shared
        .model
        .targets()
        .into_iter()
        .map(|target| (target.name, target.luns.iter().map(face).collect()))
        .collect()
}

/// What there is to tell, and at which LUN.
fn changes(before: &BTreeMap<u16, Face>, now: &BTreeMap<u16, Face>) -> Vec<(u16, Sense)> {
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
