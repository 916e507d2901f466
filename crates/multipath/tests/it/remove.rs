use crate::host::{Daemon, Fault, Host, Release, WWID, far, soon, wwid};
use jdss_multipath::{Error, Map, Multipath, Patience, Reply};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A map over two disks, withdrawn and ready to be removed.
fn idle() -> (Arc<Host>, Multipath, Map) {
    let host = Host::new();
    host.add_disk("sda", WWID);
    host.add_disk("sdb", WWID);
    host.add_map("dm-3", WWID, &["sda", "sdb"]);
    let multipath = host.multipath();
    let map = multipath.map(&wwid()).expect("sysfs is there");
    let map = map.expect("the map was made");
    (host, multipath, map)
}

/// What was asked, without the looks.
fn asked(host: &Host) -> Vec<String> {
    let mut log = host.log();
    log.retain(|line| !line.starts_with("dmsetup"));
    log
}

fn request(verb: &str) -> String {
    format!("{verb} map {WWID}")
}

#[test]
fn an_idle_map_takes_one_look_and_one_request() {
    let (host, multipath, map) = idle();
    multipath.remove(&map, far()).unwrap();
    assert_eq!(multipath.map(&wwid()).unwrap(), None);
    let look = format!("dmsetup info -c --noheadings -o open {WWID}");
    assert_eq!(host.log(), [look, request("del")]);
    multipath.remove(&map, far()).unwrap();
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn a_map_that_somebody_uses_is_left_alone_and_the_user_named() {
    type Use = fn(&Host);
    let users: [(Use, &str); 4] = [
        (
            |host| host.open_by("dm-3", 4242, "kvm"),
            "open in kvm (process 4242)",
        ),
        (|host| host.hold_exclusively("dm-3"), "held exclusively"),
        (
            |host| host.add_dm("dm-8", "vg-lv", "LVM-x", &["dm-3"]),
            "held by dm-8",
        ),
        (|host| host.open_by_kernel("dm-3"), "a loop device"),
    ];
    for (use_it, named) in users {
        let (host, multipath, map) = idle();
        use_it(&host);
        let error = multipath.remove(&map, far()).unwrap_err();
        assert!(matches!(error, Error::InUse { .. }) && error.is_transient());
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("/dev/mapper/{WWID} is in use: ")),
            "{text}"
        );
        assert!(text.contains(named), "{text}");
        assert_eq!(asked(&host), [""; 0], "{named}");
        assert!(host.queues("dm-3"));
    }
}

#[test]
fn a_user_with_a_name_is_not_waited_for() {
    let (host, multipath, map) = idle();
    host.open_by("dm-3", 4242, "kvm");
    let patience = Patience {
        stuck: Duration::from_secs(600),
        ..Patience::default()
    };
    let error = multipath
        .patience(patience)
        .remove(&map, far())
        .unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
}

#[test]
fn the_node_that_udev_takes_away_later_is_waited_for() {
    let (host, multipath, map) = idle();
    host.state().udev_lags = true;
    std::thread::scope(|scope| {
        let (returned, has_returned) = std::sync::mpsc::channel();
        let multipath = &multipath;
        let map = &map;
        let removing = scope.spawn(move || {
            let result = multipath.remove(map, far());
            let _ = returned.send(());
            result
        });
        while multipath.map(&wwid()).unwrap().is_some() {
            std::thread::yield_now();
        }
        // Time enough for a removal that does not look at the node.
        let early = has_returned.recv_timeout(Duration::from_millis(100));
        assert!(early.is_err(), "the node is still there");
        host.remove_path(&format!("dev/mapper/{WWID}"));
        removing.join().unwrap().unwrap();
    });
}

#[test]
fn waiting_io_of_a_user_is_not_failed_when_no_path_is_up() {
    let (host, multipath, map) = idle();
    host.fail_all(&["sda", "sdb"]);
    host.open_by("dm-3", 4242, "kvm");
    host.stick("dm-3", 99);
    multipath.remove(&map, far()).unwrap_err();
    assert_eq!(asked(&host), [""; 0]);

    let (host, multipath, map) = idle();
    host.fail_all(&["sda", "sdb"]);
    host.open_by_kernel("dm-3");
    host.stick("dm-3", 99);
    let error = multipath.remove(&map, far()).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(asked(&host), [""; 0]);
}

#[test]
fn udev_looking_at_the_map_is_waited_for() {
    for release in [Release::Bookworm, Release::Trixie] {
        let (host, multipath, map) = idle();
        host.state().release = release;
        host.watch("dm-3", 77, 3);
        multipath.remove(&map, far()).unwrap();
        let asked = asked(&host);
        assert!(
            asked.len() > 1 && asked.iter().all(|line| *line == request("del")),
            "{asked:?}"
        );
    }
}

