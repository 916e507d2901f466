//! Publishing on canned answers: which calls, how many, in which order.

use crate::script::*;
use jdss_rest::transport::{Reply, TransportError};
use jdss_rest::{Error, ErrorKind, Publish, TargetGroup};
use serde_json::{Value, json};

type Answer = Result<Reply, TransportError>;

const PREFIX: &str = "iqn.2025-04.proxmox.joviandss.iscsi:";
const QUERY: &str = "GET /san/iscsi/luns?where=name==v_vm-100-disk-0";
const VOLUME: &str = "GET /pools/Pool-0/volumes/v_vm-100-disk-0";
const VIPS: &str = "GET /pools/Pool-0/vips";
const SCSI_ID: &str = "4fa1c0de77e2b316";

fn name(index: u32) -> String {
    format!("{PREFIX}vm-100-{index}")
}

fn target(name: &str, vips: &[&str]) -> Value {
    json!({ "name": name, "active": true, "conflicted": false, "incoming_users_active": false,
        "outgoing_user": null, "allow_ip": [], "deny_ip": [],
        "vip_allowed_portals": { "enabled": true, "assigned_vips": vips } })
}

fn inactive(name: &str) -> Value {
    let mut target = target(name, &["vip1", "vip2"]);
    target["active"] = json!(false);
    target
}

fn lun(volume: &str, lun: u16) -> Value {
    json!({ "name": volume, "lun": lun, "mode": "wt", "block_size": 512, "scsi_id": SCSI_ID })
}

fn attached(pool: &str, target: &str, lun: u16) -> Value {
    json!({ "pool": pool, "iscsi_target": { "name": target, "active": true },
        "lun": { "lun": lun, "name": "v_vm-100-disk-0", "scsi_id": SCSI_ID, "eui": "3466613163306465" } })
}

fn query(entries: Value) -> Step {
    step(QUERY, ok(entries))
}

fn volume() -> Step {
    step(
        VOLUME,
        ok(json!({ "name": "v_vm-100-disk-0", "volsize": "34359738368" })),
    )
}

fn vips() -> Step {
    step(
        VIPS,
        ok(json!([
            { "name": "vip2", "address": "10.2.0.11", "netmask": "255.255.255.0" },
            { "name": "vip1", "address": "10.1.0.11", "netmask": "255.255.255.0" },
            { "name": "vip3", "address": "fd00::1" },
        ])),
    )
}

fn get_target(name: &str, answer: Answer) -> Step {
    step(format!("GET {TARGETS}/{name}"), answer)
}

fn targets(targets: Value) -> Step {
    step(format!("GET {TARGETS}"), ok(targets))
}

fn luns(target: &str, luns: Value) -> Step {
    step(format!("GET {TARGETS}/{target}/luns"), ok(luns))
}

fn create(target: &str, answer: Answer) -> Step {
    step(format!("POST {TARGETS}"), answer).body(json!({
        "name": target, "active": true, "incoming_users_active": false,
        "vip_allowed_portals": { "enabled": true, "assigned_vips": ["vip1", "vip2"] } }))
}

fn attach(target: &str, number: u16, answer: Answer) -> Step {
    step(format!("POST {TARGETS}/{target}/luns"), answer)
        .body(json!({ "name": "v_vm-100-disk-0", "lun": number }))
}

fn created(data: Value) -> Answer {
    reply(201, &json!({ "data": data, "error": null }))
}

fn sessions(target: &str, sessions: Value) -> Step {
    step(format!("GET {TARGETS}/{target}/sessions"), ok(sessions))
}

fn delete(target: &str) -> Step {
    step(
        format!("DELETE {TARGETS}/{target}"),
        Ok(Reply {
            status: 204,
            body: Vec::new(),
        }),
    )
}

fn conflict(message: &str) -> Answer {
    fail(409, "opene.exceptions.ItemConflictError", None, message)
}

fn request() -> Publish {
    Publish {
        pool: "Pool-0".to_owned(),
        volume: "vm-100-disk-0".parse().expect("a volume id"),
        target_prefix: PREFIX.parse().expect("a prefix"),
        group: TargetGroup::of("vm-100-disk-0").expect("a group"),
        luns_per_target: 8,
        data_addresses: ["10.1.0.11", "10.9.0.11", "10.2.0.11"]
            .map(|address| address.parse().expect("an address"))
            .to_vec(),
    }
}

