//! What differs from one generation of the appliance's software to the other.

use jdss_sim::{Appliance, Firmware};
use serde_json::{Value, json};

use crate::client::Client;

const TARGET: &str = "iqn.2025-04.test:a";

fn start(firmware: Firmware) -> (Appliance, Client) {
    let appliance = Appliance::builder()
        .pool("Pool-0")
        .firmware(firmware)
        .start()
        .expect("a loopback address is free");
    let client = Client::new(&appliance);
    (appliance, client)
}

/// Every change in the life of a volume: method, path, body, and the statuses of success.
fn changes() -> Vec<(&'static str, String, Value, [u16; 3])> {
    let volumes = "/pools/Pool-0/volumes";
    let targets = "/pools/Pool-0/san/iscsi/targets";
    let target = format!("{targets}/{TARGET}");
    let portals = json!({"name": TARGET, "incoming_users_active": true});
    let user = json!({"name": "a", "password": "twelve-chars"});
    let readonly = json!({"property_name": "readonly", "property_value": "off"});
    let at = |rest: &str| format!("{volumes}/{rest}");
    let none = Value::Null;
    let name = |name: &str| json!({ "name": name });
    vec![
        (
            "POST",
            volumes.to_owned(),
            json!({"name": "v_a", "size": "1M"}),
            [201, 200, 201],
        ),
        ("PUT", at("v_a"), json!({"size": "2M"}), [201, 201, 201]),
        ("PUT", at("v_a"), name("v_b"), [200, 204, 201]),
        (
            "PUT",
            at("v_b"),
            json!({"provisioning": "thin"}),
            [200, 204, 201],
        ),
        ("PUT", at("v_b/properties"), readonly, [204, 200, 201]),
        (
            "POST",
            at("v_b/snapshots"),
            json!({"snapshot_name": "s"}),
            [201, 200, 204],
        ),
        (
            "POST",
            at("v_b/snapshots/s/rollback"),
            none.clone(),
            [200, 204, 201],
        ),
        (
            "POST",
            at("v_b/clone"),
            json!({"name": "v_c", "snapshot": "s"}),
            [201, 200, 204],
        ),
        (
            "DELETE",
            at("v_b/snapshots/s/clones/v_c"),
            none.clone(),
            [204, 204, 204],
        ),
        ("DELETE", at("v_b/snapshots/s"), json!({}), [204, 200, 201]),
        (
            "POST",
            targets.to_owned(),
            json!({"name": TARGET, "active": true}),
            [201, 201, 201],
        ),
        ("PUT", target.clone(), portals, [200, 204, 201]),
        (
            "POST",
            format!("{target}/incoming-users"),
            user,
            [201, 204, 200],
        ),
        (
            "DELETE",
            format!("{target}/incoming-users/a"),
            none.clone(),
            [204, 204, 204],
        ),
        (
            "POST",
            format!("{target}/luns"),
            json!({"name": "v_b", "lun": 0}),
            [201, 201, 201],
        ),
        (
            "DELETE",
            format!("{target}/luns/v_b"),
            none.clone(),
            [204, 200, 201],
        ),
        ("DELETE", target, none.clone(), [204, 200, 201]),
        ("DELETE", at("v_b"), none, [204, 204, 204]),
    ]
}

#[test]
fn a_success_has_each_of_the_statuses_that_clients_have_to_take() {
    let all = [Firmware::Classic, Firmware::Recent, Firmware::Old];
    for (place, firmware) in all.into_iter().enumerate() {
        let (appliance, client) = start(firmware);
        for (method, path, body, statuses) in changes() {
            let answer = client.call(method, &path, body);
            let status = statuses[place];
            assert_eq!(
                answer.status, status,
                "{firmware:?} {method} {path}: {}",
                answer.text
            );
            if status == 204 {
                answer.no_content();
            } else if !matches!(method, "POST") || !path.contains("/san/") {
                assert_eq!(answer.data(status), Value::Null, "{method} {path}");
            }
        }
        assert_eq!(appliance.volumes("Pool-0").unwrap(), [""; 0]);
        assert_eq!(appliance.targets("Pool-0").unwrap(), [""; 0]);
        assert_eq!(appliance.violations(), []);
    }
}

#[test]
fn numbers_are_strings_or_numbers() {
    for (firmware, [lun, global]) in [
        (Firmware::Classic, [json!(3), json!("3")]),
        (Firmware::Recent, [json!(3), json!(3)]),
        (Firmware::Old, [json!("3"), Value::Null]),
    ] {
        let (appliance, client) = start(firmware);
        let recent = firmware == Firmware::Recent;
        appliance.create_volume("Pool-0", "v_a", 1 << 20).unwrap();
        let number = |value: u64| match recent {
            true => json!(value),
            false => json!(value.to_string()),
        };
        let volume = client.get("/pools/Pool-0/volumes/v_a").data(200);
        assert_eq!(volume["volsize"], number(1 << 20));
        assert_eq!(volume["volblocksize"], number(16 << 10));
        for field in ["creation", "used", "available", "refreservation"] {
            assert_eq!(volume[field].is_number(), recent, "{field}");
            assert_eq!(volume[field].is_string(), !recent, "{field}");
        }
        let pool = client.get("/pools/Pool-0").data(200);
        assert_eq!(pool["size"], number(2 << 40));
        assert_eq!(pool["available"].is_number(), recent);
        appliance.create_target("Pool-0", TARGET).unwrap();
        appliance.attach("Pool-0", TARGET, "v_a", 3).unwrap();
        let path = format!("/pools/Pool-0/san/iscsi/targets/{TARGET}/luns/v_a");
        assert_eq!(client.get(&path).data(200)["lun"], lun);
        if global != Value::Null {
            let list = client.get("/san/iscsi/luns?where=name==v_a").data(200);
            assert_eq!(list[0]["lun"]["lun"], global);
        }
    }
}
