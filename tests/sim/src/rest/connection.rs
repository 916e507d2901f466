//! One connection: TLS, then requests until either side has enough.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::http::{Broken, Message, read_request, write_answer};

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
}

/// Serves one connection to its end. `answer` gets each request with the address that it came to.
pub(crate) fn serve(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    answer: &dyn Fn(&Message, SocketAddr) -> Reply,
    malformed: &dyn Fn(u16, &'static str, SocketAddr) -> Reply,
) {
    let ready = stream
        .set_read_timeout(Some(IDLE))
        .and_then(|()| stream.set_write_timeout(Some(IDLE)))
        .and_then(|()| stream.set_nodelay(true))
        .and_then(|()| stream.local_addr());
    let (Ok(local), Ok(session)) = (ready, ServerConnection::new(Arc::clone(config))) else {
        return;
    };
    let mut stream = StreamOwned::new(session, stream);
    let mut buffer = Vec::new();
    loop {
        let (reply, keep_alive) = match read_request(&mut stream, &mut buffer) {
            Ok(message) => (answer(&message, local), message.keep_alive),
            Err(Broken::Malformed(status, why)) => (malformed(status, why, local), false),
            Err(Broken::Gone) => break,
        };
        let Reply::Answer(status, body) = reply else {
            break;
        };
        if write_answer(&mut stream, status, &body, keep_alive).is_err() {
            break;
        }
        if !keep_alive {
            stream.conn.send_close_notify();
            drain(&mut stream);
            break;
        }
    }
    drop(stream.sock.shutdown(Shutdown::Both)); // Fails only if the peer was faster.
}

/// Ends our side and takes what the client still sends, within bounds: closing with unread input
/// would reset the connection, and the client might lose the answer.
fn drain(stream: &mut StreamOwned<ServerConnection, TcpStream>) {
    let ended = stream
        .flush()
        .and_then(|()| stream.sock.shutdown(Shutdown::Write))
        .and_then(|()| stream.sock.set_read_timeout(Some(LINGER)));
    let mut left = LINGER_MAX;
    let mut chunk = [0; 4096];
    while ended.is_ok() && left > 0 {
        match stream.sock.read(&mut chunk) {
            Ok(count) if count > 0 => left = left.saturating_sub(count),
            _ => break,
        }
    }
}