#[test]
fn udev_that_waits_for_a_dead_map_is_let_go() {
    let (host, multipath, map) = idle();
    host.fail_all(&["sda", "sdb"]);
    host.stick("dm-3", 77);
    multipath.remove(&map, far()).unwrap();
    assert_eq!(asked(&host), [request("disablequeueing"), request("del")]);
}

#[test]
fn udev_has_some_time_before_it_is_let_go() {
    let (host, multipath, map) = idle();
    host.fail_all(&["sda", "sdb"]);
    host.stick("dm-3", 77);
    let patience = Patience {
        stuck: Duration::from_secs(600),
        ..Patience::default()
    };
    let error = multipath
        .patience(patience)
        .remove(&map, soon())
        .unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(asked(&host), [""; 0]);
}

#[test]
fn a_busy_daemon_is_asked_again_to_let_it_go() {
    let (host, multipath, map) = idle();
    host.fail_all(&["sda", "sdb"]);
    host.stick("dm-3", 77);
    let busy = vec!["timeout\n", "fail\ntimeout\n"];
    host.state().answers.insert("disablequeueing", busy);
    multipath.remove(&map, far()).unwrap();
    let off = request("disablequeueing");
    assert_eq!(
        asked(&host),
        [off.clone(), off.clone(), off, request("del")]
    );
}

#[test]
fn a_map_that_goes_after_the_deadline_is_gone() {
    let (host, multipath, map) = idle();
    host.state().answers.insert("del", vec!["timeout\n"; 1000]);
    host.state().late = true;
    multipath.remove(&map, soon()).unwrap();
    assert_eq!(multipath.map(&wwid()).unwrap(), None);
}

#[test]
fn queueing_stays_on_while_a_path_is_up_or_nothing_is_known() {
    let (host, multipath, map) = idle();
    host.fail_all(&["sda"]);
    host.stick("dm-3", 77);
    let error = multipath.remove(&map, soon()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("udev or multipathd (process 77)"),
        "{error}"
    );
    assert!(!asked(&host).contains(&request("disablequeueing")));
    assert!(host.queues("dm-3"));
}

#[test]
fn a_dead_map_that_nobody_has_open_keeps_its_queueing_too() {
    let (host, multipath, map) = idle();
    host.fail_all(&["sda", "sdb"]);
    multipath.remove(&map, far()).unwrap();
    assert_eq!(asked(&host), [request("del")]);
}

#[test]
fn a_user_that_is_just_ending_is_waited_for() {
    let (host, multipath, map) = idle();
    host.watch("dm-3", 77, 2);
    // It has closed its files already, the kernel has not closed the map yet.
    host.remove_path("proc/77");
    let patience = Patience {
        stuck: Duration::from_secs(600),
        settle: Duration::ZERO,
        ..Patience::default()
    };
    multipath.patience(patience).remove(&map, far()).unwrap();
    assert_eq!(asked(&host), [request("del")]);
}

#[test]
fn what_a_refusal_changed_is_put_back() {
    let (host, multipath, map) = idle();
    host.state().answers.insert("del", vec!["ok\n"; 1000]);
    let error = multipath.remove(&map, soon()).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::NotRemoved {
                reply: Reply::Ok,
                ..
            }
        ),
        "{error}"
    );
    let log = asked(&host);
    assert_eq!(log.last(), Some(&request("restorequeueing")));
    assert_eq!(
        log.iter()
            .filter(|line| **line == request("restorequeueing"))
            .count(),
        1
    );

    // A user comes while queueing is off, and the map is left suspended.
    let (host, multipath, map) = idle();
    host.fail_all(&["sda", "sdb"]);
    host.stick("dm-3", 77);
    host.state().user_comes = true;
    let error = multipath.remove(&map, far()).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(
        asked(&host),
        ["disablequeueing", "resume", "restorequeueing"].map(request)
    );
    assert_eq!(host.read("sys/block/dm-3/dm/suspended"), "0");
    assert!(host.queues("dm-3"));
}

#[test]
fn when_putting_back_fails_both_errors_are_told() {
    let (host, multipath, map) = idle();
    host.state().answers.insert("del", vec!["fail\n"; 1000]);
    host.state()
        .answers
        .insert("restorequeueing", vec!["fail\n"]);
    let error = multipath.remove(&map, soon()).unwrap_err();
    let Error::NotPutBack { cause, undo, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**cause, Error::NotRemoved { .. }));
    assert!(matches!(**undo, Error::Refused { .. }));
}

#[test]
fn a_map_left_suspended_is_resumed_before_the_next_attempt() {
    let (host, multipath, map) = idle();
    host.watch("dm-3", 77, 3);
    host.state().suspends = true;
    multipath.remove(&map, far()).unwrap();
    let log = asked(&host);
    let resume = log
        .iter()
        .position(|line| *line == request("resume"))
        .unwrap();
    assert_eq!(log[resume - 1], request("del"));
    assert_eq!(log[resume + 1], request("del"));
}

