//! Cut portals, broken units, and initiators that vanish.

use std::sync::LazyLock;

use jdss_sim::Appliance;
use proptest::prelude::*;

use crate::initiator::{Data, Initiator, Login, ten};
use crate::{FIRST, POOL, SECOND, TARGET, appliance, login, pair, portal, session};

#[test]
fn a_closed_portal_drops_its_sessions_and_refuses_new_ones() {
    let (appliance, mut first) = pair();
    let at_second = Login::new(portal(&appliance, SECOND), TARGET).isid(2);
    let mut second = at_second.log_in().unwrap();
    second.ready(0);
    appliance.close_portal(FIRST).unwrap();
    first.assert_closed();
    let open: Vec<_> = appliance
        .sessions()
        .iter()
        .map(|session| session.portal_ip)
        .collect();
    assert_eq!(open, [SECOND]);
    let refused = std::net::TcpStream::connect(portal(&appliance, FIRST));
    assert_eq!(
        refused.map(drop).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::ConnectionRefused)
    );
    second.read(0, 0, 8).good();
    appliance.open_portal(FIRST).unwrap();
    session(&appliance).read(0, 0, 8).good();
}

#[test]
fn closing_and_opening_again_and_again_leaves_a_working_portal() {
    let appliance = appliance();
    for _ in 0..20 {
        let mut initiator = session(&appliance);
        appliance.close_portal(FIRST).unwrap();
        appliance.close_portal(FIRST).unwrap();
        initiator.assert_closed();
        appliance.open_portal(FIRST).unwrap();
        appliance.open_portal(FIRST).unwrap();
    }
    session(&appliance);
}

#[test]
fn a_silent_portal_answers_when_it_is_opened_again() {
    let (appliance, mut first) = pair();
    let mut second = Login::new(portal(&appliance, SECOND), TARGET)
        .isid(2)
        .log_in()
        .unwrap();
    second.ready(0);
    appliance.silence_portal(FIRST).unwrap();
    appliance.clear_log();
    let itt = first.start(0, &ten(0x28, 0, 1), Data::In(512));
    let mut connected = Initiator::connect(portal(&appliance, FIRST));
    second.read(0, 0, 1).good();
    let portals: Vec<_> = appliance
        .commands()
        .iter()
        .map(|command| command.portal)
        .collect();
    assert_eq!(portals, [SECOND]);
    appliance.open_portal(FIRST).unwrap();
    first.finish(itt, Data::In(512)).good();
    let login = login(&appliance).isid(3);
    let names = crate::initiator::text(&[
        ("InitiatorName", crate::initiator::NAME),
        ("TargetName", TARGET),
    ]);
    connected.login_step(&login, 0x87, &names).unwrap();
}

#[test]
fn events_of_a_silent_portal_come_when_it_is_opened_again() {
    let (appliance, mut first) = pair();
    let mut second = Login::new(portal(&appliance, SECOND), TARGET)
        .isid(2)
        .log_in()
        .unwrap();
    appliance.silence_portal(FIRST).unwrap();
    appliance.set_volume_size(POOL, "d0", 96 << 20).unwrap();
    // Told later than the first session would have been.
    assert_eq!(second.event().0, 0);
    assert!(!first.has_input());
    appliance.open_portal(FIRST).unwrap();
    assert_eq!(first.event().0, 0);
}

#[test]
fn what_was_sent_to_a_silent_portal_is_lost_when_the_initiator_gives_up() {
    let (appliance, mut first) = pair();
    appliance.silence_portal(FIRST).unwrap();
    appliance.clear_log();
    first.start(0, &ten(0x2a, 0, 1), Data::Out(&[0x77; 512]));
    drop(first);
    appliance.open_portal(FIRST).unwrap();
    // The same port comes back, which waits for the old session's end.
    let mut back = session(&appliance);
    let there = back.read(0, 0, 1).good().data;
    assert!(there.iter().all(|byte| *byte == 0));
    assert!(
        appliance
            .commands()
            .iter()
            .all(|command| command.opcode != 0x2a)
    );
}

#[test]
fn a_silent_portal_can_be_closed_and_the_appliance_dropped() {
    let (appliance, mut first) = pair();
    appliance.silence_portal(FIRST).unwrap();
    first.start(0, &[0; 6], Data::None);
    appliance.close_portal(FIRST).unwrap();
    first.assert_closed();
    appliance.open_portal(FIRST).unwrap();
    let mut again = session(&appliance);
    appliance.silence_portal(FIRST).unwrap();
    again.start(0, &[0; 6], Data::None);
    drop(appliance);
    again.assert_closed();
}

#[test]
fn sessions_closed_by_the_target_may_come_back() {
    let (appliance, mut initiator) = pair();
    assert_eq!(appliance.close_sessions(TARGET), 1);
    initiator.assert_closed();
    assert_eq!(appliance.sessions(), []);
    session(&appliance);
}

#[test]
fn an_initiator_that_vanishes_leaves_nothing_behind() {
    let (appliance, mut gone) = pair();
    let data = vec![0x66; 256 << 10];
    gone.start(0, &ten(0x2a, 0, 512), Data::Out(&data));
    gone.receive_status().unwrap();
    drop(gone);
    // The same port comes back, which waits for the old session's end.
    let mut back = session(&appliance);
    assert_eq!(appliance.sessions().len(), 1);
    assert_eq!(back.read(0, 0, 1).good().data, [0; 512]);
}

#[test]
fn dropping_the_appliance_closes_everything() {
    let (appliance, mut initiator) = pair();
    let address = portal(&appliance, FIRST);
    drop(appliance);
    initiator.assert_closed();
    assert!(std::net::TcpStream::connect(address).is_err());
}

/// One appliance for all that is thrown at it in one test: in another it would be the same initiator.
static FOR_BYTES: LazyLock<Appliance> = LazyLock::new(appliance);
static FOR_UNITS: LazyLock<Appliance> = LazyLock::new(appliance);

/// Sends bytes and goes away.
fn poke(appliance: &Appliance, bytes: &[u8], logged_in: bool) {
    let mut initiator = match logged_in {
        true => session(appliance),
        false => Initiator::connect(portal(appliance, FIRST)),
    };
    initiator.send_bytes(bytes);
    drop(initiator);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_bytes_come_the_target_serves_the_next_initiator(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        logged_in in any::<bool>(),
    ) {
        poke(&FOR_BYTES, &bytes, logged_in);
        session(&FOR_BYTES).read(0, 0, 1).good();
    }

    #[test]
    fn whatever_units_come_the_target_serves_the_next_initiator(
        units in prop::collection::vec(
            (
                prop::sample::select(vec![0x00_u8, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x1c, 0x3f]),
                any::<[u8; 32]>(),
                any::<[u8; 15]>(),
                0_usize..80,
            ),
            1..6,
        ),
        logged_in in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        for (opcode, head, tail, length) in units {
            let mut bhs = [0; 48];
            bhs[0] = 0x40 | opcode;
            bhs[1..33].copy_from_slice(&head);
            bhs[33..].copy_from_slice(&tail);
            bhs[4..8].copy_from_slice(&[0, 0, 0, length as u8]);
            bytes.extend(bhs);
            bytes.extend(vec![0x3d; length.next_multiple_of(4)]);
        }
        poke(&FOR_UNITS, &bytes, logged_in);
        session(&FOR_UNITS).read(0, 0, 1).good();
    }
}
