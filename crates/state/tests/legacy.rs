//! The other plugin's records, as its releases write them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use jdss_state::{Error, Key, LegacyRecord, Phase, Record, Store};
use proptest::prelude::*;

const BOOT: &str = "4be8f6b5-7b5e-4d0e-8f4f-2f6a5c1f7b1e";
const TARGET: &str = "iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0";

/// Just activated.
const FRESH: &str = r#"{"scsiid":"23466613163306465","volname":"vm-100-disk-0","snapname":null,"size":null,"hosts":["10.1.0.11","10.2.0.11"],"multipath":true,"shared":true}
"#;
/// After a resize and an upgrade to multipath: a number as text, 1 for true.
const TOUCHED: &str = r#"{"hosts":["10.1.0.11","fd00::11"],"multipath":1,"scsiid":"23466613163306465","shared":0,"size":"34359738368","snapname":"before","volname":"vm-100-disk-0"}"#;

fn key() -> Key {
    Key::new("jovian", "vm-100-disk-0", None).expect("names are fine")
}

fn put(dir: &Path, lun: &str, volume: &str, content: &str) -> PathBuf {
    let path = dir.join("jovian").join(TARGET).join(lun).join(volume);
    fs::create_dir_all(path.parent().expect("below a directory")).expect("it can be made");
    #[expect(
        clippy::disallowed_methods,
        reason = "the other plugin writes in place"
    )]
    fs::write(&path, content).expect("it can be written");
    path
}

/// The one record that `content` makes.
fn read(content: &str) -> Result<LegacyRecord, Error> {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    put(dir.path(), "0", "vm-100-disk-0", content);
    let mut records = Store::at(dir.path()).legacy("jovian").expect("readable");
    assert_eq!(records.len(), 1);
    records.remove(0)
}

#[test]
fn a_fresh_record_is_read() {
    let record = read(FRESH).unwrap();
    assert_eq!(
        (record.storage.as_str(), record.target.as_str()),
        ("jovian", TARGET)
    );
    assert_eq!((record.lun, record.volume.as_str()), (0, "vm-100-disk-0"));
    assert_eq!((record.snapshot, record.size), (None, None));
    assert_eq!(record.scsi_id, "23466613163306465");
    let addresses: [IpAddr; 2] = [
        Ipv4Addr::new(10, 1, 0, 11).into(),
        Ipv4Addr::new(10, 2, 0, 11).into(),
    ];
    assert_eq!(record.addresses, addresses);
    assert!(record.multipath && record.shared);
}

#[test]
fn a_touched_record_is_read() {
    let record = read(TOUCHED).unwrap();
    assert_eq!(record.size, Some(34_359_738_368));
    assert_eq!(record.snapshot.as_deref(), Some("before"));
    assert!(record.multipath && !record.shared);
    assert_eq!(
        record.addresses[1],
        IpAddr::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x11))
    );
}

#[test]
fn each_way_to_write_a_flag_is_read() {
    let ways = [
        ("true", true),
        ("1", true),
        ("\"1\"", true),
        ("false", false),
        ("0", false),
        ("\"0\"", false),
        ("\"\"", false),
        ("null", false),
    ];
    for (text, wanted) in ways {
        let content = FRESH.replace("\"multipath\":true", &format!("\"multipath\":{text}"));
        assert_eq!(read(&content).unwrap().multipath, wanted, "{text}");
    }
}

#[test]
fn a_record_that_makes_no_sense_is_damage() {
    let changes = [
        ("\"size\":null", "\"size\":-1"),
        ("\"size\":null", "\"size\":\"big\""),
        ("\"multipath\":true", "\"multipath\":2"),
        ("\"shared\":true", "\"shard\":true"),
        ("10.2.0.11", "10.2.0.11:3260"),
        ("vm-100-disk-0", "vm-100-disk-1"),
        (FRESH, ""),
        (FRESH, "{"),
    ];
    for (from, to) in changes {
        let error = read(&FRESH.replace(from, to)).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{to}: {error:?}");
    }
}

