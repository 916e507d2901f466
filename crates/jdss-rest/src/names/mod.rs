//! Names: volumes, snapshots, targets, clusters and SCSI IDs, in both directions.
//!
//! The appliance knows only *physical* names; people and storage systems know
//! *ids*. The rules are those of the existing open client, so that volumes
//! made by it are found. Nothing here asks the appliance.
//!
//! | what | id | physical name |
//! |---|---|---|
//! | volume | [`VolumeId`] `vm-100-disk-0` | `v_vm-100-disk-0` |
//! | the same, other characters | `my disk` | `vh_my_disk_NV4SAZDJONVQ----` |
//! | volume of a cluster | `vm-100-disk-0` with [`ClusterPrefix`] `pveA` | `v_pveA_vm-100-disk-0` |
//! | snapshot | [`SnapshotId`] `snap1` | `s_snap1`, or `sh_...` |
//! | export of a snapshot, a clone | [`SnapshotId::export_name`] | `se_...`, or `shv_...` |
//! | export by the NFS client | [`SnapshotId::nas_export_name`] | `sp_...` |
//! | target | [`TargetFamily`] of [`TargetPrefix`] and [`TargetGroup`] | `<prefix>:vm-100-0` |
//! | disk of a host | [`ScsiId`] `4fa1c0de77e2b316` | WWID `23466613163306465` |
//!
//! A type proves that its text is valid: what parses makes a name that the
//! appliance takes. To *find* a volume or snapshot by a name that came from the
//! appliance use [`VolumeId::from_physical`] and [`SnapshotId::from_physical`];
//! to *show* any name, [`display_name`].
//!
//! # Where this differs from the existing client
//!
//! | what | existing client | here | because |
//! |---|---|---|---|
//! | id with a Unicode letter, or a line feed at its end | a plain `v_` name | encoded, `vh_` | the appliance refuses the plain one |
//! | empty id, also after a cluster prefix | `vh__`, `v_pveA_` | an error | a volume that no id leads to |
//! | names of more than 255 bytes | sent | an error | ZFS refuses them |
//! | `vb_...`, or `vh_...` with another readable part | the volume of the decoded id | shown, but no id leads to it | the id's own volume is another one, `v_...` |
//! | base32 with bits left over, or in several blocks | decoded | not decoded | one text has one encoding |
//! | export of a snapshot of no volume | `se_snap1_`, `sh_...` | cannot be asked for | the second is the name of the snapshot itself |
//! | hidden names `t_<id>_<random>` | made; for some ids it crashes | shown, never made | nothing uses them |
//! | `vm-100x-disk-0` | listed as a disk of guest `100x` | not a guest's | there is no such guest |
//! | time of a snapshot that is absent or cannot be read | 1970 | unknown, [`SnapshotTime::parse`](crate::SnapshotTime::parse) | it would look older than all others |
//! | SCSI ID shorter than 8 characters | a short WWID | an error | the target pads the ID: the host shows another WWID |
//! | target prefix with `_`, `/`, `@` | sent | an error | the appliance refuses it |
//! | target prefix with other than ASCII | those are dropped | an error | the targets would not be where the setting says |
//! | target prefix with upper case | sent | lowered | the appliance shows names in lower case |
//! | target prefix ending in `:::` or more | keeps the colons | an error | mistaken, and not the same when read again |
//! | target names of more than 223 bytes | sent | an error | iSCSI allows no more |
//! | CHAP user with a line feed at its end, or over 255 bytes | sent | an error | no initiator can log in with it |

mod base32;
mod chap;
mod cluster;
mod display;
mod error;
mod guest;
mod nas;
mod scsi;
mod snapshot;
mod target;
mod volume;

pub use base32::{decode as base32_decode, encode as base32_encode};
pub use chap::{ChapPassword, ChapPasswordError, ChapUser};
pub use cluster::ClusterPrefix;
pub use display::{Class, classify, display_name};
pub use error::NameError;
pub use guest::GuestVolume;
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

/// The name of a volume, or of a snapshot of it, as ZFS writes it: `Pool-0/v_a@s_b`.
///
/// Takes physical names; [`Origin::parse`](crate::Origin::parse) takes the
/// name of a snapshot apart again.
///
/// # Errors
///
/// [`NameError::TooLong`]: together they have more than [`MAX_PHYSICAL_LEN`] bytes.
///
/// # Example
///
/// ```
/// use jdss_rest::names::dataset_name;
///
/// assert_eq!(dataset_name("Pool-0", "v_a", None)?, "Pool-0/v_a");
/// assert_eq!(dataset_name("Pool-0", "v_a", Some("s_b"))?, "Pool-0/v_a@s_b");
/// assert!(dataset_name("Pool-0", &"v".repeat(249), None).is_err());
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
pub fn dataset_name(pool: &str, volume: &str, snapshot: Option<&str>) -> Result<String, NameError> {
    let mut name = format!("{pool}/{volume}");
    if let Some(snapshot) = snapshot {
        name.push('@');
        name.push_str(snapshot);
    }
    check_physical(&name, &name)?;
    Ok(name)
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
