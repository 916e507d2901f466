//! Names against what the existing open clients make of them.

mod rules;

use jdss_rest::names::{
    self, Class, SnapshotParts, TargetFamily, base32_decode, base32_encode, classify, display_name,
};
use jdss_rest::{NameError, Origin, ScsiId, SnapshotId, TargetGroup, TargetPrefix, VolumeId};
use proptest::prelude::*;
use serde_json::Value;

/// The vectors of one function: arguments and what came out.
fn vectors(function: &str) -> Vec<(Value, Value)> {
    let all: Vec<Value> = serde_json::from_str(include_str!("../../fixtures/naming_vectors.json"))
        .expect("valid JSON");
    let found: Vec<_> = all
        .into_iter()
        .filter(|vector| vector["fn"] == function)
        .map(|vector| (vector["args"].clone(), vector["out"].clone()))
        .collect();
    assert!(!found.is_empty(), "no vectors for {function}");
    found
}

fn first(args: &Value) -> &str {
    args[0].as_str().expect("a string")
}

#[test]
fn volume_ids_become_the_names_that_existing_clients_use() {
    for (args, out) in vectors("vname") {
        let id = first(&args);
        let name = id.parse::<VolumeId>().map(|id| id.physical_name());
        match id {
            // Existing clients mint `vh__`, a volume without a name.
            "" => assert_eq!(
                name,
                Err(NameError::Empty {
                    what: "the volume id"
                })
            ),
            // Existing clients send these as plain names, and the appliance refuses them.
            "vm-100-disk-0\n" => {
                assert_eq!(name.unwrap(), "vh_vm-100-disk-0__OZWS2MJQGAWWI2LTNMWTACQ-")
            }
            "vm-ü-disk" => assert_eq!(name.unwrap(), "vh_vm-_-disk_OZWS3Q54FVSGS43L"),
            // Longer than any name can be on ZFS.
            id if id.len() == 255 => {
                assert!(
                    matches!(name, Err(NameError::TooLong { len: 667, .. })),
                    "{name:?}"
                );
            }
            _ => assert_eq!(name.unwrap(), out.as_str().unwrap()),
        }
    }
}

#[test]
fn physical_names_are_shown_as_existing_clients_show_them() {
    for function in ["idname", "vname_to_id"] {
        for (args, out) in vectors(function) {
            // Some vectors give a pair, its second always null, one an error: not a volume.
            let shown = out.get(0).unwrap_or(&out).as_str().unwrap_or("x_1");
            assert_eq!(display_name(first(&args)), shown, "{args}");
        }
    }
}

#[test]
fn only_a_name_that_we_would_make_ourselves_leads_to_an_id() {
    for (args, out) in vectors("idname") {
        let name = first(&args);
        match VolumeId::from_physical(name) {
            Some(id) => {
                assert_eq!(id.as_str(), out.as_str().unwrap());
                assert_eq!(id.physical_name(), name);
            }
            None => assert_ne!(
                display_name(name)
                    .parse::<VolumeId>()
                    .map(|id| id.physical_name()),
                Ok(name.to_owned())
            ),
        }
    }
    // Decodes to "abc", whose volume is v_abc: a different one.
    assert_eq!(VolumeId::from_physical("vh_x_MFRGG---"), None);
    assert_eq!(VolumeId::from_physical("vb_MFRGG---"), None);
    assert_eq!(VolumeId::from_physical("v_"), None);
}

#[test]
fn snapshot_ids_become_the_names_that_existing_clients_use() {
    for (args, out) in vectors("sname") {
        let args = args.as_array().unwrap();
        if args.len() == 3 {
            continue; // names that only the NFS client makes
        }
        let id: SnapshotId = args[0].as_str().unwrap().parse().unwrap();
        match args[1].as_str() {
            None => assert_eq!(id.physical_name(), out.as_str().unwrap()),
            // An export of no volume: existing clients would make one.
            Some("") => assert!("".parse::<VolumeId>().is_err()),
            Some(volume) => {
                let volume: VolumeId = volume.parse().unwrap();
                assert_eq!(id.export_name(&volume).unwrap(), out.as_str().unwrap());
            }
        }
    }
}

#[test]
fn snapshot_names_are_taken_apart_as_existing_clients_do() {
    for (args, out) in vectors("sname_to_id") {
        let parts = SnapshotParts::parse(first(&args));
        match out {
            Value::Null => assert_eq!(parts, None, "{args}"),
            out => {
                let parts = parts.unwrap();
                assert_eq!(parts.id, out[0].as_str().unwrap());
                assert_eq!(parts.volume.as_deref(), out[1].as_str());
            }
        }
    }
    for (args, out) in vectors("proxid_from_sname") {
        let nas = SnapshotParts::parse(first(&args)).and_then(|parts| parts.nas_volume);
        assert_eq!(nas.as_deref(), out.as_str(), "{args}");
    }
}

