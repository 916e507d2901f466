//! Deleting volumes, published or not.

use jdss_rest::{Delete, Deleted, Error, ErrorKind, Publish};
use jdss_sim::Fault;

use super::*;

const VOLUME: &str = "/pools/{pool}/volumes/{volume}";

fn request_of(volume: &str) -> Delete {
    Delete {
        pool: POOL.to_owned(),
        volume: volume.to_owned(),
        snapshots: false,
        exports: false,
        target_prefix: PREFIX.parse().expect("a prefix"),
        group: group(),
        local: local(),
    }
}

impl Lab {
    fn delete(&self, volume: &str) -> Result<Deleted, Error> {
        let request = request_of(&format!("v_{volume}"));
        self.client.delete(&request, soon())
    }

    fn has(&self, volume: &str) -> bool {
        let volumes = self.appliance.volumes(POOL).expect("the pool is there");
        volumes.contains(&volume.to_owned())
    }
}

#[test]
fn a_published_volume_goes_with_its_target() {
    let lab = Lab::new();
    lab.published(VM);
    let done = lab.delete(VM).unwrap();
    assert!(done.existed && done.unpublished.target_deleted);
    let asked = [
        "GET where",
        "GET luns",
        "GET sessions",
        "DELETE target",
        "GET {volume}",
        "DELETE {volume}",
    ];
    assert_eq!(lab.asked(), asked);
    assert!(!lab.has("v_vm-100-disk-0"));
    assert_eq!(lab.targets(), [""; 0]);
    lab.assert_clean();
}

#[test]
fn a_volume_that_is_attached_nowhere_costs_three_calls() {
    let lab = Lab::new();
    let done = lab.delete(VM).unwrap();
    assert_eq!((done.existed, done.unpublished.target), (true, None));
    assert_eq!(
        lab.asked(),
        ["GET where", "GET {volume}", "DELETE {volume}"]
    );
    let again = lab.delete(VM).unwrap();
    assert!(!again.existed);
    lab.assert_clean();
}

#[test]
fn a_volume_that_came_home_leaves_no_target_of_its_group() {
    let lab = Lab::new();
    let old = "iqn.2020-01.old:vm-100-0";
    lab.appliance.create_target(POOL, old).unwrap();
    lab.appliance
        .attach(POOL, old, "v_vm-100-disk-0", 0)
        .unwrap();
    lab.publish(VM).unwrap();
    lab.delete(VM).unwrap();
    assert_eq!(lab.targets(), [old]);
    lab.assert_clean();
}

#[test]
fn a_volume_of_the_same_name_in_another_pool_is_not_touched() {
    let lab = Lab::new();
    lab.appliance
        .create_volume("Pool-1", "v_vm-100-disk-0", SIZE)
        .unwrap();
    let elsewhere = Publish {
        pool: "Pool-1".to_owned(),
        target_prefix: "iqn.2025-04.other".parse().unwrap(),
        ..request(VM)
    };
    lab.appliance
        .create_target("Pool-1", "iqn.2025-04.other:vm-100-0")
        .unwrap();
    lab.appliance
        .attach("Pool-1", "iqn.2025-04.other:vm-100-0", "v_vm-100-disk-0", 0)
        .unwrap();
    lab.delete(VM).unwrap();
    let found = lab.client.attachments("v_vm-100-disk-0", soon()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].pool.as_deref(), Some(elsewhere.pool.as_str()));
    lab.assert_clean();
}

#[test]
fn a_volume_that_others_use_stays() {
    let lab = Lab::new();
    let published = lab.published(VM);
    lab.log_in(&published.target, OTHER);
    let error = lab.delete(VM).unwrap_err();
    assert!(matches!(error, Error::ForeignSessions { .. }), "{error}");
    assert!(lab.is_attached(VM) && lab.has("v_vm-100-disk-0"));
    assert!(lab.appliance.requests().iter().all(|r| r.method == "GET"));
    lab.assert_clean();
}

#[test]
fn nothing_is_deleted_when_it_could_not_be_asked_who_uses_it() {
    for route in [QUERY, SESSIONS, LUNS] {
        let lab = Lab::new();
        lab.published(VM);
        lab.appliance
            .fault("GET", route, 99, Fault::scst())
            .unwrap();
        let error = lab.delete(VM).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{route}: {error}");
        assert_eq!(lab.appliance.count("DELETE", VOLUME), 0, "{route}");
        lab.appliance.clear_faults();
        assert!(lab.delete(VM).unwrap().existed, "{route}");
        lab.assert_clean();
    }
}

#[test]
fn a_volume_that_cannot_be_taken_off_is_not_deleted() {
    let lab = Lab::new();
    lab.published(VM);
    lab.published("vm-100-disk-1");
    lab.appliance
        .fault("DELETE", LUN, 99, Fault::scst())
        .unwrap();
    let error = lab.delete(VM).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    assert_eq!(lab.appliance.count("DELETE", VOLUME), 0);
    lab.assert_clean();
}

