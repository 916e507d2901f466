//! The real transport: HTTPS with Basic authentication.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use rustls::{CertificateError, OtherError};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use ureq::http::{self, HeaderValue, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::pinned;
use crate::transport::{Limits, Method, Reply, Request, Transport, TransportError};

/// Longest answer that is read, in bytes: lists of some thousand volumes.
const MAX_BODY: u64 = 64 << 20;

/// With less time than this nothing is begun: no clock tells which part of it ran out.
const LEAST: Duration = Duration::from_millis(20);

/// How the appliance's certificate is checked.
///
/// # Example
///
/// ```
/// use jdss_rest::Tls;
/// // Each head of a cluster has a certificate of its own: one pin for each.
/// let trust = Tls::Pin(vec![
///     "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08".parse()?,
///     "60303AE22B998861BCE3B28F33EEC1BE758A213C86C93C076DBE9F558C11C752".parse()?,
/// ]);
/// # let _ = trust;
/// # Ok::<(), jdss_rest::FingerprintError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tls {
    /// Against the well-known public authorities.
    #[default]
    WebPki,
    /// Against the certificates in this PEM file alone.
    ///
    /// A self-signed certificate can be given here itself, unless it is marked
    /// as one of an authority (`CA:TRUE`), as `openssl req -x509` does: no such
    /// certificate is taken for a host's, so [pin](Self::Pin) it.
    CaFile(PathBuf),
    /// Against these certificates, as PEM, alone.
    CaPem(Vec<u8>),
    /// By its fingerprint alone: one of these, since each head of a cluster has
    /// a certificate of its own.
    ///
    /// Names, dates and the issuer do not matter, so this suits a self-signed
    /// certificate of any sort. User and password are sent only after the peer
    /// has shown that it has the certificate and its key.
    Pin(Vec<Fingerprint>),
    /// Not at all: whoever answers is trusted with user and password
    /// (`ssl_cert_verify 0`).
    Insecure,
}

/// User and password; neither is ever printed.
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: SecretString,
}

pub(crate) struct Https {
    agent: Agent,
    credentials: Option<Credentials>,
}

impl Https {
    pub(crate) fn new(tls: &Tls, credentials: Option<Credentials>) -> Result<Self, Error> {
        let config = Agent::config_builder()
            .https_only(true)
            .proxy(None) // never from the environment: the appliance is a neighbour
            .max_redirects(0) // the password goes to the addresses given, and to no other
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("jdss-rest/", env!("CARGO_PKG_VERSION")));
        let builtin = match tls {
            Tls::WebPki => TlsConfig::builder().root_certs(RootCerts::WebPki),
            Tls::CaFile(path) => {
                let pem = std::fs::read(path).map_err(|source| Error::CaFile {
                    path: path.clone(),
                    source,
                })?;
                TlsConfig::builder().root_certs(roots(&pem, &path.display().to_string())?)
            }
            Tls::CaPem(pem) => TlsConfig::builder().root_certs(roots(pem, "the CA given")?),
            Tls::Pin(pins) if pins.is_empty() => return Err(Error::NoPin),
            Tls::Pin(pins) => {
                let agent = pinned::agent(config.build(), pins.clone());
                return Ok(Self { agent, credentials });
            }
            Tls::Insecure => TlsConfig::builder().disable_verification(true),
        };
        let agent = config.tls_config(builtin.build()).build().into();
        Ok(Self { agent, credentials })
    }

    /// The body is that of `request`, not a copy: it can hold a secret.
    fn request<'a>(
        &self,
        address: SocketAddr,
        request: &'a Request,
    ) -> Result<http::Request<&'a [u8]>, http::Error> {
        let method = match request.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
            Method::Delete => http::Method::DELETE,
        };
        let mut builder = http::Request::builder()
            .method(method)
            .uri(format!("https://{address}/api/v4{}", request.path))
            .header(header::ACCEPT, "application/json");
        if let Some(Credentials { user, password }) = &self.credentials {
            let plain = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
            let value = Zeroizing::new(format!("Basic {}", BASE64.encode(plain.as_bytes())));
            let mut value = HeaderValue::from_str(&value)?;
            value.set_sensitive(true);
            builder = builder.header(header::AUTHORIZATION, value);
        }
        if request.body.is_some() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        builder.body(request.body.as_deref().unwrap_or_default().as_bytes())
    }
}

