//! All connections of the target, and the sessions on them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::link::{Link, Notice, Opened};
use super::login::{Identity, Status};
use super::watch;
use crate::model::{Model, SessionInfo};
use crate::scsi::Reservations;

/// More connections than this are not served at once.
const CONNECTIONS_MAX: usize = 512;

/// A connection that was closed ends this soon, or it is stuck in the file system.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The connections by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    links: Mutex<Links>,
    /// Told when a connection has ended.
    ended: Condvar,
    serial: AtomicU64,
}

#[derive(Debug, Default)]
struct Links {
    all: BTreeMap<u64, Arc<Link>>,
    tsih: u16,
}

impl Registry {
    /// A number that no connection has had.
    pub(crate) fn next_id(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::SeqCst)
    }

    /// Adds a connection; false if there are too many.
    pub(crate) fn add(&self, link: &Arc<Link>) -> bool {
        let mut links = self.links();
        let room = links.all.len() < CONNECTIONS_MAX;
        if room {
            links.all.insert(link.id, Arc::clone(link));
        }
        room
    }

    /// A connection has ended, and its session with it.
    pub(crate) fn remove(&self, link: &Link, model: &Model, reservations: &Reservations) {
        let mut links = self.links();
        self.leave(link, model, reservations);
        links.all.remove(&link.id);
        drop(links);
        self.ended.notify_all();
    }

    /// The session of a connection is over. Doing it twice is the same as doing it once.
    pub(crate) fn leave(&self, link: &Link, model: &Model, reservations: &Reservations) {
        if let Some(opened) = link.opened.get() {
            if let Some(sid) = &opened.sid {
                model.session_closed(sid);
            }
            reservations.session_ended(link.id);
        }
    }

    /// Opens the session that `identity` asks for. One of the same initiator port to the same target is closed
    /// first, and nothing of it is under way any more when this returns.
    pub(crate) fn open_session(
        &self,
        link: &Arc<Link>,
        identity: Identity,
        initiator_ip: IpAddr,
        model: &Model,
    ) -> Result<u16, Status> {
        let mut links = self.links();
        let same = |other: &&Arc<Link>| {
            other.opened.get().is_some_and(|opened| {
                opened.identity.target.is_some()
                    && opened.identity.target == identity.target
                    && opened.identity.initiator == identity.initiator
                    && opened.identity.isid == identity.isid
            })
        };
        let mut tsih = identity.tsih;
        if tsih != 0 {
            let existing = links
                .all
                .values()
                .find(same)
                .and_then(|old| old.opened.get())
                .filter(|opened| opened.tsih == tsih)
                .ok_or(Status::NO_SUCH_SESSION)?;
            if existing.identity.cid != identity.cid {
                return Err(Status::TOO_MANY_CONNECTIONS);
            }
        }
        // Again after each wait: another login may have been quicker.
        while let Some(old) = links.all.values().find(same).cloned() {
            old.close();
            links = self.wait_until(links, |links| !links.all.contains_key(&old.id));
            if links.all.contains_key(&old.id) {
                return Err(Status::OUT_OF_RESOURCES);
            }
        }
        if tsih == 0 {
            links.tsih = links.tsih.checked_add(1).unwrap_or(1);
            tsih = links.tsih;
        }
        let target = identity.target.as_ref();
        *link.seen() = target
            .and_then(|name| model.target(name))
            .map(|target| watch::faces(&target));
        let sid = identity.target.as_ref().map(|target| {
            model.session_opened(SessionInfo {
                target: target.clone(),
                initiator: identity.initiator.clone(),
                initiator_ip,
                portal_ip: link.portal.address.ip(),
            })
        });
        let opened = Opened {
            identity,
            tsih,
            sid,
        };
        // It is set once: a connection logs in once.
        let _ = link.opened.set(opened);
        Ok(tsih)
    }

    /// Leaves a notice with the connections that `wanted` names.
    pub(crate) fn notify(&self, wanted: impl Fn(&Link) -> bool, notice: Notice) {
        for link in self.select(wanted) {
            link.notify(notice);
        }
    }

    /// Closes the connections that `wanted` names and waits, not for long, until they have ended; how many there were.
    pub(crate) fn close(&self, wanted: impl Fn(&Link) -> bool) -> usize {
        let chosen = self.select(wanted);
        for link in &chosen {
            link.close();
        }
        let gone = |links: &Links| !chosen.iter().any(|link| links.all.contains_key(&link.id));
        drop(self.wait_until(self.links(), gone));
        chosen.len()
    }

    /// Closes the connections that `wanted` names without waiting for their end.
    pub(crate) fn close_soon(&self, wanted: impl Fn(&Link) -> bool) {
        for link in self.select(wanted) {
            link.close();
        }
    }

    /// The connections that `wanted` names.
    pub(crate) fn select(&self, wanted: impl Fn(&Link) -> bool) -> Vec<Arc<Link>> {
        self.links()
            .all
            .values()
            .filter(|link| wanted(link))
            .cloned()
            .collect()
    }

    fn wait_until<'a>(
        &self,
        mut links: MutexGuard<'a, Links>,
        done: impl Fn(&Links) -> bool,
    ) -> MutexGuard<'a, Links> {
        let end = Instant::now() + END_LIMIT;
        while !done(&links) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            links = self
                .ended
                .wait_timeout(links, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        links
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
