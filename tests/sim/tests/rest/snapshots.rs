use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};

use jdss_sim::{Appliance, Fault, Firmware};
use serde_json::{Value, json};

use crate::client::Client;
use crate::pair;

const MIB: u64 = 1 << 20;
const VOLUME: &str = "/pools/Pool-0/volumes/v_a";
const MISSING: &str = "zfslib.zfsapi.resources.ZfsResourceError";
const COMMAND: &str = "zfslib.wrap.zfs.ZfsCmdError";

fn path(rest: &str) -> String {
    format!("{VOLUME}/snapshots{rest}")
}

/// A volume of 1 MiB.
fn prepared() -> (Appliance, Client) {
    let (appliance, client) = pair();
    appliance.create_volume("Pool-0", "v_a", MIB).expect("new");
    (appliance, client)
}

/// The same with other software.
fn with(firmware: Firmware, utc_offset: i32) -> (Appliance, Client) {
    let appliance = Appliance::builder()
        .pool("Pool-0")
        .volume("Pool-0", "v_a", MIB)
        .firmware(firmware)
        .utc_offset(utc_offset)
        .start()
        .expect("a loopback address is free");
    let client = Client::new(&appliance);
    (appliance, client)
}

fn write(appliance: &Appliance, volume: &str, text: &str, offset: u64) {
    let path = appliance.volume_path("Pool-0", volume).expect("there");
    let file = File::options().write(true).open(path).expect("a file");
    file.write_all_at(text.as_bytes(), offset).expect("room");
}

fn read(appliance: &Appliance, volume: &str, offset: u64, length: usize) -> String {
    let path = appliance.volume_path("Pool-0", volume).expect("there");
    let mut bytes = vec![0; length];
    let file = File::open(path).expect("a file");
    file.read_exact_at(&mut bytes, offset).expect("enough");
    String::from_utf8(bytes).expect("text")
}

fn names(list: &Value) -> Vec<&str> {
    let entries = list.as_array().expect("a list").iter();
    entries
        .map(|entry| entry["name"].as_str().expect("a name"))
        .collect()
}

#[test]
fn a_snapshot_is_created_shown_listed_and_deleted() {
    let (appliance, client) = prepared();
    write(&appliance, "v_a", "data", 0);
    let body = json!({"snapshot_name": "s_1"});
    let answer = client.call("POST", &path(""), body.clone());
    assert_eq!(answer.data(201), Value::Null);
    appliance
        .set_snapshot_created("Pool-0", "v_a", "s_1", Some(1_432_742_915))
        .unwrap();
    let mut shown = client.get(&path("/s_1")).data(200);
    let guid = shown["guid"].take();
    assert!(guid.as_str().unwrap().parse::<u64>().is_ok(), "{guid}");
    let expected = json!({
        "name": "s_1", "type": "snapshot", "creation": "2015-5-27 16:8:35", "volsize": "1048576",
        "used": "0", "referenced": "4096", "clones": "", "guid": null,
    });
    assert_eq!(shown, expected);
    let entry =
        json!({"name": "s_1", "volume": "v_a", "creation": "2015-5-27 16:8:35", "guid": guid});
    let list = json!({"results": 1, "entries": [entry]});
    for query in ["", "?page=0", "?page=0&per_page=5&_dc=1"] {
        assert_eq!(client.get(&path(query)).data(200), list, "{query}");
    }
    assert_eq!(
        client.get(&path("?page=1")).data(200),
        json!({"results": 1, "entries": []})
    );
    let (class, errno, message) = client.call("POST", &path(""), body).error(500);
    assert_eq!((class.as_str(), errno), (MISSING, Some(5)));
    assert_eq!(message, "Resource Pool-0/v_a@s_1 already exists.");
    client.call("DELETE", &path("/s_1"), json!({})).no_content();
    assert_eq!(
        client.get(&path("")).data(200),
        json!({"results": 0, "entries": []})
    );
    assert_eq!(appliance.violations(), []);
}

