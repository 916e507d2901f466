//! Nothing is left half done, whatever fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jdss::attach::{Budget, Class, Deactivated, Error, Event, Volume};
use jdss_host::{Hold, Host, Stopped};
use jdss_rest::{Client, TargetGroup};
use jdss_state::Phase;

use crate::lab::{LIMIT, Lab, POOL, VM, key, meanwhile, quietly};
use crate::support;

#[test]
fn a_reactivation_killed_before_the_answer_keeps_the_truth() {
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    lab.host.cut(&lab.portal(1));
    lab.host.cut(&lab.portal(2));
    let volume = lab.volume(VM);
    let connect = || -> Result<Client, Error> { std::panic::panic_any(Stopped) };
    quietly(|| {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            lab.attach.activate(&volume, &connect, &Budget::new(LIMIT))
        }));
    });
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn an_opener_of_a_path_is_waited_for_before_anything_is_changed() {
    for hold in [Hold::Process("dd".into()), Hold::Mount("/mnt".into())] {
        let lab = Lab::new(&[VM]);
        let active = lab.activate(VM).unwrap();
        let _held = lab.host.hold("sda", hold.clone());
        let error = lab.deactivate(VM).unwrap_err();
        println!("{hold:?}: {error}");
        assert!(
            lab.map(&active.wwid).is_some(),
            "{hold:?}: the map was removed although refused"
        );
    }
}

#[test]
fn a_withdrawal_that_fails_puts_link_and_phase_back() {
    let lab = Lab::new(&[VM]);
    let active = lab.activate(VM).unwrap();
    lab.host.fail_next(
        "run multipath -w",
        jdss_host::Fault::Says(1, "no space".into()),
    );
    let _error = lab.deactivate(VM).unwrap_err();
    let record = support::store(&lab.host).load(&key(VM)).unwrap().unwrap();
    assert_eq!(record.phase, Phase::Active);
    let link = lab.host.root().join("dev/jdss/jdss0").join(VM);
    assert_eq!(std::fs::read_link(link).ok(), Some(active.path));
}

#[test]
fn a_volume_that_moved_to_another_target_leaves_no_session() {
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    lab.appliance
        .detach(POOL, &lab.target(VM), &format!("v_{VM}"))
        .unwrap();
    let moved = Volume {
        group: TargetGroup::of("vm-200-disk-0").unwrap(),
        ..lab.volume(VM)
    };
    let _active = lab.bring_up(&moved);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn an_unwanted_map_is_undone() {
    let lab = Lab::new(&[VM]);
    lab.host.run("multipath", &["-a", &lab.wwid(VM)]).unwrap();
    let before = lab.host.left();
    let single = Volume {
        multipath: false,
        ..lab.volume(VM)
    };
    let _error = lab.bring_up(&single).unwrap_err();
    assert_eq!(lab.host.left(), before);
    assert_eq!(lab.records(), [""; 0]);
}

#[test]
fn a_short_opener_after_the_map_is_gone_is_waited_for() {
    let mut lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    // udisks, smartd, blkid of a service: it looks at the disk for an instant.
    let held = Arc::new(Mutex::new(None));
    let (host, holding) = (lab.host.clone(), Arc::clone(&held));
    lab.attach = support::engine(&lab.host)
        .opener_patience(Duration::from_secs(5))
        .observed_by(move |event| {
            if matches!(event, Event::MapRemoved { .. }) {
                let blkid = host.hold("sda", Hold::Process("blkid".into()));
                *holding.lock().unwrap() = Some((blkid, host.counts().opens));
            }
        });
    // Closed once the engine has found it.
    let found = || matches!(*held.lock().unwrap(), Some((_, n)) if lab.host.counts().opens > n);
    let close = || {
        let (blkid, _) = held.lock().unwrap().take().unwrap();
        lab.host.release(blkid);
    };
    let result = meanwhile(found, close, || lab.deactivate(VM));
    assert_eq!(result.unwrap(), Deactivated::Done);
    lab.assert_as_before();
}

#[test]
fn what_nobody_uses_is_not_called_in_use() {
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    lab.host.block(&lab.portal(1));
    let error = lab
        .attach
        .deactivate(&key(VM), &Budget::new(Duration::from_secs(2)))
        .unwrap_err();
    assert_ne!(error.class(), Class::InUse, "nobody uses it");
}

#[test]
fn a_failure_between_scan_and_map_is_undone() {
    let mut lab = Lab::new(&[VM]);
    let budget = Budget::new(LIMIT);
    let cancel = budget.canceller();
    lab.attach = support::engine(&lab.host).observed_by(move |event| {
        if matches!(event, Event::Disk { .. }) {
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
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
fn a_link_in_the_way_leaves_the_record_as_it_was() {
    // an admin's directory where the link is to be
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    let link = lab.host.root().join("dev/jdss/jdss0").join(VM);
    std::fs::remove_file(&link).unwrap();
    std::fs::create_dir(&link).unwrap();
    let _error = lab.deactivate(VM).unwrap_err();
    let record = support::store(&lab.host).load(&key(VM)).unwrap().unwrap();
    assert_eq!(record.phase, Phase::Active);
}

#[test]
fn what_scsi_id_refuses_leaves_nothing() {
    let lab = Lab::new(&[VM]);
    lab.host
        .set_fault("scsi_id", Some(jdss_host::Fault::Says(1, "no".into())));
    let _error = lab.activate(VM).unwrap_err();
    lab.assert_as_before();
}

#[test]
fn a_wrong_size_leaves_nothing() {
    // The second path shows another size: the first one's map is there already.
    let mut lab = Lab::new(&[VM]);
    let exports = lab.appliance.exports();
    lab.host = Host::new(move |target, portal| {
        let at = portal.parse::<std::net::SocketAddr>().unwrap();
        exports(target, at.ip()).map_or(jdss_host::Login::Refused(19), |luns| {
            jdss_host::Login::Luns(
                luns.iter()
                    .map(|l| {
                        jdss_host::HostLun::scst(
                            l.lun,
                            &l.scsi_id,
                            if at.ip().to_string().ends_with(".2") {
                                l.size * 2
                            } else {
                                l.size
                            },
                        )
                    })
                    .collect(),
            )
        })
    });
    lab.attach = support::engine(&lab.host);
    let _error = lab.activate(VM).unwrap_err();
    lab.assert_as_before();
}
