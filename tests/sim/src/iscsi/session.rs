//! Full feature phase: what is done with each unit of the initiator.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Shared;
use super::discovery::send_targets;
use super::keys::{self, Parameters, TEXT_MAX};
use super::link::{Link, Notice};
use super::login::Identity;
use super::pdu::{Bhs, CONTINUE, FINAL, NO_TAG, Pdu, answer, request};
use super::transfer::Write;
use crate::model::{LunView, TargetView};
use crate::scsi::Nexus;

/// Why a unit was rejected.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Reject {
    Snack = 0x03,
    Protocol = 0x04,
    NotSupported = 0x05,
    TooManyImmediate = 0x06,
    TaskInProgress = 0x07,
    InvalidField = 0x09,
}

/// A session in full feature phase.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) link: &'a Arc<Link>,
    pub(crate) identity: Identity,
    pub(crate) parameters: Parameters,
    pub(crate) nexus: Nexus,
    /// The target as it was at the model's generation of that number.
    view: Option<(u64, Arc<TargetView>)>,
    /// Units that have told of the reset that comes first: their attachments by LUN.
    pub(crate) told: HashMap<u16, u64>,
    /// Commands that wait for data, by task tag.
    pub(crate) writes: BTreeMap<u32, Write>,
    /// Those whose turn to ask for data has not come.
    pub(crate) waiting: VecDeque<u32>,
    /// Units that came ahead of their turn, by command number.
    early: BTreeMap<u32, Pdu>,
    /// Text of a request in several units.
    text: Vec<u8>,
    /// Text of an answer that did not fit into one unit, and the tag under which the rest is asked for.
    rest: Option<(u32, Vec<u8>)>,
    /// Tag of the ping that has not been answered, nor followed by anything else.
    ping: Option<u32>,
    last_ping: Instant,
    serial: u32,
    /// Read data on its way from file to socket.
    pub(crate) buffer: Vec<u8>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        link: &'a Arc<Link>,
        identity: Identity,
        parameters: Parameters,
    ) -> Self {
        let nexus = Nexus {
            initiator: identity.initiator.clone(),
            isid: identity.isid,
            session: link.id,
        };
        Self {
            shared,
            link,
            identity,
            parameters,
            nexus,
            view: None,
            told: HashMap::new(),
            writes: BTreeMap::new(),
            waiting: VecDeque::new(),
            early: BTreeMap::new(),
            text: Vec::new(),
            rest: None,
            ping: None,
            last_ping: Instant::now(),
            serial: 0,
            buffer: Vec::new(),
        }
    }

    /// Does what a unit asks for; false if the connection is to be closed.
    pub(crate) fn handle(&mut self, pdu: Pdu) -> io::Result<bool> {
        self.ping = None; // the initiator is alive
        if self.last_ping.elapsed() >= self.shared.ping_interval {
            self.ping()?;
        }
        let bhs = pdu.bhs;
        let numbered = !matches!(bhs.opcode(), request::DATA_OUT | request::SNACK);
        if !numbered || bhs.immediate() {
            return self.dispatch(&pdu);
        }
        let ahead = {
            let outlet = self.link.outlet();
            let window = outlet.max_cmd_sn().wrapping_sub(outlet.exp_cmd_sn);
            let ahead = bhs.cmd_sn().wrapping_sub(outlet.exp_cmd_sn);
            if ahead > window {
                return Ok(true); // outside the window: passed over without a word
            }
            ahead
        };
        if ahead > 0 {
            self.early.entry(bhs.cmd_sn()).or_insert(pdu);
            return Ok(true);
        }
        let mut next = Some(pdu);
        while let Some(pdu) = next {
            let expected = {
                let mut outlet = self.link.outlet();
                outlet.exp_cmd_sn = outlet.exp_cmd_sn.wrapping_add(1);
                outlet.exp_cmd_sn
            };
            if !self.dispatch(&pdu)? {
                return Ok(false);
            }
            next = self.early.remove(&expected);
        }
        Ok(true)
    }

    /// Nothing has come for a while: asks whether the initiator is there; false if it has not answered the last time.
    pub(crate) fn ping(&mut self) -> io::Result<bool> {
        if self.ping.is_some() {
            return Ok(false);
        }
        let tag = self.next_tag();
        self.ping = Some(tag);
        self.last_ping = Instant::now();
        if self.parameters.discovery {
            return Ok(true); // there are no pings in discovery; the next silence ends it
        }
        let mut bhs = Bhs::answer(answer::NOP_IN, FINAL, NO_TAG);
        bhs.put(20, tag);
        self.link.outlet().send(bhs, &[])?;
        Ok(true)
    }

    /// The session's target as it is now.
    pub(crate) fn target(&mut self) -> Option<Arc<TargetView>> {
        // Asked for first: the view may be newer than the number, never older.
        let generation = self.shared.model.generation();
        if let Some((seen, view)) = &self.view
            && *seen == generation
        {
            return Some(Arc::clone(view));
        }
        let name = self.identity.target.as_ref()?;
        let view = Arc::new(self.shared.model.target(name)?);
        self.view = Some((generation, Arc::clone(&view)));
        Some(view)
    }

    pub(crate) fn next_tag(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1) & 0x7fff_ffff;
        self.serial
    }

    pub(crate) fn reject(&self, bhs: &Bhs, reason: Reject) -> io::Result<()> {
        let mut reject = Bhs::answer(answer::REJECT, FINAL, NO_TAG);
        reject.0[2] = reason as u8;
        self.link.outlet().send_status(reject, &bhs.0)
    }

    fn dispatch(&mut self, pdu: &Pdu) -> io::Result<bool> {
        let bhs = &pdu.bhs;
        let known = match bhs.opcode() {
            request::NOP_OUT => return self.nop_out(pdu),
            request::LOGOUT => return self.logout(bhs),
            request::TEXT => return self.text(pdu),
            request::LOGIN => {
                self.reject(bhs, Reject::Protocol)?;
                return Ok(false);
            }
            request::SNACK => {
                self.reject(bhs, Reject::Snack)?;
                return Ok(true);
            }
            request::COMMAND | request::DATA_OUT | request::TASK => !self.parameters.discovery,
            _ => false,
        };
        if !known {
            let reason = match self.parameters.discovery {
                true => Reject::Protocol,
                false => Reject::NotSupported,
            };
            self.reject(bhs, reason)?;
            return Ok(!self.parameters.discovery);
        }
        self.apply_resets();
        match bhs.opcode() {
            request::COMMAND => self.command(pdu),
            request::DATA_OUT => self.data_out(pdu),
            _ => self.task(bhs),
        }
    }

    /// Takes notice of what other sessions have reset.
    fn apply_resets(&mut self) {
        for notice in self.link.take_resets() {
            match notice {
                Notice::Reset(Some(lun)) => {
                    self.told.remove(&lun);
                    self.drop_writes(|write| write.lun == Some(lun));
                }
                Notice::Reset(None) => {
                    self.told.clear();
                    self.drop_writes(|_| true);
                }
                Notice::Clear(lun) => self.drop_writes(|write| write.lun == Some(lun)),
                Notice::Event(..) => {}
            }
        }
    }

    /// Does the unit still have to tell of the reset that every session meets first?
    pub(crate) fn attention(&mut self, unit: &LunView) -> bool {
        self.told.insert(unit.lun, unit.attachment) != Some(unit.attachment)
    }

    fn nop_out(&mut self, pdu: &Pdu) -> io::Result<bool> {
        let bhs = &pdu.bhs;
        if bhs.itt() == NO_TAG {
            return Ok(true); // the answer to our ping, or no answer wanted
        }
        let mut answer = Bhs::answer(answer::NOP_IN, FINAL, bhs.itt());
        answer.set_lun(bhs.lun());
        answer.put(20, NO_TAG);
        let length = pdu.data.len().min(self.parameters.send_max as usize);
        self.link
            .outlet()
            .send_status(answer, &pdu.data[..length])?;
        Ok(true)
    }

    fn logout(&mut self, bhs: &Bhs) -> io::Result<bool> {
        let reason = bhs.flags() & 0x7f;
        let response = match reason {
            0 => 0,
            1 if bhs.get16(20) == self.identity.cid => 0,
            1 => 1, // no such connection
            2 => 2, // recovery is not supported
            _ => {
                self.reject(bhs, Reject::InvalidField)?;
                return Ok(true);
            }
        };
        if response == 0 {
            // Whoever sees the answer sees the session gone as well.
            self.link.ready.store(false, Ordering::SeqCst);
            self.shared.leave(self.link);
        }
        let mut answer = Bhs::answer(answer::LOGOUT, FINAL, bhs.itt());
        answer.0[2] = response;
        self.link.outlet().send_status(answer, &[])?;
        Ok(response != 0)
    }

    fn text(&mut self, pdu: &Pdu) -> io::Result<bool> {
        let bhs = &pdu.bhs;
        if let Some((tag, rest)) = self.rest.take() {
            if bhs.ttt() == tag && pdu.data.is_empty() {
                return self.send_text(bhs, rest);
            }
            if bhs.ttt() != NO_TAG {
                self.reject(bhs, Reject::Protocol)?;
                return Ok(true);
            }
        }
        if self.text.len() + pdu.data.len() > TEXT_MAX {
            self.reject(bhs, Reject::Protocol)?;
            return Ok(false);
        }
        self.text.extend(&pdu.data);
        if bhs.flags() & CONTINUE != 0 {
            let tag = self.next_tag();
            let mut answer = Bhs::answer(answer::TEXT, 0, bhs.itt());
            answer.put(20, tag);
            self.link.outlet().send_status(answer, &[])?;
            return Ok(true);
        }
        let text = std::mem::take(&mut self.text);
        let Ok(pairs) = keys::parse(&text) else {
            self.reject(bhs, Reject::Protocol)?;
            return Ok(true);
        };
        let mut reply = Vec::new();
        for (key, value) in &pairs {
            if key != "SendTargets" {
                if let Some(answer) = self.parameters.later(key, value) {
                    keys::push(&mut reply, key, &answer);
                }
                continue;
            }
            let own = self.identity.target.as_deref();
            let portal = self.link.portal.address;
            match send_targets(&self.shared.model, value, own, portal) {
                Some(targets) => reply.extend(targets),
                None => keys::push(&mut reply, key, "Reject"),
            }
        }
        self.send_text(bhs, reply)
    }

    /// Sends a text, or as much of it as the initiator takes at once.
    fn send_text(&mut self, bhs: &Bhs, mut text: Vec<u8>) -> io::Result<bool> {
        let most = self.parameters.send_max as usize;
        let (flags, tag) = if text.len() > most {
            let tag = self.next_tag();
            self.rest = Some((tag, text.split_off(most)));
            (CONTINUE, tag)
        } else {
            (FINAL, NO_TAG)
        };
        let mut answer = Bhs::answer(answer::TEXT, flags, bhs.itt());
        answer.set_lun(bhs.lun());
        answer.put(20, tag);
        self.link.outlet().send_status(answer, &text)?;
        Ok(true)
    }
}
