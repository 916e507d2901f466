//! SCSI: a disk as SCST's `vdisk_blockio` shows one, on a sparse file.
//!
//! A command has two steps. [`plan`] looks at its descriptor block and says what is to be moved; [`finish`] carries
//! out what came with data from the initiator. The transport between the two is iSCSI's business.

mod block;
mod capacity;
pub(crate) mod cdb;
mod inquiry;
mod mode;
pub(crate) mod opcodes;
mod provision;
mod reserve;
mod sense;

use crate::model::{LunView, TargetView};

pub(crate) use block::read;
pub(crate) use cdb::Cdb;
pub(crate) use reserve::{Nexus, Reservations};
pub(crate) use sense::{Refusal, Sense};

/// Transfers of more than this are refused: a write is held in memory until all of it is here.
const TRANSFER_MAX: u64 = 64 << 20;

/// One command at one logical unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) cdb: Cdb,
    pub(crate) target: &'a TargetView,
    /// None: nothing is mapped at the LUN.
    pub(crate) unit: Option<&'a LunView>,
    pub(crate) nexus: &'a Nexus,
    pub(crate) reservations: &'a Reservations,
}

/// What a command that is in order needs next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: it is done, and GOOD.
    Done,
    /// This data goes to the initiator, cut to what it takes; then GOOD.
    Send(Vec<u8>),
    /// Bytes of the volume go to the initiator; then GOOD.
    Read {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
    },
    /// So many bytes are wanted from the initiator, then [`finish`].
    Receive(usize),
}

/// Does this command report a pending unit attention? These three never do.
pub(crate) fn heeds_attention(cdb: &Cdb) -> bool {
    !matches!(cdb.opcode(), 0x03 | 0x12 | 0xa0)
}

/// Checks a command and says what it needs. Commands without data from the initiator are carried out.
pub(crate) fn plan(call: &Call<'_>) -> Result<Plan, Refusal> {
    let cdb = &call.cdb;
    match cdb.opcode() {
        0xa0 => return capacity::report_luns(cdb, call.target),
        0x12 => return inquiry::inquiry(cdb, call.target, call.unit),
        0x03 => return Ok(request_sense(cdb, call.unit.is_some())),
        _ => {}
    }
    let unit = call.unit.ok_or(Sense::ABSENT_UNIT)?;
    call.reservations.check(call.nexus, unit, cdb)?;
    match cdb.opcode() {
        // TEST UNIT READY, START STOP UNIT, SEND DIAGNOSTIC
        0x00 | 0x1b | 0x1d => Ok(Plan::Done),
        0x1a | 0x5a => mode::sense(cdb, unit),
        0x15 | 0x55 => mode::select(cdb),
        0x16 | 0x56 | 0x17 | 0x57 => call.reservations.spc2(call.nexus, unit, cdb),
        0x5e => call.reservations.persistent_in(unit, cdb),
        0x5f => call.reservations.plan_out(cdb),
        0x25 => capacity::capacity10(cdb, unit),
        0x9e => match cdb.service_action() {
            0x10 => capacity::capacity16(cdb, unit),
            _ => Err(Sense::invalid_bit(1, 0).into()),
        },
        0xa3 => match cdb.service_action() {
            0x0a => Ok(cut(cdb, vec![0; 4])), // no target port groups
            0x0c => Ok(cut(cdb, opcodes::report(cdb)?)),
            0x0d => Ok(cut(cdb, vec![0xf8, 0, 0, 0])), // all that act on tasks, sets, units
            _ => Err(Sense::INTERNAL.into()),
        },
        0x08 | 0x28 | 0x88 | 0xa8 => block::plan_read(cdb, unit),
        0x0a | 0x2a | 0x8a | 0xaa | 0x2e | 0x8e | 0xae => block::plan_write(cdb, unit),
        0x2f | 0x8f | 0xaf => block::plan_verify(cdb, unit),
        0x89 => block::plan_compare(cdb, unit),
        0x35 | 0x91 => block::synchronize(cdb, unit),
        0x41 | 0x93 => provision::plan_write_same(cdb, unit),
        0x42 => provision::plan_unmap(cdb, unit),
        // FORMAT UNIT, LOG SELECT, LOG SENSE, THIRD-PARTY COPY OUT: listed, but no request is granted.
        0x04 | 0x4c | 0x4d | 0x83 => Err(Sense::INVALID_FIELD.into()),
        _ => Err(Sense::INVALID_OPCODE.into()),
    }
}

/// Carries out a command whose data is here. `data` may be shorter than what [`plan`] wanted, if the initiator
/// announced less: then that much is done.
pub(crate) fn finish(call: &Call<'_>, data: &[u8]) -> Result<(), Refusal> {
    let cdb = &call.cdb;
    let unit = call.unit.ok_or(Sense::ABSENT_UNIT)?;
    match cdb.opcode() {
        0x0a | 0x2a | 0x8a | 0xaa | 0x2e | 0x8e | 0xae => block::write(cdb, unit, data),
        0x2f | 0x8f | 0xaf => block::verify(cdb, unit, data),
        0x89 => block::compare(cdb, unit, data, call.reservations),
        0x41 | 0x93 => provision::write_same(cdb, unit, data),
        0x42 => provision::unmap(unit, data),
        0x5f => call
            .reservations
            .persistent_out(call.nexus, unit, cdb, data),
        _ => Err(Sense::INTERNAL.into()),
    }
}

/// Parameter data, cut to the allocation length.
fn cut(cdb: &Cdb, mut data: Vec<u8>) -> Plan {
    data.truncate(cdb.allocation());
    Plan::Send(data)
}

fn request_sense(cdb: &Cdb, present: bool) -> Plan {
    let sense = if present {
        Sense::NONE
    } else {
        Sense::ABSENT_UNIT
    };
    if cdb.byte(1) & 1 == 0 {
        return cut(cdb, sense.to_bytes().to_vec());
    }
    let descriptor = vec![0x72, sense.key, sense.asc, sense.ascq, 0, 0, 0, 0];
    cut(cdb, descriptor)
}
