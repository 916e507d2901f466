//! Which address is asked, and when.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jdss_rest::transport::{Limits, Reply, Request, Transport, TransportError};
use jdss_rest::{Client, ErrorKind};
use serde_json::json;

use super::{get_pool, pool};
use crate::script::*;

#[test]
fn the_address_that_answered_is_asked_first_from_then_on() {
    let script = Script::new([
        get_pool(refused()),
        get_pool(ok(pool())),
        get_pool(ok(pool())),
        get_pool(refused()),
        get_pool(ok(pool())),
    ]);
    let client = script.client();
    for _ in 0..3 {
        assert_eq!(
            client.pool("Pool-0").info(soon()).unwrap().available,
            1 << 40
        );
    }
    assert_eq!(script.asked(), [1, 2, 2, 2, 1]);
    script.assert_done();
}

#[test]
fn every_address_that_does_not_answer_is_named_with_its_reason() {
    let script = Script::new([get_pool(refused()), get_pool(no_reply())]);
    let error = script.client().pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.is_transient());
    let text = error.to_string();
    for part in [
        "pool Pool-0",
        "192.0.2.1:82",
        "connection refused",
        "192.0.2.2:82",
        "15s",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    script.assert_done();
}

#[test]
fn an_outage_is_ridden_out() {
    let script = Script::new([
        get_pool(refused()),
        get_pool(refused()),
        get_pool(refused()),
        get_pool(ok(pool())),
    ]);
    // As it is set by default.
    let client = Client::builder(vec![
        "192.0.2.1".parse().unwrap(),
        "192.0.2.2".parse().unwrap(),
    ])
    .retry_pause(Duration::ZERO)
    .build_with(script.clone())
    .unwrap();
    assert!(client.pool("Pool-0").info(soon()).is_ok());
    script.assert_done();
}

#[test]
fn an_appliance_that_was_never_reached_is_unreachable_also_when_time_is_over() {
    let script = Script::new([get_pool(refused())]);
    let client = Client::builder(vec!["192.0.2.1".parse().unwrap()])
        .outage(Duration::from_secs(3600))
        .retry_pause(Duration::from_secs(3600))
        .build_with(script.clone())
        .unwrap();
    let error = client.pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    script.assert_done();
}

/// Refuses every connection, and counts them.
#[derive(Debug, Clone, Default)]
struct Refusing(Arc<AtomicUsize>);

impl Transport for Refusing {
    fn exchange(&self, _: SocketAddr, _: &Request, _: Limits) -> Result<Reply, TransportError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        refused()
    }
}

#[test]
fn nothing_is_tried_again_without_time_for_a_connection() {
    let refusing = Refusing::default();
    let client = Client::builder(vec!["192.0.2.1".parse().unwrap()])
        .retry_pause(Duration::ZERO)
        .build_with(refusing.clone())
        .unwrap();
    let deadline = Instant::now() + Duration::from_millis(200);
    let error = client.pool("Pool-0").info(deadline).unwrap_err();
    // Not even once on a machine that is busy enough.
    let asked = refusing.0.load(Ordering::Relaxed);
    assert!(asked <= 1, "asked {asked} times");
    let text = error.to_string();
    assert_eq!(text.contains("connection refused"), asked == 1, "{text}");
}

#[test]
fn an_untrusted_certificate_is_told_apart_from_an_absent_appliance() {
    // Each address once: a certificate does not become trusted by waiting.
    let script = Script::new([get_pool(untrusted()), get_pool(untrusted())]);
    let client = builder()
        .outage(Duration::from_secs(60))
        .build_with(script.clone())
        .unwrap();
    let error = client.pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert!(!error.is_transient());
    assert!(error.to_string().contains("UnknownIssuer"));
    script.assert_done();
}

#[test]
fn a_creation_that_was_never_received_goes_to_the_next_address() {
    let script = Script::new([
        step(format!("POST {TARGETS}"), refused()),
        step(
            format!("POST {TARGETS}"),
            reply(201, &json!({ "data": {}, "error": null })),
        ),
    ]);
    script
        .client()
        .pool("Pool-0")
        .create_target("iqn.a:b-0", &[], soon())
        .unwrap();
    assert_eq!(script.asked(), [1, 2]);
    script.assert_done();
}

