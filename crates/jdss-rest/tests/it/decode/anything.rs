//! No answer at all makes the client panic.

use jdss_rest::transport::Reply;
use jdss_rest::{
    Client, CloneOf, CloneVolume, DeleteVolume, Destroy, NewVolume, Publish, TargetGroup, VolumeId,
};
use proptest::prelude::*;
use serde_json::Value;

use super::{always, answer};
use crate::script::soon;

/// JSON of any shape, made of the words that the API uses.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9]{1,25}".prop_map(Value::from),
        Just(Value::from("Pool-0")),
        Just(Value::from("v_vm-1-disk-0")),
    ];
    let key = prop::sample::select(vec![
        "data",
        "error",
        "class",
        "errno",
        "message",
        "results",
        "entries",
        "name",
        "volsize",
        "lun",
        "scsi_id",
        "pool",
        "iscsi_target",
        "active",
        "vip_allowed_portals",
        "enabled",
        "assigned_vips",
        "address",
        "size",
        "available",
        "default_scsi_id",
        "properties",
        "creation",
        "clones",
        "snapshots",
        "origin",
        "san:volume_id",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..8).prop_map(|map| {
                map.into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

/// Everything that can be asked, so that every decoder gets the answer.
fn ask_everything(client: &Client) {
    let pool = client.pool("Pool-0");
    let id: VolumeId = "vm-1-disk-0".parse().expect("an id");
    let other = "vm-2-disk-0".parse().expect("an id");
    let snapshot = "snap1".parse().expect("an id");
    let clone = CloneVolume {
        volume: "v_x".to_owned(),
        name: "v_y".to_owned(),
        thin: true,
    };
    let clone_of = CloneOf {
        volume: "v_x".to_owned(),
        snapshot: "s_x".to_owned(),
        name: "v_y".to_owned(),
        thin: true,
        read_only: true,
    };
    let new = NewVolume {
        id: id.clone(),
        size: 1,
        thin: true,
        block_size: 4096,
    };
    let how = DeleteVolume { snapshots: true };
    for error in [
        pool.info(soon()).err(),
        pool.vips(soon()).err(),
        pool.targets(soon()).err(),
        pool.target("t", soon()).err(),
        pool.luns("t", soon()).err(),
        pool.lun("t", "v_x", soon()).err(),
        pool.sessions("t", soon()).err(),
        pool.delete_target("t", soon()).err(),
        client.attachments("v_x", soon()).err(),
        pool.volume_named("v_x", soon()).err(),
        pool.volumes(soon()).all().err(),
        pool.create_volume(&new, soon()).err(),
        pool.resize_volume(&id, 1 << 40, soon()).err(),
        pool.rename_volume(&id, &other, soon()).err(),
        pool.delete_volume_named("v_x", how, soon()).err(),
        pool.set_property("v_x", "sync", "always", soon()).err(),
        pool.set_thin(&id, true, soon()).err(),
        pool.snapshots("v_x", soon()).all().err(),
        pool.snapshot("v_x", "s_x", soon()).err(),
        pool.create_snapshot(&id, &snapshot, soon()).err(),
        pool.delete_snapshot("v_x", "s_x", soon()).err(),
        pool.snapshot_clones("v_x", "s_x", soon()).err(),
        pool.rollback("v_x", "s_x", Destroy::Nothing, soon()).err(),
        pool.clone_snapshot(&clone_of, soon()).err(),
        pool.clone_volume(&clone, soon()).err(),
        pool.promote_clone("v_x", soon()).err(),
        client.publish(&request(), soon()).err(),
    ] {
        let _ = error.map(|error| (error.to_string(), error.kind(), error.is_transient()));
    }
}

fn request() -> Publish {
    Publish {
        pool: "Pool-0".to_owned(),
        volume: "vm-1-disk-0".parse().expect("an id"),
        target_prefix: "iqn.a".parse().expect("a prefix"),
        group: TargetGroup::of("vm-1-disk-0").expect("a group"),
        luns_per_target: 8,
        data_addresses: vec!["10.0.0.1".parse().expect("an address")],
        chap: jdss_rest::Chap::Unmanaged,
        may_move: true,
    }
}

/// Answers as an appliance gives them.
const TRANSCRIPTS: [&str; 8] = [
    r#"{"data":{"name":"v_a","volsize":"34359738368","volblocksize":"16384","creation":"1767225600","origin":"Pool-0/v_b@s_c","is_clone":true,"default_scsi_id":"4fa1c0de77e2b316","san:volume_id":"4fa1c0de77e2b316","used":"57344","readonly":"off","refreservation":"0"},"error":null}"#,
    r#"{"data":{"results":2,"entries":[{"name":"s_x","volume":"v_x","properties":{"creation":1767230000,"guid":"1234567890123456789"}},{"name":"autosnap_2026-01-01-000000","creation":"2015-5-27 16:8:35","guid":99}]},"error":null}"#,
    r#"{"data":{"name":"s_x","type":"snapshot","creation":"2026-01-01 01:13:20","volsize":"34359738368","clones":"Pool-0/se_x_ME------,Pool-0/v_c"},"error":null}"#,
    r#"{"data":[{"pool":"Pool-0","iscsi_target":{"name":"iqn.a:vm-1-0","active":true},"lun":{"lun":0,"name":"v_vm-1-disk-0","scsi_id":"4fa1c0de77e2b316","eui":"3466613163306465"}}],"error":null}"#,
    r#"{"data":{"name":"iqn.a:vm-1-0","active":true,"incoming_users_active":false,"vip_allowed_portals":{"enabled":true,"assigned_vips":["vip1","vip2"]}},"error":null}"#,
    r#"{"data":[{"target_name":"iqn.a:vm-1-0","initiator_name":"iqn.1993-08.org.debian:01:aa","ip":"10.1.0.51","sid":"45e","cid":"0"}],"error":null}"#,
    r#"{"data":{"snapshots":1,"clones":0},"error":null}"#,
    r#"{"data":null,"error":{"class":"zfslib.zfsapi.resources.ZfsResourceError","errno":1,"message":"Zfs resource: Pool-0/v_x not found in this collection.","url":"https://10.1.0.11:82/"}}"#,
];

/// A transcript with some bytes replaced, taken out, doubled, or cut off.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0_u8..4);
    let changes = prop::collection::vec(change, 0..6);
    (prop::sample::select(TRANSCRIPTS.to_vec()), changes).prop_map(|(text, changes)| {
        let mut bytes = text.as_bytes().to_vec();
        for (place, byte, how) in changes {
            if bytes.is_empty() {
                break;
            }
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => drop(bytes.remove(place)),
                2 => bytes.insert(place, bytes[place]),
                _ => bytes.truncate(place),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_make_the_client_panic(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        ask_everything(&always(Reply { status, body }));
    }

    #[test]
    fn no_json_makes_the_client_panic(status in prop::sample::select(vec![200_u16, 201, 404, 409, 500]), body in any_json()) {
        ask_everything(&always(Reply { status, body: body.to_string().into_bytes() }));
    }

    #[test]
    fn no_mutated_transcript_makes_the_client_panic(status in prop::sample::select(vec![200_u16, 500]), body in mutated()) {
        ask_everything(&always(Reply { status, body }));
    }

    #[test]
    fn no_payload_makes_the_client_panic(data in any_json()) {
        ask_everything(&answer(data));
    }
}
