//! A transport that answers from a script, in the order written.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jdss_rest::transport::{Limits, Method, Reply, Request, Transport, TransportError};
use jdss_rest::{Builder, Client};
use serde_json::{Value, json};

pub(crate) const POOL: &str = "/pools/Pool-0";
pub(crate) const TARGETS: &str = "/pools/Pool-0/san/iscsi/targets";

/// How often a call that may be repeated is tried while the appliance fails in a way that passes.
pub(crate) const TRIES: usize = 8;

type Answer = Result<Reply, TransportError>;

/// One request that must come, and what it is answered.
pub(crate) struct Step {
    request: String,
    body: Option<Value>,
    no_body: bool,
    answer: Answer,
}

/// `"GET /path"` and its answer.
pub(crate) fn step(request: impl Into<String>, answer: Answer) -> Step {
    Step {
        request: request.into(),
        body: None,
        no_body: false,
        answer,
    }
}

impl Step {
    /// Demands this body as well.
    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Demands that there is none.
    pub(crate) fn no_body(mut self) -> Self {
        self.no_body = true;
        self
    }
}

pub(crate) fn reply(status: u16, body: &Value) -> Answer {
    Ok(Reply {
        status,
        body: body.to_string().into_bytes(),
    })
}

/// A success with this payload.
pub(crate) fn ok(data: Value) -> Answer {
    reply(200, &json!({ "data": data, "error": null }))
}

/// A failure of this class.
pub(crate) fn fail(status: u16, class: &str, errno: Option<i64>, message: &str) -> Answer {
    let error = json!({ "class": class, "errno": errno, "message": message, "url": "https://x" });
    reply(status, &json!({ "data": null, "error": error }))
}

/// A success that has nothing to say by design.
pub(crate) fn gone() -> Answer {
    Ok(Reply {
        status: 204,
        body: Vec::new(),
    })
}

/// A success that says nothing, as an overloaded appliance gives it without doing anything.
pub(crate) fn silent() -> Answer {
    ok(Value::Null)
}

/// A volume or snapshot that is missing, in the words of older versions.
pub(crate) fn no_resource(name: &str) -> Answer {
    fail(
        500,
        "zfslib.zfsapi.resources.ZfsResourceError",
        Some(1),
        &format!("Zfs resource: Pool-0/{name} not found in this collection."),
    )
}

/// Something depends on it.
pub(crate) fn busy(message: &str) -> Answer {
    fail(500, "zfslib.wrap.zfs.ZfsCmdError", Some(1000), message)
}

pub(crate) fn missing(what: &str) -> Answer {
    fail(
        404,
        "opene.exceptions.ItemNotFoundError",
        None,
        &format!("{what} not exists."),
    )
}

pub(crate) fn config_race() -> Answer {
    fail(
        500,
        "opene.cfgparser.CfgParserError",
        Some(13),
        "cannot lock",
    )
}

pub(crate) fn refused() -> Answer {
    Err(TransportError::Connect {
        source: std::io::ErrorKind::ConnectionRefused.into(),
    })
}

pub(crate) fn no_reply() -> Answer {
    Err(TransportError::ReplyTimeout {
        limit: Duration::from_secs(15),
    })
}

pub(crate) fn broken() -> Answer {
    Err(TransportError::Broken {
        source: std::io::ErrorKind::UnexpectedEof.into(),
    })
}

pub(crate) fn untrusted() -> Answer {
    Err(TransportError::Certificate {
        detail: "UnknownIssuer".to_owned(),
    })
}

/// Two addresses, no pauses, and no waiting for either to come back.
pub(crate) fn builder() -> Builder {
    Client::builder(vec![
        "192.0.2.1".parse().expect("an address"),
        "192.0.2.2".parse().expect("an address"),
    ])
    .retry_pause(Duration::ZERO)
    .outage(Duration::ZERO)
}

/// Shared by the test and the client.
#[derive(Clone)]
pub(crate) struct Script {
    steps: Arc<Mutex<VecDeque<Step>>>,
    asked: Arc<Mutex<Vec<SocketAddr>>>,
    limits: Arc<Mutex<Vec<(Method, Limits)>>>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = Arc::new(Mutex::new(steps.into_iter().collect()));
        Self {
            steps,
            asked: Arc::default(),
            limits: Arc::default(),
        }
    }

    /// A client of [`builder`] that plays the script.
    pub(crate) fn client(&self) -> Client {
        let client = builder().build_with(self.clone());
        client.expect("two addresses are enough")
    }

    /// Last part of the addresses asked, in order.
    pub(crate) fn asked(&self) -> Vec<u8> {
        let asked = self.asked.lock().expect("not poisoned");
        asked
            .iter()
            .map(|address| match address {
                SocketAddr::V4(v4) => v4.ip().octets()[3],
                SocketAddr::V6(_) => panic!("the script has IPv4 only"),
            })
            .collect()
    }

    /// How long each request with this method was allowed to take.
    pub(crate) fn limits(&self, of: Method) -> Vec<Limits> {
        let limits = self.limits.lock().expect("not poisoned");
        let those = limits.iter().filter(|(method, _)| *method == of);
        those.map(|(_, limits)| *limits).collect()
    }

    /// All of it was played.
    pub(crate) fn assert_done(&self) {
        let steps = self.steps.lock().expect("not poisoned");
        let left: Vec<&str> = steps.iter().map(|step| step.request.as_str()).collect();
        assert!(left.is_empty(), "never asked: {left:?}");
    }
}

impl Transport for Script {
    fn exchange(&self, address: SocketAddr, request: &Request, limits: Limits) -> Answer {
        let came = format!("{} {}", request.method, request.path);
        let step = self.steps.lock().expect("not poisoned").pop_front();
        let Some(step) = step else {
            panic!("the script is over, but {came} came")
        };
        assert_eq!(came, step.request);
        let body: Option<Value> = request
            .body
            .as_ref()
            .map(|body| serde_json::from_str(body).expect("a body is JSON"));
        if step.body.is_some() || step.no_body {
            assert_eq!(body, step.body, "body of {came}");
        }
        self.asked.lock().expect("not poisoned").push(address);
        let mut all = self.limits.lock().expect("not poisoned");
        all.push((request.method, limits));
        step.answer
    }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
