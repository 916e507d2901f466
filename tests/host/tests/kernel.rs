//! SCSI disks in sysfs: scan, rescan, delete, what is cached and what is fresh.

mod common;

use std::io::ErrorKind;

use common::{D0, D2, IQN, MIB64, P1, P2, device, exists, host, link, list, login, map, read};
use common::{node, run, scan};
use jdss_host::{Hold, HostLun};

#[test]
fn a_scan_adds_exactly_the_lun_asked_for() {
    let (host, targets) = host();
    targets.map(IQN, 300, D2.0, 2 * MIB64);
    login(&host, P1);
    scan(&host, 0, "0 0 300");
    assert_eq!(list(&host, "sys/class/scsi_device"), ["0:0:0:300"]);
    let dir = "sys/class/scsi_device/0:0:0:300/device";
    assert_eq!(read(&host, &format!("{dir}/wwid")), "eui.3565356535653565");
    assert_eq!(read(&host, &format!("{dir}/state")), "running");
    assert_eq!(read(&host, &format!("{dir}/vendor")), "SCST_BIO");
    let page = std::fs::read(host.root().join(dir).join("vpd_pg83")).unwrap();
    assert_eq!(page, HostLun::scst(300, D2.0, 0).page83);
    assert_eq!(read(&host, "sys/block/sda/size"), "262144");
    assert_eq!(read(&host, "sys/block/sda/dev"), "8:0");
    let block = host.root().join("sys/block/sda").canonicalize().unwrap();
    let real = "host0/session1/target0:0:0/0:0:0:300/block/sda";
    assert!(block.ends_with(real), "{block:?}");
    assert!(exists(&host, "dev/sda") && exists(&host, "sys/class/scsi_disk/0:0:0:300"));
    assert_eq!(
        link(&host, &format!("dev/disk/by-id/scsi-{}", D2.1)),
        "../../sda"
    );
    scan(&host, 0, "- - -");
    assert_eq!(list(&host, "sys/block"), ["sda", "sdb"]);
}

#[test]
fn a_scan_of_an_absent_lun_creates_nothing() {
    let (host, _) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 7");
    assert!(list(&host, "sys/block").is_empty());
}

#[test]
fn a_malformed_scan_is_einval() {
    let (host, _) = host();
    login(&host, P1);
    let attribute = host.root().join("sys/class/scsi_host/host0/scan");
    for bad in ["", "0 0", "0 0 -1", "x 0 0", "0 0 0 0", "1 0 0"] {
        let error = host.write(&attribute, bad).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(22), "{bad:?}");
    }
}

#[test]
fn the_cache_stays_old_until_a_rescan_and_scsi_id_is_fresh() {
    let (host, targets) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    let id = || run(&host, "/lib/udev/scsi_id -g -u -d /dev/sda");
    assert_eq!(id().stdout, format!("{}\n", D0.1));
    targets.map(IQN, 0, D2.0, 2 * MIB64);
    assert_eq!(id().stdout, format!("{}\n", D2.1));
    assert_eq!(host.serves("sda"), [D2.1]);
    assert_eq!(
        read(&host, "sys/block/sda/device/wwid"),
        "eui.3466613163306465"
    );
    assert_eq!(read(&host, "sys/block/sda/size"), "131072");
    scan(&host, 0, "0 0 0");
    assert_eq!(
        read(&host, "sys/block/sda/size"),
        "131072",
        "a scan is no rescan"
    );
    device(&host, "sda", "rescan").unwrap();
    assert_eq!(
        read(&host, "sys/block/sda/device/wwid"),
        "eui.3565356535653565"
    );
    assert_eq!(read(&host, "sys/block/sda/size"), "262144");
    assert!(
        read(&host, "sys/block/sda/device/model").starts_with(D0.0),
        "read once, at add"
    );
}

