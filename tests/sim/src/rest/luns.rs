//! LUNs of one target, and of all.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Firmware;
use super::answer::{Answer, Refusal, Strict};
use super::call::{Call, parameter};
use crate::model::{Late, Lun, LunPlace, NewLun};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attach {
    name: String,
    lun: u16,
    mode: Option<Mode>,
    scsi_id: Option<String>,
    block_size: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Wt,
    Wb,
    Ro,
}

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let target = call.value(1);
    let luns = call.model.luns(call.value(0), target)?;
    Ok(Answer::ok(
        luns.iter().map(|lun| look(call, target, lun)).collect(),
    ))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let target = call.value(1);
    let lun = call.model.lun(call.value(0), target, call.value(2))?;
    Ok(Answer::ok(look(call, target, &lun)))
}

pub(super) fn attach(call: &Call<'_>) -> Result<Answer, Refusal> {
    let Attach {
        name,
        lun,
        mode,
        scsi_id,
        block_size,
    } = call.body()?;
    let block_size = block_size.unwrap_or(512);
    if !matches!(block_size, 512 | 4096) {
        return Err(Strict::field("'block_size' is 512 or 4096").into());
    }
    let mode = match mode {
        None | Some(Mode::Wt) => "wt",
        Some(Mode::Wb) => "wb",
        Some(Mode::Ro) => "ro",
    };
    let new = NewLun {
        volume: name,
        number: lun,
        mode: mode.to_owned(),
        block_size,
        scsi_id,
    };
    let lun = call.model.attach(call.value(0), call.value(1), new)?;
    let late = Late::Lun {
        target: call.value(1).to_ascii_lowercase(),
        volume: lun.volume.name(),
    };
    if call.model.lateness().hide(late) {
        return Ok(Answer::without_body(201));
    }
    Ok(Answer::created(shown(call, &lun)))
}

pub(super) fn detach(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.model
        .detach(call.value(0), call.value(1), call.value(2))?;
    Ok(call.done([204, 200, 201]))
}

/// All pools are searched: the same volume name may be there more than once.
pub(super) fn find(call: &Call<'_>) -> Result<Answer, Refusal> {
    let name =
        match call.parameter("where") {
            None => None,
            Some(condition) => Some(condition.strip_prefix("name==").ok_or_else(|| {
                parameter(format!("'where' is 'name==<volume>', not '{condition}'"))
            })?),
        };
    Ok(Answer::ok(
        call.model
            .find_luns(name)
            .iter()
            .map(|place| look_at_place(call, place))
            .collect(),
    ))
}

/// Is the LUN's identity not shown yet?
fn is_late(call: &Call<'_>, target: &str, lun: &Lun) -> bool {
    let wanted = Late::Lun {
        target: target.to_ascii_lowercase(),
        volume: lun.volume.name(),
    };
    call.model.lateness().look(|late| *late == wanted).is_some()
}

fn look(call: &Call<'_>, target: &str, lun: &Lun) -> Value {
    let mut shown = shown(call, lun);
    if is_late(call, target, lun) {
        without(&mut shown, &["scsi_id"]);
    }
    shown
}

fn look_at_place(call: &Call<'_>, place: &LunPlace) -> Value {
    let mut shown = shown_place(call, place);
    if is_late(call, &place.target, &place.lun) {
        without(&mut shown["lun"], &["scsi_id", "eui"]);
    }
    shown
}

fn without(shown: &mut Value, fields: &[&str]) {
    if let Value::Object(shown) = shown {
        shown.retain(|name, _| !fields.contains(&name.as_str()));
    }
}

fn shown(call: &Call<'_>, lun: &Lun) -> Value {
    json!({
        "name": lun.volume.name(),
        "lun": number(call, lun),
        "mode": lun.mode,
        "block_size": lun.block_size,
        "scsi_id": lun.scsi_id,
        "thin_provisioned": lun.volume.thin(),
    })
}

/// Clients have to take numbers and strings.
fn number(call: &Call<'_>, lun: &Lun) -> Value {
    match call.firmware {
        Firmware::Old => lun.number.to_string().into(),
        Firmware::Classic | Firmware::Recent => lun.number.into(),
    }
}

fn shown_place(call: &Call<'_>, place: &LunPlace) -> Value {
    let LunPlace {
        pool,
        target,
        active,
        lun,
    } = place;
    json!({
        "pool": pool,
        "iscsi_target": { "name": target, "active": active },
        "lun": {
            "lun": match call.firmware {
                Firmware::Classic => lun.number.to_string().into(),
                Firmware::Recent | Firmware::Old => number(call, lun),
            },
            "name": lun.volume.name(),
            "scsi_id": lun.scsi_id,
            "eui": eui(&lun.scsi_id),
        },
    })
}

/// The EUI-64 that initiators see: the ASCII codes of the first 8 characters.
fn eui(scsi_id: &str) -> String {
    scsi_id
        .bytes()
        .take(8)
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // Writing to a String does not fail.
            text
        })
}
