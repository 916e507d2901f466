//! Single calls: what is asked, and what the answer means.

use jdss_rest::transport::{Reply, TransportError};
use jdss_rest::{Error, ErrorKind, NewVolume};
use serde_json::{Value, json};

use super::pool;
use crate::script::*;

#[test]
fn removing_what_is_not_there_is_no_failure() {
    let script = Script::new([
        step(
            format!("DELETE {TARGETS}/iqn.a:b-0/luns/v_x"),
            missing("Lun"),
        ),
        step(
            format!("DELETE {TARGETS}/iqn.a:b-0"),
            Ok(Reply {
                status: 204,
                body: Vec::new(),
            }),
        ),
    ]);
    let client = script.client();
    assert!(
        !client
            .pool("Pool-0")
            .detach("iqn.a:b-0", "v_x", soon())
            .unwrap()
    );
    assert!(
        client
            .pool("Pool-0")
            .delete_target("iqn.a:b-0", soon())
            .unwrap()
    );
    script.assert_done();
}

#[test]
fn a_paged_list_is_read_to_its_end() {
    let vip = |n: u32| json!({ "name": format!("vip{n}"), "address": format!("10.0.0.{n}") });
    let script = Script::new([
        step(
            format!("GET {POOL}/vips"),
            ok(json!({ "results": "3", "entries": [vip(1), vip(2)] })),
        ),
        step(
            format!("GET {POOL}/vips?page=1"),
            ok(json!({ "results": 3, "entries": [vip(3)] })),
        ),
    ]);
    let vips = script.client().pool("Pool-0").vips(soon()).unwrap();
    assert_eq!(vips.len(), 3);
    assert_eq!(vips[2].ip(), Some("10.0.0.3".parse().unwrap()));
    script.assert_done();
}

#[test]
fn a_list_that_came_shortened_is_an_error() {
    let part = json!({ "results": 3, "entries": [{ "name": "vip1", "address": "10.0.0.1" }] });
    let none = || ok(json!({ "results": 3, "entries": [] }));
    let reading = || {
        [
            step(format!("GET {POOL}/vips"), ok(part.clone())),
            step(format!("GET {POOL}/vips?page=1"), none()),
        ]
    };
    let script = Script::new((0..3).flat_map(|_| reading()));
    let error = script.client().pool("Pool-0").vips(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.to_string().contains("1 entries were read"), "{error}");
    script.assert_done();
}

#[test]
fn names_are_encoded_and_cannot_lead_elsewhere() {
    let script = Script::new([step("GET /pools/a%20b%2F..%3F%25", ok(pool()))]);
    let client = script.client();
    client.pool("a b/..?%").info(soon()).unwrap();
    for name in ["", ".", ".."] {
        assert_eq!(
            client.pool(name).info(soon()).unwrap_err().kind(),
            ErrorKind::Invalid
        );
        let error = client
            .pool("Pool-0")
            .delete_target(name, soon())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    script.assert_done();
}

fn new_volume() -> NewVolume {
    NewVolume {
        id: "vm-100-disk-0".parse().expect("an id"),
        size: 32 * 1024 + 1,
        thin: true,
        block_size: 16 * 1024,
    }
}

fn volume(size: u64) -> Value {
    json!({ "name": "v_vm-100-disk-0", "volsize": size.to_string(), "origin": null,
        "default_scsi_id": null, "san:volume_id": "4fa1c0de77e2b316ff", "creation": "1767225600" })
}

fn absent() -> Result<Reply, TransportError> {
    let message = "Zfs resource: Pool-0/v_vm-100-disk-0 not found in this collection.";
    fail(
        500,
        "zfslib.zfsapi.resources.ZfsResourceError",
        Some(1),
        message,
    )
}

const VOLUME: &str = "GET /pools/Pool-0/volumes/v_vm-100-disk-0";

const CREATE: &str = "POST /pools/Pool-0/volumes";

#[test]
fn a_new_volume_has_whole_blocks() {
    let script = Script::new([
        step(VOLUME, absent()),
        step(
            CREATE,
            reply(201, &json!({ "data": volume(48 * 1024), "error": null })),
        )
        .body(json!({
            "name": "v_vm-100-disk-0", "size": "49152", "sparse": true, "blocksize": "16K" })),
    ]);
    let made = script
        .client()
        .pool("Pool-0")
        .create_volume(&new_volume(), soon())
        .unwrap();
    assert_eq!(made.size, 48 * 1024);
    assert_eq!(made.scsi_id.unwrap().as_str(), "4fa1c0de77e2b316");
    script.assert_done();
}

#[test]
fn a_volume_whose_creation_got_no_answer_is_adopted() {
    let script = Script::new([
        step(VOLUME, absent()),
        step(CREATE, no_reply()),
        step(VOLUME, absent()),
        step(CREATE, broken()),
        step(VOLUME, ok(volume(48 * 1024))),
    ]);
    let made = script
        .client()
        .pool("Pool-0")
        .create_volume(&new_volume(), soon())
        .unwrap();
    assert_eq!(made.size, 48 * 1024);
    script.assert_done();
}

#[test]
fn a_volume_of_somebody_else_is_never_adopted() {
    let before = Script::new([step(VOLUME, ok(volume(48 * 1024)))]);
    let between = Script::new([
        step(VOLUME, absent()),
        step(CREATE, no_reply()),
        step(VOLUME, ok(volume(1))),
    ]);
    let named = "Resource Pool-0/v_vm-100-disk-0 already exists.";
    let told = Script::new([
        step(VOLUME, absent()),
        step(CREATE, fail(500, "x.Y", Some(5), named)),
    ]);
    for script in [before, between, told] {
        let error = script
            .client()
            .pool("Pool-0")
            .create_volume(&new_volume(), soon());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Exists);
        script.assert_done();
    }
}

#[test]
fn a_block_size_that_does_not_exist_is_refused_before_anything_is_asked() {
    let script = Script::new([]);
    for block_size in [0, 1, 2048, 5000, 2 << 20] {
        let new = NewVolume {
            block_size,
            ..new_volume()
        };
        let error = script
            .client()
            .pool("Pool-0")
            .create_volume(&new, soon())
            .unwrap_err();
        assert!(matches!(error, Error::BlockSize { .. }));
    }
}
