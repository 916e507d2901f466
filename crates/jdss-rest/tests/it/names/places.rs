//! An appliance in the state that a vector gives, as far as placing a volume goes.

use std::net::SocketAddr;
use std::sync::Mutex;

use jdss_rest::transport::{Limits, Method, Reply, Request, Transport, TransportError};
use jdss_rest::{Client, Publish, Published};
use serde_json::{Value, json};

use crate::script::{missing, ok, reply, soon};

const POOL: &str = "/pools/Pool-0";
/// The id of a LUN made here.
const NEW_ID: &str = "4fa1c0de77e2b316";

#[derive(Debug)]
struct State(Mutex<Value>);

impl Transport for State {
    fn exchange(
        &self,
        _: SocketAddr,
        request: &Request,
        _: Limits,
    ) -> Result<Reply, TransportError> {
        let mut args = self.0.lock().expect("not poisoned");
        let path = request.path.strip_prefix(POOL).unwrap_or(&request.path);
        let target = path.strip_prefix("/san/iscsi/targets");
        let rest: Vec<&str> = target
            .map(|rest| rest.split('/').skip(1).collect())
            .unwrap_or_default();
        match (request.method, &rest[..]) {
            (Method::Post, _) => {
                let body: Value =
                    serde_json::from_str(request.body.as_ref().expect("a body")).expect("JSON");
                let made = match path.ends_with("/luns") {
                    true => json!({ "name": body["name"], "lun": body["lun"], "scsi_id": NEW_ID }),
                    false => body,
                };
                reply(201, &json!({ "data": made, "error": null }))
            }
            (Method::Delete, [_, "luns", _] | [_]) => {
                args["lunrec"] = json!([]);
                reply(200, &json!({ "data": null, "error": null }))
            }
            (Method::Get, []) if path.starts_with("/san/iscsi/luns?where=") => {
                ok(args.get("lunrec").cloned().unwrap_or_else(|| json!([])))
            }
            (Method::Get, []) if target.is_some() => {
                let names = args["targets"].as_array().expect("a list");
                ok(names.iter().map(one).collect())
            }
            (Method::Get, []) if path == "/vips" => ok(json!([
                { "name": "vip1", "address": "10.1.0.11" }
            ])),
            (Method::Get, []) => ok(json!({ "name": args["vol"], "volsize": "1" })),
            (Method::Get, [name]) if known(&args, name) => ok(one(&json!(name))),
            (Method::Get, [name]) => missing(&format!("Target {name}")),
            (Method::Get, [_, "sessions"]) => {
                let sessions = args["sessions"].as_array().cloned().unwrap_or_default();
                ok(sessions
                    .iter()
                    .map(|session| {
                        json!({ "sid": "1", "target_name": "x", "initiator_name": "iqn.a:b",
                            "ip": session["ip"] })
                    })
                    .collect())
            }
            (Method::Get, [name, "luns"]) => {
                let taken = args["luns"][*name].as_array().cloned().unwrap_or_default();
                ok(taken
                    .iter()
                    .map(|n| json!({ "name": format!("v_other{n}"), "lun": n }))
                    .collect())
            }
            _ => panic!("{} {}", request.method, request.path),
        }
    }
}

fn known(args: &Value, name: &str) -> bool {
    let listed = args["targets"].as_array().expect("a list");
    listed.contains(&json!(name)) || args["lunrec"][0]["iscsi_target"]["name"] == name
}

fn one(name: &Value) -> Value {
    json!({ "name": name, "active": true, "incoming_users_active": false,
        "vip_allowed_portals": { "enabled": true, "assigned_vips": ["vip1"] } })
}

/// Where publishing puts the volume, in the form of the vectors.
pub(super) fn place(args: &Value) -> Value {
    let client = Client::builder(vec!["192.0.2.1".parse().expect("an address")])
        .build_with(State(Mutex::new(args.clone())))
        .expect("one address is enough");
    let text = |field: &str| args[field].as_str().expect("a string");
    let volume = text("vol");
    if args["current"] == true {
        // A look without a change.
        let found = client.attachments(volume, soon()).expect("an answer");
        assert_eq!(found, []);
        return json!({ "target": null, "lun": null, "attached": false, "new_target": null,
            "scsi_id": null });
    }
    let request = Publish {
        pool: "Pool-0".to_owned(),
        // The vectors have the volume of ISO images, which has no id, too.
        volume: volume
            .strip_prefix("v_")
            .unwrap_or(volume)
            .parse()
            .expect("an id"),
        target_prefix: text("prefix").parse().expect("a prefix"),
        group: text("group").parse().expect("a group"),
        luns_per_target: args["lpt"]
            .as_u64()
            .and_then(|n| n.try_into().ok())
            .expect("a limit"),
        data_addresses: vec!["10.1.0.11".parse().expect("an address")],
        chap: jdss_rest::Chap::Unmanaged,
        may_move: true,
    };
    let Published {
        target,
        lun,
        scsi_id,
        created,
        ..
    } = client.publish(&request, soon()).expect("published");
    json!({ "target": target, "lun": lun, "attached": !created.lun, "new_target": created.target,
        "scsi_id": (!created.lun).then(|| scsi_id.as_str()) })
}
