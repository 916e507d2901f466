//! multipathd's socket, spoken to directly.
//!
//! A request is its length as a native `size_t`, then the text and a NUL byte,
//! which counts; an answer has the same shape. Both sides of one host agree on
//! what a `size_t` is.

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Since 0.12.
const PATHNAME: &str = "/run/multipathd.socket";
/// In the abstract namespace; without a NUL byte at its end, which would be part of it.
const ABSTRACT: &[u8] = b"/org/kernel/linux/storage/multipathd";
/// The daemon resets the connection on a request longer than this, NUL included.
const REQUEST_MAX: usize = 512;
/// Its own client's limit; the JSON of a thousand maps is about 2 MiB.
const REPLY_MAX: usize = 32 << 20;
const LENGTH: usize = size_of::<usize>();

/// Where multipathd listens.
///
/// # Example
///
/// ```no_run
/// use jdss_multipath::Socket;
/// use std::time::Duration;
///
/// let text = Socket::system().ask("show maps json", Duration::from_secs(4))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Socket {
    addresses: Vec<SocketAddrUnix>,
}

impl Socket {
    /// The daemon of this host: the file that 0.12 and later make, then the
    /// abstract name of every version.
    pub fn system() -> Self {
        let addresses = [
            SocketAddrUnix::new(PATHNAME),
            SocketAddrUnix::new_abstract_name(ABSTRACT),
        ];
        Self {
            // Neither is too long for a socket address.
            addresses: addresses.into_iter().filter_map(Result::ok).collect(),
        }
    }

    /// A daemon that listens on another file.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidFilename`]: longer than 107 bytes.
    pub fn at(path: &Path) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        Ok(Self {
            addresses: vec![address],
        })
    }

    /// Sends one request and gives the answer, without the NUL byte at its end.
    /// Blocks for at most `limit` in all. While the daemon is down any process
    /// can take its abstract name: one more reason to believe sysfs alone.
    ///
    /// # Errors
    ///
    /// * [`io::ErrorKind::ConnectionRefused`], [`io::ErrorKind::NotFound`]: nobody
    ///   listens. Start multipathd.
    /// * [`io::ErrorKind::TimedOut`]: connected or not, no whole answer in time.
    ///   What was asked may be done, half done, or still to be done: look.
    /// * [`io::ErrorKind::InvalidInput`]: a request that the daemon would not take.
    /// * [`io::ErrorKind::InvalidData`]: an answer of no possible length.
    pub fn ask(&self, request: &str, limit: Duration) -> io::Result<String> {
        let deadline = Instant::now() + limit;
        let frame = frame(request)?;
        let socket = self.connect(deadline)?;
        send_whole(&socket, &frame, deadline)?;
        let mut length = [0; LENGTH];
        receive(&socket, &mut length, deadline)?;
        let length = usize::from_ne_bytes(length);
        if length == 0 || length >= REPLY_MAX {
            let text = format!("multipathd announced an answer of {length} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let mut reply = Vec::new();
        while reply.len() < length {
            // Piece by piece: the announced length is not trusted with memory.
            let start = reply.len();
            reply.resize(length.min(start + (64 << 10)), 0);
            receive(&socket, &mut reply[start..], deadline)?;
        }
        let end = reply.iter().rposition(|&byte| byte != 0);
        reply.truncate(end.map_or(0, |last| last + 1));
        Ok(String::from_utf8_lossy(&reply).into_owned())
    }

    /// The first address at which somebody answers.
    fn connect(&self, deadline: Instant) -> io::Result<OwnedFd> {
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for address in &self.addresses {
            match connect_to(address, deadline) {
                Ok(socket) => return Ok(socket),
                Err(error) if nobody_listens(&error) => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.addresses).finish()
    }
}

/// Whether the answer is that no daemon is there.
pub(crate) fn nobody_listens(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error.kind(), ConnectionRefused | NotFound)
}

/// Length, text, NUL.
fn frame(request: &str) -> io::Result<Vec<u8>> {
    let length = request.len() + 1;
    if request.is_empty() || request.contains('\0') || length >= REQUEST_MAX {
        let begin: String = request.chars().take(60).collect();
        let text = format!("multipathd takes no request of {length} bytes: {begin:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok([&length.to_ne_bytes(), request.as_bytes(), &[0]].concat())
}

fn connect_to(address: &SocketAddrUnix, deadline: Instant) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The time to send also bounds how long a connect waits for a daemon
    // whose queue of connections is full.
    set_socket_timeout(&socket, Timeout::Send, Some(left(deadline)?))?;
    retry(|| connect(&socket, address))?;
    Ok(socket)
}

/// In one piece as far as the kernel takes it: the daemon reads the length
/// with a single call and expects all of it.
fn send_whole(socket: &OwnedFd, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        set_socket_timeout(socket, Timeout::Send, Some(left(deadline)?))?;
        let sent = retry(|| send(socket, bytes, SendFlags::NOSIGNAL))?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Fills `buffer`.
fn receive(socket: &OwnedFd, buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        set_socket_timeout(socket, Timeout::Recv, Some(left(deadline)?))?;
        let (got, _) = retry(|| recv(socket, &mut buffer[filled..], RecvFlags::empty()))?;
        if got == 0 {
            let text = "multipathd closed the connection before its answer was complete";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        filled += got;
    }
    Ok(())
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    // A socket's time limit of 0 means "for ever", and counts microseconds.
    Ok(left.max(Duration::from_millis(1)))
}

/// Again after a signal; a socket's time limit comes as EAGAIN.
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
