//! What goes wrong with one request, and when.

mod chance;
mod lists;

use std::io;
use std::time::Duration;

use jdss_sim::{Appliance, Error, Fault};
use serde_json::{Value, json};

use crate::client::{Client, Connection};
use crate::{pair, wait_until};

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

/// A request to create `v_a` that waits for its answer.
fn create(client: &Client) -> Connection {
    let mut connection = client.connect().expect("the appliance listens");
    let body = r#"{"name": "v_a", "size": "1G"}"#;
    let asked = connection.ask("POST", &format!("/api/v4{PATH}"), body);
    asked.expect("an open connection");
    connection
}

/// How many volumes there are.
fn volumes(client: &Client) -> usize {
    let list = client.get(PATH).data(200);
    list.as_array().map_or(0, Vec::len)
}

/// Was the n-th request carried out, and what struck it?
fn logged(appliance: &Appliance, n: usize) -> (bool, u16, Vec<Fault>) {
    let request = appliance.requests().swap_remove(n);
    (request.carried_out, request.status, request.faults)
}

#[test]
fn an_error_is_told_though_the_work_is_done() {
    let (appliance, client) = pair();
    let fault = Fault::configuration_race().after_work();
    appliance.fault("POST", VOLUMES, 1, fault.clone()).unwrap();
    let (class, errno, _) = create(&client).answer().unwrap().error(500);
    let expected = ("opene.cfgparser.CfgParserError", Some(13));
    assert_eq!((class.as_str(), errno), expected);
    assert_eq!(volumes(&client), 1);
    assert_eq!(logged(&appliance, 0), (true, 500, vec![fault]));
    // Told from one that was refused by a fault, and from one that the appliance refused.
    appliance
        .fault("POST", VOLUMES, 1, Fault::scst().after_work().before_work())
        .unwrap();
    create(&client).answer().unwrap().error(500);
    let (carried_out, _, faults) = logged(&appliance, 2);
    assert_eq!(
        (carried_out, faults),
        (false, vec![Fault::scst().before_work()])
    );
    create(&client).answer().unwrap().error(500);
    assert_eq!(logged(&appliance, 3), (false, 500, vec![]));
}

#[test]
fn each_class_of_error_has_its_fault() {
    let (appliance, client) = pair();
    let cases = [
        (
            Fault::configuration_race(),
            "opene.cfgparser.CfgParserError",
            Some(13),
        ),
        (Fault::scst(), "opene.tools.scstadmin.ScstAdminError", None),
        (Fault::os_error(), "exceptions.OSError", Some(12)),
        (
            Fault::busy("Pool-0/v_a"),
            "zfslib.wrap.zfs.ZfsCmdError",
            Some(1000),
        ),
    ];
    for (fault, class, errno) in cases {
        appliance.fault("POST", VOLUMES, 1, fault).unwrap();
        let (got, number, _) = create(&client).answer().unwrap().error(500);
        assert_eq!((got.as_str(), number), (class, errno));
    }
    assert_eq!(volumes(&client), 0);
}

#[test]
fn answers_come_without_the_envelope() {
    let (appliance, client) = pair();
    let cases = [
        (Fault::unauthorized(), 401, "401 unauthorized", "text/plain"),
        (Fault::no_body(), 200, "", "text/plain"),
        (
            Fault::other_data(),
            200,
            r#"{"data": "ok", "error": null}"#,
            "application/json",
        ),
    ];
    for (fault, status, text, kind) in cases {
        appliance.fault("POST", VOLUMES, 1, fault).unwrap();
        let answer = create(&client).answer().unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (status, text));
        assert!(answer.head.contains(kind), "{}", answer.head);
    }
    assert_eq!(volumes(&client), 0);
    for status in [502, 503] {
        let fault = Fault::proxy(status).after_work();
        appliance.fault("POST", VOLUMES, 1, fault).unwrap();
        let answer = create(&client).answer().unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.text.starts_with("<html>"), "{}", answer.text);
        assert!(answer.head.contains("text/html"), "{}", answer.head);
        assert_eq!(volumes(&client), 1);
        appliance.delete_volume("Pool-0", "v_a").unwrap();
    }
}

#[test]
fn a_connection_is_reset_in_the_middle_of_the_answer() {
    let (appliance, client) = pair();
    let whole = create(&client).answer().unwrap();
    appliance.delete_volume("Pool-0", "v_a").unwrap();
    appliance.fault("POST", VOLUMES, 1, Fault::Reset).unwrap();
    let (text, end) = create(&client).rest();
    assert_eq!(end, io::ErrorKind::ConnectionReset);
    let expected = whole.text.len() / 2;
    assert_eq!(text, format!("{}{}", whole.head, &whole.text[..expected]));
    assert_eq!(volumes(&client), 1);
    assert_eq!(logged(&appliance, 1), (true, 201, vec![Fault::Reset]));
}

#[test]
fn a_connection_is_reset_or_closed_before_the_work() {
    let (appliance, client) = pair();
    let cases = [
        (Fault::Reset.before_work(), io::ErrorKind::ConnectionReset),
        (Fault::NoReply.before_work(), io::ErrorKind::UnexpectedEof),
    ];
    for (n, (fault, end)) in cases.into_iter().enumerate() {
        appliance.fault("POST", VOLUMES, 1, fault.clone()).unwrap();
        assert_eq!(create(&client).rest(), (String::new(), end));
        assert_eq!(logged(&appliance, 2 * n), (false, 0, vec![fault]));
        assert_eq!(volumes(&client), 0);
    }
}

