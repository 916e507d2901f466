//! What was done and is not shown yet.

use jdss_sim::{Appliance, Lag};
use serde_json::{Value, json};

use crate::client::Client;
use crate::pair;

const VOLUMES: &str = "/pools/Pool-0/volumes";
const TARGETS: &str = "/pools/Pool-0/san/iscsi/targets";
const TARGET: &str = "iqn.2025-04.test:a";

fn late(lag: Lag) -> (Appliance, Client) {
    let (appliance, client) = pair();
    appliance
        .create_volume("Pool-0", "v_old", 1 << 20)
        .expect("new");
    appliance.set_lag(lag);
    (appliance, client)
}

/// The names in a bare list.
fn names(client: &Client, list: &str) -> Vec<String> {
    let list = client.get(list).data(200);
    let entries = list.as_array().expect("a list").iter();
    entries
        .map(|entry| entry["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn a_new_volume_is_late_in_lists_and_with_its_id() {
    let (appliance, client) = late(Lag {
        volumes: 2,
        ..Lag::default()
    });
    appliance.create_snapshot("Pool-0", "v_old", "s_1").unwrap();
    let create = json!({"name": "v_new", "size": "1M"});
    client.call("POST", VOLUMES, create).data(201);
    let clone = json!({"name": "v_clone", "snapshot": "s_1"});
    client
        .call("POST", &format!("{VOLUMES}/v_old/clone"), clone)
        .data(201);
    for name in ["v_new", "v_clone"] {
        let volume = client.get(&format!("{VOLUMES}/{name}")).data(200);
        assert_eq!(volume["name"], name);
        assert_eq!(volume["default_scsi_id"], Value::Null);
        assert_eq!(volume["san:volume_id"], Value::Null);
    }
    let page = client.get(&format!("{VOLUMES}?page=0")).data(200);
    assert_eq!(page["results"], 1);
    assert_eq!(names(&client, VOLUMES), ["v_clone", "v_new", "v_old"]);
    for name in ["v_new", "v_clone"] {
        let volume = client.get(&format!("{VOLUMES}/{name}")).data(200);
        let id = appliance.scsi_id("Pool-0", name).unwrap();
        assert_eq!(volume["default_scsi_id"], id);
    }
}

#[test]
fn a_renamed_volume_is_late_at_its_new_name() {
    let (appliance, client) = late(Lag {
        renames: 3,
        ..Lag::default()
    });
    let id = appliance.scsi_id("Pool-0", "v_old").unwrap();
    let (old, new) = (format!("{VOLUMES}/v_old"), format!("{VOLUMES}/v_new"));
    client.call("PUT", &old, json!({"name": "v_new"})).data(200);
    assert_eq!(client.get(&new).error(500).1, Some(1));
    let shown = client.get(&old).data(200);
    assert_eq!(
        (
            &shown["name"],
            &shown["full_name"],
            &shown["default_scsi_id"]
        ),
        (&json!("v_old"), &json!("Pool-0/v_old"), &json!(id))
    );
    assert_eq!(names(&client, VOLUMES), [""; 0]);
    client.get(&old).error(500);
    assert_eq!(client.get(&new).data(200)["default_scsi_id"], id);
    assert_eq!(names(&client, VOLUMES), ["v_new"]);
    assert_eq!(appliance.volumes("Pool-0").unwrap(), ["v_new"]);
}

#[test]
fn a_new_target_is_accepted_first_and_there_later() {
    let (appliance, client) = late(Lag {
        targets: 2,
        ..Lag::default()
    });
    let body = json!({"name": TARGET, "active": true});
    let answer = client.call("POST", TARGETS, body.clone());
    assert_eq!(answer.data(202), Value::Null);
    assert_eq!(appliance.targets("Pool-0").unwrap(), [TARGET]);
    client.call("POST", TARGETS, body.clone()).error(409);
    let path = format!("{TARGETS}/{TARGET}");
    assert_eq!(
        client.get(&path).error(404).2,
        format!("Target {TARGET} not exists.")
    );
    assert_eq!(names(&client, TARGETS), [""; 0]);
    assert_eq!(client.get(&path).data(200)["name"], TARGET);
    assert_eq!(names(&client, TARGETS), [TARGET]);
    // From now on at once.
    appliance.set_lag(Lag::default());
    client.delete(&path).no_content();
    client.call("POST", TARGETS, body).data(201);
}

#[test]
fn a_new_lun_is_answered_without_a_body_and_its_id_is_late() {
    let (appliance, client) = late(Lag {
        luns: 3,
        ..Lag::default()
    });
    appliance.create_target("Pool-0", TARGET).unwrap();
    let luns = format!("{TARGETS}/{TARGET}/luns");
    let answer = client.call("POST", &luns, json!({"name": "v_old", "lun": 0}));
    assert_eq!((answer.status, answer.text.as_str()), (201, ""));
    let lun = client.get(&format!("{luns}/v_old")).data(200);
    assert_eq!((&lun["lun"], lun.get("scsi_id")), (&json!(0), None));
    let list = client.get(&luns).data(200);
    assert_eq!(list[0].get("scsi_id"), None);
    let global = "/san/iscsi/luns?where=name==v_old";
    let place = &client.get(global).data(200)[0];
    assert_eq!(place["iscsi_target"]["name"], TARGET);
    assert_eq!(
        (place["lun"].get("scsi_id"), place["lun"].get("eui")),
        (None, None)
    );
    let id = json!(appliance.scsi_id("Pool-0", "v_old").unwrap());
    let lun = client.get(&format!("{luns}/v_old")).data(200);
    assert_eq!(lun["scsi_id"], id);
    let place = &client.get(global).data(200)[0];
    assert_eq!(place["lun"]["scsi_id"], id);
    assert!(place["lun"]["eui"].is_string());
}

#[test]
fn the_administrator_is_never_late() {
    let everything = Lag {
        volumes: 1,
        renames: 1,
        targets: 1,
        luns: 1,
    };
    let (appliance, client) = late(everything);
    appliance.create_volume("Pool-0", "v_new", 1 << 20).unwrap();
    appliance.create_target("Pool-0", TARGET).unwrap();
    appliance.attach("Pool-0", TARGET, "v_new", 0).unwrap();
    assert_eq!(names(&client, VOLUMES), ["v_new", "v_old"]);
    assert_eq!(names(&client, TARGETS), [TARGET]);
    let lun = client
        .get(&format!("{TARGETS}/{TARGET}/luns/v_new"))
        .data(200);
    assert!(lun["scsi_id"].is_string());
}
