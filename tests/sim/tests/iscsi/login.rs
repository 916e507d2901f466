use crate::initiator::{Data, Initiator, Login, NAME, Refused, text};
use crate::{FIRST, POOL, SECOND, TARGET, appliance, login, portal};

#[test]
fn parameters_are_those_that_scst_agrees_to() {
    let appliance = appliance();
    let session = login(&appliance).log_in().unwrap();
    let expected = [
        ("AuthMethod", "None"),
        ("DataDigest", "None"),
        ("DataPDUInOrder", "Yes"),
        ("DataSequenceInOrder", "Yes"),
        ("DefaultTime2Retain", "0"),
        ("DefaultTime2Wait", "0"),
        ("ErrorRecoveryLevel", "0"),
        ("FirstBurstLength", "65536"),
        ("HeaderDigest", "None"),
        ("ImmediateData", "Yes"),
        ("InitialR2T", "No"),
        ("MaxBurstLength", "1048576"),
        ("MaxConnections", "1"),
        ("MaxOutstandingR2T", "1"),
        ("MaxRecvDataSegmentLength", "1048576"),
        ("TargetPortalGroupTag", "1"),
    ];
    let negotiated: Vec<(&str, &str)> = session
        .negotiated
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(negotiated, expected);
}

#[test]
fn unknown_keys_are_not_understood() {
    let appliance = appliance();
    let session = login(&appliance)
        .key("X-org.example", "1")
        .log_in()
        .unwrap();
    assert_eq!(session.negotiated["X-org.example"], "NotUnderstood");
}

#[test]
fn an_open_session_is_listed_with_both_ends_until_logout() {
    let appliance = appliance();
    let mut at_first = login(&appliance).log_in().unwrap();
    let at_second = Login::new(portal(&appliance, SECOND), TARGET)
        .isid(2)
        .log_in()
        .unwrap();
    let mut portals: Vec<_> = appliance
        .sessions()
        .into_iter()
        .inspect(|session| assert_eq!((&*session.target, &*session.initiator), (TARGET, NAME)))
        .map(|session| session.portal_ip)
        .collect();
    portals.sort();
    assert_eq!(portals, [FIRST, SECOND]);
    assert_eq!(at_first.log_out(), 0);
    let left = appliance.sessions();
    assert_eq!(
        left.len(),
        1,
        "whoever has the answer sees the session gone"
    );
    at_first.assert_closed();
    drop(at_second);
}

#[test]
fn whoever_may_not_log_in_is_told_not_found() {
    let appliance = appliance();
    let not_found = Some(Refused::Status(2, 3));
    let unknown = Login::new(portal(&appliance, FIRST), &format!("{TARGET}x"));
    assert_eq!(unknown.log_in().err(), not_found, "unknown target");

    appliance.set_target_vips(POOL, TARGET, &["vip1"]).unwrap();
    let elsewhere = Login::new(portal(&appliance, SECOND), TARGET);
    assert_eq!(elsewhere.log_in().err(), not_found, "portal not allowed");

    appliance.detach(POOL, TARGET, "d0").unwrap();
    assert_eq!(login(&appliance).log_in().err(), not_found, "no LUN");
}

#[test]
fn a_target_switched_off_closes_without_a_word_and_keeps_its_sessions() {
    let appliance = appliance();
    let mut before = login(&appliance).log_in().unwrap();
    appliance.set_target_active(POOL, TARGET, false).unwrap();
    assert_eq!(
        login(&appliance).isid(2).log_in().err(),
        Some(Refused::Closed)
    );
    before.ready(0);
    appliance.set_target_active(POOL, TARGET, true).unwrap();
    login(&appliance).isid(2).log_in().unwrap();
}

#[test]
fn insisting_on_digests_is_refused() {
    let appliance = appliance();
    let login = login(&appliance).key("HeaderDigest", "CRC32C");
    assert_eq!(login.log_in().err(), Some(Refused::Status(2, 0)));
}

#[test]
fn the_same_initiator_port_takes_over_its_session() {
    let appliance = appliance();
    let mut old = login(&appliance).log_in().unwrap();
    let mut other = login(&appliance).isid(2).log_in().unwrap();
    let mut foreign = login(&appliance)
        .initiator("iqn.2026-01.test:other")
        .log_in()
        .unwrap();
    let mut new = login(&appliance).log_in().unwrap();
    assert_ne!(new.tsih, old.tsih);
    old.assert_closed();
    assert_eq!(appliance.sessions().len(), 3);
    for session in [&mut other, &mut foreign, &mut new] {
        session.ready(0);
    }
}

#[test]
fn a_session_that_does_not_exist_cannot_be_joined() {
    let appliance = appliance();
    let mut joining = login(&appliance);
    joining.tsih = 77;
    assert_eq!(joining.log_in().err(), Some(Refused::Status(2, 0x0a)));
    let session = login(&appliance).log_in().unwrap();
    joining.tsih = session.tsih;
    let again = joining.log_in().unwrap();
    assert_eq!(again.tsih, session.tsih, "the same connection, once more");
}

