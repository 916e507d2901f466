//! iSCSI targets and their sessions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Firmware;
use super::answer::{Answer, Refusal, Strict};
use super::call::Call;
use super::pool::pages;
use crate::error::Error;
use crate::model::{Late, NewTarget, Session, Target, TargetChange, User, VipAllowed};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    active: bool,
    #[serde(default)]
    incoming_users_active: bool,
    vip_allowed_portals: Option<Portals>,
    #[serde(default)]
    allow_ip: Vec<String>,
    #[serde(default)]
    deny_ip: Vec<String>,
    outgoing_user: Option<Outgoing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Portals {
    enabled: bool,
    assigned_vips: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outgoing {
    name: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: String,
    active: Option<bool>,
    incoming_users_active: Option<bool>,
    vip_allowed_portals: Option<Portals>,
    allow_ip: Option<Vec<String>>,
    deny_ip: Option<Vec<String>>,
}

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let mut targets = call.model.pool_targets(call.value(0))?;
    let late = call
        .model
        .lateness()
        .look_at_list(|late| matches!(late, Late::Target { .. }));
    targets.retain(|target| {
        let name = target.name.clone();
        !late.contains(&Late::Target { name })
    });
    pages(call, &targets, |target| shown(call, target))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let target = call.model.pool_target(call.value(0), call.value(1))?;
    let hides = |late: &Late| matches!(late, Late::Target { name } if *name == target.name);
    if call.model.lateness().look(hides).is_some() {
        return Err(Error::TargetMissing {
            target: call.value(1).to_owned(),
        }
        .into());
    }
    Ok(Answer::ok(shown(call, &target)))
}

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let body: Create = call.body()?;
    let everywhere = VipAllowed {
        enabled: false,
        assigned_vips: Vec::new(),
    };
    let new = NewTarget {
        name: body.name,
        active: body.active,
        incoming_users_active: body.incoming_users_active,
        vips: portals(call, body.vip_allowed_portals)?.unwrap_or(everywhere),
        allow_ip: body.allow_ip,
        deny_ip: body.deny_ip,
        outgoing_user: body.outgoing_user.map(|user| User {
            name: user.name,
            password: user.password,
        }),
    };
    let target = call.model.create_target(call.value(0), new)?;
    let late = Late::Target {
        name: target.name.clone(),
    };
    if call.model.lateness().hide(late) {
        return Ok(Answer::new(202, Value::Null));
    }
    Ok(Answer::created(shown(call, &target)))
}

pub(super) fn change(call: &Call<'_>) -> Result<Answer, Refusal> {
    let body: Change = call.body()?;
    if !body.name.eq_ignore_ascii_case(call.value(1)) {
        return Err(Strict::field("'name' is the target's own: targets are not renamed").into());
    }
    let change = TargetChange {
        active: body.active,
        incoming_users_active: body.incoming_users_active,
        vips: portals(call, body.vip_allowed_portals)?,
        allow_ip: body.allow_ip,
        deny_ip: body.deny_ip,
    };
    call.model
        .update_target(call.value(0), call.value(1), change)?;
    Ok(call.done([200, 204, 201]))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let with_luns = !call.model.options().keep_targets_with_luns;
    call.model
        .delete_target(call.value(0), call.value(1), with_luns)?;
    Ok(call.done([204, 200, 201]))
}

pub(super) fn sessions(call: &Call<'_>) -> Result<Answer, Refusal> {
    let sessions = call.model.target_sessions(call.value(0), call.value(1))?;
    Ok(Answer::ok(sessions.iter().map(shown_session).collect()))
}

pub(super) fn pool_sessions(call: &Call<'_>) -> Result<Answer, Refusal> {
    let sessions = call.model.pool_sessions(call.value(0))?;
    Ok(Answer::ok(sessions.iter().map(shown_session).collect()))
}

fn portals(call: &Call<'_>, portals: Option<Portals>) -> Result<Option<VipAllowed>, Refusal> {
    match portals {
        None => Ok(None),
        Some(_) if call.v3 || call.firmware == Firmware::Old => Err(Refusal::TooOld {
            field: "vip_allowed_portals",
        }),
        Some(Portals {
            enabled,
            assigned_vips,
        }) => Ok(Some(VipAllowed {
            enabled,
            assigned_vips,
        })),
    }
}

fn shown(call: &Call<'_>, target: &Target) -> Value {
    let mut shown = json!({
        "name": target.name,
        "active": target.active,
        "conflicted": false,
        "incoming_users_active": target.incoming_users_active,
        "outgoing_user": target.outgoing_user.as_ref().map(|user| json!({ "name": user.name })),
        "allow_ip": target.allow_ip,
        "deny_ip": target.deny_ip,
    });
    if !call.v3 && call.firmware != Firmware::Old {
        shown["vip_allowed_portals"] = json!({
            "enabled": target.vips.enabled,
            "assigned_vips": target.vips.assigned_vips,
        });
    }
    shown
}

fn shown_session(session: &Session) -> Value {
    json!({
        "target_name": session.target,
        "initiator_name": session.initiator,
        "ip": session.initiator_ip,
        "sid": session.sid,
        "cid": "0",
    })
}
