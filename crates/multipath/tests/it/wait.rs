use crate::host::{Daemon, Host, OTHER, WWID, far, soon, wwid};
use jdss_multipath::{Error, Obstacle, Patience};
use std::sync::Arc;
use std::time::Duration;

/// An enrolled volume with two disks and no map.
fn two_disks() -> Arc<Host> {
    let host = Host::new();
    host.add_disk("sda", WWID);
    host.add_disk("sdb", WWID);
    let enrolled = host.multipath().enrol(&wwid(), far());
    enrolled.expect("nothing is in its way");
    host.log();
    host
}

fn obstacles(error: &Error) -> &[Obstacle] {
    match error {
        Error::NoMap { obstacles, .. } => obstacles,
        other => panic!("{other} is no missing map"),
    }
}

#[test]
fn a_map_that_is_there_needs_no_help() {
    let host = two_disks();
    host.add_map("dm-3", WWID, &["sda", "sdb"]);
    host.add_dm("dm-1", "vg-lv", "LVM-abc", &[]);
    let map = host
        .multipath()
        .wait_map(&wwid(), &["sda", "sdb"], far())
        .unwrap();
    assert_eq!((map.device.as_str(), map.size), ("dm-3", 64 << 20));
    assert_eq!(map.disks, ["sda", "sdb"]);
    assert_eq!(map.path().to_str(), Some("/dev/mapper/23466613163306465"));
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn the_daemon_is_told_of_each_disk_and_then_only_of_a_map_that_is_missing() {
    let host = two_disks();
    let map = host
        .multipath()
        .wait_map(&wwid(), &["sda", "sdb"], far())
        .unwrap();
    assert_eq!(map.disks, ["sda", "sdb"]);
    assert_eq!(
        host.log(),
        ["add path sda", "add path sdb", &format!("add map {WWID}")]
    );

    let host = two_disks();
    host.add_map("dm-0", WWID, &["sda"]);
    host.multipath()
        .wait_map(&wwid(), &["sda", "sdb"], far())
        .unwrap();
    assert_eq!(host.log(), ["add path sdb"]);
}

#[test]
fn the_daemon_has_time_to_do_it_by_itself() {
    let host = two_disks();
    let patience = Patience {
        help: Duration::from_secs(600),
        ..Patience::default()
    };
    let error = host
        .multipath()
        .patience(patience)
        .wait_map(&wwid(), &["sda"], soon())
        .unwrap_err();
    assert_eq!(obstacles(&error), [Obstacle::NotSeen]);
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn fail_does_not_hide_a_map_that_was_made_and_ok_does_not_make_one() {
    let host = two_disks();
    host.state().answers.insert("add", vec!["fail\n"; 1000]);
    let multipath = host.multipath();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| multipath.wait_map(&wwid(), &["sda"], far()));
        while host.state().log.is_empty() {
            std::thread::yield_now();
        }
        host.add_map("dm-0", WWID, &["sda"]);
        waiting.join().unwrap().unwrap();
    });

    let host = two_disks();
    host.state().answers.insert("add", vec!["ok\n"; 1000]);
    let error = host
        .multipath()
        .wait_map(&wwid(), &["sda"], soon())
        .unwrap_err();
    assert_eq!(obstacles(&error), [Obstacle::NotSeen]);
    assert!(error.is_transient());
}

#[test]
fn fewer_disks_are_a_success_only_at_the_deadline() {
    let host = two_disks();
    host.add_map("dm-0", WWID, &["sda"]);
    host.state().blacklisted.insert("sdb".to_owned());
    let map = host
        .multipath()
        .wait_map(&wwid(), &["sda", "sdb"], soon())
        .unwrap();
    assert_eq!(map.disks, ["sda"]);
    assert!(host.log().iter().all(|asked| asked == "add path sdb"));
    // None of them is not some of them.
    let error = host
        .multipath()
        .wait_map(&wwid(), &["sdb"], soon())
        .unwrap_err();
    assert!(matches!(obstacles(&error), [Obstacle::Blacklisted { .. }]));
}

#[test]
fn with_no_disks_given_any_map_of_the_volume_will_do() {
    let host = two_disks();
    let map = host.multipath().wait_map(&wwid(), &[], far()).unwrap();
    assert_eq!(map.disks, ["sda"]);
    assert_eq!(host.log(), [format!("add map {WWID}")]);
}

#[test]
fn a_map_without_its_node_or_suspended_is_not_ready() {
    let host = two_disks();
    host.add_map("dm-0", WWID, &["sda"]);
    let node = format!("dev/mapper/{WWID}");
    let wait = || host.multipath().wait_map(&wwid(), &["sda"], soon());
    host.remove_path(&node);
    assert!(matches!(
        obstacles(&wait().unwrap_err()),
        [Obstacle::NoNode { .. }]
    ));
    host.link(&node, "../dm-9");
    assert!(matches!(
        obstacles(&wait().unwrap_err()),
        [Obstacle::NoNode { .. }]
    ));
    host.remove_path(&node);
    host.put(&node, "a node of its own, where udev does not make links");
    wait().unwrap();
    host.put("sys/block/dm-0/dm/suspended", "1");
    assert!(matches!(
        obstacles(&wait().unwrap_err()),
        [Obstacle::Suspended { .. }]
    ));
    assert_eq!(host.log(), [""; 0], "there is nothing to help with");
}

