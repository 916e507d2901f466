//! Lists, bare or in pages.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fields::unsigned;
use super::{Fault, excerpt, shape};
use crate::error::ProtocolReason;

/// One page of a list, or the whole of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    /// One that cannot be read is not left out.
    pub(crate) entries: Vec<Result<T, BadEntry>>,
    /// Whether there may be more than these.
    pub(crate) paged: bool,
    /// How many entries the whole list has, where the appliance says so.
    pub(crate) total: Option<u64>,
}

/// An entry that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadEntry {
    /// Its name, or what there is of it.
    pub(crate) name: String,
    pub(crate) detail: String,
}

/// A list, bare or paged.
pub(crate) fn page<T: DeserializeOwned>(data: Value) -> Result<Page<T>, Fault> {
    let (entries, paged, total) = match data {
        Value::Null => return Err(Fault::Protocol(ProtocolReason::Empty)),
        Value::Array(entries) => (entries, false, None),
        Value::Object(mut page) => {
            let Some(Value::Array(entries)) = page.remove("entries") else {
                return Err(shape("a list"));
            };
            let total = match page.get("results") {
                None | Some(Value::Null) => None,
                Some(total) => Some(unsigned(total).ok_or(shape("the number of entries"))?),
            };
            (entries, true, total)
        }
        _ => return Err(shape("a list")),
    };
    Ok(Page {
        entries: entries.into_iter().map(entry).collect(),
        paged,
        total,
    })
}

fn entry<T: DeserializeOwned>(value: Value) -> Result<T, BadEntry> {
    let name = value.get("name").and_then(Value::as_str);
    let name: String = name.map_or_else(|| value.to_string(), str::to_owned);
    let name = excerpt(&name);
    serde_json::from_value(value).map_err(|error| {
        let detail = excerpt(&error.to_string());
        BadEntry { name, detail }
    })
}
