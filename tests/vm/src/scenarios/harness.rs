//! The harness itself: what the other scenarios rely on.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use jdss_vm::daemon::Daemon;
use jdss_vm::network::{CONTROL, Cut, NAMESPACE, Portal};
use jdss_vm::{Command, Error, Guest, Release, config};
use rustix::fs::FlockOperation;

super::scenarios![
    portals_are_cut_one_by_one,
    what_a_scenario_leaves_is_found_and_removed
];

fn reachable(address: &str) -> Result<bool, Error> {
    Ok(Command::words("ping -c 1 -W 1").arg(address).run()?.code == Some(0))
}

fn portals_are_cut_one_by_one(_: &Guest) -> Result<(), Error> {
    let seen = || -> Result<[bool; 2], Error> {
        Ok([
            reachable(Portal::First.address())?,
            reachable(Portal::Second.address())?,
        ])
    };
    assert_eq!(seen()?, [true, true]);
    for cut in [Cut::LinkDown, Cut::Drop] {
        Portal::First.cut(cut)?;
        assert_eq!(seen()?, [false, true], "{cut:?}");
        Portal::Second.cut(cut)?;
        assert_eq!(seen()?, [false, false], "{cut:?}");
        Portal::First.restore()?;
        assert_eq!(seen()?, [true, false], "{cut:?}");
        Portal::Second.restore()?;
        assert_eq!(seen()?, [true, true], "{cut:?}");
    }
    assert!(reachable(CONTROL)?);
    Ok(())
}

fn what_a_scenario_leaves_is_found_and_removed(guest: &Guest) -> Result<(), Error> {
    assert_eq!(guest.left()?, [""; 0]);

    config::write("/etc/joviandss/state/store/volume.json", 0o600, "{}")?;
    fs::create_dir_all("/dev/jdss/store").expect("a directory in /dev");
    symlink("/dev/mapper/volume", "/dev/jdss/store/volume").expect("a link in /dev");
    config::write("/run/lock/jdss/free", 0o600, "")?;
    config::write("/run/lock/jdss/held", 0o600, "")?;
    let lock = File::open("/run/lock/jdss/held").expect("a lock file");
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).expect("a lock");
    Command::words("multipath -a 23466613163306465").ok()?;
    Command::words("iscsiadm -m node -T iqn.2026-01.com.example:none -p 10.0.1.1:3260 -o new")
        .ok()?;
    let stray = Daemon::start("stray", &Command::words("sleep 1000"))?;
    Command::words("dmsetup create left --notable").ok()?;
    Command::words("udevadm settle").ok()?;

    let nodes = match guest.release() {
        Release::Bookworm => "/etc/iscsi/nodes",
        Release::Trixie => "/var/lib/iscsi/nodes",
    };
    let left = guest.left()?;
    let want = [
        &format!("node record: {nodes}/iqn.2026-01.com.example:none/10.0.1.1,3260"),
        "device-mapper device: left:",
        "active line of /etc/multipath/wwids: /23466613163306465/",
        "record: /etc/joviandss/state/store/volume.json",
        "link: /dev/jdss/store/volume",
        "held lock: /run/lock/jdss/held",
        &format!("process: {} sleep 1000", stray.pid()),
    ];
    assert_eq!(left.len(), want.len(), "{left:#?}");
    for (left, want) in left.iter().zip(want) {
        assert!(left.starts_with(want), "{left} instead of {want}");
    }

    drop(lock);
    assert_eq!(guest.force_clean()?, [""; 0]);
    stray.stop()?;
    assert!(
        Command::words("ip netns exec")
            .args([NAMESPACE, "true"])
            .run()?
            .code
            == Some(0)
    );
    Ok(())
}
