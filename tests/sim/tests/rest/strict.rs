use serde_json::{Value, json};

use crate::pair;

const TARGET: &str = "iqn.2025-04.test:a";

/// Method, path with version, body, status, class.
type Case<'a> = (&'a str, &'a str, &'a str, u16, &'a str);

#[test]
fn what_the_api_does_not_have_is_refused_and_recorded() {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", 1 << 30).unwrap();
    appliance.create_snapshot("Pool-0", "v_a", "s_1").unwrap();
    appliance.create_target("Pool-0", TARGET).unwrap();
    let volumes = "/api/v4/pools/Pool-0/volumes";
    let volume = "/api/v4/pools/Pool-0/volumes/v_a";
    let targets = "/api/v4/pools/Pool-0/san/iscsi/targets";
    let target = &format!("{targets}/{TARGET}");
    let snapshots = &format!("{volume}/snapshots");
    let snapshot = &format!("{snapshots}/s_1");
    let clone = &format!("{volume}/clone");
    let luns = &format!("{target}/luns");
    let route = "sim.UnknownRoute";
    let method = "sim.MethodNotAllowed";
    let parameter = "sim.InvalidParameter";
    let body = "sim.InvalidBody";
    let field = "sim.InvalidField";
    let cases: &[Case<'_>] = &[
        ("GET", "/", "", 404, route),
        ("GET", "/api/v5/pools/Pool-0", "", 404, route),
        ("GET", "/api/v4/pools", "", 404, route),
        ("GET", "/api/v4/pools/Pool-0/", "", 404, route),
        ("GET", "/api/v4/pools//vips", "", 404, route),
        (
            "GET",
            "/api/v4/pools/Pool-0/volumes/v_a/clones",
            "",
            404,
            route,
        ),
        // New in the fourth version.
        (
            "GET",
            "/api/v3/san/iscsi/luns?where=name==v_a",
            "",
            404,
            route,
        ),
        (
            "GET",
            &target
                .replace("v4", "v3")
                .replace(TARGET, &format!("{TARGET}/sessions")),
            "",
            404,
            route,
        ),
        ("PATCH", volume, "", 405, method),
        ("DELETE", volumes, "", 405, method),
        ("GET", "/api/v4/pools/Pool-0?verbose=1", "", 400, parameter),
        ("GET", &format!("{volumes}?pages=0"), "", 400, parameter),
        ("GET", &format!("{volumes}?page=one"), "", 400, parameter),
        ("GET", &format!("{volumes}?page=-1"), "", 400, parameter),
        (
            "GET",
            &format!("{volumes}?page=0&per_page=0"),
            "",
            400,
            parameter,
        ),
        ("GET", &format!("{volumes}?per_page=10"), "", 400, parameter),
        (
            "GET",
            &format!("{volumes}?page=0&page=1"),
            "",
            400,
            parameter,
        ),
        (
            "GET",
            "/api/v4/san/iscsi/luns?where=pool==Pool-0",
            "",
            400,
            parameter,
        ),
        (
            "GET",
            "/api/v4/pools/Pool-0/volumes/v_%zz",
            "",
            400,
            "sim.InvalidEncoding",
        ),
        ("GET", volume, "{}", 400, body),
        ("DELETE", target, "{}", 400, body),
        ("POST", volumes, "", 400, body),
        ("POST", volumes, "{", 400, body),
        ("POST", volumes, "[]", 400, body),
        ("POST", volumes, r#"{"name": "v_b"}"#, 400, body),
        (
            "POST",
            volumes,
            r#"{"name": "v_b", "size": 1073741824}"#,
            400,
            body,
        ),
        (
            "POST",
            volumes,
            r#"{"name": "v_b", "size": "1G", "sparse": "true"}"#,
            400,
            body,
        ),
        (
            "POST",
            volumes,
            r#"{"name": "v_b", "size": "1G", "thin": true}"#,
            400,
            body,
        ),
        (
            "POST",
            volumes,
            r#"{"name": "v_b", "size": "1 GB"}"#,
            400,
            field,
        ),
        (
            "POST",
            volumes,
            r#"{"name": "v_b", "size": "1G", "blocksize": "5K"}"#,
            400,
            field,
        ),
        (
            "POST",
            volumes,
            r#"{"name": "v_b", "size": "1G", "blocksize": 5000}"#,
            400,
            field,
        ),
        (
            "POST",
            volumes,
            r#"{"name": "v_b", "size": "1G", "properties": {"atime": "on"}}"#,
            400,
            field,
        ),
        ("PUT", volume, "{}", 400, field),
        (
            "PUT",
            volume,
            r#"{"size": "2G", "name": "v_b"}"#,
            400,
            field,
        ),
        ("PUT", volume, r#"{"size": "512M"}"#, 400, field),
        ("PUT", volume, r#"{"provisioning": "sparse"}"#, 400, body),
        (
            "PUT",
            &format!("{volume}/properties"),
            r#"{"property_name": "atime", "property_value": "on"}"#,
            400,
            field,
        ),
        (
            "PUT",
            &format!("{volume}/properties"),
            r#"{"property_name": "readonly", "property_value": "yes"}"#,
            400,
            field,
        ),
        (
            "DELETE",
            volume,
            r#"{"recursively_dependents": true}"#,
            400,
            field,
        ),
        ("DELETE", volume, r#"{"force": true}"#, 400, body),
        ("GET", &format!("{snapshots}?pages=0"), "", 400, parameter),
        (
            "GET",
            &format!("{volumes}/snapshots?name=s_1"),
            "",
            400,
            parameter,
        ),
        ("POST", snapshots, r#"{"name": "s_2"}"#, 400, body),
        (
            "POST",
            snapshots,
            r#"{"snapshot_name": "s_2", "force": true}"#,
            400,
            body,
        ),
        (
            "POST",
            snapshots,
            r#"{"snapshot_name": "s_2", "properties": {"atime": "on"}}"#,
            400,
            field,
        ),
        ("PUT", snapshot, "{}", 405, method),
        ("GET", &format!("{snapshot}?verbose=1"), "", 400, parameter),
        (
            "DELETE",
            snapshot,
            r#"{"recursively_dependents": true}"#,
            400,
            field,
        ),
        ("DELETE", snapshot, r#"{"force": true}"#, 400, body),
        ("POST", &format!("{snapshot}/rollback"), "{}", 400, body),
        ("GET", &format!("{snapshot}/rollback"), "{}", 400, body),
        (
            "GET",
            &format!("{snapshot}/clones?page=0"),
            "",
            400,
            parameter,
        ),
        (
            "POST",
            &format!("{snapshot}/clones"),
            r#"{"name": "v_b"}"#,
            405,
            method,
        ),
        ("GET", &format!("{snapshot}/clones/v_b"), "", 405, method),
        (
            "DELETE",
            &format!("{snapshot}/clones/v_b"),
            r#"{"recursively_dependents": true}"#,
            400,
            field,
        ),
        (
            "POST",
            &format!("{snapshot}/clones/v_b/promote"),
            r#"{"pool": "Pool-0"}"#,
            400,
            body,
        ),
        ("POST", clone, "{}", 400, body),
        (
            "POST",
            clone,
            r#"{"name": "v_b", "sparse": "true"}"#,
            400,
            body,
        ),
        ("POST", clone, r#"{"name": "v_b", "size": "1G"}"#, 400, body),
        (
            "POST",
            clone,
            r#"{"name": "a/b", "create_parents": true}"#,
            400,
            field,
        ),
        (
            "POST",
            clone,
            r#"{"name": "v_b", "properties": {"atime": "on"}}"#,
            400,
            field,
        ),
        (
            "POST",
            targets,
            r#"{"name": "iqn.2025-04.test:b", "active": "true"}"#,
            400,
            body,
        ),
        (
            "POST",
            targets,
            r#"{"name": "iqn.2025-04.test:b", "active": true, "vips": []}"#,
            400,
            body,
        ),
        ("PUT", target, r#"{"active": true}"#, 400, body),
        (
            "PUT",
            target,
            r#"{"name": "iqn.2025-04.test:b"}"#,
            400,
            field,
        ),
        ("POST", luns, r#"{"name": "v_a", "lun": "0"}"#, 400, body),
        (
            "POST",
            luns,
            r#"{"name": "v_a", "lun": 0, "mode": "rw"}"#,
            400,
            body,
        ),
        (
            "POST",
            luns,
            r#"{"name": "v_a", "lun": 0, "block_size": 1024}"#,
            400,
            field,
        ),
        (
            "POST",
            luns,
            r#"{"name": "v_a", "lun": 0, "eui": "00"}"#,
            400,
            body,
        ),
        (
            "POST",
            &format!("{target}/incoming-users"),
            r#"{"user": "a", "password": "b"}"#,
            400,
            body,
        ),
    ];
    for (number, (method, path, body, status, class)) in cases.iter().enumerate() {
        let answer = client.send(method, path, body);
        let (found, errno, message) = answer.error(*status);
        assert_eq!(
            (found.as_str(), errno),
            (*class, None),
            "{method} {path} {body}: {message}"
        );
        let violations = appliance.violations();
        assert_eq!(violations.len(), number + 1, "{method} {path} {body}");
        assert_eq!(
            (
                violations[number].method.as_str(),
                violations[number].path.as_str()
            ),
            (*method, *path)
        );
        assert_eq!(violations[number].message, message);
    }
    assert_eq!(
        client
            .get("/pools/Pool-0/volumes")
            .data(200)
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(
        client
            .get(&format!("/pools/Pool-0/san/iscsi/targets/{TARGET}/luns"))
            .data(200),
        json!([])
    );
    assert_eq!(appliance.snapshots("Pool-0", "v_a").unwrap(), ["s_1"]);
    appliance.clear_log();
    assert_eq!(
        (appliance.violations(), appliance.requests()),
        (vec![], vec![])
    );
}

#[test]
fn requests_are_logged_in_order_with_route_body_and_status() {
    let (appliance, client) = pair();
    let body = json!({"name": "v_a", "size": "1G"});
    client
        .call("POST", "/pools/Pool-0/volumes", body.clone())
        .data(201);
    client.get("/pools/Pool-0/volumes?page=0").data(200);
    client.get("/pools/Pool-0/volumes/v_b").error(500);
    client.get("/nothing").error(404);
    client.clone().anonymous().get("/pools/Pool-0");
    let seen: Vec<_> = appliance
        .requests()
        .into_iter()
        .map(|request| {
            assert_eq!(request.local, appliance.rest_addr());
            (
                request.method,
                request.path,
                request.route,
                request.body,
                request.status,
            )
        })
        .collect();
    let expected = [
        (
            "POST",
            "/api/v4/pools/Pool-0/volumes",
            Some("/pools/{pool}/volumes"),
            body,
            201,
        ),
        (
            "GET",
            "/api/v4/pools/Pool-0/volumes?page=0",
            Some("/pools/{pool}/volumes"),
            Value::Null,
            200,
        ),
        (
            "GET",
            "/api/v4/pools/Pool-0/volumes/v_b",
            Some("/pools/{pool}/volumes/{volume}"),
            Value::Null,
            500,
        ),
        ("GET", "/api/v4/nothing", None, Value::Null, 404),
        ("GET", "/api/v4/pools/Pool-0", None, Value::Null, 401),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(method, path, route, body, status)| {
            let body = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            (method.to_owned(), path.to_owned(), route, body, status)
        })
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(appliance.count("GET", "/pools/{pool}/volumes"), 1);
    assert_eq!(appliance.count("GET", "/pools/{pool}"), 0);
}

#[test]
fn a_long_body_is_logged_in_part() {
    let (appliance, client) = pair();
    let body = json!({"name": "v_a", "size": "1G", "note": "x".repeat(100_000)});
    client
        .call("POST", "/pools/Pool-0/volumes", body.clone())
        .error(400);
    assert_eq!(appliance.requests()[0].body, body.to_string()[..16 * 1024]);
}
