//! Renaming a volume: what counts is which SCSI ID the new name shows.

use jdss_rest::{Difference, Error, ErrorKind, Volume};
use serde_json::json;

use super::{ID, OTHER_ID, VOLUMES, volume};
use crate::script::{
    Script, Step, TRIES, config_race, fail, gone, no_reply, no_resource, ok, silent, soon, step,
};

fn old(id: &str) -> Step {
    step(
        format!("GET {VOLUMES}/v_old"),
        ok(volume("v_old", 16384, id)),
    )
}

fn no_old() -> Step {
    step(format!("GET {VOLUMES}/v_old"), no_resource("v_old"))
}

fn new(id: &str) -> Step {
    step(
        format!("GET {VOLUMES}/v_new"),
        ok(volume("v_new", 16384, id)),
    )
}

fn no_new() -> Step {
    step(format!("GET {VOLUMES}/v_new"), no_resource("v_new"))
}

fn put() -> String {
    format!("PUT {VOLUMES}/v_old")
}

fn exists() -> Step {
    step(
        put(),
        fail(500, "x.Y", Some(5), "Resource Pool-0/v_new already exists."),
    )
}

fn rename(steps: impl IntoIterator<Item = Step>) -> Result<Volume, Error> {
    let script = Script::new(steps);
    let pool = script.client().pool("Pool-0");
    let (from, to) = ("old".parse().expect("an id"), "new".parse().expect("an id"));
    let result = pool.rename_volume(&from, &to, soon());
    script.assert_done();
    result
}

#[test]
fn a_volume_is_renamed_with_three_calls() {
    for done in [ok(json!({})), gone()] {
        let put = step(put(), done).body(json!({ "name": "v_new" }));
        let renamed = rename([old(ID), put, new(ID)]).unwrap();
        assert_eq!(renamed.name, "v_new");
    }
}

#[test]
fn an_answer_that_says_nothing_is_no_success_while_the_old_name_is_there() {
    let steps = [old(ID), step(put(), silent()), new(ID), no_old()];
    assert_eq!(rename(steps).unwrap().name, "v_new");

    // A replica with the same SCSI ID has the new name.
    let look = || [new(ID), old(ID)];
    let mut steps = vec![old(ID), step(put(), silent())];
    steps.extend((0..4).flat_map(|_| look()));
    steps.extend([old(ID), exists()]);
    steps.extend((4..32).flat_map(|_| look()));
    let error = rename(steps).unwrap_err();
    assert!(
        matches!(&error, Error::VolumeExists { volume, .. } if volume == "v_new"),
        "{error}"
    );
}

#[test]
fn a_volume_that_was_there_is_not_called_missing_once_it_was_to_be_renamed() {
    let mut steps = vec![
        old(ID),
        step(put(), no_reply()),
        step(put(), no_resource("v_old")),
    ];
    // The appliance takes its time to show the new name.
    steps.extend((0..20).map(|_| no_new()));
    steps.extend([new(ID), no_old()]);
    assert_eq!(rename(steps).unwrap().name, "v_new");

    let mut steps = vec![old(ID), step(put(), no_resource("v_old"))];
    steps.extend((0..32).map(|_| no_new()));
    let error = rename(steps).unwrap_err();
    assert!(matches!(error, Error::NotSeen { .. }), "{error}");
}

#[test]
fn a_new_name_that_a_dataset_has_is_told_by_that_name() {
    let mut steps = vec![old(ID), exists()];
    steps.extend((0..6).map(|_| no_new()));
    let error = rename(steps).unwrap_err().to_string();
    assert!(error.starts_with("volume Pool-0/v_new exists"), "{error}");
}

#[test]
fn a_new_name_that_is_shown_late_is_waited_for() {
    let renamed = rename([
        old(ID),
        step(put(), gone()),
        no_new(),
        no_new(),
        new(""),
        new(ID),
    ]);
    assert_eq!(renamed.unwrap().name, "v_new");
}

