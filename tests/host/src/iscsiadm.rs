//! `iscsiadm -m node`: the node database and the sessions.

use std::sync::Arc;

use crate::record::{Record, RecordKey};
use crate::state::{Session, SessionState, State};
use crate::{Daemon, Login, Ran, Release};

/// What open-iscsi calls its exit codes.
fn error_text(code: i32) -> &'static str {
    match code {
        2 => "session not found",
        3 => "no available memory",
        4 => "encountered connection failure",
        5 => "encountered iSCSI login failure",
        6 => "encountered iSCSI database failure",
        7 => "invalid parameter",
        8 => "connection timed out",
        9 => "internal error",
        11 => "iSCSI PDU timed out",
        15 => "session exists",
        18 => "could not communicate to iscsid",
        19 => "encountered non-retryable iSCSI login failure",
        20 => "could not connect to iscsid",
        21 => "no objects found",
        24 => "iSCSI login failed due to authorization failure",
        _ => "unknown error",
    }
}

#[derive(Debug, Default)]
struct Request {
    target: Option<String>,
    portal: Option<(String, u16)>,
    op: Option<String>,
    params: Vec<(String, String)>,
    login: bool,
    logout: bool,
}

/// `None` for what is not understood.
fn parse(args: &[&str]) -> Option<Request> {
    let mut request = Request::default();
    let mut args = args.iter().copied();
    let mut name: Option<String> = None;
    let mut node = false;
    while let Some(arg) = args.next() {
        match arg {
            "-m" | "--mode" => node = args.next()? == "node",
            "-T" | "--targetname" => request.target = Some(args.next()?.to_owned()),
            "-p" | "--portal" => request.portal = Some(portal(args.next()?)?),
            "-o" | "--op" => request.op = Some(args.next()?.to_owned()),
            "-n" | "--name" => name = Some(args.next()?.to_owned()),
            "-v" | "--value" => {
                let param = (name.take()?, args.next()?.to_owned());
                request.params.push(param);
            }
            "-l" | "--login" => request.login = true,
            "-u" | "--logout" => request.logout = true,
            _ => return None,
        }
    }
    (node && name.is_none() && request.target.is_some()).then_some(request)
}

/// `ip`, `ip:port`, `[ip6]`, `[ip6]:port`.
fn portal(text: &str) -> Option<(String, u16)> {
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some((address.ip().to_string(), address.port()));
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<std::net::IpAddr>().ok()?;
    (bare.is_some() == address.is_ipv6()).then(|| (address.to_string(), 3260))
}

impl Request {
    fn matches(&self, target: &str, address: &str, port: u16) -> bool {
        let portal = self.portal.as_ref();
        self.target.as_deref() == Some(target)
            && portal.is_none_or(|(ip, at)| ip == address && *at == port)
    }
}

impl State {
    /// `iscsiadm ARGS`.
    ///
    /// # Panics
    ///
    /// For arguments that the pretend host does not know.
    pub(crate) fn iscsiadm(&mut self, args: &[&str], nodes: &str) -> Ran {
        if args == ["--version"] {
            let version = match self.release {
                Release::Bookworm => "2.1.8",
                Release::Trixie => "2.1.11",
            };
            return Ran::new(0, &format!("iscsiadm version {version}\n"), "");
        }
        let Some(request) = parse(args) else {
            crate::unknown("iscsiadm", args);
        };
        match (request.op.as_deref(), request.login, request.logout) {
            (Some("new"), false, false) if request.portal.is_some() => {
                self.new_record(&request, nodes)
            }
            (Some("update"), false, false) if !request.params.is_empty() => self.update(&request),
            (Some("delete"), false, false) => self.delete_records(&request),
            (None, true, false) => self.login_all(&request),
            (None, false, true) => self.logout(&request),
            _ => crate::unknown("iscsiadm", args),
        }
    }

    fn matching(&self, request: &Request) -> Vec<RecordKey> {
        let keys = self.records.keys();
        let matching = keys.filter(|key| request.matches(&key.target, &key.address, key.port));
        matching.cloned().collect()
    }

