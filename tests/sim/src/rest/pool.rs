//! Pools and their VIPs.

use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::call::{Call, parameter};

/// How many entries a page has when the client does not say. Nothing documents it; small, so that a
/// client that relies on one page is found out.
const PER_PAGE: usize = 10;

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let pool = call.model.pool(call.value(0))?;
    Ok(Answer::ok(json!({
        "name": pool.name,
        "id": pool.id,
        "size": pool.size.to_string(),
        "available": pool.available.to_string(),
        "health": "ONLINE",
        "status": 24,
        "operation": "none",
        "iostats": { "read": "0", "write": "0", "chksum": "0" },
        "vdevs": [],
    })))
}

pub(super) fn vips(call: &Call<'_>) -> Result<Answer, Refusal> {
    let vips = call.model.vips(call.value(0))?;
    let shown = |vip: &crate::model::Vip| json!({ "name": vip.name, "address": vip.address, "netmask": vip.netmask });
    Ok(Answer::ok(vips.iter().map(shown).collect()))
}

/// A list as the API gives it: bare, or one page of it when the client asks for one.
pub(super) fn pages(call: &Call<'_>, entries: Vec<Value>) -> Result<Answer, Refusal> {
    let number = |name: &str| -> Result<Option<usize>, Refusal> {
        let Some(text) = call.parameter(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(parameter(format!("'{name}' is a number, not '{text}'")).into()),
        }
    };
    let (page, per_page) = (number("page")?, number("per_page")?);
    let Some(page) = page else {
        if per_page.is_some() {
            return Err(parameter("'per_page' goes with 'page'".to_owned()).into());
        }
        return Ok(Answer::ok(Value::Array(entries)));
    };
    let per_page = per_page.unwrap_or(PER_PAGE);
    if per_page == 0 {
        return Err(parameter("'per_page' is at least 1".to_owned()).into());
    }
    let total = entries.len();
    let page: Vec<Value> = entries
        .into_iter()
        .skip(page.saturating_mul(per_page))
        .take(per_page)
        .collect();
    Ok(Answer::ok(json!({ "results": total, "entries": page })))
}
