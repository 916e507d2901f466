//! Disks come and go.

use crate::host::{Deletes, Host, TARGET, portal, soon, target};
use jdss_iscsi::{Disk, DiskState, Error, Initiator, Lun, Session};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn lun(number: u16) -> Lun {
    Lun::try_from(number).expect("small enough")
}

/// A host with one session.
fn with_session() -> (Arc<Host>, Initiator, Session) {
    let host = Host::new();
    host.add_session(TARGET, "10.0.1.1", "3260");
    let initiator = host.initiator();
    let session = initiator.session(&target(), &portal("10.0.1.1"));
    let session = session.expect("readable").expect("a session");
    (host, initiator, session)
}

/// A host with one session and one disk, at LUN 0.
fn with_disk() -> (Arc<Host>, Initiator, Disk) {
    let (host, initiator, session) = with_session();
    host.add_device(session.id.get(), 0, Some(131_072));
    let disk = initiator
        .disk(&session, lun(0))
        .expect("readable")
        .expect("a disk");
    (host, initiator, disk)
}

#[test]
fn a_scan_asks_for_exactly_one_lun() {
    let (host, initiator, session) = with_session();
    host.state().luns.insert(12, 2048);
    initiator.scan(&session, lun(12)).unwrap();
    assert_eq!(host.effects(), ["sys/class/scsi_host/host0/scan = 0 0 12"]);
    let disk = initiator
        .wait_disk(&session, lun(12), soon())
        .unwrap()
        .unwrap();
    assert_eq!((disk.lun, disk.size), (lun(12), 1 << 20));
    assert_eq!(initiator.disks(&session).unwrap(), [disk]);
}

#[test]
fn a_lun_that_is_not_there_does_not_appear() {
    let (_, initiator, session) = with_session();
    initiator.scan(&session, lun(5)).unwrap();
    assert_eq!(
        initiator
            .wait_disk(&session, lun(5), Instant::now())
            .unwrap(),
        None
    );
}

#[test]
fn a_disk_of_a_session_that_is_gone_is_not_waited_for() {
    let (host, initiator, session) = with_session();
    host.end_session(session.id.get());
    let far = Instant::now() + Duration::from_secs(3600);
    assert_eq!(initiator.wait_disk(&session, lun(0), far).unwrap(), None);
}

#[test]
fn a_session_that_is_down_is_not_scanned() {
    let (host, initiator, session) = with_session();
    for state in ["FAILED", "FREE"] {
        host.set(session.id.get(), "state", state);
        let error = initiator.scan(&session, lun(0)).unwrap_err();
        assert!(
            matches!(error, Error::SessionDown { state: Some(_), .. }),
            "{error}"
        );
        assert!(error.to_string().contains("10.0.1.1:3260"), "{error}");
    }
    host.end_session(session.id.get());
    let error = initiator.scan(&session, lun(0)).unwrap_err();
    assert!(
        matches!(error, Error::SessionDown { state: None, .. }),
        "{error}"
    );
    assert_eq!(host.effects(), Vec::<String>::new());
}

#[test]
fn a_rescan_makes_the_size_fresh() {
    let (host, initiator, disk) = with_disk();
    host.state().luns.insert(0, 262_144);
    assert_eq!(
        initiator.disk_by_name("sda").unwrap().unwrap().size,
        64 << 20
    );
    initiator.rescan(&disk).unwrap();
    assert_eq!(
        host.effects(),
        ["sys/class/scsi_device/0:0:0:0/device/rescan = 1"]
    );
    assert_eq!(
        initiator.disk_by_name("sda").unwrap().unwrap().size,
        128 << 20
    );
}

#[test]
fn a_path_that_is_down_is_not_rescanned() {
    let (host, initiator, disk) = with_disk();
    for state in ["blocked", "offline", "transport-offline", "cancel"] {
        host.set_disk(&disk.hctl, "state", state);
        let error = initiator.rescan(&disk).unwrap_err();
        assert!(
            matches!(&error, Error::DiskDown { disk, .. } if disk == "sda"),
            "{error}"
        );
        assert!(error.to_string().contains(state), "{error}");
    }
    host.set_disk(&disk.hctl, "state", "running");
    host.set(1, "state", "FAILED");
    let error = initiator.rescan(&disk).unwrap_err();
    assert!(matches!(error, Error::SessionDown { .. }), "{error}");
    host.end_session(1);
    let error = initiator.rescan(&disk).unwrap_err();
    assert!(
        matches!(error, Error::DiskDown { state: None, .. }),
        "{error}"
    );
    assert_eq!(host.effects(), Vec::<String>::new());
}

#[test]
fn a_free_disk_is_deleted_and_gone() {
    let (host, initiator, disk) = with_disk();
    initiator.delete(&disk, soon()).unwrap();
    assert_eq!(
        host.effects(),
        ["sys/class/scsi_device/0:0:0:0/device/delete = 1"]
    );
    assert_eq!(initiator.all_disks().unwrap(), []);
    initiator.delete(&disk, soon()).unwrap();
    assert_eq!(host.effects(), Vec::<String>::new());
}

