//! Logging out: what runs, and what is left alone.

use crate::host::{Hang, Host, NODES, TARGET, portal, soon, target, two};
use jdss_iscsi::{Code, Error, LoginSettings, LogoutReport, Portal};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A host with a session to each of the two portals.
fn logged_in() -> Arc<Host> {
    let host = Host::new();
    let settings = LoginSettings::default();
    host.initiator()
        .login(&target(), &two(), &settings, soon())
        .expect("a login");
    host.runs();
    host
}

fn logout(host: &Arc<Host>, portals: &[Portal]) -> Result<LogoutReport, Error> {
    host.initiator().logout(&target(), portals, soon())
}

fn sessions(host: &Arc<Host>) -> usize {
    host.initiator().sessions().expect("readable").len()
}

#[test]
fn two_sessions_take_two_runs_and_then_none() {
    let host = logged_in();
    let report = logout(&host, &two()).unwrap();
    assert_eq!(report.logged_out, two());
    assert_eq!(report.records, two());
    assert_eq!(report.kept, []);
    let expected = [
        format!("-T {TARGET} --logout"),
        format!("-T {TARGET} -o delete"),
    ];
    assert_eq!(host.runs(), expected);
    assert_eq!(sessions(&host), 0);
    assert_eq!(host.initiator().records(&target()).unwrap(), []);

    assert_eq!(logout(&host, &two()).unwrap(), LogoutReport::default());
    assert_eq!(host.runs(), Vec::<String>::new());
}

#[test]
fn one_portal_is_logged_out_by_its_address() {
    let host = logged_in();
    let report = logout(&host, &[portal("10.0.2.1")]).unwrap();
    assert_eq!(report.logged_out, [portal("10.0.2.1")]);
    assert_eq!(
        host.runs(),
        [
            format!("-T {TARGET} -p 10.0.2.1:3260 --logout"),
            format!("-T {TARGET} -p 10.0.2.1:3260 -o delete"),
        ]
    );
    assert_eq!(
        host.initiator().records(&target()).unwrap(),
        [portal("10.0.1.1")]
    );
    assert_eq!(sessions(&host), 1);
}

#[test]
fn a_session_with_a_device_left_is_kept_with_its_record() {
    for size in [Some(8), None] {
        let host = logged_in();
        let hctl = host.add_device(1, 7, size);
        let report = logout(&host, &two()).unwrap();
        assert_eq!(report.logged_out, [portal("10.0.2.1")]);
        assert_eq!(report.records, [portal("10.0.2.1")]);
        assert_eq!(report.kept.len(), 1);
        assert_eq!(report.kept[0].portal, portal("10.0.1.1"));
        assert_eq!(report.kept[0].devices, [hctl]);
        assert!(
            host.runs()
                .iter()
                .all(|run| run.contains("-p 10.0.2.1:3260"))
        );
        assert_eq!(
            host.initiator().records(&target()).unwrap(),
            [portal("10.0.1.1")]
        );
    }
}

#[test]
fn a_device_that_appears_between_two_logouts_keeps_its_session() {
    let host = logged_in();
    // Makes the logout go portal by portal.
    host.add_session(TARGET, "10.9.9.9", "3260");
    host.state().before = Some(("-p 10.0.1.1:3260 --logout", |host| {
        host.add_device(2, 0, Some(8));
    }));
    let report = logout(&host, &two()).unwrap();
    assert_eq!(report.logged_out, [portal("10.0.1.1")]);
    assert_eq!(report.kept[0].portal, portal("10.0.2.1"));
    assert_eq!(sessions(&host), 2);
}

#[test]
fn the_state_of_a_session_does_not_matter() {
    let host = logged_in();
    host.set(1, "state", "FAILED");
    host.set(2, "state", "FREE");
    assert_eq!(logout(&host, &two()).unwrap().logged_out, two());
}

#[test]
fn another_appliance_with_the_same_name_is_not_touched() {
    let host = logged_in();
    host.add_session(TARGET, "10.9.9.9", "3260");
    host.file(&format!("{NODES}/{TARGET}/10.9.9.9,3260"), "x");
    let report = logout(&host, &two()).unwrap();
    assert_eq!(
        (report.logged_out.as_slice(), report.records.as_slice()),
        (&two()[..], &two()[..])
    );
    assert!(host.runs().iter().all(|run| run.contains("-p 10.0.")));
    assert_eq!(
        host.initiator().sessions().unwrap()[0].portal,
        portal("10.9.9.9")
    );
    assert_eq!(
        host.initiator().records(&target()).unwrap(),
        [portal("10.9.9.9")]
    );
}

