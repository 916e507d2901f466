//! One listening address: a thread that accepts, a thread for each connection, and an end to both.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// More connections than this at one address are closed as soon as they are made.
const CONNECTIONS_MAX: usize = 64;
/// Connections that wait for accept().
const BACKLOG: i32 = 128;
/// Pause after a failed accept (out of descriptors, say), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

type Handler = dyn Fn(TcpStream) + Send + Sync;

/// A listening socket and the threads that serve it.
pub(crate) struct Server {
    address: SocketAddr,
    socket: Arc<TcpListener>,
    handler: Arc<Handler>,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    streams: HashMap<u64, TcpStream>,
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
    /// Hands each connection to `handler` on a thread of its own.
    pub(crate) fn start(listener: TcpListener, handler: Arc<Handler>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (socket, shared) = (Arc::new(listener), Arc::new(Shared::default()));
        let mut server = Self {
            address,
            socket,
            handler,
            shared,
            acceptor: None,
        };
        server.accept()?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_open(&self) -> bool {
        self.acceptor.is_some()
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
        for stream in self.shared.open().streams.values() {
            drop(stream.shutdown(Shutdown::Both)); // Fails only if the peer was faster.
        }
        Ok(())
    }

    /// Takes connections again.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        if self.is_open() {
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
    let Ok(copy) = stream.try_clone() else { return };
    let mut open = shared.open();
    open.threads.retain(|thread| !thread.is_finished());
    if open.streams.len() >= CONNECTIONS_MAX {
        return;
    }
    let id = open.next;
    open.next += 1;
    let gone = Gone {
        id,
        shared: Arc::clone(shared),
    };
    let handler = Arc::clone(handler);
    let thread = thread::Builder::new()
        .name(format!("rest connection {id}"))
        .spawn(move || {
            let _gone = gone; // Also when the handler panics.
            handler(stream);
        });
    if let Ok(thread) = thread {
        open.streams.insert(id, copy);
        open.threads.push(thread);
    }
}

/// Takes the connection off the list when its thread ends.
struct Gone {
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.shared.open().streams.remove(&self.id);
    }
}
