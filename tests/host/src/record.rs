//! Node records of open-iscsi: the files are the truth, as for iscsid.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordKey {
    pub(crate) target: String,
    pub(crate) address: String,
    pub(crate) port: u16,
}

impl RecordKey {
    pub(crate) fn portal(&self) -> String {
        crate::state::portal_text(&self.address, self.port)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// `nodes/IQN/ip,port` (by hand), or `nodes/IQN/ip,port,1/default` (discovered).
    pub(crate) discovered: bool,
    /// `etc/iscsi/nodes` or `var/lib/iscsi/nodes`.
    pub(crate) nodes: String,
    /// Only what differs from the defaults.
    pub(crate) settings: BTreeMap<String, String>,
}

/// Parameters and defaults in the order of a record, iface.* left out.
const PARAMETERS: &[(&str, &str)] = &[
    ("node.startup", "manual"),
    ("node.leading_login", "No"),
    ("iface.iscsi_ifacename", "default"),
    ("iface.transport_name", "tcp"),
    ("node.discovery_address", ""),
    ("node.discovery_port", "0"),
    ("node.discovery_type", "static"),
    ("node.session.initial_cmdsn", "0"),
    ("node.session.initial_login_retry_max", "8"),
    ("node.session.xmit_thread_priority", "-20"),
    ("node.session.cmds_max", "128"),
    ("node.session.queue_depth", "32"),
    ("node.session.nr_sessions", "1"),
    ("node.session.auth.authmethod", "None"),
    ("node.session.auth.username", ""),
    ("node.session.auth.password", ""),
    ("node.session.auth.username_in", ""),
    ("node.session.auth.password_in", ""),
    ("node.session.auth.chap_algs", "MD5"),
    ("node.session.timeo.replacement_timeout", "120"),
    ("node.session.err_timeo.abort_timeout", "15"),
    ("node.session.err_timeo.lu_reset_timeout", "30"),
    ("node.session.err_timeo.tgt_reset_timeout", "30"),
    ("node.session.err_timeo.host_reset_timeout", "60"),
    ("node.session.iscsi.FastAbort", "Yes"),
    ("node.session.iscsi.InitialR2T", "No"),
    ("node.session.iscsi.ImmediateData", "Yes"),
    ("node.session.iscsi.FirstBurstLength", "262144"),
    ("node.session.iscsi.MaxBurstLength", "16776192"),
    ("node.session.iscsi.DefaultTime2Retain", "0"),
    ("node.session.iscsi.DefaultTime2Wait", "2"),
    ("node.session.iscsi.MaxConnections", "1"),
    ("node.session.iscsi.MaxOutstandingR2T", "1"),
    ("node.session.iscsi.ERL", "0"),
    ("node.session.scan", "auto"),
    ("node.session.reopen_max", "0"),
    ("node.conn[0].startup", "manual"),
    ("node.conn[0].tcp.window_size", "524288"),
    ("node.conn[0].tcp.type_of_service", "0"),
    ("node.conn[0].timeo.logout_timeout", "15"),
    ("node.conn[0].timeo.login_timeout", "15"),
    ("node.conn[0].timeo.auth_timeout", "45"),
    ("node.conn[0].timeo.noop_out_interval", "5"),
    ("node.conn[0].timeo.noop_out_timeout", "5"),
    ("node.conn[0].iscsi.MaxXmitDataSegmentLength", "0"),
    ("node.conn[0].iscsi.MaxRecvDataSegmentLength", "262144"),
    ("node.conn[0].iscsi.HeaderDigest", "None"),
    ("node.conn[0].iscsi.DataDigest", "None"),
    ("node.conn[0].iscsi.IFMarker", "No"),
    ("node.conn[0].iscsi.OFMarker", "No"),
];

impl Record {
    pub(crate) fn new(nodes: &str) -> Self {
        Self {
            discovered: false,
            nodes: nodes.to_owned(),
            settings: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        match self.settings.get(name) {
            Some(value) => value,
            None => default(name).unwrap_or_default(),
        }
    }

    /// Whether the change is one that iscsiadm takes.
    pub(crate) fn takes(name: &str, value: &str) -> bool {
        let choices: &[&str] = match name {
            "node.session.scan" => &["auto", "manual"],
            "node.startup" | "node.conn[0].startup" => &["manual", "automatic", "onboot"],
            "node.session.auth.authmethod" => &["None", "CHAP"],
            _ if name.contains(".timeo.") || name.ends_with("_retry_max") => {
                return default(name).is_some() && value.parse::<i64>().is_ok();
            }
            _ => return default(name).is_some(),
        };
        choices.contains(&value)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        if default(name) == Some(value) {
            self.settings.remove(name);
        } else {
            self.settings.insert(name.to_owned(), value.to_owned());
        }
    }

    /// The file, below the root.
    pub(crate) fn path(&self, key: &RecordKey) -> String {
        let (nodes, target) = (&self.nodes, &key.target);
        let portal = format!("{},{}", key.address, key.port);
        if self.discovered {
            format!("{nodes}/{target}/{portal},1/default")
        } else {
            format!("{nodes}/{target}/{portal}")
        }
    }

    pub(crate) fn text(&self, key: &RecordKey) -> String {
        let mut text = String::from("# BEGIN RECORD 2.1.8\n");
        let tag = if self.discovered { "1" } else { "-1" };
        text += &format!("node.name = {}\nnode.tpgt = {tag}\n", key.target);
        for (name, _) in PARAMETERS {
            if *name == "node.conn[0].startup" {
                text += &format!("node.conn[0].address = {}\n", key.address);
                text += &format!("node.conn[0].port = {}\n", key.port);
            }
            // As the real database: an empty value is not written.
            if !self.get(name).is_empty() {
                text += &format!("{name} = {}\n", self.get(name));
            }
        }
        text + "# END RECORD\n"
    }

    fn read(nodes: &str, discovered: bool, text: &str) -> Self {
        let mut record = Self::new(nodes);
        record.discovered = discovered;
        for line in text.lines() {
            if let Some((name, value)) = line.split_once(" = ")
                && default(name).is_some()
            {
                record.set(name, value);
            }
        }
        record
    }
}

fn default(name: &str) -> Option<&'static str> {
    let (_, value) = PARAMETERS.iter().find(|(known, _)| *known == name)?;
    Some(value)
}

/// Every record below `root`, in both layouts, with the text of its file.
pub(crate) fn load(root: &Path, nodes: &str) -> Vec<(RecordKey, Record, String)> {
    let mut found = Vec::new();
    for target in list(&root.join(nodes)) {
        for portal in list(&root.join(nodes).join(&target)) {
            let path = root.join(nodes).join(&target).join(&portal);
            let mut parts = portal.split(',');
            let (Some(address), Some(Ok(port))) = (parts.next(), parts.next().map(str::parse))
            else {
                continue;
            };
            let discovered = path.is_dir();
            let path = if discovered {
                path.join("default")
            } else {
                path
            };
            if let Ok(text) = fs::read_to_string(path) {
                let key = RecordKey {
                    target: target.clone(),
                    address: address.to_owned(),
                    port,
                };
                found.push((key, Record::read(nodes, discovered, &text), text));
            }
        }
    }
    found
}

fn list(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Record, RecordKey};

    #[test]
    fn a_record_reads_back_what_it_wrote() {
        let key = RecordKey {
            target: "iqn.a:b".to_owned(),
            address: "10.0.0.1".to_owned(),
            port: 3260,
        };
        let mut record = Record::new("etc/iscsi/nodes");
        record.set("node.session.scan", "manual");
        record.set("node.session.auth.password", "geheim");
        let text = record.text(&key);
        assert!(text.contains("node.session.scan = manual\n"));
        assert!(!text.contains("username_in"), "empty values are left out");
        assert_eq!(Record::read("etc/iscsi/nodes", false, &text), record);
    }
}
