//! The pretend host's `iscsiadm`: node records are files, sessions are sysfs.

use crate::host::{Host, portal};
use jdss_iscsi::Portal;
use jdss_sys::Output;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

impl Host {
    /// Files of the records that match, and their portals.
    fn records(&self, target: &str, at: Option<Portal>) -> Vec<(PathBuf, Portal)> {
        let dir = self.path(&format!("{}/{target}", self.state().nodes));
        let Ok(entries) = fs::read_dir(dir) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.expect("an entry");
            let Some(portal) = portal_of(&entry.file_name().to_string_lossy()) else {
                continue;
            };
            let mut files = vec![entry.path()];
            if entry.path().is_dir() {
                let inside = fs::read_dir(entry.path()).expect("a directory");
                files = inside.map(|file| file.expect("an entry").path()).collect();
            }
            for file in files {
                let whole = fs::metadata(&file).is_ok_and(|meta| meta.len() > 0);
                if whole && at.is_none_or(|at| at == portal) {
                    found.push((file, portal));
                }
            }
        }
        found.sort();
        found
    }

    fn new_record(&self, target: &str, at: Portal) -> Output {
        let entry = format!("{},{}", at.address(), at.port());
        let nodes = self.state().nodes;
        self.file(
            &format!("{nodes}/{target}/{entry}"),
            "node.startup = automatic\n",
        );
        exit(0, "")
    }

    fn update(&self, target: &str, at: Option<Portal>, settings: &[&str]) -> Output {
        let records = self.records(target, at);
        if records.is_empty() {
            return exit(21, "iscsiadm: No records found\n");
        }
        let text: String = settings
            .chunks(4)
            .map(|four| match four {
                ["-n", name, "-v", value] => format!("{name} = {value}\n"),
                other => panic!("the pretend host does not know {other:?}"),
            })
            .collect();
        for (file, _) in records {
            let mut file = fs::File::create(file).expect("a record");
            file.write_all(text.as_bytes()).expect("its text");
        }
        exit(0, "")
    }

    fn log_in(&self, target: &str, at: Option<Portal>) -> Output {
        let records = self.records(target, at);
        if records.is_empty() {
            return exit(21, "iscsiadm: No records found\n");
        }
        let (mut code, mut stderr) = (0, String::new());
        for (_, portal) in records {
            let refused = self.state().refuse.get(&portal).copied();
            let failed = if !self.matching(target, Some(portal)).is_empty() {
                stderr += "iscsiadm: default: 1 session requested, but 1 already present.\n";
                15
            } else if let Some(code) = refused {
                let (address, port) = (portal.address(), portal.port());
                stderr += &format!(
                    "iscsiadm: Could not login to [iface: default, target: {target}, portal: \
                     {address},{port}].\niscsiadm: initiator reported error ({code} - text)\n"
                );
                code
            } else {
                let (address, port) = (portal.address().to_string(), portal.port().to_string());
                self.add_session(target, &address, &port);
                0
            };
            if code == 0 {
                code = failed;
            }
        }
        if code != 0 {
            stderr += "iscsiadm: Could not log into all portals\n";
        }
        exit(code, &stderr)
    }

    fn log_out(&self, target: &str, at: Option<Portal>) -> Output {
        let sessions = self.matching(target, at);
        if sessions.is_empty() {
            return exit(21, "iscsiadm: No matching sessions found\n");
        }
        sessions.into_iter().for_each(|id| self.end_session(id));
        exit(0, "")
    }

    fn delete_records(&self, target: &str, at: Option<Portal>) -> Output {
        let records = self.records(target, at);
        if records.is_empty() {
            return exit(21, "iscsiadm: No records found\n");
        }
        for (file, portal) in records {
            if !self.matching(target, Some(portal)).is_empty() {
                return exit(15, "iscsiadm: This command will remove the record\n");
            }
            fs::remove_file(file).expect("a record");
        }
        exit(0, "")
    }

    /// `iscsiadm ARGS`; what it does not know is a mistake of the crate.
    pub(crate) fn iscsiadm(&self, args: &[&str]) -> Output {
        let database = self.state().database;
        let idle = self.state().idle;
        let at = |text: &str| Some(portal(text));
        match args {
            ["--version"] => Output {
                stdout: "iscsiadm version 2.1.8\n".to_owned(),
                ..exit(0, "")
            },
            ["-m", "node", "-T", t, rest @ ..] => {
                let (at, verb) = match rest {
                    ["-p", p, verb @ ..] => (at(p), verb),
                    verb => (None, verb),
                };
                match (verb, at) {
                    (["-o", ..], _) if database != 0 => exit(database, "iscsiadm: database\n"),
                    (["-o", "new"], Some(at)) => self.new_record(t, at),
                    (["-o", "update", settings @ ..], at) => self.update(t, at, settings),
                    (["-o", "delete"], at) => self.delete_records(t, at),
                    (["--login" | "--logout"], _) if idle.is_some() => {
                        exit(idle.unwrap_or_default(), "iscsiadm: idle\n")
                    }
                    (["--login"], at) => self.log_in(t, at),
                    (["--logout"], at) => self.log_out(t, at),
                    _ => panic!("the pretend host does not know {args:?}"),
                }
            }
            _ => panic!("the pretend host does not know {args:?}"),
        }
    }
}

/// The portal in the name of a record's file.
pub(crate) fn portal_of(name: &str) -> Option<Portal> {
    let mut fields = name.split(',');
    let (address, port) = (fields.next()?, fields.next()?);
    Some(Portal::new(address.parse().ok()?, port.parse().ok()?))
}

fn exit(code: i32, stderr: &str) -> Output {
    Output {
        code: Some(code),
        stderr: stderr.to_owned(),
        ..Output::default()
    }
}
