use serde_json::{Value, json};

use crate::client::{Client, Response};
use crate::pair;

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
    let set = |address: Value, open: bool| {
        let state = if open { "open" } else { "closed" };
        sim(
            &client,
            "PUT",
            "rest",
            &json!({"address": address, "state": state}),
        )
        .status
    };
    assert_eq!(set(json!(addresses[1]), false), 204);
    assert!(other.connect().is_err());
    assert_eq!(set(json!(addresses[1]), true), 204);
    other.get("/pools/Pool-0").data(200);
    assert_eq!(set(json!(addresses[0]), false), 400);
    assert_eq!(set(json!("127.0.0.9:1"), false), 400);
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