#[test]
fn a_text_in_several_units_is_put_together() {
    let appliance = appliance();
    let login = login(&appliance);
    let mut initiator = Initiator::connect(login.portal);
    let names = text(&[
        ("InitiatorName", NAME),
        ("TargetName", TARGET),
        ("SessionType", "Normal"),
        ("X-padding", &"x".repeat(9000)),
        ("MaxBurstLength", "65536"),
    ]);
    let (first, rest) = names.split_at(4000);
    let (second, third) = rest.split_at(4000);
    let more = 0x40 | 1 << 2;
    for part in [first, second] {
        let answer = initiator.login_step(&login, more, part).unwrap();
        assert_eq!((answer.bhs[1], answer.data.len()), (1 << 2, 0));
    }
    let answer = initiator
        .login_step(&login, 0x80 | 1 << 2 | 3, third)
        .unwrap();
    assert_eq!(answer.bhs[1], 0x87);
    assert_eq!(initiator.negotiated["X-padding"], "NotUnderstood");
    assert_eq!(initiator.negotiated["MaxBurstLength"], "65536");
    initiator.ready(0);
}

#[test]
fn an_answer_that_does_not_fit_comes_in_several_units() {
    let appliance = appliance();
    let login = login(&appliance);
    let mut initiator = Initiator::connect(login.portal);
    let mut keys = vec![
        ("InitiatorName".to_owned(), NAME.to_owned()),
        ("TargetName".to_owned(), TARGET.to_owned()),
    ];
    keys.extend((0..400).map(|number| (format!("X-{number:030}"), "1".to_owned())));
    let keys: Vec<(&str, &str)> = keys
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let text = text(&keys);
    for part in text.chunks(8192).take(text.len() / 8192) {
        initiator.login_step(&login, 0x40 | 1 << 2, part).unwrap();
    }
    let last = &text[text.len() / 8192 * 8192..];
    let flags = 0x80 | 1 << 2 | 3;
    let mut whole = Vec::new();
    let mut part = last;
    // A pair may be cut in two, so the text is put together here.
    loop {
        let mut bhs = initiator.login_header(&login, flags);
        bhs[1] = flags;
        initiator.send(bhs, part);
        part = &[];
        let answer = initiator.receive_status().unwrap();
        whole.extend(&answer.data);
        if answer.bhs[1] & 0x40 == 0 {
            assert_eq!(answer.bhs[1], 0x87);
            break;
        }
    }
    let answers = crate::initiator::pairs(&whole);
    let unknown = answers.iter().filter(|(_, value)| value == "NotUnderstood");
    assert_eq!(unknown.count(), 400);
}

#[test]
fn steps_out_of_order_are_initiator_errors() {
    let appliance = appliance();
    let login = login(&appliance);
    let names = text(&[("InitiatorName", NAME), ("TargetName", TARGET)]);
    let error = Some(Refused::Status(2, 0));
    let first = |flags| {
        let mut initiator = Initiator::connect(login.portal);
        initiator.login_step(&login, flags, &names).err()
    };
    assert_eq!(
        first(0x80 | 3 << 2 | 3),
        error,
        "full feature phase at once"
    );
    assert_eq!(first(0x80 | 1 << 2 | 1), error, "a step that leads nowhere");
    assert_eq!(first(0xc0 | 1), error, "unfinished and finished at once");

    let mut back = Initiator::connect(login.portal);
    back.login_step(&login, 1 << 2, &names).unwrap();
    assert_eq!(
        back.login_step(&login, 0x80 | 1, &[]).err(),
        error,
        "backwards"
    );
}

#[test]
fn a_newer_version_and_a_missing_target_are_refused() {
    let appliance = appliance();
    let login = login(&appliance);
    let mut initiator = Initiator::connect(login.portal);
    let mut bhs = initiator.login_header(&login, 0x81);
    bhs[2..4].copy_from_slice(&[2, 1]);
    initiator.send(
        bhs,
        &text(&[("InitiatorName", NAME), ("TargetName", TARGET)]),
    );
    let answer = initiator.receive_status().unwrap();
    assert_eq!(answer.bhs[36..38], [2, 5]);

    let mut initiator = Initiator::connect(login.portal);
    let nowhere = initiator.login_step(&login, 0x81, &text(&[("InitiatorName", NAME)]));
    assert_eq!(nowhere.err(), Some(Refused::Status(2, 7)));
}

#[test]
fn a_first_unit_that_is_no_login_ends_the_connection() {
    let appliance = appliance();
    let mut initiator = Initiator::connect(portal(&appliance, FIRST));
    initiator.start(0, &[0; 6], Data::None);
    initiator.assert_closed();
}
