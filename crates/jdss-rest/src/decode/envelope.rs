//! The envelope of every answer: data, or an error.

use serde_json::{Map, Value};

use super::classify::classify;
use super::fields::integer;
use super::{Fault, excerpt, shape};
use crate::error::ProtocolReason;

/// The `data` of an answer; `Null` where there is none though the status lets one expect it.
///
/// A 204 has none by design, and a 201 says enough by itself: both count as an empty object.
pub(crate) fn payload(status: u16, body: &[u8]) -> Result<Value, Fault> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    if !(200..300).contains(&status) {
        return Err(failure(status, json.as_ref(), body));
    }
    let nothing = match status {
        201 | 204 => Value::Object(Map::new()),
        _ => Value::Null,
    };
    if status == 204 || body.iter().all(u8::is_ascii_whitespace) {
        return Ok(nothing);
    }
    match json {
        Some(Value::Object(mut envelope)) => {
            if envelope.get("error").is_some_and(|error| !error.is_null()) {
                return Err(failure(status, Some(&Value::Object(envelope)), body));
            }
            let data = envelope.remove("data").filter(|data| !data.is_null());
            Ok(data.unwrap_or(nothing))
        }
        Some(_) => Err(shape("an object with the field \"data\"")),
        None => Err(Fault::Protocol(ProtocolReason::NotJson)),
    }
}

fn failure(status: u16, json: Option<&Value>, body: &[u8]) -> Fault {
    // Some errors come without the envelope, some as a bare text.
    let error = json.map(|json| json.get("error").filter(|e| !e.is_null()).unwrap_or(json));
    let text = |field: &str| Some(error?.get(field)?.as_str()?.to_owned());
    let class = text("class");
    let errno = error.and_then(|error| error.get("errno")).and_then(integer);
    let message = text("message")
        .or_else(|| error?.as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    let message = excerpt(&message);
    let explained = class.is_some() || errno.is_some() || text("message").is_some();
    match classify(status, class.as_deref(), errno, &message, explained) {
        Some(kind) => Fault::Api {
            kind,
            class,
            errno,
            message,
        },
        None => Fault::Protocol(ProtocolReason::Status),
    }
}
