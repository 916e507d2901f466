//! Others work on the same host at the same time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jdss::attach::{Budget, Class, Error, Event, Volume};
use jdss_host::Host;
use jdss_rest::TargetGroup;

use crate::lab::{LIMIT, Lab, OTHER, SIZE, VM, key};
use crate::support;

#[test]
fn a_record_without_a_device_does_not_make_devices_stay() {
    let lab = Lab::new(&[VM, OTHER]);
    lab.activate(VM).unwrap();
    let store = support::store(&lab.host);
    // What an activation of a twin has written when it waits for our lock.
    let mine = store.load(&key(VM)).unwrap().unwrap();
    let mut twin = jdss_state::Record::new(key(OTHER), &mine.boot_id);
    twin.scsi_id = mine.scsi_id.clone();
    twin.target = Some("iqn.2025-04.proxmox.joviandss.iscsi:vm-200-0".into());
    twin.lun = Some(3);
    twin.size = Some(SIZE);
    twin.portals = mine.portals.clone();
    store.save(&twin).unwrap();
    lab.deactivate(VM).unwrap();
    store.remove(&key(OTHER)).unwrap();
    lab.assert_as_before();
}

#[test]
fn sessions_taken_over_from_a_sibling_do_not_stay() {
    let mut lab = Lab::new(&[VM, OTHER]);
    lab.activate(OTHER).unwrap();
    let sibling = Arc::new(support::engine(&lab.host));
    let budget = Budget::new(LIMIT);
    let cancel = budget.canceller();
    let once = Mutex::new(true);
    lab.attach = support::engine(&lab.host).observed_by(move |event| {
        if matches!(event, Event::LoggedIn { .. }) && std::mem::take(&mut *once.lock().unwrap()) {
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
            // After our log_in has released the target's lock.
        }
        if matches!(event, Event::Unlinked { .. } | Event::Withdrawn { .. }) {
            // While we unwind: our record is there still.
            sibling
                .deactivate(&key(OTHER), &Budget::new(LIMIT))
                .unwrap();
        }
    });
    let client = lab.client("secret");
    let volume = lab.volume(VM);
    let _error = lab
        .attach
        .activate(&volume, &|| Ok(client.clone()), &budget)
        .unwrap_err();
    lab.assert_as_before();
}

#[test]
fn undoing_deletes_only_our_own_disks() {
    // The first disk of the scan is another volume's: deleted by us, its name is free again.
    let mut lab = Lab::new(&[VM, OTHER]);
    let shown = Arc::new(Mutex::new(true)); // while true LUN 0 answers as something else
    let exports = lab.appliance.exports();
    let wrong = Arc::clone(&shown);
    lab.host = Host::new(move |target, portal| {
        let found = portal
            .parse::<std::net::SocketAddr>()
            .ok()
            .and_then(|p| exports(target, p.ip()));
        found.map_or(jdss_host::Login::Refused(19), |luns| {
            jdss_host::Login::Luns(
                luns.iter()
                    .map(|l| {
                        if *wrong.lock().unwrap() && target.contains("vm-100") {
                            jdss_host::HostLun::scst(l.lun, "zzzzzzzz00000000", l.size)
                        } else {
                            jdss_host::HostLun::scst(l.lun, &l.scsi_id, l.size)
                        }
                    })
                    .collect(),
            )
        })
    });
    // another volume on another target, single path: a disk that nobody has opened yet
    let other = Arc::new(support::engine(&lab.host));
    let volume2 = Volume {
        multipath: false,
        group: TargetGroup::of("vm-200-disk-0").unwrap(),
        ..lab.volume(OTHER)
    };
    let client = lab.client("secret");
    let client2 = client.clone();
    let budget = Budget::new(LIMIT);
    let cancel = budget.canceller();
    let once = Mutex::new(true);
    let what = Arc::new(Mutex::new(None));
    let got = Arc::clone(&what);
    lab.attach = support::engine(&lab.host).observed_by(move |event| {
        if matches!(event, Event::DiskRemoved { .. }) && std::mem::take(&mut *once.lock().unwrap())
        {
            *shown.lock().unwrap() = false;
            let active = other
                .activate(&volume2, &|| Ok(client2.clone()), &Budget::new(LIMIT))
                .unwrap();
            *got.lock().unwrap() = Some(active);
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let volume = lab.volume(VM);
    let _result = lab
        .attach
        .activate(&volume, &|| Ok(client.clone()), &budget);
    let deleted: Vec<_> = lab
        .host
        .log()
        .into_iter()
        .filter(|l| l.contains("2:0:0:0/device/delete"))
        .collect();
    assert_eq!(
        deleted, [""; 0],
        "the other volume's disk, handed out already"
    );
}

#[test]
fn a_lock_that_is_not_free_is_a_matter_of_time() {
    let lab = Lab::new(&[VM]);
    let locks = jdss_state::Locks::at(lab.host.root().join("run/lock/jdss"));
    let _held = locks
        .volume(&key(VM), std::time::Instant::now() + LIMIT)
        .unwrap();
    let error = lab
        .attach
        .deactivate(&key(VM), &Budget::new(Duration::from_millis(200)))
        .unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
}

#[test]
fn a_wait_for_a_lock_ends_when_called_off() {
    let lab = Lab::new(&[VM]);
    let locks = jdss_state::Locks::at(lab.host.root().join("run/lock/jdss"));
    let _held = locks
        .volume(&key(VM), std::time::Instant::now() + LIMIT)
        .unwrap();
    let budget = Budget::new(Duration::from_secs(5));
    budget
        .canceller()
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let error = lab.attach.deactivate(&key(VM), &budget).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
}
