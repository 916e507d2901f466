//! No crash tears or loses a record, wherever it happens.

mod frail;

use std::path::Path;

use frail::{Forgotten, Frail, pull_the_plug};
use jdss_state::{Error, Key, LegacyRecord, Record, Store, Verbs as _};

const BOOT: &str = "4be8f6b5-7b5e-4d0e-8f4f-2f6a5c1f7b1e";
const ROOT: &str = "/etc/joviandss";
const LEGACY: &str = "/etc/joviandss/state/jovian/iqn.2025-04.a:vm-100-0/0/vm-100-disk-0";

fn key() -> Key {
    Key::new("jovian", "vm-100-disk-0", None).expect("names are fine")
}

fn record(size: u64) -> Record {
    let mut record = Record::new(key(), BOOT);
    record.size = Some(size);
    record
}

/// What the record says; `None` without one.
fn size(store: &Store) -> Result<Option<u64>, String> {
    let record = store
        .load(&key())
        .map_err(|error| format!("unreadable: {error:?}"))?;
    Ok(record.and_then(|record| record.size))
}

fn expect(found: Option<u64>, allowed: &[Option<u64>]) -> Result<(), String> {
    if allowed.contains(&found) {
        Ok(())
    } else {
        Err(format!("found {found:?}"))
    }
}

fn save_over(old: Option<u64>, disk: &Frail) -> Result<usize, String> {
    let both = [Some(2), old];
    let check =
        |store: &Store, done: bool| expect(size(store)?, if done { &[Some(2)] } else { &both });
    pull_the_plug(disk, |store| store.save(&record(2)), check)
}

fn disk_with(size: u64) -> Frail {
    let disk = Frail::new();
    disk.store().save(&record(size)).expect("nothing fails yet");
    disk
}

fn remove(disk: &Frail) -> Result<usize, String> {
    let check = |store: &Store, done: bool| {
        expect(
            size(store)?,
            if done { &[None] } else { &[None, Some(1)][..] },
        )
    };
    pull_the_plug(disk, |store| store.remove(&key()).map(drop), check)
}

/// A disk with a record of the other plugin, and with `neighbours` besides it.
fn disk_with_legacy(neighbours: &[&str]) -> Frail {
    let disk = Frail::new();
    for path in std::iter::once(&LEGACY).chain(neighbours) {
        let path = Path::new(path);
        let dirs: Vec<_> = path
            .ancestors()
            .skip(1)
            .filter(|dir| dir.starts_with(ROOT))
            .collect();
        for dir in dirs.iter().rev() {
            // It may be there already.
            let _ = disk.create_dir(dir);
            disk.sync_dir(dir.parent().expect("below /etc"))
                .expect("it is a directory");
        }
        let volume = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("it has a name");
        let json = format!(
            r#"{{"scsiid":"23466613163306465","volname":"{volume}","snapname":null,"size":7,
            "hosts":["10.1.0.11"],"multipath":true,"shared":true}}"#
        );
        disk.write(path, json.as_bytes())
            .expect("its directory is there");
        disk.sync(path).expect("it is there");
        disk.sync_dir(dirs[0]).expect("it is there");
    }
    disk
}

fn legacy(store: &Store) -> Result<Option<LegacyRecord>, String> {
    let records = store
        .legacy("jovian")
        .map_err(|error| format!("unreadable: {error:?}"))?;
    let mut records = records.into_iter().collect::<Result<Vec<_>, _>>();
    if let Ok(records) = &mut records {
        records.retain(|record| record.volume == key().volume());
    }
    match &mut records {
        Ok(records) if records.len() < 2 => Ok(records.pop()),
        other => Err(format!("unreadable: {other:?}")),
    }
}

