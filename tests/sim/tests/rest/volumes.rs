use std::collections::BTreeSet;

use jdss_sim::{Appliance, Firmware};
use serde_json::{Value, json};

use crate::client::Client;
use crate::pair;

const VOLUMES: &str = "/pools/Pool-0/volumes";
const GIB: u64 = 1 << 30;

fn path(name: &str) -> String {
    format!("{VOLUMES}/{name}")
}

#[test]
fn a_volume_shows_what_its_clients_rely_on() {
    let (_appliance, client) = pair();
    let body = json!({"name": "v_vm-100-disk-0", "size": "34359738368", "sparse": true, "blocksize": "32K"});
    assert_eq!(client.call("POST", VOLUMES, body).data(201), Value::Null);
    let mut volume = client.get(&path("v_vm-100-disk-0")).data(200);
    let (creation, id) = (volume["creation"].take(), volume["default_scsi_id"].take());
    assert!(
        creation
            .as_str()
            .is_some_and(|time| time.parse::<u64>().is_ok()),
        "{creation}"
    );
    assert_eq!(volume["san:volume_id"].take(), id);
    assert_eq!(id.as_str().map(str::len), Some(16));
    let expected = json!({
        "name": "v_vm-100-disk-0", "full_name": "Pool-0/v_vm-100-disk-0", "type": "volume",
        "volsize": "34359738368", "volblocksize": "32768", "creation": null, "origin": null,
        "is_clone": false, "default_scsi_id": null, "san:volume_id": null, "used": "0",
        "available": "2199023255552", "readonly": "off", "compression": "lz4", "sync": "always",
        "primarycache": "all", "secondarycache": "all", "logbias": "latency", "dedup": "off",
        "copies": "1", "refreservation": "0",
    });
    assert_eq!(volume, expected);
}

#[test]
fn a_size_may_carry_a_unit_and_a_block_size_may_be_a_number() {
    let (_appliance, client) = pair();
    let properties = json!({"compression": "off", "sync": "disabled"});
    let body = json!({"name": "v_a", "size": "10G", "blocksize": 65536, "create_parents": false, "properties": properties});
    client.call("POST", VOLUMES, body).data(201);
    let volume = client.get(&path("v_a")).data(200);
    assert_eq!(
        (&volume["volsize"], &volume["volblocksize"]),
        (&json!("10737418240"), &json!("65536"))
    );
    assert_eq!(
        (&volume["compression"], &volume["sync"]),
        (&json!("off"), &json!("disabled"))
    );
}

