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
    /// How often it has fallen silent.
    silences: AtomicU64,
    accepted: AtomicU64,
    handshakes: AtomicU64,
}

impl Gate {
    pub(super) fn set_silent(&self, silent: bool) {
        if silent {
            self.silences.fetch_add(1, Ordering::SeqCst);
        }
        self.silent.store(silent, Ordering::SeqCst);
    }

    fn silences(&self) -> u64 {
        self.silences.load(Ordering::SeqCst)
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
    cut: Arc<AtomicBool>,
    /// Silences of the address before this connection.
    silences: u64,
}

impl Gated {
    /// `cut` becomes true when we have ended the connection.
    pub(super) fn new(stream: TcpStream, gate: Arc<Gate>, cut: Arc<AtomicBool>) -> Self {
        let silences = gate.silences();
        Self {
            stream,
            gate,
            cut,
            silences,
        }
    }

    /// Returns when the address is not silent; an error if the connection has ended before.
    fn pass(&self) -> io::Result<()> {
        let mut here = hold(&self.stream, &|| self.gate.is_silent());
        if self.gate.silences() != self.silences {
            // What came in silence from a client that has gone is lost, also if it is read only now.
            here = here && !has_gone(&self.stream, &Timespec::default());
        }
        if here && !self.cut.load(Ordering::SeqCst) {
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
        if has_gone(stream, &LOOK) {
            return false;
        }
    }
    true
}

/// Has the connection ended, or does it end within this time?
fn has_gone(stream: &TcpStream, time: &Timespec) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::RDHUP)];
    !matches!(
        poll(&mut fds, Some(time)),
        Ok(0) | Err(rustix::io::Errno::INTR)
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A client, and the connection as we have it.
    fn pair() -> (TcpStream, Gated) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (stream, _) = listener.accept().expect("it has connected");
        let cut = Arc::new(AtomicBool::new(false));
        (client, Gated::new(stream, Arc::default(), cut))
    }

    #[test]
    fn what_came_in_silence_is_lost_with_its_client_and_kept_with_it() {
        for leaves in [true, false] {
            let (mut client, mut gated) = pair();
            gated.gate.set_silent(true);
            client.write_all(b"a").unwrap();
            if leaves {
                drop(client.shutdown(std::net::Shutdown::Write));
                let end = Timespec {
                    tv_sec: 60,
                    tv_nsec: 0,
                };
                assert!(has_gone(&gated.stream, &end));
            }
            gated.gate.set_silent(false);
            assert_eq!(gated.read(&mut [0]).is_err(), leaves);
        }
    }

    #[test]
    fn what_came_before_a_connection_was_cut_does_not_count() {
        let (mut client, mut gated) = pair();
        client.write_all(b"ab").unwrap();
        assert_eq!(gated.read(&mut [0]).unwrap(), 1);
        gated.cut.store(true, Ordering::SeqCst);
        assert!(gated.read(&mut [0]).is_err());
        assert!(gated.write(b"c").is_err());
    }
}
