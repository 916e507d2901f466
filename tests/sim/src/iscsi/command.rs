//! SCSI commands: from the unit that brings one to its response.

use std::io;
use std::sync::Arc;

use super::link::sense_segment;
use super::log::ScsiCommand;
use super::pdu::{Bhs, FINAL, NO_TAG, Pdu, answer, lun_number};
use super::session::{Reject, Session};
use super::transfer::Outcome;
use crate::model::{LunView, TargetView};
use crate::scsi::{self, Call, Cdb, Plan, Refusal, Sense};

/// Flags of a command.
const READS: u8 = 0x40;
const WRITES: u8 = 0x20;

/// Flags of a response and of the last data unit.
const OVERFLOW: u8 = 0x04;
const UNDERFLOW: u8 = 0x02;
const WITH_STATUS: u8 = 0x01;

/// Longest data segment that is made at once, whatever the initiator takes.
const SEGMENT_MAX: u64 = 1 << 20;

/// Commands that may wait for data at the same time.
const WAITING_MAX: usize = 64;

/// A command as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) itt: u32,
    pub(crate) lun: Option<u16>,
    pub(crate) cdb: Cdb,
    /// Expected data transfer length.
    pub(crate) expected: u32,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    /// What was mapped at the LUN when it came. It is carried out there, whatever happens to the LUN meanwhile.
    pub(crate) unit: Option<LunView>,
    pub(crate) target: Arc<TargetView>,
}

/// How much data a command has compared with what the initiator expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Residual {
    None,
    /// The initiator expected so many bytes too many.
    Under(u32),
    /// The initiator expected so many bytes too few.
    Over(u32),
}

impl Residual {
    pub(crate) fn of(expected: u32, actual: u64) -> Self {
        let expected = u64::from(expected);
        if actual < expected {
            Self::Under((expected - actual) as u32)
        } else if actual > expected {
            Self::Over(u32::try_from(actual - expected).unwrap_or(u32::MAX))
        } else {
            Self::None
        }
    }

    fn apply(self, bhs: &mut Bhs) {
        let (flag, count) = match self {
            Self::None => return,
            Self::Under(count) => (UNDERFLOW, count),
            Self::Over(count) => (OVERFLOW, count),
        };
        bhs.0[1] |= flag;
        bhs.put(44, count);
    }
}

