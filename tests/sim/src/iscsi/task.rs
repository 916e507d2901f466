//! Task management.

use std::io;

use super::link::{Link, Notice};
use super::pdu::{Bhs, FINAL, answer, lun_number};
use super::session::Session;
use crate::model::LunView;

/// Functions, by their numbers in the protocol.
const ABORT_TASK: u8 = 1;
const ABORT_TASK_SET: u8 = 2;
const CLEAR_ACA: u8 = 3;
const CLEAR_TASK_SET: u8 = 4;
const UNIT_RESET: u8 = 5;
const WARM_RESET: u8 = 6;
const COLD_RESET: u8 = 7;
const REASSIGN: u8 = 8;

/// Responses.
const COMPLETE: u8 = 0;
const NO_SUCH_TASK: u8 = 1;
const NO_SUCH_UNIT: u8 = 2;
const REASSIGN_NOT_SUPPORTED: u8 = 4;
const NOT_SUPPORTED: u8 = 5;

impl Session<'_> {
    /// A task management request has come.
    pub(crate) fn task(&mut self, bhs: &Bhs) -> io::Result<bool> {
        let function = bhs.flags() & 0x7f;
        let lun = lun_number(bhs.lun());
        let Some(target) = self.target() else {
            return Ok(false);
        };
        let unit = target.luns.iter().find(|unit| Some(unit.lun) == lun);
        let response = match (function, unit) {
            (ABORT_TASK, _) => self.abort(bhs.get(20)),
            (WARM_RESET | COLD_RESET, _) => {
                self.reset_units(None, &target.luns);
                COMPLETE
            }
            (REASSIGN, _) => REASSIGN_NOT_SUPPORTED,
            (ABORT_TASK_SET | CLEAR_ACA | CLEAR_TASK_SET | UNIT_RESET, None) => NO_SUCH_UNIT,
            (CLEAR_ACA, Some(_)) => COMPLETE, // there is never one
            (ABORT_TASK_SET, Some(unit)) => {
                self.drop_writes(|write| write.lun == Some(unit.lun));
                COMPLETE
            }
            (CLEAR_TASK_SET, Some(unit)) => {
                self.drop_writes(|write| write.lun == Some(unit.lun));
                self.tell_others(Notice::Clear(unit.lun));
                COMPLETE
            }
            (UNIT_RESET, Some(unit)) => {
                self.reset_units(Some(unit.lun), std::slice::from_ref(unit));
                COMPLETE
            }
            _ => NOT_SUPPORTED,
        };
        self.ask()?; // an aborted command may have made room
        let mut answer = Bhs::answer(answer::TASK, FINAL, bhs.itt());
        answer.0[2] = response;
        self.link.outlet().send_status(answer, &[])?;
        if function == COLD_RESET {
            let target = self.identity.target.clone();
            let own = self.link.id;
            self.shared
                .registry
                .close_soon(|link| link.id != own && is_of(link, target.as_deref()));
            return Ok(false);
        }
        Ok(true)
    }

    fn abort(&mut self, itt: u32) -> u8 {
        if !self.writes.contains_key(&itt) {
            return NO_SUCH_TASK; // it has been answered
        }
        self.drop_writes(|write| write.itt() == itt);
        COMPLETE
    }

    /// Drops what is under way at these units. All other sessions are told of the reset with their next command.
    fn reset_units(&mut self, lun: Option<u16>, units: &[LunView]) {
        self.drop_writes(|write| lun.is_none() || write.lun == lun);
        for unit in units {
            self.shared.reservations.unit_reset(unit);
        }
        self.tell_others(Notice::Reset(lun));
    }

    fn tell_others(&self, notice: Notice) {
        let target = self.identity.target.as_deref();
        let own = self.link.id;
        self.shared
            .registry
            .notify(|link| link.id != own && is_of(link, target), notice);
    }
}

/// Has this connection a session with the target of this name?
pub(crate) fn is_of(link: &Link, target: Option<&str>) -> bool {
    target.is_some()
        && link
            .opened
            .get()
            .is_some_and(|opened| opened.identity.target.as_deref() == target)
}
