use jdss_sim::Appliance;
use serde_json::{Value, json};

use crate::client::Client;
use crate::pair;

const A: &str = "iqn.2025-04.test:a";
const B: &str = "iqn.2025-04.test:b";
const ELSEWHERE: &str = "iqn.2025-04.test:elsewhere";

fn path(target: &str, rest: &str) -> String {
    let pool = if target == ELSEWHERE {
        "Pool-1"
    } else {
        "Pool-0"
    };
    format!("/pools/{pool}/san/iscsi/targets/{target}/luns{rest}")
}

/// Targets `A` and `B` in one pool, `ELSEWHERE` in the other, and volumes of the same names in both.
fn prepared() -> (Appliance, Client) {
    let (appliance, client) = pair();
    for (pool, target) in [("Pool-0", A), ("Pool-0", B), ("Pool-1", ELSEWHERE)] {
        appliance.create_target(pool, target).expect("a new target");
    }
    for pool in ["Pool-0", "Pool-1"] {
        for volume in ["v_1", "v_2"] {
            appliance
                .create_volume(pool, volume, 1 << 30)
                .expect("a new volume");
        }
    }
    appliance
        .set_scsi_id("Pool-0", "v_1", "4fa1c0de77e2b316")
        .expect("an ID");
    (appliance, client)
}

fn shown() -> Value {
    json!({
        "name": "v_1", "lun": 0, "mode": "wt", "block_size": 512,
        "scsi_id": "4fa1c0de77e2b316", "thin_provisioned": true,
    })
}

#[test]
fn a_volume_is_attached_shown_listed_and_detached() {
    let (appliance, client) = prepared();
    assert_eq!(client.get(&path(A, "")).data(200), json!([]));
    assert_eq!(
        client.get(&path(A, "/v_1")).error(404).0,
        "opene.exceptions.ItemNotFoundError"
    );
    assert_eq!(
        client
            .call("POST", &path(A, ""), json!({"name": "v_1", "lun": 0}))
            .data(201),
        shown()
    );
    assert_eq!(client.get(&path(A, "/v_1")).data(200), shown());
    assert_eq!(client.get(&path(A, "")).data(200), json!([shown()]));
    client.delete(&path(A, "/v_1")).no_content();
    client.delete(&path(A, "/v_1")).error(404);
    assert_eq!(client.get(&path(A, "")).data(200), json!([]));
    assert_eq!(appliance.violations(), []);
}

#[test]
fn mode_identity_and_block_size_are_the_clients_choice() {
    let (_appliance, client) = prepared();
    let body = json!({"name": "v_2", "lun": 3, "mode": "ro", "scsi_id": "0123456789abcdef", "block_size": 4096});
    let lun = client.call("POST", &path(A, ""), body).data(201);
    let expected = json!({
        "name": "v_2", "lun": 3, "mode": "ro", "block_size": 4096,
        "scsi_id": "0123456789abcdef", "thin_provisioned": true,
    });
    assert_eq!(lun, expected);
}

#[test]
fn a_volume_is_shown_once_and_a_number_used_once() {
    let (_appliance, client) = prepared();
    client
        .call("POST", &path(A, ""), json!({"name": "v_1", "lun": 0}))
        .data(201);
    let conflicts = [
        (
            A,
            json!({"name": "v_1", "lun": 0}),
            "Volume Pool-0/v_1 is already used.".to_owned(),
        ),
        (
            A,
            json!({"name": "v_1", "lun": 1}),
            "Volume Pool-0/v_1 is already used.".to_owned(),
        ),
        (
            B,
            json!({"name": "v_1", "lun": 0}),
            "Volume Pool-0/v_1 is already used.".to_owned(),
        ),
        (
            A,
            json!({"name": "v_2", "lun": 0}),
            format!("LUN 0 is already used in {A}."),
        ),
    ];
    for (target, body, expected) in conflicts {
        let (class, errno, message) = client.call("POST", &path(target, ""), body).error(409);
        assert_eq!(class, "opene.exceptions.ItemConflictError");
        assert_eq!((errno, message), (None, expected));
    }
    client
        .call("POST", &path(B, ""), json!({"name": "v_2", "lun": 0}))
        .data(201);
    // The same name in the other pool is another volume.
    client
        .call(
            "POST",
            &path(ELSEWHERE, ""),
            json!({"name": "v_1", "lun": 0}),
        )
        .data(201);
}

