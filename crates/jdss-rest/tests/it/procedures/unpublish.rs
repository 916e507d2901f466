//! Taking volumes off their targets.

use std::net::IpAddr;

use jdss_rest::{Error, ErrorKind, Ignored};
use jdss_sim::Fault;

use super::*;

fn refused() -> Fault {
    Fault::Answer {
        status: 500,
        class: "opene.san.SomeError".to_owned(),
        errno: Some(42),
        message: "the target has LUNs".to_owned(),
    }
}

#[test]
fn the_last_volume_takes_its_target_along_in_three_calls() {
    let lab = Lab::new();
    let published = lab.published(VM);
    let done = lab.unpublish(VM, Some(&published.target)).unwrap();
    assert_eq!(done.target, Some(published.target));
    assert!(done.target_deleted && done.left.is_none());
    assert_eq!(lab.asked(), ["GET luns", "GET sessions", "DELETE target"]);
    assert_eq!(lab.targets(), [""; 0]);
    lab.assert_clean();
}

#[test]
fn a_volume_beside_others_goes_alone_in_three_calls() {
    let lab = Lab::new();
    lab.published("vm-100-disk-1");
    let published = lab.published(VM);
    let done = lab.unpublish(VM, Some(&published.target)).unwrap();
    assert!(!done.target_deleted);
    assert_eq!(lab.asked(), ["GET luns", "GET sessions", "DELETE {volume}"]);
    assert!(!lab.is_attached(VM) && lab.is_attached("vm-100-disk-1"));
    lab.assert_clean();
}

#[test]
fn a_volume_whose_target_is_not_known_is_looked_for_in_one_call() {
    let lab = Lab::new();
    lab.published(VM);
    lab.unpublish(VM, None).unwrap();
    assert_eq!(lab.asked()[0], "GET where");
    assert_eq!(lab.asked().len(), 4);
    lab.appliance.clear_log();
    let again = lab.unpublish(VM, None).unwrap();
    assert_eq!(again.target, None);
    assert_eq!(lab.asked(), ["GET where", "GET {pool}"]);
    lab.assert_clean();
}

#[test]
fn on_the_wrong_head_nothing_is_said_to_be_attached_nowhere() {
    let lab = Lab::new();
    let mut request = unpublish_request(VM, None);
    request.pool = "Pool-7".to_owned();
    let error = lab.client.unpublish(&request, soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().starts_with("pool Pool-7"), "{error}");
    lab.assert_clean();
}

#[test]
fn a_wrong_idea_of_the_target_does_not_matter() {
    let lab = Lab::new();
    lab.published(VM);
    let gone = target(5);
    assert!(lab.unpublish(VM, Some(&gone)).unwrap().target_deleted);
    // There, but with another volume.
    lab.published("vm-100-disk-1");
    let one = Publish {
        luns_per_target: 1,
        ..request(VM)
    };
    lab.client.publish(&one, soon()).unwrap();
    let done = lab.unpublish(VM, Some(&target(0))).unwrap();
    assert_eq!(done.target, Some(target(1)));
    assert_eq!(lab.targets(), [target(0)]);
    assert!(lab.is_attached("vm-100-disk-1"));
    // And who is logged in there is not in the way.
    lab.client.publish(&one, soon()).unwrap();
    lab.log_in(&target(0), OTHER);
    let done = lab.unpublish(VM, Some(&target(0))).unwrap();
    assert_eq!(done.target, Some(target(1)));
    assert!(lab.is_attached("vm-100-disk-1"));
    lab.assert_clean();
}

