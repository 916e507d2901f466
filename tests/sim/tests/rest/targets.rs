use jdss_sim::{Appliance, Firmware};
use serde_json::{Value, json};

use crate::client::Client;
use crate::pair;

const TARGETS: &str = "/pools/Pool-0/san/iscsi/targets";
const NAME: &str = "iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0";

fn path(rest: &str) -> String {
    format!("{TARGETS}/{NAME}{rest}")
}

fn body(name: &str) -> Value {
    json!({
        "name": name, "active": true, "incoming_users_active": false,
        "vip_allowed_portals": {"enabled": true, "assigned_vips": ["vip1", "vip2"]},
    })
}

fn shown(name: &str) -> Value {
    json!({
        "name": name, "active": true, "conflicted": false, "incoming_users_active": false,
        "outgoing_user": null, "allow_ip": [], "deny_ip": [],
        "vip_allowed_portals": {"enabled": true, "assigned_vips": ["vip1", "vip2"]},
    })
}

#[test]
fn a_target_is_created_shown_listed_and_deleted() {
    let (appliance, client) = pair();
    assert_eq!(client.get(TARGETS).data(200), json!([]));
    assert_eq!(
        client.call("POST", TARGETS, body(NAME)).data(201),
        shown(NAME)
    );
    assert_eq!(client.get(&path("")).data(200), shown(NAME));
    assert_eq!(client.get(TARGETS).data(200), json!([shown(NAME)]));
    let page = client
        .get(&format!("{TARGETS}?page=0&per_page=25"))
        .data(200);
    assert_eq!(page, json!({"results": 1, "entries": [shown(NAME)]}));
    client.delete(&path("")).no_content();
    for answer in [client.get(&path("")), client.delete(&path(""))] {
        let (class, errno, message) = answer.error(404);
        assert_eq!(class, "opene.exceptions.ItemNotFoundError");
        assert_eq!(
            (errno, message),
            (None, format!("Target {NAME} not exists."))
        );
    }
    assert_eq!(appliance.violations(), []);
}

#[test]
fn target_names_are_unique_over_all_pools_and_shown_in_lower_case() {
    let (_appliance, client) = pair();
    client.call("POST", TARGETS, body(NAME)).data(201);
    let mut elsewhere = body(&NAME.to_uppercase());
    elsewhere["vip_allowed_portals"]["assigned_vips"] = json!(["vip1"]);
    for pool in ["Pool-0", "Pool-1"] {
        let answer = client.call(
            "POST",
            &format!("/pools/{pool}/san/iscsi/targets"),
            elsewhere.clone(),
        );
        let (class, _, message) = answer.error(409);
        assert_eq!(
            class,
            "opene.san.target.base.iscsi.target.TargetNameConflictError"
        );
        assert_eq!(
            message,
            format!("Target with name {NAME} is already present on Pool-0.")
        );
    }
    // To the other pool it does not belong.
    client
        .get(&format!("/pools/Pool-1/san/iscsi/targets/{NAME}"))
        .error(404);
    client
        .delete(&format!("/pools/Pool-1/san/iscsi/targets/{NAME}"))
        .error(404);
    client.delete(&path("")).no_content();
    let other = client
        .call("POST", "/pools/Pool-1/san/iscsi/targets", elsewhere)
        .data(201);
    assert_eq!(other["name"], NAME);
}

#[test]
fn a_change_leaves_the_rest_as_it_is() {
    let (_appliance, client) = pair();
    client.call("POST", TARGETS, body(NAME)).data(201);
    let portals = json!({"enabled": true, "assigned_vips": ["vip2"]});
    client
        .call(
            "PUT",
            &path(""),
            json!({"name": NAME, "vip_allowed_portals": portals}),
        )
        .data(200);
    client
        .call(
            "PUT",
            &path(""),
            json!({"name": NAME, "incoming_users_active": true}),
        )
        .data(200);
    let mut expected = shown(NAME);
    expected["vip_allowed_portals"] = portals;
    expected["incoming_users_active"] = json!(true);
    assert_eq!(client.get(&path("")).data(200), expected);
    client
        .call(
            "PUT",
            &format!("{TARGETS}/iqn.2025-04.test:no"),
            json!({"name": "iqn.2025-04.test:no"}),
        )
        .error(404);
}

#[test]
fn vips_of_another_pool_and_impossible_names_are_refused() {
    let (_appliance, client) = pair();
    let mut bad = body(NAME);
    bad["vip_allowed_portals"]["assigned_vips"] = json!(["vip1", "vip9"]);
    let (_, _, message) = client.call("POST", TARGETS, bad.clone()).error(400);
    assert_eq!(message, "VIP vip9 not found in pool Pool-0.");
    client.call("POST", TARGETS, body(NAME)).data(201);
    client.call("PUT", &path(""), bad).error(400);
    assert_eq!(client.get(&path("")).data(200), shown(NAME));
    for name in [
        "",
        "iqn.2025-04.test:a_b",
        "iqn.2025-04.test:a b",
        &"a".repeat(224),
    ] {
        client.call("POST", TARGETS, body(name)).error(400);
    }
}

