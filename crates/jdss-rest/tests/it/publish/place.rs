//! Target and LUN are chosen as the existing clients do.

use jdss_rest::Publish;
use serde_json::{Value, json};

use super::*;

#[test]
fn places_are_those_that_existing_clients_choose() {
    let all: Vec<Value> =
        serde_json::from_str(include_str!("../../fixtures/naming_vectors.json")).unwrap();
    let mut tried = 0;
    for vector in all
        .iter()
        .filter(|vector| vector["fn"] == "acquire_target_lun")
    {
        let (args, out) = (&vector["args"], &vector["out"]);
        if args["current"] == true {
            continue; // a look without a change: publish always changes
        }
        let Some(expected) = out["target"].as_str() else {
            panic!("{vector}")
        };
        let place = choose(args);
        let expected = (expected.to_owned(), out["lun"].as_u64().expect("a number"));
        assert_eq!(place, expected, "{vector}");
        tried += 1;
    }
    assert_eq!(tried, 14);
}

/// Where a volume lands on an appliance in the state that the vector gives.
fn choose(args: &Value) -> (String, u64) {
    use jdss_rest::transport::{Limits, Method, Request, Transport};

    #[derive(Debug)]
    struct State(Value);
    impl Transport for State {
        fn exchange(&self, _: std::net::SocketAddr, request: &Request, _: Limits) -> Answer {
            let args = &self.0;
            let pool = "/pools/Pool-0";
            let path = request.path.strip_prefix(pool).unwrap_or(&request.path);
            if request.method == Method::Post {
                let body: Value =
                    serde_json::from_str(request.body.as_ref().expect("a body")).expect("JSON");
                return created(if path.ends_with("/luns") {
                    json!({ "name": body["name"], "lun": body["lun"], "scsi_id": SCSI_ID })
                } else {
                    body
                });
            }
            if request.method == Method::Delete {
                return ok(Value::Null);
            }
            if let Some(sessions) = args.get("sessions").filter(|_| path.ends_with("/sessions")) {
                let sessions = sessions.as_array().expect("a list").iter().map(|session| {
                    json!({ "sid": "1", "target_name": "x", "initiator_name": "iqn.a:b", "ip": session["ip"] })
                });
                return ok(sessions.collect());
            }
            if path.starts_with("/san/iscsi/luns?where=") {
                return ok(args.get("lunrec").cloned().unwrap_or_else(|| json!([])));
            }
            let one = |name: &str| target(name, &["vip1", "vip2"]);
            match path.strip_prefix("/san/iscsi/targets") {
                None if path == "/vips" => vips_answer(),
                None => ok(json!({ "name": args["vol"], "volsize": "1" })),
                Some("") => {
                    let names = args["targets"].as_array().expect("a list");
                    ok(names
                        .iter()
                        .map(|name| one(name.as_str().expect("a name")))
                        .collect())
                }
                Some(rest) => match rest[1..].strip_suffix("/luns") {
                    None => ok(one(&rest[1..])),
                    Some(name) => {
                        let taken = args["luns"][name].as_array().cloned().unwrap_or_default();
                        ok(taken
                            .iter()
                            .map(|n| json!({ "name": format!("v_other{n}"), "lun": n }))
                            .collect())
                    }
                },
            }
        }
    }
    fn vips_answer() -> Answer {
        ok(
            json!([{ "name": "vip1", "address": "10.1.0.11" }, { "name": "vip2", "address": "10.2.0.11" }]),
        )
    }

    let text = |field: &str| args[field].as_str().expect("a string");
    let volume = text("vol");
    let request = Publish {
        pool: "Pool-0".to_owned(),
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
        ..request()
    };
    let client = jdss_rest::Client::builder(vec!["192.0.2.1".parse().expect("an address")])
        .build_with(State(args.clone()))
        .expect("one address is enough");
    let published = client.publish(&request, soon()).expect("published");
    (published.target, published.lun.into())
}
