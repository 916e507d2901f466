//! The commands that SCST's virtual disks list in REPORT SUPPORTED OPERATION CODES.

use super::cdb::Cdb;
use super::sense::Sense;

/// One entry of the list.
#[derive(Debug)]
pub(crate) struct Opcode {
    pub(crate) opcode: u8,
    pub(crate) service_action: Option<u8>,
    /// Length of the CDB in bytes.
    pub(crate) length: u8,
    pub(crate) name: &'static str,
}

const fn plain(opcode: u8, length: u8, name: &'static str) -> Opcode {
    Opcode {
        opcode,
        service_action: None,
        length,
        name,
    }
}

const fn action(opcode: u8, service_action: u8, length: u8, name: &'static str) -> Opcode {
    Opcode {
        opcode,
        service_action: Some(service_action),
        length,
        name,
    }
}

pub(crate) const OPCODES: &[Opcode] = &[
    plain(0x00, 6, "TEST UNIT READY"),
    plain(0x03, 6, "REQUEST SENSE"),
    plain(0x04, 6, "FORMAT UNIT"),
    plain(0x08, 6, "READ(6)"),
    plain(0x0a, 6, "WRITE(6)"),
    plain(0x12, 6, "INQUIRY"),
    plain(0x15, 6, "MODE SELECT(6)"),
    plain(0x16, 6, "RESERVE(6)"),
    plain(0x17, 6, "RELEASE(6)"),
    plain(0x1a, 6, "MODE SENSE(6)"),
    plain(0x1b, 6, "START STOP UNIT"),
    plain(0x1d, 6, "SEND DIAGNOSTIC"),
    plain(0x25, 10, "READ CAPACITY(10)"),
    plain(0x28, 10, "READ(10)"),
    plain(0x2a, 10, "WRITE(10)"),
    plain(0x2e, 10, "WRITE AND VERIFY(10)"),
    plain(0x2f, 10, "VERIFY(10)"),
    plain(0x35, 10, "SYNCHRONIZE CACHE(10)"),
    plain(0x41, 10, "WRITE SAME(10)"),
    plain(0x42, 10, "UNMAP"),
    plain(0x4c, 10, "LOG SELECT"),
    plain(0x4d, 10, "LOG SENSE"),
    plain(0x55, 10, "MODE SELECT(10)"),
    plain(0x56, 10, "RESERVE(10)"),
    plain(0x57, 10, "RELEASE(10)"),
    plain(0x5a, 10, "MODE SENSE(10)"),
    plain(0x5e, 10, "PERSISTENT RESERVE IN"),
    plain(0x5f, 10, "PERSISTENT RESERVE OUT"),
    plain(0x83, 16, "THIRD-PARTY COPY OUT"),
    plain(0x88, 16, "READ(16)"),
    plain(0x89, 16, "COMPARE AND WRITE"),
    plain(0x8a, 16, "WRITE(16)"),
    plain(0x8e, 16, "WRITE AND VERIFY(16)"),
    plain(0x8f, 16, "VERIFY(16)"),
    plain(0x91, 16, "SYNCHRONIZE CACHE(16)"),
    plain(0x93, 16, "WRITE SAME(16)"),
    action(0x9e, 0x10, 16, "SERVICE ACTION IN(16)"),
    plain(0xa0, 12, "REPORT LUNS"),
    action(0xa3, 0x0a, 12, "MAINTENANCE IN"),
    action(0xa3, 0x0c, 12, "MAINTENANCE IN"),
    action(0xa3, 0x0d, 12, "MAINTENANCE IN"),
    plain(0xa8, 12, "READ(12)"),
    plain(0xaa, 12, "WRITE(12)"),
    plain(0xae, 12, "WRITE AND VERIFY(12)"),
    plain(0xaf, 12, "VERIFY(12)"),
];

/// Data of REPORT SUPPORTED OPERATION CODES.
pub(crate) fn report(cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    let timeouts = cdb.byte(2) & 0x80 != 0;
    let (opcode, service_action) = (cdb.byte(3), cdb.u16(4));
    let of_opcode = || OPCODES.iter().filter(|known| known.opcode == opcode);
    match cdb.byte(2) & 0x07 {
        0 => Ok(all(timeouts)),
        1 => match of_opcode().next() {
            Some(known) if known.service_action.is_some() => Err(Sense::invalid_byte(2)),
            known => Ok(one(known, timeouts)),
        },
        2 => {
            if of_opcode().any(|known| known.service_action.is_none()) {
                return Err(Sense::invalid_byte(2));
            }
            let wanted =
                |known: &&Opcode| known.service_action.map(u16::from) == Some(service_action);
            Ok(one(of_opcode().find(wanted), timeouts))
        }
        3 => {
            let wanted =
                |known: &&Opcode| u16::from(known.service_action.unwrap_or(0)) == service_action;
            Ok(one(of_opcode().find(wanted), timeouts))
        }
        _ => Err(Sense::invalid_byte(2)),
    }
}

/// A command timeouts descriptor that promises nothing.
const NO_TIMEOUTS: [u8; 12] = [0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn all(timeouts: bool) -> Vec<u8> {
    let mut data = vec![0; 4];
    for known in OPCODES {
        data.extend([
            known.opcode,
            0,
            0,
            known.service_action.unwrap_or(0),
            0,
            u8::from(known.service_action.is_some()) | u8::from(timeouts) << 1,
            0,
            known.length,
        ]);
        if timeouts {
            data.extend(NO_TIMEOUTS);
        }
    }
    let length = (data.len() - 4) as u32;
    data[..4].copy_from_slice(&length.to_be_bytes());
    data
}

fn one(known: Option<&Opcode>, timeouts: bool) -> Vec<u8> {
    let Some(known) = known else {
        return vec![0, 0x01, 0, 0]; // not supported
    };
    let mut data = vec![0, 0x03, 0, known.length, known.opcode];
    // Usage map: every bit but the service action's may be evaluated.
    data.extend(std::iter::repeat_n(0xff, usize::from(known.length) - 1));
    if let Some(action) = known.service_action {
        data[5] = action;
    }
    if timeouts {
        data[1] |= 0x80;
        data.extend(NO_TIMEOUTS);
    }
    data
}
