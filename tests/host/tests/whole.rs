//! The host as a whole: leftovers, counts, crash points, power, threads, speed.

mod common;

use common::scan;
use common::{D0, D2, IQN, MIB64, P1, P2, device, exists, host, list, login, map, node, read, run};
use jdss_host::{Counter, Fault, Host, RunError, Stopped};

/// Takes down what [`map`] made.
fn unmap(host: &Host) -> std::io::Result<()> {
    let stopped = |error: RunError| std::io::Error::other(error);
    host.run("multipath", &["-w", D0.1]).map_err(stopped)?;
    host.ask("del map dm-0")?;
    for disk in ["sda", "sdb"] {
        device(host, disk, "delete")?;
    }
    let node = ["-m", "node", "-T", IQN];
    for verb in [&["--logout"][..], &["-o", "delete"]] {
        host.run("iscsiadm", &[&node, verb].concat())
            .map_err(stopped)?;
    }
    Ok(())
}

#[test]
fn a_whole_cycle_leaves_the_host_as_before() {
    let (host, _) = host();
    map(&host);
    let left = host.left();
    assert_eq!(left.len(), 2 + 2 + 1 + 2 + 1, "{left:?}");
    assert!(left.contains(&"disk sdb (1:0:0:0)".to_owned()));
    unmap(&host).unwrap();
    assert_eq!(host.left(), Vec::<String>::new());
    assert_eq!(
        list(&host, "sys/devices/virtual/block"),
        Vec::<String>::new()
    );
    assert!(host.harm().is_empty());
}

#[test]
fn files_that_others_left_are_told() {
    let (host, _) = host();
    let dir = host.root().join("dev/jdss/store");
    std::fs::create_dir_all(&dir).unwrap();
    std::os::unix::fs::symlink("/dev/mapper/x", dir.join("vol")).unwrap();
    assert_eq!(host.left(), ["file dev/jdss/store/vol"]);
}

#[test]
fn a_line_that_others_wrote_into_the_wwids_file_counts() {
    let (host, _) = host();
    let path = host.root().join("etc/multipath/wwids");
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    std::io::Write::write_all(&mut file, format!("/{}/\n", D0.1).as_bytes()).unwrap();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    assert!(exists(&host, "sys/block/dm-0"));
    assert!(read(&host, "etc/multipath/wwids").contains(D0.1));
    // The other way round: a line that vanished comes back when it is enrolled again.
    let text = std::fs::read_to_string(&path).unwrap();
    let mut file = std::fs::File::create(&path).unwrap();
    let text = text.replace(&format!("/{}/\n", D0.1), "");
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    run(&host, &format!("multipath -a {}", D0.1));
    assert!(read(&host, "etc/multipath/wwids").contains(D0.1));
}

#[test]
fn effects_are_counted_and_logged_in_order() {
    let (host, _) = host();
    login(&host, P1);
    scan(&host, 0, "0 0 0");
    host.ask("show daemon").unwrap();
    host.open_exclusive(&host.root().join("dev/sda")).unwrap();
    let counts = host.counts();
    assert_eq!(counts.children["iscsiadm"], 3);
    assert_eq!((counts.writes, counts.asks, counts.opens), (1, 1, 1));
    let log = host.log();
    assert_eq!(
        log[2],
        format!("run iscsiadm -m node -T {IQN} -p {P1} --login")
    );
    let rest = [
        "write sys/class/scsi_host/host0/scan 0 0 0",
        "ask show daemon",
        "open dev/sda",
    ];
    assert_eq!(log[3..], rest);
    host.forget();
    assert!(host.log().is_empty() && host.counts().children.is_empty());
}

#[test]
fn every_crash_point_can_be_reached_and_gone_on_from() {
    let mut points = 0;
    for n in 1.. {
        let (host, _) = host();
        map(&host);
        host.stop_before(Some(n));
        let done = unmap(&host).is_ok();
        assert_eq!(done, !host.counter().stopped());
        assert_eq!(host.left().is_empty(), done);
        if done {
            break;
        }
        let left = host.left();
        assert!(
            host.ask("show daemon").is_err(),
            "a dead process does nothing more"
        );
        assert!(unmap(&host).is_err());
        assert_eq!(host.left(), left);
        host.stop_before(None);
        let _ = unmap(&host);
        points += 1;
    }
    assert_eq!(points, 6);
}

#[test]
fn a_crash_can_be_a_panic_and_the_host_lives_on() {
    let (host, _) = host();
    map(&host);
    host.counter().panic_when_stopped(true);
    host.stop_before(Some(3));
    let caught = std::panic::catch_unwind(|| unmap(&host)).unwrap_err();
    assert!(caught.is::<Stopped>());
    assert!(!exists(&host, "sys/block/dm-0") && exists(&host, "sys/block/sda"));
    host.stop_before(None);
    device(&host, "sda", "delete").unwrap();
    assert!(!exists(&host, "sys/block/sda"));
}

#[test]
fn other_parts_of_a_test_can_share_the_counter() {
    let (host, _) = host();
    let counter: &Counter = host.counter();
    host.stop_before(Some(2));
    assert_eq!(counter.step("save the record"), Ok(()));
    let error = host.ask("show daemon").unwrap_err();
    assert!(error.get_ref().is_some_and(|inner| inner.is::<Stopped>()));
    let ran = host.run("multipath", &["-a", D0.1]);
    assert_eq!(ran, Err(RunError::Stopped));
    assert_eq!(host.log(), ["save the record"]);
    assert!(host.left().is_empty());
}

