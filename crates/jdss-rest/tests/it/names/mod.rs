//! Names against what the existing open clients make of them.

mod places;
mod properties;
mod rules;
mod vectors;

use jdss_rest::names::{GuestVolume, TargetFamily, base32_decode, dataset_name, display_name};
use jdss_rest::{NameError, ScsiId, SnapshotId, TargetGroup, TargetPrefix, VolumeId};
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
        ("iqn.a::b", "iqn.a::b:"),
    ] {
        let parsed: TargetPrefix = text.parse().unwrap();
        assert_eq!(parsed.as_str(), prefix);
        assert_eq!(parsed.as_str().parse(), Ok(parsed));
    }
    for text in [
        "",
        " ",
        ":",
        "::",
        "iqn.a:::",
        "iqn_a",
        "iqn/a",
        "iqn.\u{fc}",
    ] {
        assert!(text.parse::<TargetPrefix>().is_err(), "{text:?}");
    }
}

#[test]
fn disks_of_a_guest_share_a_group_and_others_have_their_own() {
    for (volume, group) in [
        ("vm-100-disk-0", "vm-100"),
        ("vm-100-state-snap1", "vm-100"),
        ("base-100-disk-0", "vm-100"),
        ("vm-1-disk-1", "vm-1"),
        ("vm-100", "vm-100"),
        ("base-100", "base-100"),
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
fn a_guest_s_volume_is_known_by_its_number() {
    for (name, found) in [
        ("vm-100-disk-0", Some(("100", false))),
        ("base-100-disk-0", Some(("100", true))),
        ("vm-9-cloudinit", Some(("9", false))),
        ("vm-100-state-snap1", Some(("100", false))),
        ("vm-100", Some(("100", false))),
        ("vm--disk-0", None),
        ("vm-", None),
        ("vm-100x-disk-0", None),
        ("vm-\u{661}-disk-0", None),
        ("VM-100-disk-0", None),
        ("subvol-100-disk-0", None),
        ("xvm-100-disk-0", None),
        ("pveA_vm-100-disk-0", None),
    ] {
        let volume = GuestVolume::parse(name);
        assert_eq!(volume.map(|v| (v.guest, v.template)), found, "{name}");
        assert!(volume.is_none_or(|v| v.name == name));
    }
}

#[test]
fn only_the_directory_of_a_guest_is_taken_off() {
    for (name, rest) in [
        ("100/vm-100-disk-0.raw", "vm-100-disk-0.raw"),
        ("vm-100-disk-0", "vm-100-disk-0"),
        ("100/", "100/"),
        ("/vm-100-disk-0", "/vm-100-disk-0"),
        ("../vm-100-disk-0", "../vm-100-disk-0"),
        ("100/200/vm-100-disk-0", "100/200/vm-100-disk-0"),
        (
            "base-100-disk-0/vm-101-disk-0",
            "base-100-disk-0/vm-101-disk-0",
        ),
    ] {
        assert_eq!(GuestVolume::without_directory(name), rest);
    }
}

#[test]
fn guests_of_other_clusters_are_not_ours() {
    let [ours, other] = ["pveA", "pveB"].map(|prefix| prefix.parse().unwrap());
    for (id, cluster, is_ours) in [
        ("pveA_vm-100-disk-0", Some(&ours), true),
        ("pveA_vm-100-disk-0", Some(&other), false),
        ("pveA_vm-100-disk-0", None, false),
        ("vm-100-disk-0", Some(&ours), false),
        ("vm-100-disk-0", None, true),
        ("pveA_backup", Some(&ours), false),
    ] {
        let id: VolumeId = id.parse().unwrap();
        assert_eq!(GuestVolume::of(&id, cluster).is_some(), is_ours, "{id}");
    }
}

#[test]
fn only_a_name_that_we_would_make_ourselves_leads_to_a_snapshot() {
    for (name, id) in [
        ("s_snap1", Some("snap1")),
        ("s_a_b", Some("a_b")),
        (
            "sh_before_update_MJSWM33SMUXHK4DEMF2GK---",
            Some("before.update"),
        ),
        // Decodes to "abc", whose snapshot is s_abc: a different one.
        ("sh_abc_MFRGG---", None),
        ("sb_MFRGG---", None),
        ("se_snap1_MFRGG---", None),
        ("autosnap_2026-01-01-000000", None),
        ("v_vm-101-disk-0", None),
        ("s_", None),
    ] {
        let found = SnapshotId::from_physical(name);
        assert_eq!(found.as_ref().map(SnapshotId::as_str), id, "{name}");
    }
    for (name, is_export) in [
        ("se_snap1_MFRGG---", true),
        ("se_snap1_", false),
        ("se_before.update_MFRGG---", false),
        ("shv_abc_MFRGG---_MFRGG---", false),
        ("s_snap1", false),
        ("sp_a_s_ME------_OM------_MFRGG---", false),
    ] {
        assert_eq!(SnapshotId::from_export(name).is_some(), is_export, "{name}");
    }
}

#[test]
fn an_nfs_snapshot_names_its_guest() {
    let id = SnapshotId::of_nas_guest(102, "daily 2026\u{fc}").unwrap();
    assert_eq!(id.as_str(), "102_daily_2026_");
    assert_eq!(id.nas_guest(), Some(("102", "daily_2026_")));
    assert!(SnapshotId::of_nas_guest(102, "").is_err());
    for other in ["snap1", "_snap1", "102_", "102", "x102_a", "-1_a"] {
        let id: SnapshotId = other.parse().unwrap();
        assert_eq!(id.nas_guest(), None, "{other}");
    }
    let id: SnapshotId = "s1".parse().unwrap();
    assert!(id.nas_export_name("", "file").is_err());
    assert!(id.nas_export_name("data", "").is_err());
    let long = id.nas_export_name("data", &"x".repeat(200));
    assert!(matches!(long, Err(NameError::TooLong { .. })), "{long:?}");
}

#[test]
fn every_name_on_the_appliance_has_a_limit() {
    let longest = "x".repeat(253);
    assert_eq!(
        longest.parse::<VolumeId>().unwrap().physical_name().len(),
        255
    );
    assert!(format!("{longest}x").parse::<VolumeId>().is_err());
    assert!(longest.parse::<SnapshotId>().is_ok());
    assert!(format!("{longest}x").parse::<SnapshotId>().is_err());

    let (id, volume): (SnapshotId, VolumeId) = (
        "x".repeat(200).parse().unwrap(),
        "x".repeat(100).parse().unwrap(),
    );
    let long = id.export_name(&volume);
    assert!(matches!(long, Err(NameError::TooLong { .. })), "{long:?}");

    // Pool, volume and snapshot together.
    assert!(dataset_name("Pool-0", &"v".repeat(248), None).is_ok());
    assert!(dataset_name("Pool-0", &"v".repeat(249), None).is_err());
    assert!(dataset_name("Pool-0", &"v".repeat(240), Some("s_12345")).is_ok());
    assert!(dataset_name("Pool-0", &"v".repeat(240), Some("s_123456")).is_err());
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
