use serde_json::{Value, json};

use crate::client::{Client, Response};
use crate::{pair, wait_until};

const TARGET: &str = "iqn.2025-04.test:a";

fn sim(client: &Client, method: &str, what: &str, body: &Value) -> Response {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    client.send(method, &format!("/sim/{what}"), &body)
}

#[test]
fn the_administrators_part_is_played_from_outside() {
    let (appliance, client) = pair();
    let ask = |method: &str, what: &str, body: Value| sim(&client, method, what, &body);
    let volume =
        json!({"pool": "Pool-0", "name": "v_a", "size": 1 << 30, "scsi_id": "0123456789abcdef"});
    ask("POST", "volume", volume.clone()).no_content();
    assert_eq!(ask("POST", "volume", volume).status, 500);
    assert_eq!(
        appliance.scsi_id("Pool-0", "v_a").unwrap(),
        "0123456789abcdef"
    );
    let change = json!({"pool": "Pool-0", "name": "v_a", "size": 2_147_483_648_u64, "scsi_id": "fedcba9876543210"});
    ask("PUT", "volume", change).no_content();
    let shown = client.get("/pools/Pool-0/volumes/v_a").data(200);
    assert_eq!(shown["volsize"], "2147483648");
    assert_eq!(shown["default_scsi_id"], "fedcba9876543210");

    appliance.create_target("Pool-0", TARGET).unwrap();
    let lun = json!({"pool": "Pool-0", "target": TARGET, "volume": "v_a", "lun": 4});
    ask("POST", "lun", lun).no_content();
    let luns = format!("/pools/Pool-0/san/iscsi/targets/{TARGET}/luns");
    assert_eq!(client.get(&luns).data(200)[0]["lun"], 4);
    ask(
        "DELETE",
        "lun",
        json!({"pool": "Pool-0", "target": TARGET, "volume": "v_a"}),
    )
    .no_content();
    assert_eq!(client.get(&luns).data(200), json!([]));

    ask(
        "PUT",
        "target",
        json!({"pool": "Pool-0", "target": TARGET, "active": false}),
    )
    .no_content();
    let target = client
        .get(&format!("/pools/Pool-0/san/iscsi/targets/{TARGET}"))
        .data(200);
    assert_eq!(target["active"], false);
    ask("DELETE", "volume", json!({"pool": "Pool-0", "name": "v_a"})).no_content();
    client.get("/pools/Pool-0/volumes/v_a").error(500);
}

#[test]
fn the_logs_are_read_and_cleared_from_outside() {
    let (appliance, client) = pair();
    client.get("/pools/Pool-0").data(200);
    client.get("/nothing").error(404);
    let requests = sim(&client, "GET", "requests", &Value::Null).data(200);
    let expected = json!({
        "local": appliance.rest_addr(), "method": "GET", "path": "/api/v4/pools/Pool-0",
        "route": "/pools/{pool}", "body": "", "status": 200, "carried_out": true, "connection": 0,
    });
    assert_eq!(
        (&requests[0], requests.as_array().map(Vec::len)),
        (&expected, Some(2))
    );
    let violations = sim(&client, "GET", "violations", &Value::Null).data(200);
    assert_eq!(violations[0]["path"], "/api/v4/nothing");
    for what in ["commands", "sessions"] {
        assert_eq!(sim(&client, "GET", what, &Value::Null).data(200), json!([]));
    }
    sim(&client, "DELETE", "commands", &Value::Null).no_content();
    assert_eq!(appliance.requests().len(), 2);
    sim(&client, "DELETE", "requests", &Value::Null).no_content();
    assert_eq!(
        (appliance.requests(), appliance.violations()),
        (vec![], vec![])
    );
}

#[test]
fn faults_are_set_from_outside() {
    let (_appliance, client) = pair();
    let set = |fault: &Value| {
        let body = json!({"method": "GET", "route": "/pools/{pool}", "times": 1, "fault": fault});
        sim(&client, "POST", "fault", &body)
    };
    let get = || client.get("/pools/Pool-0");
    let answer = json!({"answer": {"status": 503, "class": "made.Up", "message": "later"}});
    set(&answer).no_content();
    assert_eq!(
        get().error(503),
        ("made.Up".to_owned(), None, "later".to_owned())
    );
    get().data(200);
    set(&json!("no_data")).no_content();
    assert_eq!(get().data(200), Value::Null);
    set(&json!("no_reply")).no_content();
    let mut connection = client.connect().unwrap();
    connection.ask("GET", "/api/v4/pools/Pool-0", "").unwrap();
    assert!(connection.is_cut());
    set(&json!({"delay": {"seconds": 0.0}})).no_content();
    set(&answer).no_content();
    sim(&client, "DELETE", "fault", &Value::Null).no_content();
    get().data(200);
    for bad in [
        json!("explode"),
        json!({"delay": {"seconds": -1.0}}),
        json!({"delay": {"seconds": 1.0, "chance": 2}}),
    ] {
        assert_eq!(set(&bad).status, 400, "{bad}");
    }
    let nowhere =
        json!({"method": "GET", "route": "/pools/Pool-0", "times": 1, "fault": "no_data"});
    assert_eq!(sim(&client, "POST", "fault", &nowhere).status, 400);
}

