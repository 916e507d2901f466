//! Data from the initiator: immediate, unsolicited, and asked for with R2T.

use std::io;

use super::command::Request;
use super::pdu::{Bhs, FINAL, NO_TAG, Pdu, answer};
use super::session::{Reject, Session};
use crate::scsi::{self, Refusal};

/// Data that is held for commands whose turn has come. One command alone may have more.
const HELD_MAX: usize = 32 << 20;

/// What becomes of a command when the initiator's data is here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// So many bytes are wanted, then it is carried out.
    Receive(usize),
    /// It is done already, the data is of no use.
    Good,
    /// It was refused already, the data is of no use.
    Refused(Refusal),
}

/// A command that waits for data.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) lun: Option<u16>,
    request: Request,
    outcome: Outcome,
    data: Vec<u8>,
    /// Bytes that will be taken: what the command wants, or what the initiator has, whichever is less.
    wanted: usize,
    /// Bytes that have come, whether they were wanted or not.
    received: usize,
    sequence: Sequence,
    r2t_sn: u32,
}

/// The sequence of data units that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequence {
    /// The first burst is coming unasked.
    Unsolicited { data_sn: u32 },
    /// It has to be asked for when it is the command's turn.
    Waiting,
    /// It was asked for under this tag, up to this offset.
    Solicited { tag: u32, end: usize, data_sn: u32 },
}

impl Write {
    /// Takes bytes at the place where they belong; false if that is not where the last ones ended.
    fn take(&mut self, offset: usize, bytes: &[u8]) -> bool {
        if offset != self.received {
            return false;
        }
        let room = self.wanted.saturating_sub(self.data.len());
        self.data.extend(&bytes[..bytes.len().min(room)]);
        self.received += bytes.len();
        true
    }

    /// Its task tag.
    pub(crate) fn itt(&self) -> u32 {
        self.request.itt
    }

    fn is_complete(&self) -> bool {
        !matches!(self.outcome, Outcome::Receive(_)) || self.received >= self.wanted
    }
}

