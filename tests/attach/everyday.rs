//! Volumes come up and go, also when something is missing.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use jdss::attach::{Budget, Class, Deactivated, Event, Volume};
use jdss_host::{Daemon, Hold};
use jdss_state::Phase;

use crate::lab::{LIMIT, Lab, OTHER, POOL, SIZE, VM, counts, key, reuse_lun};
use crate::support;

#[test]
fn a_volume_comes_up_over_all_portals_and_goes_without_a_trace() {
    let lab = Lab::new(&[VM]);
    let wwid = lab.wwid(VM);
    let active = lab.activate(VM).unwrap();

    assert_eq!(active.path, Path::new("/dev/mapper").join(&wwid));
    assert_eq!(wwid.len(), 17);
    assert_eq!(active.up, [lab.portal(1), lab.portal(2)]);
    assert_eq!(active.missing, []);
    assert_eq!(active.size, SIZE);
    assert_eq!(lab.host.serves(&wwid), [wwid.clone(), wwid.clone()]);
    // Two node records, their settings, one login for both.
    let tools = [
        ("dmsetup", 1),
        ("iscsiadm", 4),
        ("multipath", 1),
        ("scsi_id", 1),
    ];
    assert_eq!(lab.children(), counts(&tools));
    assert!(
        lab.appliance.requests().len() <= 6,
        "{:?}",
        lab.appliance.requests()
    );
    let link = lab.host.root().join("dev/jdss/jdss0").join(VM);
    assert_eq!(std::fs::read_link(link).unwrap(), active.path);

    let record = support::store(&lab.host).load(&key(VM)).unwrap().unwrap();
    assert_eq!(record.phase, Phase::Active);
    assert_eq!(record.scsi_id.as_deref(), Some(wwid.as_str()));
    assert_eq!(
        record.mapper_path.as_deref(),
        Some(format!("/dev/mapper/{wwid}").as_str())
    );
    assert_eq!(record.portals, active.up);
    assert_eq!(record.size, Some(SIZE));

    lab.appliance.clear_log();
    lab.host.forget();
    assert_eq!(lab.deactivate(VM).unwrap(), Deactivated::Done);
    // Who has it open is asked before anything is changed, and when it goes.
    let tools = [("dmsetup", 2), ("iscsiadm", 2), ("multipath", 1)];
    assert_eq!(lab.children(), counts(&tools));
    assert!(
        lab.appliance.requests().is_empty(),
        "deactivation is node-local"
    );
    lab.assert_as_before();
}

#[test]
fn the_second_time_costs_no_call_and_no_tool() {
    let lab = Lab::new(&[VM]);
    let first = lab.activate(VM).unwrap();
    for step in ["activate", "deactivate"] {
        if step == "deactivate" {
            lab.deactivate(VM).unwrap();
        }
        lab.appliance.clear_log();
        lab.host.forget();
        if step == "activate" {
            let again = lab.activate(VM).unwrap();
            assert!(!again.changed);
            assert_eq!(again.path, first.path);
        } else {
            assert_eq!(lab.deactivate(VM).unwrap(), Deactivated::WasNot);
        }
        assert!(lab.appliance.requests().is_empty(), "{step}");
        assert_eq!(lab.children(), counts(&[]), "{step}");
    }
    lab.assert_as_before();
}

#[test]
fn a_sibling_on_the_same_target_is_left_alone() {
    let lab = Lab::new(&[VM, OTHER]);
    lab.activate(VM).unwrap();
    let other = lab.activate(OTHER).unwrap();
    let _guest = lab.hold(&other.wwid);
    lab.host.forget();
    lab.deactivate(VM).unwrap();
    assert_eq!(
        lab.children().get("iscsiadm"),
        None,
        "the sessions are the sibling's, too"
    );
    assert_eq!(lab.host.serves(&other.wwid).len(), 2);
    assert_eq!(lab.records(), ["jdss0:vm-100-disk-1"]);
    lab.assert_no_harm();
}

