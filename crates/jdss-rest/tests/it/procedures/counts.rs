//! What publishing costs.

use jdss_rest::{Chap, ChapPassword, Publish};

use super::*;

#[test]
fn an_attached_volume_costs_three_calls_with_the_vips_known() {
    let lab = Lab::new();
    lab.published(VM);
    lab.publish(VM).unwrap();
    assert_eq!(lab.asked(), ["GET where", "GET target", "GET {volume}"]);
    lab.assert_clean();
}

#[test]
fn a_volume_costs_five_calls_on_a_new_target_and_on_an_old_one() {
    let lab = Lab::new();
    lab.client
        .publish(&request_of_group("vm-200"), soon())
        .unwrap();
    lab.appliance.clear_log();
    lab.publish(VM).unwrap();
    let new = [
        "GET where",
        "GET {volume}",
        "GET targets",
        "POST targets",
        "POST luns",
    ];
    assert_eq!(lab.asked(), new);
    lab.appliance.clear_log();
    lab.publish("vm-100-disk-1").unwrap();
    let old = [
        "GET where",
        "GET {volume}",
        "GET targets",
        "GET luns",
        "POST luns",
    ];
    assert_eq!(lab.asked(), old);
    lab.assert_clean();
}

/// Another volume in another group, so that the VIPs are known.
fn request_of_group(group: &str) -> Publish {
    Publish {
        group: group.parse().expect("a group"),
        ..request("vm-100-disk-9")
    }
}

#[test]
fn each_full_target_before_the_first_with_room_costs_one_call() {
    let lab = Lab::new();
    let one_each = |volume: &str| Publish {
        luns_per_target: 1,
        ..request(volume)
    };
    for index in 0..3 {
        let volume = format!("vm-100-disk-{index}");
        let published = lab.client.publish(&one_each(&volume), soon()).unwrap();
        assert_eq!((published.target, published.lun), (target(index), 0));
    }
    lab.appliance.clear_log();
    lab.client
        .publish(&one_each("vm-100-disk-3"), soon())
        .unwrap();
    assert_eq!(lab.asked().len(), 5 + 3);
    lab.assert_clean();
}

#[test]
fn a_vip_to_be_added_costs_one_call_more() {
    let lab = Lab::new();
    let published = lab.published(VM);
    lab.appliance
        .set_target_vips(POOL, &published.target, &["vip1"])
        .unwrap();
    lab.publish(VM).unwrap();
    let asked = ["GET where", "GET target", "PUT target", "GET {volume}"];
    assert_eq!(lab.asked(), asked);
    lab.assert_clean();
}

#[test]
fn chap_costs_one_call_more() {
    let lab = Lab::new();
    lab.client
        .publish(&request_of_group("vm-200"), soon())
        .unwrap();
    lab.appliance.clear_log();
    let password = ChapPassword::new("correct-horse".to_owned().into()).unwrap();
    let with_chap = |volume: &str| Publish {
        chap: Chap::On {
            user: "pve".parse().expect("a user"),
            password: password.clone(),
        },
        ..request(volume)
    };
    let publish = |volume: &str| {
        lab.client.publish(&with_chap(volume), soon()).unwrap();
        let asked = lab.asked();
        lab.appliance.clear_log();
        asked
    };
    let new = [
        "GET where",
        "GET {volume}",
        "GET targets",
        "POST targets",
        "POST incoming-users",
        "POST luns",
    ];
    assert_eq!(publish(VM), new);
    let old = [
        "GET where",
        "GET {volume}",
        "GET targets",
        "GET luns",
        "GET incoming-users",
        "POST luns",
    ];
    assert_eq!(publish("vm-100-disk-1"), old);
    let attached = [
        "GET where",
        "GET target",
        "GET incoming-users",
        "GET {volume}",
    ];
    assert_eq!(publish(VM), attached);
    lab.assert_clean();
}