fn publish(script: &Script) -> Result<jdss_rest::Published, Error> {
    let result = script.client().publish(&request(), soon());
    script.assert_done();
    result
}

#[test]
fn an_attached_volume_costs_four_calls() {
    let script = Script::new([
        query(json!([attached("Pool-0", &name(0), 3)])),
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2"]))),
        volume(),
        vips(),
    ]);
    let published = publish(&script).unwrap();
    assert_eq!(published.target, name(0));
    assert_eq!(published.lun, 3);
    assert_eq!(published.scsi_id.wwid(), "23466613163306465");
    assert_eq!(published.size, 32 << 30);
    assert!(!published.created.target && !published.created.lun);
    assert_eq!(script.asked().len(), 4);
}

#[test]
fn portals_are_vips_in_the_order_of_the_data_addresses() {
    let script = Script::new([
        query(json!([attached("Pool-0", &name(0), 0)])),
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2", "vip3"]))),
        volume(),
        vips(),
    ]);
    let published = publish(&script).unwrap();
    let portals: Vec<String> = published.portals.iter().map(ToString::to_string).collect();
    assert_eq!(portals, ["10.1.0.11", "10.2.0.11"]);
    assert_eq!(
        published.unused,
        ["10.9.0.11".parse::<std::net::IpAddr>().unwrap()]
    );
}

#[test]
fn addresses_of_version_six_compare_as_values() {
    let script = Script::new([
        query(json!([attached("Pool-0", &name(0), 0)])),
        get_target(&name(0), ok(target(&name(0), &["vip3"]))),
        volume(),
        vips(),
    ]);
    let data_addresses = vec!["FD00:0:0:0:0:0:0:1".parse().unwrap()];
    let request = Publish {
        data_addresses,
        ..request()
    };
    let published = script.client().publish(&request, soon()).unwrap();
    assert_eq!(published.portals, request.data_addresses);
    script.assert_done();
}

#[test]
fn a_volume_on_a_new_target_costs_six_calls() {
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([
            target("iqn.other:vm-100-0", &[]),
            target(&format!("{PREFIX}vm-1000-0"), &[])
        ])),
        vips(),
        create(&name(0), created(target(&name(0), &["vip1", "vip2"]))),
        attach(&name(0), 0, created(lun("v_vm-100-disk-0", 0))),
    ]);
    let published = publish(&script).unwrap();
    assert_eq!((published.target, published.lun), (name(0), 0));
    assert!(published.created.target && published.created.lun);
    assert_eq!(script.asked().len(), 6);
}

#[test]
fn the_second_volume_of_a_guest_takes_the_next_number_on_its_target() {
    let script = Script::new([
        query(json!([attached("Pool-9", &name(0), 0)])),
        volume(),
        targets(json!([target(&name(0), &["vip2", "vip1"])])),
        luns(
            &name(0),
            json!([lun("v_a", 0), { "name": "v_b", "lun": "2" }]),
        ),
        vips(),
        attach(&name(0), 1, created(lun("v_vm-100-disk-0", 1))),
    ]);
    let published = publish(&script).unwrap();
    assert_eq!((published.target, published.lun), (name(0), 1));
    assert!(!published.created.target && published.created.lun);
}

#[test]
fn vips_are_added_to_a_target_and_none_is_taken_away() {
    let script = Script::new([
        query(json!([attached("Pool-0", &name(0), 0)])),
        get_target(&name(0), ok(target(&name(0), &["other", "vip2"]))),
        volume(),
        vips(),
        step(format!("PUT {TARGETS}/{}", name(0)), created(Value::Null)).body(json!({
            "name": name(0),
            "vip_allowed_portals": { "enabled": true, "assigned_vips": ["other", "vip2", "vip1"] } })),
    ]);
    assert_eq!(publish(&script).unwrap().portals.len(), 2);
}

#[test]
fn a_target_that_serves_everywhere_is_left_so() {
    let mut open = target(&name(0), &[]);
    for portals in [
        json!({ "enabled": false, "assigned_vips": [] }),
        Value::Null,
    ] {
        open["vip_allowed_portals"] = portals;
        let script = Script::new([
            query(json!([attached("Pool-0", &name(0), 0)])),
            get_target(&name(0), ok(open.clone())),
            volume(),
            vips(),
        ]);
        assert_eq!(publish(&script).unwrap().portals.len(), 2);
    }
}

