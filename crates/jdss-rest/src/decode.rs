//! From bytes to the model, or to a typed error. Nothing here does I/O.
//!
//! Versions of the appliance differ in whether numbers are strings, whether
//! lists are paged, and in how they say that something is missing; all forms
//! seen are accepted. This is the only place that reads the texts of errors.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::{ErrorKind, ProtocolReason};
use crate::model::{Attachment, Lun, Origin, PoolInfo, Session, Target, Vip, Volume};
use crate::names::ScsiId;

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

/// The `data` of an answer; `Null` where there is none.
pub(crate) fn payload(status: u16, body: &[u8]) -> Result<Value, Fault> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    if !(200..300).contains(&status) {
        return Err(failure(status, json.as_ref(), body));
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    match json {
        Some(Value::Object(mut envelope)) => {
            if envelope.get("error").is_some_and(|error| !error.is_null()) {
                return Err(failure(status, Some(&Value::Object(envelope)), body));
            }
            Ok(envelope.remove("data").unwrap_or(Value::Null))
        }
        Some(_) => Err(shape("an object with the field \"data\"")),
        None => Err(Fault::Protocol(ProtocolReason::NotJson)),
    }
}

fn shape(expected: &'static str) -> Fault {
    Fault::Protocol(ProtocolReason::Shape { expected })
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
    let message: String = message.chars().take(EXCERPT).collect();
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

/// What an error means; `None` for an answer that is not the API's.
fn classify(
    status: u16,
    class: Option<&str>,
    errno: Option<i64>,
    message: &str,
    explained: bool,
) -> Option<ErrorKind> {
    // Modules move between versions, the last part of the class stays.
    let class = class.map(|class| class.rsplit('.').next().unwrap_or(class));
    let kind = match (status, class, errno) {
        (401 | 403, ..) => ErrorKind::Auth,
        // First, for their numbers are those of the system, not of the API.
        (_, Some("CfgParserError" | "ScstAdminError" | "OSError"), _) => ErrorKind::Transient,
        // The route, not the thing, is missing.
        _ if message.contains("requested URL was not found") => ErrorKind::Unsupported,
        (_, Some("ItemNotFoundError" | "NotFound" | "ZfsResourceError"), _)
            if !says_exists(message) =>
        {
            ErrorKind::Missing
        }
        _ if is_missing(message) => ErrorKind::Missing,
        (_, Some("TargetNameConflictError"), _) => ErrorKind::Exists,
        (_, Some("ItemConflictError"), _) => ErrorKind::Conflict,
        _ if message.contains("exceeds available space on pool") => ErrorKind::NoSpace,
        _ if message.contains("Additional properties are not allowed") => ErrorKind::Unsupported,
        _ if message.contains("you must delete all of its clones first")
            || message.contains("volume has children")
            || message.contains("snapshot has dependent clones") =>
        {
            ErrorKind::Busy
        }
        (_, _, Some(5 | 100)) => ErrorKind::Exists,
        _ if says_exists(message) => ErrorKind::Exists,
        (_, _, Some(1000)) => ErrorKind::Busy,
        // Not found is a positive answer: only with words of the API's own.
        (404, ..) if explained => ErrorKind::Missing,
        (409, ..) if explained => ErrorKind::Conflict,
        (400 | 422, ..) => ErrorKind::Invalid,
        (429 | 502 | 503 | 504, ..) => ErrorKind::Transient,
        (200..300 | 500..600, ..) => ErrorKind::Other,
        _ if explained => ErrorKind::Other,
        _ => return None,
    };
    Some(kind)
}

fn is_missing(message: &str) -> bool {
    (message.starts_with("Zfs resource: ") && message.contains("not found in this collection"))
        || (message.starts_with("cannot open ") && message.contains("dataset does not exist"))
}

fn says_exists(message: &str) -> bool {
    message.trim_end_matches('.').ends_with("already exists")
}

/// One object.
pub(crate) fn object<T: DeserializeOwned>(data: Value) -> Result<T, Fault> {
    match data {
        Value::Null => Err(Fault::Protocol(ProtocolReason::Empty)),
        Value::Object(_) => from_value(data),
        _ => Err(shape("an object")),
    }
}

/// One page of a list, or the whole of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    /// How many entries there are in all, when the list is paged.
    pub(crate) total: Option<u64>,
}

/// A list, bare or paged.
pub(crate) fn page<T: DeserializeOwned>(data: Value) -> Result<Page<T>, Fault> {
    let (entries, total) = match data {
        Value::Null => return Err(Fault::Protocol(ProtocolReason::Empty)),
        Value::Array(entries) => (entries, None),
        Value::Object(mut page) => match page.remove("entries") {
            Some(Value::Array(entries)) => {
                let total = page
                    .get("results")
                    .and_then(integer)
                    .and_then(|n| n.try_into().ok());
                (entries, total)
            }
            _ => return Err(shape("a list")),
        },
        _ => return Err(shape("a list")),
    };
    let entries = entries
        .into_iter()
        .map(from_value)
        .collect::<Result<_, _>>()?;
    Ok(Page { entries, total })
}

fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(|error| {
        let detail = error.to_string().chars().take(EXCERPT).collect();
        Fault::Protocol(ProtocolReason::Field { detail })
    })
}

