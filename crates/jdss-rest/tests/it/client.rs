//! Which address is asked, what is repeated, what errors say.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::script::*;
use jdss_rest::transport::{Limits, Reply, Request, Transport, TransportError};
use jdss_rest::{Client, Error, ErrorKind, NewVolume, Tls};
use serde_json::{Value, json};

fn pool() -> Value {
    json!({ "name": "Pool-0", "id": "8123412341234123412", "size": "2199023255552",
        "available": "1099511627776", "health": "ONLINE", "status": 24 })
}

fn get_pool(answer: Result<Reply, TransportError>) -> Step {
    step(format!("GET {POOL}"), answer)
}

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
fn an_outage_is_ridden_out_when_asked_for() {
    let script = Script::new([
        get_pool(refused()),
        get_pool(refused()),
        get_pool(refused()),
        get_pool(ok(pool())),
    ]);
    let client = Client::builder(vec![
        "192.0.2.1".parse().unwrap(),
        "192.0.2.2".parse().unwrap(),
    ])
    .retry_pause(Duration::ZERO)
    .outage(Duration::from_secs(60))
    .build_with(script.clone())
    .unwrap();
    assert!(client.pool("Pool-0").info(soon()).is_ok());
    script.assert_done();
}

#[test]
fn an_appliance_that_was_never_reached_is_unreachable_also_when_time_is_over() {
    let script = Script::new([get_pool(refused())]);
    let client = Client::builder(vec!["192.0.2.1".parse().unwrap()])
        .outage(Duration::from_secs(60))
        .build_with(script.clone())
        .unwrap();
    let deadline = Instant::now() + Duration::from_millis(20);
    let error = client.pool("Pool-0").info(deadline).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    script.assert_done();
}

#[test]
fn an_untrusted_certificate_is_told_apart_from_an_absent_appliance() {
    let untrusted = || {
        Err(TransportError::Certificate {
            detail: "UnknownIssuer".to_owned(),
        })
    };
    // Each address once: a certificate does not become trusted by waiting.
    let script = Script::new([get_pool(untrusted()), get_pool(untrusted())]);
    let client = Client::builder(vec![
        "192.0.2.1".parse().unwrap(),
        "192.0.2.2".parse().unwrap(),
    ])
    .retry_pause(Duration::ZERO)
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
fn an_idle_connection_that_broke_is_no_reason_to_leave_an_address() {
    let script = Script::new([get_pool(broken()), get_pool(ok(pool()))]);
    assert!(script.client().pool("Pool-0").info(soon()).is_ok());
    assert_eq!(script.asked(), [1, 1]);
    script.assert_done();
}

#[test]
fn a_failure_that_passes_is_asked_again() {
    let empty = || {
        Ok(Reply {
            status: 200,
            body: Vec::new(),
        })
    };
    for passing in [
        config_race as fn() -> _,
        empty,
        || ok(Value::Null),
        || ok(json!([])),
        || fail(500, "opene.tools.scstadmin.ScstAdminError", Some(1), "scst"),
        || fail(500, "exceptions.OSError", Some(5), "Input/output error"),
        || {
            Ok(Reply {
                status: 200,
                body: b"<html>".to_vec(),
            })
        },
        || {
            Ok(Reply {
                status: 503,
                body: b"busy".to_vec(),
            })
        },
    ] {
        let script = Script::new([
            get_pool(passing()),
            get_pool(passing()),
            get_pool(ok(pool())),
        ]);
        assert!(script.client().pool("Pool-0").info(soon()).is_ok());
        assert_eq!(script.asked(), [1, 1, 1]);
        script.assert_done();
    }
}

#[test]
fn a_failure_that_does_not_pass_ends_after_a_few_tries_with_its_own_text() {
    let failure = || {
        fail(
            500,
            "opene.tools.scstadmin.ScstAdminError",
            None,
            "no such handler",
        )
    };
    let script = Script::new((0..5).map(|_| get_pool(failure())));
    let error = script.client().pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.to_string().contains("no such handler"), "{error}");
    script.assert_done();
}

#[test]
fn wrong_credentials_end_the_call_at_once() {
    let bare = || {
        Ok(Reply {
            status: 401,
            body: b"401 unauthorized".to_vec(),
        })
    };
    let script = Script::new([get_pool(bare())]);
    let error = script.client().pool("Pool-0").info(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.to_string().contains("192.0.2.1:82"), "{error}");
    assert!(
        error.to_string().contains("check user and password"),
        "{error}"
    );
    script.assert_done();
}

