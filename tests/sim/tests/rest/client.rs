//! A small HTTPS client: requests on one connection, nothing hidden.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use jdss_sim::Appliance;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// Where and as whom to ask.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    authorization: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

/// One connection.
pub(crate) struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    authorization: String,
}

impl Client {
    pub(crate) fn new(appliance: &Appliance) -> Self {
        Self::at(appliance.rest_addr(), &appliance.ca_pem())
    }

    pub(crate) fn at(address: SocketAddr, ca_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("PEM");
        roots.add(certificate).expect("a usable certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions that the provider has")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Self {
            address,
            config: Arc::new(config),
            authorization: String::new(),
        };
        client.user("admin", "secret")
    }

    pub(crate) fn user(mut self, name: &str, password: &str) -> Self {
        let credentials = format!("{name}:{password}");
        self.authorization = format!(
            "Authorization: Basic {}\r\n",
            BASE64.encode(credentials.as_bytes())
        );
        self
    }

    pub(crate) fn anonymous(mut self) -> Self {
        self.authorization = String::new();
        self
    }

    pub(crate) fn connect(&self) -> io::Result<Connection> {
        let socket = TcpStream::connect(self.address)?;
        // A bound for a test that would otherwise hang, shorter than the appliance's patience: what it
        // cuts only because of our silence does not count as cut. Nothing is measured.
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        let name = ServerName::from(self.address.ip());
        let session =
            ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let stream = StreamOwned::new(session, socket);
        Ok(Connection {
            stream,
            authorization: self.authorization.clone(),
        })
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Response {
        let mut connection = self.connect().expect("the appliance listens");
        connection.send(method, path, body).expect("an answer")
    }

    /// A request below `/api/v4`.
    pub(crate) fn call(&self, method: &str, path: &str, body: Value) -> Response {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(method, &format!("/api/v4{path}"), &body)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.call("GET", path, Value::Null)
    }

    pub(crate) fn delete(&self, path: &str) -> Response {
        self.call("DELETE", path, Value::Null)
    }
}

impl Connection {
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<Response> {
        self.ask(method, path, body)?;
        self.answer()
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        let authorization = &self.authorization;
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: appliance:82\r\n{authorization}Content-Length: {length}\r\n\r\n{body}"
        );
        self.write(text.as_bytes())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads one answer.
    pub(crate) fn answer(&mut self) -> io::Result<Response> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .expect("a status");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
        self.stream.read_exact(&mut body)?;
        let text = String::from_utf8(body).expect("UTF-8");
        Ok(Response { status, head, text })
    }

    /// How long further reads wait at most.
    pub(crate) fn set_patience(&self, time: Duration) {
        let set = self.stream.sock.set_read_timeout(Some(time));
        set.expect("a time that is not 0");
    }

    /// Does nothing come for a while, not even what a TLS handshake needs? What was asked stays asked.
    pub(crate) fn is_ignored(&mut self) -> bool {
        self.set_patience(Duration::from_millis(100));
        let outcome = self.stream.read(&mut [0]);
        self.set_patience(Duration::from_secs(60));
        outcome.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// What comes until the connection ends, and how it ends.
    pub(crate) fn rest(&mut self) -> (String, io::ErrorKind) {
        let mut bytes = Vec::new();
        let end = self.stream.read_to_end(&mut bytes).map_err(|e| e.kind());
        let text = String::from_utf8(bytes).expect("UTF-8");
        (text, end.err().unwrap_or(io::ErrorKind::UnexpectedEof))
    }

    /// Has the appliance closed the connection without a word?
    pub(crate) fn is_cut(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ),
        }
    }
}

impl Response {
    /// The data of a success; its status must be this one, and its error null.
    #[track_caller]
    pub(crate) fn data(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let mut envelope: Value = serde_json::from_str(&self.text).expect("JSON");
        assert_eq!(envelope["error"], Value::Null);
        assert_eq!(
            envelope.as_object().map(serde_json::Map::len),
            Some(2),
            "{envelope}"
        );
        envelope["data"].take()
    }

    /// A success without a body.
    #[track_caller]
    pub(crate) fn no_content(&self) {
        assert_eq!((self.status, self.text.as_str()), (204, ""));
        assert!(!self.head.contains("Content-Length"), "{}", self.head);
    }

    /// Class, errno and message of an error; its status must be this one, and its data null.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> (String, Option<i64>, String) {
        assert_eq!(self.status, status, "{}", self.text);
        let envelope: Value = serde_json::from_str(&self.text).expect("JSON");
        assert_eq!(envelope["data"], Value::Null);
        let error = &envelope["error"];
        let text = |name: &str| error[name].as_str().expect("a string").to_owned();
        assert!(text("url").starts_with("https://appliance:82/"), "{error}");
        (text("class"), error["errno"].as_i64(), text("message"))
    }
}
