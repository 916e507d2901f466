//! The running appliance behind the handle: answers requests, and ends.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use tempfile::TempDir;

use crate::control;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::rest::{
    Answer, Call, Effects, Faults, Firmware, Found, Identity, Log, Message, Refusal, Reply,
    Request, Server, Strict, Violation, dispatch, find, log, parameters, serve,
};

/// What a service is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) model: Model,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) firmware: Firmware,
    pub(super) log: Option<File>,
    /// Removed at the end.
    pub(super) temporary: Option<TempDir>,
}

/// The running appliance. Its servers' threads hold it, and it holds the servers, until [`stop`](Self::stop).
#[derive(Debug)]
pub(crate) struct Service {
    model: Arc<Model>,
    log: Arc<Log>,
    faults: Faults,
    authorization: String,
    firmware: Firmware,
    identity: Identity,
    data: Data,
    servers: Mutex<Vec<Server>>,
    addresses: OnceLock<Vec<SocketAddr>>,
    stopping: Mutex<bool>,
    stopped: Condvar,
    temporary: Mutex<Option<TempDir>>,
}

impl Service {
    /// Starts to serve.
    pub(super) fn start(
        parts: Parts,
        rest: Vec<TcpListener>,
        data: Vec<TcpListener>,
    ) -> io::Result<Arc<Self>> {
        let mut names: Vec<IpAddr> = Vec::new();
        for listener in rest.iter().chain(&data) {
            names.push(listener.local_addr()?.ip());
        }
        let log = Arc::new(Log::default());
        if let Some(file) = parts.log {
            log.write_to(file);
        }
        let identity = Identity::new(&names)?;
        let model = Arc::new(parts.model);
        let credentials = format!("{}:{}", parts.user, parts.password);
        let service = Arc::new(Self {
            data: Data::start(Arc::clone(&model), data, &log)?,
            model,
            log,
            faults: Faults::default(),
            authorization: format!("Basic {}", BASE64.encode(credentials.as_bytes())),
            firmware: parts.firmware,
            identity,
            servers: Mutex::new(Vec::new()),
            addresses: OnceLock::new(),
            stopping: Mutex::new(false),
            stopped: Condvar::new(),
            temporary: Mutex::new(parts.temporary),
        });
        let mut addresses = Vec::new();
        for listener in rest {
            let own = Arc::clone(&service);
            let server = Server::start(
                listener,
                Arc::new(move |stream| {
                    serve(
                        stream,
                        &own.identity.config,
                        &|message, local| own.answer(message, local),
                        &|status, why, local| own.malformed(status, why, local),
                    );
                }),
            );
            let started = server.map(|server| {
                addresses.push(server.address());
                service.servers().push(server);
            });
            if let Err(error) = started {
                service.stop();
                return Err(error);
            }
        }
        service.addresses.get_or_init(|| addresses);
        Ok(service)
    }

    /// Ends everything; waits until no thread is left.
    pub(super) fn stop(&self) {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopped.notify_all();
        let servers = std::mem::take(&mut *self.servers());
        for server in servers {
            drop(server.stop()); // Closing a socket that is closed already is no loss.
        }
        self.data.stop();
        drop(
            self.temporary
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.identity.ca_pem
    }

    pub(crate) fn rest_addrs(&self) -> Vec<SocketAddr> {
        self.addresses.get().cloned().unwrap_or_default()
    }

    /// Closes the REST API at one address, or opens it again.
    pub(crate) fn set_rest_open(&self, address: SocketAddr, open: bool) -> Result<()> {
        let mut servers = self.servers();
        let server = servers
            .iter_mut()
            .find(|server| server.address() == address);
        let server = server.ok_or(Error::UnknownPortal {
            address: address.ip(),
        })?;
        let action = if open { "listen at" } else { "close" };
        if open { server.open() } else { server.close() }.map_err(|source| Error::Socket {
            action,
            address,
            source,
        })
    }

    fn servers(&self) -> MutexGuard<'_, Vec<Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn malformed(&self, status: u16, why: &'static str, local: SocketAddr) -> Reply {
        let strict = Strict::new(status, "sim.InvalidRequest", why);
        self.violation("?", "?", &strict);
        let url = format!("https://{local}");
        let (status, body) = Refusal::Strict(strict).body(self.firmware, &url);
        Reply::Answer(status, body)
    }

    fn violation(&self, method: &str, path: &str, strict: &Strict) {
        let (method, path) = (method.to_owned(), path.to_owned());
        self.log.violation(Violation {
            method,
            path,
            message: strict.message.clone(),
        });
    }

    fn answer(&self, message: &Message, local: SocketAddr) -> Reply {
        let (path, query) = message
            .target
            .split_once('?')
            .unwrap_or((&message.target, ""));
        let control = path.starts_with(control::PREFIX);
        let (status, body, route, silent) =
            if message.authorization.as_deref() != Some(&self.authorization) {
                (401, "401 unauthorized".to_owned(), None, false)
            } else if control {
                let (status, body) = control::answer(self, message, path, local);
                (status, body, None, false)
            } else {
                self.api(message, path, query, local)
            };
        if !control {
            self.log.request(Request {
                local,
                method: message.method.clone(),
                path: message.target.clone(),
                route,
                body: log::body(&message.body),
                status,
            });
        }
        if silent {
            Reply::Silence
        } else {
            Reply::Answer(status, body)
        }
    }

