//! Deleting a volume, and what it takes along.

use jdss_rest::{DeleteVolume, Error, ErrorKind};
use serde_json::{Value, json};

use super::{ID, VOLUMES, clone, pool, volume};
use crate::script::{
    POOL, Script, Step, TRIES, broken, busy, config_race, fail, gone, missing, no_reply,
    no_resource, ok, refused, silent, soon, step,
};

fn get() -> Step {
    step(format!("GET {VOLUMES}/v_a"), ok(volume("v_a", 16384, ID)))
}

fn no_volume() -> Step {
    step(format!("GET {VOLUMES}/v_a"), no_resource("v_a"))
}

fn delete() -> String {
    format!("DELETE {VOLUMES}/v_a")
}

fn pool_is_there() -> Step {
    step(format!("GET {POOL}"), ok(pool()))
}

fn run(steps: impl IntoIterator<Item = Step>, snapshots: bool) -> Result<bool, Error> {
    let script = Script::new(steps);
    let pool = script.client().pool("Pool-0");
    let result = pool.delete_volume_named("v_a", DeleteVolume { snapshots }, soon());
    script.assert_done();
    result
}

fn children() -> Step {
    step(
        delete(),
        busy("cannot destroy 'Pool-0/v_a': volume has children\nuse '-r' to destroy"),
    )
}

fn snapshots(names: &[&str]) -> Step {
    let entries: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    step(
        format!("GET {VOLUMES}/v_a/snapshots?page=0"),
        ok(json!({ "results": names.len(), "entries": entries })),
    )
}

fn clones(snapshot: &str, names: &[&str]) -> Step {
    let found: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    step(
        format!("GET {VOLUMES}/v_a/snapshots/{snapshot}/clones"),
        ok(found.into()),
    )
}

#[test]
fn a_volume_goes_with_two_calls_and_alone_unless_told_otherwise() {
    assert!(run([get(), step(delete(), gone()).no_body()], false).unwrap());
    let children = json!({ "recursively_children": true });
    assert!(run([get(), step(delete(), gone()).body(children)], true).unwrap());
}

#[test]
fn a_volume_that_is_not_there_is_told_apart_from_one_removed() {
    for answer in [
        no_resource("v_a"),
        missing("Volume v_a"),
        fail(
            404,
            "opene.exceptions.ItemNotFoundError",
            None,
            "Resource Pool-0/v_a not found.",
        ),
    ] {
        let get = step(format!("GET {VOLUMES}/v_a"), answer);
        assert!(!run([get, pool_is_there()], false).unwrap());
    }
}

#[test]
fn a_volume_is_not_called_missing_where_its_pool_is() {
    let no_pool = step(format!("GET {POOL}"), missing("Pool Pool-0"));
    let error = run([no_volume(), no_pool], false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().starts_with("pool Pool-0 "), "{error}");
}

