use std::fs::File;
use std::os::unix::fs::FileExt;

use jdss_sim::{Appliance, Firmware};
use serde_json::{Value, json};

use crate::client::Client;
use crate::pair;

const MIB: u64 = 1 << 20;
const VOLUME: &str = "/pools/Pool-0/volumes/v_a";
const COMMAND: &str = "zfslib.wrap.zfs.ZfsCmdError";

fn path(rest: &str) -> String {
    format!("{VOLUME}/snapshots/s_1/clones{rest}")
}

/// A volume of 1 MiB with the snapshot `s_1`.
fn prepared() -> (Appliance, Client) {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", MIB).expect("new");
    write(&appliance, "v_a", "then");
    appliance
        .create_snapshot("Pool-0", "v_a", "s_1")
        .expect("new");
    write(&appliance, "v_a", "now!");
    (appliance, client)
}

fn write(appliance: &Appliance, volume: &str, text: &str) {
    let path = appliance.volume_path("Pool-0", volume).expect("there");
    let file = File::options().write(true).open(path).expect("a file");
    file.write_all_at(text.as_bytes(), 0).expect("room");
}

fn read(appliance: &Appliance, volume: &str) -> String {
    let path = appliance.volume_path("Pool-0", volume).expect("there");
    let mut bytes = [0; 4];
    let file = File::open(path).expect("a file");
    file.read_exact_at(&mut bytes, 0).expect("enough");
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn clone(client: &Client, body: Value) -> crate::client::Response {
    client.call("POST", &format!("{VOLUME}/clone"), body)
}

#[test]
fn a_clone_of_a_snapshot_is_a_volume_of_its_own() {
    let (appliance, client) = prepared();
    client
        .call("PUT", VOLUME, json!({"size": "2097152"}))
        .data(201);
    let body = json!({"name": "v_b", "snapshot": "s_1", "sparse": true, "readonly": true});
    assert_eq!(clone(&client, body).data(201), Value::Null);
    let shown = client.get("/pools/Pool-0/volumes/v_b").data(200);
    let expected = json!({
        "origin": "Pool-0/v_a@s_1", "is_clone": true, "volsize": "1048576", "readonly": "on",
        "volblocksize": "16384", "refreservation": "0",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    let id = |volume: &str| appliance.scsi_id("Pool-0", volume).unwrap();
    assert_ne!(id("v_a")[..8], id("v_b")[..8]);
    assert_eq!(read(&appliance, "v_b"), "then");
    write(&appliance, "v_b", "mine");
    assert_eq!(read(&appliance, "v_a"), "now!");
    let other = json!({"name": "v_c", "snapshot": "s_1", "sparse": false, "properties": {"sync": "disabled"}});
    clone(&client, other).data(201);
    let shown = client.get("/pools/Pool-0/volumes/v_c").data(200);
    assert_eq!(
        (&shown["readonly"], &shown["sync"], &shown["refreservation"]),
        (&json!("off"), &json!("disabled"), &json!("1048576"))
    );
    assert_eq!(read(&appliance, "v_c"), "then");
    let origin = "Pool-0/v_a@s_1";
    let list = json!([
        {"name": "v_b", "full_name": "Pool-0/v_b", "is_clone": true, "origin": origin},
        {"name": "v_c", "full_name": "Pool-0/v_c", "is_clone": true, "origin": origin},
    ]);
    assert_eq!(client.get(&path("")).data(200), list);
    let snapshot = client.get(&format!("{VOLUME}/snapshots/s_1")).data(200);
    assert_eq!(snapshot["clones"], "Pool-0/v_b,Pool-0/v_c");
    assert_eq!(appliance.violations(), []);
}

#[test]
fn a_clone_of_a_volume_leaves_a_snapshot_of_its_own_name() {
    let (appliance, client) = prepared();
    clone(&client, json!({"name": "v_b", "sparse": true})).data(201);
    assert_eq!(read(&appliance, "v_b"), "now!");
    assert_eq!(
        appliance.origin("Pool-0", "v_b").unwrap().as_deref(),
        Some("Pool-0/v_a@v_b")
    );
    appliance.delete_volume("Pool-0", "v_b").unwrap();
    assert_eq!(
        appliance.snapshots("Pool-0", "v_a").unwrap(),
        ["s_1", "v_b"]
    );
    // What such a clone has left is in the way of the next one.
    let (_, errno, message) = clone(&client, json!({"name": "v_b"})).error(500);
    assert_eq!(
        (errno, message.as_str()),
        (Some(5), "Resource Pool-0/v_a@v_b already exists.")
    );
    assert_eq!(appliance.volumes("Pool-0").unwrap(), ["v_a"]);
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_snapshot_made_for_it_stays() {
    let (appliance, client) = prepared();
    appliance.create_volume("Pool-0", "v_b", MIB).unwrap();
    appliance.create_dataset("Pool-0", "v_nas").unwrap();
    for name in ["v_b", "v_nas"] {
        for body in [
            json!({"name": name, "snapshot": "s_1"}),
            json!({"name": name}),
        ] {
            let error = clone(&client, body).error(500);
            let message = format!("cannot create 'Pool-0/{name}': dataset already exists");
            assert_eq!(error, (COMMAND.to_owned(), Some(100), message));
        }
    }
    assert_eq!(
        appliance.snapshots("Pool-0", "v_a").unwrap(),
        ["s_1", "v_b", "v_nas"]
    );
    let create = json!({"name": "v_nas", "size": "1M"});
    let (_, errno, message) = client
        .call("POST", "/pools/Pool-0/volumes", create)
        .error(500);
    assert_eq!(errno, Some(100));
    assert_eq!(
        message,
        "cannot create 'Pool-0/v_nas': dataset already exists"
    );
}

#[test]
fn a_thick_clone_needs_room_in_the_pool() {
    let appliance = Appliance::builder()
        .pool_of_size("Pool-0", MIB)
        .volume("Pool-0", "v_a", 2 * MIB)
        .start()
        .unwrap();
    let client = Client::new(&appliance);
    let (_, _, message) = clone(&client, json!({"name": "v_b", "sparse": false})).error(500);
    assert_eq!(
        message,
        "New zvol size(2097152) exceeds available space on pool Pool-0(1048576)."
    );
    assert_eq!(appliance.volumes("Pool-0").unwrap(), ["v_a"]);
}

#[test]
fn what_others_depend_on_is_not_deleted() {
    for (firmware, class, dot) in [
        (Firmware::Classic, "opene.storage.zfs.ZfsOeError", "."),
        (Firmware::Recent, "opene.storage.zfs.zfs.ZfsOeError", ""),
    ] {
        let appliance = Appliance::builder()
            .pool("Pool-0")
            .volume("Pool-0", "v_a", MIB)
            .firmware(firmware)
            .start()
            .unwrap();
        let client = Client::new(&appliance);
        appliance.create_snapshot("Pool-0", "v_a", "s_1").unwrap();
        for name in ["v_b", "v_c"] {
            appliance.clone("Pool-0", "v_a", "s_1", name).unwrap();
        }
        for body in [Value::Null, json!({"recursively_children": true})] {
            let error = client.call("DELETE", VOLUME, body).error(500);
            let message =
                format!("In order to delete a zvol, you must delete all of its clones first{dot}");
            assert_eq!(error, (class.to_owned(), Some(1000), message));
        }
        let snapshot = format!("{VOLUME}/snapshots/s_1");
        for body in [Value::Null, json!({"recursively_children": true})] {
            let error = client.call("DELETE", &snapshot, body).error(500);
            let message = "cannot destroy 'Pool-0/v_a@s_1': snapshot has dependent clones\n\
                           use '-R' to destroy the following datasets:\nPool-0/v_b\nPool-0/v_c";
            assert_eq!(error, (COMMAND.to_owned(), Some(1000), message.to_owned()));
        }
        client.delete(&path("/v_b")).no_content();
        client.delete("/pools/Pool-0/volumes/v_c").no_content();
        assert_eq!(appliance.volumes("Pool-0").unwrap(), ["v_a"]);
        appliance.delete_snapshot("Pool-0", "v_a", "s_1").unwrap();
        client.delete(VOLUME).no_content();
        assert_eq!(appliance.violations(), []);
    }
}

#[test]
fn a_clone_is_deleted_below_its_own_snapshot_only() {
    let (appliance, client) = prepared();
    appliance.create_snapshot("Pool-0", "v_a", "s_2").unwrap();
    appliance.clone("Pool-0", "v_a", "s_2", "v_b").unwrap();
    for name in ["v_b", "v_a", "v_none"] {
        let (_, errno, message) = client.delete(&path(&format!("/{name}"))).error(500);
        let missing = format!("Zfs resource: Pool-0/{name} not found in this collection.");
        assert_eq!((errno, message), (Some(1), missing));
    }
    appliance.create_snapshot("Pool-0", "v_b", "s_own").unwrap();
    let own = format!("{VOLUME}/snapshots/s_2/clones/v_b");
    let (_, errno, message) = client.delete(&own).error(500);
    assert_eq!(errno, Some(1000));
    assert!(message.contains("volume has children"), "{message}");
    client
        .call("DELETE", &own, json!({"recursively_children": true}))
        .no_content();
    assert_eq!(appliance.volumes("Pool-0").unwrap(), ["v_a"]);
    assert_eq!(
        appliance.snapshots("Pool-0", "v_a").unwrap(),
        ["s_1", "s_2"]
    );
}

#[test]
fn a_promoted_clone_has_no_origin_and_its_parent_becomes_a_clone() {
    let (appliance, client) = prepared();
    for name in ["s_2", "s_3"] {
        appliance.create_snapshot("Pool-0", "v_a", name).unwrap();
    }
    appliance.clone("Pool-0", "v_a", "s_2", "se_b").unwrap();
    appliance.clone("Pool-0", "v_a", "s_1", "v_other").unwrap();
    appliance
        .create_snapshot("Pool-0", "se_b", "s_own")
        .unwrap();
    let promote = |clone: &str, body| {
        let path = format!("{VOLUME}/snapshots/s_2/clones/{clone}/promote");
        client.call("POST", &path, body)
    };
    assert_eq!(promote("v_other", Value::Null).error(500).1, Some(1));
    assert_eq!(promote("se_b", Value::Null).data(200), Value::Null);
    let shown = |name: &str| {
        let volume = client
            .get(&format!("/pools/Pool-0/volumes/{name}"))
            .data(200);
        (volume["is_clone"].clone(), volume["origin"].clone())
    };
    assert_eq!(shown("se_b"), (json!(false), Value::Null));
    assert_eq!(shown("v_a"), (json!(true), json!("Pool-0/se_b@s_2")));
    assert_eq!(shown("v_other"), (json!(true), json!("Pool-0/se_b@s_1")));
    assert_eq!(appliance.snapshots("Pool-0", "v_a").unwrap(), ["s_3"]);
    assert_eq!(
        appliance.snapshots("Pool-0", "se_b").unwrap(),
        ["s_1", "s_2", "s_own"]
    );
    // The parent goes, the former clone stays as an ordinary volume.
    client
        .call("DELETE", VOLUME, json!({"recursively_children": true}))
        .no_content();
    assert_eq!(appliance.volumes("Pool-0").unwrap(), ["se_b", "v_other"]);
    assert_eq!(read(&appliance, "se_b"), "now!");
    assert_eq!(appliance.violations(), []);
    let wrong = "/pools/Pool-0/volumes/se_b/snapshots/s_1/clones/v_other/promote";
    client
        .call("POST", wrong, json!({"poolname": "Pool-1"}))
        .error(400);
    client
        .call("POST", wrong, json!({"poolname": "Pool-0"}))
        .data(200);
    assert_eq!(appliance.origin("Pool-0", "v_other").unwrap(), None);
}

#[test]
fn a_promotion_is_refused_without_an_origin_or_when_names_meet() {
    let (appliance, client) = prepared();
    appliance.clone("Pool-0", "v_a", "s_1", "v_b").unwrap();
    appliance.create_snapshot("Pool-0", "v_b", "s_1").unwrap();
    let answer = client.call("POST", &path("/v_b/promote"), Value::Null);
    let (class, _, message) = answer.error(500);
    assert_eq!(class, COMMAND);
    assert_eq!(
        message,
        "cannot promote 'Pool-0/v_b': snapshot name 's_1' conflicts"
    );
    assert_eq!(
        appliance.origin("Pool-0", "v_b").unwrap().as_deref(),
        Some("Pool-0/v_a@s_1")
    );
    let error = appliance.promote("Pool-0", "v_a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot promote 'Pool-0/v_a': not a cloned filesystem"
    );
}