#[test]
fn a_session_to_a_host_name_is_not_at_our_portals() {
    let host = logged_in();
    let other = host.add_session(TARGET, "10.9.9.9", "3260");
    host.set(other, "/persistent_address", "san1");
    host.set(other, "/address", "");
    logout(&host, &two()).unwrap();
    assert!(host.runs().iter().all(|run| run.contains("-p 10.0.")));
}

#[test]
fn records_without_sessions_are_deleted() {
    let host = logged_in();
    host.end_session(1);
    host.end_session(2);
    let report = logout(&host, &two()).unwrap();
    assert_eq!((report.logged_out.len(), report.records.len()), (0, 2));
    assert_eq!(host.runs(), [format!("-T {TARGET} -o delete")]);
}

#[test]
fn sessions_without_records_are_logged_out() {
    let host = Host::new();
    for portal in two() {
        host.add_session(TARGET, &portal.address().to_string(), "3260");
    }
    logout(&host, &two()).unwrap();
    assert_eq!(host.runs(), [format!("-T {TARGET} --logout")]);
}

#[test]
fn a_truncated_record_is_removed() {
    let host = Host::new();
    let record = format!("{NODES}/{TARGET}/10.0.1.1,3260");
    host.file(&record, "");
    logout(&host, &two()).unwrap();
    assert_eq!(host.effects(), [format!("remove {record}")]);
    assert_eq!(host.runs(), Vec::<String>::new());
}

#[test]
fn a_session_that_ended_by_itself_is_a_success() {
    let host = logged_in();
    host.state().before = Some(("--logout", |host| {
        host.end_session(1);
        host.end_session(2);
    }));
    assert_eq!(logout(&host, &two()).unwrap().records, two());
}

#[test]
fn a_record_that_somebody_else_deleted_is_a_success() {
    let host = logged_in();
    host.state().before = Some(("-o delete", |host| {
        host.remove(&format!("{NODES}/{TARGET}/10.0.1.1,3260"));
        host.remove(&format!("{NODES}/{TARGET}/10.0.2.1,3260"));
    }));
    assert_eq!(logout(&host, &two()).unwrap().logged_out, two());
}

#[test]
fn gone_is_gone_also_when_the_tool_does_not_end() {
    let host = logged_in();
    host.state().hang = Some(("--logout", Hang::After));
    assert_eq!(logout(&host, &two()).unwrap().logged_out, two());
    let host = logged_in();
    host.state().hang = Some(("--logout", Hang::Before));
    assert!(matches!(logout(&host, &two()), Err(Error::Run { .. })));
    assert_eq!(sessions(&host), 2);
}

#[test]
fn a_session_that_stays_is_an_error_that_names_it() {
    // 21: the tool sees none any more, sysfs does.
    for code in [0, 21] {
        let host = logged_in();
        host.state().idle = Some(code);
        let deadline = Instant::now() + Duration::from_millis(50);
        let error = host.initiator().logout(&target(), &two(), deadline);
        let error = error.unwrap_err();
        assert!(matches!(error, Error::StillLoggedIn { .. }), "{error}");
        assert!(error.to_string().contains("10.0.1.1:3260"), "{error}");
        // The record of a session that is there stays too.
        assert_eq!(host.initiator().records(&target()).unwrap(), two());
    }
}

#[test]
fn a_logout_that_failed_is_not_waited_for() {
    let host = logged_in();
    for (number, code) in [(10, Code::Logout), (33, Code::RequestTimedOut)] {
        host.state().idle = Some(number);
        let error = logout(&host, &two()).unwrap_err();
        assert!(
            matches!(&error, Error::Failed { code: found, .. } if *found == code),
            "{error}"
        );
        assert!(error.is_transient());
    }
    host.state().idle = Some(20);
    let error = logout(&host, &two()).unwrap_err();
    assert!(matches!(error, Error::DaemonDown { .. }), "{error}");
}

#[test]
fn a_session_that_takes_a_moment_to_go_is_waited_for() {
    let host = logged_in();
    host.state().idle = Some(0);
    let kernel = host.clone();
    let kernel = std::thread::spawn(move || {
        while !kernel
            .state()
            .runs
            .iter()
            .any(|run| run.contains("--logout"))
        {
            std::thread::yield_now();
        }
        kernel.end_session(1);
        kernel.end_session(2);
    });
    assert_eq!(logout(&host, &two()).unwrap().records, two());
    kernel.join().unwrap();
}

#[test]
fn a_locked_database_is_an_error() {
    let host = logged_in();
    host.state().database = 6;
    let error = logout(&host, &two()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Failed {
                code: Code::Database,
                ..
            }
        ),
        "{error}"
    );
    // What was done before stays done; the same call goes on from there.
    assert_eq!(sessions(&host), 0);
    host.state().database = 0;
    assert_eq!(logout(&host, &two()).unwrap().records, two());
}