#[test]
fn an_answer_without_a_body_is_reset_as_well() {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", 1 << 30).unwrap();
    let route = "/pools/{pool}/volumes/{volume}";
    appliance.fault("DELETE", route, 1, Fault::Reset).unwrap();
    let mut connection = client.connect().unwrap();
    let asked = connection.ask("DELETE", &format!("/api/v4{PATH}/v_a"), "");
    asked.unwrap();
    let (text, end) = connection.rest();
    assert_eq!(end, io::ErrorKind::ConnectionReset);
    assert!(
        text.starts_with("HTTP/1.1 204") && !text.ends_with("\r\n\r\n"),
        "{text}"
    );
    assert_eq!(volumes(&client), 0);
}

#[test]
fn a_request_hangs_until_its_client_has_gone() {
    let (appliance, client) = pair();
    appliance.fault("POST", VOLUMES, 1, Fault::Hang).unwrap();
    let mut connection = create(&client);
    wait_until(|| appliance.held() == 1);
    assert_eq!(volumes(&client), 1);
    assert_eq!(logged(&appliance, 0), (true, 201, vec![Fault::Hang]));
    assert!(connection.is_ignored());
    drop(connection);
    wait_until(|| appliance.held() == 0);
}

#[test]
fn a_request_hangs_until_the_faults_are_cleared() {
    let (appliance, client) = pair();
    appliance
        .fault("POST", VOLUMES, 1, Fault::Hang.before_work())
        .unwrap();
    let mut connection = create(&client);
    wait_until(|| appliance.held() == 1);
    appliance.clear_faults();
    assert!(connection.is_cut());
    assert_eq!(volumes(&client), 0);
    appliance.fault("POST", VOLUMES, 1, Fault::Hang).unwrap();
    let mut connection = create(&client);
    wait_until(|| appliance.held() == 1);
    appliance.clear_faults();
    connection.answer().unwrap().data(201);
    assert_eq!((volumes(&client), appliance.held()), (1, 0));
}

#[test]
fn a_hanging_request_does_not_keep_the_appliance() {
    let (appliance, client) = pair();
    appliance.fault("POST", VOLUMES, 1, Fault::Hang).unwrap();
    let mut connection = create(&client);
    wait_until(|| appliance.held() == 1);
    drop(appliance);
    assert!(connection.is_cut());
}

#[test]
fn the_work_is_delayed_or_its_answer() {
    let (appliance, client) = pair();
    let long = Fault::Delay(Duration::from_secs(100_000));
    appliance
        .fault("POST", VOLUMES, 1, long.clone().before_work())
        .unwrap();
    let mut connection = create(&client);
    wait_until(|| appliance.held() == 1);
    assert_eq!(volumes(&client), 0);
    appliance.clear_faults();
    connection.answer().unwrap().data(201);
    appliance.delete_volume("Pool-0", "v_a").unwrap();
    appliance.fault("POST", VOLUMES, 1, long).unwrap();
    let mut connection = create(&client);
    wait_until(|| appliance.held() == 1);
    assert_eq!(volumes(&client), 1);
    // What is done is in the log, whoever waits for its answer.
    assert_eq!(appliance.count("POST", VOLUMES), 2);
    appliance.clear_faults();
    connection.answer().unwrap().data(201);
}

#[test]
fn a_delayed_request_is_done_although_its_client_has_gone() {
    let (appliance, client) = pair();
    let long = Fault::Delay(Duration::from_secs(100_000)).before_work();
    appliance.fault("POST", VOLUMES, 1, long).unwrap();
    let connection = create(&client);
    wait_until(|| appliance.held() == 1);
    drop(connection);
    assert_eq!(volumes(&client), 0);
    appliance.clear_faults();
    wait_until(|| appliance.count("POST", VOLUMES) == 1);
    assert_eq!(volumes(&client), 1);
}

#[test]
fn the_password_expires() {
    let (appliance, client) = pair();
    let mut open = client.connect().unwrap();
    open.send("GET", "/api/v4/pools/Pool-0", "")
        .unwrap()
        .data(200);
    appliance.set_password("changed");
    let answer = open.send("GET", "/api/v4/pools/Pool-0", "").unwrap();
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (401, "401 unauthorized")
    );
    assert_eq!(logged(&appliance, 1), (false, 401, vec![]));
    let changed = client.clone().user("admin", "changed");
    changed.get("/pools/Pool-0").data(200);
    // The program that disturbs keeps its own.
    client.send("GET", "/sim/requests", "").data(200);
    appliance.set_password("secret");
    client.get("/pools/Pool-0").data(200);
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
    for fault in [
        Fault::StaleList,
        Fault::ShortList,
        Fault::FlappingTotal.before_work(),
    ] {
        let error = appliance.fault("POST", VOLUMES, 1, fault).unwrap_err();
        assert!(matches!(error, Error::UnfitFault { .. }), "{error}");
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
