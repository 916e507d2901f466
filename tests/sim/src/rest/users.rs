//! Users with which initiators authenticate themselves (CHAP).

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::call::Call;
use crate::error::Error;
use crate::model::User;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    password: String,
}

/// Passwords are never shown. A target that never had a user has no list at all.
pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let target = call.model.pool_target(call.value(0), call.value(1))?;
    let users = target.users.ok_or(Error::UsersMissing {
        target: target.name,
    })?;
    Ok(Answer::ok(
        users
            .iter()
            .map(|user| json!({ "name": user.name }))
            .collect(),
    ))
}

pub(super) fn add(call: &Call<'_>) -> Result<Answer, Refusal> {
    let Add { name, password } = call.body()?;
    call.model
        .add_user(call.value(0), call.value(1), User { name, password })?;
    Ok(call.done([201, 204, 200]))
}

pub(super) fn remove(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.model
        .remove_user(call.value(0), call.value(1), call.value(2))?;
    Ok(Answer::gone())
}
