//! The client against a small daemon with real framing.

use super::*;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread::{self, JoinHandle};

/// A limit that no test reaches.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(80);

/// Listens in a directory of its own, and serves one connection.
struct Daemon {
    dir: tempfile::TempDir,
    served: JoinHandle<Vec<u8>>,
}

impl Daemon {
    /// `serve` gets the request's text and NUL and the connection.
    fn new(serve: impl FnOnce(&mut UnixStream) + Send + 'static) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let listener = UnixListener::bind(dir.path().join("socket")).expect("it can listen");
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            // As the daemon does: the length with one call, then the text.
            let mut request = vec![0; LENGTH];
            let got = stream.read(&mut request).expect("a length");
            assert_eq!(got, LENGTH, "the length came in pieces");
            let length = usize::from_ne_bytes(request[..].try_into().expect("8 bytes"));
            request.resize(LENGTH + length, 0);
            stream.read_exact(&mut request[LENGTH..]).expect("the text");
            serve(&mut stream);
            request
        });
        Self { dir, served }
    }

    fn socket(&self) -> Socket {
        Socket::at(&self.dir.path().join("socket")).expect("a short path")
    }

    fn request(self) -> Vec<u8> {
        self.served.join().expect("the daemon served one client")
    }
}

fn reply(text: &[u8]) -> Vec<u8> {
    [&(text.len() + 1).to_ne_bytes(), text, b"\0"].concat()
}

fn kind(daemon: &Daemon, limit: Duration) -> io::ErrorKind {
    daemon
        .socket()
        .ask("show daemon", limit)
        .unwrap_err()
        .kind()
}

#[test]
fn a_request_has_the_bytes_that_the_real_client_sends() {
    let daemon = Daemon::new(|stream| {
        // As captured from 0.9.4.
        let bytes = b"\x0e\0\0\0\0\0\0\0pid 177 idle\n\0";
        stream.write_all(bytes).unwrap();
    });
    let text = daemon.socket().ask("show daemon", LONG).unwrap();
    assert_eq!(text, "pid 177 idle\n");
    assert_eq!(daemon.request(), b"\x0c\0\0\0\0\0\0\0show daemon\0");
}

#[test]
fn an_answer_may_come_byte_by_byte() {
    let daemon = Daemon::new(|stream| {
        for byte in reply(b"ok\n") {
            stream.write_all(&[byte]).unwrap();
            stream.flush().unwrap();
            thread::yield_now();
        }
    });
    assert_eq!(daemon.socket().ask("add path sda", LONG).unwrap(), "ok\n");
}

#[test]
fn a_long_answer_arrives_whole_and_need_not_be_text() {
    let long: Vec<u8> = (0..300_000u32).map(|i| b'a' + (i % 26) as u8).collect();
    let sent = long.clone();
    let daemon = Daemon::new(move |stream| stream.write_all(&reply(&sent)).unwrap());
    let got = daemon.socket().ask("show maps json", LONG).unwrap();
    assert_eq!(got.as_bytes(), long);

    let daemon = Daemon::new(|stream| stream.write_all(&reply(b"\xff ok")).unwrap());
    assert_eq!(daemon.socket().ask("x", LONG).unwrap(), "\u{fffd} ok");
}

#[test]
fn an_answer_of_no_possible_length_is_refused() {
    for length in [0, REPLY_MAX, usize::MAX] {
        let daemon = Daemon::new(move |stream| stream.write_all(&length.to_ne_bytes()).unwrap());
        assert_eq!(kind(&daemon, LONG), io::ErrorKind::InvalidData, "{length}");
    }
}

#[test]
fn a_daemon_that_hangs_up_is_no_answer() {
    for sent in [0, 3, LENGTH, LENGTH + 2] {
        let daemon = Daemon::new(move |stream| {
            stream.write_all(&reply(b"ok\n")[..sent]).unwrap();
        });
        assert_eq!(kind(&daemon, LONG), io::ErrorKind::UnexpectedEof, "{sent}");
    }
}

#[test]
fn a_silent_daemon_ends_with_the_limit() {
    let daemon = Daemon::new(|stream| {
        // Until the client has gone.
        let _ = stream.read(&mut [0]);
    });
    assert_eq!(kind(&daemon, SHORT), io::ErrorKind::TimedOut);
}

#[test]
fn a_trickle_does_not_stretch_the_limit() {
    let daemon = Daemon::new(|stream| {
        let _ = stream.write_all(&1_000_000_usize.to_ne_bytes());
        // Each byte comes in time for a limit that counts anew for each read; between
        // two of them the client has this long to go.
        let pace = Some(Duration::from_millis(5));
        stream.set_read_timeout(pace).unwrap();
        while stream.write_all(b"x").is_ok() && stream.read(&mut [0]).is_err() {}
    });
    assert_eq!(kind(&daemon, SHORT), io::ErrorKind::TimedOut);
}

#[test]
fn a_daemon_that_accepts_nobody_ends_with_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let flags = SocketFlags::CLOEXEC;
    let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let socket = Socket::at(&path).unwrap();
    // The first fills the queue and waits for its answer, the next for the queue.
    let _waiting = UnixStream::connect(&path).unwrap();
    let error = socket.ask("show daemon", SHORT).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn nobody_listening_is_told_apart_from_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let socket = Socket::at(&path).unwrap();
    let error = socket.ask("show daemon", LONG).unwrap_err();
    assert!(nobody_listens(&error), "{error}");
    drop(UnixListener::bind(&path).unwrap());
    let error = socket.ask("show daemon", LONG).unwrap_err();
    assert!(nobody_listens(&error), "{error}");
}

#[test]
fn the_next_address_is_tried_when_nobody_listens() {
    let name = format!("jdss-multipath-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&reply(b"ok\n")).unwrap();
        let mut request = Vec::new();
        stream.read_to_end(&mut request).unwrap();
        request
    });
    let dir = tempfile::tempdir().unwrap();
    let socket = Socket {
        addresses: vec![
            SocketAddrUnix::new(dir.path().join("none")).unwrap(),
            SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap(),
        ],
    };
    assert_eq!(socket.ask("add path sda", LONG).unwrap(), "ok\n");
    assert_eq!(served.join().unwrap()[LENGTH..], *b"add path sda\0");
}

#[test]
fn the_daemon_of_this_host_has_two_addresses() {
    let addresses = Socket::system().addresses;
    assert_eq!(addresses.len(), 2);
    assert_eq!(addresses[0].path_bytes(), Some(PATHNAME.as_bytes()));
    assert_eq!(addresses[1].abstract_name(), Some(ABSTRACT));
}

#[test]
fn what_the_daemon_would_not_take_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let socket = Socket::at(&dir.path().join("none")).unwrap();
    for request in ["", "a\0b", &"x".repeat(REQUEST_MAX - 1)] {
        let error = socket.ask(request, LONG).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    let fits = "x".repeat(REQUEST_MAX - 2);
    assert!(nobody_listens(&socket.ask(&fits, LONG).unwrap_err()));
}
