//! CHAP: who is let in, and when that changes.

use jdss_rest::{ChapPassword, Error, ErrorKind, RenewChap};
use jdss_sim::Fault;

use super::*;

const USERS: &str = "/pools/{pool}/san/iscsi/targets/{target}/incoming-users";
const SECRET: &str = "correct-horse";

fn password() -> ChapPassword {
    ChapPassword::new(SECRET.to_owned().into()).expect("a password")
}

fn on(volume: &str) -> Publish {
    Publish {
        chap: Chap::On {
            user: "pve".parse().expect("a user"),
            password: password(),
        },
        ..request(volume)
    }
}

fn off(volume: &str) -> Publish {
    Publish {
        chap: Chap::Off,
        ..request(volume)
    }
}

/// Whether the target asks for CHAP, and its users.
fn state(lab: &Lab, target: &str) -> (bool, Vec<String>) {
    let pool = lab.client.pool(POOL);
    let asks = pool.target(target, soon()).expect("it is there").chap;
    (asks, pool.chap_users(target, soon()).expect("a list"))
}

fn changes(lab: &Lab) -> Vec<String> {
    let asked = lab.asked().into_iter();
    asked.filter(|asked| !asked.starts_with("GET")).collect()
}

#[test]
fn a_new_target_asks_for_chap_before_the_volume_is_there() {
    let lab = Lab::new();
    let published = lab.client.publish(&on(VM), soon()).unwrap();
    assert!(published.chap);
    let order = ["POST targets", "POST incoming-users", "POST luns"];
    assert_eq!(changes(&lab), order);
    let body = &lab
        .appliance
        .requests()
        .into_iter()
        .find(|r| r.method == "POST")
        .unwrap()
        .body;
    assert!(
        format!("{body:?}").contains("incoming_users_active"),
        "{body:?}"
    );
    assert_eq!(state(&lab, &target(0)), (true, vec!["pve".to_owned()]));
    lab.assert_clean();
}

#[test]
fn an_idle_target_gets_the_user_before_the_switch() {
    let lab = Lab::new();
    lab.published(VM);
    let published = lab.client.publish(&on(VM), soon()).unwrap();
    assert!(published.chap);
    assert_eq!(changes(&lab), ["POST incoming-users", "PUT target"]);
    assert_eq!(state(&lab, &target(0)), (true, vec!["pve".to_owned()]));
    lab.assert_clean();
}

#[test]
fn users_of_others_go_after_ours_is_there() {
    let lab = Lab::new();
    lab.published(VM);
    let pool = lab.client.pool(POOL);
    for user in ["old", "older"] {
        let user = user.parse().unwrap();
        pool.add_chap_user(&target(0), &user, &password(), soon())
            .unwrap();
    }
    pool.set_chap(&target(0), true, soon()).unwrap();
    lab.appliance.clear_log();
    lab.client.publish(&on(VM), soon()).unwrap();
    let order = ["POST incoming-users", "DELETE {user}", "DELETE {user}"];
    assert_eq!(changes(&lab), order);
    assert_eq!(state(&lab, &target(0)), (true, vec!["pve".to_owned()]));
    lab.assert_clean();
}

#[test]
fn the_right_user_alone_is_kept_as_it_is() {
    let lab = Lab::new();
    lab.client.publish(&on(VM), soon()).unwrap();
    lab.appliance.clear_log();
    lab.client.publish(&on(VM), soon()).unwrap();
    assert_eq!(changes(&lab), [""; 0]);
    lab.assert_clean();
}

#[test]
fn switching_off_comes_before_the_users_go() {
    let lab = Lab::new();
    lab.client.publish(&on(VM), soon()).unwrap();
    lab.appliance.clear_log();
    assert!(!lab.client.publish(&off(VM), soon()).unwrap().chap);
    assert_eq!(changes(&lab), ["PUT target", "DELETE {user}"]);
    assert_eq!(state(&lab, &target(0)), (false, Vec::new()));
    lab.appliance.clear_log();
    lab.client.publish(&off(VM), soon()).unwrap();
    assert_eq!(lab.asked().len(), 3);
    lab.assert_clean();
}

