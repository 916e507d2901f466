//! Snapshots: when they were made, and which clones they have.

use jdss_rest::{ErrorKind, LocalTime, SnapshotTime};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::answer;
use crate::script::soon;

fn created(creation: Value) -> Option<SnapshotTime> {
    let shown = json!({ "name": "s", "creation": creation });
    let snapshot = answer(shown).pool("P").snapshot("v", "s", soon());
    snapshot.expect("a snapshot").created
}

#[test]
fn both_forms_of_time_are_read() {
    for epoch in [
        json!(1_432_730_973),
        json!("1432730973"),
        json!(" 1432730973 "),
    ] {
        assert_eq!(created(epoch), Some(SnapshotTime::Epoch(1_432_730_973)));
    }
    for (text, shown, seconds) in [
        ("2015-5-27 16:8:35", "2015-05-27 16:08:35", 1_432_742_915),
        ("2026-01-02 03:04:05", "2026-01-02 03:04:05", 1_767_323_045),
        ("2024-2-29 0:0:0", "2024-02-29 00:00:00", 1_709_164_800),
        ("1970-1-1 0:0:0", "1970-01-01 00:00:00", 0),
        ("2000-12-31 23:59:60", "2000-12-31 23:59:60", 978_307_200),
    ] {
        let time = created(text.into()).unwrap();
        assert!(matches!(time, SnapshotTime::Local(_)), "{text}");
        assert_eq!(
            (time.to_string().as_str(), time.seconds(0)),
            (shown, seconds)
        );
    }
    let time = created("2015-5-27 16:8:35".into()).unwrap();
    assert_eq!(time.seconds(-5 * 3600), 1_432_742_915 + 5 * 3600);
}

#[test]
fn what_is_no_time_is_absent_and_never_zero() {
    for strange in [
        json!(null),
        json!(""),
        json!("garbage"),
        json!("-5"),
        json!(-5),
        json!(1.5),
        json!(true),
        json!({}),
        json!("2015-5-27"),
        json!("2015-5-27 16:8"),
        json!("2015-5-27 16:8:35 CEST"),
        json!("2015-5-27T16:8:35"),
        json!("2015-13-27 16:8:35"),
        json!("2015-0-27 16:8:35"),
        json!("2015-5-32 16:8:35"),
        json!("2015-2-29 16:8:35"),
        json!("2015-5-27 24:8:35"),
        json!("2015-5-27 16:60:35"),
        json!("2015-5-27 16:8:61"),
        json!("2015-5-27-1 16:8:35"),
        json!("2015-+5-27 16:8:35"),
        json!("15-5-27 16:8:35"),
        json!("99999999999999999999999"),
    ] {
        assert_eq!(created(strange.clone()), None, "{strange}");
    }
}

#[test]
fn local_times_compare_as_times() {
    let local = |text: &str| match SnapshotTime::parse(text) {
        Some(SnapshotTime::Local(time)) => time,
        other => panic!("{other:?}"),
    };
    let ascending: Vec<LocalTime> = [
        "2015-5-9 23:59:59",
        "2015-5-10 0:0:0",
        "2015-10-1 0:0:0",
        "2016-1-1 9:0:0",
        "2016-1-1 10:0:0",
    ]
    .map(local)
    .into();
    assert!(ascending.is_sorted());
}

#[test]
fn clones_come_in_all_forms_and_none_is_left_out() {
    let clones = |clones: &Value| {
        let shown = json!({ "name": "s", "clones": clones });
        let snapshot = answer(shown).pool("P").snapshot("v", "s", soon());
        snapshot.map(|snapshot| snapshot.clones)
    };
    for (given, names) in [
        (json!("P/v_a"), &["v_a"][..]),
        (json!("P/v_a,P/v_b"), &["v_a", "v_b"]),
        (json!(["P/v_a", "v_b"]), &["v_a", "v_b"]),
        (json!([{ "name": "v_a", "full_name": "P/v_a" }]), &["v_a"]),
        (json!(""), &[]),
        (json!("-"), &[]),
        (json!([]), &[]),
        (json!(null), &[]),
    ] {
        assert_eq!(clones(&given).unwrap(), names, "{given}");
    }
    for strange in [json!([7]), json!([{}]), json!(7), json!({ "v_a": 1 })] {
        let error = clones(&strange).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{strange}");
    }
}

proptest! {
    #[test]
    fn every_day_is_one_day_after_the_last(day in 0_i64..2_900_000) {
        // Counted by the simplest rules of the calendar, year by year.
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let (mut year, mut left) = (1970, day);
        while left >= 365 + i64::from(leap(year)) {
            left -= 365 + i64::from(leap(year));
            year += 1;
        }
        let months = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 0;
        while left >= months[month] {
            left -= months[month];
            month += 1;
        }
        let text = format!("{year}-{}-{} 0:0:0", month + 1, left + 1);
        let time = SnapshotTime::parse(&text);
        prop_assert_eq!(time.map(|time| time.seconds(0)), Some(day * 86_400), "{}", text);
    }

    #[test]
    fn no_text_makes_a_time_panic(text in "\\PC{0,30}") {
        let _ = SnapshotTime::parse(&text);
    }

    #[test]
    fn a_time_is_read_as_it_is_shown(
        year in 1970_u16..=9999, month in 1_u8..=12, day in 1_u8..=28,
        hour in 0_u8..24, minute in 0_u8..60, second in 0_u8..60,
    ) {
        let text = format!("{year}-{month}-{day} {hour}:{minute}:{second}");
        let time = SnapshotTime::parse(&text);
        prop_assert!(time.is_some());
        prop_assert_eq!(time.and_then(|time| SnapshotTime::parse(&time.to_string())), time);
    }
}
