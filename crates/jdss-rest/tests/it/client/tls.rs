//! Who is trusted, and that nobody else gets the password.

use jdss_rest::transport::TransportError;
use jdss_rest::{Error, ErrorKind, Fingerprint, Tls};
use rustls::version::{TLS12, TLS13};

use crate::script::soon;
use crate::server::*;

fn ask(server: &Server, tls: Tls) -> Result<(), Error> {
    let client = server.builder(tls).build()?;
    client.pool("Pool-0").info(soon()).map(|_| ())
}

fn serve(identity: Identity) -> Server {
    Server::start("127.0.0.1", identity, [Act::Answer(200, A_POOL)])
}

#[test]
fn a_pinned_certificate_is_trusted_whatever_is_in_it() {
    for version in [&TLS12, &TLS13] {
        let identity = Identity::of_an_appliance();
        let pin = identity.pin();
        let acts = vec![Act::Answer(200, A_POOL)];
        let server = Server::start_with("127.0.0.1", identity, &[version], acts);
        // Each head of a cluster has a certificate of its own.
        let other = Identity::of_an_appliance().pin();
        ask(&server, Tls::Pin(vec![other, pin])).unwrap();
        assert_eq!(
            server.log().requests,
            [("GET /api/v4/pools/Pool-0".to_owned(), true)]
        );
    }
}

#[test]
fn another_certificate_than_the_pinned_one_is_named_and_gets_nothing() {
    let identity = Identity::of_an_appliance();
    let found = identity.pin();
    let server = serve(identity);
    let pinned = Identity::of_an_appliance().pin();
    let patient = server
        .builder(Tls::Pin(vec![pinned]))
        .outage(std::time::Duration::from_secs(60));
    let client = patient.build().unwrap();
    let error = client.pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert!(!error.is_transient());
    let Error::Untrusted { attempts, .. } = &error else {
        panic!("{error:?}")
    };
    let reasons: Vec<&TransportError> = attempts.iter().map(|(_, reason)| reason).collect();
    assert!(
        matches!(reasons[..], [TransportError::Certificate { .. }]),
        "{reasons:?}"
    );
    assert!(error.to_string().contains(&found.to_string()), "{error}");
    server.wait_closed(1);
    let log = server.log();
    assert_eq!((log.connections, log.requests.len()), (1, 0), "{log:?}");
}

#[test]
fn who_has_the_pinned_certificate_but_not_its_key_gets_nothing() {
    for version in [&TLS12, &TLS13] {
        let identity = Identity::of_an_appliance().stolen();
        let pin = identity.pin();
        let acts = vec![Act::Answer(200, A_POOL)];
        let server = Server::start_with("127.0.0.1", identity, &[version], acts);
        let error = ask(&server, Tls::Pin(vec![pin])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
        assert!(error.to_string().contains("BadSignature"), "{error}");
        server.wait_closed(1);
        assert!(server.requests().is_empty());
    }
}

#[test]
fn a_self_signed_certificate_of_an_authority_is_refused_as_a_ca_with_the_way_out() {
    let identity = Identity::of_an_appliance();
    let pem = identity.pem.clone();
    let server = serve(identity);
    let error = ask(&server, Tls::CaPem(pem.into_bytes())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert!(error.to_string().contains("CA:TRUE"), "{error}");
    assert!(error.to_string().contains("pin its fingerprint"), "{error}");
    assert!(server.requests().is_empty());
    ask(&server, Tls::Insecure).unwrap();
}

#[test]
fn an_ipv6_address_can_be_pinned() {
    let identity = Identity::of_an_appliance();
    let pin = identity.pin();
    let server = Server::start("::1", identity, [Act::Answer(200, A_POOL)]);
    ask(&server, Tls::Pin(vec![pin])).unwrap();
    ask(&server, Tls::Insecure).unwrap();
}

#[test]
fn a_peer_without_tls_is_told_and_gets_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = vec![0; 4096];
        let length = stream.read(&mut seen).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        seen.truncate(length);
        seen
    });
    let pin: Fingerprint = Identity::of_an_appliance().pin();
    let client = jdss_rest::Client::builder(vec![address.ip()])
        .port(address.port())
        .credentials("admin", "geheim-17".to_owned().into())
        .tls(Tls::Pin(vec![pin]))
        .outage(std::time::Duration::ZERO)
        .build()
        .unwrap();
    let error = client.pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("no TLS connection"), "{error}");
    let seen = String::from_utf8_lossy(&peer.join().unwrap()).to_lowercase();
    assert!(!seen.contains("authorization"), "{seen}");
}