#[test]
fn a_target_of_another_group_is_used_as_it_is() {
    let other = "iqn.old:vm-100-0";
    let script = Script::new([
        query(json!([attached("Pool-0", other, 0)])),
        get_target(other, ok(target(other, &["vip2"]))),
        volume(),
        vips(),
    ]);
    let published = publish(&script).unwrap();
    assert_eq!(published.target, other);
    assert_eq!(
        published.portals,
        ["10.2.0.11".parse::<std::net::IpAddr>().unwrap()]
    );
}

#[test]
fn a_target_of_another_group_without_our_vips_is_refused() {
    let other = "iqn.old:vm-100-0";
    let script = Script::new([
        query(json!([attached("Pool-0", other, 0)])),
        get_target(other, ok(target(other, &["vip7"]))),
        volume(),
        vips(),
    ]);
    let error = publish(&script).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoVip);
    let text = error.to_string();
    for part in [other, "10.1.0.11, 10.9.0.11, 10.2.0.11", "vip7"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn data_addresses_that_are_no_vips_are_named_with_the_vips_there_are() {
    let script = Script::new([query(json!([])), volume(), targets(json!([])), vips()]);
    let data_addresses = vec!["10.9.0.11".parse().unwrap()];
    let error = script.client().publish(
        &Publish {
            data_addresses,
            ..request()
        },
        soon(),
    );
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoVip);
    let text = error.to_string();
    for part in [
        "10.9.0.11",
        "vip1 10.1.0.11",
        "vip2 10.2.0.11",
        "fd00::1",
        "Pool-0",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    script.assert_done();
}

#[test]
fn a_pool_that_shows_no_vip_for_a_moment_is_asked_again() {
    let script = Script::new([
        query(json!([attached("Pool-0", &name(0), 0)])),
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2"]))),
        volume(),
        step(VIPS, ok(json!([]))),
        vips(),
    ]);
    assert!(publish(&script).is_ok());
}

#[test]
fn a_volume_that_does_not_exist_changes_nothing() {
    let message = "Zfs resource: Pool-0/v_vm-100-disk-0 not found in this collection.";
    let script = Script::new([
        query(json!([])),
        step(
            VOLUME,
            fail(
                500,
                "zfslib.zfsapi.resources.ZfsResourceError",
                Some(1),
                message,
            ),
        ),
        step(
            format!("GET {POOL}"),
            ok(json!({ "name": "Pool-0", "size": 2, "available": 1 })),
        ),
    ]);
    let error = publish(&script).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(
        error
            .to_string()
            .starts_with("volume Pool-0/v_vm-100-disk-0 does not exist"),
        "{error}"
    );
}

#[test]
fn a_pool_that_does_not_exist_is_named_instead_of_the_volume() {
    let script = Script::new([
        query(json!([])),
        step(VOLUME, missing("Pool-0")),
        step(format!("GET {POOL}"), missing("Pool-0")),
    ]);
    let error = publish(&script).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(
        error.to_string().starts_with("pool Pool-0 does not exist"),
        "{error}"
    );
}

#[test]
fn an_inactive_target_is_refused_before_anything_is_changed() {
    let used = Script::new([
        query(json!([attached("Pool-0", &name(0), 0)])),
        get_target(&name(0), ok(inactive(&name(0)))),
        volume(),
    ]);
    let chosen = Script::new([
        query(json!([])),
        volume(),
        targets(json!([inactive(&name(0))])),
        luns(&name(0), json!([])),
    ]);
    for script in [used, chosen] {
        let error = publish(&script).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Inactive);
        assert!(error.to_string().contains(&name(0)), "{error}");
    }
}

#[test]
fn a_volume_on_two_targets_is_refused() {
    let script = Script::new([query(json!([
        attached("Pool-0", &name(0), 0),
        attached("Pool-1", &name(2), 0),
        attached("Pool-0", &name(1), 0),
    ]))]);
    let error = publish(&script).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(&name(0)) && error.to_string().contains(&name(1)));
    assert!(!error.to_string().contains(&name(2)), "{error}");
}

#[test]
fn an_attachment_without_its_target_is_asked_for_again_and_never_guessed() {
    let mut part = attached("Pool-0", &name(0), 0);
    part["iscsi_target"] = Value::Null;
    let script = Script::new((0..8).map(|_| query(json!([part.clone()]))));
    let error = publish(&script).unwrap_err();
    assert!(error.is_transient());
    assert!(!matches!(error.kind(), ErrorKind::Missing), "{error}");
}

