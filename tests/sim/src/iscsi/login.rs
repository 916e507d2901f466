//! Login: from the first unit of a connection to full feature phase or refusal.

use std::net::IpAddr;

use super::auth::Auth;
use super::keys::{self, Pair, Parameters, RECEIVE_DEFAULT, TEXT_MAX};
use super::pdu::{Bhs, CONTINUE, FINAL, Pdu, answer, request};
use crate::model::{Model, TargetView};

/// Status class and detail of a login answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u8, pub(crate) u8);

impl Status {
    pub(crate) const INITIATOR_ERROR: Self = Self(2, 0x00);
    pub(crate) const AUTHENTICATION_FAILED: Self = Self(2, 0x01);
    /// SCST's answer to every refusal by name, portal or group.
    pub(crate) const NOT_FOUND: Self = Self(2, 0x03);
    pub(crate) const UNSUPPORTED_VERSION: Self = Self(2, 0x05);
    pub(crate) const TOO_MANY_CONNECTIONS: Self = Self(2, 0x06);
    pub(crate) const MISSING_PARAMETER: Self = Self(2, 0x07);
    pub(crate) const UNSUPPORTED_SESSION_TYPE: Self = Self(2, 0x09);
    pub(crate) const NO_SUCH_SESSION: Self = Self(2, 0x0a);
    pub(crate) const INVALID_DURING_LOGIN: Self = Self(2, 0x0b);
    pub(crate) const OUT_OF_RESOURCES: Self = Self(3, 0x02);
}

/// Who logs in, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) initiator: String,
    pub(crate) isid: [u8; 6],
    /// 0 asks for a new session.
    pub(crate) tsih: u16,
    pub(crate) cid: u16,
    /// None in a discovery session.
    pub(crate) target: Option<String>,
}

/// What a unit of the initiator leads to.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send this and go on.
    Reply(Bhs, Vec<u8>),
    /// Send this, with the session's TSIH in it: login is done.
    Finished(Bhs, Vec<u8>),
    /// Send this and close the connection.
    Refused(Bhs),
    /// Close the connection without a word.
    Drop,
}

/// The stages, by their numbers in the protocol.
const SECURITY: u8 = 0;
const OPERATIONAL: u8 = 1;
const FULL_FEATURE: u8 = 3;

/// One login in progress.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    model: &'a Model,
    portal: IpAddr,
    stage: Option<u8>,
    first: Option<Bhs>,
    /// Text of the units so far that had the continue bit.
    text: Vec<u8>,
    /// Text of an answer that did not fit into one unit.
    rest: Vec<u8>,
    identity: Option<Identity>,
    parameters: Parameters,
    auth: Auth,
}

impl<'a> Login<'a> {
    /// A login at this address of ours.
    pub(crate) fn new(model: &'a Model, portal: IpAddr) -> Self {
        Self {
            model,
            portal,
            stage: None,
            first: None,
            text: Vec::new(),
            rest: Vec::new(),
            identity: None,
            parameters: Parameters::new(false),
            auth: Auth::discovery(),
        }
    }

    /// What was agreed on and by whom, after [`Step::Finished`].
    pub(crate) fn into_parts(self) -> Option<(Identity, Parameters)> {
        Some((self.identity?, self.parameters))
    }

    /// Takes the next unit.
    pub(crate) fn step(&mut self, pdu: &Pdu) -> Step {
        if pdu.bhs.opcode() != request::LOGIN {
            return Step::Drop;
        }
        match self.advance(pdu) {
            Ok(step) => step,
            Err(Refused::Silently) => Step::Drop,
            Err(Refused::With(status)) => Step::Refused(refusal(&pdu.bhs, status)),
        }
    }

    fn advance(&mut self, pdu: &Pdu) -> Result<Step, Refused> {
        let bhs = &pdu.bhs;
        let (current, next) = self.check(bhs)?;
        if !self.rest.is_empty() {
            if !pdu.data.is_empty() {
                return Err(Status::INITIATOR_ERROR.into());
            }
            let text = std::mem::take(&mut self.rest);
            return Ok(self.reply(bhs, current, next, text));
        }
        if self.text.len() + pdu.data.len() > TEXT_MAX {
            return Err(Status::OUT_OF_RESOURCES.into());
        }
        self.text.extend(&pdu.data);
        if bhs.flags() & CONTINUE != 0 {
            return Ok(Step::Reply(login_answer(bhs, current << 2), Vec::new()));
        }
        let text = std::mem::take(&mut self.text);
        let pairs = keys::parse(&text).map_err(|_| Status::INITIATOR_ERROR)?;
        let mut text = Vec::new();
        if self.identity.is_none() {
            self.introduce(bhs, &pairs, &mut text)?;
        }
        if current == SECURITY {
            self.auth.answer(&pairs, &mut text)?;
        } else {
            if !self.auth.satisfied() {
                return Err(Status::AUTHENTICATION_FAILED.into());
            }
            self.parameters
                .login(&pairs, &mut text)
                .map_err(|_| Status::INITIATOR_ERROR)?;
        }
        let next = next.filter(|_| self.auth.satisfied());
        Ok(self.reply(bhs, current, next, text))
    }

