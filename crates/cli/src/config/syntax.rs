//! The syntax of Proxmox VE's section files, without the meaning of any property.
//!
//! `TYPE: ID` begins a section, indented lines are its properties, an empty line ends it. A line
//! whose first character besides blanks is `#` is a comment, everywhere. What Proxmox VE would
//! ignore with a warning is an error here as far as it concerns a section of ours, and is ignored
//! elsewhere: other types are none of our business.

use std::path::Path;

use super::error::{ConfigError, Place, shorten};

/// Our sections' type. Proxmox VE compares types in lower case.
const TYPE: &str = "joviandss";

/// What a file has.
pub(super) struct File<'t> {
    pub(super) sections: Vec<Section<'t>>,
    /// Lines that look like the head of a section of ours but are none.
    pub(super) strays: Vec<ConfigError>,
}

/// One section.
pub(super) struct Section<'t> {
    kind: &'t str,
    pub(super) id: &'t str,
    pub(super) line: usize,
    pub(super) properties: Vec<Property<'t>>,
    /// The first thing that is wrong with its lines.
    pub(super) problem: Option<ConfigError>,
}

/// One property. `value` is `None` when the name stands alone.
pub(super) struct Property<'t> {
    pub(super) line: usize,
    pub(super) name: &'t str,
    pub(super) value: Option<&'t str>,
}

impl Section<'_> {
    /// Whether it is of the type that this project is about.
    pub(super) fn is_ours(&self) -> bool {
        self.kind.eq_ignore_ascii_case(TYPE)
    }
}

/// Splits the text into sections. `path` is for the errors alone.
pub(super) fn parse<'t>(path: &Path, text: &'t str) -> File<'t> {
    let mut file = File {
        sections: Vec::new(),
        strays: Vec::new(),
    };
    // Whether the last section still takes properties.
    let mut open = false;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, line) in text.split('\n').enumerate() {
        let number = at + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        let content = line.trim_matches(blank);
        if line.is_empty() {
            open = false;
        } else if content.is_empty() || content.starts_with('#') {
            // Proxmox VE does not take a line of blanks as an end, so neither do we.
        } else if let (true, Some(section)) = (open, file.sections.last_mut()) {
            if line.starts_with(blank) {
                section.properties.push(property(number, content));
            } else if section.is_ours() {
                section.complain(path, number, content);
            } else if head(line).is_some_and(|(kind, _)| kind.eq_ignore_ascii_case(TYPE)) {
                // Without the empty line before it Proxmox VE does not see it either.
                file.strays.push(bad_head(path, number, content));
            }
        } else if let Some((kind, id)) = head(line) {
            open = true;
            let mut section = Section {
                kind,
                id,
                line: number,
                properties: Vec::new(),
                problem: None,
            };
            if section.is_ours() && !is_storage_id(id) {
                section.problem = Some(bad_head(path, number, content));
            }
            file.sections.push(section);
        } else if !line.starts_with(blank) && is_like_ours(content) {
            file.strays.push(bad_head(path, number, content));
        } else if let Some(section) = file.sections.last_mut().filter(|last| last.is_ours()) {
            section.complain(path, number, content);
        }
    }
    file
}

impl Section<'_> {
    fn complain(&mut self, path: &Path, line: usize, content: &str) {
        self.problem
            .get_or_insert_with(|| ConfigError::NotAProperty {
                at: Place::new(path, line),
                section: self.id.to_owned(),
                found: without_secret(content),
            });
    }
}

/// `TYPE: ID`, both without blanks inside.
fn head(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end_matches(blank);
    if line.starts_with(blank) {
        return None;
    }
    let (kind, id) = line.split_once(':')?;
    let id = id.trim_start_matches(blank);
    let fine = !kind.is_empty() && !kind.contains(blank) && !id.is_empty() && !id.contains(blank);
    fine.then_some((kind, id))
}

fn property(line: usize, content: &str) -> Property<'_> {
    match content.split_once(blank) {
        Some((name, value)) => Property {
            line,
            name,
            value: Some(value.trim_start_matches(blank)),
        },
        None => Property {
            line,
            name: content,
            value: None,
        },
    }
}

/// Blanks as Proxmox VE's patterns have them.
fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\x0b' | '\x0c')
}

/// What Proxmox VE allows as the id of a storage.
pub(super) fn is_storage_id(id: &str) -> bool {
    let bytes = id.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() >= 2
        && bytes[0].is_ascii_alphabetic()
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// Whether the line's first word is our type, as far as it goes.
fn is_like_ours(content: &str) -> bool {
    let word = content
        .split(|c: char| c == ':' || blank(c))
        .next()
        .unwrap_or_default();
    word.eq_ignore_ascii_case(TYPE)
}

fn bad_head(path: &Path, line: usize, content: &str) -> ConfigError {
    ConfigError::BadHead {
        at: Place::new(path, line),
        found: without_secret(content),
    }
}

/// The line, unless it may have a password in it.
fn without_secret(content: &str) -> String {
    if content.to_ascii_lowercase().contains("password") {
        return "a line with `password` in it".to_owned();
    }
    shorten(content)
}
