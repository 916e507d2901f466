//! Sizes, rivals, faults and answers of multipathd, and dmsetup.

mod common;

use std::io::ErrorKind;

use common::{D0, IQN, MIB64, P1, P2, device, exists, host, list, login, map, read};
use common::{run, scan};
use jdss_host::{Daemon, Fault, Hold, Host, HostLun, Release, Targets};

fn ask(host: &Host, request: &str) -> String {
    host.ask(request).expect("the daemon answers")
}

fn status(host: &Host) -> String {
    run(host, &format!("dmsetup status {}", D0.1)).stdout
}

fn trixie() -> (Host, Targets) {
    let targets = Targets::new([P1, P2]);
    targets.map(IQN, 0, D0.0, MIB64);
    (
        Host::with_release(Release::Trixie, targets.lookup()),
        targets,
    )
}

#[test]
fn a_map_grows_only_when_all_paths_show_the_new_size() {
    for newer in [false, true] {
        let (host, targets) = if newer { trixie() } else { host() };
        map(&host);
        targets.map(IQN, 0, D0.0, 2 * MIB64);
        assert_eq!(ask(&host, "resize map dm-0"), "ok\n");
        assert_eq!(read(&host, "sys/block/dm-0/size"), "131072");
        device(&host, "sda", "rescan").unwrap();
        assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda", "sdb"]);
        assert!(ask(&host, "resize map dm-0").starts_with("fail\n"));
        device(&host, "sdb", "rescan").unwrap();
        assert_eq!(ask(&host, "resize map dm-0"), "ok\n");
        assert_eq!(read(&host, "sys/block/dm-0/size"), "262144");
    }
}

#[test]
fn a_path_of_another_size_is_kept_out() {
    let (host, targets) = host();
    run(&host, &format!("multipath -a {}", D0.1));
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    targets.map(IQN, 0, D0.0, 2 * MIB64);
    login(&host, P2);
    scan(&host, 1, "0 0 0");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda"]);
    assert_eq!(ask(&host, "add path sdb"), "fail\n");
}

#[test]
fn a_disk_that_somebody_has_makes_no_map_and_leaves_a_mark() {
    let (host, _) = host();
    host.set_lvm_grabs(true);
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    assert_eq!(
        list(&host, "sys/block/sda/holders"),
        ["dm-0"],
        "LVM was first"
    );
    run(&host, &format!("multipath -a {}", D0.1));
    assert_eq!(ask(&host, "add path sda"), "fail\n");
    assert!(exists(
        &host,
        &format!("run/multipath/failed_wwids/{}", D0.1)
    ));
    assert_eq!(list(&host, "sys/block"), ["dm-0", "sda"]);
}

#[test]
fn lvm_does_not_get_what_was_enrolled_before() {
    let (host, _) = host();
    host.set_lvm_grabs(true);
    map(&host);
    assert_eq!(
        read(&host, "sys/block/dm-0/dm/uuid"),
        format!("mpath-{}", D0.1)
    );
    assert_eq!(list(&host, "sys/block"), ["dm-0", "sda", "sdb"]);
}

#[test]
fn a_blacklisted_wwid_is_refused_everywhere() {
    let (host, _) = host();
    run(&host, &format!("multipath -a {}", D0.1));
    host.blacklist(D0.1);
    assert_eq!(run(&host, &format!("multipath -a {}", D0.1)).code, 1);
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    assert_eq!(ask(&host, "add path sda"), "blacklisted\n");
    assert_eq!(ask(&host, &format!("add map {}", D0.1)), "blacklisted\n");
    assert!(!exists(&host, "sys/block/dm-0"));
}