#[test]
fn a_removed_lun_leaves_its_disk_and_a_rescan_makes_it_empty() {
    let (host, targets) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    targets.unmap(IQN, 0);
    assert_eq!(read(&host, "sys/block/sda/size"), "131072");
    assert_eq!(run(&host, "/lib/udev/scsi_id -g -u -d /dev/sda").code, 1);
    device(&host, "sda", "rescan").unwrap();
    assert_eq!(read(&host, "sys/block/sda/size"), "0");
    assert_eq!(
        read(&host, "sys/block/sda/device/wwid"),
        "eui.3466613163306465"
    );
    assert_eq!(read(&host, "sys/block/sda/device/state"), "running");
}

#[test]
fn a_deleted_disk_is_gone_and_its_name_is_used_again() {
    let (host, _) = host();
    login(&host, P1);
    login(&host, P2);
    scan(&host, 0, "0 0 0");
    scan(&host, 1, "0 0 0");
    let rescan = host
        .root()
        .join("sys/class/scsi_device/0:0:0:0/device/rescan");
    device(&host, "sda", "delete").unwrap();
    assert!(!exists(&host, "sys/block/sda") && !exists(&host, "dev/sda"));
    assert!(!exists(
        &host,
        "sys/devices/platform/host0/session1/target0:0:0"
    ));
    assert_eq!(
        host.write(&rescan, "1").unwrap_err().kind(),
        ErrorKind::NotFound
    );
    scan(&host, 0, "0 0 0");
    assert_eq!(list(&host, "sys/block"), ["sda", "sdb"]);
    assert!(host.harm().is_empty());
}

#[test]
fn a_disk_can_be_deleted_under_its_user_and_that_is_harm() {
    let (host, _) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    let held = host.hold("sda", Hold::Process("kvm".to_owned()));
    assert_eq!(link(&host, "proc/4001/fd/3"), "/dev/sda");
    device(&host, "sda", "delete").unwrap();
    assert_eq!(host.harm(), ["sda vanished under kvm (process 4001)"]);
    assert_eq!(link(&host, "proc/4001/fd/3"), "/dev/sda (deleted)");
    scan(&host, 0, "0 0 0");
    assert_eq!(
        list(&host, "sys/block"),
        ["sdb"],
        "the name is not free yet"
    );
    host.release(held);
    assert!(!exists(&host, "proc/4001"));
}

#[test]
fn a_logout_takes_the_disks_along() {
    let (host, _) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    assert_eq!(node(&host, "--logout").code, 0);
    assert!(list(&host, "sys/block").is_empty());
    assert!(list(&host, "sys/devices/platform").is_empty());
    assert!(list(&host, "dev/disk/by-id").is_empty());
}

#[test]
fn exclusive_opens_find_claims_and_not_mere_openers() {
    let (host, _) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    let sda = host.root().join("dev/sda");
    host.open_exclusive(&sda).unwrap();
    let kvm = host.hold("sda", Hold::Process("kvm".to_owned()));
    host.open_exclusive(&sda).unwrap();
    host.release(kvm);
    let holds = [
        Hold::Exclusive,
        Hold::Mount("/mnt/a b".to_owned()),
        Hold::Lvm("vg-root".to_owned()),
    ];
    for hold in holds {
        let held = host.hold("sda", hold.clone());
        let error = host.open_exclusive(&sda).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(16), "{hold:?}");
        if let Hold::Mount(_) = hold {
            let mounts = read(&host, "proc/self/mountinfo");
            assert!(mounts.contains(" 8:0 / /mnt/a\\040b rw,relatime - ext4 /dev/sda rw"));
        }
        if let Hold::Lvm(_) = hold {
            assert_eq!(list(&host, "sys/block/sda/holders"), ["dm-0"]);
            assert_eq!(
                read(&host, "sys/block/sda/holders/dm-0/dm/uuid"),
                "LVM-vg-root"
            );
            assert_eq!(list(&host, "sys/block/dm-0/slaves"), ["sda"]);
        }
        host.release(held);
    }
    host.open_exclusive(&sda).unwrap();
    assert!(!exists(&host, "sys/block/dm-0"));
    let gone = host
        .open_exclusive(&host.root().join("dev/sdz"))
        .unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[test]
