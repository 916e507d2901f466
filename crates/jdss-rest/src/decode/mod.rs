//! From bytes to the model, or to a typed error. Nothing here does I/O.
//!
//! Versions of the appliance differ in whether numbers are strings, whether
//! lists are paged, whether attributes are nested, and in how they say that
//! something is missing; all forms seen are accepted.

mod classify;
mod envelope;
mod fields;
mod page;
mod pool;
mod snapshot;
mod target;
mod volume;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{ErrorKind, ProtocolReason};

pub(crate) use envelope::payload;
pub(crate) use page::{Page, page};
pub(crate) use snapshot::RollbackCounts;

/// Longest part of a foreign text that goes into an error, in characters.
const EXCERPT: usize = 300;

/// A failure, not yet connected with the address and the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Api {
        kind: ErrorKind,
        class: Option<String>,
        errno: Option<i64>,
        message: String,
    },
    Protocol(ProtocolReason),
}

fn shape(expected: &'static str) -> Fault {
    Fault::Protocol(ProtocolReason::Shape { expected })
}

/// One object.
pub(crate) fn object<T: DeserializeOwned>(data: Value) -> Result<T, Fault> {
    match data {
        Value::Null => Err(Fault::Protocol(ProtocolReason::Empty)),
        Value::Object(_) => from_value(data),
        _ => Err(shape("an object")),
    }
}

fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(|error| {
        let detail = excerpt(&error.to_string());
        Fault::Protocol(ProtocolReason::Field { detail })
    })
}

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}

/// The attributes of an object, wherever they are: newer versions nest some in `properties`.
fn flat(mut object: Map<String, Value>) -> Value {
    if let Some(Value::Object(nested)) = object.remove("properties") {
        for (name, value) in nested {
            object.entry(name).or_insert(value);
        }
    }
    Value::Object(object)
}
