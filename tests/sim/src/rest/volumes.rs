//! Volumes. Sizes are strings, as the appliance has them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, Strict};
use super::call::Call;
use super::pool::pages;
use crate::model::{NewVolume, PROPERTIES, Volume};
use crate::parse_size;

const BLOCK_SIZES: [(&str, u64); 9] = [
    ("4K", 4 << 10),
    ("8K", 8 << 10),
    ("16K", 16 << 10),
    ("32K", 32 << 10),
    ("64K", 64 << 10),
    ("128K", 128 << 10),
    ("256K", 256 << 10),
    ("512K", 512 << 10),
    ("1M", 1 << 20),
];
/// Block size of a volume made without one.
pub(crate) const BLOCK_SIZE: u64 = 16 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    size: String,
    #[serde(default)]
    sparse: bool,
    blocksize: Option<BlockSize>,
    #[serde(default)]
    create_parents: bool,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BlockSize {
    Name(String),
    Bytes(u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    size: Option<String>,
    name: Option<String>,
    provisioning: Option<Provisioning>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Provisioning {
    Thin,
    Thick,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Property {
    property_name: String,
    property_value: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Delete {
    recursively_children: bool,
    recursively_dependents: bool,
    force_umount: bool,
}

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let available = call.model.pool(call.value(0))?.available;
    let volumes = call.model.volumes(call.value(0))?;
    pages(
        call,
        volumes
            .iter()
            .map(|volume| shown(volume, available))
            .collect(),
    )
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let available = call.model.pool(call.value(0))?.available;
    let volume = call.model.volume(call.value(0), call.value(1))?;
    Ok(Answer::ok(shown(&volume, available)))
}

/// Answers without data: what the appliance shows here is not known, so that no client may use it.
pub(super) fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let Create {
        name,
        size,
        sparse,
        blocksize,
        create_parents,
        properties,
    } = call.body()?;
    if create_parents && name.contains('/') {
        return Err(Strict::field("volumes inside of others are not simulated").into());
    }
    for property in properties.keys() {
        known_property(property)?;
    }
    let size = bytes(&size)?;
    let block_size = match blocksize {
        None => BLOCK_SIZE,
        Some(BlockSize::Bytes(bytes)) => block_size(|(_, size)| *size == bytes)?,
        Some(BlockSize::Name(name)) => block_size(|(known, _)| *known == name)?,
    };
    let new = NewVolume {
        name,
        size,
        sparse,
        block_size,
        scsi_id: None,
        properties,
    };
    call.model.create_volume(call.value(0), new)?;
    Ok(Answer::created(Value::Null))
}

pub(super) fn change(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (pool, volume) = (call.value(0), call.value(1));
    match call.body()? {
        Change {
            size: Some(size),
            name: None,
            provisioning: None,
        } => {
            let size = bytes(&size)?;
            if size < call.model.volume(pool, volume)?.size() {
                return Err(Strict::field("a volume is never made smaller by this API").into());
            }
            call.model.resize_volume(pool, volume, size)?;
            Ok(Answer::created(Value::Null))
        }
        Change {
            size: None,
            name: Some(name),
            provisioning: None,
        } => {
            call.model.rename_volume(pool, volume, &name)?;
            Ok(Answer::ok(Value::Null))
        }
        Change {
            size: None,
            name: None,
            provisioning: Some(provisioning),
        } => {
            call.model
                .set_thin(pool, volume, matches!(provisioning, Provisioning::Thin))?;
            Ok(Answer::ok(Value::Null))
        }
        _ => Err(Strict::field("one of 'size', 'name' and 'provisioning' at a time").into()),
    }
}

pub(super) fn set_property(call: &Call<'_>) -> Result<Answer, Refusal> {
    let Property {
        property_name,
        property_value,
    } = call.body()?;
    known_property(&property_name)?;
    if property_name == "readonly" && !matches!(property_value.as_str(), "on" | "off") {
        return Err(Strict::field("'readonly' is 'on' or 'off'").into());
    }
    call.model.set_property(
        call.value(0),
        call.value(1),
        &property_name,
        &property_value,
    )?;
    Ok(Answer::gone())
}

/// The flags change nothing as long as volumes have neither snapshots nor clones.
pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let Delete {
        recursively_children: _,
        recursively_dependents,
        force_umount: _,
    } = call.body_if_any()?;
    if recursively_dependents {
        // It would take other volumes along.
        return Err(Strict::field("no client may use 'recursively_dependents'").into());
    }
    call.model.delete_volume(call.value(0), call.value(1))?;
    Ok(Answer::gone())
}

fn shown(volume: &Volume, available: u64) -> Value {
    let name = volume.name();
    let size = volume.size();
    let used = volume
        .file
        .metadata()
        .map_or(0, |metadata| metadata.blocks() * 512);
    let scsi_id = volume.scsi_id();
    let mut shown = json!({
        "name": name,
        "full_name": format!("{}/{name}", volume.pool),
        "type": "volume",
        "volsize": size.to_string(),
        "volblocksize": volume.block_size.to_string(),
        "creation": volume.created.to_string(),
        "origin": null,
        "is_clone": false,
        "default_scsi_id": scsi_id,
        "san:volume_id": scsi_id,
        "used": used.to_string(),
        "available": available.to_string(),
        "refreservation": volume.reserved().to_string(),
    });
    if let Value::Object(fields) = &mut shown {
        fields.extend(
            volume
                .properties()
                .into_iter()
                .map(|(name, value)| (name, value.into())),
        );
    }
    shown
}

fn known_property(name: &str) -> Result<(), Strict> {
    if PROPERTIES.iter().any(|(known, _)| *known == name) {
        return Ok(());
    }
    Err(Strict::field(format!("there is no property '{name}'")))
}

fn block_size(wanted: impl FnMut(&&(&str, u64)) -> bool) -> Result<u64, Strict> {
    let found = BLOCK_SIZES.iter().find(wanted).map(|(_, size)| *size);
    found.ok_or_else(|| Strict::field("'blocksize' is one of 4K, 8K, 16K .. 1M, or as many bytes"))
}

fn bytes(text: &str) -> Result<u64, Strict> {
    parse_size(text).map_err(|error| Strict::field(error.to_string()))
}
