//! What was done by REST and is not shown yet.

use std::sync::{Mutex, PoisonError};

/// How long REST takes to show what it was asked to do, counted in requests that look for it; 0 is at once. What the
/// administrator does, and what initiators find, is never late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// A new volume or clone is in no list and shows no SCSI ID.
    pub volumes: u32,
    /// A renamed volume is shown at its old name, and missing at its new one and in lists.
    pub renames: u32,
    /// Creation of a target is answered with 202 and no data, and the target is missing.
    pub targets: u32,
    /// Creation of a LUN is answered without a body, and the LUN shows no SCSI ID.
    pub luns: u32,
}

/// Something that is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    Volume {
        pool: String,
        name: String,
    },
    Rename {
        pool: String,
        old: String,
        new: String,
    },
    Target {
        name: String,
    },
    Lun {
        target: String,
        volume: String,
    },
}

/// Everything that is not shown, and for how many more looks.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    state: Mutex<(Lag, Vec<(Late, u32)>)>,
}

impl Lateness {
    pub(crate) fn new(lag: Lag) -> Self {
        Self {
            state: Mutex::new((lag, Vec::new())),
        }
    }

    /// From now on; what is late already stays so.
    pub(crate) fn set(&self, lag: Lag) {
        self.with(|current, _| *current = lag);
    }

    /// Hides what was just done, if such things are late; whether it does.
    pub(crate) fn hide(&self, what: Late) -> bool {
        self.with(|lag, hidden| {
            let looks = match what {
                Late::Volume { .. } => lag.volumes,
                Late::Rename { .. } => lag.renames,
                Late::Target { .. } => lag.targets,
                Late::Lun { .. } => lag.luns,
            };
            hidden.retain(|(old, _)| *old != what);
            if looks > 0 {
                hidden.push((what, looks));
            }
            looks > 0
        })
    }

    /// Looks for something that `wanted` describes: what hides it, if something does. One look less is left then.
    pub(crate) fn look(&self, wanted: impl Fn(&Late) -> bool) -> Option<Late> {
        self.with(|_, hidden| {
            let place = hidden.iter().position(|(late, _)| wanted(late))?;
            let (late, left) = &mut hidden[place];
            *left -= 1;
            let (late, left) = (late.clone(), *left);
            if left == 0 {
                hidden.remove(place);
            }
            Some(late)
        })
    }

    /// A look at a list: everything in it that is hidden.
    pub(crate) fn look_at_list(&self, wanted: impl Fn(&Late) -> bool) -> Vec<Late> {
        self.with(|_, hidden| {
            let mut found = Vec::new();
            for (late, left) in hidden.iter_mut().filter(|(late, _)| wanted(late)) {
                *left -= 1;
                found.push(late.clone());
            }
            hidden.retain(|(_, left)| *left > 0);
            found
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Lag, &mut Vec<(Late, u32)>) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (lag, hidden) = &mut *state;
        f(lag, hidden)
    }
}
