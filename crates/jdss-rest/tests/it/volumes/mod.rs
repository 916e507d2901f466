//! The single calls for volumes, answer by answer.

mod change;
mod create;
mod delete;
mod rename;
mod resize;

use serde_json::{Value, json};

pub(crate) const VOLUMES: &str = "/pools/Pool-0/volumes";
pub(crate) const ID: &str = "4fa1c0de77e2b316";
pub(crate) const OTHER_ID: &str = "95545635e1780899";

/// A volume with blocks of 16 KiB.
pub(crate) fn volume(name: &str, size: u64, id: &str) -> Value {
    json!({ "name": name, "volsize": size.to_string(), "volblocksize": "16384",
        "default_scsi_id": id, "origin": null, "is_clone": false })
}

/// A clone of `origin`, such as `Pool-0/v_a@s_b`.
pub(crate) fn clone(name: &str, origin: &str) -> Value {
    json!({ "name": name, "volsize": "16384", "default_scsi_id": OTHER_ID,
        "origin": origin, "is_clone": true })
}

pub(crate) fn pool() -> Value {
    json!({ "name": "Pool-0", "size": "10", "available": "5" })
}
