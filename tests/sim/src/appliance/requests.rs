//! How the appliance answers requests, and what faults make of that.

use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use super::{Service, heads};
use crate::control;
use crate::error::Error;
use crate::rest::{
    Answer, Call, Effects, Fault, Firmware, Found, Message, Moment, Origin, Refusal, Reply,
    Request, Site, Strict, Strike, Violation, dispatch, find, log, parameters,
};

type Outcome = Result<Answer, Refusal>;

impl Site for Service {
    fn answer(&self, message: &Message, origin: Origin) -> Reply {
        let (path, query) = message
            .target
            .split_once('?')
            .unwrap_or((&message.target, ""));
        let control = path.starts_with(control::PREFIX);
        if !self.admits(message.authorization.as_deref(), control) {
            let (status, body) = (401, "401 unauthorized".to_owned());
            if !control {
                self.log()
                    .request(entry(message, origin, None, status, false, Vec::new()));
            }
            return Reply::Answer(status, body);
        }
        if control {
            let (status, body) = control::answer(self, message, path, origin.local);
            return Reply::Answer(status, body);
        }
        self.api(message, path, query, origin)
    }

    fn malformed(&self, status: u16, why: &'static str, origin: Origin) -> Reply {
        let strict = Strict::new(status, "sim.InvalidRequest", why);
        self.violation("?", "?", &strict);
        let url = format!("https://{}", origin.local);
        let (status, body) = Refusal::Strict(strict).body(self.firmware(), &url);
        Reply::Answer(status, body)
    }

    fn hang(&self, number: u64, stream: &TcpStream) -> bool {
        self.hang_while(number, stream)
    }
}

impl Service {
    fn violation(&self, method: &str, path: &str, strict: &Strict) {
        let (method, path) = (method.to_owned(), path.to_owned());
        self.log().violation(Violation {
            method,
            path,
            message: strict.message.clone(),
        });
    }

    fn api(&self, message: &Message, path: &str, query: &str, origin: Origin) -> Reply {
        let found = find(&message.method, path);
        let route = found.as_ref().ok().map(|found| found.route.path);
        let effects = route.map(|route| self.faults().take(&message.method, route));
        let Effects {
            before,
            after,
            strike,
            faults,
            clearings,
        } = effects.unwrap_or_default();
        if self.pause(before, clearings) {
            return Reply::Silence;
        }
        let instead = strike.as_ref().is_some_and(Strike::is_instead);
        let outcome = (!instead).then(|| match found {
            Err(strict) => Err(strict.into()),
            Ok(found) => self.carry_out(&found, message, query, origin.local, strike.as_ref()),
        });
        if let Some(Err(Refusal::Strict(strict))) = &outcome {
            self.violation(&message.method, &message.target, strict);
        }
        let carried_out = matches!(outcome, Some(Ok(_)));
        let answer = self.told(message, origin.local, strike.as_ref(), outcome);
        let status = answer.as_ref().map_or(0, |(status, _)| *status);
        self.log()
            .request(entry(message, origin, route, status, carried_out, faults));
        if self.pause(after, clearings) {
            return Reply::Silence;
        }
        match (strike.map(|strike| strike.fault), answer) {
            (Some(Fault::Reset), answer) => Reply::Reset(answer),
            (Some(Fault::Hang), answer) => Reply::Hang(clearings, answer),
            (Some(Fault::NoReply), _) | (_, None) => Reply::Silence,
            (_, Some((status, body))) => Reply::Answer(status, body),
        }
    }

