//! Reservations: RESERVE and RELEASE of SPC-2, and persistent ones.
//!
//! Registrants that lose something are not told by unit attention here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::cdb::Cdb;
use super::sense::{Refusal, Sense};
use super::{Plan, cut};
use crate::model::{LunView, Volume};

/// Length of the only parameter list of PERSISTENT RESERVE OUT that is accepted.
const LIST_LEN: usize = 24;

/// Who sends a command: an initiator port in one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nexus {
    pub(crate) initiator: String,
    pub(crate) isid: [u8; 6],
    /// Unique among the sessions of this server.
    pub(crate) session: u64,
}

/// The reservations of all volumes. They do not survive a restart.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    units: Mutex<Vec<Unit>>,
    compare: Mutex<()>,
}

#[derive(Debug)]
struct Unit {
    volume: Weak<Volume>,
    /// Session that holds an SPC-2 reservation.
    held_by: Option<u64>,
    generation: u32,
    registrants: Vec<Registrant>,
    reservation: Option<Reservation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Registrant {
    initiator: String,
    isid: [u8; 6],
    port: u16,
    key: u64,
}

#[derive(Clone, Debug)]
struct Reservation {
    kind: u8,
    holder: Registrant,
}

impl Registrant {
    fn is(&self, nexus: &Nexus) -> bool {
        self.initiator == nexus.initiator && self.isid == nexus.isid
    }
}

impl Reservation {
    /// Do all registrants hold it?
    fn is_shared(&self) -> bool {
        matches!(self.kind, 7 | 8)
    }

    fn is_held_by(&self, registrant: &Registrant) -> bool {
        self.is_shared() || self.holder == *registrant
    }
}

impl Unit {
    fn registrant(&self, nexus: &Nexus) -> Option<&Registrant> {
        self.registrants.iter().find(|old| old.is(nexus))
    }

    fn may(&self, nexus: &Nexus, opcode: u8) -> bool {
        let releases = matches!(opcode, 0x17 | 0x57);
        let always = releases || matches!(opcode, 0x00 | 0x1b | 0x25 | 0x5e | 0x5f | 0x9e | 0xa3);
        if self.held_by.is_some_and(|session| session != nexus.session) {
            return releases || matches!(opcode, 0x00 | 0xa3);
        }
        let Some(reservation) = &self.reservation else {
            return true;
        };
        if always {
            return true;
        }
        if let Some(registrant) = self.registrant(nexus)
            && (reservation.is_held_by(registrant) || matches!(reservation.kind, 5..=8))
        {
            return true;
        }
        let reads = matches!(
            opcode,
            0x08 | 0x28 | 0x88 | 0xa8 | 0x1a | 0x5a | 0x4d | 0x2f | 0x8f | 0xaf
        );
        reads && matches!(reservation.kind, 1 | 5 | 7)
    }
}

impl Reservations {
    /// Holds off every other COMPARE AND WRITE.
    pub(crate) fn exclusive(&self) -> MutexGuard<'_, ()> {
        self.compare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what somebody else's reservation forbids.
    pub(crate) fn check(&self, nexus: &Nexus, unit: &LunView, cdb: &Cdb) -> Result<(), Refusal> {
        let units = self.lock();
        match units.iter().find(|known| is(known, &unit.volume)) {
            Some(known) if !known.may(nexus, cdb.opcode()) => Err(Refusal::Conflict),
            _ => Ok(()),
        }
    }

    /// RESERVE(6), RESERVE(10), RELEASE(6), RELEASE(10).
    pub(crate) fn spc2(&self, nexus: &Nexus, unit: &LunView, cdb: &Cdb) -> Result<Plan, Refusal> {
        if cdb.byte(1) & 0x11 != 0 {
            return Err(Sense::invalid_byte(1).into()); // third party, extents
        }
        self.with(unit, |known| {
            if !known.registrants.is_empty() {
                return match known.registrant(nexus) {
                    Some(_) => Ok(Plan::Done),
                    None => Err(Refusal::Conflict),
                };
            }
            known.held_by = match cdb.opcode() {
                0x16 | 0x56 => Some(nexus.session),
                _ => known.held_by.filter(|session| *session != nexus.session),
            };
            Ok(Plan::Done)
        })
    }

