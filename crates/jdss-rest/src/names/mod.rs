//! Names: volumes, snapshots, targets and SCSI IDs, in both directions.
//!
//! The appliance knows only *physical* names; people and storage systems know
//! *ids*. The rules are those of the existing open clients, so that volumes
//! made by them are found; where those rules go wrong (ids that the appliance
//! refuses, or two ids with one name) this module differs and says so.

mod base32;
mod chap;
mod cluster;
mod display;
mod error;
mod scsi;
mod snapshot;
mod target;
mod volume;

pub use base32::{decode as base32_decode, encode as base32_encode};
pub use chap::{ChapPassword, ChapPasswordError, ChapUser};
pub use cluster::ClusterPrefix;
pub use display::{Class, classify, display_name};
pub use error::NameError;
pub use scsi::ScsiId;
pub use snapshot::{SnapshotId, SnapshotParts};
pub(crate) use target::free_lun;
pub use target::{TargetFamily, TargetGroup, TargetPrefix};
pub use volume::VolumeId;

/// Longest name of a dataset that ZFS takes, pool and snapshot included, in bytes.
pub const MAX_PHYSICAL_LEN: usize = 255;

/// Whether the id needs no encoding: ASCII letters, digits, `_` and `-` only.
fn is_plain(id: &str) -> bool {
    id.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The readable part of an encoded name: every other character becomes one `_`.
fn sanitize(id: &str) -> String {
    id.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn check_physical(id: &str, physical: &str) -> Result<(), NameError> {
    if physical.len() > MAX_PHYSICAL_LEN {
        return Err(NameError::TooLong {
            value: shorten(id),
            len: physical.len(),
            max: MAX_PHYSICAL_LEN,
        });
    }
    Ok(())
}

/// Enough of a value to recognise it in an error.
fn shorten(value: &str) -> String {
    const SHOWN: usize = 60;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}