#[test]
fn without_the_daemon_nothing_answers_and_nothing_joins() {
    let (host, _) = host();
    host.set_daemon(Daemon::Multipathd, false);
    assert_eq!(
        host.ask("show daemon").unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    assert!(!read(&host, "proc/net/unix").contains("linux/storage/multipathd"));
    map(&host);
    assert!(!exists(&host, "sys/block/dm-0"));
    host.set_daemon(Daemon::Multipathd, true);
    assert_eq!(ask(&host, "show daemon"), "pid 179 idle\n");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda", "sdb"]);
    assert!(read(&host, "proc/net/unix").contains("@/org/kernel/linux/storage/multipathd"));
}

#[test]
fn a_daemon_that_hangs_or_refuses_is_told_apart() {
    let (host, _) = host();
    host.set_fault("multipathd", Some(Fault::Hangs));
    assert_eq!(
        host.ask("show daemon").unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    host.set_fault("multipathd", Some(Fault::Says(1, "timeout\n".to_owned())));
    assert_eq!(ask(&host, "add path sda"), "timeout\n");
    host.set_fault("multipathd", None);
    host.set_privileged(false);
    assert_eq!(
        ask(&host, "add path sda"),
        "permission deny: need to be root\n"
    );
    assert_eq!(ask(&host, "show daemon"), "pid 179 idle\n");
}

#[test]
fn the_json_is_json_and_says_what_is() {
    let (host, _) = host();
    let parse = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert_eq!(
        parse(ask(&host, "show maps json"))["maps"],
        serde_json::json!([])
    );
    map(&host);
    host.cut(P2);
    ask(&host, "disablequeueing map dm-0");
    let shown = &parse(ask(&host, "show maps json"))["maps"][0];
    assert_eq!(shown["uuid"], D0.1);
    assert_eq!(shown["sysfs"], "dm-0");
    assert_eq!(shown["queueing"], "off");
    assert_eq!(shown["paths"], 1);
    let paths = &shown["path_groups"][0]["paths"];
    assert_eq!(
        (&paths[0]["dev"], &paths[0]["dm_st"]),
        (&"sda".into(), &"active".into())
    );
    assert_eq!(
        (&paths[1]["dm_st"], &paths[1]["chk_st"]),
        (&"failed".into(), &"faulty".into())
    );
    let one = parse(ask(&host, &format!("show map {} json", D0.1)));
    assert_eq!(&one["map"], shown);
}

/// Captured of multipath-tools 0.9.4, with an initiator at 10.0.1.2 and 10.0.2.2.
const CAPTURED: &str = include_str!("fixtures/maps-0.9.4-two-paths.json");

#[test]
fn the_json_is_the_captured_one_letter_for_letter() {
    let iqn = "iqn.2026-01.test.e2e:vol1";
    let targets = Targets::new([P1, P2]);
    let lun = HostLun {
        model: "vol1".to_owned(),
        ..HostLun::scst(1, "79a1f0c200000000", MIB64)
    };
    targets.map_as(iqn, lun);
    let host = Host::new(targets.lookup());
    run(&host, "multipath -a 23739613166306332");
    for portal in [P1, P2] {
        run(
            &host,
            &format!("iscsiadm -m node -T {iqn} -p {portal} -o new"),
        );
    }
    run(&host, &format!("iscsiadm -m node -T {iqn} --login"));
    let captured = CAPTURED
        .replace("10.0.1.2", "[undef]")
        .replace("10.0.2.2", "[undef]")
        .replace(r#""rev" : "340""#, r#""rev" : "3110""#);
    assert_eq!(ask(&host, "show maps json"), captured);
}

#[test]
fn a_suspended_map_can_be_resumed() {
    let (host, _) = host();
    map(&host);
    host.set_suspended("dm-0", true);
    assert_eq!(read(&host, "sys/block/dm-0/dm/suspended"), "1");
    assert_eq!(ask(&host, "resume map dm-0"), "ok\n");
    assert_eq!(read(&host, "sys/block/dm-0/dm/suspended"), "0");
}

#[test]
fn dmsetup_lists_what_there_is() {
    let (host, _) = host();
    assert_eq!(run(&host, "dmsetup status").stdout, "No devices found\n");
    map(&host);
    let _held = host.hold("dm-0", Hold::Lvm("vg-root".to_owned()));
    let all = run(&host, "dmsetup status").stdout;
    assert_eq!(all.lines().count(), 2);
    let maps = run(&host, "dmsetup status --target multipath").stdout;
    assert_eq!(maps, format!("{}: {}", D0.1, status(&host)));
}

#[test]
#[should_panic(expected = "does not know multipathd's \"reconfigure\"")]
fn an_unknown_request_panics() {
    let (host, _) = host();
    let _ = host.ask("reconfigure");
}

#[test]
#[should_panic(expected = "does not know \"multipath\" with [\"-f\"")]
fn an_unknown_switch_of_multipath_panics() {
    let (host, _) = host();
    run(&host, "multipath -f x");
}
