//! How the volume is exported, and when that changes.

use std::net::IpAddr;

use jdss::attach::{Active, Class, Volume};

use crate::lab::{Lab, OTHER, POOL, VM};

/// Initiator and address of another host.
const ELSEWHERE: (&str, &str) = ("iqn.1993-08.org.debian:01:dd44ee55ff66", "127.0.0.52");
const OLD: &str = "iqn.2020-01.old:vm-100-0";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

impl Lab {
    /// Activates with these data addresses.
    fn up_at(&self, addresses: &[&str]) -> Active {
        let volume = Volume {
            data_addresses: addresses.iter().map(|address| ip(address)).collect(),
            ..self.volume(VM)
        };
        self.bring_up(&volume).expect("active")
    }

    /// Another host logs in.
    fn log_in_elsewhere(&self, target: &str) -> String {
        let (initiator, address) = ELSEWHERE;
        let session = self
            .appliance
            .log_in(target, initiator, ip(address), ip("127.0.0.2"));
        session.expect("the target is there")
    }

    fn vips(&self) -> Vec<String> {
        let vips = self.appliance.target_vips(POOL, &self.target(VM));
        vips.expect("the target is there")
    }
}

#[test]
fn a_new_volume_costs_six_calls_and_one_that_is_exported_four() {
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    assert_eq!(lab.appliance.requests().len(), 6);
    lab.deactivate(VM).unwrap();
    lab.appliance.clear_log();
    lab.activate(VM).unwrap();
    // Where it is attached, the target, the VIPs, the volume.
    assert_eq!(lab.appliance.requests().len(), 4);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn an_address_that_was_added_is_served_and_used_after_the_next_activation() {
    let lab = Lab::new(&[VM]);
    assert_eq!(lab.up_at(&["127.0.0.1"]).up, [lab.portal(1)]);
    assert_eq!(lab.vips(), ["vip1"]);
    // What is up stays as it was brought up.
    assert!(!lab.up_at(&["127.0.0.1", "127.0.0.2"]).changed);
    assert_eq!(lab.vips(), ["vip1"]);
    lab.deactivate(VM).unwrap();
    let session = lab.log_in_elsewhere(&lab.target(VM));
    let active = lab.up_at(&["127.0.0.1", "127.0.0.2"]);
    assert_eq!(active.up, [lab.portal(1), lab.portal(2)]);
    assert_eq!(lab.vips(), ["vip1", "vip2"]);
    lab.appliance.log_out(&session);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn an_address_that_was_removed_is_served_as_long_as_another_host_is_logged_in() {
    let lab = Lab::new(&[VM]);
    lab.activate(VM).unwrap();
    lab.deactivate(VM).unwrap();
    let session = lab.log_in_elsewhere(&lab.target(VM));
    assert_eq!(lab.up_at(&["127.0.0.1"]).up, [lab.portal(1)]);
    assert_eq!(lab.vips(), ["vip1", "vip2"]);
    let sessions = lab.appliance.sessions();
    assert!(sessions.iter().any(|shown| shown.sid == session));
    lab.deactivate(VM).unwrap();
    lab.appliance.log_out(&session);
    assert_eq!(lab.up_at(&["127.0.0.1"]).up, [lab.portal(1)]);
    assert_eq!(lab.vips(), ["vip1"]);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn a_volume_on_a_target_of_another_prefix_comes_to_its_own_when_nobody_uses_it() {
    let lab = Lab::new(&[VM]);
    lab.appliance.create_target(POOL, OLD).unwrap();
    lab.appliance
        .attach(POOL, OLD, &format!("v_{VM}"), 3)
        .unwrap();
    let session = lab.log_in_elsewhere(OLD);
    lab.activate(VM).unwrap();
    lab.deactivate(VM).unwrap();
    assert_eq!(lab.appliance.targets(POOL).unwrap(), [OLD]);
    lab.appliance.log_out(&session);
    lab.activate(VM).unwrap();
    assert_eq!(
        lab.appliance.targets(POOL).unwrap(),
        [OLD.to_owned(), lab.target(VM)]
    );
    assert_eq!(lab.appliance.luns(POOL, OLD).unwrap(), []);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn a_volume_whose_paths_are_down_is_not_moved_away_from_its_devices() {
    let lab = Lab::new(&[VM, OTHER]);
    lab.appliance.create_target(POOL, OLD).unwrap();
    lab.appliance
        .attach(POOL, OLD, &format!("v_{VM}"), 3)
        .unwrap();
    let session = lab.log_in_elsewhere(OLD);
    let active = lab.activate(VM).unwrap();
    lab.appliance.log_out(&session);
    let guest = lab.hold(&active.wwid);
    for portal in [1, 2] {
        lab.host.cut(&lab.portal(portal));
    }
    let error = lab.activate(VM).unwrap_err();
    assert_eq!(error.class(), Class::NoPath, "{error}");
    assert_eq!(
        lab.appliance.luns(POOL, OLD).unwrap(),
        [(format!("v_{VM}"), 3)]
    );
    for portal in [1, 2] {
        lab.host.restore(&lab.portal(portal));
    }
    assert_eq!(lab.activate(VM).unwrap().path, active.path);
    assert_eq!(lab.host.serves(&active.wwid).len(), 2);
    lab.host.release(guest);
    lab.deactivate(VM).unwrap();
    lab.assert_as_before();
}

#[test]
fn an_address_that_was_removed_is_served_as_long_as_this_host_uses_it() {
    let lab = Lab::new(&[VM, OTHER]);
    lab.activate(OTHER).unwrap();
    assert_eq!(lab.up_at(&["127.0.0.1"]).up, [lab.portal(1)]);
    assert_eq!(lab.vips(), ["vip1", "vip2"]);
    assert_eq!(lab.host.serves(&lab.wwid(OTHER)).len(), 2);
    lab.deactivate(VM).unwrap();
    lab.deactivate(OTHER).unwrap();
    lab.assert_as_before();
}
