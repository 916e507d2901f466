//! VIPs are remembered for a while, and read again when that could be wrong.

use jdss_rest::{Error, Publish};
use serde_json::{Value, json};

use super::*;

/// A publication that reads the VIPs.
fn first() -> Vec<Step> {
    let mut steps = second(target(&name(0), &["vip1", "vip2"]));
    steps.insert(2, vips());
    steps
}

/// One that remembers them.
fn second(found: Value) -> Vec<Step> {
    vec![
        query(json!([attached("Pool-0", &name(0), 0)])),
        get_target(&name(0), ok(found)),
        volume(),
    ]
}

fn put(serves: &[&str], answer: Answer) -> Step {
    step(format!("PUT {TARGETS}/{}", name(0)), answer).body(json!({
        "name": name(0),
        "vip_allowed_portals": { "enabled": true, "assigned_vips": serves } }))
}

fn vips_now(vips: Value) -> Step {
    step(VIPS, ok(vips))
}

fn unknown() -> Answer {
    fail(
        400,
        "jsonschema.ValidationError",
        None,
        "VIP vip1 not found",
    )
}

/// Publishes twice by one client; what the second one gave.
fn twice(
    then: Vec<Step>,
    change: impl FnOnce(&mut Publish),
) -> Result<jdss_rest::Published, Error> {
    let script = Script::new(first().into_iter().chain(then));
    let client = script.client();
    client.publish(&request(), soon()).expect("published");
    let mut request = request();
    change(&mut request);
    let result = client.publish(&request, soon());
    script.assert_done();
    result
}

#[test]
fn vips_are_read_once_for_several_volumes() {
    let published = twice(second(target(&name(0), &["vip1", "vip2"])), |_| {}).unwrap();
    assert_eq!(published.portals.len(), 2);
}

#[test]
fn vips_are_read_again_when_no_data_address_is_among_those_remembered() {
    let mut then = second(target(&name(0), &["vip9"]));
    then.insert(
        2,
        vips_now(json!([{ "name": "vip9", "address": "10.9.0.11" }])),
    );
    let published = twice(then, |request| {
        request
            .data_addresses
            .retain(|a| a.to_string() == "10.9.0.11")
    });
    assert_eq!(published.unwrap().portals.len(), 1);
}

#[test]
fn a_vip_that_the_appliance_does_not_know_any_more_is_looked_up_once() {
    let renamed = json!([
        { "name": "new1", "address": "10.1.0.11" }, { "name": "vip2", "address": "10.2.0.11" },
    ]);
    let mut then = second(target(&name(0), &["vip2", "gone"]));
    // Nothing is taken away while somebody is logged in; a name that no VIP has is nothing.
    let one = json!([{ "target_name": name(0), "initiator_name": "iqn.a:b", "ip": "10.1.0.51", "sid": "1" }]);
    then.splice(
        2..2,
        [
            sessions(&name(0), one.clone()),
            put(&["vip2", "gone", "vip1"], unknown()),
            vips_now(renamed),
            sessions(&name(0), one),
            put(&["vip2", "new1"], created(Value::Null)),
        ],
    );
    assert_eq!(twice(then, |_| {}).unwrap().portals.len(), 2);

    let mut then = second(target(&name(0), &["vip2"]));
    then.truncate(2);
    then.extend([
        put(&["vip2", "vip1"], unknown()),
        vips(),
        put(&["vip2", "vip1"], unknown()),
    ]);
    let error = twice(then, |_| {}).unwrap_err();
    assert!(error.to_string().contains("VIP vip1 not found"), "{error}");
}

#[test]
fn a_new_target_is_asked_for_with_vips_as_they_are() {
    let renamed = json!([
        { "name": "new1", "address": "10.1.0.11" }, { "name": "new2", "address": "10.2.0.11" },
    ]);
    let then = vec![
        query(json!([])),
        volume(),
        targets(json!([])),
        create(&name(0), unknown()),
        vips_now(renamed),
        step(format!("POST {TARGETS}"), created(Value::Null)).body(json!({
            "name": name(0), "active": true, "incoming_users_active": false,
            "vip_allowed_portals": { "enabled": true, "assigned_vips": ["new1", "new2"] } })),
        attach(&name(0), 0, created(lun("v_vm-100-disk-0", 0))),
    ];
    assert!(twice(then, |_| {}).unwrap().created.target);
}

#[test]
fn a_vip_that_was_added_lately_is_not_taken_away() {
    let more = json!([
        { "name": "vip1", "address": "10.1.0.11" }, { "name": "vip2", "address": "10.2.0.11" },
        { "name": "vip9", "address": "10.9.0.11" },
    ]);
    // Another node, which knows of it, has let the target serve it.
    let mut then = second(target(&name(0), &["vip1", "vip2", "vip9"]));
    then.splice(2..2, [sessions(&name(0), json!([])), vips_now(more)]);
    assert_eq!(twice(then, |_| {}).unwrap().portals.len(), 3);
}