#[test]
fn one_portal_down_is_told_as_degraded() {
    let lab = Lab::new(&[VM]);
    lab.host.cut(&lab.portal(2));
    let active = lab.activate(VM).unwrap();
    assert_eq!(active.up, [lab.portal(1)]);
    assert_eq!(active.missing.len(), 1);
    assert_eq!(active.missing[0].portal, lab.portal(2));
    assert!(!active.missing[0].reason.is_empty());
    // It stays what it is until it is healed.
    let again = lab.activate(VM).unwrap();
    assert_eq!(
        (again.changed, &again.missing[0].portal),
        (false, &lab.portal(2))
    );
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn a_path_that_dies_later_is_told_as_degraded() {
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    lab.host.cut(&lab.portal(1));
    let again = lab.activate(VM).unwrap();
    assert_eq!(again.up, [lab.portal(2)]);
    assert_eq!(again.missing[0].portal, lab.portal(1));
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn without_any_portal_nothing_is_left() {
    let lab = Lab::new(&[VM]);
    lab.host.cut(&lab.portal(1));
    lab.host.cut(&lab.portal(2));
    let error = lab.activate(VM).unwrap_err();
    assert_eq!(error.class(), Class::NoPath, "{error}");
    for portal in [lab.portal(1), lab.portal(2)] {
        assert!(error.to_string().contains(&portal), "{error}");
    }
    lab.assert_as_before();
}

#[test]
fn what_is_missing_on_the_host_is_told_before_anything_is_changed() {
    for name in ["iscsiadm", "multipath", "multipathd", "iscsid"] {
        let lab = Lab::new(&[VM]);
        match name {
            "multipathd" => lab.host.set_daemon(Daemon::Multipathd, false),
            "iscsid" => lab.host.set_daemon(Daemon::Iscsid, false),
            program => lab.host.uninstall(program, true),
        }
        let error = lab.activate(VM).unwrap_err();
        assert_eq!(error.class(), Class::Host, "{name}: {error}");
        assert!(lab.appliance.requests().is_empty(), "{name}");
        lab.assert_as_before();
    }
}

#[test]
fn what_the_appliance_refuses_leaves_nothing() {
    let lab = Lab::new(&[VM]);
    let volume = lab.volume(VM);
    let wrong = lab.client("wrong");
    let error = lab
        .attach
        .activate(&volume, &|| Ok(wrong.clone()), &Budget::new(LIMIT))
        .unwrap_err();
    assert_eq!(error.class(), Class::Auth, "{error}");
    lab.assert_as_before();

    let error = lab.activate("vm-100-disk-9").unwrap_err();
    assert_eq!(error.class(), Class::Missing, "{error}");
    lab.assert_as_before();

    let elsewhere = Volume {
        data_addresses: vec!["127.0.0.9".parse().unwrap()],
        ..volume
    };
    let error = lab.bring_up(&elsewhere).unwrap_err();
    assert_eq!(error.class(), Class::NoVip, "{error}");
    lab.assert_as_before();

    lab.appliance.close_rest(lab.appliance.rest_addr()).unwrap();
    let error = lab.activate(VM).unwrap_err();
    assert_eq!(error.class(), Class::Unreachable, "{error}");
    lab.assert_as_before();
}

#[test]
fn a_device_in_use_is_not_taken_down() {
    let lab = Lab::new(&[VM]);
    let active = lab.activate(VM).unwrap();
    let guest = lab.hold(&active.wwid);
    let log = lab.host.log().len();
    let error = lab.deactivate(VM).unwrap_err();
    assert_eq!(error.class(), Class::InUse);
    assert!(error.to_string().contains("kvm"), "{error}");
    let changes: Vec<_> = lab.host.log()[log..]
        .iter()
        .filter(|e| {
            !["run dmsetup info", "open ", "ask show "]
                .iter()
                .any(|look| e.starts_with(look))
        })
        .cloned()
        .collect();
    assert_eq!(changes, [""; 0], "refused before anything is changed");
    assert_eq!(lab.host.serves(&active.wwid).len(), 2);
    assert!(!lab.activate(VM).unwrap().changed);
    lab.host.release(guest);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn a_path_that_lvm_holds_beside_the_map_is_somebodys_use() {
    let lab = Lab::new(&[VM]);
    let active = lab.activate(VM).unwrap();
    let lvm = lab.host.hold("sda", Hold::Lvm("guests-root".to_owned()));
    let error = lab.deactivate(VM).unwrap_err();
    assert_eq!(error.class(), Class::InUse, "{error}");
    assert!(error.to_string().contains("guests-root"), "{error}");
    assert_eq!(lab.host.serves(&active.wwid).len(), 2);
    lab.host.release(lvm);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn without_multipathd_nothing_is_taken_down() {
    let lab = Lab::new(&[VM]);
    let active = lab.activate(VM).unwrap();
    lab.host.set_daemon(Daemon::Multipathd, false);
    let error = lab.deactivate(VM).unwrap_err();
    assert_eq!(error.class(), Class::Host, "{error}");
    assert_eq!(lab.host.serves(&active.wwid).len(), 2);
    lab.host.set_daemon(Daemon::Multipathd, true);
    assert!(!lab.activate(VM).unwrap().changed);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn a_data_address_that_is_no_vip_is_told() {
    let mut lab = Lab::new(&[VM]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&told);
    lab.attach = support::engine(&lab.host).observed_by(move |event| {
        if let Event::Note { text } = event {
            events.lock().unwrap().push(text.clone());
        }
    });
    let mut volume = lab.volume(VM);
    volume.data_addresses.push("127.0.0.9".parse().unwrap());
    let active = lab.bring_up(&volume).unwrap();
    assert_eq!(active.up.len(), 2);
    let told = told.lock().unwrap();
    assert!(told.len() == 1 && told[0].contains("127.0.0.9"), "{told:?}");
}

#[test]
fn volumes_of_one_target_come_and_go_at_once() {
    let names: Vec<String> = (0..6).map(|n| format!("vm-100-disk-{n}")).collect();
    let volumes: Vec<&str> = names.iter().map(String::as_str).collect();
    let lab = Lab::new(&volumes);
    // Every second one goes down again while the others come up.
    thread::scope(|scope| {
        for (n, name) in volumes.iter().enumerate() {
            let lab = &lab;
            scope.spawn(move || {
                lab.activate(name).unwrap();
                if n % 2 == 1 {
                    lab.deactivate(name).unwrap();
                }
            });
        }
    });
    for (n, name) in volumes.iter().enumerate() {
        if n % 2 == 0 {
            assert_eq!(lab.host.serves(&lab.wwid(name)).len(), 2, "{name}");
        }
    }
    let sessions = lab.host.left();
    let sessions = sessions
        .iter()
        .filter(|l| l.starts_with("session "))
        .count();
    assert_eq!(sessions, 2, "one a portal");
    lab.assert_no_harm();
    for (n, name) in volumes.iter().enumerate() {
        let was = if n % 2 == 0 {
            Deactivated::Done
        } else {
            Deactivated::WasNot
        };
        assert_eq!(lab.deactivate(name).unwrap(), was);
    }
    lab.assert_as_before();
}

#[test]
fn a_stray_that_nobody_holds_does_not_keep_the_sessions() {
    let lab = Lab::new(&[VM, OTHER]);
    lab.activate(VM).unwrap();
    lab.activate(OTHER).unwrap();
    // The sibling's record is lost, its disks are still there.
    assert!(support::store(&lab.host).remove(&key(OTHER)).unwrap());
    let held = lab.hold(&lab.wwid(OTHER));
    lab.deactivate(VM).unwrap();
    assert_eq!(
        lab.host.serves(&lab.wwid(OTHER)).len(),
        2,
        "somebody has it open"
    );
    lab.assert_no_harm();
    lab.host.release(held);
}

#[test]
fn a_lun_that_became_another_volume_is_never_handed_out() {
    let lab = Lab::new(&[VM, OTHER]);
    lab.activate(VM).unwrap();
    reuse_lun(&lab);
    let again = lab.activate(VM).unwrap();
    assert!(again.changed);
    let wwid = lab.wwid(VM);
    assert_eq!(again.path, Path::new("/dev/mapper").join(&wwid));
    assert_eq!(lab.host.serves(&wwid), [wwid.clone(), wwid]);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn a_leftover_map_does_not_become_the_volume_that_got_its_lun() {
    let lab = Lab::new(&[VM, OTHER]);
    lab.activate(VM).unwrap();
    reuse_lun(&lab);
    let other = lab.activate(OTHER).unwrap();
    let wwid = lab.wwid(OTHER);
    assert_eq!(other.path, Path::new("/dev/mapper").join(&wwid));
    assert_eq!(lab.host.serves(&wwid), [wwid.clone(), wwid.clone()]);
    assert_eq!(lab.map(&lab.wwid(VM)), None, "the leftover map is gone");
    // The old volume's record names the LUN that is the other's now.
    lab.deactivate(VM).unwrap();
    assert_eq!(lab.host.serves(&wwid).len(), 2);
    lab.deactivate(OTHER).unwrap();
    lab.assert_as_before();
}

#[test]
fn a_held_map_that_serves_another_volume_is_refused_and_its_paths_failed() {
    for activated in [VM, OTHER] {
        let lab = Lab::new(&[VM, OTHER]);
        let active = lab.activate(VM).unwrap();
        let guest = lab.hold(&active.wwid);
        reuse_lun(&lab);
        let error = lab.activate(activated).unwrap_err();
        assert_eq!(error.class(), Class::Conflict, "{activated}: {error}");
        assert!(error.to_string().contains("kvm"), "{activated}: {error}");
        let served = lab.host.serves(&active.wwid);
        assert!(
            served.len() < 2,
            "{activated}: no path was failed: {served:?}"
        );
        lab.assert_no_harm();
        lab.host.release(guest);
    }
}

#[test]
fn two_volumes_with_one_id_are_refused_naming_both() {
    let lab = Lab::new(&[VM, OTHER]);
    let first = lab.activate(VM).unwrap();
    let id = lab.appliance.scsi_id(POOL, &format!("v_{VM}")).unwrap();
    let twin = format!("{}{}", &id[..8], "ffffffff");
    lab.appliance
        .set_scsi_id(POOL, &format!("v_{OTHER}"), &twin)
        .unwrap();
    let error = lab.activate(OTHER).unwrap_err();
    assert_eq!(error.class(), Class::Conflict, "{error}");
    assert!(error.to_string().contains(VM), "{error}");
    assert_eq!(lab.host.serves(&first.wwid).len(), 2);
    assert_eq!(lab.records(), ["jdss0:vm-100-disk-0"]);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn a_single_path_is_handed_out_by_its_id_and_has_spares() {
    let lab = Lab::new(&[VM]);
    let single = Volume {
        multipath: false,
        ..lab.volume(VM)
    };
    lab.host.cut(&lab.portal(1));
    let active = lab.bring_up(&single).unwrap();
    assert_eq!(
        active.path,
        Path::new("/dev/disk/by-id").join(format!("scsi-{}", lab.wwid(VM)))
    );
    assert_eq!(active.up, [lab.portal(2)]);
    assert_eq!(active.missing, []);
    let record = support::store(&lab.host).load(&key(VM)).unwrap().unwrap();
    assert_eq!(record.spare_portals, [lab.portal(1)]);
    assert!(!lab.bring_up(&single).unwrap().changed);
    // What was brought up stays as it was until it is taken down.
    assert!(!lab.activate(VM).unwrap().changed);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn after_a_reboot_the_volume_comes_up_again() {
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    lab.host.reboot();
    assert!(lab.activate(VM).unwrap().changed);
    lab.host.reboot();
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}