fn a_path_of_a_map_is_exclusively_taken() {
    let (host, _) = host();
    map(&host);
    let error = host
        .open_exclusive(&host.root().join("dev/sda"))
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(16));
    let mapper = host.root().join("dev/mapper").join(D0.1);
    host.open_exclusive(&mapper).unwrap();
    let _held = host.hold("dm-0", Hold::Exclusive);
    assert_eq!(
        host.open_exclusive(&mapper).unwrap_err().raw_os_error(),
        Some(16)
    );
}

#[test]
fn a_silent_portal_blocks_its_disks_and_using_them_would_hang() {
    let (host, _) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    host.block(P1);
    assert_eq!(
        read(&host, "sys/class/iscsi_session/session1/state"),
        "FAILED"
    );
    assert_eq!(read(&host, "sys/block/sda/device/state"), "blocked");
    for verb in ["rescan", "delete"] {
        assert_eq!(
            device(&host, "sda", verb).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    }
    let attribute = host.root().join("sys/class/scsi_host/host0/scan");
    assert_eq!(
        host.write(&attribute, "0 0 1").unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    assert!(
        host.run("/lib/udev/scsi_id", &["-g", "-u", "-d", "/dev/sda"])
            .is_err()
    );
    assert!(host.open_exclusive(&host.root().join("dev/sda")).is_err());
    assert_eq!(host.harm().len(), 5);
}

#[test]
fn after_the_recovery_time_a_disk_is_offline_and_can_be_deleted() {
    let (host, targets) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    host.cut(P1);
    assert_eq!(
        read(&host, "sys/class/iscsi_session/session1/state"),
        "FREE"
    );
    assert_eq!(
        read(&host, "sys/block/sda/device/state"),
        "transport-offline"
    );
    targets.map(IQN, 1, D2.0, MIB64);
    scan(&host, 0, "0 0 1");
    assert_eq!(list(&host, "sys/block"), ["sda"], "nothing answers a scan");
    device(&host, "sda", "rescan").unwrap();
    assert_eq!(read(&host, "sys/block/sda/size"), "131072");
    device(&host, "sda", "delete").unwrap();
    assert_eq!(node(&host, "--logout").code, 0);
    assert!(host.harm().is_empty());
}

#[test]
fn a_restored_portal_brings_back_only_what_the_target_still_lets_in() {
    let (host, targets) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    host.cut(P1);
    targets.refuse(IQN, P1, Some(19));
    host.restore(P1);
    assert_eq!(
        read(&host, "sys/class/iscsi_session/session1/state"),
        "FREE"
    );
    targets.refuse(IQN, P1, None);
    host.restore(P1);
    assert_eq!(
        read(&host, "sys/class/iscsi_session/session1/state"),
        "LOGGED_IN"
    );
    assert_eq!(read(&host, "sys/block/sda/device/state"), "running");
}

#[test]
fn an_announced_lun_comes_by_itself_only_with_automatic_scan() {
    let (host, targets) = host();
    login(&host, P1);
    targets.map(IQN, 5, D2.0, MIB64);
    host.announce(IQN);
    assert!(list(&host, "sys/block").is_empty());
    node(&host, &format!("-p {P2} -o new"));
    node(&host, &format!("-p {P2} --login"));
    assert_eq!(list(&host, "sys/class/scsi_device"), ["1:0:0:0", "1:0:0:5"]);
    targets.map(IQN, 6, "bbbbbbbb00000000", MIB64);
    host.announce(IQN);
    assert_eq!(list(&host, "sys/class/scsi_device").len(), 3);
}

#[test]
#[should_panic(expected = "does not know how to write \"0\" to")]
fn an_unknown_attribute_panics() {
    let (host, _) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    let attribute = host.root().join("sys/block/sda/device/timeout");
    let _ = host.write(&attribute, "0");
}