#[test]
fn its_own_partition_maps_are_no_users_but_theirs_are() {
    let (host, multipath, map) = idle();
    let part = format!("part1-mpath-{WWID}");
    host.add_dm("dm-4", &format!("{WWID}-part1"), &part, &["dm-3"]);
    host.open_by("dm-4", 4242, "mount.ext4");
    let error = multipath.remove(&map, far()).unwrap_err();
    assert!(
        error.to_string().contains("mount.ext4 (process 4242)"),
        "{error}"
    );
    assert_eq!(asked(&host), [""; 0]);

    let (host, multipath, map) = idle();
    host.add_dm("dm-4", &format!("{WWID}-part1"), &part, &["dm-3"]);
    assert!(multipath.usage(&map).unwrap().is_free());
    multipath.remove(&map, far()).unwrap();

    // The partition of another map is somebody's.
    let (host, multipath, map) = idle();
    host.add_dm("dm-4", "x-part1", "part1-mpath-x", &["dm-3"]);
    assert!(matches!(
        multipath.remove(&map, far()),
        Err(Error::InUse { .. })
    ));
    assert_eq!(asked(&host), [""; 0]);
}

#[test]
fn a_map_that_comes_back_is_removed_again_unless_it_is_enrolled() {
    let (host, multipath, map) = idle();
    host.state().comes_back = 1;
    multipath.remove(&map, far()).unwrap();
    assert_eq!(asked(&host), [request("del"), request("del")]);

    let (host, multipath, map) = idle();
    multipath.enrol(&wwid(), far()).unwrap();
    host.state().comes_back = 1;
    let error = multipath.remove(&map, far()).unwrap_err();
    assert!(
        matches!(error, Error::CameBack { enrolled: true, .. }),
        "{error}"
    );

    let (host, multipath, map) = idle();
    host.state().comes_back = 1000;
    let error = multipath.remove(&map, far()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::CameBack {
                enrolled: false,
                ..
            }
        ),
        "{error}"
    );
    let removals = asked(&host)
        .iter()
        .filter(|line| **line == request("del"))
        .count();
    assert_eq!(removals, 3);
}

#[test]
fn nothing_is_removed_when_it_is_not_known_who_uses_it() {
    for fault in [
        Fault::Fails(1),
        Fault::Nothing,
        Fault::Hangs,
        Fault::Missing,
    ] {
        let (host, multipath, map) = idle();
        host.state().faults.insert("dmsetup", fault);
        multipath.remove(&map, far()).unwrap_err();
        assert_eq!(asked(&host), [""; 0], "{fault:?}");
        assert!(multipath.map(&wwid()).unwrap().is_some());
    }
}

#[test]
fn a_daemon_that_stays_away_ends_it() {
    let (host, multipath, map) = idle();
    host.state().daemon = Daemon::Down;
    let error = multipath.remove(&map, far()).unwrap_err();
    assert!(matches!(error, Error::DaemonDown(_)), "{error}");
    assert_eq!(asked(&host), [request("del")]);
}

#[test]
fn a_daemon_that_does_not_answer_is_asked_again_after_a_look() {
    let (host, multipath, map) = idle();
    host.state().daemon = Daemon::Silent;
    std::thread::scope(|scope| {
        let removing = scope.spawn(|| multipath.remove(&map, far()));
        while host.state().log.len() < 2 {
            std::thread::yield_now();
        }
        host.state().daemon = Daemon::Up;
        removing.join().unwrap().unwrap();
    });
}

#[test]
fn after_the_deadline_nothing_is_begun() {
    let (host, multipath, map) = idle();
    let error = multipath.remove(&map, Instant::now()).unwrap_err();
    assert!(matches!(error, Error::DeadlinePassed { .. }), "{error}");
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn a_map_is_asked_for_by_its_name_or_by_its_number_where_that_cannot_be_said() {
    let (host, multipath, map) = idle();
    host.put("sys/block/dm-3/dm/name", "odd name");
    host.remove_path(&format!("dev/mapper/{WWID}"));
    host.link("dev/mapper/odd name", "../dm-3");
    multipath.remove(&map, far()).unwrap();
    assert_eq!(asked(&host), ["del map dm-3"]);
}

#[test]
fn nothing_is_ever_forced_or_reconfigured() {
    // All of the above in one place: the pretend daemon panics on any other
    // request, and so does the pretend host on any other command.
    let (host, multipath, map) = idle();
    host.fail_all(&["sda", "sdb"]);
    host.stick("dm-3", 77);
    host.state()
        .answers
        .insert("del", vec!["fail\nmap or partition in use\n"; 1000]);
    multipath.remove(&map, soon()).unwrap_err();
    for line in host.log() {
        let known = [
            "dmsetup info ",
            "dmsetup status ",
            "del map ",
            "disablequeueing map ",
            "restorequeueing map ",
        ];
        assert!(known.iter().any(|known| line.starts_with(known)), "{line}");
    }
}
