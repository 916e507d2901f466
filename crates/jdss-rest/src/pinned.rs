//! TLS to a peer that is known by its certificate's fingerprint.
//!
//! ureq's own TLS cannot be told to check that, so this takes its place in the
//! chain of connectors. It is the only place that uses the part of ureq which
//! may change with a minor version: see docs/decisions/0004.

use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, OtherError,
    SignatureScheme, StreamOwned,
};
use ureq::config::Config;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, TcpConnector, Transport,
    TransportAdapter,
};
use ureq::{Agent, Error};

use crate::fingerprint::Fingerprint;

/// An agent that speaks only to peers with one of these certificates.
pub(crate) fn agent(config: Config, pins: Vec<Fingerprint>) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier {
        pins,
        provider: Arc::clone(&provider),
    };
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for them")
        .dangerous() // it is the check of the pin that makes it safe
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let connector = Pinned(Arc::new(tls));
    let chain = ().chain(TcpConnector::default()).chain(connector);
    Agent::with_parts(config, chain, DefaultResolver::default())
}

/// The certificate is another one than those pinned.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("its SHA-256 fingerprint is {found}, and that is not pinned")]
pub(crate) struct Mismatch {
    found: Fingerprint,
}

/// Takes a certificate for its fingerprint alone: neither names nor dates nor
/// the chain matter. That the peer has its key is verified as ever.
#[derive(Debug)]
struct Verifier {
    pins: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = Fingerprint::of(end_entity);
        if self.pins.contains(&found) {
            return Ok(ServerCertVerified::assertion());
        }
        let mismatch = OtherError(Arc::new(Mismatch { found }));
        Err(CertificateError::Other(mismatch).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// Puts TLS on the connection that the chain has made so far.
#[derive(Debug)]
struct Pinned(Arc<ClientConfig>);

impl<In: Transport> Connector<In> for Pinned {
    type Out = Stream<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(tcp) = chained else {
            return Ok(None);
        };
        let host = details.uri.host().unwrap_or_default();
        // An IPv6 address stands in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::Tls("the host is not an address"))?;
        let mut tls = ClientConnection::new(Arc::clone(&self.0), name)?;
        let mut socket = TransportAdapter::new(tcp, Arc::clone(&details.current_time));
        let now = (details.current_time)();
        socket.set_timeout(left(details.timeout, details.now, now));
        // To its end, so that nothing is sent before the peer is verified.
        tls.complete_io(&mut socket)?;
        let config = details.config;
        Ok(Some(Stream {
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            stream: StreamOwned::new(tls, socket),
        }))
    }
}

/// What is left at `now` of a time that began at `since`: the TCP connection has had its part.
fn left(mut timeout: NextTimeout, since: Instant, now: Instant) -> NextTimeout {
    if let (Duration::Exact(limit), Instant::Exact(since), Instant::Exact(now)) =
        (timeout.after, since, now)
    {
        let used = now.saturating_duration_since(since);
        timeout.after = limit.saturating_sub(used).into();
    }
    timeout
}

struct Stream<In: Transport> {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter<In>>,
}

impl<In: Transport> Transport for Stream<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let read = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl<In: Transport> fmt::Debug for Stream<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_gets_what_tcp_has_left_of_the_time() {
        let since = std::time::Instant::now();
        let then = |millis| Instant::Exact(since + std::time::Duration::from_millis(millis));
        let limit = NextTimeout {
            after: Duration::from_millis(2000),
            ..NextTimeout::default()
        };
        for (now, after) in [(0, 2000), (1500, 500), (2000, 0), (9000, 0)] {
            let left = left(limit, then(0), then(now));
            assert_eq!(left.after, Duration::from_millis(after));
            assert_eq!(left.reason, limit.reason);
        }
        // No limit stays none.
        let none = NextTimeout::default();
        assert_eq!(left(none, then(0), then(9000)), none);
    }
}