    /// Checks the header against what came before; the current stage and the one asked for.
    fn check(&mut self, bhs: &Bhs) -> Result<(u8, Option<u8>), Refused> {
        match &self.first {
            None => {
                if bhs.0[3] > 0 {
                    return Err(Status::UNSUPPORTED_VERSION.into());
                }
                self.first = Some(*bhs);
            }
            // ISID, TSIH and connection stay the same all through.
            Some(first) => {
                if first.0[8..16] != bhs.0[8..16] || first.get16(20) != bhs.get16(20) {
                    return Err(Status::INVALID_DURING_LOGIN.into());
                }
            }
        }
        let (transit, more) = (bhs.is_final(), bhs.flags() & CONTINUE != 0);
        let (current, next) = ((bhs.flags() >> 2) & 3, bhs.flags() & 3);
        let expected = self.stage.is_none_or(|stage| stage == current);
        let possible = matches!(current, SECURITY | OPERATIONAL);
        if !expected || !possible || (transit && more) {
            return Err(Status::INITIATOR_ERROR.into());
        }
        self.stage = Some(current);
        if !transit {
            return Ok((current, None));
        }
        if next <= current || !matches!(next, OPERATIONAL | FULL_FEATURE) {
            return Err(Status::INITIATOR_ERROR.into());
        }
        Ok((current, Some(next)))
    }

    /// The first whole text says who wants what.
    fn introduce(&mut self, bhs: &Bhs, pairs: &[Pair], text: &mut Vec<u8>) -> Result<(), Refused> {
        let value = |wanted: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == wanted)
                .map(|(_, value)| value.as_str())
        };
        let initiator = value("InitiatorName")
            .filter(|name| !name.is_empty() && name.len() <= 223)
            .ok_or(Status::MISSING_PARAMETER)?;
        let target = match value("SessionType").unwrap_or("Normal") {
            "Discovery" => None,
            "Normal" => {
                let name = value("TargetName").ok_or(Status::MISSING_PARAMETER)?;
                let target = self.admit(name)?;
                self.auth = Auth::target(&target);
                keys::push(text, "TargetPortalGroupTag", "1");
                Some(target.name)
            }
            _ => return Err(Status::UNSUPPORTED_SESSION_TYPE.into()),
        };
        self.parameters = Parameters::new(target.is_none());
        let mut isid = [0; 6];
        isid.copy_from_slice(&bhs.0[8..14]);
        self.identity = Some(Identity {
            initiator: initiator.to_owned(),
            isid,
            tsih: bhs.get16(14),
            cid: bhs.get16(20),
            target,
        });
        Ok(())
    }

    fn admit(&self, name: &str) -> Result<TargetView, Refused> {
        let target = self.model.target(name).ok_or(Status::NOT_FOUND)?;
        if !target.active {
            return Err(Refused::Silently);
        }
        if !target.addresses.contains(&self.portal) || target.luns.is_empty() {
            return Err(Status::NOT_FOUND.into());
        }
        Ok(target)
    }

    /// An answer with `text`, or with as much of it as fits.
    fn reply(&mut self, bhs: &Bhs, current: u8, next: Option<u8>, mut text: Vec<u8>) -> Step {
        if text.len() > RECEIVE_DEFAULT as usize {
            self.rest = text.split_off(RECEIVE_DEFAULT as usize);
            return Step::Reply(login_answer(bhs, CONTINUE | current << 2), text);
        }
        let Some(next) = next else {
            return Step::Reply(login_answer(bhs, current << 2), text);
        };
        self.stage = Some(next);
        let bhs = login_answer(bhs, FINAL | current << 2 | next);
        match next {
            FULL_FEATURE => Step::Finished(bhs, text),
            _ => Step::Reply(bhs, text),
        }
    }
}

#[derive(Debug)]
enum Refused {
    With(Status),
    Silently,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::With(status)
    }
}

/// An answer to `bhs`, of version 0, that repeats its ISID, TSIH and task tag.
fn login_answer(bhs: &Bhs, flags: u8) -> Bhs {
    let mut answer = Bhs::answer(answer::LOGIN, flags, bhs.itt());
    answer.0[8..16].copy_from_slice(&bhs.0[8..16]);
    answer
}

/// The answer that refuses a login.
pub(crate) fn refusal(bhs: &Bhs, status: Status) -> Bhs {
    let mut answer = login_answer(bhs, bhs.flags() & 0x0c);
    answer.0[36] = status.0;
    answer.0[37] = status.1;
    answer
}
