//! What holds for every text.

use jdss_rest::names::{
    self, GuestVolume, SnapshotParts, TargetFamily, base32_decode, base32_encode, classify,
    dataset_name, display_name,
};
use jdss_rest::{Origin, ScsiId, SnapshotId, TargetGroup, TargetPrefix, VolumeId};
use proptest::prelude::*;

/// Ids of all sorts; short ones of few characters, so that two of them meet often.
const IDS: &str = "\\PC{1,30}|[ -~\\n]{1,30}|[a._ -]{1,4}|[A-Z2-7_-]{1,16}";

fn is_clean(name: &str) -> bool {
    name.len() <= names::MAX_PHYSICAL_LEN
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

proptest! {
    #[test]
    fn every_volume_id_survives_the_way_to_its_name_and_back(id in IDS) {
        if let Ok(id) = id.parse::<VolumeId>() {
            let name = id.physical_name();
            prop_assert!(is_clean(&name), "{}", name);
            prop_assert_eq!(display_name(&name), id.as_str());
            prop_assert_eq!(VolumeId::from_physical(&name), Some(id));
        }
    }

    #[test]
    fn every_snapshot_id_survives_the_way_to_its_name_and_back(id in IDS, volume in IDS) {
        let (Ok(id), Ok(volume)) = (id.parse::<SnapshotId>(), volume.parse::<VolumeId>()) else {
            return Ok(());
        };
        let name = id.physical_name();
        prop_assert!(is_clean(&name), "{}", name);
        prop_assert_eq!(SnapshotParts::parse(&name).unwrap().volume, None);
        prop_assert_eq!(SnapshotId::from_physical(&name), Some(id.clone()));
        prop_assert_eq!(SnapshotId::from_export(&name), None);
        if let Ok(export) = id.export_name(&volume) {
            prop_assert!(is_clean(&export), "{}", export);
            prop_assert_eq!(SnapshotId::from_physical(&export), None);
            prop_assert_eq!(SnapshotId::from_export(&export), Some((id, volume)));
        }
    }

    #[test]
    fn every_nfs_export_survives_the_way_to_its_name_and_back(
        id in "\\PC{1,10}|[a._-]{1,10}", dataset in "\\PC{1,10}", file in "\\PC{1,10}",
    ) {
        let id: SnapshotId = id.parse().unwrap();
        if let Ok(name) = id.nas_export_name(&dataset, &file) {
            prop_assert!(is_clean(&name), "{}", name);
            let parts = SnapshotParts::parse(&name).unwrap();
            prop_assert_eq!(parts.id, id.as_str());
            prop_assert_eq!(parts.volume, Some(dataset));
            prop_assert_eq!(parts.nas_volume, Some(file));
        }
    }

    #[test]
    fn two_ids_never_have_one_name(ids in proptest::collection::vec(IDS, 2..8)) {
        let volumes: Vec<VolumeId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let snapshots: Vec<SnapshotId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        for (a, b) in pairs(&volumes) {
            prop_assert_eq!(a == b, a.physical_name() == b.physical_name());
        }
        for (a, b) in pairs(&snapshots) {
            prop_assert_eq!(a == b, a.physical_name() == b.physical_name());
        }
        let exports: Vec<_> = snapshots
            .iter()
            .flat_map(|id| volumes.iter().map(move |volume| (id, volume)))
            .filter_map(|(id, volume)| Some(((id, volume), id.export_name(volume).ok()?)))
            .collect();
        for (a, b) in pairs(&exports) {
            prop_assert_eq!(a.0 == b.0, a.1 == b.1);
        }
    }

    #[test]
    fn base32_has_one_form_for_every_text(text in ".*", other in "[A-Z2-7=-]{0,24}") {
        prop_assert_eq!(base32_decode(&base32_encode(&text)), Some(text));
        if let Some(decoded) = base32_decode(&other) {
            prop_assert_eq!(base32_encode(&decoded), other);
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(
        text in "\\PC*|(v|vh|vb|t|te|s|se|sb|sh|shv|sp|vm-|base-)_?[A-Z2-7_=-]*|.*",
    ) {
        let _ = VolumeId::from_physical(&text);
        let _ = text.parse::<VolumeId>();
        let _ = SnapshotParts::parse(&text);
        let _ = (SnapshotId::from_physical(&text), SnapshotId::from_export(&text));
        let _ = text.parse::<SnapshotId>().map(|id| id.nas_guest().is_some());
        let _ = SnapshotId::of_nas_guest(1, &text);
        let _ = (GuestVolume::parse(&text), GuestVolume::without_directory(&text));
        let _ = (display_name(&text), classify(&text), base32_decode(&text));
        let _ = dataset_name(&text, &text, Some(&text));
        let _ = text.parse::<ScsiId>().map(|id| id.wwid());
        let _ = text.parse::<TargetPrefix>();
        let _ = TargetGroup::of(&text);
        let _ = Origin::parse(&text);
        let family = TargetFamily::new(&"iqn.a".parse().unwrap(), &"vm-1".parse().unwrap());
        let _ = family.unwrap().first_free(&[&text]);
    }

    #[test]
    fn a_group_made_from_any_name_is_a_valid_part_of_a_target_name(volume in ".{1,200}") {
        let group = TargetGroup::of(&volume).unwrap();
        prop_assert_eq!(group.as_str().parse::<TargetGroup>(), Ok(group.clone()));
        prop_assert!(group.as_str().len() <= 100);
    }

    #[test]
    fn a_target_prefix_read_again_is_the_same(text in "[a-zA-Z0-9.:-]{1,20}:{0,4}") {
        if let Ok(prefix) = text.parse::<TargetPrefix>() {
            prop_assert_eq!(prefix.as_str().parse::<TargetPrefix>(), Ok(prefix.clone()));
        }
    }

    #[test]
    fn a_target_name_fits_into_iscsi(prefix in "[a-z.:]{1,240}", group in "[a-z0-9-]{1,60}", index: u32) {
        let (Ok(prefix), Ok(group)) = (prefix.parse(), group.parse()) else { return Ok(()) };
        if let Ok(family) = TargetFamily::new(&prefix, &group) {
            let name = family.name(index);
            prop_assert!(name.len() <= TargetFamily::MAX_LEN);
            prop_assert!(family.contains(&name));
            prop_assert_ne!(family.first_free(&[&name]), name);
        }
    }

    #[test]
    fn a_wwid_is_a_two_and_sixteen_hex_digits(id in "[!-~]{8,25}") {
        let wwid = id.parse::<ScsiId>().unwrap().wwid();
        prop_assert_eq!(wwid.len(), 17);
        prop_assert!(wwid.starts_with('2'));
        prop_assert!(wwid[1..].bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    }

    #[test]
    fn an_origin_is_the_name_of_a_snapshot_taken_apart(
        pool in "[A-Za-z0-9-]{1,10}", volume in IDS, snapshot in IDS,
    ) {
        let (Ok(volume), Ok(snapshot)) = (volume.parse::<VolumeId>(), snapshot.parse::<SnapshotId>())
        else { return Ok(()) };
        let (volume, snapshot) = (volume.physical_name(), snapshot.physical_name());
        if let Ok(name) = dataset_name(&pool, &volume, Some(&snapshot)) {
            let origin = Origin::parse(&name).unwrap();
            prop_assert_eq!((origin.pool, origin.volume, origin.snapshot), (pool, volume, snapshot));
        }
    }
}

/// Every two of them, in one order.
fn pairs<T>(all: &[T]) -> impl Iterator<Item = (&T, &T)> {
    all.iter()
        .enumerate()
        .flat_map(move |(i, a)| all[..i].iter().map(move |b| (a, b)))
}