#[test]
fn every_form_of_a_fault_is_set_from_outside_and_shown_alike_in_the_log() {
    let (appliance, client) = pair();
    let faults = [
        json!("no_data"),
        json!("stale_list"),
        json!("short_list"),
        json!("flapping_total"),
        json!({"body": {"status": 502, "body": "<html>"}}),
        json!({"delay": {"seconds": 0.5}}),
        json!("hang"),
        json!("reset"),
        json!("no_reply"),
        json!({"at": {"moment": "after_work", "fault": {"answer":
            {"status": 500, "class": "exceptions.OSError", "errno": 12, "message": "no"}}}}),
        json!({"at": {"moment": "before_work", "fault": "hang"}}),
    ];
    for fault in &faults {
        let body = json!({"method": "GET", "route": "/pools/{pool}", "times": 1, "fault": fault});
        sim(&client, "POST", "fault", &body).no_content();
        let mut connection = client.connect().unwrap();
        connection.ask("GET", "/api/v4/pools/Pool-0", "").unwrap();
        if fault.to_string().contains("hang") || fault["delay"].is_object() {
            let held = || sim(&client, "GET", "held", &Value::Null).data(200);
            wait_until(|| held() == 1);
            sim(&client, "DELETE", "fault", &Value::Null).no_content();
        }
        let _ = connection.answer(); // Some end without.
    }
    let requests = sim(&client, "GET", "requests", &Value::Null).data(200);
    let logged = |request: &Value| request["faults"][0].clone();
    let logged: Vec<_> = requests.as_array().unwrap().iter().map(logged).collect();
    assert_eq!(logged, faults);
    let carried_out: Vec<_> = appliance.requests().iter().map(|r| r.carried_out).collect();
    let expected = [
        false, true, true, true, false, true, true, true, true, true, false,
    ];
    assert_eq!(carried_out, expected);
}

#[test]
fn faults_come_every_nth_time_and_by_chance_from_outside() {
    let (appliance, client) = pair();
    let set = |more: Value| {
        let mut body = json!({"method": "GET", "route": "/pools/{pool}", "fault": "no_data"});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        sim(&client, "POST", "fault", &body).status
    };
    let struck = || {
        let struck = |_: &i32| client.get("/pools/Pool-0").data(200).is_null();
        (0..20).filter(struck).count()
    };
    assert_eq!(set(json!({"every": 4})), 204);
    assert_eq!(struck(), 5);
    appliance.clear_faults();
    assert_eq!(set(json!({"share": {"seed": 1, "per_mille": 1000}})), 204);
    assert_eq!(struck(), 20);
    appliance.clear_faults();
    for bad in [
        json!({}),
        json!({"times": 1, "every": 1}),
        json!({"every": -1}),
    ] {
        assert_eq!(set(bad.clone()), 400, "{bad}");
    }
    let chaos = json!({"seed": 1, "faults": [{"per_mille": 1000, "fault": "no_data"}]});
    sim(&client, "POST", "chaos", &chaos).no_content();
    assert_eq!(struck(), 20);
    assert!(client.get("/pools/Pool-0/vips").data(200).is_null());
    sim(&client, "DELETE", "fault", &Value::Null).no_content();
    assert_eq!(struck(), 0);
}

#[test]
fn the_password_expires_from_outside_and_the_way_in_stays() {
    let (_appliance, client) = pair();
    sim(&client, "PUT", "password", &json!({"password": "other"})).no_content();
    assert_eq!(client.get("/pools/Pool-0").status, 401);
    sim(&client, "PUT", "password", &json!({"password": "secret"})).no_content();
    client.get("/pools/Pool-0").data(200);
}

#[test]
fn what_rest_has_done_is_shown_late_from_outside() {
    let (_appliance, client) = pair();
    sim(&client, "PUT", "lag", &json!({"volumes": 1})).no_content();
    let new = json!({"name": "v_a", "size": "1G"});
    client.call("POST", "/pools/Pool-0/volumes", new).data(201);
    let listed = || client.get("/pools/Pool-0/volumes").data(200) != json!([]);
    assert_eq!((listed(), listed()), (false, true));
    assert_eq!(sim(&client, "PUT", "lag", &json!({"all": 1})).status, 400);
}

