//! Others are faster, answers get lost, steps fail and are taken back.

use jdss_rest::{Error, ErrorKind, Publish};
use serde_json::{Value, json};

use super::*;

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
        vips(),
        volume(),
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
    let taken = || {
        let message = "Target with name x is already present on Pool-1.";
        let class = "opene.san.target.base.iscsi.target.TargetNameConflictError";
        [
            targets(json!([])),
            create(&name(0), fail(409, class, None, message)),
            get_target(&name(0), missing("Target")),
        ]
    };
    let mut steps = vec![query(json!([])), volume()];
    steps.extend(taken());
    steps.insert(3, vips());
    // It could have been deleted in between: once more.
    steps.push(query(json!([])));
    steps.extend(taken());
    let error = publish(&Script::new(steps)).unwrap_err();
    assert!(matches!(error, Error::TargetElsewhere { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(&name(0)), "{error}");
}

#[test]
fn a_name_that_was_taken_and_is_free_again_is_used() {
    let class = "opene.san.target.base.iscsi.target.TargetNameConflictError";
    let message = "Target with name x is already present on Pool-0.";
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([])),
        vips(),
        create(&name(0), fail(409, class, None, message)),
        get_target(&name(0), missing("Target")),
        query(json!([])),
        targets(json!([])),
        create(&name(0), created(Value::Null)),
        attach(&name(0), 0, created(lun("v_vm-100-disk-0", 0))),
    ]);
    assert!(publish(&script).unwrap().created.target);
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
    let no_target = || step(format!("GET {TARGETS}/{}/luns", name(0)), missing("Target"));
    let info = json!({ "name": "Pool-0", "size": 2, "available": 1 });
    let gone = Script::new([no_target(), step("GET /pools/Pool-0", ok(info))]);
    assert!(client(&gone).unwrap());
    let wrong_head = Script::new([no_target(), step("GET /pools/Pool-0", missing("Pool-0"))]);
    assert_eq!(
        client(&wrong_head).unwrap_err().kind(),
        ErrorKind::Missing,
        "on the wrong head everything seems to be missing"
    );
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

#[test]
fn a_volume_that_only_the_list_of_the_target_shows_is_not_attached_again() {
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([target(&name(0), &["vip1", "vip2"])])),
        luns(&name(0), json!([lun("v_vm-100-disk-0", 5)])),
        vips(),
    ]);
    let published = publish(&script).unwrap();
    assert_eq!(published.lun, 5);
    assert!(!published.created.lun);
}