/// A whole number, written as number or as string.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn unsigned(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    unsigned(&value)
        .ok_or_else(|| D::Error::custom(format_args!("{value} is not a whole number of bytes")))
}

fn optional_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    // For information only, and some versions write a date here.
    Ok(unsigned(&Value::deserialize(from)?))
}

fn lun_number<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    let value = Value::deserialize(from)?;
    unsigned(&value)
        .and_then(|number| u16::try_from(number).ok())
        .ok_or_else(|| D::Error::custom(format_args!("{value} is not a LUN number")))
}

fn optional_lun_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        value => lun_number(value).map(Some).map_err(D::Error::custom),
    }
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// Absent, null and empty are all "not yet"; anything else must be a valid id.
fn scsi_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ScsiId>, D::Error> {
    match Option::<String>::deserialize(from)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => text.parse().map(Some).map_err(D::Error::custom),
    }
}

impl<'de> Deserialize<'de> for PoolInfo {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            #[serde(default, deserialize_with = "text")]
            id: Option<String>,
            #[serde(deserialize_with = "number")]
            size: u64,
            #[serde(deserialize_with = "number")]
            available: u64,
            #[serde(default, deserialize_with = "text")]
            health: Option<String>,
        }
        let Raw {
            name,
            id,
            size,
            available,
            health,
        } = Raw::deserialize(from)?;
        Ok(Self {
            name,
            id,
            size,
            available,
            health,
        })
    }
}

impl<'de> Deserialize<'de> for Vip {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            #[serde(default, deserialize_with = "text")]
            address: Option<String>,
        }
        let Raw { name, address } = Raw::deserialize(from)?;
        Ok(Self {
            name,
            address: address.unwrap_or_default(),
        })
    }
}

impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            #[serde(deserialize_with = "number")]
            volsize: u64,
            #[serde(default, deserialize_with = "scsi_id")]
            default_scsi_id: Option<ScsiId>,
            #[serde(default, rename = "san:volume_id", deserialize_with = "text")]
            san_volume_id: Option<String>,
            #[serde(default, deserialize_with = "text")]
            origin: Option<String>,
            #[serde(default, deserialize_with = "optional_number")]
            volblocksize: Option<u64>,
            #[serde(default, deserialize_with = "optional_number")]
            creation: Option<u64>,
        }
        let raw = Raw::deserialize(from)?;
        let scsi_id = raw.default_scsi_id.or_else(|| {
            let id = raw.san_volume_id?;
            id.get(..16).unwrap_or(&id).parse().ok()
        });
        Ok(Self {
            name: raw.name,
            size: raw.volsize,
            scsi_id,
            origin: raw.origin.as_deref().and_then(Origin::parse),
            block_size: raw.volblocksize,
            created: raw.creation,
        })
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Portals {
            #[serde(default)]
            enabled: bool,
            #[serde(default)]
            assigned_vips: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            active: bool,
            #[serde(default)]
            incoming_users_active: bool,
            #[serde(default)]
            vip_allowed_portals: Option<Portals>,
        }
        let raw = Raw::deserialize(from)?;
        Ok(Self {
            name: raw.name,
            active: raw.active,
            chap: raw.incoming_users_active,
            vips: raw
                .vip_allowed_portals
                .filter(|portals| portals.enabled)
                .map(|portals| portals.assigned_vips),
        })
    }
}

impl<'de> Deserialize<'de> for Lun {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            #[serde(deserialize_with = "lun_number")]
            lun: u16,
            #[serde(default, deserialize_with = "scsi_id")]
            scsi_id: Option<ScsiId>,
        }
        let Raw { name, lun, scsi_id } = Raw::deserialize(from)?;
        Ok(Self {
            volume: name,
            lun,
            scsi_id,
        })
    }
}

impl<'de> Deserialize<'de> for Attachment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        struct RawTarget {
            #[serde(default, deserialize_with = "text")]
            name: Option<String>,
        }
        #[derive(Deserialize, Default)]
        struct RawLun {
            #[serde(default, deserialize_with = "text")]
            name: Option<String>,
            #[serde(default, deserialize_with = "optional_lun_number")]
            lun: Option<u16>,
            #[serde(default, deserialize_with = "scsi_id")]
            scsi_id: Option<ScsiId>,
        }
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default, deserialize_with = "text")]
            pool: Option<String>,
            #[serde(default)]
            iscsi_target: Option<RawTarget>,
            #[serde(default)]
            lun: Option<RawLun>,
        }
        let raw = Raw::deserialize(from)?;
        let lun = raw.lun.unwrap_or_default();
        Ok(Self {
            pool: raw.pool,
            target: raw.iscsi_target.and_then(|target| target.name),
            volume: lun.name,
            lun: lun.lun,
            scsi_id: lun.scsi_id,
        })
    }
}

impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default, deserialize_with = "text")]
            sid: Option<String>,
            #[serde(default, deserialize_with = "text")]
            target_name: Option<String>,
            #[serde(default, deserialize_with = "text")]
            initiator_name: Option<String>,
            #[serde(default, deserialize_with = "text")]
            ip: Option<String>,
        }
        let raw = Raw::deserialize(from)?;
        Ok(Self {
            id: raw.sid.unwrap_or_default(),
            target: raw.target_name.unwrap_or_default(),
            initiator: raw.initiator_name.unwrap_or_default(),
            address: raw.ip.unwrap_or_default(),
        })
    }
}