    /// Status and body that tell the outcome, or what a fault puts in their place; `None` if nothing is to be told.
    fn told(
        &self,
        message: &Message,
        local: SocketAddr,
        strike: Option<&Strike>,
        outcome: Option<Outcome>,
    ) -> Option<(u16, String)> {
        let url = || {
            let host = message.host.clone().unwrap_or_else(|| local.to_string());
            format!("https://{host}{}", message.target)
        };
        match strike.map(|strike| &strike.fault) {
            Some(Fault::Answer {
                status,
                class,
                errno,
                message,
            }) => {
                let (class, message, errno) = (class.clone(), message.clone(), *errno);
                let refusal = Refusal::Fault {
                    status: *status,
                    class,
                    errno,
                    message,
                };
                return Some(refusal.body(self.firmware(), &url()));
            }
            Some(Fault::Body { status, body }) => return Some((*status, body.clone())),
            Some(Fault::NoData) => {
                let answer = Answer::ok(Value::Null);
                return Some((answer.status, answer.body()));
            }
            _ => {}
        }
        match outcome? {
            Ok(answer) => Some((answer.status, answer.body())),
            Err(refusal) => Some(refusal.body(self.firmware(), &url())),
        }
    }

    fn carry_out(
        &self,
        found: &Found,
        message: &Message,
        query: &str,
        local: SocketAddr,
        strike: Option<&Strike>,
    ) -> Outcome {
        if self.firmware() == Firmware::Old && found.route.v4_only() {
            return Err(Refusal::Unknown);
        }
        let then = strike.and_then(|strike| strike.then.as_deref());
        let call = Call {
            model: then.unwrap_or(self.model()),
            firmware: self.firmware(),
            v3: found.v3,
            values: found.values.clone(),
            query: parameters(query)?,
            body: &message.body,
        };
        if found.route.path.starts_with("/pools/{pool}")
            && !self.heads().shows(local, call.value(0))
        {
            let pool = call.value(0).to_owned();
            return Err(Error::PoolMissing { pool }.into());
        }
        let mut answer = dispatch(found.route, &call)?;
        if found.route.path == "/san/iscsi/luns" {
            heads::visible(&mut answer.data, |pool| self.heads().shows(local, pool));
        }
        if let Some(strike) = strike {
            strike.distort(&mut answer.data);
        }
        Ok(answer)
    }
}

impl Strike {
    /// Is nothing to be done?
    fn is_instead(&self) -> bool {
        let reads = [Fault::StaleList, Fault::ShortList, Fault::FlappingTotal];
        self.moment == Moment::BeforeWork && !reads.contains(&self.fault)
    }

    /// Makes a list wrong.
    fn distort(&self, data: &mut Value) {
        match self.fault {
            Fault::ShortList => {
                let entries = match data {
                    Value::Object(page) => page.get_mut("entries"),
                    list => Some(list),
                };
                if let Some(Value::Array(entries)) = entries {
                    entries.truncate(entries.len() / 2);
                }
            }
            Fault::FlappingTotal if self.struck.is_multiple_of(2) => {
                if let Some(total) = data["results"].as_u64() {
                    data["results"] = json!(total / 5);
                }
            }
            _ => {}
        }
    }
}

fn entry(
    message: &Message,
    origin: Origin,
    route: Option<&'static str>,
    status: u16,
    carried_out: bool,
    faults: Vec<Fault>,
) -> Request {
    Request {
        local: origin.local,
        method: message.method.clone(),
        path: message.target.clone(),
        route,
        body: log::body(&message.body),
        status,
        carried_out,
        faults,
        connection: origin.connection,
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
            authorization: Some("Basic YWRtaW46c2VjcmV0".to_owned()),
            host: None,
            body: Vec::new(),
            keep_alive: true,
        };
        let origin = Origin {
            local: service.rest_addrs()[0],
            connection: 0,
        };
        match service.answer(&message, origin) {
            Reply::Answer(status, body) if body.is_empty() => (status, Value::Null),
            Reply::Answer(status, body) => (status, serde_json::from_str(&body).expect("JSON")),
            other => panic!("{other:?} without a fault"),
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
            service.model().session_opened(SessionInfo {
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
            service.model().session_closed(sid);
        }
        let (_, body) = ask(service, "GET", &format!("{targets}/{TARGET}/sessions"));
        assert_eq!(body["data"], json!([]));
        assert_eq!(
            ask(service, "DELETE", &format!("{targets}/{TARGET}")),
            (204, Value::Null)
        );
    }
}
