use std::time::Duration;

use jdss_sim::{Error, Fault};
use serde_json::{Value, json};

use crate::pair;

const VOLUMES: &str = "/pools/{pool}/volumes";
const PATH: &str = "/pools/Pool-0/volumes";

fn answer(status: u16, class: &str) -> Fault {
    Fault::Answer {
        status,
        class: class.to_owned(),
        errno: Some(7),
        message: "made up".to_owned(),
    }
}

#[test]
fn an_error_comes_as_often_as_it_was_asked_for_and_nothing_is_done() {
    let (appliance, client) = pair();
    appliance
        .fault("POST", VOLUMES, 2, answer(500, "exceptions.OSError"))
        .unwrap();
    appliance
        .fault("POST", VOLUMES, 1, Fault::configuration_race())
        .unwrap();
    let body = json!({"name": "v_a", "size": "1G"});
    for _ in 0..2 {
        let expected = (
            "exceptions.OSError".to_owned(),
            Some(7),
            "made up".to_owned(),
        );
        assert_eq!(client.call("POST", PATH, body.clone()).error(500), expected);
    }
    let (class, errno, _) = client.call("POST", PATH, body.clone()).error(500);
    assert_eq!(
        (class.as_str(), errno),
        ("opene.cfgparser.CfgParserError", Some(13))
    );
    assert_eq!(client.get(PATH).data(200), json!([]));
    client.call("POST", PATH, body).data(201);
    assert_eq!(appliance.count("POST", VOLUMES), 4);
    assert_eq!(appliance.violations(), []);
}

#[test]
fn a_fault_that_could_never_come_true_is_refused() {
    let (appliance, _client) = pair();
    for (method, route) in [("POST", "/pools/Pool-0/volumes"), ("PATCH", VOLUMES)] {
        let error = appliance
            .fault(method, route, 1, Fault::NoData)
            .unwrap_err();
        assert!(matches!(error, Error::UnknownRoute { .. }), "{error}");
    }
}

#[test]
fn an_answer_is_lost_after_the_work_is_done() {
    let (appliance, client) = pair();
    appliance.fault("POST", VOLUMES, 1, Fault::NoReply).unwrap();
    let mut connection = client.connect().unwrap();
    connection
        .ask(
            "POST",
            &format!("/api/v4{PATH}"),
            r#"{"name": "v_a", "size": "1G"}"#,
        )
        .unwrap();
    assert!(connection.is_cut());
    assert_eq!(client.get(PATH).data(200)[0]["name"], "v_a");
    assert_eq!(appliance.requests()[0].status, 201);
}

#[test]
fn an_overloaded_appliance_answers_without_data() {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", 1 << 30).unwrap();
    appliance
        .fault("GET", "/pools/{pool}/volumes/{volume}", 1, Fault::NoData)
        .unwrap();
    assert_eq!(
        client.get("/pools/Pool-0/volumes/v_a").data(200),
        Value::Null
    );
    assert_eq!(
        client.get("/pools/Pool-0/volumes/v_a").data(200)["name"],
        "v_a"
    );
}

#[test]
fn a_delay_holds_one_answer_up_and_nobody_else_nor_the_end() {
    let (appliance, client) = pair();
    appliance
        .fault(
            "GET",
            VOLUMES,
            1,
            Fault::Delay(Duration::from_secs(100_000)),
        )
        .unwrap();
    let mut held = client.connect().unwrap();
    held.ask("GET", &format!("/api/v4{PATH}"), "").unwrap();
    client.get("/pools/Pool-0").data(200);
    drop(appliance);
    assert!(held.is_cut());
}

#[test]
fn forgotten_faults_do_not_come_true() {
    let (appliance, client) = pair();
    appliance
        .fault("GET", VOLUMES, 9, answer(503, "x"))
        .unwrap();
    client.get(PATH).error(503);
    appliance.clear_faults();
    client.get(PATH).data(200);
}
