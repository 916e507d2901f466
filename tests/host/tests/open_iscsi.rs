//! iscsiadm's texts, exit codes and what they do.

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{D0, IQN, MIB64, P1, P2, exists, host, list, login, node, read, run};
use jdss_host::{Daemon, Fault, Host, Login, RunError, Targets};

fn record(portal: &str) -> String {
    format!("etc/iscsi/nodes/{IQN}/{}", portal.replace(':', ","))
}

#[test]
fn a_login_makes_a_session_that_sysfs_shows() {
    let (host, _) = host();
    let new = node(&host, &format!("-p {P1} -o new"));
    let said = "New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if=default] 10.0.1.1,3260,-1 ";
    assert_eq!(new.stdout, format!("{said}{IQN}] added\n"));
    let update = "-o update -n node.session.timeo.replacement_timeout -v 7 \
                  -n node.session.scan -v manual";
    assert_eq!(node(&host, update).code, 0);
    let login = node(&host, &format!("-p {P1} --login"));
    let at = format!("[iface: default, target: {IQN}, portal: 10.0.1.1,3260]");
    assert_eq!(
        login.stdout,
        format!("Logging in to {at}\nLogin to {at} successful.\n")
    );
    assert_eq!(
        read(&host, "sys/class/iscsi_session/session1/targetname"),
        IQN
    );
    assert_eq!(
        read(&host, "sys/class/iscsi_session/session1/state"),
        "LOGGED_IN"
    );
    assert_eq!(
        read(&host, "sys/class/iscsi_session/session1/recovery_tmo"),
        "7"
    );
    let connection = "sys/class/iscsi_connection/connection1:0";
    assert_eq!(
        read(&host, &format!("{connection}/persistent_address")),
        "10.0.1.1"
    );
    assert_eq!(
        read(&host, &format!("{connection}/persistent_port")),
        "3260"
    );
    let device = host.root().join("sys/class/iscsi_session/session1/device");
    let device = device.canonicalize().unwrap();
    assert!(
        device.ends_with("sys/devices/platform/host0/session1"),
        "{device:?}"
    );
    assert!(exists(&host, "sys/class/iscsi_host/host0"));
    assert!(
        list(&host, "sys/block").is_empty(),
        "a manual scan brings no disk"
    );
}

#[test]
fn a_fresh_record_scans_every_lun_at_login() {
    let (host, targets) = host();
    targets.map(IQN, 5, "aaaaaaaa00000000", MIB64);
    node(&host, &format!("-p {P1} -o new"));
    node(&host, &format!("-p {P1} --login"));
    assert_eq!(list(&host, "sys/class/scsi_device"), ["0:0:0:0", "0:0:0:5"]);
}

#[test]
fn new_wipes_the_settings_of_a_record() {
    let (host, _) = host();
    node(&host, &format!("-p {P1} -o new"));
    node(&host, "-o update -n node.session.scan -v manual");
    assert!(read(&host, &record(P1)).contains("node.session.scan = manual"));
    node(&host, &format!("-p {P1} -o new"));
    assert!(read(&host, &record(P1)).contains("node.session.scan = auto"));
}

#[test]
fn an_update_without_a_portal_changes_all_records_of_the_target() {
    let (host, _) = host();
    node(&host, &format!("-p {P1} -o new"));
    node(&host, &format!("-p {P2} -o new"));
    run(&host, "iscsiadm -m node -T iqn.other:x -p 10.0.1.1 -o new");
    assert_eq!(
        node(&host, "-o update -n node.startup -v automatic").code,
        0
    );
    for portal in [P1, P2] {
        assert!(read(&host, &record(portal)).contains("node.startup = automatic"));
    }
    let other = read(&host, "etc/iscsi/nodes/iqn.other:x/10.0.1.1,3260");
    assert!(other.contains("node.startup = manual"));
}

#[test]
fn an_unknown_parameter_is_refused_with_7() {
    let (host, _) = host();
    node(&host, &format!("-p {P1} -o new"));
    let ran = node(&host, "-o update -n no.such.key -v 1");
    assert_eq!(ran.code, 7);
    assert!(
        ran.stderr
            .starts_with("iscsiadm: Cannot modify no.such.key. Invalid param name.")
    );
    assert_eq!(
        node(&host, "-o update -n node.session.scan -v never").code,
        7
    );
}

#[test]
fn what_is_not_there_is_21() {
    let (host, _) = host();
    for verb in [
        "--login",
        "-o delete",
        "-o update -n node.startup -v manual",
    ] {
        let ran = node(&host, &format!("-p {P1} {verb}"));
        assert_eq!(
            (ran.code, ran.stderr.as_str()),
            (21, "iscsiadm: No records found\n")
        );
    }
    let ran = node(&host, &format!("-p {P1} --logout"));
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (21, "iscsiadm: No matching sessions found\n")
    );
}

