//! Fields in all the forms that versions of the appliance give them.

use jdss_rest::ErrorKind;
use serde_json::{Value, json};

use super::answer;
use crate::script::soon;

#[test]
fn numbers_may_be_strings() {
    for size in [json!(34_359_738_368_u64), json!("34359738368")] {
        let client = answer(json!({ "name": "v_x", "volsize": size, "volblocksize": "16384" }));
        let volume = client.pool("P").volume_named("v_x", soon()).unwrap();
        assert_eq!((volume.size, volume.block_size), (32 << 30, Some(16384)));
    }
    for lun in [json!(7), json!("7")] {
        let client = answer(json!({ "name": "v_x", "lun": lun }));
        assert_eq!(client.pool("P").lun("t", "v_x", soon()).unwrap().lun, 7);
    }
}

#[test]
fn a_number_that_is_none_is_never_taken_for_one() {
    for size in [json!(-1), json!("32G"), json!(1.5), json!(null), json!("")] {
        let client = answer(json!({ "name": "v_x", "volsize": size }));
        let error = client.pool("P").volume_named("v_x", soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{size}");
        assert!(error.to_string().contains("number"), "{error}");
    }
    for lun in [json!(70_000), json!("x"), json!(-1)] {
        let client = answer(json!({ "name": "v_x", "lun": lun }));
        assert!(client.pool("P").lun("t", "v_x", soon()).is_err(), "{lun}");
    }
}

#[test]
fn a_scsi_id_that_is_not_there_yet_is_absent_and_a_strange_one_an_error() {
    for (field, absent) in [
        (json!(null), true),
        (json!(""), true),
        (json!("short"), false),
    ] {
        let client = answer(json!({ "name": "v_x", "lun": 0, "scsi_id": field }));
        match client.pool("P").lun("t", "v_x", soon()) {
            Ok(lun) => assert!(absent && lun.scsi_id.is_none(), "{field}"),
            Err(_) => assert!(!absent, "{field}"),
        }
    }
}

#[test]
fn a_volume_tells_its_scsi_id_by_either_field() {
    let both = json!({ "name": "v", "volsize": 1, "default_scsi_id": "4fa1c0de77e2b316", "san:volume_id": "other000" });
    let second = json!({ "name": "v", "volsize": 1, "default_scsi_id": null, "san:volume_id": "4fa1c0de77e2b316-and-more" });
    for volume in [both, second] {
        let id = answer(volume)
            .pool("P")
            .volume_named("v", soon())
            .unwrap()
            .scsi_id;
        assert_eq!(id.unwrap().as_str(), "4fa1c0de77e2b316");
    }
}

#[test]
fn entries_about_other_volumes_are_left_out() {
    let entry = |name: &str| json!({ "pool": "P", "iscsi_target": { "name": "t" }, "lun": { "name": name, "lun": 0 } });
    let client = answer(json!([entry("v_x"), entry("v_xx")]));
    assert_eq!(client.attachments("v_x", soon()).unwrap().len(), 1);
}

#[test]
fn sessions_know_their_initiator_without_regard_to_case() {
    let client = answer(
        json!([{ "target_name": "t", "initiator_name": "iqn.1993-08.org.debian:01:AA",
        "ip": "10.1.0.51", "sid": "45e0200003d0200", "cid": "0" }]),
    );
    let sessions = client.pool("P").sessions("t", soon()).unwrap();
    assert!(sessions[0].is_of("IQN.1993-08.org.debian:01:aa"));
    assert!(!sessions[0].is_of("iqn.1993-08.org.debian:01:a"));
}

#[test]
fn a_volume_tells_whether_it_is_thin_used_read_only_and_a_clone() {
    let shown = |more: &Value| {
        let mut shown = json!({ "name": "v", "volsize": 1 });
        for (name, value) in more.as_object().expect("an object") {
            shown[name] = value.clone();
        }
        answer(shown).pool("P").volume_named("v", soon()).unwrap()
    };
    for (reservation, thin) in [
        (json!("0"), Some(true)),
        (json!(0), Some(true)),
        (json!("none"), Some(true)),
        (json!("34370224128"), Some(false)),
        (json!(7), Some(false)),
        (json!(null), None),
        (json!("much"), None),
    ] {
        let volume = shown(&json!({ "refreservation": reservation }));
        assert_eq!(volume.thin, thin, "{reservation}");
    }
    for (word, flag) in [
        (json!("on"), Some(true)),
        (json!("off"), Some(false)),
        (json!(true), Some(true)),
        (json!("?"), None),
        (json!(null), None),
    ] {
        assert_eq!(
            shown(&json!({ "readonly": word })).read_only,
            flag,
            "{word}"
        );
    }
    assert_eq!(shown(&json!({ "used": "57344" })).used, Some(57344));
    let clone = shown(&json!({ "origin": "P/v_a@s_b" }));
    assert!(clone.is_clone);
    assert_eq!(clone.origin.unwrap().to_string(), "P/v_a@s_b");
    let promoted = shown(&json!({ "origin": null, "is_clone": false }));
    assert!(!promoted.is_clone && promoted.origin.is_none());
    let nothing = shown(&json!({}));
    assert_eq!(
        (nothing.thin, nothing.used, nothing.read_only),
        (None, None, None)
    );
}

#[test]
fn attributes_may_be_nested() {
    let nested = json!({ "name": "v", "properties": {
        "volsize": "32768", "volblocksize": 16384, "default_scsi_id": "4fa1c0de77e2b316",
        "origin": "P/v_a@s_b", "name": "not this one" } });
    let volume = answer(nested).pool("P").volume_named("v", soon()).unwrap();
    assert_eq!((volume.name.as_str(), volume.size), ("v", 32768));
    assert_eq!(volume.scsi_id.unwrap().as_str(), "4fa1c0de77e2b316");
    assert_eq!(volume.origin.unwrap().snapshot, "s_b");
}

#[test]
fn a_creation_that_is_no_number_of_seconds_is_absent_and_never_zero() {
    for (creation, created) in [
        (json!("1767225600"), Some(1_767_225_600)),
        (json!(1_767_225_600), Some(1_767_225_600)),
        (json!("2026-1-1 1:2:3"), None),
        (json!(null), None),
        (json!(-1), None),
    ] {
        let shown = json!({ "name": "v", "volsize": 1, "creation": creation });
        let volume = answer(shown).pool("P").volume_named("v", soon()).unwrap();
        assert_eq!(volume.created, created, "{creation}");
    }
}
