//! No text makes the reader panic.

use proptest::prelude::*;

use super::*;

/// Lines that are nearly right.
fn line() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(property::PROPERTIES).prop_map(|(name, _)| name.to_owned());
    let value = "[0-9a-zA-Z:.,+/%_-]{0,12}|\\PC{0,12}";
    prop_oneof![
        8 => (name, value).prop_map(|(name, value)| format!("\t{name} {value}")),
        2 => "[a-z]{0,12}(:| |: )[a-z.-]{0,5}",
        1 => "joviandss(:|: |)[a-z ]{0,5}",
        1 => "[ \t#\r]{0,3}",
        1 => "\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,200}", lines in proptest::collection::vec(line(), 0..12)) {
        for text in [text, lines.join("\n")] {
            let config = config(&text);
            for error in config.problems() {
                prop_assert!(!error.to_string().is_empty());
            }
            for id in config.ids() {
                let _ = config.storage(id);
            }
        }
    }

    #[test]
    fn no_changed_character_panics(at in 0..FULL.len(), to in ".") {
        let mut text = FULL.to_owned();
        text.replace_range(at..=at, &to);
        let config = config(&text);
        prop_assert!(config.ids().count() <= 1);
        let _ = config.storage("jdss-Pool-0");
    }

    #[test]
    fn a_nearest_name_is_found_for_one_wrong_character(
        (name, _) in proptest::sample::select(property::PROPERTIES),
        at in 0..100_usize,
        to in "[a-z_]?",
    ) {
        let mut text = name.to_owned();
        let at = at % text.len();
        text.replace_range(at..=at, &to);
        prop_assert!(property::nearest(&text).is_some() || name.len() < 4, "{}", text);
    }
}
