//! The processes of the guest.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Error, sysfs};

/// A process of user space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    /// Command line, or the bare name when it has none.
    pub(crate) command: String,
}

const KERNEL: u32 = 2;

/// All processes of user space that have not ended.
pub(crate) fn all() -> Result<BTreeMap<u32, Process>, Error> {
    let mut processes = BTreeMap::new();
    for pid in sysfs::names("/proc")?
        .iter()
        .filter_map(|n| n.parse::<u32>().ok())
    {
        let read = |file: &str| sysfs::text(format!("/proc/{pid}/{file}")).ok().flatten();
        let (Some(stat), Some(words)) = (read("stat"), read("cmdline")) else {
            continue;
        };
        let Some((name, state, parent)) = fields(&stat) else {
            continue;
        };
        if pid == KERNEL || parent == KERNEL || state == 'Z' {
            continue;
        }
        let words = words.trim_end_matches('\0').replace('\0', " ");
        let command = if words.is_empty() {
            name.to_owned()
        } else {
            words
        };
        processes.insert(
            pid,
            Process {
                pid,
                parent,
                command,
            },
        );
    }
    Ok(processes)
}

/// Those that are neither in `known` nor below one of `roots`, nor below udevd.
pub(crate) fn strangers(known: &BTreeSet<u32>, roots: &[u32]) -> Result<Vec<Process>, Error> {
    let all = all()?;
    let ours = |mut pid: u32| loop {
        let Some(process) = all.get(&pid) else {
            return false;
        };
        if roots.contains(&pid) || process.command.contains("systemd-udevd") {
            return true;
        }
        pid = process.parent;
    };
    Ok(all
        .values()
        .filter(|p| !known.contains(&p.pid) && !ours(p.pid))
        .cloned()
        .collect())
}

/// Name, state and parent in `/proc/PID/stat`. The name may hold blanks and parentheses.
fn fields(stat: &str) -> Option<(&str, char, u32)> {
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace();
    Some((
        name,
        words.next()?.chars().next()?,
        words.next()?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_read_whole() {
        assert_eq!(
            fields("123 ((sd) pam) S 45 123 123 0"),
            Some(("(sd) pam", 'S', 45))
        );
    }

    #[test]
    fn this_test_is_a_stranger_unless_it_is_known() {
        let me = std::process::id();
        let found = |known: &BTreeSet<u32>, roots: &[u32]| {
            strangers(known, roots).unwrap().iter().any(|p| p.pid == me)
        };
        assert!(found(&BTreeSet::new(), &[]));
        assert!(!found(&BTreeSet::from([me]), &[]));
        assert!(!found(&BTreeSet::new(), &[me]));
    }
}
