//! Reading, creating and deleting one snapshot.

use jdss_rest::{Error, ErrorKind, Origin};
use serde_json::json;

use super::SNAPSHOTS;
use crate::script::{
    POOL, Script, Step, TRIES, busy, config_race, fail, gone, missing, no_reply, no_resource, ok,
    silent, soon, step,
};

fn get() -> String {
    format!("GET {SNAPSHOTS}/s_b")
}

fn absent() -> Step {
    step(get(), no_resource("v_a@s_b"))
}

fn present() -> Step {
    step(get(), ok(json!({ "name": "s_b" })))
}

fn post() -> String {
    format!("POST {SNAPSHOTS}")
}

fn exists() -> Step {
    step(
        post(),
        fail(
            500,
            "x.Y",
            Some(5),
            "Resource Pool-0/v_a@s_b already exists.",
        ),
    )
}

fn create(steps: impl IntoIterator<Item = Step>) -> Result<(), Error> {
    let script = Script::new(steps);
    let (volume, name) = ("a".parse().expect("an id"), "b".parse().expect("an id"));
    let result = script
        .client()
        .pool("Pool-0")
        .create_snapshot(&volume, &name, soon());
    script.assert_done();
    result
}

fn delete(steps: impl IntoIterator<Item = Step>) -> Result<bool, Error> {
    let script = Script::new(steps);
    let pool = script.client().pool("Pool-0");
    let result = pool.delete_snapshot("v_a", "s_b", soon());
    script.assert_done();
    result
}

#[test]
fn a_snapshot_is_read_with_all_its_attributes() {
    let shown = json!({ "name": "s_b", "type": "snapshot", "creation": "2026-01-01 01:13:20",
        "volsize": "34359738368", "guid": "1234567890123456789",
        "clones": "Pool-0/se_b_ME------,Pool-0/v_c" });
    let script = Script::new([step(get(), ok(shown))]);
    let pool = script.client().pool("Pool-0");
    let snapshot = pool.snapshot("v_a", "s_b", soon()).unwrap();
    assert_eq!(
        (snapshot.name.as_str(), snapshot.volume.as_str()),
        ("s_b", "v_a")
    );
    assert_eq!(snapshot.size, Some(32 << 30));
    assert_eq!(snapshot.guid.as_deref(), Some("1234567890123456789"));
    assert_eq!(snapshot.created.unwrap().to_string(), "2026-01-01 01:13:20");
    assert_eq!(snapshot.clones, ["se_b_ME------", "v_c"]);
}

#[test]
fn a_missing_snapshot_is_missing_in_all_words() {
    for answer in [
        no_resource("v_a@s_b"),
        missing("Snapshot s_b"),
        fail(
            500,
            "zfslib.wrap.zfs.ZfsCmdError",
            Some(0),
            "cannot open 'Pool-0/v_a@s_b': dataset does not exist",
        ),
    ] {
        let script = Script::new([step(get(), answer)]);
        let error = script
            .client()
            .pool("Pool-0")
            .snapshot("v_a", "s_b", soon());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Missing);
    }
}

#[test]
fn the_clones_of_a_snapshot_are_listed() {
    let clone = json!({ "name": "v_c", "full_name": "Pool-0/v_c", "is_clone": true,
        "origin": "Pool-0/v_a@s_b" });
    let script = Script::new([step(
        format!("GET {SNAPSHOTS}/s_b/clones"),
        ok(json!([clone])),
    )]);
    let pool = script.client().pool("Pool-0");
    let clones = pool.snapshot_clones("v_a", "s_b", soon()).unwrap();
    assert_eq!(clones[0].name, "v_c");
    assert_eq!(clones[0].origin, Origin::parse("Pool-0/v_a@s_b"));
}

#[test]
fn a_snapshot_is_made_with_two_calls() {
    for done in [gone(), ok(json!({ "name": "s_b" }))] {
        let post = step(post(), done).body(json!({ "snapshot_name": "s_b" }));
        create([absent(), post]).unwrap();
    }
}

