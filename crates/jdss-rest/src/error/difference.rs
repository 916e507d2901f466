//! Volumes that are not the one meant.

use crate::model::Origin;
use crate::names::ScsiId;

/// In what a volume differs from the one expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// It is no clone, or a clone of something else.
    #[error("it is {}, not a clone of {wanted}", origin(.found.as_ref()))]
    Origin {
        /// The snapshot it is a clone of, if any.
        found: Option<Origin>,
        /// The snapshot it should be a clone of.
        wanted: Origin,
    },
    /// It has another SCSI ID, or none.
    #[error("it has {}, not SCSI ID {wanted}", scsi_id(.found.as_ref()))]
    ScsiId {
        /// The SCSI ID found, if any.
        found: Option<ScsiId>,
        /// The one expected.
        wanted: ScsiId,
    },
}

fn origin(found: Option<&Origin>) -> String {
    match found {
        Some(origin) => format!("a clone of {origin}"),
        None => "no clone".to_owned(),
    }
}

fn scsi_id(found: Option<&ScsiId>) -> String {
    match found {
        Some(id) => format!("SCSI ID {id}"),
        None => "no SCSI ID".to_owned(),
    }
}
