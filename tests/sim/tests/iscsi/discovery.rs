use crate::initiator::{Login, Refused};
use crate::{FIRST, POOL, SECOND, TARGET, appliance, login, portal};

fn discover(login: &Login) -> Vec<(String, String)> {
    let mut initiator = login.log_in().expect("discovery is open to all");
    let found = initiator.text(&[("SendTargets", "All")]);
    assert_eq!(initiator.log_out(), 0);
    initiator.assert_closed();
    found
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn the_asked_portal_comes_first() {
    let appliance = appliance();
    let port = appliance.data_port();
    for (asked, other) in [("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "127.0.0.1")] {
        let address = portal(&appliance, asked.parse().unwrap());
        assert_eq!(
            discover(&Login::discovery(address)),
            [
                pair("TargetName", TARGET),
                pair("TargetAddress", &format!("{asked}:{port},1")),
                pair("TargetAddress", &format!("{other}:{port},1")),
            ]
        );
    }
}

#[test]
fn a_target_switched_off_is_not_listed() {
    let appliance = appliance();
    appliance.set_target_active(POOL, TARGET, false).unwrap();
    assert_eq!(discover(&Login::discovery(portal(&appliance, FIRST))), []);
}

#[test]
fn a_portal_that_is_not_allowed_is_neither_listed_nor_told_of_the_target() {
    let appliance = appliance();
    appliance.set_target_vips(POOL, TARGET, &["vip1"]).unwrap();
    let port = appliance.data_port();
    assert_eq!(
        discover(&Login::discovery(portal(&appliance, FIRST))),
        [
            pair("TargetName", TARGET),
            pair("TargetAddress", &format!("127.0.0.1:{port},1")),
        ]
    );
    assert_eq!(discover(&Login::discovery(portal(&appliance, SECOND))), []);
}

#[test]
fn a_long_list_comes_in_several_units() {
    let appliance = appliance();
    for number in 0..200 {
        let target = format!("{TARGET}-{number:03}");
        appliance.create_target(POOL, &target).unwrap();
    }
    let found = discover(&Login::discovery(portal(&appliance, FIRST)));
    let names = found.iter().filter(|(key, _)| key == "TargetName").count();
    assert_eq!((names, found.len()), (201, 603));
}

#[test]
fn a_session_asks_for_its_own_target_only() {
    let appliance = appliance();
    appliance
        .create_target(POOL, "iqn.2025-04.proxmox.joviandss.iscsi:other")
        .unwrap();
    let mut initiator = login(&appliance).log_in().unwrap();
    for own in ["", TARGET] {
        let found = initiator.text(&[("SendTargets", own)]);
        assert_eq!(found[0], pair("TargetName", TARGET));
        assert_eq!(found.len(), 3);
    }
    let refused = [pair("SendTargets", "Reject")];
    let other = "iqn.2025-04.proxmox.joviandss.iscsi:other";
    for foreign in ["All", other] {
        assert_eq!(initiator.text(&[("SendTargets", foreign)]), refused);
    }
}

#[test]
fn discovery_needs_no_target_and_takes_no_commands() {
    let appliance = appliance();
    let mut initiator = Login::discovery(portal(&appliance, FIRST))
        .log_in()
        .unwrap();
    initiator.start(0, &[0; 6], crate::initiator::Data::None);
    let answer = initiator.receive_status().unwrap();
    assert_eq!(
        (answer.opcode(), answer.bhs[2]),
        (0x3f, 0x04),
        "protocol error"
    );
    initiator.assert_closed();
}

#[test]
fn a_nameless_initiator_is_refused() {
    let appliance = appliance();
    let login = Login::discovery(portal(&appliance, FIRST)).initiator("");
    assert_eq!(login.log_in().err(), Some(Refused::Status(2, 7)));
}
