use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use jdss_sim::Appliance;
use serde_json::{Value, json};

use crate::client::Client;
use crate::{appliance, pair};

const POOL: &str = "/api/v4/pools/Pool-0";

#[test]
fn a_request_without_the_right_password_is_refused_in_plain_words() {
    let (appliance, client) = pair();
    for other in [
        client.clone().anonymous(),
        client.clone().user("admin", "wrong"),
        client.clone().user("root", "secret"),
    ] {
        for path in [POOL, "/api/v4/nothing", "/sim/requests"] {
            let answer = other.send("GET", path, "");
            assert_eq!(
                (answer.status, answer.text.as_str()),
                (401, "401 unauthorized")
            );
            assert!(
                answer.head.contains("WWW-Authenticate: Basic"),
                "{}",
                answer.head
            );
        }
    }
    assert_eq!(appliance.violations(), []);
    client.send("GET", POOL, "").data(200);
}

#[test]
fn a_connection_takes_request_after_request() {
    let (_appliance, client) = pair();
    let mut connection = client.connect().unwrap();
    for _ in 0..3 {
        connection.send("GET", POOL, "").unwrap().data(200);
        connection
            .send("GET", "/api/v4/pools/Pool-9", "")
            .unwrap()
            .error(404);
    }
    // Also when they come without waiting, and after an answer without a body.
    connection
        .ask(
            "POST",
            &format!("{POOL}/volumes"),
            r#"{"name": "v_a", "size": "1G"}"#,
        )
        .unwrap();
    connection
        .ask("DELETE", &format!("{POOL}/volumes/v_a"), "")
        .unwrap();
    connection.ask("GET", POOL, "").unwrap();
    connection.answer().unwrap().data(201);
    connection.answer().unwrap().no_content();
    connection.answer().unwrap().data(200);
}

#[test]
fn a_client_that_wants_to_close_gets_its_answer_first() {
    let (_appliance, client) = pair();
    let mut connection = client.connect().unwrap();
    connection
        .write(b"GET /api/v4/pools/Pool-0 HTTP/1.1\r\nConnection: close\r\n\r\n")
        .unwrap();
    let answer = connection.answer().unwrap();
    assert!(
        answer.head.contains("Connection: close\r\n"),
        "{}",
        answer.head
    );
    assert!(connection.is_cut());
}

#[test]
fn two_connections_are_served_at_once() {
    let (_appliance, client) = pair();
    let mut first = client.connect().unwrap();
    first.send("GET", POOL, "").unwrap().data(200);
    // Half a request: its thread waits for the rest.
    first.write(b"GET /api/v4/pools/Pool-0 HTT").unwrap();
    client.send("GET", POOL, "").data(200);
    first.write(b"P/1.1\r\n\r\n").unwrap();
    assert_eq!(first.answer().unwrap().status, 401);
}

#[test]
fn the_same_name_is_given_to_one_of_many_who_ask_at_once() {
    let (_appliance, client) = pair();
    let created: usize = thread::scope(|scope| {
        let asking: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let body = json!({"name": "v_a", "size": "1G"});
                    client.call("POST", "/pools/Pool-0/volumes", body).status
                })
            })
            .collect();
        let status = asking.into_iter().map(|asked| asked.join().unwrap());
        status.filter(|status| *status == 201).count()
    });
    assert_eq!(created, 1);
}

#[test]
fn garbage_is_answered_if_it_can_be_and_hurts_nobody() {
    let (appliance, client) = pair();
    // Before TLS: the connection ends (with an alert or without).
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 64], &[0xff; 20000]] {
        let mut socket = TcpStream::connect(appliance.rest_addr()).unwrap();
        let _ = socket.write_all(garbage); // It may be cut already.
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer); // As above.
        assert!(answer.len() < 100, "{answer:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    let cases: [(&[u8], u16); 5] = [
        (b"\x01\x02\x03\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (long.as_bytes(), 431),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            413,
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            411,
        ),
    ];
    for (number, (garbage, status)) in cases.into_iter().enumerate() {
        let mut connection = client.connect().unwrap();
        connection.write(garbage).unwrap();
        let answer = connection.answer().unwrap();
        assert_eq!(answer.status, status, "{}", answer.text);
        let error: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(error["error"]["class"], "sim.InvalidRequest");
        assert!(connection.is_cut());
        assert_eq!(appliance.violations().len(), number + 1);
    }
    client.send("GET", POOL, "").data(200);
}