    /// Status, body, route, and whether the answer is lost.
    fn api(
        &self,
        message: &Message,
        path: &str,
        query: &str,
        local: SocketAddr,
    ) -> (u16, String, Option<&'static str>, bool) {
        let host = message.host.clone().unwrap_or_else(|| local.to_string());
        let url = format!("https://{host}{}", message.target);
        let found = find(&message.method, path);
        let route = found.as_ref().ok().map(|found| found.route.path);
        let effects = route.map(|route| self.faults.take(&message.method, route));
        let effects = effects.unwrap_or_default();
        let outcome = match found {
            Err(strict) => Err(strict.into()),
            Ok(found) => self.carry_out(&found, message, query, &effects),
        };
        if let Err(Refusal::Strict(strict)) = &outcome {
            self.violation(&message.method, &message.target, strict);
        }
        let ended = self.pause(effects.delay);
        let (status, body) = match (effects.refusal, outcome) {
            (Some(refusal), _) => refusal.body(self.firmware, &url),
            (None, Ok(answer)) => (answer.status, answer.body()),
            (None, Err(refusal)) => refusal.body(self.firmware, &url),
        };
        (status, body, route, effects.no_reply || ended)
    }

    fn carry_out(
        &self,
        found: &Found,
        message: &Message,
        query: &str,
        effects: &Effects,
    ) -> std::result::Result<Answer, Refusal> {
        if effects.refusal.is_some() || effects.no_data {
            return Ok(Answer::ok(serde_json::Value::Null));
        }
        if self.firmware == Firmware::Old && found.route.v4_only() {
            return Err(Refusal::Unknown);
        }
        let call = Call {
            model: &self.model,
            firmware: self.firmware,
            v3: found.v3,
            values: found.values.clone(),
            query: parameters(query)?,
            body: &message.body,
        };
        dispatch(found.route, &call)
    }

    /// Waits; true at once if the appliance ends.
    fn pause(&self, time: Duration) -> bool {
        let stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .stopped
            .wait_timeout_while(stopping, time, |stopping| !*stopping);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::{Value, json};

    use crate::Appliance;
    use crate::model::SessionInfo;

    use super::*;

    const TARGET: &str = "iqn.2025-04.test:a";

    fn ask(service: &Service, method: &str, path: &str) -> (u16, Value) {
        let message = Message {
            method: method.to_owned(),
            target: format!("/api/v4/pools{path}"),
            authorization: Some(service.authorization.clone()),
            host: None,
            body: Vec::new(),
            keep_alive: true,
        };
        match service.answer(&message, service.rest_addrs()[0]) {
            Reply::Answer(status, body) if body.is_empty() => (status, Value::Null),
            Reply::Answer(status, body) => (status, serde_json::from_str(&body).expect("JSON")),
            Reply::Silence => panic!("no fault was set"),
        }
    }

    #[test]
    fn sessions_are_listed_by_target_and_by_pool_and_keep_the_target() {
        let appliance = Appliance::builder()
            .pool("Pool-0")
            .pool("Pool-1")
            .start()
            .unwrap();
        appliance.create_target("Pool-0", TARGET).unwrap();
        appliance
            .create_target("Pool-1", "iqn.2025-04.test:b")
            .unwrap();
        let service = &appliance.service;
        let open = |target: &str, ip: u8| {
            service.model.session_opened(SessionInfo {
                target: target.to_owned(),
                initiator: "iqn.1993-08.org.debian:01:aa11bb22cc33".to_owned(),
                initiator_ip: Ipv4Addr::new(10, 1, 0, ip).into(),
                portal_ip: Ipv4Addr::LOCALHOST.into(),
            })
        };
        let sids = [open(&TARGET.to_uppercase(), 51), open(TARGET, 52)];
        open("iqn.2025-04.test:b", 51);
        let shown = |sid: &str, ip: &str| {
            json!({
                "target_name": TARGET, "initiator_name": "iqn.1993-08.org.debian:01:aa11bb22cc33",
                "ip": ip, "sid": sid, "cid": "0",
            })
        };
        let expected = json!([shown(&sids[0], "10.1.0.51"), shown(&sids[1], "10.1.0.52")]);
        let targets = "/Pool-0/san/iscsi/targets";
        for path in [
            format!("{targets}/sessions"),
            format!("{targets}/{TARGET}/sessions"),
        ] {
            let (status, body) = ask(service, "GET", &path);
            assert_eq!((status, &body["data"]), (200, &expected), "{path}");
        }
        let (status, body) = ask(service, "DELETE", &format!("{targets}/{TARGET}"));
        let class = "opene.tools.scstadmin.ScstAdminError";
        assert_eq!((status, &body["error"]["class"]), (500, &json!(class)));
        for sid in &sids {
            service.model.session_closed(sid);
        }
        let (_, body) = ask(service, "GET", &format!("{targets}/{TARGET}/sessions"));
        assert_eq!(body["data"], json!([]));
        assert_eq!(
            ask(service, "DELETE", &format!("{targets}/{TARGET}")),
            (204, Value::Null)
        );
    }
}
