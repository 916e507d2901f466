//! Logging in: what runs, and what comes of it.

use crate::host::{Hang, Host, NODES, TARGET, portal, soon, target, two};
use jdss_iscsi::{Code, Error, LoginSettings, Portal, PortalDown, PortalOutcome, SessionState};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn login(host: &Arc<Host>, portals: &[Portal]) -> Result<Vec<PortalOutcome>, Error> {
    let settings = LoginSettings::default();
    host.initiator()
        .login(&target(), portals, &settings, soon())
}

/// Whether each portal is up, and whether its session is new.
fn summary(outcomes: &[PortalOutcome]) -> Vec<Option<bool>> {
    let new = |outcome: &PortalOutcome| outcome.result.as_ref().ok().map(|(_, new)| *new);
    outcomes.iter().map(new).collect()
}

fn down(outcome: &PortalOutcome) -> PortalDown {
    outcome.result.clone().expect_err("it is down")
}

const SETTINGS: &str = "-o update -n node.startup -v manual -n node.session.scan -v manual \
     -n node.session.initial_login_retry_max -v 1 \
     -n node.session.timeo.replacement_timeout -v 5 \
     -n 'node.conn[0].timeo.login_timeout' -v 10 \
     -n 'node.conn[0].timeo.noop_out_interval' -v 2 \
     -n 'node.conn[0].timeo.noop_out_timeout' -v 2";

#[test]
fn two_new_portals_take_four_runs_and_then_none() {
    let host = Host::new();
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(summary(&outcomes), [Some(true), Some(true)]);
    let expected = [
        format!("-T {TARGET} -p 10.0.1.1:3260 -o new"),
        format!("-T {TARGET} -p 10.0.2.1:3260 -o new"),
        format!("-T {TARGET} {SETTINGS}"),
        format!("-T {TARGET} --login"),
    ];
    assert_eq!(host.runs(), expected);
    assert_eq!(host.initiator().records(&target()).unwrap(), two());

    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(summary(&outcomes), [Some(false), Some(false)]);
    assert_eq!(host.runs(), Vec::<String>::new());
}

#[test]
fn an_outcome_has_the_session_of_its_portal() {
    let host = Host::new();
    let portals = [portal("fd00::1"), portal("10.0.2.1")];
    let outcomes = login(&host, &portals).unwrap();
    for (outcome, portal) in outcomes.iter().zip(portals) {
        let (session, _) = outcome.result.as_ref().unwrap();
        assert_eq!((outcome.portal, session.portal), (portal, portal));
    }
    assert!(host.runs()[0].contains("-p '[fd00::1]:3260' -o new"));
}

#[test]
fn a_portal_named_twice_is_one_portal() {
    let host = Host::new();
    let outcomes = login(&host, &[portal("10.0.1.1"), portal("10.0.1.1:3260")]).unwrap();
    assert_eq!(summary(&outcomes), [Some(true)]);
    assert_eq!(host.runs().len(), 3);
}

#[test]
fn a_missing_portal_is_healed_alone() {
    let host = Host::new();
    login(&host, &two()).unwrap();
    host.end_session(2);
    host.runs();
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(summary(&outcomes), [Some(false), Some(true)]);
    // Its record is still there.
    let runs = host.runs();
    assert_eq!(
        runs,
        [
            format!("-T {TARGET} -p 10.0.2.1:3260 {SETTINGS}"),
            format!("-T {TARGET} -p 10.0.2.1:3260 --login"),
        ]
    );
}

#[test]
fn a_record_that_is_there_is_not_wiped() {
    let host = Host::new();
    let record = format!("{NODES}/{TARGET}/10.0.1.1,3260,1/default");
    host.file(&record, "node.session.auth.username = admin\n");
    login(&host, &[portal("10.0.1.1")]).unwrap();
    assert!(!host.runs().iter().any(|run| run.contains("-o new")));
}

#[test]
fn a_session_that_is_down_is_left_to_iscsid() {
    let host = Host::new();
    login(&host, &two()).unwrap();
    host.set(1, "state", "FAILED");
    host.runs();
    let outcomes = login(&host, &two()).unwrap();
    let failed = PortalDown::Session {
        state: SessionState::Failed,
    };
    assert_eq!(down(&outcomes[0]), failed);
    assert_eq!(summary(&outcomes), [None, Some(false)]);
    assert_eq!(host.runs(), Vec::<String>::new());
}

#[test]
fn a_dead_portal_does_not_stop_the_other() {
    let host = Host::new();
    host.state().refuse.insert(two()[0], 8);
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(summary(&outcomes), [None, Some(true)]);
    assert_eq!(down(&outcomes[0]).code(), Some(Code::ConnectTimedOut));
}

#[test]
fn each_portal_has_its_own_reason() {
    let host = Host::new();
    host.state().refuse = [(two()[0], 8), (two()[1], 24)].into();
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(down(&outcomes[0]).code(), Some(Code::ConnectTimedOut));
    assert_eq!(down(&outcomes[1]).code(), Some(Code::Denied));
    assert!(down(&outcomes[1]).to_string().contains("CHAP"));
    assert_eq!(host.runs().len(), 4);
}

