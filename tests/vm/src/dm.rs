//! The state of a multipath map's paths, as `dmsetup` tells it.

use crate::{Command, Error};

/// One path of a multipath map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// `major:minor`.
    pub number: String,
    /// Whether the kernel uses it (`A`) or holds it for failed (`F`).
    pub active: bool,
}

/// The paths of the multipath map `name`.
///
/// # Errors
///
/// Those of [`Command::ok`]; [`Error::Text`] when it is not a multipath map.
pub fn paths(name: &str) -> Result<Vec<Path>, Error> {
    parse(&Command::words("dmsetup status").arg(name).ok()?)
}

/// How many paths of the multipath map `name` are active.
///
/// # Errors
///
/// As [`paths`].
pub fn active(name: &str) -> Result<usize, Error> {
    Ok(paths(name)?.iter().filter(|p| p.active).count())
}

/// `start length multipath NF F.. NH H.. NG nextg [state NI I.. NP NA [device state fails A..]..]..`, where the `N`s count
/// the words that follow; NG groups, in each NP paths with NA words of the path selector.
fn parse(status: &str) -> Result<Vec<Path>, Error> {
    let error = || Error::Text {
        what: "the status of a multipath map",
        text: status.trim_end().to_owned(),
    };
    let mut words = status.split_ascii_whitespace();
    let mut paths = Vec::new();
    if words.nth(2) != Some("multipath") {
        return Err(error());
    }
    let mut read = || -> Option<()> {
        let count =
            |words: &mut std::str::SplitAsciiWhitespace<'_>| words.next()?.parse::<usize>().ok();
        let skip = |words: &mut std::str::SplitAsciiWhitespace<'_>, n: usize| {
            (n == 0)
                .then_some(())
                .or_else(|| words.nth(n - 1).map(drop))
        };
        for _ in 0..2 {
            let n = count(&mut words)?;
            skip(&mut words, n)?;
        }
        let groups = count(&mut words)?;
        words.next()?;
        for _ in 0..groups {
            words.next()?;
            let n = count(&mut words)?;
            skip(&mut words, n)?;
            let (members, arguments) = (count(&mut words)?, count(&mut words)?);
            for _ in 0..members {
                let number = words.next()?.to_owned();
                let active = match words.next()? {
                    "A" => true,
                    "F" => false,
                    _ => return None,
                };
                words.next()?;
                skip(&mut words, arguments)?;
                paths.push(Path { number, active });
            }
        }
        words.next().is_none().then_some(())
    };
    read().ok_or_else(error)?;
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_group_are_found_with_their_states() {
        let status = "0 131072 multipath 2 0 0 0 1 1 A 0 2 1 8:0 A 0 100 8:16 F 1 100 \n";
        let want = [("8:0", true), ("8:16", false)].map(|(n, active)| Path {
            number: n.to_owned(),
            active,
        });
        assert_eq!(parse(status).unwrap(), want);
    }

    #[test]
    fn a_map_that_has_lost_all_paths_has_none() {
        assert_eq!(parse("0 262144 multipath 2 1 0 0 0 0").unwrap(), []);
    }

    #[test]
    fn a_status_of_another_kind_is_refused() {
        for status in [
            "",
            "0 131072 linear 8:0 0",
            "0 131072 multipath 2 0 0 0 1 1 A 0 2 1 8:0 A 0 100",
        ] {
            assert!(matches!(parse(status), Err(Error::Text { .. })), "{status}");
        }
    }
}
