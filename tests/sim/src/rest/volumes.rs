//! Volumes. Sizes are strings, as the appliance has them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, Strict};
use super::call::Call;
use super::pool::pages;
use crate::error::Error;
use crate::model::{Late, NewVolume, PROPERTIES, Volume};
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
pub(super) struct Delete {
    /// Snapshots, too.
    pub(super) recursively_children: bool,
    recursively_dependents: bool,
    #[serde(rename = "force_umount")]
    _force_umount: bool,
}

impl Delete {
    /// How something is to be deleted.
    pub(super) fn of(call: &Call<'_>) -> Result<Self, Strict> {
        let delete: Self = call.body_if_any()?;
        if delete.recursively_dependents {
            // It would take other volumes along.
            return Err(Strict::field("no client may use 'recursively_dependents'"));
        }
        Ok(delete)
    }
}

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let pool = call.value(0);
    let available = call.model.pool(pool)?.available;
    let mut volumes = call.model.volumes(pool)?;
    let late = call.model.lateness().look_at_list(|late| match late {
        Late::Volume { pool: of, .. } | Late::Rename { pool: of, .. } => of == pool,
        Late::Target { .. } | Late::Lun { .. } => false,
    });
    if !late.is_empty() {
        let hides = |late: &Late, volume: &Volume| match late {
            Late::Volume { name, .. } | Late::Rename { new: name, .. } => *name == volume.name(),
            Late::Target { .. } | Late::Lun { .. } => false,
        };
        volumes.retain(|volume| late.iter().all(|late| !hides(late, volume)));
    }
    pages(call, &volumes, |volume| shown(call, volume, available))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (pool, name) = (call.value(0), call.value(1));
    let available = call.model.pool(pool)?.available;
    let late = call.model.lateness().look(|late| match late {
        Late::Volume {
            pool: of,
            name: new,
        } => of == pool && new == name,
        Late::Rename { pool: of, old, new } => of == pool && (old == name || new == name),
        Late::Target { .. } | Late::Lun { .. } => false,
    });
    let volume = match &late {
        Some(Late::Rename { old, new, .. }) if old == name => call.model.volume(pool, new)?,
        Some(Late::Rename { .. }) => {
            return Err(Error::VolumeMissing {
                pool: pool.to_owned(),
                volume: name.to_owned(),
            }
            .into());
        }
        _ => call.model.volume(pool, name)?,
    };
    let mut shown = shown(call, &volume, available);
    match late {
        Some(Late::Rename { old, .. }) => {
            shown["full_name"] = format!("{pool}/{old}").into();
            shown["name"] = old.into();
        }
        Some(Late::Volume { .. }) => {
            shown["default_scsi_id"] = Value::Null;
            shown["san:volume_id"] = Value::Null;
        }
        _ => {}
    }
    Ok(Answer::ok(shown))
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
    let volume = call.model.create_volume(call.value(0), new)?;
    hide(call, &volume);
    Ok(call.done([201, 200, 201]))
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
            call.model.lateness().hide(Late::Rename {
                pool: pool.to_owned(),
                old: volume.to_owned(),
                new: name,
            });
            Ok(call.done([200, 204, 201]))
        }
        Change {
            size: None,
            name: None,
            provisioning: Some(provisioning),
        } => {
            call.model
                .set_thin(pool, volume, matches!(provisioning, Provisioning::Thin))?;
            Ok(call.done([200, 204, 201]))
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
    Ok(call.done([204, 200, 201]))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let snapshots = Delete::of(call)?.recursively_children;
    call.model
        .delete_volume(call.value(0), call.value(1), snapshots)?;
    Ok(Answer::gone())
}

/// Hides a volume that is new.
pub(super) fn hide(call: &Call<'_>, volume: &Volume) {
    call.model.lateness().hide(Late::Volume {
        pool: volume.pool.clone(),
        name: volume.name(),
    });
}

fn shown(call: &Call<'_>, volume: &Volume, available: u64) -> Value {
    let scsi_id = volume.scsi_id();
    let origin = volume.origin().map(|origin| origin.full_name());
    let mut shown = json!({
        "name": volume.name(),
        "full_name": volume.full_name(),
        "type": "volume",
        "volsize": call.number(volume.size()),
        "volblocksize": call.number(volume.block_size),
        "creation": call.number(volume.created),
        "is_clone": origin.is_some(),
        "origin": origin,
        "default_scsi_id": scsi_id,
        "san:volume_id": scsi_id,
        "used": call.number(volume.used()),
        "available": call.number(available),
        "refreservation": call.number(volume.reserved()),
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

pub(super) fn known_property(name: &str) -> Result<(), Strict> {
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