    /// A session is over: what it reserved the SPC-2 way is free.
    pub(crate) fn session_ended(&self, session: u64) {
        let mut units = self.lock();
        units.retain(|known| known.volume.strong_count() > 0);
        for known in units.iter_mut() {
            known.held_by = known.held_by.filter(|holder| *holder != session);
        }
    }

    /// A logical unit was reset: SPC-2 reservations end, persistent ones stay.
    pub(crate) fn unit_reset(&self, unit: &LunView) {
        self.with(unit, |known| known.held_by = None);
    }

    pub(crate) fn persistent_in(&self, unit: &LunView, cdb: &Cdb) -> Result<Plan, Refusal> {
        self.with(unit, |known| {
            let body = match cdb.service_action() {
                0 => known
                    .registrants
                    .iter()
                    .flat_map(|registrant| registrant.key.to_be_bytes())
                    .collect(),
                1 => match &known.reservation {
                    None => Vec::new(),
                    Some(reservation) => {
                        let key = match reservation.is_shared() {
                            true => 0,
                            false => reservation.holder.key,
                        };
                        let mut body = key.to_be_bytes().to_vec();
                        body.extend([0, 0, 0, 0, 0, reservation.kind, 0, 0]);
                        body
                    }
                },
                2 => return Ok(cut(cdb, vec![0, 8, 0x1d, 0xc0, 0xea, 0x01, 0, 0])),
                3 => full_status(known),
                _ => return Err(Sense::invalid_byte(1).into()),
            };
            let mut data = known.generation.to_be_bytes().to_vec();
            data.extend((body.len() as u32).to_be_bytes());
            data.extend(body);
            Ok(cut(cdb, data))
        })
    }

    pub(crate) fn plan_out(&self, cdb: &Cdb) -> Result<Plan, Refusal> {
        if cdb.u32(5) as usize != LIST_LEN {
            return Err(Sense::PARAMETER_LIST_LENGTH.into());
        }
        Ok(Plan::Receive(LIST_LEN))
    }

