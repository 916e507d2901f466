//! What a single operation costs, in requests: the table of the manual.

use jdss_rest::{
    Chap, Client, CloneOf, CloneVolume, Delete, Destroy, FreeName, LocalInitiator, NewVolume, Pool,
    Publish, SnapshotId, Tls, Unpublish, UnpublishSnapshot, VolumeId,
};
use jdss_sim::{Appliance, Firmware};

use crate::script::soon;

const MANUAL: &str = include_str!("../../src/lib.rs");
const POOL: &str = "Pool-0";

fn id(text: &str) -> VolumeId {
    text.parse().expect("an id")
}

/// The number that the manual gives for an operation.
fn told(operation: &str) -> usize {
    let row = format!("//! | {operation} | ");
    let line = MANUAL.lines().find_map(|line| line.strip_prefix(&row));
    let line = line.unwrap_or_else(|| panic!("the manual has no row {row:?}"));
    let number = line.split([' ', ';']).next().unwrap_or_default();
    number
        .parse()
        .unwrap_or_else(|_| panic!("{operation}: {line}"))
}

/// Requests more than the manual's number, on software that answers a change with a bare 200.
fn looks(firmware: Firmware, operation: &str) -> usize {
    match (firmware, operation) {
        (Firmware::Classic, "rename a volume") => 1,
        (Firmware::Recent, "create a snapshot") => 1,
        (Firmware::Recent, "delete a snapshot") => 2,
        (Firmware::Recent, "delete a clone of a volume as it was") => 2,
        (Firmware::Recent, "clone a volume as it is") => 1,
        (Firmware::Classic, "roll back") => 2,
        _ => 0,
    }
}

struct Meter {
    appliance: Appliance,
    firmware: Firmware,
}

impl Meter {
    /// Does it, and compares the requests with the manual.
    fn costs<T>(&self, operation: &str, work: impl FnOnce() -> T) -> T {
        self.appliance.clear_log();
        let done = work();
        let asked: Vec<String> = self
            .appliance
            .requests()
            .iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect();
        let (firmware, wanted) = (self.firmware, told(operation));
        assert_eq!(
            asked.len(),
            wanted + looks(firmware, operation),
            "{operation}, {firmware:?}: {asked:#?}"
        );
        done
    }
}

fn create(pool: &Pool, name: &str) {
    let new = NewVolume {
        id: id(name),
        size: 1 << 20,
        thin: true,
        block_size: 16384,
    };
    pool.create_volume(&new, soon()).expect("created");
}

fn client(appliance: &Appliance) -> Client {
    Client::builder(vec![appliance.rest_addr().ip()])
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .build()
        .expect("a valid certificate")
}

#[test]
fn each_operation_costs_what_the_manual_says() {
    for firmware in [Firmware::Recent, Firmware::Classic, Firmware::Old] {
        each_on(firmware);
    }
}

fn each_on(firmware: Firmware) {
    let appliance = Appliance::builder()
        .pool(POOL)
        .firmware(firmware)
        .start()
        .expect("a free port");
    let client = client(&appliance);
    let pool = client.pool(POOL);
    let meter = Meter {
        appliance,
        firmware,
    };
    let (volume, first, second): (VolumeId, SnapshotId, SnapshotId) = (
        id("vm-100-disk-0"),
        "s1".parse().expect("an id"),
        "s2".parse().expect("an id"),
    );
    let name = volume.physical_name();

    meter.costs("create a volume", || create(&pool, "vm-100-disk-0"));
    meter.costs("read one thing", || {
        pool.volume(&volume, soon()).expect("there");
    });
    meter.costs("find a free name", || {
        let name = FreeName {
            stem: "vm-100-disk-",
            prefix: None,
            not: &[],
        };
        pool.free_volume_id(&name, soon()).expect("found")
    });
    meter.costs("grow a volume", || {
        pool.resize_volume(&volume, 2 << 20, soon()).expect("grown");
    });
    create(&pool, "old");
    meter.costs("rename a volume", || {
        pool.rename_volume(&id("old"), &id("new"), soon())
            .expect("renamed");
    });
    meter.costs("delete a volume", || {
        assert!(pool.delete_volume(&id("new"), soon()).expect("deleted"));
    });
    meter.costs("create a snapshot", || {
        pool.create_snapshot(&volume, &first, soon())
            .expect("created");
    });
    meter.costs("check a rollback", || {
        pool.rollback_check(&name, "s_s1", soon()).expect("checked");
    });
    meter.costs("roll back", || {
        pool.rollback(&name, "s_s1", Destroy::Nothing, soon())
            .expect("rolled back");
    });
    pool.create_snapshot(&volume, &second, soon())
        .expect("created");
    meter.costs("delete a snapshot", || {
        assert!(pool.delete_snapshot(&name, "s_s2", soon()).expect("gone"));
    });
    meter.costs("clone a snapshot", || {
        let clone = CloneOf {
            volume: name.clone(),
            snapshot: "s_s1".to_owned(),
            name: "v_clone".to_owned(),
            thin: true,
            read_only: false,
        };
        pool.clone_snapshot(&clone, soon()).expect("cloned");
    });
    meter.costs("promote a clone", || {
        pool.promote_clone("v_clone", soon()).expect("promoted");
    });
    meter.costs("clone a volume as it is", || {
        let clone = CloneVolume {
            volume: name.clone(),
            name: "v_copy".to_owned(),
            thin: true,
        };
        pool.clone_volume(&clone, soon()).expect("cloned");
    });
    meter.costs("delete a clone of a volume as it was", || {
        assert!(pool.delete_volume(&id("copy"), soon()).expect("deleted"));
    });
    assert!(meter.appliance.violations().is_empty());
}