#[test]
fn a_blacklisted_volume_is_told_without_waiting() {
    let host = two_disks();
    host.state()
        .blacklisted
        .extend(["sda".to_owned(), "sdb".to_owned()]);
    host.state().answers.insert("add", vec!["blacklisted\n"; 3]);
    let error = host
        .multipath()
        .wait_map(&wwid(), &["sda", "sdb"], far())
        .unwrap_err();
    let disk = |disk: &str| Obstacle::Blacklisted {
        disk: disk.to_owned(),
    };
    assert_eq!(obstacles(&error)[..2], [disk("sda"), disk("sdb")]);
    let text = error.to_string();
    assert!(
        text.contains("answered \"blacklisted\" to `add map"),
        "{text}"
    );
    assert!(!error.is_transient());
    assert_eq!(host.log().len(), 3);
}

#[test]
fn a_disk_that_udev_is_not_done_with_is_not_given_up() {
    let host = two_disks();
    host.remove_path("run/udev/data");
    host.state().answers.insert("add", vec!["blacklisted\n"; 4]);
    host.multipath().wait_map(&wwid(), &["sda"], far()).unwrap();
}

#[test]
fn what_stands_in_the_way_is_named() {
    let host = Host::new();
    let multipath = host.multipath();
    for disk in ["sda", "sdb", "sdc", "sdd"] {
        host.add_disk(disk, WWID);
    }
    host.add_map("dm-1", OTHER, &["sda"]);
    host.add_dm("dm-2", "guest-root", "LVM-abc", &["sdb"]);
    host.put("sys/block/sdc/device/state", "blocked");
    host.put(&format!("run/multipath/failed_wwids/{WWID}"), "");
    host.state().answers.insert("add", vec!["fail\n"; 1000]);
    let disks = ["sda", "sdb", "sdc", "sdd", "sde"];
    let error = multipath.wait_map(&wwid(), &disks, soon()).unwrap_err();
    let text = error.to_string();
    for part in [
        "no multipath map of 23466613163306465 over sda, sdb, sdc, sdd, sde: ",
        "not in /etc/multipath/wwids",
        "sda is in the map of 360000000000000000e00000000010001",
        "sdb itself is held by dm-2",
        "sdc is blocked",
        "sde is gone",
        "/run/multipath/failed_wwids/23466613163306465",
        "answered \"fail\" to `add path sdd`",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert!(!host.log().iter().any(|asked| asked == "add path sde"));
}

#[test]
fn a_daemon_that_stays_away_ends_the_waiting() {
    let host = two_disks();
    host.state().daemon = Daemon::Down;
    let error = host
        .multipath()
        .wait_map(&wwid(), &["sda", "sdb"], far())
        .unwrap_err();
    assert_eq!(obstacles(&error), [Obstacle::DaemonDown]);
    assert!(!error.is_transient());
    assert_eq!(host.log(), ["add path sda"], "one refusal is enough");
}

#[test]
fn a_daemon_that_comes_back_goes_on() {
    let host = two_disks();
    host.state().daemon = Daemon::Silent;
    let multipath = host.multipath();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| multipath.wait_map(&wwid(), &["sda"], far()));
        while host.state().log.is_empty() {
            std::thread::yield_now();
        }
        host.state().daemon = Daemon::Up;
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn who_may_not_ask_is_told_at_once() {
    let host = two_disks();
    host.state()
        .answers
        .insert("add", vec!["permission deny: need to be root"]);
    let error = host
        .multipath()
        .wait_map(&wwid(), &["sda"], far())
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

#[test]
fn maps_are_found_by_uuid_and_by_disk() {
    let host = two_disks();
    host.add_disk("sdc", OTHER);
    host.add_map("dm-4", WWID, &["sda", "sdb"]);
    host.add_map("dm-11", OTHER, &["sdc"]);
    host.add_dm("dm-5", "x", "mpath-no/wwid", &[]);
    let multipath = host.multipath();
    let devices: Vec<_> = multipath
        .maps()
        .unwrap()
        .into_iter()
        .map(|map| map.device)
        .collect();
    assert_eq!(devices, ["dm-11", "dm-4"]);
    assert_eq!(multipath.map(&wwid()).unwrap().unwrap().device, "dm-4");
    assert_eq!(
        multipath.map_of_disk("sdc").unwrap().unwrap().wwid.as_str(),
        OTHER
    );
    assert_eq!(multipath.map_of_disk("sdd").unwrap(), None);
    assert_eq!(
        multipath.map(&"2346661316330646".parse().unwrap()).unwrap(),
        None
    );
}

#[test]
fn a_map_that_is_being_made_is_none_yet() {
    let host = two_disks();
    host.add_map("dm-4", WWID, &["sda", "sdb"]);
    host.remove_path("sys/block/dm-4/dm/name");
    assert_eq!(host.multipath().map(&wwid()).unwrap(), None);
}
