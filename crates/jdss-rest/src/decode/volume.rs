//! Volumes.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::fields::{flag, number, optional_number, scsi_id, text, unsigned};
use super::flat;
use crate::model::{Origin, Volume};
use crate::names::ScsiId;

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
            #[serde(default, deserialize_with = "flag")]
            is_clone: Option<bool>,
            #[serde(default, deserialize_with = "optional_number")]
            volblocksize: Option<u64>,
            #[serde(default, deserialize_with = "optional_number")]
            creation: Option<u64>,
            #[serde(default, deserialize_with = "optional_number")]
            used: Option<u64>,
            #[serde(default, deserialize_with = "flag")]
            readonly: Option<bool>,
            #[serde(default)]
            refreservation: Value,
        }
        let raw: Raw =
            serde_json::from_value(flat(Map::deserialize(from)?)).map_err(D::Error::custom)?;
        let scsi_id = raw.default_scsi_id.or_else(|| {
            let id = raw.san_volume_id?;
            id.get(..16).unwrap_or(&id).parse().ok()
        });
        let origin = raw.origin.as_deref().and_then(Origin::parse);
        Ok(Self {
            name: raw.name,
            size: raw.volsize,
            scsi_id,
            is_clone: raw.is_clone.unwrap_or(origin.is_some()),
            origin,
            block_size: raw.volblocksize,
            created: raw.creation,
            thin: thin(&raw.refreservation),
            used: raw.used,
            read_only: raw.readonly,
        })
    }
}

/// A thick volume is one whose space is reserved.
fn thin(reserved: &Value) -> Option<bool> {
    match reserved {
        Value::String(text) if text == "none" => Some(true),
        value => unsigned(value).map(|reserved| reserved == 0),
    }
}
