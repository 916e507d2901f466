//! Creating a volume: an answer that is lost never makes an orphan, nor a stranger's volume ours.

use std::time::{Duration, Instant};

use jdss_rest::transport::Method;
use jdss_rest::{Error, ErrorKind, NewVolume, Volume};

use super::{ID, VOLUMES, volume};
use crate::script::{
    Script, Step, TRIES, config_race, fail, no_reply, no_resource, ok, silent, soon, step,
};

fn post() -> String {
    format!("POST {VOLUMES}")
}

fn absent() -> Step {
    step(format!("GET {VOLUMES}/v_a"), no_resource("v_a"))
}

fn present(size: u64) -> Step {
    step(format!("GET {VOLUMES}/v_a"), ok(volume("v_a", size, ID)))
}

fn exists() -> Step {
    step(
        post(),
        fail(500, "x.Y", Some(5), "Resource Pool-0/v_a already exists."),
    )
}

fn create(steps: impl IntoIterator<Item = Step>) -> Result<Volume, Error> {
    let script = Script::new(steps);
    let new = NewVolume {
        id: "a".parse().expect("an id"),
        size: 32768,
        thin: true,
        block_size: 16384,
    };
    let result = script.client().pool("Pool-0").create_volume(&new, soon());
    script.assert_done();
    result
}

#[test]
fn a_creation_that_ends_after_the_first_look_is_ours() {
    // The answer is lost, the work goes on, and the repetition finds the volume there.
    let steps = [
        absent(),
        step(post(), no_reply()),
        absent(),
        exists(),
        present(32768),
    ];
    assert_eq!(create(steps).unwrap().name, "v_a");
    let steps = [absent(), step(post(), config_race()), present(32768)];
    assert_eq!(create(steps).unwrap().name, "v_a");
}

#[test]
fn a_volume_of_another_size_is_somebody_elses() {
    for steps in [
        vec![absent(), step(post(), no_reply()), present(65536)],
        vec![
            absent(),
            step(post(), no_reply()),
            absent(),
            exists(),
            present(65536),
        ],
        // Whoever answers nothing has not said that it is ours.
        vec![absent(), step(post(), silent()), present(65536)],
        vec![absent(), exists()],
        vec![present(32768)],
    ] {
        let error = create(steps).unwrap_err();
        assert!(matches!(error, Error::VolumeExists { .. }), "{error}");
    }
}

#[test]
fn a_dataset_of_the_name_is_never_ours() {
    let dataset = || {
        let words = "cannot create 'Pool-0/v_a': dataset already exists";
        step(
            post(),
            fail(500, "zfslib.wrap.zfs.ZfsCmdError", Some(100), words),
        )
    };
    assert_eq!(
        create([absent(), dataset()]).unwrap_err().kind(),
        ErrorKind::Exists
    );
    let mut steps = vec![absent(), step(post(), no_reply()), absent()];
    steps.extend((0..3).flat_map(|_| [dataset(), absent()]));
    assert_eq!(create(steps).unwrap_err().kind(), ErrorKind::Exists);
}

#[test]
fn an_answer_that_says_nothing_is_looked_at() {
    let steps = [
        absent(),
        step(post(), silent()),
        absent(),
        step(post(), silent()),
        present(32768),
    ];
    assert_eq!(create(steps).unwrap().size, 32768);
    let mut steps = vec![absent()];
    steps.extend((0..4).flat_map(|_| [step(post(), silent()), absent()]));
    let error = create(steps).unwrap_err();
    assert!(
        error.is_transient() && matches!(error, Error::NotSeen { .. }),
        "{error}"
    );
}

#[test]
fn a_lost_answer_is_told_where_the_volume_cannot_be_looked_for() {
    let mut steps = vec![absent(), step(post(), no_reply())];
    steps.extend((0..TRIES).map(|_| step(format!("GET {VOLUMES}/v_a"), config_race())));
    let error = create(steps).unwrap_err();
    // It may be there: the caller must not take "exists" for another's the next time.
    assert!(matches!(error, Error::LostReply { .. }), "{error}");
}

#[test]
fn a_name_that_is_taken_is_told_by_that_name() {
    let mut steps = vec![absent(), step(post(), no_reply()), absent()];
    steps.extend((0..3).flat_map(|_| [exists(), absent()]));
    let error = create(steps).unwrap_err();
    assert!(
        matches!(&error, Error::VolumeExists { volume, .. } if volume == "v_a"),
        "{error}"
    );
}

#[test]
fn a_creation_without_an_answer_leaves_time_to_look() {
    let steps = [absent(), step(post(), no_reply()), present(32768)];
    let script = Script::new(steps);
    let new = NewVolume {
        id: "a".parse().expect("an id"),
        size: 32768,
        thin: true,
        block_size: 16384,
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    let pool = script.client().pool("Pool-0");
    pool.create_volume(&new, deadline).unwrap();
    let limits = script.limits(Method::Post)[0];
    assert!(limits.deadline < deadline, "{limits:?}");
}
