//! HTTP to a real peer: connections, proxies, redirects, answers cut short.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use jdss_rest::{Client, Error, ErrorKind, Tls};

use crate::script::soon;
use crate::server::*;

const GET: &str = "GET /api/v4/pools/Pool-0";
const POST: &str = "POST /api/v4/pools/Pool-0/san/iscsi/targets";
const FINE: Act = Act::Answer(200, A_POOL);
const MADE: Act = Act::Answer(201, r#"{"data":{},"error":null}"#);

/// A server with these acts, and a client of it for either way to speak TLS.
fn each_tls(acts: &[Act], test: impl Fn(&Server, &Client)) {
    let identity = Identity::of_an_appliance();
    let pin = identity.pin();
    let server = Server::start("127.0.0.1", identity, acts);
    test(
        &server,
        &server.builder(Tls::Pin(vec![pin])).build().expect("a pin"),
    );
    let server = Server::start("127.0.0.1", Identity::of_an_appliance(), acts);
    test(
        &server,
        &server.builder(Tls::Insecure).build().expect("an address"),
    );
}

fn info(client: &Client) -> Result<(), Error> {
    client.pool("Pool-0").info(soon()).map(|_| ())
}

fn create(client: &Client) -> Result<(), Error> {
    client
        .pool("Pool-0")
        .create_target("iqn.a:b-0", &[], soon())
        .map(|_| ())
}

#[test]
fn a_connection_is_used_again() {
    each_tls(&[FINE], |server, client| {
        for _ in 0..5 {
            info(client).unwrap();
        }
        let log = server.log();
        assert_eq!((log.connections, log.requests.len()), (1, 5));
    });
}

#[test]
fn a_connection_that_was_closed_while_idle_is_not_used_again() {
    let acts = [
        Act::AnswerAndClose(200, A_POOL),
        Act::AnswerAndClose(201, r#"{"data":{},"error":null}"#),
        FINE,
    ];
    each_tls(&acts, |server, client| {
        info(client).unwrap();
        server.wait_closed(1);
        // Also for what is not repeated: nothing was lost.
        create(client).unwrap();
        server.wait_closed(2);
        info(client).unwrap();
        assert_eq!(server.log().connections, 3);
        assert_eq!(server.requests(), [GET, POST, GET]);
    });
}

#[test]
fn a_read_whose_connection_breaks_is_repeated_once() {
    for broken in [Act::Close, Act::CloseHalfway] {
        each_tls(&[broken, FINE], |server, client| {
            info(client).unwrap();
            assert_eq!(server.requests(), [GET, GET], "{broken:?}");
        });
        each_tls(&[broken], |server, client| {
            let error = info(client).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unreachable);
            assert!(error.to_string().contains("connection lost"), "{error}");
            assert_eq!(server.requests(), [GET, GET], "{broken:?}");
        });
    }
}

#[test]
fn a_creation_whose_connection_breaks_is_sent_once() {
    for broken in [Act::Close, Act::CloseHalfway, Act::Garbage] {
        each_tls(&[FINE, broken, MADE], |server, client| {
            info(client).unwrap();
            let error = create(client).unwrap_err();
            assert!(matches!(error, Error::LostReply { .. }), "{error:?}");
            assert_eq!(server.requests(), [GET, POST], "{broken:?}");
        });
    }
}

#[test]
fn a_redirection_is_not_followed() {
    let identity = Identity::of_an_appliance();
    let pin = identity.pin();
    let elsewhere = Server::start("127.0.0.1", identity, [FINE]);
    each_tls(&[Act::Redirect(elsewhere.address)], |server, client| {
        let error = info(client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("302"), "{error}");
        let error = create(client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(server.requests(), [GET, POST]);
    });
    assert_eq!(elsewhere.log().connections, 0);
    // It would have answered.
    info(&elsewhere.builder(Tls::Pin(vec![pin])).build().unwrap()).unwrap();
}

#[test]
fn what_is_not_http_is_told() {
    each_tls(&[Act::Garbage], |_, client| {
        let error = info(client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.to_string().contains("unusable answer"), "{error}");
    });
}

const CHILD: &str = "JDSS_REST_TEST_ASK";

#[test]
fn a_proxy_in_the_environment_is_not_used() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let identity = Identity::of_an_appliance();
    let pin = identity.pin();
    let server = Server::start("127.0.0.1", identity, [FINE]);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args([
            "--exact",
            "client::http::asks_when_told_to_by_its_environment",
        ])
        .env(CHILD, format!("{} {pin}", server.address));
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        child.env(name, &url).env(name.to_lowercase(), &url);
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.requests(), [GET, GET]);
    proxy.set_nonblocking(true).unwrap();
    let came = proxy.accept().unwrap_err();
    assert_eq!(came.kind(), std::io::ErrorKind::WouldBlock);
}

/// The child of the test above.
#[test]
fn asks_when_told_to_by_its_environment() {
    let Ok(told) = std::env::var(CHILD) else {
        return;
    };
    let (address, pin) = told.split_once(' ').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    for tls in [Tls::Insecure, Tls::Pin(vec![pin.parse().unwrap()])] {
        let client = Client::builder(vec![address.ip()])
            .port(address.port())
            .tls(tls)
            .outage(Duration::ZERO)
            .build()
            .unwrap();
        info(&client).unwrap();
    }
}

/// How long a silent address is waited for: longer than a good one takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(3);

/// Addresses with one port, the first of which takes connections and never says a word.
fn silent_and(acts: &[Act]) -> (TcpListener, Server) {
    loop {
        let server = Server::start("127.0.0.2", Identity::of_an_appliance(), acts);
        if let Ok(silent) = TcpListener::bind(("127.0.0.1", server.address.port())) {
            silent.set_nonblocking(true).expect("a socket");
            return (silent, server);
        }
    }
}

#[test]
fn a_silent_address_costs_its_time_once_and_not_at_all_when_the_good_one_is_known() {
    let (silent, server) = silent_and(&[FINE]);
    let addresses = vec![silent.local_addr().unwrap().ip(), server.address.ip()];
    let builder = || {
        Client::builder(addresses.clone())
            .port(server.address.port())
            .tls(Tls::Insecure)
            .connect_timeout(PATIENCE)
    };
    let client = builder().build().unwrap();
    for _ in 0..3 {
        info(&client).unwrap();
    }
    create(&client).unwrap();
    assert!(silent.accept().is_ok());
    assert!(silent.accept().is_err(), "asked a second time");

    let good = client.last_good().unwrap();
    assert_eq!(good, server.address);
    let next = builder().prefer(good.ip()).build().unwrap();
    info(&next).unwrap();
    assert!(silent.accept().is_err(), "asked by the second client");
    assert_eq!(server.requests(), [GET, GET, GET, POST, GET]);
}

#[test]
fn a_creation_goes_past_a_silent_address() {
    let (silent, server) = silent_and(&[MADE]);
    let addresses = vec![silent.local_addr().unwrap().ip(), server.address.ip()];
    let client = Client::builder(addresses)
        .port(server.address.port())
        .tls(Tls::Insecure)
        .connect_timeout(PATIENCE)
        .build()
        .unwrap();
    create(&client).unwrap();
    assert_eq!(server.requests(), [POST]);
}
