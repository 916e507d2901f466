//! What is there.

use crate::host::{Host, TARGET, portal, target};
use jdss_iscsi::{Disk, DiskState, Error, Lun, SessionState};

#[test]
fn a_host_without_iscsi_has_nothing() {
    let host = Host::new();
    let initiator = host.initiator();
    assert_eq!(initiator.sessions().unwrap(), []);
    assert_eq!(initiator.all_disks().unwrap(), []);
    assert_eq!(initiator.records(&target()).unwrap(), []);
    assert!(!initiator.iscsid_running().unwrap());
    assert_eq!(host.runs(), Vec::<String>::new());
}

#[test]
fn a_session_is_what_the_kernel_shows() {
    let host = Host::new();
    host.add_session(TARGET, "10.0.1.1", "3260");
    let id = host.add_session(TARGET, "fd00::1", "3261");
    host.set(id, "recovery_tmo", "off");
    let found = host.initiator().sessions().unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].target, target());
    assert_eq!((found[0].portal, found[0].host), (portal("10.0.1.1"), 0));
    assert_eq!(found[0].recovery_tmo, Some(5));
    assert!(found[0].is_up());
    assert_eq!(
        (found[1].id.get(), found[1].portal),
        (id, portal("[fd00::1]:3261"))
    );
    assert_eq!((found[1].host, found[1].recovery_tmo), (1, Some(-1)));
}

#[test]
fn sessions_are_numbers_and_not_texts() {
    let host = Host::new();
    host.state().next.0 = 9;
    for _ in 0..3 {
        host.add_session(TARGET, "10.0.1.1", "3260");
    }
    let ids = host.initiator().sessions().unwrap();
    let ids: Vec<u32> = ids.iter().map(|session| session.id.get()).collect();
    assert_eq!(ids, [9, 10, 11]);
}

#[test]
fn states_are_told_apart() {
    let host = Host::new();
    let id = host.add_session(TARGET, "10.0.1.1", "3260");
    for (text, state) in [
        ("LOGGED_IN", SessionState::LoggedIn),
        ("FAILED", SessionState::Failed),
        ("FREE", SessionState::Free),
        ("INVALID", SessionState::Unknown),
    ] {
        host.set(id, "state", text);
        let session = &host.initiator().sessions().unwrap()[0];
        assert_eq!(
            (session.state, session.is_up()),
            (state, text == "LOGGED_IN")
        );
    }
}

#[test]
fn a_session_is_found_by_its_whole_target_and_portal() {
    let host = Host::new();
    host.add_session(&format!("{TARGET}0"), "10.0.0.2", "3260");
    host.add_session(TARGET, "10.0.0.20", "3260");
    host.add_session(TARGET, "10.0.0.2", "3261");
    let initiator = host.initiator();
    assert_eq!(
        initiator.session(&target(), &portal("10.0.0.2")).unwrap(),
        None
    );
    let id = host.add_session(TARGET, "10.0.0.2", "3260");
    let found = initiator.session(&target(), &portal("10.0.0.2")).unwrap();
    assert_eq!(found.unwrap().id.get(), id);
}

#[test]
fn of_two_sessions_at_a_portal_the_one_that_is_up_is_told() {
    let host = Host::new();
    let down = host.add_session(TARGET, "10.0.0.2", "3260");
    host.set(down, "state", "FREE");
    let up = host.add_session(TARGET, "10.0.0.2", "3260");
    let found = host
        .initiator()
        .session(&target(), &portal("10.0.0.2"))
        .unwrap();
    assert_eq!(found.unwrap().id.get(), up);
}

#[test]
fn a_session_half_torn_down_is_gone() {
    for gone in [
        "iscsi_session/session1/targetname",
        "iscsi_session/session1/state",
        "iscsi_connection/connection1:0",
        "iscsi_connection/connection1:0/persistent_port",
    ] {
        let host = Host::new();
        host.add_session(TARGET, "10.0.1.1", "3260");
        host.remove(&format!("sys/class/{gone}"));
        assert_eq!(host.initiator().sessions().unwrap(), [], "{gone}");
    }
}

#[test]
fn a_session_without_a_name_yet_is_not_there() {
    for (attribute, value) in [
        ("targetname", "(null)"),
        ("targetname", ""),
        ("/persistent_address", "(null)"),
    ] {
        let host = Host::new();
        let id = host.add_session(TARGET, "10.0.1.1", "3260");
        host.set(id, attribute, value);
        assert_eq!(
            host.initiator().sessions().unwrap(),
            [],
            "{attribute} {value}"
        );
    }
}

#[test]
fn disks_of_sessions_to_host_names_are_not_overlooked() {
    let host = Host::new();
    let id = host.add_session("iqn.x:other_name", "10.0.1.1", "3260");
    host.set(id, "/persistent_address", "san1");
    host.add_device(id, 0, Some(8));
    let initiator = host.initiator();
    assert_eq!(initiator.sessions().unwrap()[0].portal, portal("10.0.1.1"));
    // Not connected: where it led to is not known any more.
    host.set(id, "/address", "");
    assert_eq!(initiator.sessions().unwrap(), []);
    assert_eq!(initiator.all_disks().unwrap().len(), 1);
}

