//! WRITE SAME and UNMAP.

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::block::{self, CHUNK, Range};
use super::cdb::Cdb;
use super::sense::{Refusal, Sense};
use super::{Plan, capacity};
use crate::model::{LunView, Volume};

/// Bytes that one WRITE SAME may write.
pub(crate) const WRITE_SAME_MAX: u32 = 256 << 20;

pub(crate) fn plan_write_same(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    block::writable(unit)?;
    if cdb.byte(1) & 0xe0 != 0 {
        return Err(Sense::invalid_byte(1).into());
    }
    let unmap = cdb.byte(1) & 0x08 != 0;
    if unmap && !unit.volume.thin() {
        return Err(Sense::INVALID_OPCODE.into());
    }
    if cdb.byte(1) & 0x10 != 0 {
        return Err(Sense::invalid_bit(1, 4).into()); // no anchored blocks
    }
    let range = block::range(cdb, unit)?;
    if range.length == 0 || range.length > u64::from(WRITE_SAME_MAX) {
        let field = if cdb.opcode() == 0x41 { 7 } else { 10 };
        return Err(Sense::invalid_byte(field).into());
    }
    if without_data(cdb) {
        zero(&unit.volume, range)?;
        return Ok(Plan::Done);
    }
    Ok(Plan::Receive(unit.block_size as usize))
}

/// NDOB: no data comes, zeros are written.
fn without_data(cdb: &Cdb) -> bool {
    cdb.opcode() == 0x93 && cdb.byte(1) & 0x01 != 0
}

pub(crate) fn write_same(cdb: &Cdb, unit: &LunView, data: &[u8]) -> Result<(), Refusal> {
    let range = block::range(cdb, unit)?;
    let size = unit.block_size as usize;
    let Some(pattern) = data.get(..size) else {
        return Err(Sense::INVALID_FIELD.into());
    };
    if pattern.iter().all(|byte| *byte == 0) {
        return Ok(zero(&unit.volume, range)?);
    }
    let buffer = pattern.repeat(CHUNK / size);
    let mut done = 0;
    while done < range.length {
        let part = (range.length - done).min(buffer.len() as u64);
        block::store(&unit.volume, range.offset + done, &buffer[..part as usize])?;
        done += part;
    }
    Ok(())
}

pub(crate) fn plan_unmap(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    if !unit.volume.thin() {
        return Err(Sense::INVALID_OPCODE.into());
    }
    block::writable(unit)?;
    if cdb.byte(1) & 0x01 != 0 {
        return Err(Sense::invalid_bit(1, 0).into()); // no anchored blocks
    }
    match cdb.u16(7) {
        0 => Ok(Plan::Done),
        1..8 => Err(Sense::PARAMETER_LIST_LENGTH.into()),
        length => Ok(Plan::Receive(usize::from(length))),
    }
}

pub(crate) fn unmap(unit: &LunView, list: &[u8]) -> Result<(), Refusal> {
    let Some(header) = list.first_chunk::<8>() else {
        return Err(Sense::PARAMETER_LIST_LENGTH.into());
    };
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let descriptors = &list[8..list.len().min(8 + length)];
    let mut ranges = Vec::new();
    for descriptor in descriptors.chunks_exact(16) {
        let lba = descriptor[..8]
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let blocks = descriptor[8..12]
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let end = lba.checked_add(blocks).ok_or(Sense::OUT_OF_RANGE)?;
        if end > capacity::blocks(unit) {
            return Err(Sense::OUT_OF_RANGE.into());
        }
        if blocks > u64::from(u32::MAX / unit.block_size) {
            return Err(Sense::INVALID_PARAMETER.into());
        }
        let size = u64::from(unit.block_size);
        ranges.push(Range {
            offset: lba * size,
            length: blocks * size,
        });
    }
    for range in ranges {
        zero(&unit.volume, range)?;
    }
    Ok(())
}

/// Makes a hole, or writes zeros where the file system knows no holes.
fn zero(volume: &Volume, range: Range) -> Result<(), Sense> {
    if range.length == 0 {
        return Ok(());
    }
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let file = volume.data().map_err(|_| Sense::WRITE_ERROR)?;
    let made = rustix::fs::fallocate(&*file, hole, range.offset, range.length);
    drop(file); // What writes below takes it by itself.
    match made {
        Ok(()) => return Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
        Err(_) => return Err(Sense::WRITE_ERROR),
    }
    let zeros = vec![0; CHUNK];
    let mut done = 0;
    while done < range.length {
        let part = (range.length - done).min(CHUNK as u64);
        block::store(volume, range.offset + done, &zeros[..part as usize])?;
        done += part;
    }
    Ok(())
}
