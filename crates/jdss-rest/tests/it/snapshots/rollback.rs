//! Rolling back: nothing is destroyed that was not allowed, and what was is told.

use std::time::{Duration, Instant};

use jdss_rest::transport::Method;
use jdss_rest::{Destroy, Error, ErrorKind, Pool, Rollback};
use serde_json::{Value, json};

use super::{SNAPSHOTS, page};
use crate::script::{
    POOL, Script, Step, TRIES, busy, config_race, gone, missing, no_reply, no_resource, ok, silent,
    soon, step,
};
use crate::volumes::pool;

fn counts(snapshots: u64, clones: u64) -> Step {
    let found = json!({ "snapshots": snapshots, "clones": clones });
    step(format!("GET {SNAPSHOTS}/s_mark/rollback"), ok(found))
}

fn post() -> String {
    format!("POST {SNAPSHOTS}/s_mark/rollback")
}

fn list(entries: &[Value]) -> Step {
    step(format!("GET {SNAPSHOTS}?page=0"), ok(page(entries)))
}

fn clones(snapshot: &str, names: &[&str]) -> Step {
    let found: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    step(
        format!("GET {SNAPSHOTS}/{snapshot}/clones"),
        ok(found.into()),
    )
}

/// A snapshot with this creation.
fn made(name: &str, creation: impl Into<Value>) -> Value {
    json!({ "name": name, "properties": { "creation": creation.into() } })
}

fn numbered(names: &[&str]) -> Vec<Value> {
    let numbers = 100_u64..;
    names
        .iter()
        .zip(numbers)
        .map(|(name, n)| made(name, n))
        .collect()
}

fn with<T>(steps: impl IntoIterator<Item = Step>, run: impl FnOnce(&Pool) -> T) -> T {
    let script = Script::new(steps);
    let result = run(&script.client().pool("Pool-0"));
    script.assert_done();
    result
}

fn check(steps: impl IntoIterator<Item = Step>) -> Result<Rollback, Error> {
    with(steps, |pool| pool.rollback_check("v_a", "s_mark", soon()))
}

fn back(steps: impl IntoIterator<Item = Step>, destroy: Destroy<'_>) -> Result<Vec<String>, Error> {
    with(steps, |pool| {
        pool.rollback("v_a", "s_mark", destroy, soon())
    })
}

#[test]
fn a_check_where_nothing_is_newer_costs_one_call() {
    assert_eq!(check([counts(0, 0)]).unwrap(), Rollback::default());
}

#[test]
fn newer_snapshots_are_named_with_two_calls_the_appliances_own_too() {
    let all = numbered(&["s_old", "s_mark", "autosnap_2026-01-01-000000", "s_new"]);
    let found = check([counts(2, 0), list(&all)]).unwrap();
    assert_eq!(found.snapshots, ["autosnap_2026-01-01-000000", "s_new"]);
    assert!(found.clones.is_empty());
}

#[test]
fn clones_of_newer_snapshots_are_named() {
    let mut all = numbered(&["s_mark", "s_1", "s_2"]);
    all[1]["clones"] = "Pool-0/v_x".into();
    let steps = [counts(2, 2), list(&all), clones("s_2", &["v_y"])];
    assert_eq!(check(steps).unwrap().clones, ["v_x", "v_y"]);
}

#[test]
fn local_times_order_snapshots_as_well() {
    let all = [
        made("s_new", "2026-1-2 9:0:0"),
        made("s_mark", "2026-1-2 8:59:59"),
        made("s_old", "2025-12-31 23:0:0"),
    ];
    assert_eq!(
        check([counts(1, 0), list(&all)]).unwrap().snapshots,
        ["s_new"]
    );
}

#[test]
fn a_clock_that_was_set_back_does_not_hide_a_newer_snapshot() {
    // Half past two came twice: the newer one seems to be older.
    let all = [
        made("s_mark", "2026-10-25 2:30:0"),
        made("s_new", "2026-10-25 2:10:0"),
        made("s_old", "2026-10-24 2:30:0"),
    ];
    assert_eq!(
        check([counts(1, 0), list(&all)]).unwrap().snapshots,
        ["s_new"]
    );
}

#[test]
fn a_transaction_decides_where_it_is_told() {
    let with_txg = |name: &str, txg: u64| json!({ "name": name, "creation": 7, "createtxg": txg });
    let all = [
        with_txg("s_old", 1),
        with_txg("s_mark", 2),
        with_txg("s_new", 3),
    ];
    assert_eq!(
        check([counts(1, 0), list(&all)]).unwrap().snapshots,
        ["s_new"]
    );
}

#[test]
fn snapshots_without_a_usable_time_are_judged_by_the_count() {
    let odd = |name: &str, time: Value| json!({ "name": name, "creation": time });
    for time in [Value::Null, "garbage".into(), "".into(), 100.into()] {
        let all = [
            made("s_mark", 100),
            odd("s_odd", time.clone()),
            made("s_new", 101),
        ];
        // Only one is newer: the one that is surely so.
        let found = check([counts(1, 0), list(&all)]).unwrap();
        assert_eq!(found.snapshots, ["s_new"], "{time}");
        // Two are: the doubtful one as well.
        let found = check([counts(2, 0), list(&all)]).unwrap();
        assert_eq!(found.snapshots, ["s_odd", "s_new"], "{time}");
    }
}

