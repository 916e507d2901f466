use crate::host::{Daemon, Fault, Host, OTHER, WWID, far, wwid};
use jdss_multipath::{Enrolment, Error};
use std::path::Path;
use std::time::Instant;

#[test]
fn enrolling_twice_runs_one_program() {
    let host = Host::new();
    let multipath = host.multipath();
    assert!(!multipath.enrolled(&wwid()).unwrap());
    assert_eq!(multipath.enrol(&wwid(), far()).unwrap(), Enrolment::Added);
    assert_eq!(host.log(), [format!("multipath -a {WWID}")]);
    assert!(multipath.enrolled(&wwid()).unwrap());
    assert_eq!(multipath.enrol(&wwid(), far()).unwrap(), Enrolment::Already);
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn withdrawing_twice_runs_one_program_and_leaves_other_volumes() {
    let host = Host::new();
    let multipath = host.multipath();
    let other = OTHER.parse().unwrap();
    multipath.enrol(&wwid(), far()).unwrap();
    multipath.enrol(&other, far()).unwrap();
    host.log();
    assert!(multipath.withdraw(&wwid(), far()).unwrap());
    assert!(!multipath.withdraw(&wwid(), far()).unwrap());
    assert_eq!(host.log(), [format!("multipath -w {WWID}")]);
    assert!(multipath.enrolled(&other).unwrap());
    assert_eq!(multipath.enrol(&wwid(), far()).unwrap(), Enrolment::Added);
}

#[test]
fn the_entry_counts_and_not_what_the_program_says() {
    let host = Host::new();
    let multipath = host.multipath();
    for fault in [Fault::Nothing, Fault::Fails(1)] {
        host.state().faults.insert("multipath", fault);
        let error = multipath.enrol(&wwid(), far()).unwrap_err();
        assert!(matches!(error, Error::NotEnrolled { .. }), "{error}");
        assert!(error.to_string().contains("blacklist"), "{error}");
    }
    host.state().faults.insert("multipath", Fault::Slow);
    assert_eq!(multipath.enrol(&wwid(), far()).unwrap(), Enrolment::Added);
    host.state().faults.insert("multipath", Fault::Nothing);
    let error = multipath.withdraw(&wwid(), far()).unwrap_err();
    assert!(matches!(error, Error::StillEnrolled { .. }), "{error}");
    host.state().faults.insert("multipath", Fault::Slow);
    assert!(multipath.withdraw(&wwid(), far()).unwrap());
}

#[test]
fn a_program_that_hangs_or_is_missing_is_named() {
    let host = Host::new();
    let multipath = host.multipath();
    host.state().faults.insert("multipath", Fault::Hangs);
    let error = multipath.enrol(&wwid(), far()).unwrap_err();
    assert!(
        matches!(error, Error::Run(_)) && error.is_transient(),
        "{error}"
    );
    host.state().faults.insert("multipath", Fault::Missing);
    let error = multipath.enrol(&wwid(), far()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "multipath is missing: install the package multipath-tools"
    );
    assert!(!error.is_transient());
}

#[test]
fn nothing_is_run_after_the_deadline() {
    let host = Host::new();
    let error = host.multipath().enrol(&wwid(), Instant::now()).unwrap_err();
    assert!(matches!(error, Error::DeadlinePassed { .. }), "{error}");
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn a_host_without_the_file_has_nothing_enrolled() {
    let host = Host::new();
    host.remove_path("etc/multipath");
    assert!(!host.multipath().enrolled(&wwid()).unwrap());
}

#[test]
fn scsi_id_is_asked_with_the_options_that_udev_uses() {
    let host = Host::new();
    host.state().scsi_id = format!("{WWID}\n");
    let found = host
        .multipath()
        .scsi_id(Path::new("/dev/sda"), far())
        .unwrap();
    assert_eq!(found, wwid());
    assert_eq!(host.log(), ["/lib/udev/scsi_id -g -u -d /dev/sda"]);
}

#[test]
fn no_answer_of_scsi_id_becomes_a_wrong_name() {
    let host = Host::new();
    let multipath = host.multipath();
    let ask = |text: &str| {
        host.state().scsi_id = text.to_owned();
        multipath.scsi_id(Path::new("/dev/sda"), far()).unwrap_err()
    };
    assert!(matches!(ask(""), Error::Failed { code: Some(0), .. }));
    assert!(matches!(ask("\n"), Error::Failed { .. }));
    assert!(matches!(ask("23466\n23467\n"), Error::Output { .. }));
    assert!(matches!(ask("two words\n"), Error::WwidCharacter { .. }));
    host.state()
        .faults
        .insert("/lib/udev/scsi_id", Fault::Fails(1));
    assert!(matches!(ask(WWID), Error::Failed { code: Some(1), .. }));
    host.state()
        .faults
        .insert("/lib/udev/scsi_id", Fault::Missing);
    assert!(ask(WWID).to_string().ends_with("install the package udev"));
}

#[test]
fn check_tells_a_missing_program_from_a_daemon_that_is_down() {
    let host = Host::new();
    let multipath = host.multipath();
    multipath.check().unwrap();
    assert_eq!(host.log(), ["show daemon"]);
    host.state().daemon = Daemon::Silent;
    assert!(matches!(
        multipath.check().unwrap_err(),
        Error::DaemonSilent { .. }
    ));
    host.state().daemon = Daemon::Down;
    let error = multipath.check().unwrap_err();
    assert!(matches!(error, Error::DaemonDown(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("systemctl enable --now multipathd")
    );
    host.remove_path("usr/sbin/multipath");
    assert!(matches!(
        multipath.check().unwrap_err(),
        Error::ToolMissing { .. }
    ));
}

#[test]
fn something_else_in_the_place_of_the_daemon_is_noticed() {
    let host = Host::new();
    host.state().answers.insert("show", vec!["hello\n"]);
    let error = host.multipath().check().unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

#[test]
fn the_configuration_in_use_is_read_from_the_daemon() {
    let host = Host::new();
    let config = host.multipath().config(far()).unwrap();
    let defaults = config.section("defaults").unwrap();
    assert_eq!(defaults.get("user_friendly_names"), Some("no"));
    assert_eq!(host.log(), ["show config local"]);
    host.state()
        .answers
        .insert("show", vec!["fail\ntimeout\n", "hello\n"]);
    let error = host.multipath().config(far()).unwrap_err();
    assert!(
        matches!(error, Error::Refused { .. }) && error.is_transient(),
        "{error}"
    );
    let error = host.multipath().config(far()).unwrap_err();
    assert!(
        matches!(error, Error::ConfigLine { number: 1, .. }),
        "{error}"
    );
}