#[test]
fn a_publication_that_does_not_manage_chap_leaves_it_to_its_users() {
    let lab = Lab::new();
    lab.client.publish(&on(VM), soon()).unwrap();
    lab.appliance.clear_log();
    for volume in [VM, "vm-100-disk-1"] {
        assert!(lab.publish(volume).unwrap().chap, "it is told");
    }
    assert_eq!(changes(&lab), ["POST luns"]);
    assert_eq!(state(&lab, &target(0)), (true, vec!["pve".to_owned()]));
    lab.assert_clean();
}

#[test]
fn an_open_target_in_use_stays_open_and_gets_no_further_volume() {
    let lab = Lab::new();
    let open = lab.published(VM).target;
    let session = lab.log_in(&open, OTHER);
    let published = lab.client.publish(&on(VM), soon()).unwrap();
    assert_eq!((published.target, published.chap), (open.clone(), false));
    // The user is there for the time when it is switched on.
    assert_eq!(state(&lab, &open), (false, vec!["pve".to_owned()]));
    let second = lab.client.publish(&on("vm-100-disk-1"), soon()).unwrap();
    assert_eq!((second.target, second.chap), (target(1), true));
    lab.appliance.log_out(&session);
    assert!(lab.client.publish(&on(VM), soon()).unwrap().chap);
    lab.assert_clean();
}

#[test]
fn users_and_switch_that_sessions_need_stay() {
    let lab = Lab::new();
    lab.client.publish(&on(VM), soon()).unwrap();
    let session = lab.log_in(&target(0), OTHER);
    let error = lab.client.publish(&off(VM), soon()).unwrap_err();
    assert!(matches!(error, Error::ChapInUse { .. }), "{error}");
    assert_eq!(
        (error.kind(), error.is_transient()),
        (ErrorKind::InUse, false)
    );
    for part in [OTHER.0, OTHER.1, &target(0)] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
    let second = lab.client.publish(&off("vm-100-disk-1"), soon()).unwrap();
    assert_eq!((second.target, second.chap), (target(1), false));
    // Another user: it is added, and nobody is locked out.
    let mut other = on(VM);
    if let Chap::On { user, .. } = &mut other.chap {
        *user = "other".parse().unwrap();
    }
    assert!(lab.client.publish(&other, soon()).unwrap().chap);
    let both = vec!["pve".to_owned(), "other".to_owned()];
    assert_eq!(state(&lab, &target(0)), (true, both));
    lab.appliance.log_out(&session);
    lab.client.publish(&other, soon()).unwrap();
    assert_eq!(state(&lab, &target(0)), (true, vec!["other".to_owned()]));
    lab.assert_clean();
}

#[test]
fn a_target_of_another_group_keeps_its_chap() {
    let lab = Lab::new();
    let old = "iqn.2020-01.old:vm-100-0";
    lab.appliance.create_target(POOL, old).unwrap();
    lab.appliance
        .attach(POOL, old, "v_vm-100-disk-0", 0)
        .unwrap();
    lab.log_in(old, OTHER);
    assert!(!lab.client.publish(&on(VM), soon()).unwrap().chap);
    assert_eq!(changes(&lab), [""; 0]);
    lab.assert_clean();
}

#[test]
fn a_user_whose_answer_was_lost_is_found() {
    for fault in [Fault::NoReply, Fault::Reset, Fault::configuration_race()] {
        let lab = Lab::new();
        lab.appliance
            .fault("POST", USERS, 1, fault.clone())
            .unwrap();
        lab.client.publish(&on(VM), soon()).unwrap();
        let state = state(&lab, &target(0));
        assert_eq!(state, (true, vec!["pve".to_owned()]), "{fault:?}");
        lab.assert_clean();
    }
}

