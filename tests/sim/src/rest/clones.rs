//! Clones of volumes and of their snapshots.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Refusal, Strict};
use super::call::Call;
use super::volumes::{Delete, hide, known_property};
use crate::model::NewClone;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    snapshot: Option<String>,
    #[serde(default)]
    sparse: bool,
    #[serde(default)]
    readonly: bool,
    #[serde(default)]
    create_parents: bool,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promote {
    poolname: Option<String>,
}

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let Create {
        name,
        snapshot,
        sparse,
        readonly,
        create_parents,
        mut properties,
    } = call.body()?;
    if create_parents && name.contains('/') {
        return Err(Strict::field("volumes inside of others are not simulated").into());
    }
    for property in properties.keys() {
        known_property(property)?;
    }
    if readonly {
        properties.insert("readonly".to_owned(), "on".to_owned());
    }
    let new = NewClone {
        name,
        snapshot,
        sparse,
        properties,
    };
    let clone = call.model.clone_volume(call.value(0), call.value(1), new)?;
    hide(call, &clone);
    Ok(call.done([201, 200, 204]))
}

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (pool, volume, snapshot) = (call.value(0), call.value(1), call.value(2));
    let clones = call.model.clones(pool, volume, snapshot)?;
    let shown = clones.iter().map(|clone| {
        json!({
            "name": clone.name(),
            "full_name": clone.full_name(),
            "is_clone": true,
            "origin": clone.origin().map(|origin| origin.full_name()),
        })
    });
    Ok(Answer::ok(shown.collect()))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let snapshots = Delete::of(call)?.recursively_children;
    let (pool, volume, snapshot) = (call.value(0), call.value(1), call.value(2));
    call.model
        .delete_clone(pool, volume, snapshot, call.value(3), snapshots)?;
    Ok(Answer::gone())
}

pub(super) fn promote(call: &Call<'_>) -> Result<Answer, Refusal> {
    let Promote { poolname } = call.body_if_any()?;
    let (pool, volume, snapshot) = (call.value(0), call.value(1), call.value(2));
    if poolname.is_some_and(|name| name != pool) {
        return Err(Strict::field("'poolname' is the pool of the path").into());
    }
    call.model
        .promote_clone(pool, volume, snapshot, call.value(3))?;
    Ok(Answer::ok(serde_json::Value::Null))
}
