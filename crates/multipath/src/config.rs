//! multipathd's configuration, as it has it in use.

use crate::error::{Error, Result};
use crate::{Multipath, Reply};
use std::str::FromStr;
use std::time::Instant;

/// The configuration that multipathd has in use: built-in values, multipath.conf
/// and the files in `conf.d`, merged. For checks; this crate does not change it.
///
/// # Example
///
/// ```
/// use jdss_multipath::Config;
///
/// let text = "defaults {\n\tfind_multipaths \"strict\"\n}\nblacklist {\n\twwid \".*\"\n}\n";
/// let config: Config = text.parse()?;
/// let find = config.section("defaults").and_then(|section| section.get("find_multipaths"));
/// assert_eq!(find, Some("strict"));
/// let blacklist = config.section("blacklist").unwrap();
/// assert!(blacklist.all("wwid").any(|pattern| pattern == ".*"), "it hides every volume");
/// # Ok::<(), jdss_multipath::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    top: Section,
}

/// A section such as `defaults`, or a part of one such as `device`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Names and values, in order and without quotes; `wwid` and the like may repeat.
    pub settings: Vec<(String, String)>,
    /// Its parts, in order.
    pub sections: Vec<Section>,
}

impl Config {
    /// The section of this name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.top
            .sections
            .iter()
            .find(|section| section.name == name)
    }
}

impl Section {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            settings: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// The value of a setting; of the last one if it repeats.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// All values of a setting.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let settings = self.settings.iter();
        settings
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl FromStr for Config {
    type Err = Error;

    /// Reads what `multipathd show config local` prints.
    ///
    /// # Errors
    ///
    /// [`Error::ConfigLine`]: a line of another shape, with its number.
    fn from_str(text: &str) -> Result<Self> {
        let mut top = Section::new("");
        for (at, line) in text.lines().enumerate() {
            read(&mut top, line).ok_or_else(|| Error::ConfigLine {
                number: at + 1,
                line: line.chars().take(120).collect(),
            })?;
        }
        Ok(Self { top })
    }
}

/// One line. Its depth is that of its tabs: 0.9.4 and 0.11.1 alike leave out
/// the closing brace of a device in a blacklist that has no product.
fn read(top: &mut Section, line: &str) -> Option<()> {
    let text = line.trim_start_matches('\t');
    let depth = line.len() - text.len();
    let text = text.trim_end();
    if text.is_empty() || text == "}" {
        return Some(());
    }
    let mut section = top;
    for _ in 0..depth {
        section = section.sections.last_mut()?;
    }
    if let Some(name) = text.strip_suffix(" {") {
        section.sections.push(Section::new(name));
        return Some(());
    }
    if depth == 0 {
        return None;
    }
    let (name, value) = text.split_once(' ')?;
    let unquoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    let value = unquoted.unwrap_or(value).to_owned();
    section.settings.push((name.to_owned(), value));
    Some(())
}

impl Multipath {
    /// The configuration that multipathd has in use (`show config local`).
    /// Blocks for at most 10 s.
    ///
    /// # Errors
    ///
    /// * [`Error::DaemonDown`]: start multipathd.
    /// * [`Error::DaemonSilent`], [`Error::Daemon`]: it does not answer.
    /// * [`Error::Refused`]: it is busy.
    /// * [`Error::ConfigLine`]: it answered with something unexpected.
    /// * [`Error::DeadlinePassed`]: nothing was asked.
    pub fn config(&self, deadline: Instant) -> Result<Config> {
        let request = "show config local";
        let text = self.ask_by(request, deadline)?;
        let Ok(reply) = text.parse();
        match reply {
            Reply::Unknown(_) => text.parse(),
            reply => Err(Error::Refused {
                request: request.to_owned(),
                reply,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OLD: &str = include_str!("../tests/fixtures/show-config-local-0.9.4.txt");
    const NEW: &str = include_str!("../tests/fixtures/show-config-local-0.11.1.txt");

    fn config(text: &str) -> Config {
        text.parse().expect("a configuration")
    }

    #[test]
    fn settings_of_both_releases_are_read() {
        for text in [OLD, NEW] {
            let config = config(text);
            let defaults = config.section("defaults").unwrap();
            assert_eq!(defaults.get("find_multipaths"), Some("strict"));
            assert_eq!(defaults.get("fast_io_fail_tmo"), Some("5"));
            assert_eq!(defaults.get("prio_args"), Some(""));
            assert_eq!(defaults.get("nonsense"), None);
            let device = &config.section("devices").unwrap().sections[0];
            assert_eq!(device.get("vendor"), Some("^SCST_"));
            assert_eq!(device.get("no_path_retry"), Some("queue"));
            assert_eq!(device.get("path_selector"), Some("round-robin 0"));
            let names: Vec<_> = config
                .top
                .sections
                .iter()
                .map(|s| s.name.as_str())
                .collect();
            assert_eq!(
                names[..4],
                ["defaults", "blacklist", "blacklist_exceptions", "devices"]
            );
        }
    }

    #[test]
    fn a_device_without_its_closing_brace_does_not_swallow_the_next() {
        let config = config(OLD);
        let blacklist = config.section("blacklist").unwrap();
        assert_eq!(blacklist.sections.len(), 15);
        assert_eq!(
            blacklist.sections[0].settings,
            [("vendor".to_owned(), ".*".to_owned())]
        );
        assert_eq!(
            blacklist.sections[1].get("product"),
            Some("Universal Xport")
        );
        assert!(
            blacklist
                .all("devnode")
                .all(|pattern| pattern.starts_with("!^(sd"))
        );
    }

    #[test]
    fn a_line_of_another_shape_is_named() {
        for (text, number) in [
            ("fail\n", 1),
            ("defaults {\n\tone\n}\n", 2),
            ("defaults {\n\t\tdeep \"1\"\n}\n", 2),
            ("key value\n", 1),
        ] {
            match text.parse::<Config>() {
                Err(Error::ConfigLine { number: found, .. }) => {
                    assert_eq!(found, number, "{text:?}")
                }
                other => panic!("{text:?} gave {other:?}"),
            }
        }
        assert_eq!(config("").section("defaults"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\t\n {}\"a]{0,60}") {
            let _ = text.parse::<Config>();
        }
    }
}
