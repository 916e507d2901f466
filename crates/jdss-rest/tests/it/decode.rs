//! Answers in all the forms seen, and what none of them may do: make the client panic or guess.

use std::net::SocketAddr;

use jdss_rest::transport::{Limits, Reply, Request, Transport, TransportError};
use jdss_rest::{Client, Error, ErrorKind, Publish, TargetGroup};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::script::{fail, ok, soon};

/// Gives the same answer to everything.
#[derive(Debug)]
struct Always(Reply);

impl Transport for Always {
    fn exchange(&self, _: SocketAddr, _: &Request, _: Limits) -> Result<Reply, TransportError> {
        Ok(self.0.clone())
    }
}

fn always(reply: Reply) -> Client {
    Client::builder(vec!["192.0.2.1".parse().expect("an address")])
        .retry_pause(std::time::Duration::ZERO)
        .build_with(Always(reply))
        .expect("one address is enough")
}

fn answer(data: Value) -> Client {
    always(ok(data).expect("a reply"))
}

fn kind_of(status: u16, class: &str, errno: Option<i64>, message: &str) -> ErrorKind {
    let reply = fail(status, class, errno, message).expect("a reply");
    let error = always(reply).pool("Pool-0").volume_named("v_x", soon());
    error.expect_err("a failure").kind()
}

#[test]
fn errors_mean_what_the_appliance_means_by_them() {
    use ErrorKind::{
        Auth, Busy, Conflict, Exists, Invalid, Missing, NoSpace, Other, Transient, Unsupported,
    };
    for (status, class, errno, message, kind) in [
        (
            500,
            "zfslib.zfsapi.resources.ZfsResourceError",
            Some(1),
            "Zfs resource: P/v not found in this collection.",
            Missing,
        ),
        (
            500,
            "unheard.Of",
            None,
            "Zfs resource: P/v not found in this collection.",
            Missing,
        ),
        (
            404,
            "opene.exceptions.ItemNotFoundError",
            None,
            "Resource P/v not found.",
            Missing,
        ),
        (
            500,
            "opene.exceptions.ItemNotFoundError",
            None,
            "Volume v not found in pool P.",
            Missing,
        ),
        (
            404,
            "opene.exceptions.ItemNotFoundError",
            None,
            "Target t not exists.",
            Missing,
        ),
        (
            404,
            "werkzeug.exceptions.NotFound",
            None,
            "Clone c not exists",
            Missing,
        ),
        (
            500,
            "zfslib.wrap.zfs.ZfsCmdError",
            Some(0),
            "cannot open 'P/v@s': dataset does not exist",
            Missing,
        ),
        (500, "x.Y", Some(5), "Resource P/v already exists.", Exists),
        (
            500,
            "zfslib.wrap.zfs.ZfsCmdError",
            Some(100),
            "cannot create 'P/v': dataset already exists",
            Exists,
        ),
        (
            409,
            "opene.san.target.base.iscsi.target.TargetNameConflictError",
            None,
            "Target with name t is already present on P.",
            Exists,
        ),
        (
            409,
            "opene.exceptions.ItemConflictError",
            None,
            "Volume P/v is already used.",
            Conflict,
        ),
        (
            500,
            "opene.exceptions.ItemConflictError",
            None,
            "LUN 0 is already used in t.",
            Conflict,
        ),
        (409, "x.Y", None, "?", Conflict),
        (
            500,
            "opene.storage.zfs.ZfsOeError",
            Some(1000),
            "In order to delete a zvol, you must delete all of its clones first.",
            Busy,
        ),
        (
            500,
            "zfslib.wrap.zfs.ZfsCmdError",
            Some(1000),
            "cannot destroy 'P/v': volume has children\nuse '-r' to destroy",
            Busy,
        ),
        (
            500,
            "zfslib.wrap.zfs.ZfsCmdError",
            None,
            "cannot destroy 'P/v@s': snapshot has dependent clones",
            Busy,
        ),
        (
            500,
            "x.Y",
            None,
            "New zvol size(10) exceeds available space on pool P(5).",
            NoSpace,
        ),
        (
            500,
            "opene.cfgparser.CfgParserError",
            Some(13),
            "locked",
            Transient,
        ),
        // Numbers of the system, not of the API.
        (
            500,
            "opene.tools.scstadmin.ScstAdminError",
            Some(1),
            "Operation not permitted",
            Transient,
        ),
        (
            500,
            "exceptions.OSError",
            Some(5),
            "Input/output error",
            Transient,
        ),
        (
            400,
            "jsonschema.ValidationError",
            None,
            "Additional properties are not allowed ('vip_allowed_portals' was unexpected)",
            Unsupported,
        ),
        (
            400,
            "jsonschema.ValidationError",
            None,
            "'x' is too short",
            Invalid,
        ),
        (401, "x.Y", None, "?", Auth),
        (403, "x.Y", None, "?", Auth),
        (503, "x.Y", None, "?", Transient),
        (500, "x.Y", Some(1), "Operation not permitted", Other),
        (500, "x.Y", None, "?", Other),
    ] {
        assert_eq!(
            kind_of(status, class, errno, message),
            kind,
            "{status} {class} {message}"
        );
    }
}

