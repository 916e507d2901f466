//! Any name is one safe file name, and no two names are the same one.

use jdss_state::{Key, Timestamp};
use proptest::prelude::*;

/// Names with many of the characters that matter.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_.%@~/ -]{1,12}",
        "\\PC{1,40}",
        "(?s).{1,20}",
        "[.%@]{1,4}",
        "[a-z%/]{200,400}",
    ]
}

fn key() -> impl Strategy<Value = Key> {
    (name(), name(), proptest::option::of(name())).prop_map(|(storage, volume, snapshot)| {
        Key::new(&storage, &volume, snapshot.as_deref()).expect("not empty, not too long")
    })
}

fn file(key: &Key) -> (String, String) {
    (key.directory(), key.name())
}

proptest! {
    #[test]
    fn a_file_name_is_safe(key in key()) {
        prop_assert!(key.directory().len() <= 255);
        prop_assert!(key.name().len() <= Key::NAME_MAX);
        for (text, extra) in [(key.directory(), "~"), (key.name(), "~@")] {
            prop_assert!(!text.is_empty() && !text.starts_with(['.', '-']), "{text}");
            let safe = |c: char| c.is_ascii_alphanumeric() || "_-.%".contains(c) || extra.contains(c);
            prop_assert!(text.chars().all(safe), "{text}");
        }
    }

    #[test]
    fn a_file_name_reads_back(key in key()) {
        let (directory, name) = file(&key);
        match Key::from_encoded(&directory, &name) {
            Some(found) => prop_assert_eq!(found, key),
            None => prop_assert!(directory.contains('~') || name.contains('~')),
        }
    }

    #[test]
    fn distinct_names_have_distinct_files(a in key(), b in key()) {
        prop_assert_eq!(a == b, file(&a) == file(&b));
    }

    #[test]
    fn reading_any_text_never_panics_and_has_one_spelling(directory in ".{0,20}", name in "[a-c%@~.F0-9-]{0,12}|.{0,20}") {
        if let Some(key) = Key::from_encoded(&directory, &name) {
            prop_assert_eq!(file(&key), (directory, name));
        }
    }

    #[test]
    fn a_time_reads_back(seconds in 0..=253_402_300_799_u64) {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let time = Timestamp::from(time);
        prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
    }

    #[test]
    fn reading_any_time_never_panics(text in "[0-9TZ:.+-]{0,30}|.{0,30}") {
        let _ = text.parse::<Timestamp>();
    }
}

#[test]
fn names_that_differ_in_case_or_separator_alone_stay_apart() {
    let keys = [
        ("vm-1", None),
        ("VM-1", None),
        ("vm-1@a", None),
        ("vm-1", Some("a")),
        ("vm-1", Some("A")),
        ("vm-1%40a", None),
        ("vm", Some("1@a")),
        ("vm@1", Some("a")),
    ];
    let names = keys.map(|(volume, snapshot)| Key::new("s", volume, snapshot).unwrap().name());
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[test]
fn long_names_that_differ_at_the_end_stay_apart() {
    let name = |last: &str| {
        Key::new("s", &("x".repeat(300) + last), None)
            .unwrap()
            .name()
    };
    assert_eq!(name("a").len(), Key::NAME_MAX);
    assert_ne!(name("a"), name("b"));
    // Kept for ever: records on disk have it.
    assert!(
        name("").ends_with("xxx~0d4e2ca9e9cbced7a7a5380eb29e1a3783b9b6d0db72de36a1051038e1c1fbc7"),
        "{}",
        name("")
    );
}

#[test]
fn empty_and_endless_names_are_refused() {
    Key::new("", "v", None).unwrap_err();
    Key::new("s", "", None).unwrap_err();
    Key::new("s", "v", Some("")).unwrap_err();
    let long = "x".repeat(Key::MAX_LEN);
    Key::new(&long, &long, Some(&long)).unwrap();
    let error = Key::new("s", &(long + "x"), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the volume name has 1025 bytes, the limit is 1024"
    );
}

#[test]
fn times_are_utc_with_seconds() {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_767_225_599_999);
    assert_eq!(Timestamp::from(time).to_string(), "2025-12-31T23:59:59Z");
    let before = std::time::UNIX_EPOCH - std::time::Duration::from_secs(1);
    assert_eq!(Timestamp::from(before).to_string(), "1970-01-01T00:00:00Z");
    assert!("2025-12-31T23:59:59+01:00".parse::<Timestamp>().is_err());
    assert!("2025-02-29T00:00:00Z".parse::<Timestamp>().is_err());
}