impl Session<'_> {
    /// A command has come that data belongs to; `pdu` may have brought the first of it.
    pub(crate) fn begin_write(
        &mut self,
        request: Request,
        outcome: Outcome,
        pdu: &Pdu,
    ) -> io::Result<bool> {
        let announced = if request.writes { request.expected } else { 0 };
        let wanted = match outcome {
            Outcome::Receive(length) => length.min(announced as usize),
            _ => 0,
        };
        let itt = request.itt;
        let unsolicited = request.writes && !pdu.bhs.is_final();
        let mut write = Write {
            lun: request.lun,
            request,
            outcome,
            data: Vec::new(),
            wanted,
            received: 0,
            sequence: match unsolicited {
                true => Sequence::Unsolicited { data_sn: 0 },
                false => Sequence::Waiting,
            },
            r2t_sn: 0,
        };
        write.take(0, &pdu.data);
        if unsolicited {
            self.writes.insert(itt, write);
            return Ok(true);
        }
        self.proceed(write)
    }

    /// A data unit has come.
    pub(crate) fn data_out(&mut self, pdu: &Pdu) -> io::Result<bool> {
        let bhs = &pdu.bhs;
        let (tag, data_sn, offset) = (bhs.ttt(), bhs.get(36), bhs.get(40) as usize);
        let Some(mut write) = self.writes.remove(&bhs.itt()) else {
            // Of a task that was aborted, or answered without waiting for this.
            return Ok(true);
        };
        let end = offset.saturating_add(pdu.data.len());
        let in_order = match &mut write.sequence {
            Sequence::Unsolicited { data_sn: next } => {
                let first_burst = self.parameters.first_burst.min(write.request.expected) as usize;
                let right = tag == NO_TAG && *next == data_sn && end <= first_burst;
                *next = next.wrapping_add(1);
                right
            }
            Sequence::Waiting => false,
            Sequence::Solicited {
                tag: asked,
                end: last,
                data_sn: next,
            } => {
                // The final unit ends the sequence, and nothing else does.
                let right = *asked == tag
                    && *next == data_sn
                    && end <= *last
                    && bhs.is_final() == (end == *last);
                *next = next.wrapping_add(1);
                right
            }
        };
        if !in_order || !write.take(offset, &pdu.data) {
            // Nothing can be asked for again without error recovery: the session ends.
            self.reject(bhs, Reject::Protocol)?;
            return Ok(false);
        }
        if !bhs.is_final() {
            self.writes.insert(bhs.itt(), write);
            return Ok(true);
        }
        self.proceed(write)
    }

    /// A sequence is complete: the command is carried out, or more is asked for.
    fn proceed(&mut self, mut write: Write) -> io::Result<bool> {
        if write.is_complete() {
            self.complete(&write)?;
            self.ask()?;
            return Ok(true);
        }
        let itt = write.request.itt;
        let continued = matches!(write.sequence, Sequence::Solicited { .. });
        write.sequence = Sequence::Waiting;
        self.writes.insert(itt, write);
        match continued {
            true => self.waiting.push_front(itt), // it has its memory already
            false => self.waiting.push_back(itt),
        }
        self.ask()?;
        Ok(true)
    }

    /// Asks for data of those commands whose turn it is, as far as there is room for it.
    pub(crate) fn ask(&mut self) -> io::Result<()> {
        while let Some(itt) = self.waiting.front().copied() {
            let held: usize = self
                .writes
                .values()
                .filter(|write| matches!(write.sequence, Sequence::Solicited { .. }))
                .map(|write| write.wanted)
                .sum();
            let tag = self.next_tag();
            let Some(write) = self.writes.get_mut(&itt) else {
                self.waiting.pop_front();
                continue;
            };
            if held > 0 && held + write.wanted > HELD_MAX {
                return Ok(());
            }
            self.waiting.pop_front();
            let start = write.received;
            let length = (write.wanted - start).min(self.parameters.max_burst as usize);
            write.data.reserve_exact(write.wanted - write.data.len());
            write.sequence = Sequence::Solicited {
                tag,
                end: start + length,
                data_sn: 0,
            };
            let mut bhs = Bhs::answer(answer::R2T, FINAL, itt);
            let [high, low] = write.lun.unwrap_or(0).to_be_bytes();
            bhs.set_lun([high, low, 0, 0, 0, 0, 0, 0]);
            bhs.put(20, tag);
            bhs.put(36, write.r2t_sn);
            bhs.put(40, start as u32);
            bhs.put(44, length as u32);
            write.r2t_sn += 1;
            self.link.outlet().send(bhs, &[])?;
        }
        Ok(())
    }

    fn complete(&mut self, write: &Write) -> io::Result<()> {
        let request = &write.request;
        let (result, actual) = match write.outcome {
            Outcome::Receive(length) => (
                scsi::finish(&self.call(request), &write.data),
                length as u64,
            ),
            Outcome::Good => (Ok(()), 0),
            Outcome::Refused(refusal) => (Err(refusal), 0),
        };
        self.respond(request, result, actual, 0)
    }

    /// Forgets the commands that `gone` names.
    pub(crate) fn drop_writes(&mut self, gone: impl Fn(&Write) -> bool) {
        let before = self.writes.len();
        let aborted: Vec<u32> = self
            .writes
            .iter()
            .filter(|(_, write)| gone(write))
            .map(|(itt, _)| *itt)
            .collect();
        for itt in &aborted {
            if let Some(write) = self.writes.remove(itt) {
                self.record(&write.request, TASK_ABORTED, None);
            }
        }
        if self.writes.len() < before {
            self.waiting.retain(|itt| !aborted.contains(itt));
        }
    }
}

/// What the log says of a command that was aborted. The initiator gets no response.
const TASK_ABORTED: u8 = 0x40;
