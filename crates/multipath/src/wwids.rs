//! `/etc/multipath/wwids`: the volumes that multipathd may make maps of.

/// The file, below the root. Before 0.9.7 `wwids_file` in multipath.conf could move it.
pub(crate) const FILE: &str = "etc/multipath/wwids";

/// Whether `wwid` has an active entry in the text of a wwids file.
///
/// An entry is a line `/WWID/`, both slashes included. One that was removed
/// has `#` in place of the first.
pub(crate) fn contains(text: &str, wwid: &str) -> bool {
    text.lines().any(|line| entry(line) == Some(wwid))
}

fn entry(line: &str) -> Option<&str> {
    let (wwid, _) = line.strip_prefix('/')?.split_once('/')?;
    Some(wwid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADDED: &str = include_str!("../tests/fixtures/wwids-0.9.4-added.txt");
    const REMOVED: &str = include_str!("../tests/fixtures/wwids-0.9.4-removed.txt");
    const WWID: &str = "360000000000000000e00000000010001";

    #[test]
    fn an_entry_counts_until_it_is_removed() {
        assert!(contains(ADDED, WWID));
        assert!(!contains(REMOVED, WWID));
        assert!(contains(&format!("{REMOVED}/{WWID}/\n"), WWID));
    }

    #[test]
    fn neither_a_part_nor_a_comment_is_an_entry() {
        assert!(!contains(ADDED, &WWID[..WWID.len() - 1]));
        assert!(!contains(ADDED, "Multipath"));
        assert!(!contains(ADDED, ""));
        assert!(!contains(&format!(" /{WWID}/"), WWID));
        assert!(!contains(&format!("# /{WWID}/"), WWID));
        assert!(!contains(&format!("#/{WWID}/"), WWID));
        assert!(!contains(&format!("/{WWID}\n"), WWID), "it was cut short");
        assert!(contains(&format!("/{WWID}/ and more\n"), WWID));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[/#a\n ]{0,40}") {
            let _ = contains(&text, "a");
        }
    }
}
