//! MODE SENSE and MODE SELECT.

use super::cdb::Cdb;
use super::sense::{Refusal, Sense};
use super::{Plan, capacity};
use crate::model::LunView;

/// Geometry that SCST pretends.
const SECTORS_PER_TRACK: u16 = 56;
const HEADS: u8 = 255;

/// All pages, in the order in which SCST sends them.
const PAGES: [u8; 7] = [0x01, 0x02, 0x03, 0x08, 0x0a, 0x1c, 0x04];

/// Changeable values asked for: SCST says that nothing can be changed.
const CHANGEABLE: u8 = 1;
const SAVED: u8 = 3;

pub(crate) fn sense(cdb: &Cdb, unit: &LunView) -> Result<Plan, Refusal> {
    let ten = cdb.opcode() == 0x5a;
    let without_descriptor = cdb.byte(1) & 0x08 != 0;
    let (control, code, subpage) = (cdb.byte(2) >> 6, cdb.byte(2) & 0x3f, cdb.byte(3));
    if control == SAVED {
        return Err(Sense::NO_SAVED_PAGES.into());
    }
    if !matches!(subpage, 0 | 0xff) {
        return Err(Sense::invalid_byte(3).into());
    }
    let wanted: Vec<u8> = PAGES
        .into_iter()
        .filter(|page| code == 0x3f || code == *page)
        .collect();
    if wanted.is_empty() {
        return Err(Sense::invalid_byte(2).into());
    }
    let mut body = Vec::new();
    if !without_descriptor {
        let blocks = u32::try_from(capacity::blocks(unit)).unwrap_or(u32::MAX);
        body.extend(blocks.to_be_bytes());
        body.extend(unit.block_size.to_be_bytes());
    }
    let descriptor = body.len() as u8;
    for code in wanted {
        let mut page = page(code, unit);
        if control == CHANGEABLE {
            page[2..].fill(0);
        }
        body.extend(page);
    }
    // DPO and FUA are supported; bit 7 is write protection.
    let specific = if unit.read_only { 0x90 } else { 0x10 };
    let mut data = if ten {
        let length = (body.len() + 6) as u16;
        let [high, low] = length.to_be_bytes();
        vec![high, low, 0, specific, 0, 0, 0, descriptor]
    } else {
        vec![(body.len() + 3) as u8, 0, specific, descriptor]
    };
    data.extend(body);
    data.truncate(cdb.allocation());
    Ok(Plan::Send(data))
}

/// Nothing can be changed, so only an empty list is accepted.
pub(crate) fn select(cdb: &Cdb) -> Result<Plan, Refusal> {
    let length = match cdb.opcode() {
        0x15 => u16::from(cdb.byte(4)),
        _ => cdb.u16(7),
    };
    match length {
        0 => Ok(Plan::Done),
        _ => Err(Sense::INVALID_FIELD.into()),
    }
}

fn page(code: u8, unit: &LunView) -> Vec<u8> {
    match code {
        0x01 => vec![0x01, 0x0a, 0xc0, 0x01, 0, 0, 0, 0, 0x01, 0, 0xff, 0xff],
        0x02 => sized(&[0x02, 0x0e, 0x80, 0x80, 0x00, 0x0a], 16),
        0x03 => {
            let mut page = sized(&[0x03, 0x16], 24);
            page[10..12].copy_from_slice(&SECTORS_PER_TRACK.to_be_bytes());
            page[12..14].copy_from_slice(&(unit.block_size as u16).to_be_bytes());
            page[20] = 0x40;
            page
        }
        0x04 => {
            let cylinder = u64::from(SECTORS_PER_TRACK) * u64::from(HEADS);
            let cylinders = capacity::blocks(unit).div_ceil(cylinder).min(0xff_ffff) as u32;
            let mut page = sized(&[0x04, 0x16], 24);
            page[2..5].copy_from_slice(&cylinders.to_be_bytes()[1..]);
            page[5] = HEADS;
            page[20..22].copy_from_slice(&15_000_u16.to_be_bytes());
            page
        }
        // Write cache enabled.
        0x08 => {
            let mut page = sized(&[0x88, 0x12, 0x04], 20);
            page[12..14].copy_from_slice(&[0x80, 0x14]);
            page
        }
        0x0a => vec![0x8a, 0x0a, 0x20, 0x10, 0, 0, 0, 0, 0, 0, 0x02, 0x4b],
        _ => sized(&[0x1c, 0x0a, 0x08], 12),
    }
}

fn sized(head: &[u8], length: usize) -> Vec<u8> {
    let mut page = head.to_vec();
    page.resize(length, 0);
    page
}