#[test]
fn a_snapshot_whose_answer_was_lost_is_ours_as_it_was_not_there_before() {
    create([absent(), step(post(), no_reply()), present()]).unwrap();
    create([
        absent(),
        step(post(), config_race()),
        absent(),
        step(post(), gone()),
    ])
    .unwrap();
    // The first request goes on while the second one is made.
    create([absent(), step(post(), no_reply()), absent(), exists()]).unwrap();
    create([
        absent(),
        step(post(), silent()),
        absent(),
        step(post(), gone()),
    ])
    .unwrap();
}

#[test]
fn a_snapshot_that_was_there_before_is_never_ours() {
    for steps in [vec![present()], vec![absent(), exists()]] {
        let error = create(steps).unwrap_err();
        assert!(matches!(error, Error::SnapshotExists { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Exists);
    }
}

#[test]
fn a_snapshot_of_a_missing_volume_names_the_volume() {
    let error = create([absent(), step(post(), no_resource("v_a"))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(
        error.to_string().starts_with("volume Pool-0/v_a "),
        "{error}"
    );
}

#[test]
fn a_snapshot_that_never_appears_is_an_error() {
    let mut steps = vec![absent()];
    steps.extend((0..4).flat_map(|_| [step(post(), no_reply()), absent()]));
    let error = create(steps).unwrap_err();
    assert!(matches!(error, Error::LostReply { .. }), "{error}");
}

fn remove() -> String {
    format!("DELETE {SNAPSHOTS}/s_b")
}

#[test]
fn a_snapshot_goes_with_one_call() {
    assert!(delete([step(remove(), gone()).body(json!({}))]).unwrap());
}

#[test]
fn a_snapshot_that_is_not_there_is_told_apart_and_so_is_a_missing_pool() {
    let pool = |answer| step(format!("GET {POOL}"), answer);
    let there = ok(json!({ "name": "Pool-0", "size": 1, "available": 1 }));
    assert!(!delete([step(remove(), no_resource("v_a@s_b")), pool(there)]).unwrap());
    let steps = [
        step(remove(), missing("Snapshot s_b")),
        pool(missing("Pool Pool-0")),
    ];
    let error = delete(steps).unwrap_err();
    assert!(error.to_string().starts_with("pool Pool-0 "), "{error}");
}

#[test]
fn a_snapshot_with_clones_names_them() {
    let refused = || {
        step(
            remove(),
            busy("cannot destroy 'Pool-0/v_a@s_b': snapshot has dependent clones"),
        )
    };
    let clones = |answer| step(format!("GET {SNAPSHOTS}/s_b/clones"), answer);
    let error = delete([refused(), clones(ok(json!([{ "name": "v_c" }])))]).unwrap_err();
    match error {
        Error::HasDependents {
            snapshots, clones, ..
        } => assert_eq!((snapshots.len(), clones), (0, vec!["v_c".to_owned()])),
        other => panic!("{other:?}"),
    }
    for unknown in [ok(json!([])), missing("Snapshot s_b")] {
        let error = delete([refused(), clones(unknown)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    }
}

#[test]
fn a_deletion_without_an_answer_is_looked_at() {
    let pool = || {
        let pool = json!({ "name": "Pool-0", "size": 1, "available": 1 });
        step(format!("GET {POOL}"), ok(pool))
    };
    let hung = || [step(remove(), no_reply()), step(remove(), no_reply())];
    let mut steps: Vec<Step> = hung().into();
    steps.extend([present(), absent(), pool()]);
    assert!(delete(steps).unwrap());

    let mut steps: Vec<Step> = (0..TRIES).map(|_| step(remove(), config_race())).collect();
    steps.push(present());
    assert!(delete(steps).unwrap_err().is_transient());
}
