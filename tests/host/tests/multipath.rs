//! Enrolment, maps, paths: what multipathd does by itself and on request.

mod common;

use common::{D0, D2, IQN, MIB64, P1, P2, device, exists, host, link, list, login, map, read};
use common::{node, run, scan};
use jdss_host::{Hold, Host, LastPath, Release, Targets, Udev};

fn ask(host: &Host, request: &str) -> String {
    host.ask(request).expect("the daemon answers")
}

fn status(host: &Host) -> String {
    run(host, &format!("dmsetup status {}", D0.1)).stdout
}

fn open_count(host: &Host) -> String {
    let line = format!("dmsetup info -c --noheadings -o open {}", D0.1);
    run(host, &line).stdout.trim().to_owned()
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
fn enrolling_is_idempotent_and_withdrawing_overwrites_the_slash() {
    let (host, _) = host();
    let said = |verb: &str| run(&host, &format!("multipath {verb} {}", D0.1));
    assert_eq!(
        said("-w").stdout,
        format!("wwid '{}' not in wwids file\n", D0.1)
    );
    assert_eq!(said("-a").stdout, format!("wwid '{}' added\n", D0.1));
    assert_eq!(said("-a").stdout, format!("wwid '{}' added\n", D0.1));
    let active = format!("\n/{}/", D0.1);
    assert_eq!(
        read(&host, "etc/multipath/wwids").matches(&active).count(),
        1
    );
    assert_eq!(host.left(), [format!("enrolled {}", D0.1)]);
    assert_eq!(said("-w").stdout, format!("wwid '{}' removed\n", D0.1));
    assert!(read(&host, "etc/multipath/wwids").ends_with(&format!("\n#{}/", D0.1)));
    assert!(host.left().is_empty());
    said("-a");
    assert!(read(&host, "etc/multipath/wwids").contains(&active));
}

#[test]
fn an_enrolled_wwid_becomes_a_map_and_paths_join_by_themselves() {
    let (host, _) = host();
    map(&host);
    let uuid = read(&host, "sys/block/dm-0/dm/uuid");
    assert_eq!(uuid, format!("mpath-{}", D0.1));
    assert_eq!(read(&host, "sys/block/dm-0/dm/name"), D0.1);
    assert_eq!(read(&host, "sys/block/dm-0/dm/suspended"), "0");
    assert_eq!(read(&host, "sys/block/dm-0/size"), "131072");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda", "sdb"]);
    assert_eq!(list(&host, "sys/block/sdb/holders"), ["dm-0"]);
    assert_eq!(read(&host, "sys/block/sdb/holders/dm-0/dm/uuid"), uuid);
    assert_eq!(read(&host, "sys/block/dm-0/slaves/sdb/dev"), "8:16");
    assert_eq!(link(&host, &format!("dev/mapper/{}", D0.1)), "../dm-0");
    assert_eq!(
        link(&host, &format!("dev/disk/by-id/scsi-{}", D0.1)),
        "../../dm-0"
    );
    assert_eq!(
        status(&host),
        "0 131072 multipath 2 0 0 0 1 1 A 0 2 0 8:0 A 0 8:16 A 0 \n"
    );
    assert_eq!(open_count(&host), "0");
    let tmo = read(&host, "sys/class/iscsi_session/session1/recovery_tmo");
    assert_eq!(tmo, "5", "multipathd overrides it");
    let fds = ["/dev/sda", "/dev/sdb"];
    assert_eq!(link(&host, "proc/179/fd/3"), fds[0]);
    assert_eq!(link(&host, "proc/179/fd/4"), fds[1]);
}

#[test]
fn without_enrolment_there_is_no_map_and_enrolling_later_is_not_noticed() {
    let (host, _) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    assert!(!exists(&host, "sys/block/dm-0"));
    run(&host, &format!("multipath -a {}", D0.1));
    assert!(!exists(&host, "sys/block/dm-0"));
    assert_eq!(ask(&host, "add path sda"), "ok\n");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda"]);
}

#[test]
fn ok_to_add_path_proves_nothing() {
    let (host, _) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    assert_eq!(ask(&host, "add path sda"), "ok\n");
    assert!(!exists(&host, "sys/block/dm-0"));
    assert_eq!(ask(&host, "add path sdz"), "fail\n");
}

#[test]
fn add_map_makes_a_map_of_known_paths_and_enrols_it() {
    let (host, _) = host();
    assert_eq!(ask(&host, &format!("add map {}", D0.1)), "fail\n");
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    assert_eq!(ask(&host, &format!("add map {}", D0.1)), "ok\n");
    assert!(read(&host, "etc/multipath/wwids").contains(&format!("\n/{}/", D0.1)));
    login(&host, P2);
    scan(&host, 1, "0 0 0");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda", "sdb"]);
}

#[test]
fn a_slow_udev_answers_fail_until_its_event_is_there() {
    let (host, _) = host();
    host.set_udev(Udev::After(2));
    run(&host, &format!("multipath -a {}", D0.1));
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    assert!(exists(&host, "dev/sda") && list(&host, "dev/disk/by-id").is_empty());
    assert_eq!(ask(&host, "add path sda"), "fail\n");
    assert_eq!(ask(&host, &format!("add map {}", D0.1)), "fail\n");
    assert!(!exists(&host, "sys/block/dm-0"));
    host.tick();
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda"]);
}

#[test]
fn a_lost_event_waits_for_add_path() {
    let (host, _) = host();
    host.set_udev(Udev::Lost);
    map(&host);
    host.tick();
    assert!(!exists(&host, "sys/block/dm-0"));
    assert_eq!(
        ask(&host, &format!("add map {}", D0.1)),
        "fail\n",
        "no path is known"
    );
    assert_eq!(ask(&host, "add path sdb"), "ok\n");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sdb"]);
    assert_eq!(ask(&host, "add path sda"), "ok\n");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda", "sdb"]);
}

#[test]
fn a_held_map_is_not_deleted() {
    let (host, _) = host();
    map(&host);
    let holds = [
        Hold::Process("kvm".to_owned()),
        Hold::Mount("/mnt".to_owned()),
        Hold::Lvm("vg-root".to_owned()),
        Hold::Exclusive,
    ];
    for hold in holds {
        let held = host.hold("dm-0", hold.clone());
        assert_eq!(open_count(&host), "1", "{hold:?}");
        assert_eq!(ask(&host, "del map dm-0"), "fail\n", "{hold:?}");
        host.release(held);
    }
    let _partition = host.hold("dm-0", Hold::Partition(1));
    assert_eq!(open_count(&host), "1");
    let uuid = read(&host, "sys/block/dm-0/holders/dm-1/dm/uuid");
    assert_eq!(uuid, format!("part1-mpath-{}", D0.1));
    assert_eq!(ask(&host, "del map dm-0"), "ok\n");
    assert!(!exists(&host, "sys/block/dm-0") && !exists(&host, "sys/block/dm-1"));
    assert!(!exists(&host, &format!("dev/mapper/{}", D0.1)));
    assert!(list(&host, "sys/block/sda/holders").is_empty());
    assert_eq!(
        link(&host, &format!("dev/disk/by-id/scsi-{}", D0.1)),
        "../../sdb"
    );
    assert_eq!(run(&host, &format!("dmsetup status {}", D0.1)).code, 1);
}

#[test]
fn newer_tools_say_why_and_take_a_wwid() {
    let (host, _) = trixie();
    host.set_friendly_names(true);
    map(&host);
    assert_eq!(read(&host, "sys/block/dm-0/dm/name"), "mpatha");
    let held = host.hold("dm-0", Hold::Exclusive);
    let request = format!("del map {}", D0.1);
    assert_eq!(ask(&host, &request), "fail\nmap or partition in use\n");
    host.release(held);
    assert_eq!(ask(&host, &request), "ok\n");
    assert_eq!(ask(&host, &request), "fail\ndevice not found\n");
}

#[test]
fn with_friendly_names_0_9_4_makes_the_map_and_says_fail() {
    let (host, _) = host();
    host.set_friendly_names(true);
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    assert_eq!(ask(&host, &format!("add map {}", D0.1)), "fail\n");
    assert!(exists(&host, "dev/mapper/mpatha"));
    assert_eq!(ask(&host, &format!("del map {}", D0.1)), "fail\n");
    assert_eq!(ask(&host, "del map mpatha"), "ok\n");
}

#[test]
fn a_deleted_map_comes_back_with_the_next_path_only_while_enrolled() {
    let (host, _) = host();
    map(&host);
    assert_eq!(ask(&host, "del map dm-0"), "ok\n");
    device(&host, "sda", "delete").unwrap();
    scan(&host, 0, "0 0 0");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda", "sdb"]);
    run(&host, &format!("multipath -w {}", D0.1));
    assert_eq!(ask(&host, "del map dm-0"), "ok\n");
    device(&host, "sda", "delete").unwrap();
    scan(&host, 0, "0 0 0");
    assert!(!exists(&host, "sys/block/dm-0"));
}

#[test]
fn paths_join_a_map_that_is_there_even_when_it_is_withdrawn() {
    let (host, _) = host();
    run(&host, &format!("multipath -a {}", D0.1));
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    run(&host, &format!("multipath -w {}", D0.1));
    login(&host, P2);
    scan(&host, 1, "0 0 0");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda", "sdb"]);
}

#[test]
fn a_map_goes_with_its_last_path_unless_somebody_holds_it() {
    let (host, _) = host();
    map(&host);
    device(&host, "sda", "delete").unwrap();
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sdb"]);
    let held = host.hold("dm-0", Hold::Process("kvm".to_owned()));
    device(&host, "sdb", "delete").unwrap();
    assert!(list(&host, "sys/block/dm-0/slaves").is_empty());
    assert_eq!(status(&host), "0 131072 multipath 2 0 0 0 0 0 \n");
    assert_eq!(
        host.harm(),
        ["the last path of dm-0 vanished under kvm (process 4001)"]
    );
    host.release(held);
    scan(&host, 0, "0 0 0");
    device(&host, "sda", "delete").unwrap();
    assert!(!exists(&host, "sys/block/dm-0"));
}

#[test]
fn a_udev_worker_can_hang_in_a_map_without_paths_until_queueing_ends() {
    let (host, _) = host();
    host.set_last_path(LastPath::UdevHangs);
    map(&host);
    node(&host, "--logout");
    assert_eq!(open_count(&host), "1");
    let stat = read(&host, "proc/4001/stat");
    assert!(stat.starts_with("4001 ((udev-worker)) S 119 "), "{stat}");
    assert_eq!(link(&host, "proc/4001/fd/3"), "/dev/dm-0");
    assert_eq!(ask(&host, "del map dm-0"), "fail\n");
    assert_eq!(ask(&host, "disablequeueing map dm-0"), "ok\n");
    assert_eq!(ask(&host, "del map dm-0"), "ok\n");
    assert!(host.harm().is_empty());
}

#[test]
fn a_new_map_can_be_open_by_udev_for_a_moment() {
    let (host, _) = host();
    host.set_udev_probe(3);
    map(&host);
    assert_eq!(ask(&host, "del map dm-0"), "fail\n");
    host.tick();
    host.tick();
    assert_eq!(ask(&host, "del map dm-0"), "ok\n");
}

#[test]
fn switching_queueing_off_under_a_user_without_paths_is_harm() {
    let (host, _) = host();
    map(&host);
    let _held = host.hold("dm-0", Hold::Process("kvm".to_owned()));
    assert_eq!(ask(&host, "disablequeueing map dm-0"), "ok\n");
    assert!(host.harm().is_empty(), "a path is up: nothing waits");
    assert_eq!(ask(&host, "restorequeueing map dm-0"), "ok\n");
    host.cut(P1);
    host.cut(P2);
    assert_eq!(ask(&host, "disablequeueing map dm-0"), "ok\n");
    assert_eq!(
        host.harm(),
        ["queueing of dm-0 was switched off under kvm (process 4001)"]
    );
}

#[test]
fn paths_fail_and_return_with_their_portal() {
    let (host, _) = host();
    map(&host);
    host.block(P1);
    assert_eq!(
        status(&host),
        "0 131072 multipath 2 0 0 0 1 1 A 0 2 0 8:0 A 0 8:16 A 0 \n"
    );
    host.cut(P1);
    assert_eq!(
        status(&host),
        "0 131072 multipath 2 0 0 0 1 1 A 0 2 0 8:0 F 1 8:16 A 0 \n"
    );
    host.restore(P1);
    assert_eq!(
        status(&host),
        "0 131072 multipath 2 0 0 0 1 1 A 0 2 0 8:0 A 1 8:16 A 0 \n"
    );
    assert_eq!(ask(&host, "fail path sdb"), "ok\n");
    host.cut(P2);
    host.restore(P2);
    assert!(
        status(&host).contains("8:16 F 1"),
        "a path failed by hand stays so"
    );
    assert_eq!(ask(&host, "reinstate path sdb"), "ok\n");
    assert!(status(&host).contains("8:16 A 1"));
    assert_eq!(ask(&host, "fail path sdz"), "fail\n");
}

#[test]
fn a_reused_lun_makes_the_map_serve_the_other_volume_unnoticed() {
    let (host, targets) = host();
    map(&host);
    targets.map(IQN, 0, D2.0, MIB64);
    assert_eq!(host.serves("dm-0"), [D2.1, D2.1]);
    assert_eq!(
        read(&host, "sys/block/sda/device/wwid"),
        "eui.3466613163306465"
    );
    device(&host, "sda", "rescan").unwrap();
    assert_eq!(
        read(&host, "sys/block/sda/device/wwid"),
        "eui.3565356535653565"
    );
    assert_eq!(
        list(&host, "sys/block/dm-0/slaves"),
        ["sda", "sdb"],
        "same size: no event"
    );
    assert_eq!(ask(&host, "fail path sda"), "ok\n");
    assert_eq!(host.serves(D0.1), [D2.1]);
}

#[test]
fn a_rescan_to_another_size_raises_an_event_that_takes_the_wrong_path_out() {
    let (host, targets) = host();
    map(&host);
    targets.map(IQN, 0, D2.0, 2 * MIB64);
    device(&host, "sda", "rescan").unwrap();
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sdb"]);
    device(&host, "sdb", "rescan").unwrap();
    assert!(!exists(&host, "sys/block/dm-0"));
}

#[test]
fn two_volumes_of_one_wwid_are_merged_silently() {
    let (host, targets) = host();
    targets.map("iqn.other:x", 0, "4fa1c0deFFFFFFFF", MIB64);
    map(&host);
    run(&host, "iscsiadm -m node -T iqn.other:x -p 10.0.1.1 -o new");
    run(&host, "iscsiadm -m node -T iqn.other:x -p 10.0.1.1 --login");
    assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda", "sdb", "sdc"]);
    assert_eq!(host.serves("dm-0"), [D0.1; 3]);
    let serials = host.serves_luns("dm-0").into_iter().map(|lun| lun.serial);
    let serials: Vec<String> = serials.collect();
    assert_eq!(serials, [D0.0, D0.0, "4fa1c0deFFFFFFFF"]);
}