    fn new_record(&mut self, request: &Request, nodes: &str) -> Ran {
        let (address, port) = request.portal.clone().unwrap_or_default();
        let key = RecordKey {
            target: request.target.clone().unwrap_or_default(),
            address,
            port,
        };
        let text = format!(
            "New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if=default] {},{},-1 {}] added\n",
            key.address, key.port, key.target
        );
        // One that exists is wiped: every setting is the default again.
        let mut record = Record::new(nodes);
        record.discovered = self.records.get(&key).is_some_and(|old| old.discovered);
        self.records.insert(key, Arc::new(record));
        Ran::new(0, &text, "")
    }

    fn update(&mut self, request: &Request) -> Ran {
        let keys = self.matching(request);
        if keys.is_empty() {
            return no_records();
        }
        for (name, value) in &request.params {
            if !Record::takes(name, value) {
                let text = format!(
                    "iscsiadm: Cannot modify {name}. Invalid param name.\n\
                     iscsiadm: Could not execute operation on all records: invalid parameter\n"
                );
                return Ran::new(7, "", &text);
            }
        }
        for key in keys {
            if let Some(record) = self.records.get_mut(&key) {
                for (name, value) in &request.params {
                    Arc::make_mut(record).set(name, value);
                }
            }
        }
        Ran::new(0, "", "")
    }

    fn delete_records(&mut self, request: &Request) -> Ran {
        let keys = self.matching(request);
        if keys.is_empty() {
            return no_records();
        }
        let mut text = String::new();
        for key in keys {
            if self.session_of(&key).is_none() {
                self.records.remove(&key);
                continue;
            }
            text += &format!(
                "iscsiadm: This command will remove the record [iface: default, target: {}, \
                 portal: {},{}], but a session is using it. Logout session then rerun command \
                 to remove record.\n",
                key.target, key.address, key.port
            );
        }
        if text.is_empty() {
            return Ran::new(0, "", "");
        }
        text += "iscsiadm: Could not execute operation on all records: session exists\n";
        Ran::new(15, "", &text)
    }

    fn session_of(&self, key: &RecordKey) -> Option<u32> {
        let mut sessions = self.sessions.values();
        let session = sessions.find(|session| {
            (&session.target, &session.address, session.port)
                == (&key.target, &key.address, key.port)
        });
        session.map(|session| session.id)
    }

    fn login_all(&mut self, request: &Request) -> Ran {
        let keys = self.matching(request);
        if keys.is_empty() {
            return no_records();
        }
        let (mut out, mut err) = (String::new(), String::new());
        let mut present = false;
        let mut asked = Vec::new();
        for key in keys {
            if self.session_of(&key).is_some() {
                present = true;
                err += "iscsiadm: default: 1 session requested, but 1 already present.\n";
            } else {
                out += &format!("Logging in to {}\n", bracket(&key));
                asked.push(key);
            }
        }
        // The first error counts: those present are seen before any answer comes.
        let mut code = if present { 15 } else { 0 };
        for key in asked {
            match self.login(&key) {
                Ok(()) => out += &format!("Login to {} successful.\n", bracket(&key)),
                Err(refused) => {
                    if refused == 20 {
                        err += "iscsiadm: can not connect to iSCSI daemon (111)!\n";
                    }
                    err += &format!(
                        "iscsiadm: Could not login to {}.\n\
                         iscsiadm: initiator reported error ({refused} - {})\n",
                        bracket(&key),
                        error_text(refused)
                    );
                    code = if code == 0 { refused } else { code };
                }
            }
        }
        if code != 0 {
            err += "iscsiadm: Could not log into all portals\n";
        }
        Ran::new(code, &out, &err)
    }

    /// Logs in to one portal; `Err` is the exit code.
    pub(crate) fn login(&mut self, key: &RecordKey) -> Result<(), i32> {
        if !self.is_up(Daemon::Iscsid) {
            return Err(20);
        }
        if self.cut.contains(&key.portal()) {
            return Err(8);
        }
        let id = self.next_session;
        self.next_session += 1;
        if let Login::Refused(code) = (self.lookup)(&key.target, &key.portal()) {
            return Err(code);
        }
        let record = Arc::clone(&self.records[key]);
        let credentials = (record.get("node.session.auth.authmethod") == "CHAP").then(|| {
            let get = |name: &str| record.get(&format!("node.session.auth.{name}")).to_owned();
            (get("username"), get("password"))
        });
        if let Some(wanted) = self.chap.get(&key.target)
            && credentials.as_ref() != Some(wanted)
        {
            return Err(24);
        }
        let used = |host: &u32| self.sessions.values().any(|session| session.host == *host);
        let host = (0..).find(|host| !used(host)).unwrap_or_default();
        let timeout = record.get("node.session.timeo.replacement_timeout");
        let session = Session {
            id,
            host,
            target: key.target.clone(),
            address: key.address.clone(),
            port: key.port,
            state: SessionState::LoggedIn,
            recovery_tmo: timeout.parse().unwrap_or(120),
            scans_alone: record.get("node.session.scan") == "auto",
            initiator: self.initiator.clone(),
            credentials,
        };
        let scans = session.scans_alone;
        self.sessions.insert(id, Arc::new(session));
        if scans {
            self.scan_session(id, None);
        }
        Ok(())
    }