#[test]
fn a_scsi_id_that_is_late_is_waited_for() {
    let mut late = lun("v_vm-100-disk-0", 0);
    late["scsi_id"] = Value::Null;
    let look = |answer| {
        step(
            format!("GET {TARGETS}/{}/luns/v_vm-100-disk-0", name(0)),
            answer,
        )
    };
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([target(&name(0), &["vip1", "vip2"])])),
        luns(&name(0), json!([])),
        vips(),
        attach(&name(0), 0, created(Value::Null)),
        look(ok(late.clone())),
        look(ok(lun("v_vm-100-disk-0", 0))),
    ]);
    assert_eq!(publish(&script).unwrap().scsi_id.as_str(), SCSI_ID);

    let mut entry = attached("Pool-0", &name(0), 0);
    entry["lun"]["scsi_id"] = Value::Null;
    let mut steps = vec![
        query(json!([entry])),
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2"]))),
        volume(),
        vips(),
    ];
    steps.extend((0..6).map(|_| look(ok(late.clone()))));
    let error = publish(&Script::new(steps)).unwrap_err();
    assert!(matches!(error, Error::NoScsiId { .. }), "{error}");
}

#[test]
fn a_taken_number_leads_to_the_next_one() {
    // The list may still be old when it is asked again.
    let round = |number, answer| {
        [
            query(json!([])),
            targets(json!([target(&name(0), &["vip1", "vip2"])])),
            luns(&name(0), json!([])),
            attach(&name(0), number, answer),
        ]
    };
    let taken = conflict(&format!("LUN 0 is already used in {}.", name(0)));
    let mut steps: Vec<Step> = round(0, taken).into();
    steps.insert(1, volume());
    steps.insert(4, vips());
    steps.extend(round(1, created(lun("v_vm-100-disk-0", 1))));
    let published = publish(&Script::new(steps)).unwrap();
    assert_eq!(published.lun, 1);
}

#[test]
fn a_volume_that_another_node_attached_meanwhile_is_used_there() {
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([target(&name(0), &["vip1", "vip2"])])),
        luns(&name(0), json!([])),
        vips(),
        attach(
            &name(0),
            0,
            conflict("Volume Pool-0/v_vm-100-disk-0 is already used."),
        ),
        query(json!([attached("Pool-0", &name(0), 4)])),
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2"]))),
    ]);
    let published = publish(&script).unwrap();
    assert_eq!(published.lun, 4);
    assert!(!published.created.lun);
}

#[test]
fn an_attachment_whose_answer_was_lost_is_adopted() {
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([])),
        vips(),
        create(&name(0), no_reply()),
        query(json!([])),
        targets(json!([target(&name(0), &["vip1", "vip2"])])),
        luns(&name(0), json!([])),
        attach(&name(0), 0, broken()),
        query(json!([attached("Pool-0", &name(0), 0)])),
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2"]))),
    ]);
    let published = publish(&script).unwrap();
    assert!(published.created.target && published.created.lun);
}

#[test]
fn a_race_in_the_appliances_configuration_is_asked_again_after_a_look() {
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([])),
        vips(),
        create(&name(0), config_race()),
        query(json!([])),
        targets(json!([])),
        create(&name(0), created(Value::Null)),
        attach(&name(0), 0, created(lun("v_vm-100-disk-0", 0))),
    ]);
    assert!(publish(&script).unwrap().created.target);
}

#[test]
fn a_target_that_vanishes_is_made_again() {
    let listed = Script::new([
        query(json!([])),
        volume(),
        targets(json!([target(&name(0), &["vip1", "vip2"])])),
        step(format!("GET {TARGETS}/{}/luns", name(0)), missing("Target")),
        vips(),
        create(&name(1), created(Value::Null)),
        attach(&name(1), 0, created(lun("v_vm-100-disk-0", 0))),
    ]);
    assert_eq!(publish(&listed).unwrap().target, name(1));

    let attaching = Script::new([
        query(json!([])),
        volume(),
        targets(json!([target(&name(0), &["vip1", "vip2"])])),
        luns(&name(0), json!([])),
        vips(),
        attach(&name(0), 0, missing("Target")),
        query(json!([])),
        volume(),
        targets(json!([])),
        create(&name(0), created(Value::Null)),
        attach(&name(0), 0, created(lun("v_vm-100-disk-0", 0))),
    ]);
    assert!(publish(&attaching).unwrap().created.target);

    let used = Script::new([
        query(json!([attached("Pool-0", &name(0), 0)])),
        get_target(&name(0), missing("Target")),
        query(json!([attached("Pool-0", &name(1), 0)])),
        get_target(&name(1), ok(target(&name(1), &["vip1", "vip2"]))),
        volume(),
        vips(),
    ]);
    assert_eq!(publish(&used).unwrap().target, name(1));
}