#[test]
fn every_exit_code_of_a_login_is_told() {
    for number in (1..=33).filter(|code| ![13, 15, 18, 20, 21].contains(code)) {
        let host = Host::new();
        host.state().refuse.insert(portal("10.0.1.1"), number);
        let outcomes = login(&host, &[portal("10.0.1.1")]).unwrap();
        assert_eq!(down(&outcomes[0]).code(), Some(Code::from_number(number)));
    }
}

#[test]
fn iscsid_that_is_not_there_is_an_error_with_its_cure() {
    for code in [18, 20] {
        let host = Host::new();
        host.state().refuse = [(two()[0], code), (two()[1], code)].into();
        let error = login(&host, &two()).unwrap_err();
        assert!(matches!(error, Error::DaemonDown { code: found } if found.number() == Some(code)));
        assert!(
            error.to_string().contains("systemctl start iscsid"),
            "{error}"
        );
    }
}

#[test]
fn without_iscsid_a_session_that_is_up_still_counts() {
    let host = Host::new();
    login(&host, &[two()[0]]).unwrap();
    host.state().refuse.insert(two()[1], 20);
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(summary(&outcomes), [Some(false), None]);
    assert_eq!(down(&outcomes[1]).code(), Some(Code::DaemonDown));
}

#[test]
fn a_missing_tool_and_missing_rights_are_errors() {
    let host = Host::new();
    host.state().uninstalled = true;
    assert!(matches!(
        login(&host, &two()),
        Err(Error::ToolMissing { .. })
    ));
    let host = Host::new();
    host.state().database = 13;
    let error = login(&host, &two()).unwrap_err();
    assert!(matches!(error, Error::NotPermitted { .. }));
    assert!(error.to_string().contains("run as root"), "{error}");
}

#[test]
fn a_locked_database_is_waited_for_once() {
    let host = Host::new();
    host.state().database = 6;
    let outcomes = login(&host, &two()).unwrap();
    for outcome in &outcomes {
        assert_eq!(down(outcome).code(), Some(Code::Database));
    }
    assert_eq!(host.runs().len(), 1);

    let host = Host::new();
    host.state().hang = Some(("-o new", Hang::Before));
    let outcomes = login(&host, &two()).unwrap();
    for outcome in &outcomes {
        assert!(matches!(down(outcome), PortalDown::TimedOut { .. }));
    }
    assert_eq!(host.runs().len(), 1);
}

#[test]
fn nobody_logs_in_with_settings_that_could_not_be_written() {
    let host = Host::new();
    host.state().before = Some(("-o update", |host| host.state().database = 7));
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(down(&outcomes[0]).code(), Some(Code::Invalid));
    assert!(!host.runs().iter().any(|run| run.contains("--login")));
}

#[test]
fn sysfs_decides_when_the_tool_does_not_end() {
    let host = Host::new();
    host.state().hang = Some(("--login", Hang::After));
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(summary(&outcomes), [Some(true), Some(true)]);

    let host = Host::new();
    host.state().hang = Some(("--login", Hang::Before));
    let outcomes = login(&host, &two()).unwrap();
    for outcome in &outcomes {
        let told = down(outcome);
        // Two tries of 10 s, and some for iscsid; but no longer than the deadline.
        let PortalDown::TimedOut { limit } = told else {
            panic!("{told}")
        };
        assert!(limit <= Duration::from_secs(20));
    }
}

#[test]
fn a_session_that_somebody_else_made_meanwhile_is_ours_too() {
    let host = Host::new();
    host.state().before = Some(("--login", |host| {
        host.add_session(TARGET, "10.0.1.1", "3260");
    }));
    let outcomes = login(&host, &[portal("10.0.1.1")]).unwrap();
    assert_eq!(summary(&outcomes), [Some(true)]);
}

#[test]
fn a_record_gone_meanwhile_is_made() {
    let host = Host::new();
    let record = format!("{NODES}/{TARGET}/10.0.1.1,3260");
    host.file(&record, "x");
    host.state().before = Some(("-o update", |host| {
        if host.state().runs.len() == 1 {
            host.remove(&format!("{NODES}/{TARGET}/10.0.1.1,3260"));
        }
    }));
    let outcomes = login(&host, &[portal("10.0.1.1")]).unwrap();
    assert_eq!(summary(&outcomes), [Some(true)]);
    let runs = host.runs();
    let news = runs.iter().filter(|run| run.contains("-o new")).count();
    assert_eq!((runs.len(), news), (4, 1), "{runs:?}");
}

