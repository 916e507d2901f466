use crate::host::{Host, WWID, far, soon, wwid};
use jdss_multipath::{Error, Map, Multipath, Reply};
use std::sync::Arc;

fn mapped() -> (Arc<Host>, Multipath, Map) {
    let host = Host::new();
    host.add_disk("sda", WWID);
    host.add_disk("sdb", WWID);
    host.add_map("dm-3", WWID, &["sda", "sdb"]);
    let multipath = host.multipath();
    let map = multipath.map(&wwid()).expect("sysfs is there");
    let map = map.expect("the map was made");
    (host, multipath, map)
}

#[test]
fn paths_tell_each_disk_and_its_state() {
    let (host, multipath, map) = mapped();
    host.fail_all(&["sdb"]);
    let paths = multipath.paths(&map).unwrap();
    let seen: Vec<_> = paths
        .iter()
        .map(|path| {
            (
                path.disk.as_deref(),
                path.device_number.as_str(),
                path.active,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [(Some("sda"), "8:0", true), (Some("sdb"), "8:16", false)]
    );
    assert_eq!(host.log(), [format!("dmsetup status {WWID}")]);
}

#[test]
fn users_and_watchers_are_told_apart() {
    let (host, multipath, map) = mapped();
    host.watch("dm-3", 77, 9);
    let usage = multipath.usage(&map).unwrap();
    assert!(usage.is_free());
    assert_eq!(
        (usage.watchers.as_slice(), usage.open_count),
        (&[77][..], 1)
    );
    host.open_by("dm-3", 4242, "kvm");
    let usage = multipath.usage(&map).unwrap();
    assert!(!usage.is_free());
    assert_eq!(
        (usage.watchers.as_slice(), usage.open_count),
        (&[77][..], 2)
    );
    assert_eq!(usage.usage.openers[0].pid, 4242);
}

#[test]
fn states_and_users_of_another_map_are_not_taken_for_those_of_this_one() {
    let (host, multipath, map) = mapped();
    host.open_by("dm-3", 4242, "kvm");
    assert!(!multipath.usage(&map).unwrap().is_free());
    host.put("sys/block/dm-3/dm/uuid", "mpath-other");
    assert!(matches!(multipath.paths(&map), Err(Error::MapGone { .. })));
    assert!(multipath.usage(&map).unwrap().is_free());
}

#[test]
fn a_failed_path_is_confirmed_by_the_kernel() {
    let (host, multipath, _) = mapped();
    multipath.fail_path("sda", far()).unwrap();
    multipath.fail_path("sda", far()).unwrap();
    let asked: Vec<_> = host
        .log()
        .into_iter()
        .filter(|line| line.contains("path"))
        .collect();
    assert_eq!(asked, ["fail path sda"]);

    host.state().answers.insert("fail", vec!["ok\n"]);
    let error = multipath.fail_path("sdb", far()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NotFailed {
                reply: Reply::Ok,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_busy_daemon_is_asked_again_to_fail_a_path() {
    let (host, multipath, _) = mapped();
    host.state()
        .answers
        .insert("fail", vec!["timeout\n", "fail\ntimeout\n"]);
    multipath.fail_path("sda", far()).unwrap();
    let asked: Vec<_> = host
        .log()
        .into_iter()
        .filter(|line| line.starts_with("fail"))
        .collect();
    assert_eq!(asked.len(), 3);
}

#[test]
fn a_disk_in_no_map_has_no_path_to_fail() {
    let (host, multipath, _) = mapped();
    host.add_disk("sdc", WWID);
    multipath.fail_path("sdc", far()).unwrap();
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn a_map_grows_with_its_disks_and_not_before() {
    let (host, multipath, map) = mapped();
    let size = map.size * 2;
    host.put("sys/block/sda/size", &(size / 512).to_string());
    let error = multipath.resize(&map, size, far()).unwrap_err();
    assert!(
        matches!(&error, Error::DiskSize { disk, .. } if disk == "sdb"),
        "{error}"
    );
    assert_eq!(host.log(), [""; 0]);

    host.put("sys/block/sdb/size", &(size / 512).to_string());
    assert_eq!(multipath.resize(&map, size, far()).unwrap().size, size);
    assert_eq!(multipath.resize(&map, size, far()).unwrap().size, size);
    assert_eq!(host.log(), [format!("resize map {WWID}")]);
}

#[test]
fn a_resize_that_did_nothing_is_tried_again_and_then_told() {
    let (host, multipath, map) = mapped();
    let size = map.size * 2;
    for disk in ["sda", "sdb"] {
        host.put(&format!("sys/block/{disk}/size"), &(size / 512).to_string());
    }
    host.state()
        .answers
        .insert("resize", vec!["fail\n", "ok\n"]);
    assert_eq!(multipath.resize(&map, size, far()).unwrap().size, size);
    assert_eq!(host.log().len(), 3);

    host.state().answers.insert("resize", vec!["ok\n"; 1000]);
    for disk in ["sda", "sdb"] {
        host.put(&format!("sys/block/{disk}/size"), &(size / 256).to_string());
    }
    let error = multipath.resize(&map, size * 2, soon()).unwrap_err();
    assert!(
        matches!(error, Error::NotResized { found, .. } if found == size),
        "{error}"
    );
}

#[test]
fn queueing_is_switched_off_only_for_who_asks_for_just_that() {
    let (host, multipath, map) = mapped();
    multipath.disable_queueing(&map, far()).unwrap();
    assert!(!host.queues("dm-3"));
    host.state()
        .answers
        .insert("restorequeueing", vec!["timeout\n"]);
    multipath.restore_queueing(&map, far()).unwrap();
    assert!(host.queues("dm-3"));
    assert_eq!(host.log().len(), 3);
}

#[test]
fn errors_pass_between_threads() {
    fn is_send_sync<T: Send + Sync + 'static>() {}
    is_send_sync::<Error>();
    is_send_sync::<Multipath>();
}
