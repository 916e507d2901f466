//! Records on a real disk.

use std::error::Error as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jdss_state::{Damage, Error, Key, Phase, Record, Store, boot_id};
use proptest::prelude::*;

const BOOT: &str = "4be8f6b5-7b5e-4d0e-8f4f-2f6a5c1f7b1e";

fn key(volume: &str) -> Key {
    Key::new("jovian", volume, None).expect("names are fine")
}

/// A record with something in every field.
fn full() -> Record {
    let key = Key::new("jovian", "vm-100-disk-0", Some("before")).expect("names are fine");
    let mut record = Record::new(key, BOOT);
    record.physical_name = Some("se_before_OZWTCMBQ".to_owned());
    record.pool = Some("Pool-0".to_owned());
    record.scsi_id = Some("23466613163306465".to_owned());
    record.mapper_path = Some("/dev/mapper/23466613163306465".to_owned());
    record.multipath = true;
    record.target = Some("iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0".to_owned());
    record.lun = Some(3);
    record.portals = vec!["10.1.0.11:3260".to_owned(), "[fd00::1]:3260".to_owned()];
    record.spare_portals = vec!["10.3.0.11:3260".to_owned()];
    record.size = Some(34_359_738_368);
    record.phase = Phase::UnpublishPending;
    record
}

/// Puts `content` where the record of `volume` belongs.
fn place(store: &Store, volume: &str, content: &[u8]) -> PathBuf {
    put(store.path(&key(volume)), content)
}

fn put(path: PathBuf, content: &[u8]) -> PathBuf {
    fs::create_dir_all(path.parent().expect("it is below a directory")).expect("it can be made");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test wants exactly these bytes there"
    )]
    fs::write(&path, content).expect("it can be written");
    path
}

fn json_of(record: &Record) -> String {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let store = Store::at(dir.path());
    store.save(record).expect("it can be written");
    fs::read_to_string(store.path(record.key())).expect("it was written")
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let store = Store::at(dir.path().join("state"));
    (dir, store)
}

#[test]
fn every_field_reads_back() {
    let (_dir, store) = store();
    let record = full();
    store.save(&record).unwrap();
    let mut found = store.load(record.key()).unwrap().unwrap();
    assert!(found.updated >= record.updated);
    found.updated = record.updated;
    assert_eq!(found, record);
}

#[test]
fn the_version_is_the_first_field() {
    let json = json_of(&full());
    assert!(
        json.starts_with("{\n  \"version\": 1,\n  \"storage\": \"jovian\",\n"),
        "{json}"
    );
    assert!(json.contains("\"phase\": \"unpublish-pending\""), "{json}");
}

#[test]
fn files_and_directories_are_for_the_owner_alone() {
    let (dir, store) = store();
    store.save(&full()).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode(&store.path(full().key())), 0o600);
    assert_eq!(mode(&dir.path().join("state/jovian")), 0o700);
    assert_eq!(mode(&dir.path().join("state")), 0o700);
}

#[test]
fn an_absent_record_is_not_an_error() {
    let (_dir, store) = store();
    assert!(store.load(&key("a")).unwrap().is_none());
    assert!(!store.remove(&key("a")).unwrap());
    assert!(store.list(None).unwrap().is_empty());
    assert!(store.list(Some("jovian")).unwrap().is_empty());
}