#[test]
fn what_is_missing_is_named_in_the_words_of_the_software() {
    let recent = "opene.exceptions.ItemNotFoundError";
    let cases = [
        (
            Firmware::Classic,
            (
                500,
                MISSING,
                Some(1),
                "Zfs resource: Pool-0/v_a@s_1 not found in this collection.",
            ),
            (
                500,
                MISSING,
                Some(1),
                "Zfs resource: Pool-0/v_b not found in this collection.",
            ),
        ),
        (
            Firmware::Recent,
            (404, recent, None, "Resource Pool-0/v_a@s_1 not found."),
            (404, recent, None, "Volume v_b not found in pool Pool-0."),
        ),
        (
            Firmware::Old,
            (
                500,
                COMMAND,
                Some(0),
                "cannot open 'Pool-0/v_a@s_1': dataset does not exist",
            ),
            (
                500,
                MISSING,
                Some(1),
                "Zfs resource: Pool-0/v_b not found in this collection.",
            ),
        ),
    ];
    for (firmware, no_snapshot, no_volume) in cases {
        let (_appliance, client) = with(firmware, 0);
        let clone = |volume: &str, body| {
            client.call(
                "POST",
                &format!("/pools/Pool-0/volumes/{volume}/clone"),
                body,
            )
        };
        for (no, volume) in [(no_snapshot, "v_a"), (no_volume, "v_b")] {
            let snapshot = format!("/pools/Pool-0/volumes/{volume}/snapshots/s_1");
            let answers = [
                client.get(&snapshot),
                client.delete(&snapshot),
                client.get(&format!("{snapshot}/rollback")),
                client.call("POST", &format!("{snapshot}/rollback"), Value::Null),
                client.get(&format!("{snapshot}/clones")),
                client.delete(&format!("{snapshot}/clones/v_c")),
                client.call(
                    "POST",
                    &format!("{snapshot}/clones/v_c/promote"),
                    Value::Null,
                ),
                clone(volume, json!({"name": "v_c", "snapshot": "s_1"})),
            ];
            for answer in answers {
                let (status, class, errno, message) = no;
                let expected = (class.to_owned(), errno, message.to_owned());
                assert_eq!(answer.error(status), expected, "{firmware:?}");
            }
        }
        let snapshots = "/pools/Pool-0/volumes/v_b/snapshots";
        for answer in [
            client.get(snapshots),
            client.get(&format!("{snapshots}?page=0")),
            client.call("POST", snapshots, json!({"snapshot_name": "s_1"})),
            clone("v_b", json!({"name": "v_c"})),
        ] {
            assert_eq!(answer.error(no_volume.0).2, no_volume.3, "{firmware:?}");
        }
    }
}

#[test]
fn recent_software_nests_what_a_list_says_and_counts_seconds() {
    let (appliance, client) = with(Firmware::Recent, -18_000);
    let body = json!({"snapshot_name": "s_1"});
    assert_eq!(client.call("POST", &path(""), body).data(200), Value::Null);
    appliance
        .set_snapshot_created("Pool-0", "v_a", "s_1", Some(1_767_225_600))
        .unwrap();
    let shown = client.get(&path("/s_1")).data(200);
    assert_eq!(shown["creation"], "2025-12-31 19:00:00");
    assert_eq!(shown["volsize"], 1_048_576);
    let properties = json!({"creation": 1_767_225_600, "guid": shown["guid"]});
    let entry = json!({"name": "s_1", "volume": "v_a", "properties": properties});
    let list = json!({"results": 1, "entries": [entry]});
    for list_of in [
        path(""),
        path("?page=0"),
        "/pools/Pool-0/volumes/snapshots?page=0".to_owned(),
    ] {
        assert_eq!(client.get(&list_of).data(200), list);
    }
    appliance
        .set_snapshot_created("Pool-0", "v_a", "s_1", None)
        .unwrap();
    let list = client.get(&path("?page=0")).data(200);
    assert_eq!(list["entries"][0]["properties"]["creation"], Value::Null);
    assert_eq!(client.delete(&path("/s_1")).data(200), Value::Null);
}

#[test]
fn old_software_lists_bare_without_a_page_and_shows_local_time() {
    let (appliance, client) = with(Firmware::Old, 19_800);
    let body = json!({"snapshot_name": "s_1"});
    client.call("POST", &path(""), body).no_content();
    appliance
        .set_snapshot_created("Pool-0", "v_a", "s_1", Some(1_767_225_600))
        .unwrap();
    let list = client.get(&path("")).data(200);
    assert_eq!(names(&list), ["s_1"]);
    assert_eq!(list[0]["creation"], "2026-1-1 5:30:0");
    let paged = client.get(&path("?page=0")).data(200);
    assert_eq!((&paged["results"], &paged["entries"]), (&json!(1), &list));
    assert_eq!(client.delete(&path("/s_1")).data(201), Value::Null);
}

