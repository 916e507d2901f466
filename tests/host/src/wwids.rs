//! `/etc/multipath/wwids` and the `multipath` program, of which -a and -w are known.

use crate::state::State;
use crate::{Ran, Release};

pub(crate) const HEADER: &str = "# Multipath wwids, Version : 1.0
# NOTE: This file is automatically maintained by multipath and multipathd.
# You should not need to edit this file in normal circumstances.
#
# Valid WWIDs:
";

impl State {
    pub(crate) fn enrolled(&self, wwid: &str) -> bool {
        self.active_wwids().any(|line| line == wwid)
    }

    pub(crate) fn active_wwids(&self) -> impl Iterator<Item = &str> {
        let lines = self.wwids.lines();
        lines.filter_map(|line| line.strip_prefix('/')?.strip_suffix('/'))
    }

    pub(crate) fn enrol(&mut self, wwid: &str) {
        if self.wwids.is_empty() {
            HEADER.clone_into(&mut self.wwids);
        }
        if !self.enrolled(wwid) {
            self.wwids += &format!("/{wwid}/\n");
        }
    }

    /// `multipath ARGS`.
    ///
    /// # Panics
    ///
    /// For anything but `-a WWID` and `-w WWID`.
    pub(crate) fn multipath(&mut self, args: &[&str]) -> Ran {
        match args {
            ["-a", wwid] if !wwid.starts_with(['-', '/']) => {
                if self.blacklist.contains(*wwid) {
                    return Ran::new(1, "", "");
                }
                self.enrol(wwid);
                Ran::new(0, &format!("wwid '{wwid}' added\n"), "")
            }
            ["-w", wwid] if !wwid.starts_with(['-', '/']) => {
                if !self.enrolled(wwid) {
                    return Ran::new(0, &format!("wwid '{wwid}' not in wwids file\n"), "");
                }
                // The real one overwrites the leading slash in place.
                let line = format!("/{wwid}/\n");
                self.wwids = self.wwids.replacen(&line, &format!("#{wwid}/\n"), 1);
                Ran::new(0, &format!("wwid '{wwid}' removed\n"), "")
            }
            other => crate::unknown("multipath", other),
        }
    }

    /// The reply of a refusing daemon: the reason is told from 0.9.8 on.
    pub(crate) fn fail(&self, reason: &str) -> String {
        match self.release {
            Release::Trixie if !reason.is_empty() => format!("fail\n{reason}\n"),
            _ => "fail\n".to_owned(),
        }
    }
}