#[test]
fn a_target_without_sessions_has_an_empty_list_of_them() {
    let (appliance, client) = pair();
    client.call("POST", TARGETS, body(NAME)).data(201);
    assert_eq!(client.get(&path("/sessions")).data(200), json!([]));
    assert_eq!(
        client.get(&format!("{TARGETS}/sessions")).data(200),
        json!([])
    );
    let (_, _, message) = client
        .get(&format!("{TARGETS}/iqn.2099-01.bogus:no/sessions"))
        .error(404);
    assert_eq!(message, "Target iqn.2099-01.bogus:no not exists.");
    assert_eq!(
        appliance.count("GET", "/pools/{pool}/san/iscsi/targets/{target}"),
        0
    );
}

#[test]
fn users_are_listed_without_passwords() {
    let (_appliance, client) = pair();
    client.call("POST", TARGETS, body(NAME)).data(201);
    let users = path("/incoming-users");
    // A target that never had one.
    client.get(&users).error(404);
    let add = |name: &str, password: &str| {
        client.call("POST", &users, json!({"name": name, "password": password}))
    };
    assert_eq!(add("chapuser", "Abc-_!@%()+?").data(201), Value::Null);
    assert_eq!(client.get(&users).data(200), json!([{"name": "chapuser"}]));
    add("chapuser", "abcdefghijkl").error(409);
    for (name, password) in [
        ("b", "abcdefghijk"),
        ("b", "abcdefghijk="),
        ("b", "abcdefghijk "),
        ("ab-", "abcdefghijkl"),
        ("-ab", "abcdefghijkl"),
        ("a b", "abcdefghijkl"),
        ("", "abcdefghijkl"),
    ] {
        let (class, _, message) = add(name, password).error(400);
        assert_eq!(
            class, "opene.exceptions.ValidationError",
            "{name} {password}"
        );
        assert!(!message.contains(password), "{message}");
    }
    add("a-b", &"a".repeat(255)).data(201);
    add("c", &"a".repeat(256)).error(400);
    client.delete(&path("/incoming-users/a-b")).no_content();
    client.delete(&path("/incoming-users/a-b")).error(404);
    client
        .delete(&path("/incoming-users/chapuser"))
        .no_content();
    assert_eq!(client.get(&users).data(200), json!([]));
}

#[test]
fn users_that_were_never_configured_stay_so() {
    let (_appliance, client) = pair();
    client.call("POST", TARGETS, body(NAME)).data(201);
    let users = path("/incoming-users");
    for answer in [
        client.delete(&path("/incoming-users/nobody")),
        client.get(&users),
    ] {
        assert_eq!(answer.error(404).0, "opene.exceptions.ItemNotFoundError");
    }
    let bad = json!({"name": "a", "password": "short"});
    client.call("POST", &users, bad).error(400);
    client.get(&users).error(404);
}

#[test]
fn a_target_with_luns_is_kept_where_the_appliance_does_so() {
    for keeps in [true, false] {
        let builder = Appliance::builder().pool("Pool-0");
        let builder = builder.volume("Pool-0", "v_a", 1 << 20);
        let builder = if keeps {
            builder.keep_targets_with_luns()
        } else {
            builder
        };
        let appliance = builder.start().unwrap();
        let client = Client::new(&appliance);
        appliance.create_target("Pool-0", NAME).unwrap();
        appliance.attach("Pool-0", NAME, "v_a", 0).unwrap();
        if keeps {
            let (class, _, message) = client.delete(&path("")).error(409);
            assert_eq!(class, "opene.exceptions.ItemConflictError");
            assert_eq!(message, format!("Target {NAME} is not empty: it has LUNs."));
            assert_eq!(
                appliance.luns("Pool-0", NAME).unwrap(),
                [("v_a".to_owned(), 0)]
            );
            client.delete(&path("/luns/v_a")).no_content();
        }
        client.delete(&path("")).no_content();
        assert_eq!(appliance.targets("Pool-0").unwrap(), [""; 0]);
    }
}

#[test]
fn an_old_appliance_refuses_what_it_does_not_know() {
    let vip = [127, 0, 0, 1].into();
    let builder = Appliance::builder()
        .pool("Pool-0")
        .vip("Pool-0", "vip1", vip);
    let appliance = builder.firmware(Firmware::Old).start().unwrap();
    let client = Client::new(&appliance);
    let (_, _, message) = client.call("POST", TARGETS, body(NAME)).error(400);
    let expected = "Additional properties are not allowed ('vip_allowed_portals' was unexpected)";
    assert_eq!(message, expected);
    let target = client
        .call("POST", TARGETS, json!({"name": NAME, "active": true}))
        .data(201);
    assert_eq!(target.get("vip_allowed_portals"), None);
    for path in [
        path("/sessions"),
        "/san/iscsi/luns?where=name==v_a".to_owned(),
    ] {
        assert_eq!(
            client.get(&path).error(404).0,
            "werkzeug.exceptions.NotFound"
        );
    }
    // It is the appliance that is too old; the client asks what its API has.
    assert_eq!(appliance.violations(), []);
}

#[test]
fn the_third_version_of_the_api_has_no_assigned_vips() {
    let (_appliance, client) = pair();
    let targets = format!("/api/v3{TARGETS}");
    let answer = client.send("POST", &targets, &body(NAME).to_string());
    assert!(
        answer
            .error(400)
            .2
            .contains("'vip_allowed_portals' was unexpected")
    );
    client.call("POST", TARGETS, body(NAME)).data(201);
    let target = client
        .send("GET", &format!("{targets}/{NAME}"), "")
        .data(200);
    assert_eq!(
        (target["name"].as_str(), target.get("vip_allowed_portals")),
        (Some(NAME), None)
    );
}
