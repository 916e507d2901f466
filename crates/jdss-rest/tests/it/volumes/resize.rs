//! Growing a volume.

use jdss_rest::{Error, ErrorKind, Volume};
use serde_json::json;

use super::{ID, VOLUMES, volume};
use crate::script::{
    Script, Step, TRIES, config_race, gone, no_reply, no_resource, ok, reply, silent, soon, step,
};

const GIB: u64 = 1 << 30;

fn get(size: u64) -> Step {
    let path = format!("GET {VOLUMES}/v_a");
    step(path, ok(volume("v_a", size, ID)))
}

fn put() -> String {
    format!("PUT {VOLUMES}/v_a")
}

fn resize(script: &Script, size: u64) -> Result<Volume, Error> {
    let pool = script.client().pool("Pool-0");
    let result = pool.resize_volume(&"a".parse().expect("an id"), size, soon());
    script.assert_done();
    result
}

#[test]
fn a_volume_grows_to_whole_blocks_with_three_calls() {
    for status in [200, 201] {
        let done = reply(status, &json!({ "data": null, "error": null }));
        let script = Script::new([
            get(GIB),
            step(put(), done).body(json!({ "size": (2 * GIB + 16384).to_string() })),
            get(2 * GIB + 16384),
        ]);
        let grown = resize(&script, 2 * GIB + 1).unwrap();
        assert_eq!(grown.size, 2 * GIB + 16384);
    }
}

#[test]
fn a_new_size_that_is_shown_late_is_waited_for() {
    let script = Script::new([
        get(GIB),
        step(put(), gone()),
        get(GIB),
        get(GIB),
        get(2 * GIB),
    ]);
    assert_eq!(resize(&script, 2 * GIB).unwrap().size, 2 * GIB);
}

#[test]
fn a_volume_that_has_the_size_is_left_alone() {
    for size in [GIB, GIB - 1] {
        let script = Script::new([get(GIB)]);
        assert_eq!(resize(&script, size).unwrap().size, GIB);
    }
}

#[test]
fn a_volume_never_shrinks() {
    let script = Script::new([get(2 * GIB)]);
    let error = resize(&script, GIB).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        matches!(error, Error::Shrink { found, wanted, .. } if (found, wanted) == (2 * GIB, GIB))
    );
}

#[test]
fn a_volume_with_blocks_of_unknown_size_grows_to_a_multiple_of_all() {
    for block in [
        json!(null),
        json!(0),
        json!(3),
        json!("9223372036854775808"),
    ] {
        let get = |size: u64| {
            let shown = json!({ "name": "v_a", "volsize": size, "default_scsi_id": ID,
                "volblocksize": block });
            step(format!("GET {VOLUMES}/v_a"), ok(shown))
        };
        let wanted = GIB + (1 << 20);
        let script = Script::new([
            get(GIB),
            step(put(), gone()).body(json!({ "size": wanted.to_string() })),
            get(wanted),
        ]);
        assert_eq!(resize(&script, GIB + 1).unwrap().size, wanted, "{block}");
    }
}

#[test]
fn a_look_that_fails_does_not_undo_a_finished_growth() {
    let mut steps = vec![get(GIB), step(put(), gone())];
    steps.extend((0..TRIES).map(|_| step(format!("GET {VOLUMES}/v_a"), config_race())));
    steps.push(get(2 * GIB));
    assert_eq!(resize(&Script::new(steps), 2 * GIB).unwrap().size, 2 * GIB);
}

#[test]
fn a_growth_that_failed_after_the_work_is_seen() {
    let mut steps = vec![get(GIB)];
    steps.extend((0..TRIES).map(|_| step(put(), config_race())));
    steps.push(get(2 * GIB));
    assert_eq!(resize(&Script::new(steps), 2 * GIB).unwrap().size, 2 * GIB);

    let lost = Script::new([
        get(GIB),
        step(put(), no_reply()),
        step(put(), no_reply()),
        get(2 * GIB),
    ]);
    assert_eq!(resize(&lost, 2 * GIB).unwrap().size, 2 * GIB);
}

#[test]
fn a_growth_that_never_shows_is_an_error() {
    let mut steps = vec![get(GIB), step(put(), gone())];
    steps.extend((0..10).map(|_| get(GIB)));
    let error = resize(&Script::new(steps), 2 * GIB).unwrap_err();
    assert!(error.is_transient());
    let text = error.to_string();
    assert!(
        text.contains("2147483648") && text.contains("1073741824 bytes"),
        "{text}"
    );

    let mut steps = vec![get(GIB)];
    steps.extend((0..TRIES).map(|_| step(put(), config_race())));
    steps.extend((0..10).map(|_| get(GIB)));
    let error = resize(&Script::new(steps), 2 * GIB).unwrap_err();
    assert!(
        matches!(error, Error::Api(_)),
        "the appliance's own words: {error}"
    );
}

#[test]
fn a_missing_volume_does_not_grow() {
    let script = Script::new([step(format!("GET {VOLUMES}/v_a"), no_resource("v_a"))]);
    assert_eq!(resize(&script, GIB).unwrap_err().kind(), ErrorKind::Missing);
}

#[test]
fn an_answer_that_says_nothing_is_looked_at_and_asked_again() {
    let silent = || step(put(), silent());
    let script = Script::new([
        get(GIB),
        silent(),
        get(GIB),
        get(GIB),
        get(GIB),
        silent(),
        get(2 * GIB),
    ]);
    assert_eq!(resize(&script, 2 * GIB).unwrap().size, 2 * GIB);
    let mut steps = vec![get(GIB)];
    steps.extend((0..4).flat_map(|_| [silent(), get(GIB), get(GIB), get(GIB)]));
    let error = resize(&Script::new(steps), 2 * GIB).unwrap_err();
    assert!(matches!(error, Error::NotSeen { .. }), "{error}");
}