#[test]
fn volumes_are_listed_whole_or_in_pages() {
    let (appliance, client) = pair();
    for number in 0..25 {
        appliance
            .create_volume("Pool-0", &format!("v_{number:02}"), GIB)
            .unwrap();
    }
    appliance.create_volume("Pool-1", "v_other", GIB).unwrap();
    let names = |list: &Value| -> Vec<String> {
        let entries = list.as_array().unwrap().iter();
        entries
            .map(|volume| volume["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all: Vec<String> = (0..25).map(|number| format!("v_{number:02}")).collect();
    assert_eq!(names(&client.get(VOLUMES).data(200)), all);
    for (page, range) in [(0, 0..10), (1, 10..20), (2, 20..25), (3, 25..25)] {
        let data = client
            .get(&format!("{VOLUMES}?page={page}&_dc=17"))
            .data(200);
        assert_eq!(
            (names(&data["entries"]), &data["results"]),
            (all[range].to_vec(), &json!(25))
        );
    }
    let data = client
        .get(&format!("{VOLUMES}?page=0&per_page=100"))
        .data(200);
    assert_eq!(names(&data["entries"]), all);
}

#[test]
fn volumes_that_nobody_uses_take_no_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let builder = Appliance::builder().pool("Pool-0").dir(dir.path());
    let appliance = builder.start().unwrap();
    for number in 0..3 {
        let name = format!("v_{number}");
        appliance.create_volume("Pool-0", &name, GIB).unwrap();
        appliance.create_snapshot("Pool-0", &name, "s_1").unwrap();
    }
    let open: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| path.starts_with(dir.path()))
        .collect();
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn an_existing_volume_is_not_made_again() {
    let (_appliance, client) = pair();
    let body = json!({"name": "v_a", "size": "1G", "sparse": true});
    client.call("POST", VOLUMES, body.clone()).data(201);
    let (_, errno, message) = client.call("POST", VOLUMES, body.clone()).error(500);
    assert_eq!(
        (errno, message.as_str()),
        (Some(5), "Resource Pool-0/v_a already exists.")
    );
    client.call("POST", "/pools/Pool-1/volumes", body).data(201);
}

#[test]
fn thick_volumes_use_up_the_pool_and_thin_ones_do_not() {
    let appliance = Appliance::builder()
        .pool_of_size("Pool-0", 10 * GIB)
        .start()
        .unwrap();
    let client = Client::new(&appliance);
    let create = |name: &str, size: &str, sparse: bool| {
        client.call(
            "POST",
            VOLUMES,
            json!({"name": name, "size": size, "sparse": sparse}),
        )
    };
    create("v_thin", "20G", true).data(201);
    create("v_thick", "6G", false).data(201);
    assert_eq!(
        client.get("/pools/Pool-0").data(200)["available"],
        "4294967296"
    );
    let no_space = "New zvol size(5368709120) exceeds available space on pool Pool-0(4294967296).";
    assert_eq!(create("v_more", "5G", false).error(500).2, no_space);
    let grow = |size: u64| client.call("PUT", &path("v_thick"), json!({"size": size.to_string()}));
    assert!(grow(11 * GIB).error(500).2.contains("(10737418240)"));
    grow(10 * GIB).data(201);
    client
        .call("PUT", &path("v_thin"), json!({"provisioning": "thick"}))
        .error(500);
    client
        .call("PUT", &path("v_thick"), json!({"provisioning": "thin"}))
        .data(200);
    assert_eq!(
        client.get("/pools/Pool-0").data(200)["available"],
        "10737418240"
    );
}

#[test]
fn a_volume_grows_and_keeps_what_it_holds() {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", GIB).unwrap();
    let file = appliance.volume_path("Pool-0", "v_a").unwrap();
    let mut contents = std::fs::File::options().write(true).open(&file).unwrap();
    std::io::Write::write_all(&mut contents, b"kept").unwrap();
    assert_eq!(
        client
            .call("PUT", &path("v_a"), json!({"size": "2147483648"}))
            .data(201),
        Value::Null
    );
    assert_eq!(client.get(&path("v_a")).data(200)["volsize"], "2147483648");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 2 * GIB);
    let mut start = [0; 4];
    std::io::Read::read_exact(&mut std::fs::File::open(&file).unwrap(), &mut start).unwrap();
    assert_eq!(&start, b"kept");
    // ZFS has no such sizes: what does not fill a block is cut off.
    client
        .call("PUT", &path("v_a"), json!({"size": "2147500031"}))
        .data(201);
    assert_eq!(client.get(&path("v_a")).data(200)["volsize"], "2147483648");
    let odd = json!({"name": "v_odd", "size": "40000", "blocksize": "32K"});
    client.call("POST", VOLUMES, odd).data(201);
    assert_eq!(client.get(&path("v_odd")).data(200)["volsize"], "32768");
    let none = json!({"name": "v_none", "size": "32767", "blocksize": "32K"});
    let (class, _, message) = client.call("POST", VOLUMES, none).error(400);
    assert_eq!(class, "opene.exceptions.ValidationError");
    assert!(
        message.contains("at least the volume block size 32768"),
        "{message}"
    );
    assert_eq!(appliance.violations(), []);
}

#[test]
fn a_renamed_volume_keeps_its_identity() {
    let (appliance, client) = pair();
    for name in ["v_a", "v_taken"] {
        appliance.create_volume("Pool-0", name, GIB).unwrap();
    }
    let id = appliance.scsi_id("Pool-0", "v_a").unwrap();
    assert_eq!(
        client
            .call("PUT", &path("v_a"), json!({"name": "v_taken"}))
            .error(500)
            .1,
        Some(5)
    );
    client
        .call("PUT", &path("v_a"), json!({"name": "v_b"}))
        .data(200);
    client.get(&path("v_a")).error(500);
    assert_eq!(client.get(&path("v_b")).data(200)["default_scsi_id"], id);
    assert!(appliance.volume_path("Pool-0", "v_b").unwrap().exists());
}

#[test]
fn properties_are_set_by_name() {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", GIB).unwrap();
    let body = json!({"property_name": "readonly", "property_value": "on"});
    client
        .call("PUT", &path("v_a/properties"), body.clone())
        .no_content();
    assert_eq!(client.get(&path("v_a")).data(200)["readonly"], "on");
    assert_eq!(
        client
            .call("PUT", &path("v_b/properties"), body)
            .error(500)
            .1,
        Some(1)
    );
}

#[test]
fn a_deleted_volume_is_missing_and_its_contents_are_gone() {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", GIB).unwrap();
    let file = appliance.volume_path("Pool-0", "v_a").unwrap();
    client
        .call(
            "DELETE",
            &path("v_a"),
            json!({"recursively_children": true}),
        )
        .no_content();
    assert!(!file.exists());
    for answer in [client.get(&path("v_a")), client.delete(&path("v_a"))] {
        let (class, errno, message) = answer.error(500);
        assert_eq!(class, "zfslib.zfsapi.resources.ZfsResourceError");
        assert_eq!(errno, Some(1));
        assert_eq!(
            message,
            "Zfs resource: Pool-0/v_a not found in this collection."
        );
    }
}

#[test]
fn recent_firmware_tells_a_missing_volume_by_status() {
    let appliance = Appliance::builder()
        .pool("Pool-0")
        .firmware(Firmware::Recent)
        .start()
        .unwrap();
    let (class, errno, message) = Client::new(&appliance).get(&path("v_a")).error(404);
    assert_eq!(class, "opene.exceptions.ItemNotFoundError");
    assert_eq!(
        (errno, message.as_str()),
        (None, "Volume v_a not found in pool Pool-0.")
    );
}

#[test]
fn a_volume_that_a_target_shows_is_not_deleted() {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", GIB).unwrap();
    appliance
        .create_target("Pool-0", "iqn.2025-04.test:a")
        .unwrap();
    appliance
        .attach("Pool-0", "iqn.2025-04.test:a", "v_a", 0)
        .unwrap();
    let (_, errno, message) = client.delete(&path("v_a")).error(500);
    assert_eq!(
        (errno, message.as_str()),
        (Some(1000), "cannot destroy 'Pool-0/v_a': dataset is busy")
    );
    appliance
        .detach("Pool-0", "iqn.2025-04.test:a", "v_a")
        .unwrap();
    client.delete(&path("v_a")).no_content();
}

#[test]
fn scsi_ids_differ_in_their_first_eight_characters() {
    let (appliance, _client) = pair();
    let mut heads = BTreeSet::new();
    for number in 0..300 {
        let (pool, name) = (["Pool-0", "Pool-1"][number % 2], format!("v_{number}"));
        appliance.create_volume(pool, &name, GIB).unwrap();
        let id = appliance.scsi_id(pool, &name).unwrap();
        assert!(
            id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
        heads.insert(id[..8].to_owned());
    }
    assert_eq!(heads.len(), 300);
    appliance
        .set_scsi_id(
            "Pool-1",
            "v_1",
            &appliance.scsi_id("Pool-0", "v_0").unwrap(),
        )
        .unwrap();
    assert_eq!(
        appliance.scsi_id("Pool-1", "v_1").unwrap(),
        appliance.scsi_id("Pool-0", "v_0").unwrap()
    );
    assert!(appliance.set_scsi_id("Pool-1", "v_1", "short").is_err());
}