#[test]
fn what_may_be_newer_is_named_when_the_count_does_not_decide() {
    let all = [
        made("s_mark", 100),
        made("s_1", 100),
        made("s_2", 100),
        made("s_old", 99),
    ];
    let found = check([counts(1, 0), list(&all)]).unwrap();
    assert_eq!(found.snapshots, ["s_1", "s_2"]);
}

#[test]
fn numbers_and_names_that_contradict_are_read_again_and_then_an_error() {
    let short = numbered(&["s_mark", "s_1"]);
    let whole = numbered(&["s_mark", "s_1", "s_2"]);
    let steps = [counts(2, 0), list(&short), counts(2, 0), list(&whole)];
    assert_eq!(check(steps).unwrap().snapshots.len(), 2);

    let steps = (0..3).flat_map(|_| [counts(2, 0), list(&short)]);
    let error = check(steps).unwrap_err();
    assert!(
        matches!(error, Error::ListChanged { got: 1, of: 2, .. }),
        "{error:?}"
    );

    let steps = (0..3).flat_map(|_| [counts(1, 3), list(&short), clones("s_1", &["v_x"])]);
    let error = check(steps).unwrap_err();
    assert!(
        matches!(error, Error::ListChanged { got: 1, of: 3, .. }),
        "{error:?}"
    );
}

