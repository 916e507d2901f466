//! Sense data, and units that are not there.

use crate::initiator::{Data, sixteen, ten};
use crate::{POOL, SIZE, TARGET, login, pair, session};

#[test]
fn the_first_command_of_a_session_at_each_unit_meets_a_reset() {
    let (appliance, _) = pair();
    appliance.create_volume(POOL, "d1", 1 << 20).unwrap();
    appliance.attach(POOL, TARGET, "d1", 1).unwrap();
    let mut initiator = login(&appliance).isid(2).log_in().unwrap();
    for lun in [0, 1] {
        // Neither of these tells of it, nor uses it up.
        initiator.inquiry(lun, None).good();
        initiator
            .command(lun, &[3, 0, 0, 0, 18, 0], Data::In(18))
            .good();
        let first = initiator.command(lun, &[0; 6], Data::None);
        let sense = [
            0x70, 0, 6, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0,
        ];
        assert_eq!((first.status, &first.sense[..]), (2, &sense[..]));
        initiator.command(lun, &[0; 6], Data::None).good();
    }
}

#[test]
fn an_absent_unit_answers_inquiry_and_nothing_else() {
    let (_appliance, mut initiator) = pair();
    let standard = initiator.inquiry(7, None).good();
    let mut expected = vec![0x7f, 0, 6, 0, 0x20, 0, 0, 0];
    expected.extend(b"SCST    ");
    expected.resize(36, 0);
    assert_eq!(standard.data, expected);
    let absent = Some((5, 0x25, 0));
    assert_eq!(initiator.inquiry(7, Some(0x83)).triple(), absent);
    assert_eq!(initiator.command(7, &[0; 6], Data::None).triple(), absent);
    assert_eq!(initiator.read(7, 0, 1).triple(), absent);
    assert_eq!(initiator.write(7, 0, &[0; 512]).triple(), absent);
}

#[test]
fn sense_is_scsts_byte_for_byte() {
    let (_appliance, mut initiator) = pair();
    let unknown_page = initiator.inquiry(0, Some(0xc5));
    let sense = [
        0x70, 0, 5, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x24, 0, 0, 0xc0, 0, 2,
    ];
    assert_eq!(unknown_page.sense, sense);
    let unknown = initiator.command(0, &[0xff, 0, 0, 0, 0, 0], Data::None);
    let sense = [
        0x70, 0, 5, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0,
    ];
    assert_eq!(unknown.sense, sense);
    let mut status = sixteen(0x9e, 0, 24);
    status[1] = 0x12;
    let status = initiator.command(0, &status, Data::In(24));
    assert_eq!(status.sense[12..], [0x24, 0, 0, 0xc8, 0, 1]);
    let maintenance = [0xa3, 5, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0];
    let maintenance = initiator.command(0, &maintenance, Data::In(0x20));
    assert_eq!(maintenance.triple(), Some((4, 0x44, 0)));
}

#[test]
fn nothing_beyond_the_end_is_read_or_written() {
    let (_appliance, mut initiator) = pair();
    let end = (SIZE / 512) as u32;
    let beyond = Some((5, 0x21, 0));
    initiator.read(0, end - 1, 1).good();
    assert_eq!(initiator.read(0, end - 1, 2).triple(), beyond);
    assert_eq!(initiator.read(0, end, 1).triple(), beyond);
    assert_eq!(initiator.write(0, end - 1, &[1; 1024]).triple(), beyond);
    let far = initiator.command(0, &sixteen(0x88, u64::MAX, 2), Data::In(1024));
    assert_eq!(far.triple(), beyond, "the sum does not wrap");
    for cdb in [ten(0x2f, end, 1), ten(0x35, end, 1)] {
        assert_eq!(initiator.command(0, &cdb, Data::None).triple(), beyond);
    }
}

#[test]
fn a_read_only_unit_refuses_every_change() {
    let (appliance, mut initiator) = pair();
    appliance.create_volume(POOL, "d1", 1 << 20).unwrap();
    appliance.attach_read_only(POOL, TARGET, "d1", 1).unwrap();
    initiator.ready(1);
    let refused = Some((7, 0, 0));
    let block = [0x11; 512];
    assert_eq!(initiator.write(1, 0, &block).triple(), refused);
    let same = initiator.command(1, &ten(0x41, 0, 4), Data::Out(&block));
    assert_eq!(same.triple(), refused);
    let unmap = initiator.command(1, &ten(0x42, 0, 24), Data::Out(&[0; 24]));
    assert_eq!(unmap.triple(), refused);
    let mut both = sixteen(0x89, 0, 0);
    both[13] = 1;
    let both = initiator.command(1, &both, Data::Out(&[0; 1024]));
    assert_eq!(both.triple(), refused);
    assert_eq!(initiator.read(1, 0, 1).good().data, [0; 512]);
}

#[test]
fn commands_that_change_settings_are_refused() {
    let (appliance, _) = pair();
    let mut initiator = session(&appliance);
    let invalid = Some((5, 0x24, 0));
    let select = initiator.command(0, &[0x15, 0x10, 0, 0, 12, 0], Data::Out(&[0; 12]));
    assert_eq!(select.triple(), invalid);
    let saved = initiator.command(0, &[0x1a, 0, 0xff, 0, 0xff, 0], Data::In(0xff));
    assert_eq!(saved.triple(), Some((5, 0x39, 0)));
    let unknown = initiator.command(0, &[0x1a, 0, 0x2a, 0, 0xff, 0], Data::In(0xff));
    assert_eq!(unknown.triple(), invalid);
    let format = initiator.command(0, &[4, 0, 0, 0, 0, 0], Data::None);
    assert_eq!(format.triple(), invalid);
}

#[test]
fn protection_and_two_way_commands_are_refused() {
    let (_appliance, mut initiator) = pair();
    let mut cdb = ten(0x28, 0, 1);
    cdb[1] = 0x20;
    let protected = initiator.command(0, &cdb, Data::In(512));
    assert_eq!(protected.sense[12..], [0x24, 0, 0, 0xc0, 0, 1]);
    let mut both = initiator.request(0x01, 0xe0);
    crate::initiator::put(&mut both, 20, 512);
    both[32..42].copy_from_slice(&ten(0x28, 0, 1));
    initiator.send(both, &[]);
    let itt = crate::initiator::word(&both, 16);
    assert_eq!(
        initiator.finish(itt, Data::None).triple(),
        Some((5, 0x24, 0))
    );
}