#[test]
fn a_disk_is_exactly_its_lun() {
    let host = Host::new();
    let id = host.add_session(TARGET, "10.0.1.1", "3260");
    let other = host.add_session(TARGET, "10.0.2.1", "3260");
    for lun in [2, 10, 100, 16384] {
        host.add_device(id, lun, Some(131_072));
    }
    host.add_device(id, 7, None);
    host.add_device(other, 3, Some(8));
    let initiator = host.initiator();
    let session = initiator
        .session(&target(), &portal("10.0.1.1"))
        .unwrap()
        .unwrap();

    let disks = initiator.disks(&session).unwrap();
    let luns: Vec<u16> = disks.iter().map(|disk| disk.lun.get()).collect();
    assert_eq!(luns, [2, 10, 100]);
    let lun = |number: u16| Lun::try_from(number).unwrap();
    let disk = initiator.disk(&session, lun(10)).unwrap().unwrap();
    assert_eq!(
        (disk.name.as_str(), disk.hctl.as_str()),
        ("sdb", "0:0:0:10")
    );
    assert_eq!((disk.size, disk.session.get()), (64 << 20, id));
    assert_eq!(disk.state, DiskState::Running);
    assert_eq!(disk.path().to_str(), Some("/dev/sdb"));
    for absent in [0, 3, 7] {
        assert_eq!(initiator.disk(&session, lun(absent)).unwrap(), None);
    }
    let named = initiator.disk_by_name("sdb").unwrap();
    assert_eq!(named, Some(disk));
    assert_eq!(initiator.disk_by_name("sd").unwrap(), None);
    assert_eq!(initiator.all_disks().unwrap().len(), 4);
}

#[test]
fn states_of_disks_are_told_apart() {
    let host = Host::new();
    let id = host.add_session(TARGET, "10.0.1.1", "3260");
    let hctl = host.add_device(id, 0, Some(8));
    for (text, state) in [
        ("blocked", DiskState::Blocked),
        ("offline", DiskState::Offline),
        ("transport-offline", DiskState::TransportOffline),
        ("quiesce", DiskState::Other("quiesce".to_owned())),
    ] {
        host.set_disk(&hctl, "state", text);
        let disks = host.initiator().all_disks().unwrap();
        assert_eq!(
            disks.iter().map(|disk| &disk.state).collect::<Vec<_>>(),
            [&state]
        );
        assert_eq!(state.to_string(), text);
    }
}

#[test]
fn page_83_is_given_raw() {
    let host = Host::new();
    let id = host.add_session(TARGET, "10.0.1.1", "3260");
    let hctl = host.add_device(id, 0, Some(8));
    let initiator = host.initiator();
    let disk: Disk = initiator.all_disks().unwrap().remove(0);
    assert_eq!(initiator.page83(&disk).unwrap().unwrap(), [0, 3, 0, 0]);
    host.remove(&format!("sys/class/scsi_device/{hctl}/device/vpd_pg83"));
    assert_eq!(initiator.page83(&disk).unwrap(), None);
}

#[test]
fn the_name_of_this_host_is_the_line_that_is_no_comment() {
    let host = Host::new();
    let path = "etc/iscsi/initiatorname.iscsi";
    let initiator = host.initiator();
    let missing = initiator.initiator_name().unwrap_err();
    assert!(
        matches!(&missing, Error::InitiatorName { path } if path.ends_with("initiatorname.iscsi"))
    );
    host.file(path, "GenerateName=yes\n");
    assert!(initiator.initiator_name().is_err());
    host.file(
        path,
        "## a comment\n#InitiatorName=iqn.x:old\nInitiatorName=iqn.x:host1\n",
    );
    assert_eq!(initiator.initiator_name().unwrap().as_str(), "iqn.x:host1");
}

#[test]
fn iscsid_runs_when_it_or_systemd_listens_or_its_process_is_there() {
    let initiator = |path: &str, text: &str| {
        let host = Host::new();
        host.file(path, text);
        host.initiator().iscsid_running().unwrap()
    };
    let line =
        "0000000000000000: 00000002 00000000 00010000 0001 01 21539 @ISCSIADM_ABSTRACT_NAMESPACE";
    assert!(initiator(
        "proc/net/unix",
        &format!("Num RefCount\n{line}\n")
    ));
    assert!(!initiator("proc/net/unix", &format!("{line}_OTHER\n")));
    assert!(initiator("proc/174/stat", "174 (iscsid) S 1 174 174 0\n"));
    assert!(!initiator("proc/174/stat", "174 (iscsid) Z 1 174 174 0\n"));
    assert!(!initiator(
        "proc/175/stat",
        "175 (iscsiuio) S 1 175 175 0\n"
    ));
}

#[test]
fn the_version_is_what_the_tool_says() {
    let host = Host::new();
    assert_eq!(
        host.initiator().version().unwrap(),
        "iscsiadm version 2.1.8"
    );
    host.state().uninstalled = true;
    let error = host.initiator().version().unwrap_err();
    assert!(matches!(error, Error::ToolMissing { .. }));
    assert!(error.to_string().contains("open-iscsi"), "{error}");
}

#[test]
fn what_a_login_needs_is_checked_without_running_anything() {
    let host = Host::new();
    let initiator = host.initiator();
    assert!(matches!(initiator.tools(), Err(Error::ToolMissing { .. })));
    assert!(matches!(initiator.check(), Err(Error::ToolMissing { .. })));
    host.file("usr/sbin/iscsiadm", "");
    initiator.tools().unwrap();
    let error = initiator.check().unwrap_err();
    assert!(matches!(error, Error::DaemonMissing));
    assert!(error.to_string().contains("systemctl"), "{error}");
    host.file("proc/174/stat", "174 (iscsid) S 1 174 174 0\n");
    initiator.check().unwrap();
    assert_eq!(host.runs(), Vec::<String>::new());
}
