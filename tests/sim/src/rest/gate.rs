//! Whether an address answers, and what came to it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How soon a connection that is held notices that it no longer is.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// The state of one address, shared by its connections.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    silent: AtomicBool,
    accepted: AtomicU64,
    handshakes: AtomicU64,
}

impl Gate {
    pub(super) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    /// Counts a connection.
    pub(super) fn count_connection(&self) {
        self.accepted.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a connection that has become one of TLS.
    pub(super) fn count_handshake(&self) {
        self.handshakes.fetch_add(1, Ordering::SeqCst);
    }

    /// Connections and handshakes so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |number: &AtomicU64| number.load(Ordering::SeqCst);
        (count(&self.accepted), count(&self.handshakes))
    }
}

/// A connection at an address that may fall silent: then nothing passes until it no longer is.
#[derive(Debug)]
pub(super) struct Gated {
    pub(super) stream: TcpStream,
    pub(super) gate: Arc<Gate>,
}

impl Gated {
    /// Returns when the address is not silent; an error if the client has gone before.
    fn pass(&self) -> io::Result<()> {
        if hold(&self.stream, &|| self.gate.is_silent()) {
            Ok(())
        } else {
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}

impl Read for Gated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let outcome = self.stream.read(buffer);
        // Also what came, or ended, while it was silent.
        self.pass()?;
        outcome
    }
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Waits while `held`; false as soon as the client has gone, or we have closed the connection.
pub(crate) fn hold(stream: &TcpStream, held: &dyn Fn() -> bool) -> bool {
    while held() {
        let mut fds = [PollFd::new(stream, PollFlags::RDHUP)];
        match poll(&mut fds, Some(&LOOK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            _ => return false,
        }
    }
    true
}