#[test]
fn not_found_without_words_of_the_api_is_not_taken_for_absent() {
    for (status, body) in [
        (404, "<html>404 Not Found</html>"),
        (404, ""),
        (302, ""),
        (
            404,
            r#"{"data":null,"error":{"class":"werkzeug.exceptions.NotFound","message":"The requested URL was not found on the server."}}"#,
        ),
    ] {
        let answer = Ok(Reply {
            status,
            body: body.as_bytes().to_vec(),
        });
        let script = Script::new([get_pool(answer)]);
        let error = script.client().pool("Pool-0").info(soon()).unwrap_err();
        assert_ne!(error.kind(), ErrorKind::Missing, "{status} {body}");
        script.assert_done();
    }
}

#[test]
fn nothing_is_asked_after_the_deadline() {
    let script = Script::new([]);
    let error = script
        .client()
        .pool("Pool-0")
        .info(Instant::now())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
}

#[test]
fn a_creation_without_an_answer_is_not_repeated() {
    for lost in [no_reply as fn() -> _, broken] {
        let script = Script::new([step(format!("POST {TARGETS}"), lost())]);
        let error = script
            .client()
            .pool("Pool-0")
            .create_target("iqn.a:b-0", &[], soon());
        assert!(matches!(error, Err(Error::LostReply { .. })), "{error:?}");
        script.assert_done();
    }
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

#[test]
fn removing_what_is_not_there_is_no_failure() {
    let script = Script::new([
        step(
            format!("DELETE {TARGETS}/iqn.a:b-0/luns/v_x"),
            missing("Lun"),
        ),
        step(
            format!("DELETE {TARGETS}/iqn.a:b-0"),
            Ok(Reply {
                status: 204,
                body: Vec::new(),
            }),
        ),
    ]);
    let client = script.client();
    assert!(
        !client
            .pool("Pool-0")
            .detach("iqn.a:b-0", "v_x", soon())
            .unwrap()
    );
    assert!(
        client
            .pool("Pool-0")
            .delete_target("iqn.a:b-0", soon())
            .unwrap()
    );
    script.assert_done();
}

#[test]
fn a_paged_list_is_read_to_its_end() {
    let vip = |n: u32| json!({ "name": format!("vip{n}"), "address": format!("10.0.0.{n}") });
    let script = Script::new([
        step(
            format!("GET {POOL}/vips"),
            ok(json!({ "results": "3", "entries": [vip(1), vip(2)] })),
        ),
        step(
            format!("GET {POOL}/vips?page=1"),
            ok(json!({ "results": 3, "entries": [vip(3)] })),
        ),
    ]);
    let vips = script.client().pool("Pool-0").vips(soon()).unwrap();
    assert_eq!(vips.len(), 3);
    assert_eq!(vips[2].ip(), Some("10.0.0.3".parse().unwrap()));
    script.assert_done();
}

#[test]
fn a_list_that_came_shortened_is_an_error() {
    let part = json!({ "results": 3, "entries": [{ "name": "vip1", "address": "10.0.0.1" }] });
    let none = || ok(json!({ "results": 3, "entries": [] }));
    let reading = || {
        [
            step(format!("GET {POOL}/vips"), ok(part.clone())),
            step(format!("GET {POOL}/vips?page=1"), none()),
        ]
    };
    let script = Script::new((0..3).flat_map(|_| reading()));
    let error = script.client().pool("Pool-0").vips(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.to_string().contains("1 entries were read"), "{error}");
    script.assert_done();
}

#[test]
fn names_are_encoded_and_cannot_lead_elsewhere() {
    let script = Script::new([step("GET /pools/a%20b%2F..%3F%25", ok(pool()))]);
    let client = script.client();
    client.pool("a b/..?%").info(soon()).unwrap();
    for name in ["", ".", ".."] {
        assert_eq!(
            client.pool(name).info(soon()).unwrap_err().kind(),
            ErrorKind::Invalid
        );
        let error = client
            .pool("Pool-0")
            .delete_target(name, soon())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    script.assert_done();
}

fn new_volume() -> NewVolume {
    NewVolume {
        id: "vm-100-disk-0".parse().expect("an id"),
        size: 32 * 1024 + 1,
        thin: true,
        block_size: 16 * 1024,
    }
}

fn volume(size: u64) -> Value {
    json!({ "name": "v_vm-100-disk-0", "volsize": size.to_string(), "origin": null,
        "default_scsi_id": null, "san:volume_id": "4fa1c0de77e2b316ff", "creation": "1767225600" })
}

fn absent() -> Result<Reply, TransportError> {
    let message = "Zfs resource: Pool-0/v_vm-100-disk-0 not found in this collection.";
    fail(
        500,
        "zfslib.zfsapi.resources.ZfsResourceError",
        Some(1),
        message,
    )
}

const VOLUME: &str = "GET /pools/Pool-0/volumes/v_vm-100-disk-0";
const CREATE: &str = "POST /pools/Pool-0/volumes";

#[test]
fn a_new_volume_has_whole_blocks() {
    let script = Script::new([
        step(VOLUME, absent()),
        step(
            CREATE,
            reply(201, &json!({ "data": volume(48 * 1024), "error": null })),
        )
        .body(json!({
            "name": "v_vm-100-disk-0", "size": "49152", "sparse": true, "blocksize": "16K" })),
    ]);
    let made = script
        .client()
        .pool("Pool-0")
        .create_volume(&new_volume(), soon())
        .unwrap();
    assert_eq!(made.size, 48 * 1024);
    assert_eq!(made.scsi_id.unwrap().as_str(), "4fa1c0de77e2b316");
    script.assert_done();
}

#[test]
fn a_volume_whose_creation_got_no_answer_is_adopted() {
    let script = Script::new([
        step(VOLUME, absent()),
        step(CREATE, no_reply()),
        step(VOLUME, absent()),
        step(CREATE, broken()),
        step(VOLUME, ok(volume(48 * 1024))),
    ]);
    let made = script
        .client()
        .pool("Pool-0")
        .create_volume(&new_volume(), soon())
        .unwrap();
    assert_eq!(made.size, 48 * 1024);
    script.assert_done();
}

#[test]
fn a_volume_of_somebody_else_is_never_adopted() {
    let before = Script::new([step(VOLUME, ok(volume(48 * 1024)))]);
    let between = Script::new([
        step(VOLUME, absent()),
        step(CREATE, no_reply()),
        step(VOLUME, ok(volume(1))),
    ]);
    let named = "Resource Pool-0/v_vm-100-disk-0 already exists.";
    let told = Script::new([
        step(VOLUME, absent()),
        step(CREATE, fail(500, "x.Y", Some(5), named)),
    ]);
    for script in [before, between, told] {
        let error = script
            .client()
            .pool("Pool-0")
            .create_volume(&new_volume(), soon());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Exists);
        script.assert_done();
    }
}

#[test]
fn a_block_size_that_does_not_exist_is_refused_before_anything_is_asked() {
    let script = Script::new([]);
    for block_size in [0, 1, 2048, 5000, 2 << 20] {
        let new = NewVolume {
            block_size,
            ..new_volume()
        };
        let error = script
            .client()
            .pool("Pool-0")
            .create_volume(&new, soon())
            .unwrap_err();
        assert!(matches!(error, Error::BlockSize { .. }));
    }
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let address = || vec!["192.0.2.1".parse().unwrap()];
    let error = Client::builder(vec![]).build().unwrap_err();
    assert!(matches!(error, Error::NoAddress));
    let error = Client::builder(address())
        .credentials("a:b", "c".to_owned().into())
        .build();
    assert!(matches!(error, Err(Error::BadUser)));
    let error = Client::builder(address())
        .tls(Tls::CaFile("/nonexistent".into()))
        .build();
    assert!(matches!(error, Err(Error::CaFile { .. })));
    let error = Client::builder(address())
        .tls(Tls::CaPem(b"nothing".to_vec()))
        .build();
    assert!(matches!(error, Err(Error::BadCa { .. })));
}

#[test]
fn the_password_is_in_no_debug_output() {
    let builder = Client::builder(vec!["192.0.2.1".parse().unwrap()])
        .credentials("admin", "geheim-17".to_owned().into());
    let mut seen = format!("{builder:?}");
    seen += &format!("{:?}", builder.build().unwrap());
    assert!(!seen.contains("geheim"), "{seen}");
}

#[test]
fn reads_get_less_time_than_deletions() {
    #[derive(Debug, Clone, Default)]
    struct Times(Arc<Mutex<Vec<Duration>>>);
    impl Transport for Times {
        fn exchange(
            &self,
            _: std::net::SocketAddr,
            _: &Request,
            limits: Limits,
        ) -> Result<Reply, TransportError> {
            self.0.lock().expect("not poisoned").push(limits.read);
            ok(pool())
        }
    }
    let times = Times::default();
    let client = Client::builder(vec!["192.0.2.1".parse().unwrap()])
        .build_with(times.clone())
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(3600);
    client.pool("Pool-0").info(deadline).unwrap();
    client.pool("Pool-0").delete_target("t", deadline).unwrap();
    let times = times.0.lock().unwrap();
    assert_eq!(times[0], Duration::from_secs(15));
    assert!(times[1] > Duration::from_secs(600), "{times:?}");
}

#[test]
fn errors_can_cross_threads() {
    fn crosses<T: Send + Sync + std::error::Error + 'static>() {}
    crosses::<Error>();
}