#[test]
fn a_second_login_is_15_and_logs_the_others_in() {
    let (host, _) = host();
    login(&host, P1);
    node(&host, &format!("-p {P2} -o new"));
    let ran = node(&host, "--login");
    assert_eq!(ran.code, 15);
    assert!(
        ran.stderr
            .starts_with("iscsiadm: default: 1 session requested, but 1 already")
    );
    assert!(ran.stdout.contains("portal: 10.0.2.1,3260] successful."));
    assert_eq!(
        list(&host, "sys/class/iscsi_session"),
        ["session1", "session2"]
    );
}

#[test]
fn a_record_in_use_is_not_deleted() {
    let (host, _) = host();
    login(&host, P1);
    let ran = node(&host, "-o delete");
    assert_eq!(ran.code, 15);
    assert!(exists(&host, &record(P1)));
    assert_eq!(node(&host, "--logout").code, 0);
    assert_eq!(node(&host, "-o delete").code, 0);
    assert!(!exists(&host, &format!("etc/iscsi/nodes/{IQN}")));
    assert!(host.left().is_empty());
}

#[test]
fn the_first_error_is_the_exit_code_and_the_rest_is_tried() {
    let (host, targets) = host();
    targets.refuse(IQN, P1, Some(19));
    node(&host, &format!("-p {P1} -o new"));
    node(&host, &format!("-p {P2} -o new"));
    let ran = node(&host, "--login");
    assert_eq!(ran.code, 19);
    assert!(
        ran.stderr
            .contains("error (19 - encountered non-retryable iSCSI login failure)")
    );
    assert_eq!(list(&host, "sys/class/iscsi_session").len(), 1);
    node(&host, "--logout");
    targets.refuse(IQN, P2, Some(24));
    assert_eq!(node(&host, "--login").code, 19);
}

#[test]
fn a_dead_portal_is_8() {
    let (host, _) = host();
    host.cut(P1);
    node(&host, &format!("-p {P1} -o new"));
    let ran = node(&host, "--login");
    assert_eq!(ran.code, 8);
    assert!(ran.stderr.contains("error (8 - connection timed out)"));
    assert!(
        ran.stderr
            .ends_with("iscsiadm: Could not log into all portals\n")
    );
    host.restore(P1);
    assert_eq!(node(&host, "--login").code, 0);
    node(&host, "-p 10.0.9.9 -o new");
    assert_eq!(node(&host, "-p 10.0.9.9 --login").code, 8, "nobody listens");
}

#[test]
fn without_iscsid_sessions_are_20_and_the_database_works() {
    let (host, _) = host();
    login(&host, P1);
    host.set_daemon(Daemon::Iscsid, false);
    assert_eq!(node(&host, &format!("-p {P2} -o new")).code, 0);
    assert_eq!(node(&host, &format!("-p {P2} --login")).code, 20);
    assert_eq!(node(&host, "--logout").code, 20);
    assert!(!exists(&host, "run/iscsid.pid") && !exists(&host, "proc/174"));
    host.set_daemon(Daemon::Iscsid, true);
    assert!(exists(&host, "run/iscsid.pid") && exists(&host, "proc/174"));
    assert_eq!(node(&host, "--logout").code, 0);
}

#[test]
fn a_locked_database_is_6_for_every_verb() {
    let (host, _) = host();
    host.set_database_locked(true);
    assert!(exists(&host, "run/lock/iscsi/lock.write"));
    for verb in ["-o new", "-o delete", "--login", "--logout"] {
        assert_eq!(node(&host, &format!("-p {P1} {verb}")).code, 6);
    }
    assert!(!exists(&host, &record(P1)));
    host.set_database_locked(false);
    assert_eq!(node(&host, &format!("-p {P1} -o new")).code, 0);
}

#[test]
fn chap_is_read_from_the_file_that_others_may_have_changed() {
    let (host, _) = host();
    host.require_chap(IQN, "user1", "secret1secret1");
    node(&host, &format!("-p {P1} -o new"));
    assert_eq!(node(&host, "--login").code, 24);
    node(
        &host,
        "-o update -n node.session.auth.authmethod -v CHAP \
         -n node.session.auth.username -v user1 -n node.session.auth.password -v placeholder",
    );
    assert_eq!(node(&host, "--login").code, 24);
    let path = host.root().join(record(P1));
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("node.session.auth.password = placeholder"));
    let file = path.with_extension("tmp");
    std::fs::copy(&path, &file).unwrap();
    let text = text.replace("placeholder", "secret1secret1");
    std::io::Write::write_all(&mut std::fs::File::create(&file).unwrap(), text.as_bytes()).unwrap();
    std::fs::rename(&file, &path).unwrap();
    assert_eq!(node(&host, "--login").code, 0);
    assert_eq!(
        read(&host, "sys/class/iscsi_session/session3/username"),
        "user1"
    );
    assert!(read(&host, &record(P1)).contains("= secret1secret1"));
}

#[test]
fn a_setting_that_somebody_wrote_is_overwritten_by_an_update() {
    let (host, _) = host();
    node(&host, &format!("-p {P1} -o new"));
    let path = host.root().join(record(P1));
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("node.session.scan = auto", "node.session.scan = manual");
    std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), text.as_bytes()).unwrap();
    node(&host, "-o update -n node.session.scan -v auto");
    assert!(read(&host, &record(P1)).contains("node.session.scan = auto"));
}

