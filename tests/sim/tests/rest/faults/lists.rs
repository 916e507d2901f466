//! Lists that are wrong.

use jdss_sim::Fault;
use serde_json::json;

use super::{PATH, VOLUMES, volumes};
use crate::pair;

#[test]
fn a_list_is_answered_as_it_was_when_the_fault_was_made() {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", 1 << 30).unwrap();
    appliance
        .fault("GET", VOLUMES, 2, Fault::StaleList)
        .unwrap();
    appliance.delete_volume("Pool-0", "v_a").unwrap();
    appliance.create_volume("Pool-0", "v_b", 1 << 30).unwrap();
    assert_eq!(client.get(PATH).data(200)[0]["name"], "v_a");
    let page = client.get(&format!("{PATH}?page=0")).data(200);
    assert_eq!(
        (&page["results"], &page["entries"][0]["name"]),
        (&json!(1), &json!("v_a"))
    );
    assert_eq!(client.get(PATH).data(200)[0]["name"], "v_b");
    client.get(&format!("{PATH}/v_b")).data(200);
}

#[test]
fn what_a_volume_had_is_read_as_it_was() {
    let (appliance, client) = pair();
    let snapshots = format!("{PATH}/v_a/snapshots");
    let target = "iqn.2025-04.test:a";
    appliance.create_volume("Pool-0", "v_a", 1 << 30).unwrap();
    appliance.create_snapshot("Pool-0", "v_a", "s_1").unwrap();
    appliance.create_target("Pool-0", target).unwrap();
    appliance.attach("Pool-0", target, "v_a", 0).unwrap();
    let routes = [
        "/pools/{pool}/volumes/{volume}/snapshots",
        "/pools/{pool}/volumes/{volume}",
        "/san/iscsi/luns",
    ];
    for route in routes {
        appliance.fault("GET", route, 1, Fault::StaleList).unwrap();
    }
    appliance.create_snapshot("Pool-0", "v_a", "s_2").unwrap();
    appliance.set_volume_size("Pool-0", "v_a", 2 << 30).unwrap();
    appliance.detach("Pool-0", target, "v_a").unwrap();
    let names = || {
        client.get(&snapshots).data(200)["entries"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!((names(), names()), (Some(1), Some(2)));
    let size = || client.get(&format!("{PATH}/v_a")).data(200)["volsize"].clone();
    assert_eq!((size(), size()), (json!("1073741824"), json!("2147483648")));
    let luns = || {
        client
            .get("/san/iscsi/luns")
            .data(200)
            .as_array()
            .map(Vec::len)
    };
    assert_eq!((luns(), luns()), (Some(1), Some(0)));
    client.get(&snapshots).data(200);
    // Under the name that it had.
    appliance.attach("Pool-0", target, "v_a", 0).unwrap();
    let by_name = "/san/iscsi/luns?where=name==v_a";
    appliance
        .fault("GET", "/san/iscsi/luns", 1, Fault::StaleList)
        .unwrap();
    let renamed = client.call("PUT", &format!("{PATH}/v_a"), json!({"name": "v_b"}));
    assert!(renamed.status < 300, "{}", renamed.text);
    let luns = || client.get(by_name).data(200).as_array().map(Vec::len);
    assert_eq!((luns(), luns()), (Some(1), Some(0)));
}

#[test]
fn entries_are_missing_while_the_total_is_right() {
    let (appliance, client) = pair();
    for n in 0..5 {
        let name = format!("v_{n}");
        appliance.create_volume("Pool-0", &name, 1 << 30).unwrap();
    }
    appliance
        .fault("GET", VOLUMES, 2, Fault::ShortList)
        .unwrap();
    let page = client.get(&format!("{PATH}?page=0")).data(200);
    let entries = page["entries"].as_array().map(Vec::len);
    assert_eq!((&page["results"], entries), (&json!(5), Some(2)));
    assert_eq!(volumes(&client), 2);
    assert_eq!(volumes(&client), 5);
}

#[test]
fn a_total_flaps() {
    let (appliance, client) = pair();
    for n in 0..5 {
        let name = format!("v_{n}");
        appliance.create_volume("Pool-0", &name, 1 << 30).unwrap();
    }
    appliance
        .fault("GET", VOLUMES, 3, Fault::FlappingTotal)
        .unwrap();
    for total in [1, 5, 1, 5, 5] {
        let page = client.get(&format!("{PATH}?page=0")).data(200);
        let entries = page["entries"].as_array().map(Vec::len);
        assert_eq!((&page["results"], entries), (&json!(total), Some(5)));
    }
}