#[test]
fn snapshots_are_listed_in_pages_of_one_volume_or_all() {
    let (appliance, client) = prepared();
    appliance.create_volume("Pool-0", "v_b", MIB).unwrap();
    appliance.create_volume("Pool-1", "v_a", MIB).unwrap();
    appliance.create_snapshot("Pool-1", "v_a", "s_no").unwrap();
    appliance.create_snapshot("Pool-0", "v_b", "s_b").unwrap();
    for number in 0..12 {
        let name = format!("s_{number:02}");
        appliance.create_snapshot("Pool-0", "v_a", &name).unwrap();
    }
    let newest_first: Vec<String> = (0..12).rev().map(|n| format!("s_{n:02}")).collect();
    for (page, range) in [(0, 0..10), (1, 10..12), (2, 12..12)] {
        let list = client.get(&path(&format!("?page={page}"))).data(200);
        assert_eq!(list["results"], 12);
        assert_eq!(names(&list["entries"]), newest_first[range]);
    }
    assert_eq!(names(&client.get(&path("")).data(200)["entries"]).len(), 12);
    let all = "/pools/Pool-0/volumes/snapshots";
    let list = client.get(&format!("{all}?page=1")).data(200);
    assert_eq!(list["results"], 13);
    assert_eq!(names(&list["entries"]), ["s_10", "s_11", "s_b"]);
    assert_eq!(list["entries"][2]["volume"], "v_b");
    assert_eq!(
        appliance
            .snapshots("Pool-0", "v_a")
            .unwrap()
            .first()
            .map(String::as_str),
        Some("s_00")
    );
}

#[test]
fn a_snapshot_keeps_the_data_and_the_size_of_its_time_and_a_rollback_brings_them_back() {
    let (appliance, client) = prepared();
    write(&appliance, "v_a", "first", 0);
    appliance.create_snapshot("Pool-0", "v_a", "s_1").unwrap();
    write(&appliance, "v_a", "other", 0);
    write(&appliance, "v_a", "second", 65536);
    client
        .call("PUT", VOLUME, json!({"size": "2097152"}))
        .data(201);
    appliance.create_snapshot("Pool-0", "v_a", "s_2").unwrap();
    write(&appliance, "v_a", "third", MIB);

    let rollback = |name: &str| format!("/pools/Pool-0/volumes/v_a/snapshots/{name}/rollback");
    let check = |name: &str| client.get(&rollback(name)).data(200);
    assert_eq!(check("s_2"), json!({"snapshots": 0, "clones": 0}));
    assert_eq!(check("s_1"), json!({"snapshots": 1, "clones": 0}));
    client.call("POST", &rollback("s_2"), Value::Null).data(200);
    assert_eq!(read(&appliance, "v_a", MIB, 5), "\0\0\0\0\0");
    assert_eq!(read(&appliance, "v_a", 65536, 6), "second");
    assert_eq!(
        appliance.snapshots("Pool-0", "v_a").unwrap(),
        ["s_1", "s_2"]
    );

    let file = appliance.volume_path("Pool-0", "v_a").unwrap();
    let mut held = File::open(&file).unwrap();
    client.call("POST", &rollback("s_1"), Value::Null).data(200);
    assert_eq!(appliance.snapshots("Pool-0", "v_a").unwrap(), ["s_1"]);
    assert_eq!(client.get(VOLUME).data(200)["volsize"], "1048576");
    let mut found = Vec::new();
    held.read_to_end(&mut found).unwrap(); // The same file, for those who have it open.
    let mut expected = b"first".to_vec();
    expected.resize(MIB as usize, 0);
    assert!(found == expected);
    assert_eq!(std::fs::metadata(&file).unwrap().blocks() * 512, 4096);
    client.call("POST", &rollback("s_1"), Value::Null).data(200);
    assert_eq!(appliance.violations(), []);
}

#[test]
fn clones_of_newer_snapshots_forbid_a_rollback_and_are_counted() {
    let (appliance, client) = prepared();
    for name in ["s_1", "s_2", "s_3"] {
        appliance.create_snapshot("Pool-0", "v_a", name).unwrap();
    }
    appliance.clone("Pool-0", "v_a", "s_1", "v_of1").unwrap();
    appliance.clone("Pool-0", "v_a", "s_2", "v_x").unwrap();
    appliance.clone("Pool-0", "v_a", "s_3", "v_y").unwrap();
    let check = client.get(&path("/s_1/rollback")).data(200);
    assert_eq!(check, json!({"snapshots": 2, "clones": 2}));
    let (class, errno, message) = client
        .call("POST", &path("/s_1/rollback"), Value::Null)
        .error(500);
    assert_eq!((class.as_str(), errno), (COMMAND, Some(1000)));
    assert_eq!(
        message,
        "cannot rollback to 'Pool-0/v_a@s_1': clones of previous snapshots exist\n\
         use '-R' to force deletion of the following clones and dependents:\nPool-0/v_x\nPool-0/v_y"
    );
    assert_eq!(
        appliance.snapshots("Pool-0", "v_a").unwrap(),
        ["s_1", "s_2", "s_3"]
    );
    // A clone of the snapshot itself stays and is no obstacle.
    for clone in ["v_x", "v_y"] {
        appliance.delete_volume("Pool-0", clone).unwrap();
    }
    client
        .call("POST", &path("/s_1/rollback"), Value::Null)
        .data(200);
    assert_eq!(appliance.snapshots("Pool-0", "v_a").unwrap(), ["s_1"]);
    assert_eq!(appliance.volumes("Pool-0").unwrap(), ["v_a", "v_of1"]);
}