#[test]
fn a_target_that_cannot_go_does_not_keep_the_volume() {
    let lab = Lab::new();
    lab.published(VM);
    lab.appliance
        .fault("DELETE", TARGET, 99, Fault::scst())
        .unwrap();
    let done = lab.delete(VM).unwrap();
    assert!(done.existed && !done.unpublished.target_deleted);
    assert!(done.unpublished.left.is_some());
    lab.assert_clean();
}

#[test]
fn a_lun_whose_volume_is_gone_is_taken_away() {
    use crate::script::{Script, missing, ok, step};
    use serde_json::json;

    let name = "v_vm-100-disk-0";
    let targets = "/pools/Pool-0/san/iscsi/targets";
    let attached = json!([{ "pool": POOL, "iscsi_target": { "name": target(0), "active": true },
        "lun": { "lun": 0, "name": name, "scsi_id": null } }]);
    let luns = json!([{ "name": name, "lun": 0 }, { "name": "v_vm-100-disk-1", "lun": 1 }]);
    let target = target(0);
    let script = Script::new([
        step(
            format!("GET /san/iscsi/luns?where=name=={name}"),
            ok(attached),
        ),
        step(format!("GET {targets}/{target}/luns"), ok(luns)),
        step(format!("GET {targets}/{target}/sessions"), ok(json!([]))),
        step(
            format!("DELETE {targets}/{target}/luns/{name}"),
            ok(json!(null)),
        ),
        step(
            format!("GET /pools/Pool-0/volumes/{name}"),
            missing("Pool-0/v"),
        ),
        step(
            "GET /pools/Pool-0",
            ok(json!({ "name": POOL, "size": 2, "available": 1 })),
        ),
    ]);
    let done = script.client().delete(&request_of(name), soon()).unwrap();
    assert!(!done.existed);
    assert_eq!(done.unpublished.target, Some(target));
    script.assert_done();
}

#[test]
fn what_depends_on_it_is_named() {
    let lab = Lab::new();
    let name = "v_vm-100-disk-0";
    lab.appliance.create_snapshot(POOL, name, "s_one").unwrap();
    lab.appliance
        .clone(POOL, name, "s_one", "v_vm-200-disk-0")
        .unwrap();
    for snapshots in [false, true] {
        let request = Delete {
            snapshots,
            exports: true,
            ..request_of(name)
        };
        let error = lab.client.delete(&request, soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains("v_vm-200-disk-0"), "{error}");
        assert!(lab.has(name) && lab.has("v_vm-200-disk-0"));
    }
    lab.assert_clean();
}

#[test]
fn exports_that_a_lost_node_left_go_along_unless_somebody_uses_them() {
    let lab = Lab::new();
    let name = "v_vm-100-disk-0";
    lab.appliance.create_snapshot(POOL, name, "s_one").unwrap();
    let snapshot = "one".parse().unwrap();
    let exported = lab
        .client
        .publish_snapshot(&request(VM), &snapshot, soon())
        .unwrap();
    let clone = snapshot.export_name(&VM.parse().unwrap()).unwrap();
    assert!(lab.has(&clone));
    let session = lab.log_in(&exported.target, OTHER);
    let all = Delete {
        snapshots: true,
        exports: true,
        ..request_of(name)
    };
    let error = lab.client.delete(&all, soon()).unwrap_err();
    assert!(matches!(error, Error::ForeignSessions { .. }), "{error}");
    assert!(lab.has(name) && lab.has(&clone));
    lab.appliance.log_out(&session);
    let without = Delete {
        exports: false,
        ..all.clone()
    };
    let error = lab.client.delete(&without, soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    let done = lab.client.delete(&all, soon()).unwrap();
    assert_eq!(done.exports, std::slice::from_ref(&clone));
    assert!(!lab.has(name) && !lab.has(&clone));
    assert_eq!(lab.targets(), [""; 0]);
    lab.assert_clean();
}

#[test]
fn an_export_that_became_a_volume_of_somebody_does_not_go_along() {
    let lab = Lab::new();
    let name = "v_vm-100-disk-0";
    lab.appliance.create_snapshot(POOL, name, "s_one").unwrap();
    // It looks like an export of another volume's snapshot, or of another snapshot.
    lab.appliance.create_snapshot(POOL, name, "s_two").unwrap();
    for (snapshot, of) in [("one", "vm-100-disk-1"), ("two", VM)] {
        let lookalike = snapshot
            .parse::<jdss_rest::SnapshotId>()
            .unwrap()
            .export_name(&of.parse().unwrap())
            .unwrap();
        lab.appliance
            .clone(POOL, name, "s_one", &lookalike)
            .unwrap();
        let all = Delete {
            snapshots: true,
            exports: true,
            ..request_of(name)
        };
        let error = lab.client.delete(&all, soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert!(lab.has(name) && lab.has(&lookalike));
        lab.appliance.delete_volume(POOL, &lookalike).unwrap();
    }
    lab.assert_clean();
}
