//! Snapshots that are published through a clone.

use jdss_rest::{Error, ErrorKind, SnapshotId, UnpublishSnapshot};
use jdss_sim::Fault;

use super::*;

const NAME: &str = "v_vm-100-disk-0";
const CLONE: &str = "/pools/{pool}/volumes/{volume}/clone";

fn snapshot() -> SnapshotId {
    "one".parse().expect("an id")
}

/// The name of the clone.
fn clone() -> String {
    let name = snapshot().export_name(&VM.parse().expect("an id"));
    name.expect("it is short")
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.appliance
        .create_snapshot(POOL, NAME, "s_one")
        .expect("the volume is there");
    lab
}

impl Lab {
    fn export(&self) -> Result<Published, Error> {
        self.client
            .publish_snapshot(&request(VM), &snapshot(), soon())
    }

    fn withdraw(&self, target: Option<&str>) -> Result<jdss_rest::Deleted, Error> {
        let request = UnpublishSnapshot {
            pool: POOL.to_owned(),
            volume: VM.parse().expect("an id"),
            snapshot: snapshot(),
            target: target.map(str::to_owned),
            target_prefix: PREFIX.parse().expect("a prefix"),
            group: group(),
            local: local(),
        };
        self.client.unpublish_snapshot(&request, soon())
    }

    fn clones(&self) -> Vec<String> {
        let volumes = self.appliance.volumes(POOL).expect("the pool is there");
        volumes
            .into_iter()
            .filter(|name| !name.starts_with("v_"))
            .collect()
    }
}

#[test]
fn a_snapshot_is_published_beside_its_volume_and_found_again() {
    let lab = lab();
    lab.published(VM);
    lab.appliance.set_volume_size(POOL, NAME, 2 * SIZE).unwrap();
    let published = lab.export().unwrap();
    assert_eq!((published.target.clone(), published.lun), (target(0), 1));
    assert_eq!(published.size, SIZE, "as it was at the snapshot");
    assert!(published.created.clone && published.created.lun);
    assert_eq!(lab.clones(), [clone()]);
    let id = lab.appliance.scsi_id(POOL, &clone()).unwrap();
    assert_eq!(published.scsi_id.as_str(), id);
    let volume = lab
        .client
        .pool(POOL)
        .volume_named(&clone(), soon())
        .unwrap();
    assert_eq!(volume.read_only, Some(true));

    lab.appliance.clear_log();
    let again = lab.export().unwrap();
    assert!(!again.created.clone && !again.created.lun);
    assert_eq!(again.scsi_id, published.scsi_id);
    assert_eq!(lab.asked(), ["GET {volume}", "GET where", "GET target"]);
    lab.assert_clean();
}

#[test]
fn a_snapshot_is_taken_back_in_six_calls_and_again_in_few() {
    let lab = lab();
    let target = lab.export().unwrap().target;
    lab.appliance.clear_log();
    let done = lab.withdraw(Some(&target)).unwrap();
    assert!(done.existed && done.unpublished.target_deleted);
    assert_eq!(lab.asked().len(), 6, "{:?}", lab.asked());
    assert_eq!(lab.clones(), [""; 0]);
    assert_eq!(lab.appliance.snapshots(POOL, NAME).unwrap(), ["s_one"]);
    assert!(!lab.withdraw(Some(&target)).unwrap().existed);
    lab.assert_clean();
}

#[test]
fn a_snapshot_in_use_elsewhere_is_not_taken_back() {
    let lab = lab();
    let target = lab.export().unwrap().target;
    lab.log_in(&target, OWN);
    lab.log_in(&target, OTHER);
    let error = lab.withdraw(Some(&target)).unwrap_err();
    assert!(matches!(error, Error::ForeignSessions { .. }), "{error}");
    assert_eq!(lab.clones(), [clone()]);
    lab.assert_clean();
}