#[test]
fn names_are_classified_as_existing_clients_do() {
    for (function, class) in [
        ("is_volume", Class::Volume),
        ("is_snapshot", Class::Snapshot),
        ("is_hidden", Class::Hidden),
    ] {
        for (args, out) in vectors(function) {
            assert_eq!(
                classify(first(&args)) == class,
                out.as_bool().unwrap(),
                "{function} {args}"
            );
        }
    }
}

#[test]
fn base32_is_encoded_and_decoded_as_existing_clients_do() {
    for (args, out) in vectors("jbase32") {
        assert_eq!(base32_encode(first(&args)), out.as_str().unwrap());
    }
    for (args, out) in vectors("jbase32_decode") {
        assert_eq!(base32_decode(first(&args)).as_deref(), out.as_str());
    }
}

#[test]
fn base32_has_one_form_for_one_text() {
    for text in [
        "MFRGG===",
        "MFRGG",
        "MFRGH---",
        "ME------ME------",
        "77777777",
    ] {
        assert_eq!(base32_decode(text), None, "{text}");
    }
}

#[test]
fn wwids_are_those_that_existing_clients_compute() {
    for (args, out) in vectors("wwid_from_lun_scsi_id") {
        let id = first(&args).parse::<ScsiId>();
        if first(&args).len() < ScsiId::MIN_LEN {
            // Existing clients leave out the padding that the target adds.
            assert!(matches!(id, Err(NameError::TooShort { .. })), "{id:?}");
        } else {
            assert_eq!(id.unwrap().wwid(), out.as_str().unwrap());
        }
    }
}

#[test]
fn a_scsi_id_with_odd_characters_is_refused() {
    for text in [
        "12345678 ",
        "1234567\u{e9}8",
        "12345678\n",
        "12345678901234567890123456",
    ] {
        assert!(text.parse::<ScsiId>().is_err(), "{text:?}");
    }
}

#[test]
fn origins_are_taken_apart_as_existing_clients_do() {
    for (function, part) in [
        (
            "origin_volume",
            (|o: Origin| o.volume) as fn(Origin) -> String,
        ),
        ("origin_snapshot", |o| o.snapshot),
    ] {
        for (args, out) in vectors(function) {
            let origin = args[0]["origin"].as_str().and_then(Origin::parse);
            assert_eq!(
                origin.map(part).as_deref(),
                out.as_str(),
                "{function} {args}"
            );
        }
    }
}

fn family(prefix: &str, group: &str) -> TargetFamily {
    let prefix: TargetPrefix = prefix.parse().expect("a prefix");
    TargetFamily::new(&prefix, &group.parse().expect("a group")).expect("short names")
}

#[test]
fn a_target_belongs_to_its_own_group_only() {
    let family = family("iqn.2025-04.a.b", "vm-10");
    for (name, is_ours) in [
        ("iqn.2025-04.a.b:vm-10-0", true),
        ("iqn.2025-04.a.b:vm-10-12", true),
        ("iqn.2025-04.a.b:vm-100-0", false),
        ("iqn.2025-04.a.b:vm-10-", false),
        ("iqn.2025-04.a.b:vm-10-1x", false),
        ("iqn.2025-04.a.b:vm-10-\u{661}", false),
        ("iqn.2025-04.a.b:vm-10-+1", false),
        ("iqn.2025-04xaxb:vm-10-0", false),
        ("x iqn.2025-04.a.b:vm-10-0", false),
        ("iqn.2025-04.a.b:vm-10-0 ", false),
    ] {
        assert_eq!(family.contains(name), is_ours, "{name}");
    }
}

#[test]
fn the_first_free_target_fills_gaps() {
    let family = family("p", "g");
    assert_eq!(family.first_free(&[]), "p:g-0");
    assert_eq!(family.first_free(&["p:g-0", "p:g-2"]), "p:g-1");
    assert_eq!(family.first_free(&["p:g-1", "p:gg-0"]), "p:g-0");
    assert_eq!(family.first_free(&["p:g-99999999999999999999"]), "p:g-0");
}

