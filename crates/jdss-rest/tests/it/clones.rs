//! Clones of snapshots and of volumes, and the snapshot that stands between.

use jdss_rest::{CloneOf, CloneVolume, Error, ErrorKind, Volume};
use serde_json::{Value, json};

use crate::script::{
    Script, Step, busy, config_race, fail, gone, no_reply, no_resource, ok, silent, soon, step,
};
use crate::volumes::{OTHER_ID, VOLUMES, clone};

fn absent() -> Step {
    step(format!("GET {VOLUMES}/v_new"), no_resource("v_new"))
}

fn present(origin: &str) -> Step {
    step(format!("GET {VOLUMES}/v_new"), ok(clone("v_new", origin)))
}

fn post() -> String {
    format!("POST {VOLUMES}/v_a/clone")
}

fn exists() -> Step {
    let words = "cannot create 'Pool-0/v_new': dataset already exists";
    step(
        post(),
        fail(500, "zfslib.wrap.zfs.ZfsCmdError", Some(100), words),
    )
}

fn clone_snapshot(steps: impl IntoIterator<Item = Step>) -> Result<Volume, Error> {
    let script = Script::new(steps);
    let what = CloneOf {
        volume: "v_a".to_owned(),
        snapshot: "s_b".to_owned(),
        name: "v_new".to_owned(),
        thin: true,
        read_only: true,
    };
    let result = script.client().pool("Pool-0").clone_snapshot(&what, soon());
    script.assert_done();
    result
}

fn clone_volume(steps: impl IntoIterator<Item = Step>) -> Result<Volume, Error> {
    let script = Script::new(steps);
    let what = CloneVolume {
        volume: "v_a".to_owned(),
        name: "v_new".to_owned(),
        thin: false,
    };
    let result = script.client().pool("Pool-0").clone_volume(&what, soon());
    script.assert_done();
    result
}

#[test]
fn a_snapshot_is_cloned_with_three_calls() {
    let body = json!({ "name": "v_new", "snapshot": "s_b", "sparse": true, "readonly": true });
    for done in [gone(), ok(json!({ "name": "v_new" }))] {
        let steps = [
            absent(),
            step(post(), done).body(body.clone()),
            present("Pool-0/v_a@s_b"),
        ];
        let made = clone_snapshot(steps).unwrap();
        assert_eq!(made.origin.unwrap().to_string(), "Pool-0/v_a@s_b");
        assert!(made.is_clone);
    }
    let shown = step(post(), ok(clone("v_new", "Pool-0/v_a@s_b")));
    assert!(clone_snapshot([absent(), shown]).is_ok());
}

#[test]
fn a_clone_whose_answer_was_lost_is_ours_by_its_origin() {
    for steps in [
        vec![
            absent(),
            step(post(), no_reply()),
            present("Pool-0/v_a@s_b"),
        ],
        vec![
            absent(),
            step(post(), no_reply()),
            absent(),
            exists(),
            present("Pool-0/v_a@s_b"),
        ],
        vec![
            absent(),
            step(post(), silent()),
            absent(),
            step(post(), gone()),
            present("Pool-0/v_a@s_b"),
        ],
    ] {
        assert_eq!(clone_snapshot(steps).unwrap().name, "v_new");
    }
}

#[test]
fn a_volume_of_another_origin_is_never_ours() {
    let other = ["Pool-0/v_a@s_bb", "Pool-0/v_ab@s_b", "Pool-1/v_a@s_b", ""];
    for origin in other {
        let steps = [absent(), step(post(), no_reply()), present(origin)];
        let error = clone_snapshot(steps).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exists, "{origin}");
        // An answer that says nothing does not say that it is ours.
        let steps = [absent(), step(post(), silent()), present(origin)];
        let error = clone_snapshot(steps).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exists, "{origin}");
    }
    for steps in [vec![present("Pool-0/v_a@s_b")], vec![absent(), exists()]] {
        let error = clone_snapshot(steps).unwrap_err();
        assert!(matches!(error, Error::VolumeExists { .. }), "{error}");
    }
}

#[test]
fn a_clone_of_nothing_names_the_snapshot() {
    let steps = [absent(), step(post(), no_resource("v_a@s_b"))];
    let error = clone_snapshot(steps).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(
        error.to_string().starts_with("snapshot Pool-0/v_a@s_b "),
        "{error}"
    );
}

