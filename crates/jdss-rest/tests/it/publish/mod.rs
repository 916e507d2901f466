//! Publishing on canned answers: which calls, how many, in which order.

mod plain;
mod races;
mod remembered;

use jdss_rest::transport::{Reply, TransportError};
use jdss_rest::{Chap, Error, Publish, TargetGroup};
use serde_json::{Value, json};

use crate::script::*;

pub(super) type Answer = Result<Reply, TransportError>;

pub(super) const PREFIX: &str = "iqn.2025-04.proxmox.joviandss.iscsi:";
pub(super) const QUERY: &str = "GET /san/iscsi/luns?where=name==v_vm-100-disk-0";
pub(super) const VOLUME: &str = "GET /pools/Pool-0/volumes/v_vm-100-disk-0";
pub(super) const VIPS: &str = "GET /pools/Pool-0/vips";
pub(super) const SCSI_ID: &str = "4fa1c0de77e2b316";

pub(super) fn name(index: u32) -> String {
    format!("{PREFIX}vm-100-{index}")
}

pub(super) fn target(name: &str, vips: &[&str]) -> Value {
    json!({ "name": name, "active": true, "conflicted": false, "incoming_users_active": false,
        "outgoing_user": null, "allow_ip": [], "deny_ip": [],
        "vip_allowed_portals": { "enabled": true, "assigned_vips": vips } })
}

pub(super) fn inactive(name: &str) -> Value {
    let mut target = target(name, &["vip1", "vip2"]);
    target["active"] = json!(false);
    target
}

pub(super) fn lun(volume: &str, lun: u16) -> Value {
    json!({ "name": volume, "lun": lun, "mode": "wt", "block_size": 512, "scsi_id": SCSI_ID })
}

pub(super) fn attached(pool: &str, target: &str, lun: u16) -> Value {
    json!({ "pool": pool, "iscsi_target": { "name": target, "active": true },
        "lun": { "lun": lun, "name": "v_vm-100-disk-0", "scsi_id": SCSI_ID, "eui": "3466613163306465" } })
}

pub(super) fn query(entries: Value) -> Step {
    step(QUERY, ok(entries))
}

pub(super) fn volume() -> Step {
    step(
        VOLUME,
        ok(json!({ "name": "v_vm-100-disk-0", "volsize": "34359738368" })),
    )
}

pub(super) fn vips() -> Step {
    step(
        VIPS,
        ok(json!([
            { "name": "vip2", "address": "10.2.0.11", "netmask": "255.255.255.0" },
            { "name": "vip1", "address": "10.1.0.11", "netmask": "255.255.255.0" },
            { "name": "vip3", "address": "FD00:0::0:1" },
        ])),
    )
}

pub(super) fn get_target(name: &str, answer: Answer) -> Step {
    step(format!("GET {TARGETS}/{name}"), answer)
}

pub(super) fn targets(targets: Value) -> Step {
    step(format!("GET {TARGETS}"), ok(targets))
}

pub(super) fn luns(target: &str, luns: Value) -> Step {
    step(format!("GET {TARGETS}/{target}/luns"), ok(luns))
}

pub(super) fn create(target: &str, answer: Answer) -> Step {
    step(format!("POST {TARGETS}"), answer).body(json!({
        "name": target, "active": true, "incoming_users_active": false,
        "vip_allowed_portals": { "enabled": true, "assigned_vips": ["vip1", "vip2"] } }))
}

pub(super) fn attach(target: &str, number: u16, answer: Answer) -> Step {
    step(format!("POST {TARGETS}/{target}/luns"), answer)
        .body(json!({ "name": "v_vm-100-disk-0", "lun": number }))
}

pub(super) fn created(data: Value) -> Answer {
    reply(201, &json!({ "data": data, "error": null }))
}

pub(super) fn sessions(target: &str, sessions: Value) -> Step {
    step(format!("GET {TARGETS}/{target}/sessions"), ok(sessions))
}

pub(super) fn delete(target: &str) -> Step {
    step(
        format!("DELETE {TARGETS}/{target}"),
        Ok(Reply {
            status: 204,
            body: Vec::new(),
        }),
    )
}

pub(super) fn conflict(message: &str) -> Answer {
    fail(409, "opene.exceptions.ItemConflictError", None, message)
}

pub(super) fn request() -> Publish {
    Publish {
        pool: "Pool-0".to_owned(),
        volume: "vm-100-disk-0".parse().expect("a volume id"),
        target_prefix: PREFIX.parse().expect("a prefix"),
        group: TargetGroup::of("vm-100-disk-0").expect("a group"),
        luns_per_target: 8,
        data_addresses: ["10.1.0.11", "10.9.0.11", "10.2.0.11"]
            .map(|address| address.parse().expect("an address"))
            .to_vec(),
        chap: Chap::Unmanaged,
        may_move: true,
    }
}

pub(super) fn publish(script: &Script) -> Result<jdss_rest::Published, Error> {
    let result = script.client().publish(&request(), soon());
    script.assert_done();
    result
}
