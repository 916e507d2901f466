//! Properties of a volume.

use jdss_rest::{Error, ErrorKind};
use serde_json::{Value, json};

use super::{ID, VOLUMES, volume};
use crate::script::{Script, gone, no_resource, ok, silent, soon, step};

#[test]
fn a_property_is_set_with_one_call() {
    let script = Script::new([step(format!("PUT {VOLUMES}/v_a/properties"), gone())
        .body(json!({ "property_name": "readonly", "property_value": "on" }))]);
    let pool = script.client().pool("Pool-0");
    pool.set_property("v_a", "readonly", "on", soon()).unwrap();
    script.assert_done();

    let path = || format!("PUT {VOLUMES}/v_a/properties");
    // An answer that says nothing: once more, and no more.
    let script = Script::new([step(path(), silent()), step(path(), silent())]);
    let pool = script.client().pool("Pool-0");
    pool.set_property("v_a", "readonly", "on", soon()).unwrap();
    script.assert_done();

    let script = Script::new([step(path(), no_resource("v_a"))]);
    let pool = script.client().pool("Pool-0");
    let error = pool.set_property("v_a", "sync", "always", soon());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Missing);
}

fn shown(reservation: &str) -> Value {
    let mut shown = volume("v_a", 16384, ID);
    shown["refreservation"] = reservation.into();
    shown
}

#[test]
fn a_volume_is_made_thin_or_thick() {
    for (thin, word) in [(true, "thin"), (false, "thick")] {
        let put = step(format!("PUT {VOLUMES}/v_a"), gone()).body(json!({ "provisioning": word }));
        let script = Script::new([put]);
        let pool = script.client().pool("Pool-0");
        pool.set_thin(&"a".parse().unwrap(), thin, soon()).unwrap();
        script.assert_done();
    }
}

#[test]
fn an_answer_that_says_nothing_is_looked_at() {
    let put = || step(format!("PUT {VOLUMES}/v_a"), silent());
    let get = |reservation| step(format!("GET {VOLUMES}/v_a"), ok(shown(reservation)));
    let id = "a".parse().unwrap();
    let script = Script::new([put(), get("20000"), put(), get("0")]);
    script
        .client()
        .pool("Pool-0")
        .set_thin(&id, true, soon())
        .unwrap();
    script.assert_done();

    let script = Script::new((0..4).flat_map(|_| [put(), get("20000")]));
    let error = script.client().pool("Pool-0").set_thin(&id, true, soon());
    assert!(matches!(error, Err(Error::NotSeen { .. })), "{error:?}");
    script.assert_done();
}