#[test]
fn a_clone_that_came_out_otherwise_is_made_thin_or_thick() {
    let shown = |reserved: &str| {
        let mut shown = clone("v_new", "Pool-0/v_a@s_b");
        shown["refreservation"] = reserved.into();
        step(post(), ok(shown))
    };
    let put = |answer| {
        step(format!("PUT {VOLUMES}/v_new"), answer).body(json!({ "provisioning": "thin" }))
    };
    assert_eq!(
        clone_snapshot([absent(), shown("0")]).unwrap().thin,
        Some(true)
    );
    let made = clone_snapshot([absent(), shown("16384"), put(gone())]).unwrap();
    assert_eq!(made.thin, Some(true));

    // Left half done it would stand in the way of the next attempt.
    let steps = [
        absent(),
        shown("16384"),
        put(fail(500, "x.Y", Some(9), "strange")),
        present("Pool-0/v_a@s_b"),
        step(format!("DELETE {VOLUMES}/v_new"), gone()),
    ];
    assert!(
        clone_snapshot(steps)
            .unwrap_err()
            .to_string()
            .contains("strange")
    );
}

type Answer = Result<jdss_rest::transport::Reply, jdss_rest::transport::TransportError>;

fn look(answer: Answer) -> Step {
    step(format!("GET {VOLUMES}/v_a/snapshots/v_new"), answer)
}

fn no_snap() -> Step {
    look(no_resource("v_a@v_new"))
}

fn is_there() -> Step {
    look(ok(json!({ "name": "v_new" })))
}

fn snap(answer: Answer) -> Step {
    step(format!("POST {VOLUMES}/v_a/snapshots"), answer).body(json!({ "snapshot_name": "v_new" }))
}

fn unsnap(answer: Answer) -> Step {
    step(format!("DELETE {VOLUMES}/v_a/snapshots/v_new"), answer).body(json!({}))
}

fn copy() -> Step {
    step(post(), gone())
        .body(json!({ "name": "v_new", "snapshot": "v_new", "sparse": false, "readonly": false }))
}

fn made() -> Step {
    present("Pool-0/v_a@v_new")
}

#[test]
fn a_volume_is_cloned_with_five_calls_by_a_snapshot_named_like_the_clone() {
    let steps = [absent(), no_snap(), snap(gone()), copy(), made()];
    let made = clone_volume(steps).unwrap();
    assert_eq!(made.origin.unwrap().snapshot, "v_new");
}

#[test]
fn the_snapshot_of_an_aborted_clone_is_replaced() {
    // Its data are of long ago; so it is not used, but made anew.
    let steps = [
        absent(),
        is_there(),
        unsnap(gone()),
        snap(gone()),
        copy(),
        made(),
    ];
    assert!(clone_volume(steps).is_ok());
}

#[test]
fn a_snapshot_whose_answer_was_lost_or_says_nothing_is_the_new_one() {
    for unclear in [no_reply, silent, config_race] {
        let steps = [
            absent(),
            no_snap(),
            snap(unclear()),
            is_there(),
            copy(),
            made(),
        ];
        assert!(clone_volume(steps).is_ok());
        let steps = [
            absent(),
            no_snap(),
            snap(unclear()),
            no_snap(),
            snap(gone()),
            copy(),
            made(),
        ];
        assert!(clone_volume(steps).is_ok());
    }
}

#[test]
fn a_snapshot_with_clones_is_never_replaced() {
    let refused = busy("cannot destroy 'Pool-0/v_a@v_new': snapshot has dependent clones");
    let error = clone_volume([absent(), is_there(), unsnap(refused)]).unwrap_err();
    assert!(matches!(error, Error::SnapshotExists { .. }), "{error}");
    // Nor one that somebody makes at the same time.
    let words = "Resource Pool-0/v_a@v_new already exists.";
    let faster = snap(fail(500, "x.Y", Some(5), words));
    let error = clone_volume([absent(), no_snap(), faster]).unwrap_err();
    assert!(matches!(error, Error::SnapshotExists { .. }), "{error}");
}