/// As a pool answers that is not there, from something that is not the appliance.
fn elsewhere(status: u16) -> Result<Reply, TransportError> {
    let body = b"<html>Found</html>".to_vec();
    Ok(Reply { status, body })
}

#[test]
fn an_address_known_to_be_good_is_asked_first() {
    let script = Script::new([get_pool(ok(pool())), get_pool(ok(pool()))]);
    let second = "192.0.2.2".parse().unwrap();
    let client = builder().prefer(second).build_with(script.clone()).unwrap();
    assert_eq!(client.last_good(), None);
    client.pool("Pool-0").info(soon()).unwrap();
    assert_eq!(client.last_good(), Some("192.0.2.2:82".parse().unwrap()));
    // One that is not ours is not asked.
    let stranger = "192.0.2.3".parse().unwrap();
    let client = builder()
        .prefer(stranger)
        .build_with(script.clone())
        .unwrap();
    client.pool("Pool-0").info(soon()).unwrap();
    assert_eq!(client.last_good(), Some("192.0.2.1:82".parse().unwrap()));
    assert_eq!(script.asked(), [2, 1]);
    script.assert_done();
}

#[test]
fn an_address_that_gave_no_answer_is_not_the_last_good_one() {
    let script = Script::new([get_pool(refused()), get_pool(no_reply())]);
    let client = script.client();
    client.pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(client.last_good(), None);
    script.assert_done();
}

#[test]
fn an_untrusted_address_is_asked_once_while_the_others_are_waited_for() {
    let script = Script::new([
        get_pool(untrusted()),
        get_pool(refused()),
        get_pool(refused()),
        get_pool(ok(pool())),
        get_pool(untrusted()),
        get_pool(refused()),
    ]);
    let patient = builder().outage(Duration::from_secs(60));
    let client = patient.build_with(script.clone()).unwrap();
    client.pool("Pool-0").info(soon()).unwrap();
    assert_eq!(script.asked(), [1, 2, 2, 2]);
    // What can be mended is told, also when the rest is out of reach.
    let error = script.client().pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    let text = error.to_string();
    assert!(text.contains("UnknownIssuer"), "{text}");
    assert!(text.contains("connection refused"), "{text}");
    script.assert_done();
}

#[test]
fn an_address_of_something_else_is_left_for_one_of_the_appliance() {
    for status in [302, 404, 200] {
        let script = Script::new([
            get_pool(elsewhere(status)),
            get_pool(ok(pool())),
            get_pool(ok(pool())),
        ]);
        let client = script.client();
        client.pool("Pool-0").info(soon()).unwrap();
        client.pool("Pool-0").info(soon()).unwrap();
        assert_eq!(script.asked(), [1, 2, 2], "{status}");
        script.assert_done();
    }
}

#[test]
fn addresses_of_something_else_are_told_at_once() {
    let script = Script::new([get_pool(elsewhere(302)), get_pool(elsewhere(404))]);
    let patient = builder().outage(Duration::from_secs(60));
    let client = patient.build_with(script.clone()).unwrap();
    let error = client.pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let text = error.to_string();
    assert!(
        text.contains("192.0.2.1:82") && text.contains("302"),
        "{text}"
    );
    assert_eq!(client.last_good(), None);
    script.assert_done();
}

#[test]
fn addresses_in_short_ipv6_form_are_taken() {
    let addresses = vec!["::1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let script = Script::new([get_pool(refused()), get_pool(refused())]);
    let client = Client::builder(addresses).outage(Duration::ZERO);
    let client = client.build_with(script.clone()).unwrap();
    let text = client.pool("Pool-0").info(soon()).unwrap_err().to_string();
    assert!(text.contains("[::1]:82: no connection"), "{text}");
    assert!(text.contains("[2001:db8::1]:82: no connection"), "{text}");
    script.assert_done();
}