#[test]
fn what_is_missing_is_named() {
    let (_appliance, client) = prepared();
    let no = "iqn.2025-04.test:no";
    let body = json!({"name": "v_1", "lun": 0});
    for answer in [
        client.get(&path(no, "")),
        client.call("POST", &path(no, ""), body),
    ] {
        assert_eq!(answer.error(404).2, format!("Target {no} not exists."));
    }
    let (class, _, message) = client
        .call("POST", &path(A, ""), json!({"name": "v_9", "lun": 0}))
        .error(500);
    assert_eq!(class, "zfslib.zfsapi.resources.ZfsResourceError");
    assert_eq!(
        message,
        "Zfs resource: Pool-0/v_9 not found in this collection."
    );
    client
        .call("POST", &path(A, ""), json!({"name": "v_1", "lun": 16384}))
        .error(400);
    client
        .call("POST", &path(A, ""), json!({"name": "v_1", "lun": 16383}))
        .data(201);
}

#[test]
fn the_global_list_finds_a_volumes_name_in_every_pool() {
    let (appliance, client) = prepared();
    appliance.attach("Pool-0", B, "v_1", 5).unwrap();
    appliance.attach("Pool-0", A, "v_2", 0).unwrap();
    appliance.attach("Pool-1", ELSEWHERE, "v_1", 0).unwrap();
    appliance
        .set_scsi_id("Pool-1", "v_1", "abcdefgh00000000")
        .unwrap();
    appliance
        .set_target_active("Pool-1", ELSEWHERE, false)
        .unwrap();
    let expected = json!([
        {
            "pool": "Pool-0", "iscsi_target": {"name": B, "active": true},
            "lun": {"lun": "5", "name": "v_1", "scsi_id": "4fa1c0de77e2b316", "eui": "3466613163306465"},
        },
        {
            "pool": "Pool-1", "iscsi_target": {"name": ELSEWHERE, "active": false},
            "lun": {"lun": "0", "name": "v_1", "scsi_id": "abcdefgh00000000", "eui": "6162636465666768"},
        },
    ]);
    assert_eq!(
        client.get("/san/iscsi/luns?where=name==v_1").data(200),
        expected
    );
    assert_eq!(
        client.get("/san/iscsi/luns?where=name%3D%3Dv_1").data(200),
        expected
    );
    assert_eq!(
        client.get("/san/iscsi/luns?where=name==v_").data(200),
        json!([])
    );
    assert_eq!(
        client
            .get("/san/iscsi/luns")
            .data(200)
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    assert_eq!(appliance.violations(), []);
}

#[test]
fn a_renamed_volume_stays_attached_under_its_new_name() {
    let (appliance, client) = prepared();
    appliance.attach("Pool-0", A, "v_1", 0).unwrap();
    client
        .call("PUT", "/pools/Pool-0/volumes/v_1", json!({"name": "v_new"}))
        .data(200);
    assert_eq!(
        client.get(&path(A, "/v_new")).data(200)["scsi_id"],
        "4fa1c0de77e2b316"
    );
    client.get(&path(A, "/v_1")).error(404);
}

#[test]
fn a_deleted_target_lets_its_volumes_go() {
    let (appliance, client) = prepared();
    appliance.attach("Pool-0", A, "v_1", 0).unwrap();
    client
        .delete(&format!("/pools/Pool-0/san/iscsi/targets/{A}"))
        .no_content();
    client
        .call("POST", &path(B, ""), json!({"name": "v_1", "lun": 0}))
        .data(201);
}