#[test]
fn a_record_that_somebody_removed_is_gone() {
    let (host, _) = host();
    node(&host, &format!("-p {P1} -o new"));
    let remove = || std::fs::remove_file(host.root().join(record(P1))).unwrap();
    remove();
    assert_eq!(node(&host, "--login").code, 21);
    assert_eq!(node(&host, &format!("-p {P1} -o new")).code, 0);
    assert!(exists(&host, &record(P1)));
    remove();
    assert_eq!(node(&host, &format!("-p {P1} -o new")).code, 0);
    assert!(exists(&host, &record(P1)));
}

#[test]
fn discovered_records_have_the_other_layout_and_keep_it() {
    let (host, _) = host();
    host.discover(IQN, "10.0.1.1", 3260);
    let path = format!("{},1/default", record(P1));
    assert!(exists(&host, &path));
    assert_eq!(
        node(&host, "-o update -n node.session.scan -v manual").code,
        0
    );
    assert_eq!(node(&host, &format!("-p {P1} -o new")).code, 0);
    assert!(read(&host, &path).contains("node.session.scan = auto"));
    assert_eq!(node(&host, "-o delete").code, 0);
    assert!(host.left().is_empty());
    assert!(!exists(&host, &format!("etc/iscsi/nodes/{IQN}")));
}

#[test]
fn the_database_can_be_where_other_releases_have_it() {
    let (host, _) = host();
    host.set_database("var/lib/iscsi");
    node(&host, &format!("-p {P1} -o new"));
    assert!(exists(
        &host,
        &format!("var/lib/iscsi/nodes/{IQN}/10.0.1.1,3260")
    ));
    assert_eq!(node(&host, "--login").code, 0);
}

#[test]
fn ipv6_portals_have_brackets_in_argv_and_none_in_files() {
    let targets = Targets::new(["[fd00::1]:3260"]);
    targets.map(IQN, 0, D0.0, MIB64);
    let host = Host::new(targets.lookup());
    node(&host, "-p [fd00::1]:3260 -o new");
    assert!(exists(
        &host,
        &format!("etc/iscsi/nodes/{IQN}/fd00::1,3260")
    ));
    assert_eq!(node(&host, "-p [fd00::1]:3260 --login").code, 0);
    let address = "sys/class/iscsi_connection/connection1:0/persistent_address";
    assert_eq!(read(&host, address), "fd00::1");
}

#[test]
fn host_numbers_are_reused_and_session_numbers_are_not() {
    let (host, _) = host();
    login(&host, P1);
    login(&host, P2);
    node(&host, &format!("-p {P1} --logout"));
    login(&host, P1);
    let device = host.root().join("sys/class/iscsi_session/session3/device");
    assert!(device.canonicalize().unwrap().ends_with("host0/session3"));
}

#[test]
fn a_missing_or_wedged_program_is_not_a_child_that_ended() {
    let (host, _) = host();
    host.uninstall("iscsiadm", true);
    assert!(!exists(&host, "usr/sbin/iscsiadm"));
    let args = ["-m", "node", "-T", IQN, "--login"];
    assert_eq!(host.run("iscsiadm", &args), Err(RunError::NotFound));
    host.uninstall("iscsiadm", false);
    host.set_fault("iscsiadm", Some(Fault::Hangs));
    assert_eq!(host.run("iscsiadm", &args), Err(RunError::TimedOut));
    host.set_fault(
        "iscsiadm",
        Some(Fault::Says(9, "iscsiadm: internal".to_owned())),
    );
    assert_eq!(host.run("iscsiadm", &args).unwrap().code, 9);
    host.set_fault("iscsiadm", None);
    assert_eq!(host.run("iscsiadm", &args).unwrap().code, 21);
    assert_eq!(host.counts().children["iscsiadm"], 3);
}

#[test]
#[should_panic(expected = "does not know \"iscsiadm\" with [\"-m\", \"session\"")]
fn an_unknown_argv_panics() {
    let (host, _) = host();
    run(&host, "iscsiadm -m session -R");
}

#[test]
fn a_closure_of_ones_own_is_asked_with_target_and_portal() {
    let host = Host::new(|target: &str, portal: &str| match (target, portal) {
        ("iqn.a:b", "10.9.9.9:3261") => Login::Luns(Vec::new()),
        _ => Login::Refused(19),
    });
    run(&host, "iscsiadm -m node -T iqn.a:b -p 10.9.9.9:3261 -o new");
    assert_eq!(run(&host, "iscsiadm -m node -T iqn.a:b --login").code, 0);
    run(&host, "iscsiadm -m node -T iqn.a:b -p 10.9.9.9 -o new");
    assert_eq!(
        run(&host, "iscsiadm -m node -T iqn.a:b -p 10.9.9.9 --login").code,
        19
    );
}

#[test]
fn the_version_is_that_of_the_release() {
    let (host, _) = host();
    assert_eq!(
        run(&host, "iscsiadm --version").stdout,
        "iscsiadm version 2.1.8\n"
    );
}
