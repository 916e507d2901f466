//! A small HTTPS server for what the simulated appliance does not do: odd
//! certificates, closed connections, answers that are not the API's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use jdss_rest::{Builder, Client, Fingerprint, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

/// A certificate and the key that its server signs with.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// As `openssl req -x509` makes it: self-signed, marked as an authority's, and named for no address.
    pub(crate) fn of_an_appliance() -> Self {
        let mut params = CertificateParams::new(vec!["jovian".to_owned()]).expect("a host name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }

    /// This certificate, in the hands of somebody who has another key.
    pub(crate) fn stolen(self) -> Self {
        Self {
            key: Self::of_an_appliance().key,
            ..self
        }
    }

    pub(crate) fn pin(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    fn config(self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let provider = ring::default_provider();
        let key = provider.key_provider.load_private_key(self.key);
        // Not checked that the key is that of the certificate.
        let identity = CertifiedKey::new(vec![self.certificate], key.expect("a key of ours"));
        ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("versions with suites")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
    }
}

/// What the server does with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// Answers with this status and body; the connection stays.
    Answer(u16, &'static str),
    /// Sends the visitor elsewhere.
    Redirect(SocketAddr),
    /// Answers, then closes the connection without having said so.
    AnswerAndClose(u16, &'static str),
    /// Closes the connection instead of answering.
    Close,
    /// Closes the connection in the middle of the answer.
    CloseHalfway,
    /// Says something that is not HTTP.
    Garbage,
}

/// An answer with a pool in it.
pub(crate) const A_POOL: &str =
    r#"{"data":{"name":"Pool-0","size":"10","available":"5"},"error":null}"#;

/// What has happened so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Log {
    /// TCP connections that came.
    pub(crate) connections: usize,
    /// TCP connections that the server has closed.
    pub(crate) closed: usize,
    /// Whether each request carried the password, with its method and path.
    pub(crate) requests: Vec<(String, bool)>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<(Mutex<Log>, Condvar)>,
}

impl Server {
    /// Starts it on a loopback address; it does `acts` with the requests, and the last one forever.
    pub(crate) fn start(ip: &str, identity: Identity, acts: impl Into<Vec<Act>>) -> Self {
        Self::start_with(ip, identity, rustls::ALL_VERSIONS, acts.into())
    }

    pub(crate) fn start_with(
        ip: &str,
        identity: Identity,
        versions: &[&'static SupportedProtocolVersion],
        acts: Vec<Act>,
    ) -> Self {
        let ip: IpAddr = ip.parse().expect("an address");
        let listener = TcpListener::bind((ip, 0)).expect("a loopback address");
        let address = listener.local_addr().expect("it is bound");
        let config = Arc::new(identity.config(versions));
        let log = Arc::<(Mutex<Log>, Condvar)>::default();
        let shared = Arc::clone(&log);
        // Ends with the test's process.
        thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                change(&shared, |log| log.connections += 1);
                let (config, acts, log) = (Arc::clone(&config), acts.clone(), Arc::clone(&shared));
                thread::spawn(move || {
                    // A visitor that goes away is what some tests are about.
                    let _ = serve(tcp, config, &acts, &log);
                    change(&log, |log| log.closed += 1);
                });
            }
        });
        Self { address, log }
    }

    pub(crate) fn log(&self) -> Log {
        self.log.0.lock().expect("not poisoned").clone()
    }

    /// The requests so far: `GET /path`.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.log();
        log.requests.into_iter().map(|(what, _)| what).collect()
    }

    /// Waits until the server has closed so many connections.
    pub(crate) fn wait_closed(&self, count: usize) {
        let (log, changed) = &*self.log;
        let log = log.lock().expect("not poisoned");
        let waited =
            changed.wait_timeout_while(log, Duration::from_secs(20), |log| log.closed < count);
        assert!(!waited.expect("not poisoned").1.timed_out(), "not closed");
    }

    /// A client of this server alone, with credentials.
    pub(crate) fn builder(&self, tls: Tls) -> Builder {
        Client::builder(vec![self.address.ip()])
            .port(self.address.port())
            .credentials("admin", "geheim-17".to_owned().into())
            .tls(tls)
            .retry_pause(Duration::ZERO)
            .outage(Duration::ZERO)
    }
}

fn change(log: &(Mutex<Log>, Condvar), change: impl FnOnce(&mut Log)) {
    change(&mut log.0.lock().expect("not poisoned"));
    log.1.notify_all();
}

fn serve(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    acts: &[Act],
    log: &(Mutex<Log>, Condvar),
) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, tcp));
    loop {
        let mut what = String::new();
        if stream.read_line(&mut what)? == 0 {
            return Ok(());
        }
        let (mut length, mut password) = (0, false);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            password |= line.starts_with("authorization: basic");
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        stream.read_exact(&mut vec![0; length])?;
        let what = what.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let mut number = 0;
        change(log, |log| {
            number = log.requests.len();
            log.requests.push((what, password));
        });
        let act = acts
            .get(number)
            .or(acts.last())
            .copied()
            .unwrap_or(Act::Close);
        let out = stream.get_mut();
        match act {
            Act::Answer(status, body) => answer(out, status, body)?,
            Act::AnswerAndClose(status, body) => return answer(out, status, body),
            Act::Redirect(to) => write!(
                out,
                "HTTP/1.1 302 Found\r\nLocation: https://{to}/api/v4/pools/Pool-0\r\nContent-Length: 0\r\n\r\n"
            )?,
            Act::Close => return Ok(()),
            Act::CloseHalfway => {
                write!(
                    out,
                    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{{\"data\":"
                )?;
                return out.flush();
            }
            Act::Garbage => {
                write!(out, "220 mail.example.org ESMTP\r\n\r\n")?;
                return out.flush();
            }
        }
        out.flush()?;
    }
}

fn answer(out: &mut impl Write, status: u16, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        out,
        "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    out.flush()
}
