//! Commands that move or check blocks.

use std::io;
use std::os::unix::fs::FileExt;

use super::cdb::Cdb;
use super::reserve::Reservations;
use super::sense::{Refusal, Sense};
use super::{Plan, TRANSFER_MAX, capacity};
use crate::model::{LunView, Volume};

/// Bytes that are compared or written in one go where the length is not given by the transport.
pub(crate) const CHUNK: usize = 1 << 20;

/// A range of the medium in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The range a command names, if it is on the medium.
pub(crate) fn range(cdb: &Cdb, unit: &LunView) -> Result<Range, Refusal> {
    let (lba, blocks) = cdb.range().ok_or(Sense::INTERNAL)?;
    let end = lba.checked_add(blocks).ok_or(Sense::OUT_OF_RANGE)?;
    if end > capacity::blocks(unit) {
        return Err(Sense::OUT_OF_RANGE.into());
    }
    let size = u64::from(unit.block_size);
    Ok(Range {
        offset: lba * size,
        length: blocks * size,
    })
}

/// Protection information is never used here, so asking for it is wrong. Six-byte commands have no such field.
fn check_protection(cdb: &Cdb) -> Result<(), Refusal> {
    let six = matches!(cdb.opcode(), 0x08 | 0x0a);
    if !six && cdb.byte(1) & 0xe0 != 0 {
        return Err(Sense::invalid_byte(1).into());
    }
    Ok(())
}

pub(crate) fn writable(unit: &LunView) -> Result<(), Refusal> {
    if unit.read_only {
        return Err(Sense::READ_ONLY.into());
    }
    Ok(())
}

/// Data that has to be held in memory, if that is not too much.
pub(crate) fn receive(length: u64) -> Result<Plan, Refusal> {
    if length > TRANSFER_MAX {
        return Err(Sense::INVALID_FIELD.into());
    }
    Ok(match length {
        0 => Plan::Done,
        length => Plan::Receive(length as usize),
    })
}

pub(crate) fn plan_read(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    check_protection(cdb)?;
    let Range { offset, length } = range(cdb, unit)?;
    Ok(match length {
        0 => Plan::Done,
        length => Plan::Read { offset, length },
    })
}

pub(crate) fn plan_write(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    writable(unit)?;
    check_protection(cdb)?;
    receive(range(cdb, unit)?.length)
}

pub(crate) fn plan_verify(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    check_protection(cdb)?;
    let range = range(cdb, unit)?;
    match compares(cdb) {
        0 => Ok(Plan::Done),
        1 => receive(range.length),
        3 if range.length > 0 => receive(u64::from(unit.block_size)),
        3 => Ok(Plan::Done),
        _ => Err(Sense::invalid_bit(1, 2).into()),
    }
}

pub(crate) fn plan_compare(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    writable(unit)?;
    check_protection(cdb)?;
    receive(range(cdb, unit)?.length * 2)
}

pub(crate) fn synchronize(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    range(cdb, unit)?;
    flush(&unit.volume)?;
    Ok(Plan::Done)
}

/// Reads into the whole of `buffer`; holes and what the file does not have are zeros.
pub(crate) fn read(volume: &Volume, offset: u64, buffer: &mut [u8]) -> Result<(), Sense> {
    let file = volume.data().map_err(|_| Sense::READ_ERROR)?;
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => {
                buffer[done..].fill(0);
                break;
            }
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Sense::READ_ERROR),
        }
    }
    Ok(())
}

pub(crate) fn store(volume: &Volume, offset: u64, data: &[u8]) -> Result<(), Sense> {
    volume
        .data()
        .and_then(|file| file.write_all_at(data, offset))
        .map_err(|_| Sense::WRITE_ERROR)
}

fn flush(volume: &Volume) -> Result<(), Sense> {
    volume
        .data()
        .and_then(|file| file.sync_data())
        .map_err(|_| Sense::WRITE_ERROR)
}

/// WRITE and WRITE AND VERIFY: whole blocks of what has come.
pub(crate) fn write(cdb: &Cdb, unit: &LunView, data: &[u8]) -> Result<(), Refusal> {
    let range = range(cdb, unit)?;
    let length = data.len().min(range.length as usize);
    let whole = length - length % unit.block_size as usize;
    store(&unit.volume, range.offset, &data[..whole])?;
    let force_unit_access = !matches!(cdb.opcode(), 0x0a) && cdb.byte(1) & 0x08 != 0;
    if force_unit_access {
        flush(&unit.volume)?;
    }
    Ok(())
}

/// The BYTCHK field of VERIFY.
fn compares(cdb: &Cdb) -> u8 {
    (cdb.byte(1) >> 1) & 3
}

pub(crate) fn verify(cdb: &Cdb, unit: &LunView, data: &[u8]) -> Result<(), Refusal> {
    let range = range(cdb, unit)?;
    if compares(cdb) == 1 {
        return equal(&unit.volume, range.offset, data);
    }
    let size = u64::from(unit.block_size);
    for block in 0..range.length / size {
        equal(&unit.volume, range.offset + block * size, data)?;
    }
    Ok(())
}

/// COMPARE AND WRITE: the first half of `data` must be what is there, then the second half is written.
pub(crate) fn compare(
    cdb: &Cdb,
    unit: &LunView,
    data: &[u8],
    reservations: &Reservations,
) -> Result<(), Refusal> {
    let range = range(cdb, unit)?;
    let half = range.length as usize;
    if data.len() < half * 2 {
        return Err(Sense::INVALID_FIELD.into());
    }
    let _alone = reservations.exclusive();
    equal(&unit.volume, range.offset, &data[..half])?;
    store(&unit.volume, range.offset, &data[half..half * 2])?;
    Ok(())
}

fn equal(volume: &Volume, offset: u64, data: &[u8]) -> Result<(), Refusal> {
    let mut buffer = vec![0; CHUNK.min(data.len())];
    for (index, wanted) in data.chunks(CHUNK).enumerate() {
        let there = &mut buffer[..wanted.len()];
        read(volume, offset + (index * CHUNK) as u64, there)?;
        if there != wanted {
            return Err(Sense::MISCOMPARE.into());
        }
    }
    Ok(())
}
