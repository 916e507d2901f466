//! One connection: TLS, then requests until either side has enough.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::gate::Gated;
use super::http::{Broken, Message, answer_text, read_request};
use super::server::Arrival;

/// A client that says nothing, or takes nothing, for this long is left.
const IDLE: Duration = Duration::from_secs(120);

/// How long, and for how many bytes, the rest of a request is taken that was refused.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_MAX: usize = 4 * 1024 * 1024;

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Status and body.
    Answer(u16, String),
    /// The connection ends without a word.
    Silence,
    /// The connection is reset in the middle of this answer, or without a byte.
    Reset(Option<(u16, String)>),
    /// Nothing comes until [`Site::hang`] with this number has waited; then this answer, or the end.
    Hang(u64, Option<(u16, String)>),
}

/// Where a request came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Our address.
    pub(crate) local: SocketAddr,
    /// The number of the connection.
    pub(crate) connection: u64,
}

/// Who answers the requests.
pub(crate) trait Site {
    fn answer(&self, message: &Message, origin: Origin) -> Reply;

    /// The reply to what is no request.
    fn malformed(&self, status: u16, why: &'static str, origin: Origin) -> Reply;

    /// Waits for as long as a request with this number hangs; false if the client has gone before.
    fn hang(&self, number: u64, stream: &TcpStream) -> bool;
}

type Tls = StreamOwned<ServerConnection, Gated>;

/// Serves one connection to its end.
pub(crate) fn serve(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    arrival: Arrival,
    site: &dyn Site,
) {
    let ready = stream
        .set_read_timeout(Some(IDLE))
        .and_then(|()| stream.set_write_timeout(Some(IDLE)))
        .and_then(|()| stream.set_nodelay(true))
        .and_then(|()| stream.local_addr());
    let (Ok(local), Ok(session)) = (ready, ServerConnection::new(Arc::clone(config))) else {
        return;
    };
    let origin = Origin {
        local,
        connection: arrival.connection,
    };
    let gated = Gated::new(stream, arrival.gate, arrival.cut);
    let mut stream = StreamOwned::new(session, gated);
    if shake_hands(&mut stream).is_ok() && requests(&mut stream, origin, site) == End::Reset {
        // No shutdown: it would send a FIN before. The reset goes out when the last descriptor is closed.
        let socket = &stream.sock.stream;
        if rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).is_ok() {
            return;
        }
    }
    drop(stream.sock.stream.shutdown(Shutdown::Both)); // Fails only if the peer was faster.
}

fn shake_hands(stream: &mut Tls) -> io::Result<()> {
    while stream.conn.is_handshaking() {
        if stream.conn.complete_io(&mut stream.sock)? == (0, 0) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    stream.sock.gate.count_handshake();
    Ok(())
}

#[derive(PartialEq)]
enum End {
    Close,
    Reset,
}

/// Answers request after request; how the connection has to end.
fn requests(stream: &mut Tls, origin: Origin, site: &dyn Site) -> End {
    let mut buffer = Vec::new();
    loop {
        let (reply, keep_alive) = match read_request(stream, &mut buffer) {
            Ok(message) => (site.answer(&message, origin), message.keep_alive),
            Err(Broken::Malformed(status, why)) => (site.malformed(status, why, origin), false),
            Err(Broken::Gone) => return End::Close,
        };
        let (status, body) = match reply {
            Reply::Answer(status, body) => (status, body),
            Reply::Silence => return End::Close,
            Reply::Reset(answer) => {
                let text = answer.map(|(status, body)| (answer_text(status, &body, true), body));
                if let Some((text, body)) = text {
                    let half = match body.len() {
                        0 => text.len() / 2,
                        length => text.len() - length.div_ceil(2),
                    };
                    drop(write(stream, &text.as_bytes()[..half])); // It ends anyway.
                }
                return End::Reset;
            }
            Reply::Hang(number, answer) => {
                let waits = site.hang(number, &stream.sock.stream);
                let Some(answer) = answer.filter(|_| waits) else {
                    return End::Close;
                };
                answer
            }
        };
        let text = answer_text(status, &body, keep_alive);
        if write(stream, text.as_bytes()).is_err() {
            return End::Close;
        }
        if !keep_alive {
            stream.conn.send_close_notify();
            drain(stream);
            return End::Close;
        }
    }
}

fn write(stream: &mut Tls, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// Ends our side and takes what the client still sends, within bounds: closing with unread input
/// would reset the connection, and the client might lose the answer.
fn drain(stream: &mut Tls) {
    let socket = |stream: &Tls| {
        stream.sock.stream.shutdown(Shutdown::Write)?;
        stream.sock.stream.set_read_timeout(Some(LINGER))
    };
    let ended = stream.flush().and_then(|()| socket(stream));
    let mut left = LINGER_MAX;
    let mut chunk = [0; 4096];
    while ended.is_ok() && left > 0 {
        match stream.sock.read(&mut chunk) {
            Ok(count) if count > 0 => left = left.saturating_sub(count),
            _ => break,
        }
    }
}