#[test]
fn a_power_cut_keeps_what_is_on_disk_and_nothing_else() {
    let (host, _) = host();
    map(&host);
    let boot = read(&host, "proc/sys/kernel/random/boot_id");
    let link = host.root().join("dev/jdss");
    std::fs::create_dir(&link).unwrap();
    std::fs::File::create(link.join("vol")).unwrap();
    std::fs::create_dir_all(host.root().join("run/lock/jdss")).unwrap();
    std::fs::create_dir_all(host.root().join("etc/joviandss/state")).unwrap();
    host.reboot();
    assert_ne!(read(&host, "proc/sys/kernel/random/boot_id"), boot);
    for gone in ["dev/jdss", "run/lock/jdss", "dev/mapper/23466613163306465"] {
        assert!(!exists(&host, gone), "{gone}");
    }
    assert!(exists(&host, "etc/joviandss/state") && exists(&host, "proc/179"));
    assert_eq!(list(&host, "sys/block"), Vec::<String>::new());
    let left = host.left();
    assert_eq!(left.len(), 3, "two records and the enrolment: {left:?}");
    assert_eq!(node(&host, "--login").code, 0);
    assert!(exists(&host, "sys/class/iscsi_session/session1"));
    scan(&host, 0, "0 0 0");
    assert!(exists(&host, "dev/mapper/23466613163306465"));
}

#[test]
fn only_automatic_records_are_logged_in_at_boot() {
    let (host, _) = host();
    login(&host, P1);
    login(&host, P2);
    node(
        &host,
        &format!("-p {P2} -o update -n node.startup -v automatic"),
    );
    host.reboot();
    assert_eq!(list(&host, "sys/class/iscsi_session"), ["session1"]);
    let address = "sys/class/iscsi_connection/connection1:0/address";
    assert_eq!(read(&host, address), "10.0.2.1");
}

#[test]
fn readers_in_other_threads_see_whole_values() {
    let (host, targets) = host();
    map(&host);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut read = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let path = host.root().join("sys/block/sda/size");
                // Gone for a moment is fine, as on a real host; half a value is not.
                if let Ok(text) = std::fs::read_to_string(path) {
                    assert!(
                        ["131072\n", "262144\n"].contains(&text.as_str()),
                        "{text:?}"
                    );
                    read += 1;
                }
            }
            read
        });
        for n in 0..500 {
            targets.map(IQN, 0, D0.0, MIB64 << (n % 2));
            device(&host, "sda", "rescan").unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn sixty_disks_have_names_and_numbers_of_their_own() {
    let (host, targets) = host();
    for lun in 0..30 {
        targets.map(IQN, lun, &format!("{lun:08}00000000"), MIB64);
    }
    login(&host, P1);
    login(&host, P2);
    scan(&host, 0, "- - -");
    scan(&host, 1, "- - -");
    let disks = list(&host, "sys/block");
    assert_eq!(disks.len(), 60);
    assert!(disks.contains(&"sdbh".to_owned()));
    let numbers: std::collections::BTreeSet<String> = disks
        .iter()
        .map(|disk| read(&host, &format!("sys/block/{disk}/dev")))
        .collect();
    assert_eq!(numbers.len(), 60);
    assert_eq!(read(&host, "sys/block/sdq/dev"), "65:0");
}

#[test]
fn the_oracle_follows_the_appliance_and_not_the_cache() {
    let (host, targets) = host();
    map(&host);
    assert_eq!(host.serves("dm-0"), [D0.1, D0.1]);
    host.cut(P2);
    assert_eq!(host.serves("dm-0"), [D0.1]);
    targets.map(IQN, 0, D2.0, MIB64);
    assert_eq!(host.serves("sda"), [D2.1]);
    targets.unmap(IQN, 0);
    assert!(host.serves("sda").is_empty());
}

#[test]
fn a_device_made_anew_under_the_old_name_has_another_sequence_number() {
    let (host, _) = host();
    map(&host);
    let seq = |block: &str| read(&host, &format!("sys/block/{block}/diskseq"));
    let before = (seq("dm-0"), seq("sda"));
    host.ask("del map dm-0").unwrap();
    device(&host, "sda", "delete").unwrap();
    scan(&host, 0, "0 0 0");
    assert_ne!(seq("dm-0"), before.0);
    assert_ne!(seq("sda"), before.1);
}

#[test]
fn one_effect_can_fail_once() {
    let (host, _) = host();
    map(&host);
    host.fail_next("ask del map", Fault::Says(1, "timeout\n".to_owned()));
    host.fail_next(
        "write sys/block/sda/device/delete",
        Fault::Says(5, String::new()),
    );
    host.fail_next("run iscsiadm", Fault::Hangs);
    assert_eq!(host.ask("show daemon").unwrap(), "pid 179 idle\n");
    assert_eq!(host.ask("del map dm-0").unwrap(), "timeout\n");
    let error = device(&host, "sda", "delete").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5));
    let logout = ["-m", "node", "-T", IQN, "--logout"];
    assert_eq!(host.run("iscsiadm", &logout), Err(RunError::TimedOut));
    assert_eq!(host.left().len(), 8, "none of them did anything");
    unmap(&host).unwrap();
    assert!(host.left().is_empty());
}

#[test]
fn an_effect_can_happen_without_its_caller_learning_of_it() {
    let (host, _) = host();
    map(&host);
    for effect in ["ask", "run", "write"] {
        host.fail_next(effect, Fault::TooLate);
    }
    let error = host.ask("del map dm-0").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(!exists(&host, "sys/block/dm-0"));
    let error = device(&host, "sda", "delete").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(!exists(&host, "sys/block/sda"));
    let ran = host.run("multipath", &["-w", D0.1]);
    assert_eq!(ran, Err(RunError::TimedOut));
    assert!(!host.left().contains(&format!("enrolled {}", D0.1)));
}