#[test]
fn a_login_that_says_it_worked_is_looked_at() {
    let host = Host::new();
    host.state().idle = Some(0);
    let outcomes = login(&host, &[portal("10.0.1.1")]).unwrap();
    assert_eq!(down(&outcomes[0]), PortalDown::Missing);
    // A record made by this very call is not made again.
    assert_eq!(host.runs().len(), 3);
    // One that was found may be another root's; then the reason is that of the
    // last try.
    let host = Host::new();
    host.state().idle = Some(0);
    host.file(&format!("var/lib/iscsi/nodes/{TARGET}/10.0.1.1,3260"), "x");
    let outcomes = login(&host, &[portal("10.0.1.1")]).unwrap();
    assert_eq!(down(&outcomes[0]), PortalDown::Missing);
    assert_eq!(host.runs().len(), 4);
}

#[test]
fn a_login_that_somebody_else_began_is_waited_for() {
    let host = Host::new();
    host.state().before = Some(("--login", |host| {
        let id = host.add_session(TARGET, "10.0.1.1", "3260");
        let state = format!("sys/class/iscsi_session/session{id}/state");
        host.in_turn(&state, &["FREE", "FREE", "LOGGED_IN"]);
    }));
    let outcomes = login(&host, &[portal("10.0.1.1")]).unwrap();
    assert_eq!(summary(&outcomes), [Some(true)]);
}

#[test]
fn of_two_sessions_at_a_portal_one_that_is_up_is_enough() {
    let host = Host::new();
    let down = host.add_session(TARGET, "10.0.1.1", "3260");
    host.set(down, "state", "FREE");
    host.add_session(TARGET, "10.0.1.1", "3260");
    let outcomes = login(&host, &[portal("10.0.1.1")]).unwrap();
    assert_eq!(summary(&outcomes), [Some(false)]);
    assert_eq!(host.runs(), Vec::<String>::new());
}

#[test]
fn a_record_in_the_root_that_the_tool_does_not_use_does_not_hide_a_missing_one() {
    let host = Host::new();
    host.file(&format!("var/lib/iscsi/nodes/{TARGET}/10.0.1.1,3260"), "x");
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(summary(&outcomes), [Some(true), Some(true)]);
}

#[test]
fn a_truncated_record_is_removed_and_made_anew() {
    let host = Host::new();
    let record = format!("{NODES}/{TARGET}/10.0.1.1,3260,1/default");
    host.file(&record, "");
    let outcomes = login(&host, &[portal("10.0.1.1")]).unwrap();
    assert_eq!(summary(&outcomes), [Some(true)]);
    assert_eq!(host.effects(), [format!("remove {record}")]);
    assert!(host.runs()[0].ends_with("-o new"));
}

#[test]
fn another_appliance_with_the_same_name_is_not_touched() {
    // Known from a session.
    let host = Host::new();
    host.add_session(TARGET, "10.9.9.9", "3260");
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(summary(&outcomes), [Some(true), Some(true)]);
    let runs = host.runs();
    assert_eq!(runs.len(), 6);
    assert!(runs.iter().all(|run| run.contains(" -p 10.0.")), "{runs:?}");

    // Known from a record, which an update or a login would act on.
    let host = Host::new();
    let record = format!("{NODES}/{TARGET}/10.9.9.9,3260");
    host.file(&record, "node.startup = manual\n");
    login(&host, &two()).unwrap();
    let runs = host.runs();
    assert!(runs.iter().all(|run| run.contains(" -p 10.0.")), "{runs:?}");
    let kept = std::fs::read_to_string(host.path(&record)).unwrap();
    assert_eq!(kept, "node.startup = manual\n");
    assert_eq!(host.initiator().sessions().unwrap().len(), 2);
}

#[test]
fn a_target_whose_name_begins_like_ours_is_another_one() {
    let host = Host::new();
    host.add_session(&format!("{TARGET}0"), "10.0.1.1", "3260");
    host.file(&format!("{NODES}/{TARGET}0/10.0.1.1,3260"), "x");
    let outcomes = login(&host, &two()).unwrap();
    assert_eq!(summary(&outcomes), [Some(true), Some(true)]);
    assert_eq!(host.runs().len(), 4);
}

#[test]
fn with_the_deadline_passed_nothing_is_run() {
    let host = Host::new();
    let settings = LoginSettings::default();
    let outcomes = host
        .initiator()
        .login(&target(), &two(), &settings, Instant::now())
        .unwrap();
    for outcome in &outcomes {
        assert_eq!(down(outcome), PortalDown::NoTime);
    }
    assert_eq!(host.runs(), Vec::<String>::new());
}

#[test]
fn the_settings_reach_the_record() {
    let host = Host::new();
    let settings = LoginSettings::single_path().login_retries(3);
    host.initiator()
        .login(&target(), &[portal("10.0.1.1")], &settings, soon())
        .unwrap();
    let record = std::fs::read_to_string(host.path(&format!("{NODES}/{TARGET}/10.0.1.1,3260")));
    let record = record.unwrap();
    for line in [
        "node.startup = manual",
        "node.session.scan = manual",
        "node.session.initial_login_retry_max = 3",
        "node.session.timeo.replacement_timeout = 240",
    ] {
        assert!(
            record.lines().any(|found| found == line),
            "{line} in {record}"
        );
    }
    assert!(!record.contains("auth"), "{record}");
}
