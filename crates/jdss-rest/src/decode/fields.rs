//! Fields in all the forms that versions of the appliance give them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::names::ScsiId;

/// A whole number, written as number or as string.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn unsigned(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    unsigned(&value).ok_or_else(|| D::Error::custom(format_args!("{value} is not a whole number")))
}

pub(super) fn optional_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    // For information only, and some versions write a date here.
    Ok(unsigned(&Value::deserialize(from)?))
}

pub(super) fn lun_number<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    let value = Value::deserialize(from)?;
    unsigned(&value)
        .and_then(|number| u16::try_from(number).ok())
        .ok_or_else(|| D::Error::custom(format_args!("{value} is not a LUN number")))
}

pub(super) fn optional_lun_number<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u16>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        value => lun_number(value).map(Some).map_err(D::Error::custom),
    }
}

pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// Absent, null and empty are all "not yet"; anything else must be a valid id.
pub(super) fn scsi_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ScsiId>, D::Error> {
    match Option::<String>::deserialize(from)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => text.parse().map(Some).map_err(D::Error::custom),
    }
}

/// `true`, `"on"` and the like; `None` for anything else.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(flag) => Some(flag),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Some(true),
            "off" | "false" | "no" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    })
}