#[test]
fn a_target_prefix_has_one_form() {
    for (text, prefix) in [
        ("iqn.a", "iqn.a:"),
        ("iqn.a:", "iqn.a:"),
        (" IQN.A: ", "iqn.a:"),
        ("iqn.a::", "iqn.a:"),
    ] {
        assert_eq!(text.parse::<TargetPrefix>().unwrap().as_str(), prefix);
    }
    for text in ["", " ", ":", "iqn_a", "iqn/a", "iqn.\u{fc}"] {
        assert!(text.parse::<TargetPrefix>().is_err(), "{text:?}");
    }
}

#[test]
fn disks_of_a_guest_share_a_group_and_others_have_their_own() {
    for (volume, group) in [
        ("vm-100-disk-0", "vm-100"),
        ("vm-100-state-snap1", "vm-100"),
        ("base-100-disk-0", "vm-100"),
        ("backup", "backup"),
        ("vm-100x-disk-0", "vm-100x-disk-0"),
    ] {
        assert_eq!(TargetGroup::of(volume).unwrap().as_str(), group);
    }
    // Part of names that stay on appliances: must never change.
    assert_eq!(
        TargetGroup::of("my disk").unwrap().as_str(),
        "my-disk-x496b998815d24340"
    );
    assert_ne!(TargetGroup::of("my disk"), TargetGroup::of("my_disk"));
    assert_ne!(TargetGroup::of("Data"), TargetGroup::of("data"));
}

#[test]
fn a_target_name_never_exceeds_what_iscsi_allows() {
    let prefix: TargetPrefix = "a".repeat(200).parse().unwrap();
    let long: TargetGroup = "g".repeat(20).parse().unwrap();
    assert!(matches!(
        TargetFamily::new(&prefix, &long),
        Err(NameError::TooLong { .. })
    ));
    let short: TargetGroup = "g".parse().unwrap();
    let longest = TargetFamily::new(&prefix, &short).unwrap().name(u32::MAX);
    assert!(longest.len() <= TargetFamily::MAX_LEN);
}

proptest! {
    #[test]
    fn every_volume_id_survives_the_way_to_its_name_and_back(id in "\\PC{1,40}|[ -~\\n]{1,40}") {
        if let Ok(id) = id.parse::<VolumeId>() {
            let name = id.physical_name();
            prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
            prop_assert!(name.len() <= names::MAX_PHYSICAL_LEN);
            prop_assert_eq!(VolumeId::from_physical(&name), Some(id));
        }
    }

    #[test]
    fn every_snapshot_id_survives_the_way_to_its_name_and_back(
        id in "\\PC{1,20}|[a-z_-]{1,20}", volume in "\\PC{1,20}|[a-z_-]{1,20}",
    ) {
        let (id, volume): (SnapshotId, VolumeId) = (id.parse().unwrap(), volume.parse().unwrap());
        let plain = SnapshotParts::parse(&id.physical_name()).unwrap();
        prop_assert_eq!((plain.id.as_str(), plain.volume), (id.as_str(), None));
        if let Ok(export) = id.export_name(&volume) {
            let parts = SnapshotParts::parse(&export).unwrap();
            prop_assert_eq!(parts.id.as_str(), id.as_str());
            prop_assert_eq!(parts.volume.as_deref(), Some(volume.as_str()));
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(
        text in "\\PC*|(v|vh|vb|t|te|s|se|sb|sh|shv|sp)_[A-Z2-7_=-]*|.*",
    ) {
        let _ = VolumeId::from_physical(&text);
        let _ = text.parse::<VolumeId>();
        let _ = SnapshotParts::parse(&text);
        let _ = (display_name(&text), classify(&text), base32_decode(&text));
        let _ = text.parse::<ScsiId>().map(|id| id.wwid());
        let _ = text.parse::<TargetPrefix>();
        let _ = TargetGroup::of(&text);
        let _ = Origin::parse(&text);
        let family = family("iqn.a", "vm-1");
        let _ = family.first_free(&[&text]);
    }

    #[test]
    fn a_group_made_from_any_name_is_a_valid_part_of_a_target_name(volume in ".{1,200}") {
        let group = TargetGroup::of(&volume).unwrap();
        prop_assert_eq!(group.as_str().parse::<TargetGroup>(), Ok(group.clone()));
        prop_assert!(group.as_str().len() <= 100);
    }

    #[test]
    fn a_wwid_is_a_two_and_sixteen_hex_digits(id in "[!-~]{8,25}") {
        let wwid = id.parse::<ScsiId>().unwrap().wwid();
        prop_assert_eq!(wwid.len(), 17);
        prop_assert!(wwid.starts_with('2'));
        prop_assert!(wwid[1..].bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    }
}
