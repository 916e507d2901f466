//! Snapshots, their clones, and what a rollback would take along.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::fields::{number, optional_number, text};
use super::flat;
use crate::model::{CloneInfo, Origin, Snapshot, SnapshotTime};

impl<'de> Deserialize<'de> for Snapshot {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            #[serde(default, deserialize_with = "text")]
            volume: Option<String>,
            #[serde(default)]
            creation: Value,
            #[serde(default, deserialize_with = "optional_number")]
            createtxg: Option<u64>,
            #[serde(default, deserialize_with = "text")]
            guid: Option<String>,
            #[serde(default, deserialize_with = "optional_number")]
            volsize: Option<u64>,
            #[serde(default)]
            clones: Value,
        }
        let raw: Raw =
            serde_json::from_value(flat(Map::deserialize(from)?)).map_err(D::Error::custom)?;
        Ok(Self {
            name: raw.name,
            // Where it is left out, the one who asked for the volume's snapshots knows it.
            volume: raw.volume.unwrap_or_default(),
            created: time(&raw.creation),
            txg: raw.createtxg,
            guid: raw.guid,
            size: raw.volsize,
            clones: clones(&raw.clones).map_err(D::Error::custom)?,
        })
    }
}

fn time(value: &Value) -> Option<SnapshotTime> {
    match value {
        Value::Number(seconds) => seconds.as_u64().map(SnapshotTime::Epoch),
        Value::String(text) => SnapshotTime::parse(text),
        _ => None,
    }
}

/// `Pool-0/a,Pool-0/b`, or a list of such names, or of objects that have one.
fn clones(value: &Value) -> Result<Vec<String>, &'static str> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(text
            .split(',')
            .map(str::trim)
            .filter(|name| !matches!(*name, "" | "-" | "none"))
            .map(without_pool)
            .collect()),
        Value::Array(entries) => entries
            .iter()
            .map(|entry| match entry {
                Value::Object(clone) => clone.get("name").and_then(Value::as_str),
                entry => entry.as_str(),
            })
            // A clone left out would look as if nothing depended on the snapshot.
            .map(|name| name.map(without_pool).ok_or("a clone without a name"))
            .collect(),
        _ => Err("the clones are neither a text nor a list"),
    }
}

fn without_pool(name: &str) -> String {
    name.split_once('/')
        .map_or(name, |(_, name)| name)
        .to_owned()
}

impl<'de> Deserialize<'de> for CloneInfo {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            #[serde(default, deserialize_with = "text")]
            origin: Option<String>,
        }
        let Raw { name, origin } = Raw::deserialize(from)?;
        Ok(Self {
            name: without_pool(&name),
            origin: origin.as_deref().and_then(Origin::parse),
        })
    }
}

/// How many resources are newer than a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RollbackCounts {
    pub(crate) snapshots: u64,
    pub(crate) clones: u64,
}

impl<'de> Deserialize<'de> for RollbackCounts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(deserialize_with = "number")]
            snapshots: u64,
            #[serde(deserialize_with = "number")]
            clones: u64,
        }
        let Raw { snapshots, clones } = Raw::deserialize(from)?;
        Ok(Self { snapshots, clones })
    }
}