#[test]
fn a_refused_body_is_taken_so_that_the_answer_arrives() {
    let (_appliance, client) = pair();
    let mut connection = client.connect().unwrap();
    let head = b"POST / HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n";
    connection.write(head).unwrap();
    for _ in 0..3000 {
        connection.write(&[b' '; 1000]).unwrap();
    }
    assert_eq!(connection.answer().unwrap().status, 413);
}

#[test]
fn connections_beyond_the_bound_are_closed_and_the_others_go_on() {
    let (_appliance, client) = pair();
    let mut open = Vec::new();
    while open.len() < 64 {
        let mut connection = client.connect().unwrap();
        connection.send("GET", POOL, "").unwrap().data(200);
        open.push(connection);
    }
    let mut beyond = client.connect().unwrap();
    assert!(beyond.send("GET", POOL, "").is_err());
    for connection in &mut open {
        connection.send("GET", POOL, "").unwrap().data(200);
    }
    // A place is free once the appliance has seen the end of another.
    let last = open.pop();
    drop(last);
    let served = (0..100_000).any(|_| {
        thread::yield_now();
        client
            .connect()
            .and_then(|mut one| one.send("GET", POOL, ""))
            .is_ok()
    });
    assert!(served);
}

#[test]
fn an_ended_appliance_leaves_nothing_behind() {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", 1 << 30).unwrap();
    let file = appliance.volume_path("Pool-0", "v_a").unwrap();
    let mut idle = client.connect().unwrap();
    idle.send("GET", POOL, "").unwrap().data(200);
    // Not even a handshake.
    let mut silent = TcpStream::connect(appliance.rest_addr()).unwrap();
    drop(appliance);
    assert!(idle.is_cut());
    assert!(matches!(silent.read(&mut [0]), Ok(0) | Err(_)));
    assert!(client.connect().is_err());
    assert!(!file.exists());
    assert!(!file.parent().unwrap().parent().unwrap().exists());
}

#[test]
fn an_address_is_closed_and_opened_again_at_the_same_port() {
    let builder = Appliance::builder()
        .pool("Pool-0")
        .rest("127.0.0.1:0")
        .rest("127.0.0.2:0");
    let appliance = builder.start().unwrap();
    let addresses = appliance.rest_addrs();
    assert_eq!(addresses[0].port(), addresses[1].port());
    let clients = addresses
        .iter()
        .map(|address| Client::at(*address, &appliance.ca_pem()));
    let clients: Vec<_> = clients.collect();
    let mut open = clients[0].connect().unwrap();
    open.send("GET", POOL, "").unwrap().data(200);
    for _ in 0..3 {
        appliance.close_rest(addresses[0]).unwrap();
        appliance.close_rest(addresses[0]).unwrap();
        assert!(open.is_cut());
        assert!(clients[0].connect().is_err());
        clients[1].send("GET", POOL, "").data(200);
        appliance.open_rest(addresses[0]).unwrap();
        appliance.open_rest(addresses[0]).unwrap();
        open = clients[0].connect().unwrap();
        open.send("GET", POOL, "").unwrap().data(200);
    }
    assert!(
        appliance
            .close_rest("127.0.0.9:1".parse().unwrap())
            .is_err()
    );
}

#[test]
fn ipv6_addresses_are_served_as_well() {
    let appliance = Appliance::builder()
        .pool("Pool-0")
        .rest("[::1]:0")
        .start()
        .unwrap();
    Client::new(&appliance).send("GET", POOL, "").data(200);
}

#[test]
fn another_certificate_is_not_trusted() {
    let (appliance, other) = (appliance(), appliance());
    let mut connection = Client::at(appliance.rest_addr(), &other.ca_pem())
        .connect()
        .unwrap();
    assert!(connection.send("GET", POOL, "").is_err());
}

#[test]
fn a_common_client_library_is_content() {
    use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
    let (appliance, _) = pair();
    let pem = appliance.ca_pem();
    let roots: Vec<Certificate<'static>> = parse_pem(pem.as_bytes())
        .filter_map(|item| match item.unwrap() {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::from(roots))
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let url = |path: &str| format!("https://{}/api/v4{path}", appliance.rest_addr());
    let body = json!({"name": "v_a", "size": "1G"}).to_string();
    let authorization = "Basic YWRtaW46c2VjcmV0";
    let answer = agent
        .post(url("/pools/Pool-0/volumes"))
        .header("Authorization", authorization)
        .content_type("application/json")
        .send(&body)
        .unwrap();
    assert_eq!(answer.status(), 201);
    let deleted = agent
        .delete(url("/pools/Pool-0/volumes/v_a"))
        .header("Authorization", authorization)
        .call()
        .unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(appliance.violations(), []);
}
