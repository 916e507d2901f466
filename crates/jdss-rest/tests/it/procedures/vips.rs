//! Which VIPs serve a target, and when that changes.

use jdss_rest::{ErrorKind, Publish};
use jdss_sim::Fault;

use super::*;

fn at(addresses: &[&str]) -> Publish {
    Publish {
        data_addresses: addresses.iter().map(|address| ip(address)).collect(),
        ..request(VM)
    }
}

#[test]
fn an_address_that_is_new_is_served_though_others_are_logged_in() {
    let lab = Lab::new();
    let target = lab.published(VM).target;
    lab.log_in(&target, OTHER);
    let more = at(&["127.0.0.13", "127.0.0.11", "127.0.0.12"]);
    let published = lab.client.publish(&more, soon()).unwrap();
    assert_eq!(published.portals, more.data_addresses);
    assert_eq!(lab.vips_of(&target), ["vip2", "vip1", "vip3"]);
    assert_eq!(lab.appliance.count("GET", SESSIONS), 0);
    lab.assert_clean();
}

#[test]
fn an_address_that_is_gone_is_served_until_nobody_is_logged_in() {
    let lab = Lab::new();
    let target = lab.published(VM).target;
    for initiator in [OTHER, OWN] {
        let session = lab.log_in(&target, initiator);
        let published = lab.client.publish(&at(&["127.0.0.12"]), soon()).unwrap();
        assert_eq!(published.portals, [ip("127.0.0.12")]);
        assert_eq!(lab.vips_of(&target), ["vip2", "vip1"], "{initiator:?}");
        lab.appliance.log_out(&session);
    }
    lab.client.publish(&at(&["127.0.0.12"]), soon()).unwrap();
    assert_eq!(lab.vips_of(&target), ["vip2"]);
    lab.appliance.clear_log();
    lab.client.publish(&at(&["127.0.0.12"]), soon()).unwrap();
    assert_eq!(lab.asked().len(), 3);
    lab.assert_clean();
}

#[test]
fn an_address_is_not_taken_away_by_a_repetition_from_before_a_login() {
    for fault in [Fault::configuration_race(), Fault::Reset.before_work()] {
        let lab = Lab::new();
        let target = lab.published(VM).target;
        lab.appliance
            .fault("PUT", TARGET, 2, fault.clone())
            .unwrap();
        lab.client.publish(&at(&["127.0.0.12"]), soon()).unwrap();
        let asked = lab.asked();
        assert_eq!(lab.vips_of(&target), ["vip2"], "{fault:?}");
        for (i, what) in asked.iter().enumerate() {
            if what.starts_with("PUT") {
                // The list of VIPs is read anew before the first one.
                assert_eq!(asked[i - 1], "GET sessions", "{fault:?}: {asked:#?}");
            }
        }
        lab.assert_clean();
    }
}

#[test]
fn an_answer_that_says_nothing_is_not_taken_for_a_change() {
    let lab = Lab::new();
    let target = lab.published(VM).target;
    let silence = Fault::no_body().before_work();
    lab.appliance.fault("PUT", TARGET, 1, silence).unwrap();
    let more = at(&["127.0.0.13", "127.0.0.11", "127.0.0.12"]);
    lab.client.publish(&more, soon()).unwrap();
    assert_eq!(lab.vips_of(&target), ["vip2", "vip1", "vip3"]);
    lab.assert_clean();
}

#[test]
fn an_address_for_another_is_one_change() {
    let lab = Lab::new();
    let target = lab.published(VM).target;
    lab.client
        .publish(&at(&["127.0.0.13", "127.0.0.11"]), soon())
        .unwrap();
    assert_eq!(lab.vips_of(&target), ["vip3", "vip1"]);
    assert_eq!(lab.appliance.count("PUT", TARGET), 1);
    lab.assert_clean();
}

#[test]
fn a_target_of_another_group_keeps_its_vips() {
    let lab = Lab::new();
    let old = "iqn.2020-01.old:vm-100-0";
    lab.appliance.create_target(POOL, old).unwrap();
    lab.appliance
        .set_target_vips(POOL, old, &["vip2", "vip3"])
        .unwrap();
    lab.appliance
        .attach(POOL, old, "v_vm-100-disk-0", 5)
        .unwrap();
    lab.log_in(old, OTHER);
    let published = lab.publish(VM).unwrap();
    assert_eq!((published.target.as_str(), published.lun), (old, 5));
    assert_eq!(published.portals, [ip("127.0.0.12")]);
    assert_eq!(published.unused, [ip("127.0.0.11")]);
    let only = at(&["127.0.0.11"]);
    let error = lab.client.publish(&only, soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoVip, "{error}");
    for part in [old, "127.0.0.11", "vip2"] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
    assert_eq!(lab.appliance.count("PUT", TARGET), 0);
    lab.assert_clean();
}
