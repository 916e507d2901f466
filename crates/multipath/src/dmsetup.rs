//! What `dmsetup status` and `dmsetup info` print. No I/O.

/// What the kernel says about a multipath map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) paths: Vec<Path>,
}

/// A path, by its device number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// `8:16`.
    pub(crate) number: String,
    pub(crate) active: bool,
    /// How often it has failed since the map was loaded.
    pub(crate) failures: u64,
    /// The path group, from 1.
    pub(crate) group: u32,
}

/// Reads the one line of a multipath map; `None` for any other text.
///
/// `START LENGTH multipath N_FEATURES [feature...] N_HANDLER [arg...] N_GROUPS
/// CURRENT`, then a group each: `STATE N_SELECTOR [arg...] N_PATHS N_ARGS`,
/// then a path each: `MAJOR:MINOR A|F FAILURES [arg...]`. How many arguments
/// follow a path depends on the path selector. `NAME: ` may stand in front.
pub(crate) fn status(text: &str) -> Option<Status> {
    let mut words = Words(text.trim());
    if words.0.lines().count() != 1 {
        return None;
    }
    let first = words.next()?;
    let start = if first.ends_with(':') {
        words.next()?
    } else {
        first
    };
    start.parse::<u64>().ok()?;
    words.number()?;
    (words.next()? == "multipath").then_some(())?;
    words.skip_counted()?;
    words.skip_counted()?;
    let groups = words.number()?;
    words.number()?;
    let mut paths = Vec::new();
    for group in 1..=groups {
        matches!(words.next()?, "A" | "D" | "E").then_some(())?;
        words.skip_counted()?;
        let in_group = words.number()?;
        let arguments = words.number()?;
        for _ in 0..in_group {
            let number = words.next()?;
            let (major, minor) = number.split_once(':')?;
            major.parse::<u32>().ok()?;
            minor.parse::<u32>().ok()?;
            let active = match words.next()? {
                "A" => true,
                "F" => false,
                _ => return None,
            };
            paths.push(Path {
                number: number.to_owned(),
                active,
                failures: words.number()?,
                group: u32::try_from(group).ok()?,
            });
            words.skip(arguments)?;
        }
    }
    words.next().is_none().then_some(Status { paths })
}

/// Reads what `dmsetup info -c --noheadings -o open` prints: one number.
pub(crate) fn open_count(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    fn number(&mut self) -> Option<u64> {
        self.next()?.parse().ok()
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        for _ in 0..count {
            self.next()?;
        }
        Some(())
    }

    /// A number and that many words.
    fn skip_counted(&mut self) -> Option<()> {
        let count = self.number()?;
        self.skip(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn states(text: &str) -> Vec<(String, bool, u64, u32)> {
        let paths = status(text).expect("a status line").paths;
        let tuple = |p: Path| (p.number, p.active, p.failures, p.group);
        paths.into_iter().map(tuple).collect()
    }

    fn path(number: &str, active: bool, failures: u64, group: u32) -> (String, bool, u64, u32) {
        (number.to_owned(), active, failures, group)
    }

    #[test]
    fn states_of_real_maps_are_read() {
        let fresh = include_str!("../tests/fixtures/dmsetup-status-6.12-fresh.txt");
        let both = [path("8:0", true, 0, 1), path("8:16", true, 0, 1)];
        assert_eq!(states(fresh), both);
        let named = include_str!("../tests/fixtures/dmsetup-status-6.1-with-name.txt");
        assert_eq!(states(named), both);
        let cut = include_str!("../tests/fixtures/dmsetup-status-6.12-one-path-cut.txt");
        assert_eq!(
            states(cut),
            [path("8:0", true, 0, 1), path("8:16", false, 1, 1)]
        );
        let empty = include_str!("../tests/fixtures/dmsetup-status-6.1-no-paths-left.txt");
        assert_eq!(states(empty), []);
        let dead = include_str!("../tests/fixtures/dmsetup-status-all-paths-cut.txt");
        assert_eq!(
            states(dead),
            [path("8:0", false, 2, 1), path("8:16", false, 2, 1)]
        );
    }

    #[test]
    fn groups_handlers_and_selector_arguments_are_passed_over() {
        let text = "0 131072 multipath 2 0 0 1 alua 2 1 A 0 1 2 8:0 A 0 0 1 E 0 1 2 8:16 F 3 7 1";
        assert_eq!(
            states(text),
            [path("8:0", true, 0, 1), path("8:16", false, 3, 2)]
        );
        assert_eq!(states("0 131072 multipath 2 0 1 0 0 0"), []);
    }

    #[test]
    fn another_target_more_lines_or_a_cut_line_is_no_status() {
        let whole = "0 131072 multipath 2 0 0 0 1 1 A 0 2 0 8:0 A 0 8:16 A 0";
        assert!(status(whole).is_some());
        for (at, _) in whole.match_indices(' ') {
            assert_eq!(status(&whole[..at]), None, "cut at {at}");
        }
        assert_eq!(status(&format!("{whole}\n{whole}")), None);
        assert_eq!(status(&whole.replacen(" A", "\nA", 1)), None);
        assert_eq!(status(&whole.replace("multipath", "linear")), None);
        assert_eq!(status(&format!("{whole} 1")), None);
        assert_eq!(status("0 131072 error"), None);
        assert_eq!(status("Device does not exist."), None);
        assert_eq!(status(""), None);
    }

    #[test]
    fn a_count_that_no_line_can_hold_ends_at_the_end_of_the_line() {
        assert_eq!(status("0 1 multipath 18446744073709551615 0"), None);
        assert_eq!(
            status("0 1 multipath 0 0 18446744073709551615 1 A 0 0 0"),
            None
        );
    }

    #[test]
    fn the_open_count_is_one_number() {
        assert_eq!(open_count("0\n"), Some(0));
        assert_eq!(open_count(" 12 \n"), Some(12));
        assert_eq!(open_count(""), None);
        assert_eq!(open_count("0\n1\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (status(&text), open_count(&text));
        }

        #[test]
        fn no_line_of_the_right_words_panics(
            words in prop::collection::vec("[0-9]{1,2}|A|F|E|8:0|multipath", 0..30)
        ) {
            let _ = status(&format!("0 1 multipath {}", words.join(" ")));
        }
    }
}