#[test]
fn a_clone_that_fails_leaves_no_snapshot() {
    let full = "New zvol size(10) exceeds available space on pool Pool-0(5).";
    for refused in [step(post(), fail(500, "x.Y", None, full)), exists()] {
        let steps = [absent(), no_snap(), snap(gone()), refused, unsnap(gone())];
        assert!(clone_volume(steps).is_err());
    }
    // There already: no snapshot is made at all.
    let error = clone_volume([present("Pool-0/v_a@v_new")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
}

fn promote() -> String {
    format!("POST {VOLUMES}/v_a/snapshots/s_b/clones/v_new/promote")
}

fn independent() -> Step {
    let shown =
        json!({ "name": "v_new", "volsize": 16384, "default_scsi_id": OTHER_ID, "origin": null });
    step(format!("GET {VOLUMES}/v_new"), ok(shown))
}

fn promoted(steps: impl IntoIterator<Item = Step>) -> Result<Volume, Error> {
    let script = Script::new(steps);
    let result = script
        .client()
        .pool("Pool-0")
        .promote_clone("v_new", soon());
    script.assert_done();
    result
}

#[test]
fn a_clone_is_promoted_with_three_calls() {
    let of = "Pool-0/v_a@s_b";
    let done = promoted([present(of), step(promote(), ok(Value::Null)), independent()]);
    assert!(!done.unwrap().is_clone);
    assert!(promoted([independent()]).is_ok());
    // It takes over the origin that the other volume had.
    let steps = [
        present(of),
        step(promote(), gone()),
        present("Pool-0/v_base@s_0"),
    ];
    assert_eq!(promoted(steps).unwrap().origin.unwrap().volume, "v_base");
}

#[test]
fn a_promotion_whose_answer_was_lost_is_looked_at() {
    let of = "Pool-0/v_a@s_b";
    assert!(promoted([present(of), step(promote(), no_reply()), independent()]).is_ok());
    let steps = [
        present(of),
        step(promote(), config_race()),
        present(of),
        step(promote(), no_resource("v_new")),
        independent(),
    ];
    assert!(promoted(steps).is_ok());
    let mut steps = vec![present(of)];
    steps.extend((0..4).flat_map(|_| [step(promote(), gone()), present(of)]));
    assert!(matches!(promoted(steps), Err(Error::NotSeen { .. })));
}

#[test]
fn a_users_snapshot_is_not_replaced_for_a_clone_of_its_name() {
    for name in ["s_user", "backup", "autosnap_2026-01-01-000000", "pvc-1"] {
        let script = Script::new([]);
        let what = CloneVolume {
            volume: "v_a".to_owned(),
            name: name.to_owned(),
            thin: false,
        };
        let error = script.client().pool("Pool-0").clone_volume(&what, soon());
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        script.assert_done();
    }
}

#[test]
fn a_clone_whose_origin_cannot_be_read_is_not_called_promoted() {
    let error = promoted([present("nowhere")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[test]
fn what_a_failed_clone_leaves_behind_is_told() {
    let strange = || fail(500, "x.Y", Some(9), "strange");
    let stuck = || fail(500, "x.Y", Some(9), "stuck");
    let steps = [
        absent(),
        no_snap(),
        snap(gone()),
        step(post(), strange()),
        unsnap(stuck()),
    ];
    let error = clone_volume(steps).unwrap_err();
    assert!(matches!(error, Error::NotUndone { .. }), "{error}");
    let text = error.to_string();
    for part in ["strange", "stuck", "the new snapshot Pool-0/v_a@v_new"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    // The clone was made, and keeps its snapshot: nothing was left that should go.
    let busy = busy("cannot destroy 'Pool-0/v_a@v_new': snapshot has dependent clones");
    let steps = [
        absent(),
        no_snap(),
        snap(gone()),
        step(post(), strange()),
        unsnap(busy),
    ];
    assert!(matches!(clone_volume(steps), Err(Error::Api(_))));

    let mut shown = clone("v_new", "Pool-0/v_a@s_b");
    shown["refreservation"] = "16384".into();
    let steps = [
        absent(),
        step(post(), ok(shown)),
        step(format!("PUT {VOLUMES}/v_new"), strange()),
        present("Pool-0/v_a@s_b"),
        step(format!("DELETE {VOLUMES}/v_new"), stuck()),
    ];
    let text = clone_snapshot(steps).unwrap_err().to_string();
    assert!(text.contains("the new clone v_new"), "{text}");
}
