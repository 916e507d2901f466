//! Devices that are not, or not any more, what they are taken for.

use std::io::Write;
use std::time::Duration;

use jdss::attach::{Budget, Class, Deactivated, Error, Volume};
use jdss_host::Daemon;
use jdss_state::Phase;

use crate::lab::{Lab, OTHER, POOL, VM, key, meanwhile, reuse_lun};
use crate::support;

#[test]
fn every_wrong_path_of_a_held_map_is_failed() {
    for activated in [VM, OTHER] {
        let lab = Lab::new(&[VM, OTHER]);
        let active = lab.activate(VM).unwrap();
        let _guest = lab.hold(&active.wwid);
        reuse_lun(&lab);
        let error = lab.activate(activated).unwrap_err();
        println!("{activated}: {error}");
        assert_eq!(lab.host.serves(&active.wwid), [""; 0], "{activated}");
    }
}

#[test]
fn a_right_path_of_a_held_map_is_not_failed() {
    let lab = Lab::new(&[VM]);
    let active = lab.activate(VM).unwrap();
    let _guest = lab.hold(&active.wwid);
    support::store(&lab.host).remove(&key(VM)).unwrap();
    let volume = Volume {
        data_addresses: vec!["127.0.0.1".parse().unwrap()],
        ..lab.volume(VM)
    };
    // It is the volume, so it is the volume's path from now on.
    assert_eq!(lab.bring_up(&volume).unwrap().up.len(), 2);
    assert_eq!(lab.host.serves(&active.wwid).len(), 2);
}

#[test]
fn a_path_that_only_does_not_answer_is_not_failed() {
    let lab = Lab::new(&[VM]);
    let active = lab.activate(VM).unwrap();
    let _guest = lab.hold(&active.wwid);
    lab.host.block(&lab.portal(1));
    lab.host.block(&lab.portal(2));
    let volume = Volume {
        data_addresses: vec!["127.0.0.1".parse().unwrap()],
        ..lab.volume(VM)
    };
    let error = lab.bring_up(&volume).unwrap_err();
    assert!(matches!(error, Error::Unclear { .. }), "{error}");
    let asked: Vec<_> = lab
        .host
        .log()
        .into_iter()
        .filter(|l| l.contains("fail path"))
        .collect();
    assert_eq!(asked, [""; 0]);
}

#[test]
fn a_wrong_device_is_told_without_multipathd() {
    let lab = Lab::new(&[VM, OTHER]);
    let active = lab.activate(VM).unwrap();
    let _guest = lab.hold(&active.wwid);
    reuse_lun(&lab);
    lab.host.set_daemon(Daemon::Multipathd, false);
    let error = lab.activate(VM).unwrap_err();
    assert_eq!(error.class(), Class::Conflict);
}

#[test]
fn a_further_right_path_of_a_live_map_is_not_failed() {
    let lab = Lab::new(&[VM]);
    let active = lab.activate(VM).unwrap();
    let store = support::store(&lab.host);
    let mut record = store.load(&key(VM)).unwrap().unwrap();
    record.portals.pop();
    store.save(&record).unwrap();
    let _guest = lab.hold(&active.wwid);
    let _result = lab.activate(VM);
    assert_eq!(lab.host.serves(&active.wwid).len(), 2);
}

#[test]
fn a_name_that_means_another_volume_now_is_not_the_old_device() {
    let lab = Lab::new(&[VM, OTHER]);
    let first = lab.activate(VM).unwrap();
    // cluster_prefix or pool_name was changed in the configuration
    let now = Volume {
        id: OTHER.parse().unwrap(),
        ..lab.volume(VM)
    };
    match lab.bring_up(&now) {
        Ok(active) => assert_ne!(
            active.wwid, first.wwid,
            "the other volume's device was handed out"
        ),
        Err(error) => println!("{error}"),
    }
}

#[test]
fn an_unreadable_record_is_not_an_absent_one() {
    let lab = Lab::new(&[VM, OTHER]);
    let single = Volume {
        multipath: false,
        ..lab.volume(OTHER)
    };
    lab.activate(VM).unwrap();
    let _active = lab.bring_up(&single).unwrap();
    let mut record = std::fs::File::create(support::store(&lab.host).path(&key(OTHER))).unwrap();
    record
        .write_all("{\"version\": 2, \"later\": true}".as_bytes())
        .unwrap();
    lab.deactivate(VM).unwrap();
    let disks = lab
        .host
        .left()
        .into_iter()
        .filter(|l| l.starts_with("disk "))
        .count();
    assert_eq!(disks, 1, "the device of a volume that is up was deleted");
}

#[test]
fn a_bad_record_is_not_the_appliances_fault() {
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    let store = support::store(&lab.host);
    let mut record = store.load(&key(VM)).unwrap().unwrap();
    record.portals.push("nonsense".into());
    store.save(&record).unwrap();
    let error = lab.deactivate(VM).unwrap_err();
    assert_eq!(error.class(), Class::State);
}

#[test]
fn a_lun_that_is_gone_is_not_handed_out_as_up() {
    let lab = Lab::new(&[VM]);
    let _active = lab.activate(VM).unwrap();
    lab.appliance
        .detach(POOL, &lab.target(VM), &format!("v_{VM}"))
        .unwrap();
    let _dir = lab.host.root().join("sys/block/sda/size");
    let result = lab.activate(VM).unwrap();
    assert!(result.changed, "a device that nobody answers for");
}

#[test]
fn a_blocked_single_path_is_waited_for() {
    let lab = Lab::new(&[VM]);
    let single = Volume {
        multipath: false,
        ..lab.volume(VM)
    };
    lab.bring_up(&single).unwrap();
    lab.host.block(&lab.portal(1));
    let store = support::store(&lab.host);
    let result = meanwhile(
        || matches!(store.load(&key(VM)), Ok(Some(r)) if r.phase == Phase::Deactivating),
        || lab.host.cut(&lab.portal(1)),
        || lab.deactivate(VM),
    );
    assert_eq!(result.unwrap(), Deactivated::Done);
    lab.assert_as_before();
}

#[test]
fn a_blocked_leftover_does_not_fail_an_activation() {
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    // A deactivation that ran out of time: the map is gone, a disk is left blocked.
    lab.host.block(&lab.portal(2));
    let _error = lab
        .attach
        .deactivate(&key(VM), &Budget::new(Duration::from_millis(1500)))
        .unwrap_err();
    assert_eq!(lab.activate(VM).unwrap().up, [lab.portal(1)]);
}

#[test]
fn an_outage_does_not_forget_what_was_up() {
    // all paths down, guest holds the map: activation must not go to the appliance for another place
    let lab = Lab::new(&[VM]);
    let active = lab.activate(VM).unwrap();
    let _guest = lab.hold(&active.wwid);
    lab.host.cut(&lab.portal(1));
    lab.host.cut(&lab.portal(2));
    let single = Volume {
        multipath: false,
        ..lab.volume(VM)
    };
    let _error = lab.bring_up(&single).unwrap_err();
    let record = support::store(&lab.host).load(&key(VM)).unwrap().unwrap();
    assert_eq!((record.phase, record.multipath), (Phase::Active, true));
}
