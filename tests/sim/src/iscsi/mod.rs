//! A real iSCSI target that behaves like SCST, on threads: one for each portal, one for each connection.
//!
//! It serves what the [`Model`] says at that instant: LUNs are looked up for every command, and changes are announced
//! to open sessions by asynchronous messages. Error recovery level 0, one connection a session, no digests.

mod auth;
mod command;
mod connection;
mod discovery;
mod keys;
mod link;
mod log;
mod login;
mod pdu;
mod portal;
mod registry;
mod session;
mod task;
#[cfg(test)]
mod tests;
mod transfer;
mod watch;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) use log::CommandLog;
pub use log::{CommandCount, CommandKey, ScsiCommand};

use crate::model::Model;
use crate::scsi::Reservations;
use link::Link;
use portal::{Mode, Portal};
use registry::Registry;

/// SCST's NopInInterval and NopInTimeout.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    model: Arc<Model>,
    log: Arc<CommandLog>,
    registry: Registry,
    reservations: Reservations,
    stopping: AtomicBool,
    /// How often initiators are pinged, and how long they may stay silent.
    ping_interval: Duration,
}

impl Shared {
    /// The session of a connection is over, although the connection may still be there.
    fn leave(&self, link: &Link) {
        self.registry.leave(link, &self.model, &self.reservations);
    }
}