#[test]
fn a_pool_is_moved_from_outside_by_an_address_that_stays() {
    let builder = jdss_sim::Appliance::builder().pool("Pool-0");
    let builder = builder
        .vip("Pool-0", "vip1", [127, 0, 0, 2].into())
        .rest("127.0.0.1:0")
        .rest("127.0.0.2:0")
        .second_head()
        .rest("127.0.0.3:0");
    let appliance = builder.start().unwrap();
    let addresses = appliance.rest_addrs();
    let [first, vip, second] = [0, 1, 2].map(|n| Client::at(addresses[n], &appliance.ca_pem()));
    let set = |client: &Client, state: &str| {
        let body = json!({"pool": "Pool-0", "state": state});
        sim(client, "PUT", "pool", &body).status
    };
    assert_eq!(set(&vip, "moving"), 400);
    assert_eq!(set(&first, "arrived"), 400);
    assert_eq!(set(&first, "moving"), 204);
    first.get("/pools/Pool-0").error(404);
    assert!(vip.connect().unwrap().is_ignored());
    assert_eq!(set(&second, "arrived"), 204);
    second.get("/pools/Pool-0").data(200);
    assert_eq!(set(&first, "refusing"), 204);
    assert!(vip.connect().is_err());
    assert_eq!(set(&first, "arrived"), 204);
    vip.get("/pools/Pool-0").data(200);
    assert_eq!(set(&first, "lost"), 400);
}

#[test]
fn connections_are_counted_for_those_outside() {
    let (appliance, client) = pair();
    client.get("/pools/Pool-0").data(200);
    let shown = sim(&client, "GET", "connections", &Value::Null).data(200);
    let open = shown[0]["open"].as_u64().unwrap();
    assert!((1..=2).contains(&open), "{shown}");
    let address = appliance.rest_addr();
    let expected = json!([{"address": address, "accepted": 2, "handshakes": 2, "open": open}]);
    assert_eq!(shown, expected);
}

#[test]
fn addresses_are_closed_from_outside_but_not_the_one_that_is_asked() {
    let builder = jdss_sim::Appliance::builder().pool("Pool-0");
    let appliance = builder
        .rest("127.0.0.1:0")
        .rest("127.0.0.2:0")
        .start()
        .unwrap();
    let addresses = appliance.rest_addrs();
    let client = Client::new(&appliance);
    let other = Client::at(addresses[1], &appliance.ca_pem());
    let set = |address: Value, state: &str| {
        sim(
            &client,
            "PUT",
            "rest",
            &json!({"address": address, "state": state}),
        )
        .status
    };
    assert_eq!(set(json!(addresses[1]), "closed"), 204);
    assert!(other.connect().is_err());
    assert_eq!(set(json!(addresses[1]), "open"), 204);
    other.get("/pools/Pool-0").data(200);
    assert_eq!(set(json!(addresses[1]), "silent"), 204);
    assert!(other.connect().unwrap().is_ignored());
    assert_eq!(set(json!(addresses[1]), "open"), 204);
    other.get("/pools/Pool-0").data(200);
    for state in ["closed", "silent"] {
        assert_eq!(set(json!(addresses[0]), state), 400);
        assert_eq!(set(json!("127.0.0.9:1"), state), 400);
    }
}

#[test]
fn a_control_request_of_another_form_is_refused_and_no_client_is_blamed() {
    let (appliance, client) = pair();
    for (method, what, body, status) in [
        ("GET", "nothing", Value::Null, 404),
        (
            "PATCH",
            "volume",
            json!({"pool": "Pool-0", "name": "v_a"}),
            404,
        ),
        (
            "POST",
            "volume",
            json!({"pool": "Pool-0", "name": "v_a"}),
            400,
        ),
        (
            "POST",
            "volume",
            json!({"pool": "Pool-0", "name": "v_a", "size": 1, "colour": 1}),
            400,
        ),
        (
            "POST",
            "lun",
            json!({"pool": "Pool-0", "target": TARGET, "volume": "v_a"}),
            400,
        ),
        (
            "PUT",
            "portal",
            json!({"address": "127.0.0.99", "state": "closed"}),
            400,
        ),
    ] {
        assert_eq!(
            sim(&client, method, what, &body).status,
            status,
            "{method} {what} {body}"
        );
    }
    assert_eq!(
        (appliance.requests(), appliance.violations()),
        (vec![], vec![])
    );
}