#[test]
fn a_check_of_a_missing_snapshot_says_so() {
    let path = format!("GET {SNAPSHOTS}/s_mark/rollback");
    let error = check([step(path, no_resource("v_a@s_mark"))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
}

#[test]
fn a_rollback_to_the_latest_snapshot_costs_two_calls() {
    let steps = [counts(0, 0), step(post(), gone()).no_body()];
    assert!(back(steps, Destroy::Nothing).unwrap().is_empty());
}

#[test]
fn a_rollback_tells_what_it_destroyed_by_what_is_gone() {
    let before = numbered(&["s_old", "s_mark", "s_1", "s_2"]);
    let after = numbered(&["s_old", "s_mark", "s_2"]);
    let allowed = ["s_1".to_owned(), "s_2".to_owned()];
    let steps = [
        counts(2, 0),
        list(&before),
        step(post(), gone()),
        list(&after),
    ];
    // The appliance kept one, whatever was expected.
    assert_eq!(back(steps, Destroy::These(&allowed)).unwrap(), ["s_1"]);
}

#[test]
fn a_snapshot_that_came_after_the_callers_check_is_not_destroyed() {
    let now = numbered(&["s_mark", "s_1", "s_surprise"]);
    let allowed = ["s_1".to_owned()];
    for (destroy, refused) in [
        (Destroy::These(&allowed), &["s_surprise"][..]),
        (Destroy::Nothing, &["s_1", "s_surprise"]),
    ] {
        let error = back([counts(2, 0), list(&now)], destroy).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        match error {
            Error::RollbackBlocked { snapshots, .. } => assert_eq!(snapshots, refused),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn clones_block_a_rollback_whatever_is_allowed() {
    let now = numbered(&["s_mark", "s_1"]);
    let allowed = ["s_1".to_owned(), "v_x".to_owned()];
    let steps = [counts(1, 1), list(&now), clones("s_1", &["v_x"])];
    match back(steps, Destroy::These(&allowed)).unwrap_err() {
        Error::RollbackBlocked {
            snapshots, clones, ..
        } => assert_eq!((snapshots.len(), clones), (0, vec!["v_x".to_owned()])),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rollback_is_waited_for_as_long_as_there_is_time_to_look_afterwards() {
    let script = Script::new([counts(0, 0), step(post(), gone())]);
    let pool = script.client().pool("Pool-0");
    let deadline = Instant::now() + Duration::from_secs(600);
    pool.rollback("v_a", "s_mark", Destroy::Nothing, deadline)
        .unwrap();
    // A second one while the first is at work would undo what was written in between.
    let limits = script.limits(Method::Post)[0];
    assert!(limits.read > Duration::from_secs(500), "{limits:?}");
    assert!(limits.deadline < deadline, "{limits:?}");
}

#[test]
fn a_rollback_whose_answer_was_lost_is_repeated_and_still_tells_what_it_destroyed() {
    let before = numbered(&["s_mark", "s_1"]);
    let after = numbered(&["s_mark"]);
    let allowed = ["s_1".to_owned()];
    let steps = [
        counts(1, 0),
        list(&before),
        step(post(), no_reply()),
        counts(0, 0),
        step(post(), gone()),
        list(&after),
    ];
    assert_eq!(back(steps, Destroy::These(&allowed)).unwrap(), ["s_1"]);
}

#[test]
fn a_rollback_whose_answer_was_lost_is_done_though_a_snapshot_came_afterwards() {
    let before = numbered(&["s_mark", "s_1"]);
    let now = numbered(&["s_mark", "autosnap_2026-01-01-000000"]);
    let allowed = ["s_1".to_owned()];
    let steps = [
        counts(1, 0),
        list(&before),
        step(post(), no_reply()),
        counts(1, 0),
        list(&now),
        list(&now),
    ];
    assert_eq!(back(steps, Destroy::These(&allowed)).unwrap(), ["s_1"]);

    // While what was to go is there, nothing was done.
    let both = numbered(&["s_mark", "s_1", "autosnap_2026-01-01-000000"]);
    let steps = [
        counts(1, 0),
        list(&before),
        step(post(), no_reply()),
        counts(2, 0),
        list(&both),
    ];
    let error = back(steps, Destroy::These(&allowed)).unwrap_err();
    assert!(matches!(error, Error::RollbackBlocked { .. }), "{error}");
}

#[test]
fn a_rollback_that_cannot_be_looked_at_is_not_called_a_failed_reading() {
    let mut steps = vec![counts(0, 0), step(post(), no_reply())];
    let rollback = || format!("GET {SNAPSHOTS}/s_mark/rollback");
    steps.extend((0..TRIES).map(|_| step(rollback(), config_race())));
    let error = back(steps, Destroy::Nothing).unwrap_err();
    assert!(matches!(error, Error::LostReply { .. }), "{error}");
}

#[test]
fn a_pool_that_moves_away_does_not_look_like_a_rollback() {
    let before = numbered(&["s_mark", "s_1"]);
    let allowed = ["s_1".to_owned()];
    let no_pool = || missing("Pool Pool-0");
    let steps = [
        counts(1, 0),
        list(&before),
        step(post(), silent()),
        step(format!("GET {SNAPSHOTS}/s_1"), no_pool()),
        step(format!("GET {POOL}"), no_pool()),
        step(format!("GET {SNAPSHOTS}/s_mark/rollback"), no_pool()),
    ];
    let error = back(steps, Destroy::These(&allowed)).unwrap_err();
    assert!(!matches!(error, Error::RolledBack { .. }), "{error}");
}

#[test]
fn a_rollback_is_not_repeated_over_a_snapshot_made_meanwhile() {
    let before = numbered(&["s_mark", "s_1"]);
    let now = numbered(&["s_mark", "s_surprise"]);
    let allowed = ["s_1".to_owned()];
    let steps = [
        counts(1, 0),
        list(&before),
        step(post(), config_race()),
        counts(1, 0),
        list(&now),
    ];
    match back(steps, Destroy::These(&allowed)).unwrap_err() {
        Error::RollbackBlocked { snapshots, .. } => assert_eq!(snapshots, ["s_surprise"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clone_made_in_the_last_moment_is_named() {
    let now = numbered(&["s_mark", "s_1"]);
    let allowed = ["s_1".to_owned()];
    let steps = [
        counts(1, 0),
        list(&now),
        step(post(), busy("there are clones")),
        counts(1, 1),
        list(&now),
        clones("s_1", &["v_x"]),
    ];
    match back(steps, Destroy::These(&allowed)).unwrap_err() {
        Error::RollbackBlocked { clones, .. } => assert_eq!(clones, ["v_x"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_that_says_nothing_is_looked_at_or_asked_once_more() {
    let steps = [
        counts(0, 0),
        step(post(), silent()),
        counts(0, 0),
        step(post(), silent()),
    ];
    assert!(back(steps, Destroy::Nothing).unwrap().is_empty());

    let before = numbered(&["s_mark", "s_1"]);
    let look = |answer| step(format!("GET {SNAPSHOTS}/s_1"), answer);
    let steps = [
        counts(1, 0),
        list(&before),
        step(post(), silent()),
        look(ok(before[1].clone())),
        counts(1, 0),
        list(&before),
        step(post(), silent()),
        look(no_resource("v_a@s_1")),
        step(format!("GET {POOL}"), ok(pool())),
        list(&before[..1]),
    ];
    let allowed = ["s_1".to_owned()];
    assert_eq!(back(steps, Destroy::These(&allowed)).unwrap(), ["s_1"]);
}

#[test]
fn a_rollback_that_was_done_is_told_apart_from_one_that_was_not() {
    let before = numbered(&["s_mark", "s_1"]);
    let allowed = ["s_1".to_owned()];
    let steps = [
        counts(1, 0),
        list(&before),
        step(post(), gone()),
        step(format!("GET {SNAPSHOTS}?page=0"), no_resource("v_a")),
    ];
    let error = back(steps, Destroy::These(&allowed)).unwrap_err();
    assert!(matches!(error, Error::RolledBack { .. }), "{error}");
    // Not again: that would list nothing.
    assert!(!error.is_transient());
    assert_ne!(error.kind(), ErrorKind::Missing);
}