#[test]
fn what_depends_on_a_volume_is_named() {
    let error = run(
        [
            get(),
            children(),
            snapshots(&["s_1", "autosnap_2026-01-01-000000"]),
            clones("s_1", &["v_c", "v_d"]),
            clones("autosnap_2026-01-01-000000", &[]),
        ],
        false,
    );
    match error.unwrap_err() {
        Error::HasDependents {
            snapshots,
            clones,
            what,
        } => {
            assert_eq!(snapshots, ["s_1", "autosnap_2026-01-01-000000"]);
            assert_eq!(clones, ["v_c", "v_d"]);
            assert_eq!(what, "delete volume Pool-0/v_a");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_clones_stand_in_the_way_when_snapshots_may_go() {
    let words = "In order to delete a zvol, you must delete all of its clones first.";
    let refused = step(
        delete(),
        fail(500, "opene.storage.zfs.ZfsOeError", Some(1000), words),
    );
    let error = run(
        [get(), refused, snapshots(&["s_1"]), clones("s_1", &["v_c"])],
        true,
    );
    match error.unwrap_err() {
        Error::HasDependents {
            snapshots, clones, ..
        } => {
            assert_eq!((snapshots.len(), clones), (0, vec!["v_c".to_owned()]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn busy_is_never_success_even_where_nothing_can_be_named() {
    for steps in [
        vec![get(), children(), snapshots(&[])],
        vec![
            get(),
            children(),
            step(
                format!("GET {VOLUMES}/v_a/snapshots?page=0"),
                no_resource("v_a"),
            ),
        ],
        vec![
            get(),
            step(delete(), busy("dataset is busy")),
            snapshots(&[]),
        ],
    ] {
        let error = run(steps, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert!(matches!(error, Error::Api(_)), "{error}");
    }
}

fn get_clone(origin: &str) -> Step {
    step(format!("GET {VOLUMES}/v_a"), ok(clone("v_a", origin)))
}

fn drop_intermediate(
    answer: Result<jdss_rest::transport::Reply, jdss_rest::transport::TransportError>,
) -> Step {
    step(format!("DELETE {VOLUMES}/v_base/snapshots/v_a"), answer).body(json!({}))
}

#[test]
fn the_snapshot_made_for_a_clone_goes_with_it() {
    for answer in [
        gone(),
        no_resource("v_base@v_a"),
        busy("snapshot has dependent clones"),
    ] {
        let steps = [
            get_clone("Pool-0/v_base@v_a"),
            step(delete(), gone()),
            drop_intermediate(answer),
        ];
        assert!(run(steps, false).unwrap());
    }
}

#[test]
fn a_snapshot_that_was_not_made_for_the_clone_stays() {
    for origin in [
        "Pool-0/v_base@s_user",
        "Pool-0/v_base@autosnap_2026-01-01-000000",
        "Pool-0/v_base@v_ab",
        "Pool-0/v_base@V_a",
        "Pool-1/v_base@v_a",
        "no origin at all",
    ] {
        let steps = [get_clone(origin), step(delete(), gone())];
        assert!(run(steps, false).unwrap(), "{origin}");
    }
}

#[test]
fn a_users_snapshot_stays_though_the_clone_has_its_name() {
    for name in [
        "s_a",
        "backup",
        "autosnap_2026-01-01-000000",
        "se_a_MFRGG---",
    ] {
        let origin = format!("Pool-0/v_base@{name}");
        let script = Script::new([
            step(format!("GET {VOLUMES}/{name}"), ok(clone(name, &origin))),
            step(format!("DELETE {VOLUMES}/{name}"), gone()),
        ]);
        let pool = script.client().pool("Pool-0");
        let how = DeleteVolume::default();
        assert!(pool.delete_volume_named(name, how, soon()).unwrap());
        script.assert_done();
    }
}

#[test]
fn a_snapshot_that_stays_behind_is_told() {
    let steps = [
        get_clone("Pool-0/v_base@v_a"),
        step(delete(), gone()),
        drop_intermediate(fail(500, "x.Y", Some(77), "strange")),
    ];
    let error = run(steps, false).unwrap_err();
    assert!(
        error.to_string().contains("snapshot Pool-0/v_base@v_a"),
        "{error}"
    );
}

#[test]
fn a_deletion_without_an_answer_is_looked_at() {
    // Both addresses hang; the volume is gone the first time, and after a while the second.
    let hung = || {
        [
            get(),
            step(delete(), no_reply()),
            step(delete(), no_reply()),
        ]
    };
    let mut steps: Vec<Step> = hung().into();
    steps.extend([no_volume(), pool_is_there()]);
    assert!(run(steps, false).unwrap());

    let mut steps: Vec<Step> = hung().into();
    steps.extend([get(), get(), no_volume(), pool_is_there()]);
    assert!(run(steps, false).unwrap());
}

#[test]
fn a_deletion_whose_connection_broke_is_asked_again() {
    let steps = [
        get(),
        step(delete(), broken()),
        step(delete(), no_resource("v_a")),
        pool_is_there(),
    ];
    assert!(run(steps, false).unwrap());
}

#[test]
fn a_pool_that_moves_away_before_the_deletion_does_not_look_like_one() {
    let no_pool = || missing("Pool Pool-0");
    let steps = [
        get_clone("Pool-0/v_base@v_a"),
        step(delete(), no_pool()),
        step(format!("GET {POOL}"), no_pool()),
    ];
    let error = run(steps, false).unwrap_err();
    assert!(error.to_string().starts_with("pool Pool-0 "), "{error}");
    // Neither after an answer that said nothing.
    let steps = [
        get(),
        step(delete(), silent()),
        get(),
        step(delete(), no_pool()),
        step(format!("GET {VOLUMES}/v_a"), no_pool()),
        step(format!("GET {POOL}"), no_pool()),
    ];
    assert_eq!(run(steps, false).unwrap_err().kind(), ErrorKind::Missing);
}

#[test]
fn a_deletion_that_nobody_received_is_asked_for_again_and_not_waited_for() {
    let nobody = |what: String| [step(what.clone(), refused()), step(what, refused())];
    // Each address once, as told to, for the deletion and for the look.
    let mut steps = vec![get()];
    steps.extend(nobody(delete()));
    steps.extend(nobody(format!("GET {VOLUMES}/v_a")));
    let error = run(steps, false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    // The appliance is back.
    let mut steps = vec![get()];
    steps.extend(nobody(delete()));
    steps.extend([get(), step(delete(), gone())]);
    assert!(run(steps, false).unwrap());
}

#[test]
fn a_pool_that_moves_away_does_not_look_like_a_deletion() {
    let no_pool = || step(format!("GET {POOL}"), missing("Pool Pool-0"));
    let steps = [
        get(),
        step(delete(), no_reply()),
        step(delete(), no_reply()),
        no_volume(),
        no_pool(),
        get(),
        no_volume(),
        pool_is_there(),
    ];
    assert!(run(steps, false).unwrap());
}

#[test]
fn an_answer_that_says_nothing_is_looked_at() {
    let steps = [
        get(),
        step(delete(), silent()),
        get(),
        step(delete(), silent()),
        no_volume(),
        pool_is_there(),
    ];
    assert!(run(steps, false).unwrap());

    let mut steps = vec![get()];
    for _ in 0..4 {
        steps.extend([step(delete(), silent()), get()]);
    }
    let error = run(steps, false).unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[test]
fn a_failure_that_lasts_is_told_unless_the_volume_is_gone() {
    let failing = || {
        let mut steps = vec![get()];
        steps.extend((0..TRIES).map(|_| step(delete(), config_race())));
        steps
    };
    let mut steps = failing();
    steps.push(get());
    let error = run(steps, false).unwrap_err();
    assert!(error.to_string().contains("CfgParserError"), "{error}");

    let mut steps = failing();
    steps.extend([no_volume(), pool_is_there()]);
    assert!(run(steps, false).unwrap());
}
