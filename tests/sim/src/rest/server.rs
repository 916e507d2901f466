//! One listening address: a thread that accepts, a thread for each connection, and an end to both.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

use super::gate::Gate;

/// More connections than this at one address are closed as soon as they are made.
const CONNECTIONS_MAX: usize = 64;
/// Connections that wait for accept().
const BACKLOG: i32 = 128;
/// Pause after a failed accept (out of descriptors, say), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

type Handler = dyn Fn(TcpStream, Arrival) + Send + Sync;

/// Where a connection has come to.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The number of the connection.
    pub(crate) connection: u64,
    pub(crate) gate: Arc<Gate>,
    /// We have ended the connection: what it still brings does not count.
    pub(crate) cut: Arc<AtomicBool>,
}

/// What came to one address of the REST API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Connections {
    /// TCP connections made so far.
    pub accepted: u64,
    /// Those of them in which a TLS handshake came to its end.
    pub handshakes: u64,
    /// Those that are open now.
    pub open: usize,
}

/// A listening socket and the threads that serve it.
pub(crate) struct Server {
    address: SocketAddr,
    socket: Arc<TcpListener>,
    handler: Arc<Handler>,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    stopping: AtomicBool,
    gate: Arc<Gate>,
    /// The number of the next connection at any address.
    next: Arc<AtomicU64>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    streams: HashMap<u64, (TcpStream, Arc<AtomicBool>)>,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Hands each connection to `handler` on a thread of its own. `numbers` counts the connections of all servers.
    pub(crate) fn start(
        listener: TcpListener,
        numbers: &Arc<AtomicU64>,
        handler: Arc<Handler>,
    ) -> io::Result<Self> {
        let shared = Shared {
            stopping: AtomicBool::new(false),
            gate: Arc::new(Gate::default()),
            next: Arc::clone(numbers),
            open: Mutex::new(Open::default()),
        };
        let mut server = Self {
            address: listener.local_addr()?,
            socket: Arc::new(listener),
            handler,
            shared: Arc::new(shared),
            acceptor: None,
        };
        server.accept()?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connections(&self) -> Connections {
        let (accepted, handshakes) = self.shared.gate.counts();
        let open = self.shared.open().streams.len();
        Connections {
            accepted,
            handshakes,
            open,
        }
    }

    /// Answers nothing from now on, whatever comes: connections stay, and new ones are made and ignored.
    pub(crate) fn silence(&mut self) -> io::Result<()> {
        self.shared.gate.set_silent(true);
        self.listen()
    }

    /// The number that the next connection gets.
    pub(crate) fn next_connection(&self) -> u64 {
        self.shared.next.load(Ordering::SeqCst)
    }

    /// Cuts the connections with lower numbers.
    pub(crate) fn cut_before(&self, number: u64) {
        let open = self.shared.open();
        let older = open.streams.iter().filter(|(id, _)| **id < number);
        for (_, (stream, cut)) in older {
            cut.store(true, Ordering::SeqCst);
            drop(stream.shutdown(Shutdown::Both)); // Fails only if the peer was faster.
        }
    }

    /// Refuses connections from now on and cuts those that are there. Does not wait for what they
    /// are doing. The port stays ours.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        let Some(acceptor) = self.acceptor.take() else {
            return Ok(());
        };
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes accept(), and leaves a socket that is bound and does not listen.
        rustix::net::shutdown(&*self.socket, rustix::net::Shutdown::Both)?;
        drop(acceptor.join());
        self.cut_before(u64::MAX);
        Ok(())
    }

    /// Takes and answers connections again.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        self.listen()?;
        self.shared.gate.set_silent(false);
        Ok(())
    }

    fn listen(&mut self) -> io::Result<()> {
        if self.acceptor.is_some() {
            return Ok(());
        }
        rustix::net::listen(&*self.socket, BACKLOG)?;
        self.accept()
    }

    /// Closes, and waits until no thread is left.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        self.close()?;
        let threads = std::mem::take(&mut self.shared.open().threads);
        for thread in threads {
            drop(thread.join());
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        self.shared.stopping.store(false, Ordering::SeqCst);
        let socket = Arc::clone(&self.socket);
        let (handler, shared) = (Arc::clone(&self.handler), Arc::clone(&self.shared));
        let acceptor = thread::Builder::new()
            .name(format!("rest {}", self.address))
            .spawn(move || accept(&socket, &shared, &handler))?;
        self.acceptor = Some(acceptor);
        Ok(())
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, handler: &Arc<Handler>) {
    while !shared.stopping.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => spawn(stream, shared, handler),
            Err(_) if shared.stopping.load(Ordering::SeqCst) => {}
            Err(_) => thread::sleep(ACCEPT_PAUSE),
        }
    }
}

/// Starts a connection's thread; a connection for which there is no room or no thread is closed.
fn spawn(stream: TcpStream, shared: &Arc<Shared>, handler: &Arc<Handler>) {
    shared.gate.count_connection();
    let id = shared.next.fetch_add(1, Ordering::SeqCst);
    let Ok(copy) = stream.try_clone() else { return };
    let mut open = shared.open();
    open.threads.retain(|thread| !thread.is_finished());
    if open.streams.len() >= CONNECTIONS_MAX {
        return;
    }
    let cut = Arc::new(AtomicBool::new(false));
    let arrival = Arrival {
        connection: id,
        gate: Arc::clone(&shared.gate),
        cut: Arc::clone(&cut),
    };
    let gone = Gone {
        id,
        shared: Arc::clone(shared),
    };
    let handler = Arc::clone(handler);
    let thread = thread::Builder::new()
        .name(format!("rest connection {id}"))
        .spawn(move || {
            let _gone = gone; // Also when the handler panics.
            handler(stream, arrival);
        });
    if let Ok(thread) = thread {
        open.streams.insert(id, (copy, cut));
        open.threads.push(thread);
    }
}

/// Takes the connection off the list, and so closes its last descriptor, when its thread ends.
struct Gone {
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.shared.open().streams.remove(&self.id);
    }
}