#[test]
fn what_is_no_clone_of_the_snapshot_is_not_touched() {
    let other = |lab: &Lab| {
        lab.appliance.create_snapshot(POOL, NAME, "s_two").unwrap();
        lab.appliance.clone(POOL, NAME, "s_two", &clone()).unwrap();
    };
    let volume = |lab: &Lab| lab.appliance.create_volume(POOL, &clone(), SIZE).unwrap();
    let promoted = |lab: &Lab| {
        lab.appliance.clone(POOL, NAME, "s_one", &clone()).unwrap();
        lab.appliance.promote(POOL, &clone()).unwrap();
    };
    let makes: [&dyn Fn(&Lab); 3] = [&other, &volume, &promoted];
    for make in makes {
        let lab = lab();
        make(&lab);
        for error in [lab.export().unwrap_err(), lab.withdraw(None).unwrap_err()] {
            assert!(matches!(error, Error::OtherVolume { .. }), "{error}");
            assert_eq!(error.kind(), ErrorKind::Exists);
            assert!(error.to_string().contains(&clone()), "{error}");
        }
        assert!(lab.appliance.requests().iter().all(|r| r.method == "GET"));
        assert_eq!(lab.clones(), [clone()]);
        lab.assert_clean();
    }
}

#[test]
fn a_failure_takes_back_the_clone_that_was_made_and_no_other() {
    let fault = Fault::Answer {
        status: 500,
        class: "opene.san.SomeError".to_owned(),
        errno: Some(42),
        message: "out of handles".to_owned(),
    };
    for before in [false, true] {
        let lab = lab();
        if before {
            lab.appliance.clone(POOL, NAME, "s_one", &clone()).unwrap();
        }
        lab.appliance.fault("POST", LUNS, 1, fault.clone()).unwrap();
        let error = lab.export().unwrap_err();
        assert!(error.to_string().contains("out of handles"), "{error}");
        assert_eq!(lab.clones().is_empty(), !before);
        assert_eq!(lab.targets(), [""; 0]);
        lab.assert_clean();
    }
}

#[test]
fn a_clone_that_cannot_be_taken_back_is_told() {
    let lab = lab();
    let fault = |message: &str| Fault::Answer {
        status: 500,
        class: "opene.san.SomeError".to_owned(),
        errno: Some(42),
        message: message.to_owned(),
    };
    lab.appliance
        .fault("POST", LUNS, 1, fault("first trouble"))
        .unwrap();
    let volume = "/pools/{pool}/volumes/{volume}";
    lab.appliance
        .fault("DELETE", volume, 1, fault("second trouble"))
        .unwrap();
    let error = lab.export().unwrap_err();
    assert!(matches!(error, Error::NotUndone { .. }), "{error}");
    for part in ["first trouble", "second trouble", &clone()] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
    lab.assert_clean();
}

#[test]
fn a_clone_that_stays_because_its_target_is_in_use_is_told() {
    let lab = lab();
    let target = lab.published(VM).target;
    lab.log_in(&target, OWN);
    // Attached, but the appliance says otherwise.
    let fault = Fault::Answer {
        status: 500,
        class: "opene.san.SomeError".to_owned(),
        errno: Some(42),
        message: "out of handles".to_owned(),
    };
    lab.appliance
        .fault("POST", LUNS, 1, fault.after_work())
        .unwrap();
    let error = lab.export().unwrap_err();
    assert_eq!(lab.clones(), [clone()]);
    assert!(matches!(error, Error::NotUndone { .. }), "{error}");
    for part in ["out of handles", &clone(), OWN.0] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
    lab.assert_clean();
}

#[test]
fn a_clone_whose_answer_was_lost_is_adopted() {
    for fault in [
        Fault::NoReply,
        Fault::Reset,
        Fault::configuration_race().after_work(),
    ] {
        let lab = lab();
        lab.appliance
            .fault("POST", CLONE, 1, fault.clone())
            .unwrap();
        assert!(lab.export().unwrap().created.clone, "{fault:?}");
        assert_eq!(lab.clones(), [clone()]);
        lab.assert_clean();
    }
}

#[test]
fn a_missing_snapshot_leaves_nothing() {
    let lab = Lab::new();
    let error = lab.export().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    assert_eq!(lab.clones(), [""; 0]);
    assert_eq!(lab.targets(), [""; 0]);
    lab.assert_clean();
}