#[test]
fn a_name_that_another_node_took_for_the_group_is_shared() {
    let taken = "Target with name x is already present on Pool-0.";
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([])),
        vips(),
        create(
            &name(0),
            fail(
                409,
                "opene.san.target.base.iscsi.target.TargetNameConflictError",
                None,
                taken,
            ),
        ),
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2"]))),
        luns(&name(0), json!([lun("v_vm-100-disk-1", 0)])),
        attach(&name(0), 1, created(lun("v_vm-100-disk-0", 1))),
    ]);
    let published = publish(&script).unwrap();
    assert_eq!(published.lun, 1);
    assert!(!published.created.target);
}

#[test]
fn a_name_that_another_pool_has_is_a_conflict() {
    let taken = "Target with name x is already present on Pool-1.";
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([])),
        vips(),
        create(
            &name(0),
            fail(
                409,
                "opene.san.target.base.iscsi.target.TargetNameConflictError",
                None,
                taken,
            ),
        ),
        get_target(&name(0), missing("Target")),
    ]);
    let error = publish(&script).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(&name(0)), "{error}");
}

#[test]
fn endless_contention_ends_and_is_not_taken_for_absence() {
    let mut steps = vec![
        query(json!([])),
        volume(),
        targets(json!([target(&name(0), &["vip1", "vip2"])])),
        luns(&name(0), json!([])),
        vips(),
        attach(&name(0), 0, missing("Target")),
    ];
    for _ in 1..8 {
        steps.extend([
            query(json!([])),
            volume(),
            targets(json!([target(&name(0), &["vip1", "vip2"])])),
            luns(&name(0), json!([])),
            attach(&name(0), 0, missing("Target")),
        ]);
    }
    let error = publish(&Script::new(steps)).unwrap_err();
    assert!(
        matches!(error, Error::Contended { rounds: 8, .. }),
        "{error}"
    );
    assert_ne!(error.kind(), ErrorKind::Missing);
}

#[test]
fn a_failure_takes_back_the_empty_target_that_it_made() {
    let message = "New zvol size(1) exceeds available space on pool Pool-0(0).";
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([])),
        vips(),
        create(&name(0), created(Value::Null)),
        attach(&name(0), 0, fail(500, "x.Y", None, message)),
        luns(&name(0), json!([])),
        sessions(&name(0), json!([])),
        delete(&name(0)),
    ]);
    assert_eq!(publish(&script).unwrap_err().kind(), ErrorKind::NoSpace);
}

#[test]
fn a_failure_that_cannot_be_undone_tells_both() {
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([])),
        vips(),
        create(&name(0), created(Value::Null)),
        attach(&name(0), 0, fail(500, "x.Y", Some(42), "first trouble")),
        step(
            format!("GET {TARGETS}/{}/luns", name(0)),
            fail(500, "x.Y", Some(43), "second trouble"),
        ),
    ]);
    let error = publish(&script).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::NotUndone { .. }));
    for part in ["first trouble", "second trouble", &name(0)] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_target_in_use_is_not_removed() {
    let client = |script: &Script| {
        let result = script
            .client()
            .delete_target_if_empty("Pool-0", &name(0), soon());
        script.assert_done();
        result
    };
    let with_lun = Script::new([luns(&name(0), json!([lun("v_a", 0)]))]);
    assert!(!client(&with_lun).unwrap());
    let one = json!([{ "target_name": name(0), "initiator_name": "iqn.a:b", "ip": "10.1.0.51", "sid": "1" }]);
    let with_session = Script::new([luns(&name(0), json!([])), sessions(&name(0), one)]);
    assert!(!client(&with_session).unwrap());
    let gone = Script::new([step(
        format!("GET {TARGETS}/{}/luns", name(0)),
        missing("Target"),
    )]);
    assert!(client(&gone).unwrap());
    let unknown = Script::new([
        luns(&name(0), json!([])),
        step(
            format!("GET {TARGETS}/{}/sessions", name(0)),
            fail(500, "x.Y", None, "?"),
        ),
    ]);
    assert!(client(&unknown).is_err());
}