    fn logout(&mut self, request: &Request) -> Ran {
        let sessions = self.sessions.values();
        let matching: Vec<Arc<Session>> = sessions
            .filter(|session| request.matches(&session.target, &session.address, session.port))
            .cloned()
            .collect();
        if matching.is_empty() {
            return Ran::new(21, "", "iscsiadm: No matching sessions found\n");
        }
        let (mut out, mut err) = (String::new(), String::new());
        for session in &matching {
            out += &format!("Logging out of session {}\n", sid_bracket(session));
        }
        for session in &matching {
            if self.is_up(Daemon::Iscsid) {
                self.end_session(session.id);
                out += &format!("Logout of {} successful.\n", sid_bracket(session));
            } else {
                err += &format!(
                    "iscsiadm: can not connect to iSCSI daemon (111)!\n\
                     iscsiadm: Could not logout of {}.\n\
                     iscsiadm: initiator reported error (20 - {})\n",
                    sid_bracket(session),
                    error_text(20)
                );
            }
        }
        if err.is_empty() {
            return Ran::new(0, &out, "");
        }
        err += "iscsiadm: Could not logout of all requested sessions\n";
        Ran::new(20, &out, &err)
    }

    pub(crate) fn end_session(&mut self, id: u32) {
        let disks = self.disks.values().filter(|disk| disk.session == id);
        let disks: Vec<u32> = disks.map(|disk| disk.index).collect();
        for index in disks {
            self.remove_disk(index);
        }
        self.sessions.remove(&id);
    }
}

fn bracket(key: &RecordKey) -> String {
    let (target, address, port) = (&key.target, &key.address, key.port);
    format!("[iface: default, target: {target}, portal: {address},{port}]")
}

fn sid_bracket(session: &Session) -> String {
    let (id, target) = (session.id, &session.target);
    let (address, port) = (&session.address, session.port);
    format!("[sid: {id}, target: {target}, portal: {address},{port}]")
}

fn no_records() -> Ran {
    Ran::new(21, "", "iscsiadm: No records found\n")
}

/// What every verb of the database answers while its lock is held by a dead process.
pub(crate) fn database_locked() -> Ran {
    Ran::new(
        6,
        "",
        "iscsiadm: Could not lock discovery DB: /run/lock/iscsi/lock.write: Timer expired\n\
         iscsiadm: Could not execute operation on all records: encountered iSCSI database failure\n",
    )
}

#[cfg(test)]
mod tests {
    use super::{parse, portal};

    #[test]
    fn portals_are_read_as_iscsiadm_does() {
        assert_eq!(portal("10.0.0.1"), Some(("10.0.0.1".to_owned(), 3260)));
        assert_eq!(portal("10.0.0.1:3261"), Some(("10.0.0.1".to_owned(), 3261)));
        assert_eq!(portal("[fe80::1]:3260"), Some(("fe80::1".to_owned(), 3260)));
        assert_eq!(portal("[fe80::1]"), Some(("fe80::1".to_owned(), 3260)));
        assert_eq!(portal("fe80::1"), None);
        assert_eq!(portal("[10.0.0.1]"), None);
    }

    #[test]
    fn a_value_without_a_name_is_not_understood() {
        assert!(parse(&["-m", "node", "-T", "iqn.a:b", "-o", "update", "-v", "1"]).is_none());
        assert!(
            parse(&["-m", "node", "--login"]).is_none(),
            "no target: every record of the host"
        );
        assert!(parse(&["-m", "session", "-T", "iqn.a:b"]).is_none());
    }
}