#[test]
fn errors_without_an_envelope_or_with_a_bare_text_are_read_too() {
    for body in [
        r#"{"class":"opene.exceptions.ItemNotFoundError","message":"Volume v not found in pool P."}"#,
        r#"{"data":null,"error":"Zfs resource: P/v not found in this collection."}"#,
    ] {
        let client = always(Reply {
            status: 500,
            body: body.as_bytes().to_vec(),
        });
        let error = client.pool("P").volume_named("v", soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{body}");
    }
}

#[test]
fn an_error_inside_a_success_is_an_error() {
    let body = json!({ "data": { "name": "v_x", "volsize": 1 }, "error": { "class": "x.Y", "message": "no" } });
    let client = always(Reply {
        status: 200,
        body: body.to_string().into_bytes(),
    });
    assert!(client.pool("P").volume_named("v_x", soon()).is_err());
}

#[test]
fn an_error_shows_what_the_appliance_said_about_it() {
    let reply = fail(500, "zfslib.X", Some(77), "a strange thing").unwrap();
    let error = always(reply)
        .pool("Pool-0")
        .volume_named("v_x", soon())
        .unwrap_err();
    let text = error.to_string();
    for part in [
        "volume Pool-0/v_x",
        "192.0.2.1:82",
        "a strange thing",
        "500",
        "zfslib.X",
        "77",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let Error::Api(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!((error.status, error.errno), (500, Some(77)));
}

#[test]
fn a_foreign_page_is_not_shown_at_length() {
    let body = "x".repeat(1 << 20).into_bytes();
    let error = always(Reply { status: 500, body })
        .pool("P")
        .info(soon())
        .unwrap_err();
    assert!(error.to_string().len() < 1000);
}

#[test]
fn numbers_may_be_strings() {
    for size in [json!(34_359_738_368_u64), json!("34359738368")] {
        let client = answer(json!({ "name": "v_x", "volsize": size, "volblocksize": "16384" }));
        let volume = client.pool("P").volume_named("v_x", soon()).unwrap();
        assert_eq!((volume.size, volume.block_size), (32 << 30, Some(16384)));
    }
    for lun in [json!(7), json!("7")] {
        let client = answer(json!({ "name": "v_x", "lun": lun }));
        assert_eq!(client.pool("P").lun("t", "v_x", soon()).unwrap().lun, 7);
    }
}

#[test]
fn a_number_that_is_none_is_never_taken_for_one() {
    for size in [json!(-1), json!("32G"), json!(1.5), json!(null), json!("")] {
        let client = answer(json!({ "name": "v_x", "volsize": size }));
        let error = client.pool("P").volume_named("v_x", soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{size}");
        assert!(error.to_string().contains("number"), "{error}");
    }
    for lun in [json!(70_000), json!("x"), json!(-1)] {
        let client = answer(json!({ "name": "v_x", "lun": lun }));
        assert!(client.pool("P").lun("t", "v_x", soon()).is_err(), "{lun}");
    }
}

#[test]
fn a_scsi_id_that_is_not_there_yet_is_absent_and_a_strange_one_an_error() {
    for (field, absent) in [
        (json!(null), true),
        (json!(""), true),
        (json!("short"), false),
    ] {
        let client = answer(json!({ "name": "v_x", "lun": 0, "scsi_id": field }));
        match client.pool("P").lun("t", "v_x", soon()) {
            Ok(lun) => assert!(absent && lun.scsi_id.is_none(), "{field}"),
            Err(_) => assert!(!absent, "{field}"),
        }
    }
}

#[test]
fn a_volume_tells_its_scsi_id_by_either_field() {
    let both = json!({ "name": "v", "volsize": 1, "default_scsi_id": "4fa1c0de77e2b316", "san:volume_id": "other000" });
    let second = json!({ "name": "v", "volsize": 1, "default_scsi_id": null, "san:volume_id": "4fa1c0de77e2b316-and-more" });
    for volume in [both, second] {
        let id = answer(volume)
            .pool("P")
            .volume_named("v", soon())
            .unwrap()
            .scsi_id;
        assert_eq!(id.unwrap().as_str(), "4fa1c0de77e2b316");
    }
}

#[test]
fn entries_about_other_volumes_are_left_out() {
    let entry = |name: &str| json!({ "pool": "P", "iscsi_target": { "name": "t" }, "lun": { "name": name, "lun": 0 } });
    let client = answer(json!([entry("v_x"), entry("v_xx")]));
    assert_eq!(client.attachments("v_x", soon()).unwrap().len(), 1);
}

#[test]
fn sessions_know_their_initiator_without_regard_to_case() {
    let client = answer(
        json!([{ "target_name": "t", "initiator_name": "iqn.1993-08.org.debian:01:AA",
        "ip": "10.1.0.51", "sid": "45e0200003d0200", "cid": "0" }]),
    );
    let sessions = client.pool("P").sessions("t", soon()).unwrap();
    assert!(sessions[0].is_of("IQN.1993-08.org.debian:01:aa"));
    assert!(!sessions[0].is_of("iqn.1993-08.org.debian:01:a"));
}

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

fn ask_everything(client: &Client) {
    let pool = client.pool("Pool-0");
    let request = Publish {
        pool: "Pool-0".to_owned(),
        volume: "vm-1-disk-0".parse().expect("an id"),
        target_prefix: "iqn.a".parse().expect("a prefix"),
        group: TargetGroup::of("vm-1-disk-0").expect("a group"),
        luns_per_target: 8,
        data_addresses: vec!["10.0.0.1".parse().expect("an address")],
        chap: jdss_rest::Chap::Unmanaged,
    };
    for error in [
        pool.info(soon()).err(),
        pool.vips(soon()).err(),
        pool.volume_named("v_x", soon()).err(),
        pool.targets(soon()).err(),
        pool.target("t", soon()).err(),
        pool.luns("t", soon()).err(),
        pool.lun("t", "v_x", soon()).err(),
        pool.sessions("t", soon()).err(),
        pool.delete_target("t", soon()).err(),
        client.attachments("v_x", soon()).err(),
        client.publish(&request, soon()).err(),
    ] {
        let _ = error.map(|error| (error.to_string(), error.kind(), error.is_transient()));
    }
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
    fn no_payload_makes_the_client_panic(data in any_json()) {
        ask_everything(&answer(data));
    }
}
