//! Who is logged in is asked right before anything is taken away, each time.

use jdss_sim::Fault;

use super::*;

/// Long enough: it is over when the faults are cleared.
fn hold() -> Fault {
    Fault::Delay(Duration::from_secs(600)).before_work()
}

/// Does `meanwhile` while the first request for `route` waits, and gives what `work` came to.
fn while_held<T: Send>(
    lab: &Lab,
    (method, route): (&str, &str),
    work: impl FnOnce() -> T + Send,
    meanwhile: impl FnOnce(),
) -> T {
    lab.appliance.fault(method, route, 1, hold()).expect("done");
    std::thread::scope(|scope| {
        let work = scope.spawn(work);
        while lab.appliance.held() == 0 {
            assert!(!work.is_finished(), "{method} {route} was not asked for");
            std::thread::yield_now();
        }
        meanwhile();
        lab.appliance.clear_faults();
        work.join().expect("no panic")
    })
}

#[test]
fn who_logs_in_while_luns_are_read_keeps_the_device() {
    let lab = Lab::new();
    lab.published("vm-100-disk-1");
    let target = lab.published(VM).target;
    let error = while_held(
        &lab,
        ("GET", LUNS),
        || lab.unpublish(VM, Some(&target)),
        || drop(lab.log_in(&target, OTHER)),
    );
    let error = error.unwrap_err();
    assert!(matches!(error, Error::ForeignSessions { .. }), "{error}");
    assert!(lab.is_attached(VM));
    lab.assert_clean();
}

#[test]
fn a_deletion_is_not_tried_again_before_sessions_are_read_again() {
    let faults = [
        Fault::configuration_race(),
        Fault::scst(),
        Fault::proxy(503),
        Fault::Reset.before_work(),
    ];
    for fault in faults {
        for beside in [false, true] {
            let lab = Lab::new();
            if beside {
                lab.published("vm-100-disk-1");
            }
            let target = lab.published(VM).target;
            let route = if beside { LUN } else { TARGET };
            lab.appliance
                .fault("DELETE", route, 2, fault.clone())
                .unwrap();
            lab.unpublish(VM, Some(&target)).unwrap();
            assert!(!lab.is_attached(VM));
            assert_eq!(lab.targets().is_empty(), !beside, "{fault:?}");
            let asked = lab.asked();
            for (i, what) in asked.iter().enumerate() {
                if what.starts_with("DELETE") {
                    assert_eq!(asked[i - 1], "GET sessions", "{fault:?}: {asked:#?}");
                }
            }
            lab.assert_clean();
        }
    }
}

#[test]
fn who_logs_in_after_a_deletion_failed_keeps_the_device() {
    let lab = Lab::new();
    lab.published("vm-100-disk-1");
    let target = lab.published(VM).target;
    lab.appliance
        .fault("DELETE", LUN, 1, Fault::configuration_race())
        .unwrap();
    // What comes after the failure is held, whatever it is.
    let error = while_held(
        &lab,
        ("GET", LUN),
        || lab.unpublish(VM, Some(&target)),
        || drop(lab.log_in(&target, OTHER)),
    );
    let error = error.unwrap_err();
    assert!(matches!(error, Error::ForeignSessions { .. }), "{error}");
    assert!(lab.is_attached(VM));
    lab.assert_clean();
}

#[test]
fn a_target_that_is_used_again_while_its_last_volume_is_taken_off_stays() {
    let lab = Lab::new();
    let target = lab.published(VM).target;
    // Not by itself, so the volume goes first.
    lab.appliance
        .fault("DELETE", TARGET, 1, Fault::scst())
        .unwrap();
    let done = while_held(
        &lab,
        ("DELETE", LUN),
        || lab.unpublish(VM, Some(&target)),
        || {
            let other = lab.publish("vm-100-disk-1").expect("there is room");
            assert_eq!(other.target, target);
            lab.log_in(&target, OTHER);
        },
    );
    assert!(!done.unwrap().target_deleted);
    assert!(lab.is_attached("vm-100-disk-1") && !lab.is_attached(VM));
    lab.assert_clean();
}

#[test]
fn an_idle_volume_is_not_moved_by_a_request_from_before_a_login() {
    let lab = Lab::new();
    let old = "iqn.2020-01.old:vm-100-0";
    lab.appliance.create_target(POOL, old).unwrap();
    lab.appliance
        .attach(POOL, old, "v_vm-100-disk-0", 7)
        .unwrap();
    lab.appliance
        .fault("DELETE", LUN, 1, Fault::configuration_race())
        .unwrap();
    let published = while_held(
        &lab,
        ("GET", LUN),
        || lab.publish(VM),
        || drop(lab.log_in(old, OTHER)),
    );
    let published = published.unwrap();
    assert_eq!((published.target.as_str(), published.lun), (old, 7));
    assert_eq!(published.moved_from, None);
    lab.assert_clean();
}