#[test]
fn a_disk_that_somebody_uses_is_not_deleted() {
    let held = |prepare: fn(&Host)| {
        let (host, initiator, disk) = with_disk();
        prepare(&host);
        let error = initiator.delete(&disk, soon()).expect_err("it is in use");
        assert_eq!(host.effects(), Vec::<String>::new());
        assert!(!initiator.usage(&disk).expect("readable").is_free());
        error.to_string()
    };
    let text = held(|host| host.file("sys/block/sda/holders/dm-3/dev", ""));
    assert_eq!(text, "disk sda is in use: held by dm-3");
    let text = held(|host| {
        host.state().busy.insert("sda".to_owned());
    });
    assert!(text.contains("exclusively"), "{text}");
    let text = held(|host| {
        host.file("proc/4711/stat", "4711 (kvm) S 1 4711 4711 0\n");
        std::fs::create_dir_all(host.path("proc/4711/fd")).expect("a directory");
        std::os::unix::fs::symlink("/dev/sda", host.path("proc/4711/fd/9")).expect("a link");
    });
    assert!(text.contains("kvm (process 4711)"), "{text}");
    let text = held(|host| {
        host.file(
            "proc/self/mountinfo",
            "30 1 8:0 / /srv rw - ext4 /dev/sda rw\n",
        );
    });
    assert!(text.contains("/srv"), "{text}");
}

#[test]
fn a_disk_that_is_off_is_deleted() {
    for state in ["offline", "transport-offline"] {
        let (host, initiator, disk) = with_disk();
        host.set_disk(&disk.hctl, "state", state);
        initiator.delete(&disk, soon()).unwrap();
        assert_eq!(initiator.all_disks().unwrap(), []);
    }
}

#[test]
fn a_blocked_disk_is_neither_opened_nor_deleted() {
    let (host, initiator, disk) = with_disk();
    host.set_disk(&disk.hctl, "state", "blocked");
    // An open would hang; here it would say that the disk is in use.
    host.state().busy.insert("sda".to_owned());
    let error = initiator.delete(&disk, Instant::now()).unwrap_err();
    let blocked = Some(DiskState::Blocked);
    assert!(
        matches!(&error, Error::DiskDown { state, .. } if *state == blocked),
        "{error}"
    );
    assert!(error.is_transient());
    let error = initiator.usage(&disk).unwrap_err();
    assert!(
        matches!(&error, Error::DiskDown { state, .. } if *state == blocked),
        "{error}"
    );
    assert_eq!(host.effects(), Vec::<String>::new());
}

#[test]
fn a_blocked_disk_is_deleted_once_its_session_is_given_up() {
    let (host, initiator, disk) = with_disk();
    let state = format!("sys/class/scsi_device/{}/device/state", disk.hctl);
    host.in_turn(&state, &["blocked", "blocked", "transport-offline"]);
    initiator.delete(&disk, soon()).unwrap();
    assert_eq!(initiator.all_disks().unwrap(), []);
}

#[test]
fn a_disk_that_stays_is_an_error_that_names_it() {
    for stays in [Deletes::Nothing, Deletes::DiskOnly] {
        let (host, initiator, disk) = with_disk();
        host.state().deletes = stays;
        let error = initiator.delete(&disk, Instant::now()).unwrap_err();
        assert!(
            matches!(&error, Error::StillThere { disk } if disk == "sda"),
            "{error}"
        );
    }
}

#[test]
fn a_disk_that_takes_the_name_at_once_is_not_waited_for() {
    let (host, initiator, disk) = with_disk();
    host.state().deletes = Deletes::AndReuses;
    initiator.delete(&disk, Instant::now()).unwrap();
    assert_eq!(initiator.disk_by_name("sda").unwrap().unwrap().lun, lun(9));
}

#[test]
fn another_disk_of_the_same_name_is_not_this_one() {
    let (host, initiator, disk) = with_disk();
    // Deleted by somebody else; the name went to a disk at another LUN.
    host.remove_device(&disk.hctl);
    host.state().next.2 = b'a';
    host.add_device(1, 9, Some(8));
    initiator.delete(&disk, soon()).unwrap();
    assert_eq!(host.effects(), Vec::<String>::new());
    assert!(initiator.rescan(&disk).is_err());
    assert_eq!(initiator.disk_by_name("sda").unwrap().unwrap().lun, lun(9));
}

#[test]
fn another_disk_at_the_same_lun_is_not_this_one() {
    let (host, initiator, disk) = with_disk();
    // Deleted and scanned again by somebody else.
    host.remove_device(&disk.hctl);
    host.add_device(1, 0, Some(8));
    initiator.delete(&disk, soon()).unwrap();
    assert!(initiator.rescan(&disk).is_err());
    assert_eq!(host.effects(), Vec::<String>::new());
    assert_eq!(initiator.all_disks().unwrap().len(), 1);
}
