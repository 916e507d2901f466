//! Snapshots of volumes, and rollback.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Firmware;
use super::answer::{Answer, Refusal};
use super::call::Call;
use super::pool::{enveloped, pages};
use super::time::Local;
use super::volumes::{Delete, known_property};
use crate::model::Snapshot;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    snapshot_name: String,
    /// Volumes have no children.
    #[serde(default, rename = "recursive")]
    _recursive: bool,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// In a list the size is missing.
pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let mut snapshots = call.model.snapshots(call.value(0), call.value(1))?;
    snapshots.reverse();
    let entry = |snapshot: &std::sync::Arc<Snapshot>| entry(call, snapshot);
    if call.firmware == Firmware::Old {
        pages(call, &snapshots, entry)
    } else {
        enveloped(call, &snapshots, entry)
    }
}

/// The snapshots of all volumes of a pool.
pub(super) fn list_all(call: &Call<'_>) -> Result<Answer, Refusal> {
    let snapshots = call.model.pool_snapshots(call.value(0))?;
    enveloped(call, &snapshots, |snapshot| entry(call, snapshot))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (pool, volume, name) = (call.value(0), call.value(1), call.value(2));
    let snapshot = call.model.snapshot(pool, volume, name)?;
    let clones = call.model.clones(pool, volume, name)?;
    let clones: Vec<String> = clones.iter().map(|clone| clone.full_name()).collect();
    let mut shown = json!({
        "name": snapshot.name,
        "type": "snapshot",
        "volsize": call.number(snapshot.size),
        "used": call.number(0),
        "referenced": call.number(snapshot.referenced()),
        "clones": clones.join(","),
        "guid": snapshot.guid.to_string(),
    });
    if let Some(created) = snapshot.created() {
        shown["creation"] = date(call, created).into();
    }
    Ok(Answer::ok(shown))
}

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let Create {
        snapshot_name,
        properties,
        ..
    } = call.body()?;
    for property in properties.keys() {
        known_property(property)?;
    }
    call.model
        .create_snapshot(call.value(0), call.value(1), &snapshot_name)?;
    Ok(call.done([201, 200, 204]))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    Delete::of(call)?;
    call.model
        .delete_snapshot(call.value(0), call.value(1), call.value(2))?;
    Ok(call.done([204, 200, 201]))
}

/// How much newer than the snapshot a rollback would destroy. No names.
pub(super) fn check_rollback(call: &Call<'_>) -> Result<Answer, Refusal> {
    let newer = call
        .model
        .newer(call.value(0), call.value(1), call.value(2))?;
    Ok(Answer::ok(
        json!({ "snapshots": newer.snapshots, "clones": newer.clones }),
    ))
}

pub(super) fn roll_back(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.model
        .roll_back(call.value(0), call.value(1), call.value(2))?;
    Ok(call.done([200, 204, 201]))
}

/// A snapshot in a list: recent software nests what it knows, and tells seconds since 1970.
fn entry(call: &Call<'_>, snapshot: &Snapshot) -> Value {
    let mut known = Map::new();
    if let Some(created) = snapshot.created() {
        let created = match call.firmware {
            Firmware::Recent => created.into(),
            Firmware::Classic | Firmware::Old => date(call, created).into(),
        };
        known.insert("creation".to_owned(), created);
    }
    known.insert("guid".to_owned(), snapshot.guid.to_string().into());
    let mut shown = Map::new();
    shown.insert("name".to_owned(), snapshot.name.clone().into());
    let volume = snapshot.volume().map(|volume| volume.name());
    shown.insert("volume".to_owned(), volume.into());
    if call.firmware == Firmware::Recent {
        shown.insert("properties".to_owned(), known.into());
    } else {
        shown.extend(known);
    }
    shown.into()
}

fn date(call: &Call<'_>, seconds: u64) -> String {
    let local = Local::new(seconds, call.model.options().utc_offset);
    match call.firmware {
        Firmware::Recent => local.padded(),
        Firmware::Classic | Firmware::Old => local.unpadded(),
    }
}
