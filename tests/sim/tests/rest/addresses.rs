//! Addresses that fall silent, and what is counted of them.

use std::net::TcpStream;

use jdss_sim::Appliance;
use serde_json::json;

use crate::client::Client;
use crate::wait_until;

const POOL: &str = "/api/v4/pools/Pool-0";
const VOLUMES: &str = "/api/v4/pools/Pool-0/volumes";

fn two_addresses() -> (Appliance, [Client; 2]) {
    let builder = Appliance::builder().pool("Pool-0");
    let builder = builder.rest("127.0.0.1:0").rest("127.0.0.2:0");
    let appliance = builder.start().expect("loopback addresses can be bound");
    let addresses = appliance.rest_addrs();
    let clients = [0, 1].map(|n| Client::at(addresses[n], &appliance.ca_pem()));
    (appliance, clients)
}

#[test]
fn a_silent_address_neither_refuses_nor_answers_and_then_goes_on() {
    let (appliance, [client, other]) = two_addresses();
    let address = appliance.rest_addrs()[0];
    let mut before = client.connect().unwrap();
    before.send("GET", POOL, "").unwrap().data(200);
    appliance.silence_rest(address).unwrap();

    before.ask("GET", POOL, "").unwrap();
    assert!(before.is_ignored());
    let mut during = client.connect().unwrap();
    assert!(during.is_ignored());
    other.send("GET", POOL, "").data(200);
    let counts = appliance.connections(address).unwrap();
    assert_eq!((counts.accepted, counts.handshakes, counts.open), (2, 1, 2));

    appliance.open_rest(address).unwrap();
    before.answer().unwrap().data(200);
    during.send("GET", POOL, "").unwrap().data(200);
    client.send("GET", POOL, "").data(200);
    assert_eq!(appliance.requests().len(), 5);
}

#[test]
fn what_a_client_asked_that_has_left_a_silent_address_is_not_done() {
    let (appliance, [client, other]) = two_addresses();
    let address = appliance.rest_addrs()[0];
    let mut connection = client.connect().unwrap();
    connection.send("GET", POOL, "").unwrap().data(200);
    appliance.silence_rest(address).unwrap();
    let body = json!({"name": "v_a", "size": "1G"}).to_string();
    connection.ask("POST", VOLUMES, &body).unwrap();
    drop(connection);
    wait_until(|| appliance.connections(address).unwrap().open == 0);
    appliance.open_rest(address).unwrap();
    assert_eq!(other.send("GET", VOLUMES, "").data(200), json!([]));
    let methods: Vec<_> = appliance.requests().into_iter().map(|r| r.method).collect();
    assert_eq!(methods, ["GET", "GET"]);
}

#[test]
fn a_silent_address_can_be_closed_and_a_closed_one_silenced() {
    let (appliance, [client, _]) = two_addresses();
    let address = appliance.rest_addrs()[0];
    appliance.silence_rest(address).unwrap();
    let mut held = client.connect().unwrap();
    appliance.close_rest(address).unwrap();
    assert!(held.is_cut());
    assert!(client.connect().is_err());
    appliance.silence_rest(address).unwrap();
    appliance.silence_rest(address).unwrap();
    let mut held = client.connect().unwrap();
    assert!(held.is_ignored());
    appliance.open_rest(address).unwrap();
    held.send("GET", POOL, "").unwrap().data(200);
    assert!(
        appliance
            .silence_rest("127.0.0.9:1".parse().unwrap())
            .is_err()
    );
}

#[test]
fn the_end_of_an_appliance_ends_silence() {
    let (appliance, [client, _]) = two_addresses();
    appliance.silence_rest(appliance.rest_addrs()[0]).unwrap();
    let mut held = client.connect().unwrap();
    drop(appliance);
    assert!(held.is_cut());
}

#[test]
fn connections_and_handshakes_are_counted_for_each_address() {
    let (appliance, [client, other]) = two_addresses();
    let [first, second] = [0, 1].map(|n| appliance.rest_addrs()[n]);
    let counts = |address| {
        let counts = appliance.connections(address).unwrap();
        (counts.accepted, counts.handshakes)
    };
    assert_eq!((counts(first), counts(second)), ((0, 0), (0, 0)));
    let mut connection = client.connect().unwrap();
    for _ in 0..3 {
        connection.send("GET", POOL, "").unwrap().data(200);
    }
    other.send("GET", POOL, "").data(200);
    drop(TcpStream::connect(second).unwrap());
    wait_until(|| counts(second).0 == 2);
    assert_eq!((counts(first), counts(second)), ((1, 1), (2, 1)));
    // A closed address counts nothing, an opened one goes on.
    appliance.close_rest(first).unwrap();
    assert!(client.connect().is_err());
    assert_eq!(counts(first), (1, 1));
    appliance.open_rest(first).unwrap();
    client.send("GET", POOL, "").data(200);
    assert_eq!(counts(first), (2, 2));
    let numbers: Vec<_> = appliance.requests().iter().map(|r| r.connection).collect();
    assert_eq!(numbers, [0, 0, 0, 1, 3]);
    assert!(
        appliance
            .connections("127.0.0.9:1".parse().unwrap())
            .is_err()
    );
}
