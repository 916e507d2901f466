//! Volumes on targets of another prefix or group.

use jdss_sim::Fault;

use super::*;

const OLD: &str = "iqn.2020-01.old:vm-100-0";

fn at_old(lab: &Lab) {
    lab.appliance.create_target(POOL, OLD).expect("it is there");
    lab.appliance
        .attach(POOL, OLD, "v_vm-100-disk-0", 7)
        .expect("it is there");
}

#[test]
fn an_idle_volume_comes_home_and_its_old_target_is_left_as_it_is() {
    let lab = Lab::new();
    at_old(&lab);
    let published = lab.publish(VM).unwrap();
    assert_eq!((published.target.clone(), published.lun), (target(0), 0));
    assert_eq!(published.moved_from.as_deref(), Some(OLD));
    assert!(published.created.target && published.created.lun);
    assert_eq!(lab.targets(), [OLD.to_owned(), target(0)]);
    assert_eq!(lab.appliance.count("DELETE", TARGET), 0);
    let again = lab.publish(VM).unwrap();
    assert_eq!((again.target, again.moved_from), (target(0), None));
    lab.assert_clean();
}

#[test]
fn a_volume_in_use_elsewhere_stays_whoever_uses_it() {
    for initiator in [OTHER, OWN] {
        let lab = Lab::new();
        at_old(&lab);
        lab.log_in(OLD, initiator);
        let published = lab.publish(VM).unwrap();
        assert_eq!((published.target.as_str(), published.lun), (OLD, 7));
        assert_eq!(published.moved_from, None);
        assert!(lab.appliance.requests().iter().all(|r| r.method == "GET"));
        lab.assert_clean();
    }
}

#[test]
fn an_idle_volume_stays_where_it_is_for_a_host_that_has_its_disks() {
    let lab = Lab::new();
    at_old(&lab);
    let stays = Publish {
        may_move: false,
        ..request(VM)
    };
    let published = lab.client.publish(&stays, soon()).unwrap();
    assert_eq!((published.target.as_str(), published.lun), (OLD, 7));
    assert_eq!(
        lab.asked(),
        ["GET where", "GET vips", "GET {volume}", "GET target"]
    );
    lab.assert_clean();
}

#[test]
fn a_volume_stays_where_it_is_when_it_could_not_be_asked_who_uses_it() {
    let lab = Lab::new();
    at_old(&lab);
    let fault = Fault::Answer {
        status: 500,
        class: "opene.san.SomeError".to_owned(),
        errno: Some(42),
        message: "out of handles".to_owned(),
    };
    lab.appliance.fault("GET", SESSIONS, 1, fault).unwrap();
    let error = lab.publish(VM).unwrap_err();
    assert!(error.to_string().contains("out of handles"), "{error}");
    assert!(lab.appliance.requests().iter().all(|r| r.method == "GET"));
    lab.assert_clean();
}

#[test]
fn nothing_is_taken_away_when_it_could_not_come_home() {
    let lab = Lab::new();
    at_old(&lab);
    let no_vip = Publish {
        data_addresses: vec![ip("127.0.0.99")],
        ..request(VM)
    };
    lab.client.publish(&no_vip, soon()).unwrap_err();
    assert!(lab.is_attached(VM));
    lab.assert_clean();
}

#[test]
fn a_volume_that_was_taken_off_but_not_attached_is_attached_next_time() {
    let lab = Lab::new();
    at_old(&lab);
    let fault = Fault::Answer {
        status: 500,
        class: "opene.san.SomeError".to_owned(),
        errno: Some(42),
        message: "out of handles".to_owned(),
    };
    lab.appliance.fault("POST", LUNS, 1, fault).unwrap();
    lab.publish(VM).unwrap_err();
    assert!(!lab.is_attached(VM));
    assert_eq!(lab.targets(), [OLD], "the new target is taken back");
    assert_eq!(lab.publish(VM).unwrap().target, target(0));
    lab.assert_clean();
}
