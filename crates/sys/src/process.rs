//! What `/proc` says about processes.

use crate::Root;
use std::io;

/// One line of `/proc/PID/stat`, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) group: u32,
}

impl Stat {
    /// Parses the text of `/proc/PID/stat`. The name may contain anything,
    /// blanks and parentheses too, so it ends at the last `)`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once('(')?;
        let (name, rest) = rest.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        Some(Self {
            name: name.to_owned(),
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
        })
    }
}

impl Stat {
    /// A process that waits to be collected, or is being removed.
    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// `None` when the process is gone.
pub(crate) fn stat(root: &Root, pid: u32) -> io::Result<Option<Stat>> {
    let text = root.read(format!("proc/{pid}/stat"))?;
    Ok(text.as_deref().and_then(Stat::parse))
}

/// The numbers of all processes.
pub(crate) fn pids(root: &Root) -> io::Result<Vec<u32>> {
    let names = root.list("proc")?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The number of a process of this name (at most 15 bytes, as the kernel keeps
/// it), the lowest one; `None` when there is none. Reads `proc/*/stat`.
///
/// # Errors
///
/// When `/proc` cannot be read.
///
/// # Example
///
/// ```
/// use jdss_sys::{Root, find_process};
///
/// assert_eq!(find_process(&Root::host(), "no such process")?, None);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn find_process(root: &Root, name: &str) -> io::Result<Option<u32>> {
    let mut pids = pids(root)?;
    pids.sort_unstable();
    for pid in pids {
        let stat = stat(root, pid)?;
        if stat.is_some_and(|stat| stat.name == name && !stat.has_ended()) {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

/// Whether a process of this group is left that has not ended yet.
pub(crate) fn group_lives(group: u32) -> bool {
    let root = Root::host();
    pids(&root).unwrap_or_default().into_iter().any(|pid| {
        let stat = stat(&root, pid).ok().flatten();
        stat.is_some_and(|stat| stat.group == group && !stat.has_ended())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_may_look_like_the_fields_after_it() {
        let stat = Stat::parse("42 (a) S 1 (b) R 7 8 9 10\n").unwrap();
        assert_eq!((stat.name.as_str(), stat.state), ("a) S 1 (b", 'R'));
        assert_eq!((stat.parent, stat.group), (7, 8));
    }

    #[test]
    fn a_process_is_found_by_its_whole_name() {
        let root = Root::host();
        let ours = stat(&root, std::process::id()).unwrap().unwrap();
        assert!(find_process(&root, &ours.name).unwrap().is_some());
        let part = &ours.name[..ours.name.len() - 1];
        assert_eq!(find_process(&root, part).unwrap(), None);
    }

    #[test]
    fn a_process_that_waits_to_be_collected_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        for (pid, state) in [("7", "Z"), ("10", "S"), ("9", "S")] {
            let dir = dir.path().join("proc").join(pid);
            std::fs::create_dir_all(&dir).unwrap();
            let file = dir.join("stat");
            std::fs::File::create(&file).unwrap();
            let stat = format!("{pid} (iscsid) {state} 1 {pid} {pid} 0");
            crate::Effects::write(&crate::System, &file, &stat).unwrap();
        }
        assert_eq!(find_process(&root, "iscsid").unwrap(), Some(9));
    }

    #[test]
    fn our_own_group_lives() {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        assert!(group_lives(u32::try_from(group).unwrap()));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = Stat::parse(&text);
        }
    }
}