#[test]
fn a_volume_with_snapshots_goes_only_with_them() {
    let (appliance, client) = prepared();
    for name in ["s_1", "autosnap_2026-01-01-000000"] {
        appliance.create_snapshot("Pool-0", "v_a", name).unwrap();
    }
    let message = "cannot destroy 'Pool-0/v_a': volume has children\n\
                   use '-r' to destroy the following datasets:\n\
                   Pool-0/v_a@s_1\nPool-0/v_a@autosnap_2026-01-01-000000";
    for body in [
        Value::Null,
        json!({"recursively_children": false, "force_umount": true}),
    ] {
        let error = client.call("DELETE", VOLUME, body).error(500);
        assert_eq!(error, (COMMAND.to_owned(), Some(1000), message.to_owned()));
    }
    let dir = appliance.volume_path("Pool-0", "v_a").unwrap();
    let dir = dir.parent().unwrap();
    let files = || std::fs::read_dir(dir).unwrap().count();
    assert_eq!(files(), 3);
    client
        .call("DELETE", VOLUME, json!({"recursively_children": true}))
        .no_content();
    assert_eq!(files(), 0);
}

#[test]
fn a_renamed_volume_takes_its_snapshots_along() {
    let (appliance, client) = prepared();
    appliance.create_snapshot("Pool-0", "v_a", "s_1").unwrap();
    appliance.clone("Pool-0", "v_a", "s_1", "v_c").unwrap();
    client
        .call("PUT", VOLUME, json!({"name": "v_new"}))
        .data(200);
    client.get(&path("/s_1")).error(500);
    let list = client
        .get("/pools/Pool-0/volumes/v_new/snapshots")
        .data(200);
    assert_eq!(list["entries"][0]["volume"], "v_new");
    let clone = client.get("/pools/Pool-0/volumes/v_c").data(200);
    assert_eq!(clone["origin"], "Pool-0/v_new@s_1");
}

#[test]
fn a_stale_list_has_the_snapshots_of_its_time() {
    let (appliance, client) = prepared();
    appliance.create_snapshot("Pool-0", "v_a", "s_1").unwrap();
    let route = "/pools/{pool}/volumes/{volume}/snapshots";
    appliance.fault("GET", route, 1, Fault::StaleList).unwrap();
    appliance.create_snapshot("Pool-0", "v_a", "s_2").unwrap();
    appliance.delete_snapshot("Pool-0", "v_a", "s_1").unwrap();
    let list = || names(&client.get(&path("")).data(200)["entries"]).join(" ");
    assert_eq!(list(), "s_1");
    assert_eq!(list(), "s_2");
}

#[test]
fn names_of_snapshots_are_checked() {
    let (appliance, client) = prepared();
    let create = |name: String| client.call("POST", &path(""), json!({"snapshot_name": name}));
    for name in ["", "s.1", "s 1", "s@1", "s/1"] {
        let (class, _, message) = create(name.to_owned()).error(400);
        assert_eq!(class, "opene.exceptions.ValidationError", "{message}");
    }
    // 255 characters with pool and volume, as in ZFS.
    let longest = 255 - "Pool-0/v_a@".len();
    create("s".repeat(longest)).data(201);
    let (class, errno, message) = create("s".repeat(longest + 1)).error(500);
    assert_eq!((class.as_str(), errno), (COMMAND, None));
    assert!(message.ends_with("': name is too long"), "{message}");
    assert_eq!(appliance.snapshots("Pool-0", "v_a").unwrap().len(), 1);
    assert_eq!(appliance.violations(), []);
}

#[test]
fn snapshots_of_an_earlier_run_are_removed_from_a_named_directory() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let builder = Appliance::builder().pool("Pool-0").dir(dir.path());
        builder.volume("Pool-0", "v_a", MIB).start().unwrap()
    };
    let appliance = start();
    appliance.create_snapshot("Pool-0", "v_a", "s_1").unwrap();
    let files = || {
        let mut names: Vec<_> = std::fs::read_dir(dir.path().join("Pool-0"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let kept = files();
    assert!(kept.len() == 2 && kept[0].starts_with('@'), "{kept:?}");
    drop(appliance);
    assert_eq!(files(), ["v_a"]);
    // As a run leaves it that was killed.
    File::create(dir.path().join("Pool-0").join(&kept[0])).unwrap();
    drop(start());
    assert_eq!(files(), ["v_a"]);
}