#[test]
fn a_renaming_whose_answer_was_lost_is_recognised_by_the_scsi_id() {
    // Repeated, it finds the old name no longer.
    let renamed = rename([
        old(ID),
        step(put(), no_reply()),
        step(put(), no_resource("v_old")),
        new(ID),
        no_old(),
    ]);
    assert_eq!(renamed.unwrap().name, "v_new");
}

#[test]
fn a_renaming_that_failed_after_the_work_is_recognised_by_the_scsi_id() {
    let renamed = rename([
        old(ID),
        step(put(), config_race()),
        step(put(), no_resource("v_old")),
        no_new(),
        new(ID),
        no_old(),
    ]);
    assert_eq!(renamed.unwrap().name, "v_new");
}

#[test]
fn a_name_that_another_volume_has_is_refused() {
    let error = rename([old(ID), exists(), new(OTHER_ID)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    let Error::OtherVolume { volume, reason, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(volume, "v_new");
    assert!(matches!(**reason, Difference::ScsiId { .. }));
}

#[test]
fn a_replica_of_the_same_scsi_id_is_not_taken_for_the_renamed_volume() {
    let mut steps = vec![old(ID), exists()];
    for _ in 0..6 {
        steps.extend([new(ID), old(ID)]);
    }
    assert_eq!(rename(steps).unwrap_err().kind(), ErrorKind::Exists);
}

#[test]
fn success_is_not_believed_before_the_new_name_is_seen() {
    let mut steps = vec![old(ID), step(put(), gone())];
    steps.extend((0..32).map(|_| no_new()));
    let error = rename(steps).unwrap_err();
    assert!(matches!(error, Error::NotSeen { .. }), "{error}");
    assert!(
        error.to_string().contains("no volume Pool-0/v_new"),
        "{error}"
    );
}

#[test]
fn a_failed_renaming_says_why() {
    let mut steps = vec![old(ID)];
    steps.extend((0..TRIES).map(|_| step(put(), config_race())));
    steps.extend((0..6).map(|_| no_new()));
    let error = rename(steps).unwrap_err();
    assert!(error.to_string().contains("CfgParserError"), "{error}");

    let refused = step(put(), fail(400, "x.ValidationError", None, "no such name"));
    assert_eq!(
        rename([old(ID), refused]).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn a_missing_old_name_is_missing_whatever_the_new_one_is() {
    let error = rename([no_old()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(
        error.to_string().starts_with("volume Pool-0/v_old "),
        "{error}"
    );
}

#[test]
fn a_volume_without_a_scsi_id_is_not_renamed() {
    let mut steps: Vec<Step> = (0..5).map(|_| old("")).collect();
    steps.extend([old(ID), step(put(), gone()), new(ID)]);
    assert!(rename(steps).is_ok(), "it came late");

    let error = rename((0..6).map(|_| old(""))).unwrap_err();
    assert!(matches!(error, Error::Unidentified { .. }), "{error}");
}

#[test]
fn its_own_name_is_no_new_one() {
    let script = Script::new([old(ID)]);
    let id = "old".parse().unwrap();
    let pool = script.client().pool("Pool-0");
    assert!(pool.rename_volume(&id, &id, soon()).is_ok());
    script.assert_done();
}

#[test]
fn an_answer_that_says_nothing_is_asked_again_while_the_old_name_is_there() {
    let silent = || step(put(), silent());
    let looks = || (0..4).map(|_| no_new());
    let mut steps = vec![old(ID), silent()];
    steps.extend(looks());
    steps.extend([old(ID), silent(), new(ID), no_old()]);
    assert!(rename(steps).is_ok());

    // It was at work all the time.
    let mut steps = vec![old(ID), silent()];
    steps.extend(looks());
    steps.extend([
        old(ID),
        step(put(), no_resource("v_old")),
        no_new(),
        new(ID),
        no_old(),
    ]);
    assert!(rename(steps).is_ok());

    // A volume that somebody else gave the old name is left alone.
    let mut steps = vec![old(ID), silent()];
    steps.extend(looks());
    steps.extend([old(OTHER_ID), no_new(), new(ID), old(OTHER_ID)]);
    assert!(rename(steps).is_ok());
}
