use crate::initiator::{Data, Initiator};
use crate::{appliance, login, pair, session};

const CONFLICT: u8 = 0x18;

fn out(initiator: &mut Initiator, action: u8, kind: u8, key: u64, action_key: u64) -> u8 {
    let mut list = key.to_be_bytes().to_vec();
    list.extend(action_key.to_be_bytes());
    list.resize(24, 0);
    let cdb = [0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0];
    initiator.command(0, &cdb, Data::Out(&list)).status
}

fn asked(initiator: &mut Initiator, action: u8) -> Vec<u8> {
    let cdb = [0x5e, action, 0, 0, 0, 0, 0, 1, 0, 0];
    initiator.command(0, &cdb, Data::In(256)).good().data
}

fn two() -> (jdss_sim::Appliance, Initiator, Initiator) {
    let appliance = appliance();
    let one = session(&appliance);
    let mut two = login(&appliance)
        .isid(2)
        .log_in()
        .expect("the target is open");
    two.ready(0);
    (appliance, one, two)
}

#[test]
fn write_exclusive_lets_others_read_only() {
    let (_appliance, mut one, mut two) = two();
    assert_eq!(out(&mut one, 0, 0, 0, 0xabc), 0, "register");
    assert_eq!(out(&mut one, 1, 1, 0xabc, 0), 0, "reserve");
    assert_eq!(
        asked(&mut two, 0),
        [0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0x0a, 0xbc]
    );
    assert_eq!(asked(&mut two, 1)[21], 1, "write exclusive");
    two.command(0, &[0; 6], Data::None).good();
    two.read(0, 0, 1).good();
    let refused = two.write(0, 0, &[1; 512]);
    assert_eq!((refused.status, refused.sense.len()), (CONFLICT, 0));
    assert_eq!(out(&mut two, 1, 1, 0xdef, 0), CONFLICT);
    one.write(0, 0, &[1; 512]).good();
    assert_eq!(out(&mut one, 3, 0, 0xabc, 0), 0, "clear");
    two.write(0, 0, &[2; 512]).good();
}

#[test]
fn a_registrant_takes_over_from_one_that_is_lost() {
    let (appliance, mut one, mut two) = two();
    assert_eq!(out(&mut one, 6, 0, 0, 1), 0);
    assert_eq!(out(&mut one, 1, 5, 1, 0), 0);
    drop(one);
    let mut third = login(&appliance).isid(3).log_in().unwrap();
    third.ready(0);
    assert_eq!(
        third.write(0, 0, &[1; 512]).status,
        CONFLICT,
        "it outlives the session"
    );
    assert_eq!(out(&mut two, 0, 0, 0, 2), 0);
    assert_eq!(out(&mut two, 4, 5, 2, 1), 0, "preempt");
    assert_eq!(asked(&mut two, 0)[8..], 2_u64.to_be_bytes());
    two.write(0, 0, &[1; 512]).good();
    assert_eq!(out(&mut two, 2, 5, 2, 0), 0, "release");
    third.write(0, 0, &[1; 512]).good();
}

#[test]
fn reserve_keeps_others_out_until_release_or_the_end_of_the_session() {
    let (_appliance, mut one, mut two) = two();
    one.command(0, &[0x16, 0, 0, 0, 0, 0], Data::None).good();
    two.command(0, &[0; 6], Data::None).good();
    assert_eq!(two.read(0, 0, 1).status, CONFLICT);
    two.command(0, &[0x17, 0, 0, 0, 0, 0], Data::None).good();
    assert_eq!(two.read(0, 0, 1).status, CONFLICT, "not its own to release");
    one.command(0, &[0x17, 0, 0, 0, 0, 0], Data::None).good();
    two.read(0, 0, 1).good();
    one.command(0, &[0x16, 0, 0, 0, 0, 0], Data::None).good();
    one.log_out();
    two.read(0, 0, 1).good();
}

#[test]
fn capabilities_are_scsts() {
    let (_appliance, mut initiator) = pair();
    assert_eq!(asked(&mut initiator, 2), [0, 8, 0x1d, 0xc0, 0xea, 1, 0, 0]);
}
