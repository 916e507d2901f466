//! One call: what to ask, and how to name it when it fails.

use std::time::Instant;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Client;
use crate::decode::{self, Fault};
use crate::error::Error;
use crate::transport::{Method, Request, TransportError};

/// How long to wait for an answer to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// 15 s.
    Quick,
    /// 60 s: lists of everything.
    List,
    /// The rest of the time given: the teardown of a target or volume takes minutes.
    Delete,
}

/// One thing to ask.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) request: Request,
    pub(crate) patience: Patience,
    /// Allowed by a look just before: to be looked again before it is sent again, however
    /// often it could be repeated.
    pub(crate) after_look: bool,
    /// What is done: "create target iqn.a:b in pool Pool-0".
    pub(crate) what: String,
    /// What is missing when the appliance says so: "pool Pool-0".
    pub(crate) subject: String,
}

impl Call {
    pub(crate) fn new(method: Method, path: String, what: String, subject: String) -> Self {
        let patience = match method {
            Method::Delete => Patience::Delete,
            _ => Patience::Quick,
        };
        let request = Request {
            method,
            path,
            body: None,
        };
        Self {
            request,
            patience,
            after_look: false,
            what,
            subject,
        }
    }

    pub(crate) fn after_look(mut self) -> Self {
        self.after_look = true;
        self
    }

    /// Whether it may have been done or not, so that one must look before it is sent again.
    ///
    /// What is looked at first is waited for as long as it takes: a time-out is the end.
    pub(crate) fn is_lost(&self, reason: &TransportError) -> bool {
        match reason {
            TransportError::ReplyTimeout { .. } => !self.request.method.is_idempotent(),
            reason => !self.may_repeat() && reason.maybe_received(),
        }
    }

    /// Whether it may be sent again by itself.
    pub(crate) fn may_repeat(&self) -> bool {
        self.request.method.is_idempotent() && !self.after_look
    }

    pub(crate) fn body(mut self, body: &Value) -> Self {
        self.request.body = Some(body.to_string());
        self
    }

    /// A body written by the caller because it holds a secret, which JSON values would copy.
    pub(crate) fn secret_body(mut self, body: String) -> Self {
        self.request.body = Some(body);
        self
    }

    pub(crate) fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }
}

/// Takes any answer that tells of success.
pub(crate) fn done(_: Value) -> Result<(), Fault> {
    Ok(())
}

/// Takes any answer that tells of success; false when it is empty though its status lets one
/// expect something. An overloaded appliance answers so, and has done nothing.
pub(crate) fn told(data: Value) -> Result<bool, Fault> {
    Ok(!data.is_null())
}

/// The object that was made, where the answer has it.
pub(crate) fn maybe<T: DeserializeOwned>(data: Value) -> Result<Option<T>, Fault> {
    // Not worth a failure: it was made, and one can look at it.
    Ok(decode::object(data).ok())
}

impl Client {
    /// Reads one object.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        path: String,
        subject: String,
        deadline: Instant,
    ) -> Result<T, Error> {
        let call = Call::new(Method::Get, path, format!("read {subject}"), subject);
        self.call(&call, deadline, decode::object)
    }
}