fn roots(pem: &[u8], origin: &str) -> Result<RootCerts, Error> {
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {} // a key in the same file is not ours to use
            Err(_) => {
                return Err(Error::BadCa {
                    origin: origin.to_owned(),
                });
            }
        }
    }
    if certificates.is_empty() {
        return Err(Error::BadCa {
            origin: origin.to_owned(),
        });
    }
    Ok(RootCerts::from(certificates as Vec<Certificate<'static>>))
}

impl Transport for Https {
    fn exchange(
        &self,
        address: SocketAddr,
        request: &Request,
        limits: Limits,
    ) -> Result<Reply, TransportError> {
        let left = limits.deadline.saturating_duration_since(Instant::now());
        if left < LEAST {
            return Err(TransportError::ConnectTimeout { limit: left });
        }
        // It ends clearly before the rest, so that a request which was never
        // sent is not taken for one without an answer.
        let connect = limits.connect.min(left - (left / 8).max(LEAST / 4));
        let read = limits.read.min(left);
        let prepared = self
            .request(address, request)
            .map_err(|error| TransportError::Connect {
                source: io::Error::other(error),
            })?;
        let mut scope = self.agent.configure_request(prepared);
        scope = scope
            .timeout_global(Some(left))
            .timeout_connect(Some(connect))
            .timeout_send_request(Some(read))
            .timeout_send_body(Some(read))
            .timeout_recv_response(Some(read))
            .timeout_recv_body(Some(read));
        let request = scope.build();
        let sort = |error| sort(error, connect, read);
        let mut response = self.agent.run(request).map_err(sort)?;
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_BODY)
            .read_to_vec()
            .map_err(sort)?;
        Ok(Reply { status, body })
    }
}

/// Sorts the errors of ureq by what they mean for a repetition.
fn sort(error: ureq::Error, connect: Duration, read: Duration) -> TransportError {
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            TransportError::ConnectTimeout { limit: connect }
        }
        ureq::Error::Timeout(_) => TransportError::ReplyTimeout { limit: read },
        ureq::Error::Rustls(error) => tls(&error),
        ureq::Error::Tls(detail) => TransportError::Tls {
            detail: detail.to_owned(),
        },
        ureq::Error::Io(source) => sort_io(source),
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => TransportError::Connect {
            source: io::ErrorKind::NotConnected.into(),
        },
        // Nothing else is raised before the request is on its way.
        other => TransportError::Http {
            detail: other.to_string(),
        },
    }
}

fn sort_io(source: io::Error) -> TransportError {
    use io::ErrorKind as Kind;
    if let Some(error) = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        return tls(error);
    }
    match source.kind() {
        Kind::ConnectionRefused
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::AddrNotAvailable
        | Kind::PermissionDenied => TransportError::Connect { source },
        _ => TransportError::Broken { source },
    }
}

/// A handshake fails before any request is sent; later alerts do not.
fn tls(error: &rustls::Error) -> TransportError {
    match error {
        rustls::Error::InvalidCertificate(reason) => TransportError::Certificate {
            detail: untrusted(reason),
        },
        rustls::Error::AlertReceived(_) | rustls::Error::DecryptError => TransportError::Broken {
            source: io::Error::new(io::ErrorKind::ConnectionAborted, error.clone()),
        },
        other => TransportError::Tls {
            detail: other.to_string(),
        },
    }
}

fn untrusted(reason: &CertificateError) -> String {
    if let CertificateError::Other(OtherError(inner)) = reason
        && let Some(mismatch) = inner.downcast_ref::<pinned::Mismatch>()
    {
        return mismatch.to_string();
    }
    match reason.to_string() {
        // What `openssl req -x509` makes, and many appliances ship.
        text if text.contains("CaUsedAsEndEntity") => {
            "it is marked as the certificate of an authority (CA:TRUE), not of a host; pin its \
             fingerprint instead"
                .to_owned()
        }
        text => text,
    }
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Https").finish_non_exhaustive()
    }
}
