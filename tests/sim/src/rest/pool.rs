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
        "size": call.number(pool.size),
        "available": call.number(pool.available),
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

/// A list as most routes give it: bare, or one page of it when the client asks for one.
pub(super) fn pages<T>(
    call: &Call<'_>,
    entries: &[T],
    shown: impl FnMut(&T) -> Value,
) -> Result<Answer, Refusal> {
    let data = match page(call)? {
        None => entries.iter().map(shown).collect(),
        Some(page) => page.of(entries, shown),
    };
    Ok(Answer::ok(data))
}

/// A list that is counted also when it is given whole.
pub(super) fn enveloped<T>(
    call: &Call<'_>,
    entries: &[T],
    shown: impl FnMut(&T) -> Value,
) -> Result<Answer, Refusal> {
    let whole = Page {
        number: 0,
        size: entries.len(),
    };
    Ok(Answer::ok(page(call)?.unwrap_or(whole).of(entries, shown)))
}

#[derive(Clone, Copy, Debug)]
struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn of<T>(self, entries: &[T], shown: impl FnMut(&T) -> Value) -> Value {
        let page = entries
            .iter()
            .skip(self.number.saturating_mul(self.size))
            .take(self.size);
        json!({ "results": entries.len(), "entries": page.map(shown).collect::<Value>() })
    }
}

/// The page that the client asks for.
fn page(call: &Call<'_>) -> Result<Option<Page>, Refusal> {
    let number = |name: &str| -> Result<Option<usize>, Refusal> {
        let Some(text) = call.parameter(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(parameter(format!("'{name}' is a number, not '{text}'")).into()),
        }
    };
    match (number("page")?, number("per_page")?) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(parameter("'per_page' goes with 'page'".to_owned()).into()),
        (_, Some(0)) => Err(parameter("'per_page' is at least 1".to_owned()).into()),
        (Some(number), size) => Ok(Some(Page {
            number,
            size: size.unwrap_or(PER_PAGE),
        })),
    }
}