/// Moves the record between the two layouts; there is always a true one, and in the end just one.
fn move_record(disk: &Frail) -> Result<usize, String> {
    let before = disk.after_kill().store();
    let legacy_record = legacy(&before)?;
    let our_record = before
        .load(&key())
        .map_err(|error| format!("unreadable: {error:?}"))?;
    let act = |store: &Store| -> Result<(), Error> {
        match (&legacy_record, &our_record) {
            (Some(legacy), _) => store.take_over(legacy, &legacy.to_record(key(), BOOT)),
            (None, Some(ours)) => store.give_back(ours, "vm-100-disk-0", true).map(drop),
            (None, None) => unreachable!("the disk has one of them"),
        }
    };
    let check = |store: &Store, done: bool| {
        let (ours, theirs) = (size(store)?, legacy(store)?.and_then(|legacy| legacy.size));
        let wanted = if legacy_record.is_some() {
            (Some(7), None)
        } else {
            (None, Some(7))
        };
        let fine = if done {
            (ours, theirs) == wanted
        } else {
            ours.or(theirs) == Some(7)
        };
        if fine {
            Ok(())
        } else {
            Err(format!("found ours {ours:?}, theirs {theirs:?}"))
        }
    };
    pull_the_plug(disk, act, check)
}

fn disk_with_ours() -> Frail {
    let disk = disk_with_legacy(&[]);
    let store = disk.store();
    let legacy = store
        .legacy("jovian")
        .expect("readable")
        .pop()
        .expect("one")
        .expect("whole");
    store
        .take_over(&legacy, &legacy.to_record(key(), BOOT))
        .expect("nothing fails yet");
    disk
}

#[test]
fn a_first_save_is_whole_or_absent_and_stays() {
    // Three directories to be made besides the file.
    assert!(save_over(None, &Frail::new()).unwrap() > 10);
}

#[test]
fn a_save_leaves_the_old_or_the_new_record() {
    assert!(save_over(Some(1), &disk_with(1)).unwrap() >= 4);
}

#[test]
fn a_removed_record_stays_away() {
    assert!(remove(&disk_with(1)).unwrap() >= 2);
}

#[test]
fn taking_over_a_record_never_leaves_none() {
    assert!(move_record(&disk_with_legacy(&[])).unwrap() > 6);
    for neighbour in ["0/vm-100-disk-1", "1/vm-100-disk-1"] {
        let neighbour = Path::new(LEGACY)
            .ancestors()
            .nth(2)
            .unwrap()
            .join(neighbour);
        move_record(&disk_with_legacy(&[neighbour.to_str().unwrap()])).unwrap();
    }
}

#[test]
fn giving_back_a_record_never_leaves_none() {
    assert!(move_record(&disk_with_ours()).unwrap() > 6);
}

#[test]
fn a_probe_changes_nothing() {
    let check = |store: &Store, _| expect(size(store)?, &[Some(1)]);
    pull_the_plug(&disk_with(1), |store| store.probe(&key()), check).unwrap();
    let check = |store: &Store, _| expect(size(store)?, &[None]);
    pull_the_plug(&Frail::new(), |store| store.probe(&key()), check).unwrap();
}

#[test]
fn the_plug_test_sees_each_forgotten_step() {
    for verb in [Forgotten::Sync, Forgotten::SyncDir, Forgotten::Rename] {
        let careless = |disk: Frail| {
            disk.forget(verb);
            disk
        };
        save_over(Some(1), &careless(disk_with(1))).unwrap_err();
        save_over(None, &careless(Frail::new())).unwrap_err();
        move_record(&careless(disk_with_legacy(&[]))).unwrap_err();
        move_record(&careless(disk_with_ours())).unwrap_err();
    }
    let disk = disk_with(1);
    disk.forget(Forgotten::SyncDir);
    remove(&disk).unwrap_err();
}

#[test]
fn what_a_crash_left_is_overwritten_by_the_next_save() {
    let disk = disk_with(1);
    let temporary = "/etc/joviandss/state/jovian/.vm-100-disk-0.json.tmp".as_ref();
    disk.write(temporary, b"{\"version\": 1, \"sto").unwrap();
    let store = disk.store();
    assert_eq!(store.list(None).unwrap().len(), 1);
    store.save(&record(2)).unwrap();
    assert!(!disk.exists(temporary).unwrap());
    disk.write(temporary, b"{").unwrap();
    store.remove(&key()).unwrap();
    assert!(!disk.exists(temporary).unwrap());
}