#[test]
fn sessions_of_others_are_named_and_nothing_is_changed() {
    let lab = Lab::new();
    let published = lab.published(VM);
    lab.log_in(&published.target, OWN);
    lab.log_in(&published.target, OTHER);
    let error = lab.unpublish(VM, Some(&published.target)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    let Error::ForeignSessions { target, sessions } = &error else {
        panic!("{error}")
    };
    assert_eq!((target, sessions.len()), (&published.target, 1));
    for part in [OTHER.0, OTHER.1, target] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
    assert!(!error.to_string().contains(OWN.0), "{error}");
    assert!(lab.appliance.requests().iter().all(|r| r.method == "GET"));
    lab.assert_clean();
}

#[test]
fn a_session_is_ours_by_name_and_address() {
    let shouted = OWN.0.to_uppercase();
    let cloned = (OWN.0, "10.1.0.99");
    for (session, ours) in [
        ((shouted.as_str(), OWN.1), true),
        ((OWN.0, "::ffff:10.1.0.51"), true),
        (cloned, false),
        ((OTHER.0, OWN.1), false),
        ((OWN.0, "fd00::51"), false),
    ] {
        let lab = Lab::new();
        let published = lab.published(VM);
        lab.log_in(&published.target, session);
        let result = lab.unpublish(VM, Some(&published.target));
        assert_eq!(result.is_ok(), ours, "{session:?}");
        lab.assert_clean();
    }
}

#[test]
fn addresses_of_sessions_are_compared_as_values() {
    let own: Vec<IpAddr> = ["fd00::51", "fe80::1", "10.1.0.51"].map(ip).into();
    let local = LocalInitiator::new(OWN.0, &own);
    for (text, ours) in [
        ("FD00:0:0::51", true),
        ("[fd00::51]", true),
        ("fe80::1%eth0", true),
        (" 10.1.0.51 ", true),
        ("10.1.0.5", false),
        ("somewhere", false),
        ("", false),
    ] {
        let script = crate::script::Script::new([crate::script::step(
            "GET /pools/Pool-0/san/iscsi/targets/t/sessions",
            crate::script::ok(serde_json::json!([
                { "sid": "1", "target_name": "t", "initiator_name": OWN.0, "ip": text }
            ])),
        )]);
        let sessions = script.client().pool(POOL).sessions("t", soon()).unwrap();
        assert_eq!(local.owns(&sessions[0]), ours, "{text:?}");
        assert_eq!(local.is_foreign(&sessions[0]), !ours, "{text:?}");
    }
}

#[test]
fn sessions_of_a_dead_node_can_be_ignored() {
    let ignored = |initiator: &str, address: Option<&str>| Ignored {
        initiator: initiator.to_owned(),
        address: address.map(ip),
    };
    for (ignored, enough) in [
        (ignored(&OTHER.0.to_uppercase(), None), true),
        (ignored(OTHER.0, Some(OTHER.1)), true),
        (ignored(OTHER.0, Some("10.1.0.53")), false),
        (ignored(OWN.0, None), false),
    ] {
        let lab = Lab::new();
        let published = lab.published(VM);
        lab.log_in(&published.target, OTHER);
        let mut request = unpublish_request(VM, Some(&published.target));
        request.local = request.local.ignoring(ignored.clone());
        let result = lab.client.unpublish(&request, soon());
        assert_eq!(result.is_ok(), enough, "{ignored:?}");
        assert_eq!(lab.is_attached(VM), !enough);
        // A target to which somebody is logged in is not to go.
        assert_eq!(lab.appliance.count("DELETE", TARGET), 0);
        assert_eq!(lab.targets(), [published.target]);
        lab.assert_clean();
    }
}

#[test]
fn a_target_of_another_group_stays() {
    let lab = Lab::new();
    let old = "iqn.2020-01.old:vm-100-0";
    lab.appliance.create_target(POOL, old).unwrap();
    lab.appliance
        .attach(POOL, old, "v_vm-100-disk-0", 0)
        .unwrap();
    let done = lab.unpublish(VM, None).unwrap();
    assert_eq!(
        (done.target.as_deref(), done.target_deleted),
        (Some(old), false)
    );
    assert!(!lab.is_attached(VM));
    assert_eq!(lab.targets(), [old]);
    lab.assert_clean();
}

#[test]
fn an_appliance_that_keeps_targets_with_luns_gets_the_lun_first() {
    let lab = Lab::new();
    let published = lab.published(VM);
    lab.appliance.fault("DELETE", TARGET, 1, refused()).unwrap();
    let done = lab.unpublish(VM, Some(&published.target)).unwrap();
    assert!(done.target_deleted);
    let asked = [
        "GET luns",
        "GET sessions",
        "DELETE target",
        "GET luns",
        "GET sessions",
        "DELETE {volume}",
        "GET luns",
        "GET sessions",
        "DELETE target",
    ];
    assert_eq!(lab.asked(), asked);
    assert_eq!(lab.targets(), [""; 0]);
    lab.assert_clean();
}

#[test]
fn a_target_that_cannot_go_is_told_and_the_volume_is_off_it() {
    let lab = Lab::new();
    let published = lab.published(VM);
    lab.appliance.fault("DELETE", TARGET, 2, refused()).unwrap();
    let done = lab.unpublish(VM, Some(&published.target)).unwrap();
    assert!(!done.target_deleted);
    let left = done.left.expect("a reason").to_string();
    assert!(left.contains("the target has LUNs"), "{left}");
    assert!(!lab.is_attached(VM));
    lab.assert_clean();
}

#[test]
fn an_attempt_that_was_cut_short_is_finished_by_doing_it_again() {
    let lab = Lab::new();
    let target = lab.published(VM).target;
    lab.appliance
        .detach(POOL, &target, "v_vm-100-disk-0")
        .unwrap();
    let done = lab.unpublish(VM, Some(&target)).unwrap();
    assert_eq!(
        (done.target.as_ref(), done.target_deleted),
        (Some(&target), true)
    );
    assert_eq!(lab.targets(), [""; 0]);
    // One that is not of the group is not ours to remove.
    let other = "iqn.2020-01.old:vm-100-0";
    lab.appliance.create_target(POOL, other).unwrap();
    assert_eq!(lab.unpublish(VM, Some(other)).unwrap().target, None);
    assert_eq!(lab.targets(), [other]);
    lab.assert_clean();
}

#[test]
fn what_could_not_be_asked_is_not_taken_for_detached() {
    for (method, route) in [("GET", QUERY), ("GET", SESSIONS), ("GET", LUNS)] {
        let lab = Lab::new();
        lab.published(VM);
        lab.appliance.fault(method, route, 1, refused()).unwrap();
        let error = lab.unpublish(VM, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other, "{route}: {error}");
        assert!(lab.is_attached(VM), "{route}");
        lab.assert_clean();
    }
}

#[test]
fn deletions_whose_answer_is_lost_are_done_once() {
    let faults = [
        Fault::NoReply,
        Fault::Reset,
        Fault::scst(),
        Fault::configuration_race().after_work(),
    ];
    for fault in faults {
        for beside in [false, true] {
            let lab = Lab::new();
            if beside {
                lab.published("vm-100-disk-1");
            }
            let published = lab.published(VM);
            let route = if beside { LUN } else { TARGET };
            lab.appliance
                .fault("DELETE", route, 1, fault.clone())
                .unwrap();
            let done = lab.unpublish(VM, Some(&published.target)).unwrap();
            assert_eq!(done.target_deleted, !beside, "{fault:?}");
            assert!(!lab.is_attached(VM));
            lab.assert_clean();
        }
    }
}

#[test]
fn a_deletion_that_hangs_is_looked_at_before_the_time_is_over() {
    let lab = Lab::new();
    let published = lab.published(VM);
    lab.appliance
        .fault("DELETE", TARGET, 9, Fault::Hang)
        .unwrap();
    let request = unpublish_request(VM, Some(&published.target));
    let deadline = Instant::now() + Duration::from_secs(2);
    let done = lab.client.unpublish(&request, deadline).unwrap();
    assert!(done.target_deleted);
    lab.appliance.clear_faults();
    lab.assert_clean();
}

/// Takes the volume off; while its target is about to be deleted another client attaches a volume to it.
fn attach_meanwhile(lab: &Lab) -> Unpublished {
    let target = lab.published(VM).target;
    let delay = Fault::Delay(Duration::from_secs(600)).before_work();
    lab.appliance
        .fault("DELETE", TARGET, 1, delay)
        .expect("done");
    std::thread::scope(|scope| {
        let unpublish = scope.spawn(|| lab.unpublish(VM, Some(&target)));
        while lab.appliance.held() == 0 {
            assert!(!unpublish.is_finished(), "the deletion was not asked for");
            std::thread::yield_now();
        }
        let published = lab.publish("vm-100-disk-1").expect("done");
        assert_eq!((&published.target, published.lun), (&target, 1));
        lab.appliance.clear_faults();
        unpublish.join().expect("no panic").expect("done")
    })
}

#[test]
fn a_volume_attached_while_its_target_is_deleted_is_published_again() {
    let lab = Lab::new();
    assert!(attach_meanwhile(&lab).target_deleted);
    assert!(!lab.is_attached("vm-100-disk-1"), "it went along");
    let again = lab.publish("vm-100-disk-1").unwrap();
    assert!(again.created.target && again.created.lun);
    lab.assert_clean();
}

#[test]
fn a_target_kept_for_its_luns_keeps_a_volume_attached_meanwhile() {
    let lab = Lab::with(|appliance| appliance.keep_targets_with_luns());
    assert!(!attach_meanwhile(&lab).target_deleted);
    assert!(!lab.is_attached(VM) && lab.is_attached("vm-100-disk-1"));
    assert_eq!(lab.targets(), [target(0)]);
    lab.assert_clean();
}