impl Session<'_> {
    /// A SCSI command has come.
    pub(crate) fn command(&mut self, pdu: &Pdu) -> io::Result<bool> {
        let bhs = &pdu.bhs;
        if self.writes.contains_key(&bhs.itt()) || bhs.itt() == NO_TAG {
            self.reject(bhs, Reject::TaskInProgress)?;
            return Ok(true);
        }
        // In the window there is no room for so many: these are immediate ones.
        if self.writes.len() >= WAITING_MAX {
            self.reject(bhs, Reject::TooManyImmediate)?;
            return Ok(true);
        }
        let Some(target) = self.target() else {
            return Ok(false); // the target is gone: so is the session
        };
        let mut cdb = [0; 16];
        cdb.copy_from_slice(&bhs.0[32..48]);
        let lun = lun_number(bhs.lun());
        let find = |lun| target.luns.iter().find(|unit| unit.lun == lun).cloned();
        let request = Request {
            itt: bhs.itt(),
            lun,
            cdb: Cdb(cdb),
            expected: bhs.get(20),
            reads: bhs.flags() & READS != 0,
            writes: bhs.flags() & WRITES != 0,
            unit: lun.and_then(find),
            target,
        };
        if !self.unsolicited_allowed(&request, pdu) {
            self.reject(bhs, Reject::Protocol)?;
            return Ok(false);
        }
        let planned = self.plan(&request);
        if let Ok(Plan::Receive(wanted)) = planned {
            return self.begin_write(request, Outcome::Receive(wanted), pdu);
        }
        if request.writes && !bhs.is_final() {
            // The answer waits until the initiator has sent what it had announced.
            let outcome = match planned {
                Ok(_) => Outcome::Good,
                Err(refusal) => Outcome::Refused(refusal),
            };
            return self.begin_write(request, outcome, pdu);
        }
        match planned {
            Ok(Plan::Send(data)) => self.send_bytes(&request, &data),
            Ok(Plan::Read { offset, length }) => self.send_volume(&request, offset, length),
            Ok(_) => self.respond(&request, Ok(()), 0, 0),
            Err(refusal) => self.respond(&request, Err(refusal), 0, 0),
        }?;
        Ok(true)
    }

    fn plan(&mut self, request: &Request) -> Result<Plan, Refusal> {
        if request.reads && request.writes {
            return Err(Sense::INVALID_FIELD.into());
        }
        if let Some(unit) = &request.unit
            && scsi::heeds_attention(&request.cdb)
            && self.attention(unit)
        {
            return Err(Sense::POWER_ON.into());
        }
        scsi::plan(&self.call(request))
    }

    /// The command as the SCSI side sees it.
    pub(crate) fn call<'b>(&'b self, request: &'b Request) -> Call<'b> {
        Call {
            cdb: request.cdb,
            target: &request.target,
            unit: request.unit.as_ref(),
            nexus: &self.nexus,
            reservations: &self.shared.reservations,
        }
    }

    /// Is the data that came with a command, or is announced to follow, within what was agreed on?
    fn unsolicited_allowed(&self, request: &Request, pdu: &Pdu) -> bool {
        let length = pdu.data.len();
        if !request.writes {
            return length == 0;
        }
        let most = self.parameters.first_burst.min(request.expected) as usize;
        let immediate = length == 0 || self.parameters.immediate_data;
        let follows = pdu.bhs.is_final() || !self.parameters.initial_r2t;
        immediate && follows && length <= most
    }

    /// Sends parameter data, then GOOD.
    fn send_bytes(&mut self, request: &Request, data: &[u8]) -> io::Result<()> {
        self.stream(request, data.len() as u64, |start, part| {
            let start = start as usize;
            part.copy_from_slice(&data[start..start + part.len()]);
            Ok(())
        })
    }

    /// Sends a range of the volume, then GOOD.
    fn send_volume(&mut self, request: &Request, offset: u64, length: u64) -> io::Result<()> {
        let Some(unit) = &request.unit else {
            return self.respond(request, Err(Sense::ABSENT_UNIT.into()), 0, 0);
        };
        self.stream(request, length, |start, part| {
            scsi::read(&unit.volume, offset + start, part)
        })
    }

    /// Sends `actual` bytes, or as many as the initiator expects, that `fill` provides piece by piece. The last unit
    /// carries the status.
    fn stream(
        &mut self,
        request: &Request,
        actual: u64,
        mut fill: impl FnMut(u64, &mut [u8]) -> Result<(), Sense>,
    ) -> io::Result<()> {
        let expected = if request.reads { request.expected } else { 0 };
        let total = actual.min(u64::from(expected));
        let residual = Residual::of(expected, actual);
        if total == 0 {
            return self.respond(request, Ok(()), actual, 0);
        }
        let segment = u64::from(self.parameters.send_max & !3).min(SEGMENT_MAX);
        let burst = u64::from(self.parameters.max_burst);
        let mut buffer = std::mem::take(&mut self.buffer);
        let (mut start, mut data_sn) = (0, 0);
        let mut failed = None;
        while start < total {
            let until_burst = burst - start % burst;
            let length = (total - start).min(segment).min(until_burst);
            buffer.resize(length as usize, 0);
            if let Err(sense) = fill(start, &mut buffer) {
                failed = Some(sense);
                break;
            }
            let last = start + length == total;
            let ends_burst = last || length == until_burst;
            let mut bhs = Bhs::answer(answer::DATA_IN, 0, request.itt);
            bhs.put(20, NO_TAG);
            bhs.put(36, data_sn);
            bhs.put(40, start as u32);
            if ends_burst {
                bhs.0[1] |= FINAL;
            }
            if last {
                bhs.0[1] |= WITH_STATUS;
                residual.apply(&mut bhs);
                // Logged first: who has seen the status finds it in the log.
                self.record(request, 0, None);
                self.link.outlet().send_status(bhs, &buffer)?;
            } else {
                self.link.outlet().send(bhs, &buffer)?;
            }
            start += length;
            data_sn += 1;
        }
        self.buffer = buffer;
        match failed {
            Some(sense) => self.respond(request, Err(sense.into()), start, data_sn),
            None => Ok(()),
        }
    }

    /// Sends the response: GOOD, or why not. `actual` is the length of the data that the command has, `data_sn` the
    /// number of data units that were sent.
    pub(crate) fn respond(
        &mut self,
        request: &Request,
        result: Result<(), Refusal>,
        actual: u64,
        data_sn: u32,
    ) -> io::Result<()> {
        let mut bhs = Bhs::answer(answer::RESPONSE, FINAL, request.itt);
        bhs.put(36, data_sn);
        let expected = match request.reads || request.writes {
            true => request.expected,
            false => 0,
        };
        Residual::of(expected, actual).apply(&mut bhs);
        let mut segment = Vec::new();
        let mut sense = None;
        if let Err(refusal) = result {
            bhs.0[3] = refusal.status();
            if let Refusal::Check(check) = refusal {
                segment = sense_segment(check);
                sense = Some(check.triple());
            }
        }
        self.record(request, bhs.0[3], sense);
        self.link.outlet().send_status(bhs, &segment)
    }

    /// Writes the command down.
    pub(crate) fn record(&self, request: &Request, status: u8, sense: Option<(u8, u8, u8)>) {
        let range = request.cdb.range();
        let volume = request.unit.as_ref().map_or_else(String::new, |unit| {
            format!("{}/{}", unit.volume.pool, unit.volume.name())
        });
        self.shared.log.add(ScsiCommand {
            target: request.target.name.clone(),
            lun: request.lun,
            volume,
            initiator: self.nexus.initiator.clone(),
            portal: self.link.portal.address.ip(),
            opcode: request.cdb.opcode(),
            name: scsi::cdb::name(request.cdb.opcode()),
            lba: range.map(|(lba, _)| lba),
            blocks: range.map(|(_, blocks)| blocks),
            status,
            sense,
        });
    }
}
