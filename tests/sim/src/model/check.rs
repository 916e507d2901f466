//! What the appliance takes as names, IDs and sizes.

use crate::error::{Error, Result};

/// The longest name in ZFS, with its pool, volume and snapshot, `POOL/VOLUME@SNAPSHOT`.
const FULL_NAME_MAX: usize = 255;

/// Names as the appliance takes them for volumes, snapshots and pools.
pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.len() <= 256 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::InvalidName {
        name: name.to_owned(),
    })
}

pub(super) fn check_full_name(name: String) -> Result<()> {
    if name.len() <= FULL_NAME_MAX {
        return Ok(());
    }
    Err(Error::NameTooLong { name })
}

pub(super) fn check_scsi_id(id: &str) -> Result<()> {
    if id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::InvalidScsiId {
        scsi_id: id.to_owned(),
    })
}

/// What the appliance makes of a size: what does not fill a block is cut off.
pub(super) fn whole_blocks(size: u64, block_size: u64) -> Result<u64> {
    match size - size % block_size {
        0 => Err(Error::InvalidSize { size, block_size }),
        whole => Ok(whole),
    }
}

pub(super) fn check_space(pool: &str, wanted: u64, available: u64) -> Result<()> {
    if wanted <= available {
        return Ok(());
    }
    Err(Error::NoSpace {
        pool: pool.to_owned(),
        wanted,
        available,
    })
}