#[test]
fn each_procedure_costs_what_the_manual_says() {
    for firmware in [Firmware::Recent, Firmware::Classic] {
        procedures_on(firmware);
    }
}

fn procedures_on(firmware: Firmware) {
    let appliance = Appliance::builder()
        .pool(POOL)
        .vip(POOL, "vip1", "127.0.0.11".parse().expect("an address"))
        .volume(POOL, "v_vm-100-disk-0", 1 << 20)
        .volume(POOL, "v_vm-100-disk-1", 1 << 20)
        .firmware(firmware)
        .start()
        .expect("a free port");
    let client = client(&appliance);
    let pool = client.pool(POOL);
    let meter = Meter {
        appliance,
        firmware,
    };
    let volume = id("vm-100-disk-0");
    let snapshot: SnapshotId = "s1".parse().expect("an id");
    pool.create_snapshot(&volume, &snapshot, soon())
        .expect("created");
    let local = LocalInitiator::none();
    let publish = Publish {
        pool: POOL.to_owned(),
        volume: volume.clone(),
        target_prefix: "iqn.2025-04.com.example:".parse().expect("a prefix"),
        group: "vm-100".parse().expect("a group"),
        luns_per_target: 8,
        data_addresses: vec!["127.0.0.11".parse().expect("an address")],
        chap: Chap::Unmanaged,
        may_move: true,
    };
    let unpublish = |target: Option<String>| Unpublish {
        pool: POOL.to_owned(),
        volume: volume.physical_name(),
        target,
        target_prefix: publish.target_prefix.clone(),
        group: publish.group.clone(),
        local: local.clone(),
    };
    let delete = |volume: &str| Delete {
        pool: POOL.to_owned(),
        volume: volume.to_owned(),
        snapshots: true,
        exports: true,
        target_prefix: publish.target_prefix.clone(),
        group: publish.group.clone(),
        local: local.clone(),
    };

    // Reads the VIPs, which are known from then on.
    let first = client.publish(&publish, soon()).expect("published");
    meter.costs("publish, attached already", || {
        client.publish(&publish, soon()).expect("published");
    });
    meter.costs("unpublish", || {
        client
            .unpublish(&unpublish(Some(first.target.clone())), soon())
            .expect("unpublished");
    });
    meter.costs("publish, new on a target", || {
        client.publish(&publish, soon()).expect("published");
    });
    client
        .unpublish(&unpublish(None), soon())
        .expect("unpublished");
    let export = client
        .publish_snapshot(&publish, &snapshot, soon())
        .expect("published");
    meter.costs("unpublish a snapshot", || {
        let request = UnpublishSnapshot {
            pool: POOL.to_owned(),
            volume: volume.clone(),
            snapshot: snapshot.clone(),
            target: Some(export.target.clone()),
            target_prefix: publish.target_prefix.clone(),
            group: publish.group.clone(),
            local: local.clone(),
        };
        client
            .unpublish_snapshot(&request, soon())
            .expect("unpublished");
    });
    meter.costs("delete, with what publishes it", || {
        client
            .delete(&delete("v_vm-100-disk-1"), soon())
            .expect("deleted");
    });
    assert!(meter.appliance.violations().is_empty());
}