#[test]
fn a_limit_of_luns_that_cannot_be_is_refused_at_once() {
    let script = Script::new([]);
    let request = Publish {
        luns_per_target: 0,
        ..request()
    };
    let error = script.client().publish(&request, soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// Target and LUN are chosen as the existing clients do.
#[test]
fn places_are_those_that_existing_clients_choose() {
    let all: Vec<Value> =
        serde_json::from_str(include_str!("../fixtures/naming_vectors.json")).unwrap();
    let mut tried = 0;
    for vector in all
        .iter()
        .filter(|vector| vector["fn"] == "acquire_target_lun")
    {
        let (args, out) = (&vector["args"], &vector["out"]);
        if args["current"] == true {
            continue; // a look without a change: publish always changes
        }
        let Some(expected) = out["target"].as_str() else {
            panic!("{vector}")
        };
        let place = choose(args);
        if args["prefix"] == "iqn.new:" && out["new_target"] == true {
            // Existing clients move an idle volume to a target of the new prefix.
            assert_eq!(
                place,
                ("iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0".to_owned(), 0)
            );
        } else {
            assert_eq!(
                place,
                (expected.to_owned(), out["lun"].as_u64().unwrap()),
                "{vector}"
            );
        }
        tried += 1;
    }
    assert_eq!(tried, 14);
}

/// Where a volume lands on an appliance in the state that the vector gives.
fn choose(args: &Value) -> (String, u64) {
    use jdss_rest::transport::{Limits, Method, Request, Transport};

    #[derive(Debug)]
    struct State(Value);
    impl Transport for State {
        fn exchange(&self, _: std::net::SocketAddr, request: &Request, _: Limits) -> Answer {
            let args = &self.0;
            let pool = "/pools/Pool-0";
            let path = request.path.strip_prefix(pool).unwrap_or(&request.path);
            if request.method == Method::Post {
                let body: Value =
                    serde_json::from_str(request.body.as_ref().expect("a body")).expect("JSON");
                return created(if path.ends_with("/luns") {
                    json!({ "name": body["name"], "lun": body["lun"], "scsi_id": SCSI_ID })
                } else {
                    body
                });
            }
            if path.starts_with("/san/iscsi/luns?where=") {
                return ok(args.get("lunrec").cloned().unwrap_or_else(|| json!([])));
            }
            let one = |name: &str| target(name, &["vip1", "vip2"]);
            match path.strip_prefix("/san/iscsi/targets") {
                None if path == "/vips" => vips_answer(),
                None => ok(json!({ "name": args["vol"], "volsize": "1" })),
                Some("") => {
                    let names = args["targets"].as_array().expect("a list");
                    ok(names
                        .iter()
                        .map(|name| one(name.as_str().expect("a name")))
                        .collect())
                }
                Some(rest) => match rest[1..].strip_suffix("/luns") {
                    None => ok(one(&rest[1..])),
                    Some(name) => {
                        let taken = args["luns"][name].as_array().cloned().unwrap_or_default();
                        ok(taken
                            .iter()
                            .map(|n| json!({ "name": format!("v_other{n}"), "lun": n }))
                            .collect())
                    }
                },
            }
        }
    }
    fn vips_answer() -> Answer {
        ok(
            json!([{ "name": "vip1", "address": "10.1.0.11" }, { "name": "vip2", "address": "10.2.0.11" }]),
        )
    }

    let text = |field: &str| args[field].as_str().expect("a string");
    let volume = text("vol");
    let request = Publish {
        pool: "Pool-0".to_owned(),
        volume: volume
            .strip_prefix("v_")
            .unwrap_or(volume)
            .parse()
            .expect("an id"),
        target_prefix: text("prefix").parse().expect("a prefix"),
        group: text("group").parse().expect("a group"),
        luns_per_target: args["lpt"]
            .as_u64()
            .and_then(|n| n.try_into().ok())
            .expect("a limit"),
        ..request()
    };
    let client = jdss_rest::Client::builder(vec!["192.0.2.1".parse().expect("an address")])
        .build_with(State(args.clone()))
        .expect("one address is enough");
    let published = client.publish(&request, soon()).expect("published");
    (published.target, published.lun.into())
}
