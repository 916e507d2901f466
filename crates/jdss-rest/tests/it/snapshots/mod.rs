//! The single calls for snapshots, answer by answer.

mod rollback;
mod single;

use serde_json::{Value, json};

pub(crate) const SNAPSHOTS: &str = "/pools/Pool-0/volumes/v_a/snapshots";

/// A list of one page.
pub(crate) fn page(entries: &[Value]) -> Value {
    json!({ "results": entries.len(), "entries": entries })
}
