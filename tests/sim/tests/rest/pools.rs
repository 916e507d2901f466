use serde_json::json;

use crate::pair;

#[test]
fn a_pool_shows_its_sizes_as_strings() {
    let (_appliance, client) = pair();
    let mut pool = client.get("/pools/Pool-0").data(200);
    let id = pool["id"].take();
    assert!(
        id.as_str()
            .is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_digit())),
        "{id}"
    );
    let expected = json!({
        "name": "Pool-0", "id": null, "size": "2199023255552", "available": "2199023255552",
        "health": "ONLINE", "status": 24, "operation": "none",
        "iostats": {"read": "0", "write": "0", "chksum": "0"}, "vdevs": [],
    });
    assert_eq!(pool, expected);
    assert_ne!(client.get("/pools/Pool-1").data(200)["id"], id);
}

#[test]
fn a_missing_pool_is_missing_in_every_route() {
    let (appliance, client) = pair();
    for path in [
        "",
        "/vips",
        "/volumes",
        "/volumes/v_a",
        "/san/iscsi/targets",
        "/san/iscsi/targets/sessions",
    ] {
        let (class, errno, message) = client.get(&format!("/pools/Pool-9{path}")).error(404);
        assert_eq!(class, "opene.exceptions.ItemNotFoundError", "{path}");
        assert_eq!((errno, message.as_str()), (None, "Pool Pool-9 not found."));
    }
    assert_eq!(appliance.violations(), []);
}

#[test]
fn vips_are_listed_in_the_appliances_order_and_for_one_pool() {
    let (_appliance, client) = pair();
    let expected = json!([
        {"name": "vip2", "address": "127.0.0.2", "netmask": "255.255.255.0"},
        {"name": "vip1", "address": "127.0.0.1", "netmask": "255.255.255.0"},
    ]);
    assert_eq!(client.get("/pools/Pool-0/vips").data(200), expected);
}

#[test]
fn both_versions_of_the_api_are_served() {
    let (appliance, client) = pair();
    for version in ["v3", "v4"] {
        let answer = client.send("GET", &format!("/api/{version}/pools/Pool-0"), "");
        assert_eq!(answer.data(200)["name"], "Pool-0");
    }
    assert_eq!(appliance.count("GET", "/pools/{pool}"), 2);
}