#[test]
fn a_broken_record_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let broken = put(dir.path(), "0", "vm-100-disk-0", "");
    put(dir.path(), "1", "vm-100-disk-0", FRESH);
    put(dir.path(), "x", "vm-100-disk-0", FRESH);
    put(dir.path(), "2", ".vm-100-disk-0.tmp", "");
    let store = Store::at(dir.path());
    store.save(&Record::new(key(), BOOT)).unwrap();

    let records = store.legacy("jovian").unwrap();
    assert_eq!(records.len(), 3);
    assert!(matches!(&records[0], Err(Error::Damaged { path, .. }) if *path == broken));
    assert_eq!(records[1].as_ref().unwrap().lun, 1);
    assert!(matches!(&records[2], Err(Error::Damaged { .. })));
    // Neither sees the other's.
    assert_eq!(store.list(None).unwrap().len(), 1);
    for other in ["other", "..", "/"] {
        assert!(store.legacy(other).unwrap().is_empty());
    }
}

#[test]
fn taking_over_removes_what_becomes_empty_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let first = put(dir.path(), "0", "vm-100-disk-0", FRESH);
    let second = put(dir.path(), "1", "vm-100-disk-0", TOUCHED);
    let store = Store::at(dir.path());
    for legacy in store.legacy("jovian").unwrap() {
        let legacy = legacy.unwrap();
        let key = Key::new("jovian", &legacy.volume, legacy.snapshot.as_deref()).unwrap();
        let record = legacy.to_record(key.clone(), BOOT);
        store.take_over(&legacy, &record).unwrap();
        let saved = store.load(&key).unwrap().unwrap();
        assert_eq!((saved.phase, saved.lun), (Phase::Active, Some(legacy.lun)));
        assert_eq!(
            saved.mapper_path.as_deref(),
            Some("/dev/mapper/23466613163306465")
        );
        if legacy.lun == 0 {
            assert_eq!(saved.portals, ["10.1.0.11:3260", "10.2.0.11:3260"]);
            assert!(!first.parent().unwrap().exists() && second.exists());
        } else {
            assert_eq!(saved.portals, ["10.1.0.11:3260", "[fd00::11]:3260"]);
        }
    }
    assert!(!dir.path().join("jovian").join(TARGET).exists());
    assert_eq!(store.list(Some("jovian")).unwrap().len(), 2);
}

#[test]
fn what_was_taken_over_is_given_back_byte_by_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), "0", "vm-100-disk-0", FRESH);
    let store = Store::at(dir.path());
    let legacy = store.legacy("jovian").unwrap().remove(0).unwrap();
    let record = legacy.to_record(key(), BOOT);
    store.take_over(&legacy, &record).unwrap();
    assert_eq!(
        store.give_back(&record, "vm-100-disk-0", true).unwrap(),
        path
    );
    assert_eq!(fs::read_to_string(path).unwrap(), FRESH);
    assert!(store.load(&key()).unwrap().is_none());
}

#[test]
fn a_single_path_record_has_the_path_by_id() {
    let legacy = read(&FRESH.replace("\"multipath\":true", "\"multipath\":false")).unwrap();
    let record = legacy.to_record(key(), BOOT);
    assert_eq!(
        record.mapper_path.as_deref(),
        Some("/dev/disk/by-id/scsi-23466613163306465")
    );
    assert!(!record.multipath);
}

#[test]
fn what_the_other_plugin_cannot_hold_is_not_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path());
    let whole = read(FRESH).unwrap().to_record(key(), BOOT);
    type Change = fn(&mut Record);
    let changes: [(&str, Change); 6] = [
        ("phase", |record| record.phase = Phase::Deactivating),
        ("scsi_id", |record| record.scsi_id = None),
        ("target", |record| record.target = None),
        ("target", |record| {
            record.target = Some("../../x".to_owned())
        }),
        ("lun", |record| record.lun = None),
        ("portals", |record| {
            record.portals = vec!["10.1.0.11:3261".to_owned()]
        }),
    ];
    for (wanted, change) in changes {
        let mut record = whole.clone();
        change(&mut record);
        store.save(&record).unwrap();
        let error = store.give_back(&record, "vm-100-disk-0", true).unwrap_err();
        assert!(
            matches!(error, Error::NotConvertible { field, .. } if field == wanted),
            "{error:?}"
        );
        assert!(store.load(&key()).unwrap().is_some());
    }
    for volume in ["", "..", "a/b"] {
        let error = store.give_back(&whole, volume, true).unwrap_err();
        assert!(
            matches!(
                error,
                Error::NotConvertible {
                    field: "volume",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_content_panics(content in ".{0,100}") {
        prop_assert!(read(&content).is_err());
    }

    #[test]
    fn no_changed_character_panics(at in 0..150_usize, to in "[ -~]") {
        let mut content = TOUCHED.to_owned();
        content.replace_range(at..=at, &to);
        let _ = read(&content);
    }
}