/// A running target. It stops when dropped.
#[derive(Debug)]
pub(crate) struct IscsiTarget {
    shared: Arc<Shared>,
    portals: Mutex<BTreeMap<IpAddr, Arc<Portal>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl IscsiTarget {
    /// Serves at these listeners, one for each address.
    pub(crate) fn start(
        model: Arc<Model>,
        listeners: Vec<TcpListener>,
        log: Arc<CommandLog>,
    ) -> io::Result<Self> {
        Self::start_pinging(model, listeners, log, PING_INTERVAL)
    }

    fn start_pinging(
        model: Arc<Model>,
        listeners: Vec<TcpListener>,
        log: Arc<CommandLog>,
        ping_interval: Duration,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            model,
            log,
            registry: Registry::default(),
            reservations: Reservations::default(),
            stopping: AtomicBool::new(false),
            ping_interval,
        });
        let target = Self {
            shared: Arc::clone(&shared),
            portals: Mutex::new(BTreeMap::new()),
            threads: Mutex::new(Vec::new()),
        };
        let generation = shared.model.generation();
        let watcher = thread::Builder::new()
            .name("iscsi-watch".to_owned())
            .spawn(move || watch::run(&shared, generation))?;
        target.threads().push(watcher);
        for listener in listeners {
            target.add_portal(listener)?;
        }
        Ok(target)
    }

    /// Serves at one more address.
    pub(crate) fn add_portal(&self, listener: TcpListener) -> io::Result<()> {
        let address = listener.local_addr()?;
        let portal = Arc::new(Portal::new(address));
        self.listen(&portal, listener)?;
        self.portals().insert(address.ip(), portal);
        Ok(())
    }

    /// Cuts an address off: its connections are dropped, new ones are refused. False: there is no such portal.
    pub(crate) fn close_portal(&self, ip: IpAddr) -> bool {
        let Some(portal) = self.portal(ip) else {
            return false;
        };
        portal.set_mode(Mode::Closed);
        shut(&portal);
        self.shared
            .registry
            .close(|link| link.portal.address == portal.address);
        true
    }

    /// Makes an address dumb: its connections stay, new ones are accepted, and nothing is answered any more.
    /// False: there is no such portal, or it is closed.
    pub(crate) fn silence_portal(&self, ip: IpAddr) -> bool {
        match self.portal(ip) {
            Some(portal) if portal.mode() != Mode::Closed => {
                portal.set_mode(Mode::Silent);
                true
            }
            _ => false,
        }
    }

    /// Closes the connections at an address; whether new ones are taken stays as it is.
    pub(crate) fn cut_portal(&self, ip: IpAddr) {
        self.shared
            .registry
            .close(|link| link.portal.address.ip() == ip);
    }

    /// Undoes [`close_portal`](Self::close_portal) and [`silence_portal`](Self::silence_portal). False: there is no
    /// such portal.
    pub(crate) fn open_portal(&self, ip: IpAddr) -> io::Result<bool> {
        let Some(portal) = self.portal(ip) else {
            return Ok(false);
        };
        match portal.mode() {
            Mode::Open => {}
            Mode::Silent => {
                portal.set_mode(Mode::Open);
                let here = |link: &Link| link.portal.address == portal.address;
                for link in self.shared.registry.select(here) {
                    link.send_waiting();
                }
            }
            Mode::Closed => self.listen(&portal, TcpListener::bind(portal.address)?)?,
        }
        Ok(true)
    }

    /// Closes the connections of all sessions of a target; how many there were. Initiators may come back at once.
    pub(crate) fn close_sessions(&self, target: &str) -> usize {
        self.shared
            .registry
            .close(|link| task::is_of(link, Some(target)))
    }

    /// Stops serving: portals and connections are closed. Doing it twice is the same as doing it once.
    pub(crate) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for portal in self.portals().values() {
            portal.set_mode(Mode::Closed);
            shut(portal);
        }
        self.shared.registry.close(|_| true);
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            // A thread that panicked has already said so.
            let _ = thread.join();
        }
    }

    fn listen(&self, portal: &Arc<Portal>, listener: TcpListener) -> io::Result<()> {
        *portal.listener() = Some(listener.try_clone()?);
        portal.set_mode(Mode::Open);
        let (shared, portal) = (Arc::clone(&self.shared), Arc::clone(portal));
        let thread = thread::Builder::new()
            .name(format!("iscsi-{}", portal.address))
            .spawn(move || accept(&shared, &portal, &listener))?;
        self.threads().push(thread);
        Ok(())
    }

    fn portal(&self, ip: IpAddr) -> Option<Arc<Portal>> {
        self.portals().get(&ip).cloned()
    }

    fn portals(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Arc<Portal>>> {
        self.portals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IscsiTarget {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Stops listening: the kernel refuses connections, and the accepting thread wakes up.
fn shut(portal: &Portal) {
    if let Some(listener) = portal.listener().take() {
        // Fails only on a socket that is not listening any more.
        let _ = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both);
    }
}

/// Accepts connections until the listening socket is shut.
fn accept(shared: &Arc<Shared>, portal: &Arc<Portal>, listener: &TcpListener) {
    while portal.mode() != Mode::Closed {
        match listener.accept() {
            Ok((stream, initiator)) => {
                if spawn(shared, portal, stream, initiator).is_err() {
                    continue; // out of threads or descriptors: the initiator sees a closed connection
                }
            }
            // Shut down. The portal may have been opened again since, with another socket.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            // The initiator was gone before it was accepted, or descriptors are short for the moment.
            Err(_) => thread::yield_now(),
        }
    }
}

fn spawn(
    shared: &Arc<Shared>,
    portal: &Arc<Portal>,
    stream: TcpStream,
    initiator: SocketAddr,
) -> io::Result<()> {
    let link = Link::new(shared.registry.next_id(), Arc::clone(portal), &stream)?;
    let link = Arc::new(link);
    if !shared.registry.add(&link) {
        return Ok(());
    }
    if portal.mode() == Mode::Closed {
        link.close(); // closed while this one was being accepted
    }
    let served = Arc::clone(shared);
    let own = Arc::clone(&link);
    let spawned = thread::Builder::new()
        .name(format!("iscsi-{initiator}"))
        .spawn(move || {
            let _end = End(&served, &own);
            // However it ends, the initiator sees a closed connection, and that is all there is to tell.
            let _ = connection::serve(&served, &own, stream, initiator);
        });
    if spawned.is_err() {
        shared
            .registry
            .remove(&link, &shared.model, &shared.reservations);
    }
    spawned.map(drop)
}

/// Takes a connection off the books, also when its thread panics.
struct End<'a>(&'a Shared, &'a Link);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let Self(shared, link) = self;
        // First this: whoever sees the connection closed sees the session gone.
        shared.leave(link);
        link.close();
        shared
            .registry
            .remove(link, &shared.model, &shared.reservations);
    }
}
