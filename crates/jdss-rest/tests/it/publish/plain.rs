//! One round is enough.

use jdss_rest::{Error, ErrorKind, Publish};
use serde_json::{Value, json};

use super::*;

#[test]
fn an_attached_volume_costs_three_calls_and_one_for_the_vips() {
    let script = Script::new([
        query(json!([attached("Pool-0", &name(0), 3)])),
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2"]))),
        vips(),
        volume(),
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
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2"]))),
        vips(),
        volume(),
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
        vips(),
        volume(),
    ]);
    let data_addresses = vec!["fd00::1".parse().unwrap()];
    let request = Publish {
        data_addresses,
        ..request()
    };
    let published = script.client().publish(&request, soon()).unwrap();
    assert_eq!(published.portals, request.data_addresses);
    script.assert_done();
}

#[test]
fn a_volume_on_a_new_target_costs_five_calls_and_one_for_the_vips() {
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
            vips(),
            volume(),
        ]);
        assert_eq!(publish(&script).unwrap().portals.len(), 2);
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
        "FD00:0::0:1",
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
        step(VIPS, ok(json!([]))),
        vips(),
        volume(),
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
        vips(),
        volume(),
    ];
    steps.extend((0..6).map(|_| look(ok(late.clone()))));
    let error = publish(&Script::new(steps)).unwrap_err();
    assert!(matches!(error, Error::NoScsiId { .. }), "{error}");
}

#[test]
fn a_target_with_enough_volumes_is_full_whatever_their_numbers() {
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([target(&name(0), &["vip1", "vip2"])])),
        luns(&name(0), json!([lun("v_a", 30), lun("v_b", 31)])),
        vips(),
        create(&name(1), created(Value::Null)),
        attach(&name(1), 0, created(lun("v_vm-100-disk-0", 0))),
    ]);
    let request = Publish {
        luns_per_target: 2,
        ..request()
    };
    let published = script.client().publish(&request, soon()).unwrap();
    assert_eq!(published.target, name(1));
    script.assert_done();
}

#[test]
fn targets_are_filled_in_the_order_of_their_names_not_of_the_list() {
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([
            target(&name(2), &["vip1", "vip2"]),
            target(&name(10), &["vip1", "vip2"])
        ])),
        luns(&name(10), json!([])),
        vips(),
        attach(&name(10), 0, created(lun("v_vm-100-disk-0", 0))),
    ]);
    assert_eq!(publish(&script).unwrap().target, name(10));
}

/// A LUN that is not known to be the volume's.
const OTHER_ID: &str = "0123456789abcdef";

#[test]
fn the_identity_of_a_lun_without_the_name_of_the_volume_is_not_taken() {
    let nameless = json!([{ "pool": "Pool-0", "iscsi_target": { "name": name(0) },
        "lun": { "lun": 3, "scsi_id": OTHER_ID } }]);
    let told = format!("GET {TARGETS}/{}/luns/v_vm-100-disk-0", name(0));
    let script = Script::new([
        query(nameless),
        get_target(&name(0), ok(target(&name(0), &["vip1", "vip2"]))),
        vips(),
        volume(),
        step(told.clone(), ok(lun("v_vm-100-disk-0", 5))),
    ]);
    let published = publish(&script).unwrap();
    assert_eq!((published.lun, published.scsi_id.as_str()), (5, SCSI_ID));

    let mut other = lun("v_vm-100-disk-1", 0);
    other["scsi_id"] = OTHER_ID.into();
    let script = Script::new([
        query(json!([])),
        volume(),
        targets(json!([target(&name(0), &["vip1", "vip2"])])),
        luns(&name(0), json!([])),
        vips(),
        attach(&name(0), 0, created(other.clone())),
        step(told.clone(), ok(other)),
        step(told, ok(lun("v_vm-100-disk-0", 0))),
    ]);
    let published = publish(&script).unwrap();
    assert_eq!((published.lun, published.scsi_id.as_str()), (0, SCSI_ID));
}
