//! READ CAPACITY and REPORT LUNS.

use super::cdb::Cdb;
use super::sense::{Refusal, Sense};
use super::{Plan, cut};
use crate::model::{LunView, TargetView};

/// Number of whole blocks.
pub(crate) fn blocks(unit: &LunView) -> u64 {
    unit.volume.size() / u64::from(unit.block_size)
}

/// Address of the last block; all ones when there is none, as SCST says it.
fn last(unit: &LunView) -> u64 {
    blocks(unit).wrapping_sub(1)
}

pub(crate) fn capacity10(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    if cdb.byte(8) & 1 == 0 && cdb.u32(2) != 0 {
        return Err(Sense::invalid_byte(2).into());
    }
    let last = u32::try_from(last(unit)).unwrap_or(u32::MAX);
    let mut data = last.to_be_bytes().to_vec();
    data.extend(unit.block_size.to_be_bytes());
    Ok(cut(cdb, data))
}

pub(crate) fn capacity16(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    if cdb.byte(14) & 1 == 0 && cdb.u64(2) != 0 {
        return Err(Sense::invalid_byte(2).into());
    }
    let mut data = last(unit).to_be_bytes().to_vec();
    data.extend(unit.block_size.to_be_bytes());
    data.resize(32, 0);
    if unit.volume.thin() {
        data[14] = 0x80;
    }
    Ok(cut(cdb, data))
}

pub(crate) fn report_luns(cdb: &Cdb, target: &TargetView) -> Result<Plan, Refusal> {
    if cdb.allocation() < 16 {
        return Err(Sense::invalid_byte(6).into());
    }
    let luns: &[LunView] = match cdb.byte(2) {
        0 | 2 => &target.luns,
        1 => &[], // well known logical units only
        _ => return Err(Sense::invalid_byte(2).into()),
    };
    let mut data = ((luns.len() * 8) as u32).to_be_bytes().to_vec();
    data.extend([0; 4]);
    for unit in luns {
        data.extend(unit.lun.to_be_bytes());
        data.extend([0; 6]);
    }
    Ok(cut(cdb, data))
}
