//! What is repeated, how often, and what is not.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jdss_rest::transport::{Limits, Reply, Request, Transport, TransportError};
use jdss_rest::{Client, Error, ErrorKind};
use serde_json::{Value, json};

use super::{get_pool, pool};
use crate::script::*;

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
    let script = Script::new((0..8).map(|_| get_pool(failure())));
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
fn what_an_appliance_in_trouble_says_is_asked_again_everywhere() {
    let garbled = || {
        Ok(Reply {
            status: 200,
            body: b"<html>".to_vec(),
        })
    };
    let script = Script::new([
        get_pool(garbled()),
        get_pool(garbled()),
        get_pool(garbled()),
        get_pool(ok(pool())),
    ]);
    assert!(script.client().pool("Pool-0").info(soon()).is_ok());
    assert_eq!(script.asked(), [1, 2, 1, 2]);
    script.assert_done();
}

#[test]
fn not_found_without_words_of_the_api_is_not_taken_for_absent() {
    let unknown_route = r#"{"data":null,"error":{"class":"werkzeug.exceptions.NotFound","message":"The requested URL was not found on the server."}}"#;
    for (status, body, asked) in [
        (404, "<html>404 Not Found</html>", 2),
        (404, "", 2),
        (302, "", 2),
        (404, unknown_route, 1),
    ] {
        let answer = || {
            let body = body.as_bytes().to_vec();
            get_pool(Ok(Reply { status, body }))
        };
        let script = Script::new((0..asked).map(|_| answer()));
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
    let no_tls = || {
        Err(TransportError::Tls {
            detail: "received corrupt message".to_owned(),
        })
    };
    for lost in [no_reply as fn() -> _, broken, no_tls] {
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