#[test]
fn a_newer_record_is_refused_whatever_its_fields_are() {
    let (_dir, store) = store();
    place(&store, "a", br#"{"version": 2, "name": "a"}"#);
    let error = store.load(&key("a")).unwrap_err();
    assert!(matches!(error, Error::TooNew { found: 2, .. }), "{error:?}");
    assert!(
        error.to_string().contains("jovian/a.json has version 2"),
        "{error}"
    );
}

#[test]
fn a_damaged_record_is_an_error_that_names_the_file() {
    let whole = json_of(&Record::new(key("a"), BOOT));
    let unknown = whole.replace("\"lun\"", "\"lnu\"");
    let version_0 = whole.replace("\"version\": 1", "\"version\": 0");
    let bad_time = whole.replacen("T", "X", 1);
    let cases: [&[u8]; 8] = [
        b"",
        b"{}",
        b"{\"version\": 1}",
        version_0.as_bytes(),
        b"null",
        &whole.as_bytes()[..whole.len() / 2],
        unknown.as_bytes(),
        bad_time.as_bytes(),
    ];
    for content in cases {
        let (_dir, store) = store();
        let path = place(&store, "a", content);
        let error = store.load(&key("a")).unwrap_err();
        assert!(
            matches!(&error, Error::Damaged { path: found, .. } if *found == path),
            "{error:?}"
        );
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert!(error.source().is_some());
        assert!(store.remove(&key("a")).unwrap());
    }
}

#[test]
fn a_huge_file_is_damage_not_memory() {
    let (_dir, store) = store();
    place(&store, "a", &vec![b' '; 1 << 20]);
    let error = store.load(&key("a")).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Damaged {
                source: Damage::TooLong,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_record_that_would_not_read_back_is_not_written() {
    let (_dir, store) = store();
    let mut record = Record::new(key("a"), BOOT);
    record.portals = vec!["10.0.0.1:3260".to_owned(); 10_000];
    assert!(matches!(
        store.save(&record).unwrap_err(),
        Error::Write { .. }
    ));
    assert!(store.load(&key("a")).unwrap().is_none());
}

#[test]
fn a_record_under_another_name_is_refused() {
    let (_dir, store) = store();
    let content = json_of(&Record::new(key("a"), BOOT));
    place(&store, "b", content.as_bytes());
    let error = store.load(&key("b")).unwrap_err();
    assert!(
        matches!(&error, Error::Misplaced { names, .. } if **names == key("a")),
        "{error:?}"
    );
}

#[test]
fn a_broken_file_hides_no_other() {
    let (dir, store) = store();
    for volume in ["a", "c", "%~@ü"] {
        store.save(&Record::new(key(volume), BOOT)).unwrap();
    }
    let long = "x".repeat(500);
    store
        .save(&Record::new(Key::new("other", &long, None).unwrap(), BOOT))
        .unwrap();
    place(&store, "b", b"{");
    fs::create_dir_all(dir.path().join("state/jovian/iqn.2025.json/0")).unwrap();
    put(dir.path().join("state/jovian/notes"), b"not a record");
    put(dir.path().join("state/notes.json"), b"not a record");

    let names = |records: Vec<Result<Record, Error>>| -> Vec<String> {
        let name = |record: Result<Record, Error>| match record {
            Ok(record) => record.key().volume().to_owned(),
            Err(Error::Damaged { path, .. }) => path.display().to_string(),
            Err(error) => panic!("{error:?}"),
        };
        records.into_iter().map(name).collect()
    };
    let broken = store.path(&key("b")).display().to_string();
    let ours = vec!["%~@ü".to_owned(), "a".to_owned(), broken, "c".to_owned()];
    assert_eq!(names(store.list(Some("jovian")).unwrap()), ours);
    let all = names(store.list(None).unwrap());
    assert_eq!(all[..4], ours);
    assert_eq!(all[4..], [long]);
}

#[test]
fn a_place_that_cannot_be_written_is_told_by_probe_and_save() {
    let dir = tempfile::tempdir().unwrap();
    place(&Store::at(dir.path()), "file", b"");
    // A directory of records that is a file.
    let store = Store::at(Store::at(dir.path()).path(&key("file")));
    let error = store.probe(&key("a")).unwrap_err();
    assert!(matches!(error, Error::Write { .. }), "{error:?}");
    store.save(&Record::new(key("a"), BOOT)).unwrap_err();
    assert!(matches!(
        store.load(&key("a")).unwrap_err(),
        Error::Read { .. }
    ));
    assert!(matches!(store.list(None).unwrap_err(), Error::Read { .. }));
}

#[test]
fn a_probe_leaves_no_file() {
    let (dir, store) = store();
    store.probe(&key("a")).unwrap();
    assert_eq!(
        fs::read_dir(dir.path().join("state/jovian"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_leftover_that_is_a_link_is_not_followed() {
    let (dir, store) = store();
    store.probe(&key("a")).unwrap();
    let victim = dir.path().join("victim");
    let leftover = dir.path().join("state/jovian/.a.json.tmp");
    std::os::unix::fs::symlink(&victim, leftover).unwrap();
    store.save(&Record::new(key("a"), BOOT)).unwrap_err();
    assert!(!victim.exists());
    // The failed call removed the link.
    store.save(&Record::new(key("a"), BOOT)).unwrap();
}

#[test]
fn the_boot_id_is_read_below_the_root() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(
        boot_id(root.path()).unwrap_err(),
        Error::BootId { .. }
    ));
    let file = root.path().join("proc/sys/kernel/random/boot_id");
    put(file.clone(), b"4be8f6b5-7b5e-4d0e-8f4f-2f6a5c1f7b1e\n");
    let id = boot_id(root.path()).unwrap();
    assert_eq!(id, BOOT);
    assert!(Record::new(key("a"), &id).is_of_boot(BOOT));
    put(file, b"");
    assert!(matches!(
        boot_id(root.path()).unwrap_err(),
        Error::BootId { .. }
    ));
}

#[test]
fn errors_can_be_sent_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Error>();
}

/// Written once: each write waits for the disk.
static WHOLE: LazyLock<String> = LazyLock::new(|| json_of(&full()));

proptest! {
    #[test]
    fn no_content_panics(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (_dir, store) = store();
        place(&store, "a", &content);
        prop_assert!(store.load(&key("a")).is_err());
    }

    #[test]
    fn no_changed_byte_panics(at in 0..600_usize, byte in any::<u8>()) {
        let mut content = WHOLE.clone().into_bytes();
        let at = at % content.len();
        content[at] = byte;
        let (_dir, store) = store();
        put(store.path(full().key()), &content);
        if let Ok(found) = store.load(full().key()) {
            let found = found.expect("there is a file");
            prop_assert_eq!(found.key().to_string(), "jovian:vm-100-disk-0@before");
        }
    }
}