    pub(crate) fn persistent_out(
        &self,
        nexus: &Nexus,
        unit: &LunView,
        cdb: &Cdb,
        list: &[u8],
    ) -> Result<(), Refusal> {
        let (Some((key, rest)), true) = (list.split_first_chunk(), list.len() >= LIST_LEN) else {
            return Err(Sense::PARAMETER_LIST_LENGTH.into());
        };
        let key = u64::from_be_bytes(*key);
        let action_key = rest
            .first_chunk()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes));
        if list[20] & 0x08 != 0 {
            return Err(Sense::INVALID_PARAMETER.into()); // SPEC_I_PT
        }
        let action = cdb.service_action();
        let kind = cdb.byte(2) & 0x0f;
        self.with(unit, |known| {
            if known
                .held_by
                .is_some_and(|session| session != nexus.session)
            {
                return Err(Refusal::Conflict);
            }
            if matches!(action, 0 | 6) {
                return known.register(nexus, action == 6, key, action_key);
            }
            let Some(own) = known.registrant(nexus).cloned() else {
                return Err(Refusal::Conflict);
            };
            if own.key != key {
                return Err(Refusal::Conflict);
            }
            match action {
                1 => known.reserve(own, cdb.byte(2)),
                2 => known.release(&own, kind),
                3 => {
                    known.registrants.clear();
                    known.reservation = None;
                    known.generation = known.generation.wrapping_add(1);
                    Ok(())
                }
                4 | 5 => known.preempt(own, action_key, cdb.byte(2)),
                _ => Err(Sense::invalid_byte(1).into()),
            }
        })
    }

    fn with<T>(&self, unit: &LunView, act: impl FnOnce(&mut Unit) -> T) -> T {
        let mut units = self.lock();
        if let Some(known) = units.iter_mut().find(|known| is(known, &unit.volume)) {
            return act(known);
        }
        let mut fresh = Unit {
            volume: Arc::downgrade(&unit.volume),
            held_by: None,
            generation: 0,
            registrants: Vec::new(),
            reservation: None,
        };
        let done = act(&mut fresh);
        units.push(fresh);
        done
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Unit>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unit {
    fn register(
        &mut self,
        nexus: &Nexus,
        ignore_existing: bool,
        key: u64,
        new: u64,
    ) -> Result<(), Refusal> {
        let place = self.registrants.iter().position(|old| old.is(nexus));
        let there = place.map_or(0, |index| self.registrants[index].key);
        if !ignore_existing && there != key {
            return Err(Refusal::Conflict);
        }
        match place {
            Some(index) if new == 0 => {
                let gone = self.registrants.remove(index);
                let last = self.registrants.is_empty();
                self.reservation
                    .take_if(|reservation| match reservation.is_shared() {
                        true => last,
                        false => reservation.holder == gone,
                    });
            }
            Some(index) => {
                let old = self.registrants[index].clone();
                self.registrants[index].key = new;
                if let Some(reservation) = &mut self.reservation
                    && reservation.holder == old
                {
                    reservation.holder.key = new;
                }
            }
            None if new == 0 => return Ok(()),
            None => self.registrants.push(Registrant {
                initiator: nexus.initiator.clone(),
                isid: nexus.isid,
                port: 1,
                key: new,
            }),
        }
        self.generation = self.generation.wrapping_add(1);
        Ok(())
    }

    fn reserve(&mut self, own: Registrant, scope_kind: u8) -> Result<(), Refusal> {
        if !is_kind(scope_kind) {
            return Err(Sense::invalid_byte(2).into());
        }
        match &self.reservation {
            Some(there) if !there.is_held_by(&own) || there.kind != scope_kind => {
                Err(Refusal::Conflict)
            }
            Some(_) => Ok(()),
            None => {
                self.reservation = Some(Reservation {
                    kind: scope_kind,
                    holder: own,
                });
                Ok(())
            }
        }
    }

    fn release(&mut self, own: &Registrant, kind: u8) -> Result<(), Refusal> {
        match &self.reservation {
            Some(there) if there.is_held_by(own) && there.kind != kind => {
                Err(Sense::INVALID_RELEASE.into())
            }
            Some(there) if there.is_held_by(own) => {
                self.reservation = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn preempt(&mut self, own: Registrant, victim: u64, scope_kind: u8) -> Result<(), Refusal> {
        let holds = |reservation: &Reservation| match reservation.is_shared() {
            true => victim == 0,
            false => reservation.holder.key == victim,
        };
        let takes_over = self.reservation.as_ref().is_some_and(holds);
        if takes_over && !is_kind(scope_kind) {
            return Err(Sense::invalid_byte(2).into());
        }
        if !takes_over && victim == 0 {
            return Err(Sense::INVALID_PARAMETER.into());
        }
        let known = self.registrants.iter().any(|other| other.key == victim);
        if !takes_over && !known {
            return Err(Refusal::Conflict);
        }
        self.registrants
            .retain(|other| *other == own || (victim != 0 && other.key != victim));
        if takes_over {
            self.reservation = Some(Reservation {
                kind: scope_kind,
                holder: own,
            });
        }
        self.generation = self.generation.wrapping_add(1);
        Ok(())
    }
}

/// Scope "logical unit" and a type that exists.
fn is_kind(scope_kind: u8) -> bool {
    matches!(scope_kind, 1 | 3 | 5..=8)
}

fn is(known: &Unit, volume: &Arc<Volume>) -> bool {
    std::ptr::eq(known.volume.as_ptr(), Arc::as_ptr(volume))
}

fn full_status(known: &Unit) -> Vec<u8> {
    let mut body = Vec::new();
    for registrant in &known.registrants {
        let held = known
            .reservation
            .as_ref()
            .filter(|reservation| reservation.is_held_by(registrant));
        body.extend(registrant.key.to_be_bytes());
        body.extend([0; 4]);
        body.extend([
            u8::from(held.is_some()),
            held.map_or(0, |reservation| reservation.kind),
        ]);
        body.extend([0; 4]);
        body.extend(registrant.port.to_be_bytes());
        let name = transport_id(registrant);
        body.extend((name.len() as u32).to_be_bytes());
        body.extend(name);
    }
    body
}

/// TransportID of an iSCSI initiator port: its name and ISID.
fn transport_id(registrant: &Registrant) -> Vec<u8> {
    let isid = registrant
        .isid
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut name = format!("{},i,0x{isid:012x}", registrant.initiator).into_bytes();
    name.push(0);
    name.resize(name.len().next_multiple_of(4).max(20), 0);
    let mut id = vec![0x45, 0];
    id.extend((name.len() as u16).to_be_bytes());
    id.extend(name);
    id
}