#[test]
fn a_user_that_cannot_be_made_leaves_no_target() {
    let lab = Lab::new();
    // A text that is too long to be kept ends within the password.
    let long = format!("is too long{}", " ".repeat(278));
    for message in [
        format!("'{SECRET}' is too long"),
        format!("{long}'{SECRET}'"),
    ] {
        let quoting = Fault::Answer {
            status: 400,
            class: "jsonschema.ValidationError".to_owned(),
            errno: None,
            message,
        };
        lab.appliance.fault("POST", USERS, 1, quoting).unwrap();
        let error = lab.client.publish(&on(VM), soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let seen = format!("{error} {error:?} {:?}", on(VM));
        assert!(!seen.contains(&SECRET[..4]), "{seen}");
        assert!(seen.contains("is too long"), "{seen}");
    }
    assert_eq!(lab.targets(), [""; 0]);
    lab.assert_clean();
}

#[test]
fn a_request_does_not_show_its_body_to_who_prints_it() {
    let request = jdss_rest::transport::Request {
        method: jdss_rest::transport::Method::Post,
        path: "/pools/Pool-0".to_owned(),
        body: Some(SECRET.to_owned()),
    };
    let shown = format!("{request:?}");
    assert!(shown.contains("/pools/Pool-0"), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
}

#[test]
fn a_password_is_renewed_only_while_no_other_is_logged_in() {
    let lab = Lab::new();
    lab.client.publish(&on(VM), soon()).unwrap();
    let renew = RenewChap {
        pool: POOL.to_owned(),
        target: target(0),
        user: "pve".parse().unwrap(),
        password: ChapPassword::new("battery-staple".to_owned().into()).unwrap(),
        local: local(),
    };
    let others = lab.log_in(&target(0), OTHER);
    lab.log_in(&target(0), OWN);
    let error = lab.client.renew_chap(&renew, soon()).unwrap_err();
    assert!(matches!(error, Error::ForeignSessions { .. }), "{error}");
    lab.appliance.log_out(&others);
    lab.appliance.clear_log();
    lab.client.renew_chap(&renew, soon()).unwrap();
    let order = ["GET sessions", "DELETE {user}", "POST incoming-users"];
    assert_eq!(lab.asked(), order);
    let body = lab.appliance.requests().pop().unwrap().body;
    assert!(format!("{renew:?}").contains("pve"));
    assert!(!format!("{renew:?}").contains("battery"), "{body:?}");
    assert_eq!(state(&lab, &target(0)), (true, vec!["pve".to_owned()]));
    lab.assert_clean();
}

#[test]
fn an_answer_that_says_nothing_is_not_taken_for_chap() {
    for (method, route) in [("PUT", TARGET), ("POST", USERS)] {
        let lab = Lab::new();
        lab.published(VM);
        let silence = Fault::no_body().before_work();
        lab.appliance.fault(method, route, 1, silence).unwrap();
        assert!(lab.client.publish(&on(VM), soon()).unwrap().chap);
        let wanted = (true, vec!["pve".to_owned()]);
        assert_eq!(state(&lab, &target(0)), wanted, "{method}");
        lab.assert_clean();
    }
}

#[test]
fn a_user_that_was_not_removed_after_all_is_renewed_all_the_same() {
    let lab = Lab::new();
    lab.client.publish(&on(VM), soon()).unwrap();
    let silence = Fault::no_body().before_work();
    let user = format!("{USERS}/{{user}}");
    lab.appliance.fault("DELETE", &user, 1, silence).unwrap();
    lab.appliance.clear_log();
    let renew = RenewChap {
        pool: POOL.to_owned(),
        target: target(0),
        user: "pve".parse().unwrap(),
        password: ChapPassword::new("battery-staple".to_owned().into()).unwrap(),
        local: local(),
    };
    lab.client.renew_chap(&renew, soon()).unwrap();
    let once = ["GET sessions", "DELETE {user}", "POST incoming-users"];
    assert_eq!(lab.asked(), [once, once].concat());
    lab.assert_clean();
}
