//! Changes on the appliance while sessions are open.

use crate::initiator::{Data, sixteen};
use crate::{POOL, TARGET, login, pair};

const ABSENT: Option<(u8, u8, u8)> = Some((5, 0x25, 0));
const RESET: Option<(u8, u8, u8)> = Some((6, 0x29, 0));
const NEW_LUNS: [u8; 3] = [6, 0x3f, 0x0e];

fn key(sense: &[u8]) -> [u8; 3] {
    [sense[2], sense[12], sense[13]]
}

#[test]
fn a_removed_unit_is_absent_at_once_and_all_sessions_are_told() {
    let (appliance, mut one) = pair();
    let mut two = login(&appliance).isid(2).log_in().unwrap();
    two.ready(0);
    appliance.detach(POOL, TARGET, "d0").unwrap();
    for session in [&mut one, &mut two] {
        assert_eq!(session.command(0, &[0; 6], Data::None).triple(), ABSENT);
        let (lun, sense) = session.event();
        assert_eq!((lun, key(&sense)), (0, NEW_LUNS));
        let cdb = [0xa0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0];
        let luns = session.command(0, &cdb, Data::In(0x2000)).good().data;
        assert_eq!(luns, [0; 8]);
    }
}

#[test]
fn a_number_used_again_serves_the_other_volume_after_one_attention() {
    let (appliance, mut initiator) = pair();
    appliance.create_volume(POOL, "d2", 1 << 20).unwrap();
    initiator.write(0, 0, &[0x11; 512]).good();
    appliance.detach(POOL, TARGET, "d0").unwrap();
    appliance.attach(POOL, TARGET, "d2", 0).unwrap();
    assert_eq!(initiator.command(0, &[0; 6], Data::None).triple(), RESET);
    assert_eq!(initiator.read(0, 0, 1).good().data, [0; 512]);
    initiator.write(0, 0, &[0x22; 512]).good();

    appliance.detach(POOL, TARGET, "d2").unwrap();
    appliance.attach(POOL, TARGET, "d0", 0).unwrap();
    assert_eq!(initiator.read(0, 0, 1).triple(), RESET);
    assert_eq!(initiator.read(0, 0, 1).good().data, [0x11; 512]);
}

#[test]
fn the_same_volume_taken_away_and_given_back_is_attached_anew() {
    let (appliance, mut initiator) = pair();
    appliance.detach(POOL, TARGET, "d0").unwrap();
    appliance.attach(POOL, TARGET, "d0", 0).unwrap();
    assert_eq!(initiator.command(0, &[0; 6], Data::None).triple(), RESET);
    initiator.command(0, &[0; 6], Data::None).good();
}

#[test]
fn a_write_under_way_goes_to_the_volume_it_was_meant_for() {
    let (appliance, mut initiator) = pair();
    appliance.create_volume(POOL, "d2", 1 << 20).unwrap();
    let data = vec![0x33; 256 << 10];
    let cdb = crate::initiator::ten(0x2a, 0, 512);
    let itt = initiator.start(0, &cdb, Data::Out(&data));
    let r2t = initiator.receive_status().unwrap();
    appliance.detach(POOL, TARGET, "d0").unwrap();
    appliance.attach(POOL, TARGET, "d2", 0).unwrap();
    initiator.obey(&r2t, &data);
    initiator.finish(itt, Data::Out(&data)).good();
    let contents = |name| std::fs::read(appliance.volume_path(POOL, name).unwrap()).unwrap();
    assert_eq!(contents("d0")[..data.len()], data);
    assert!(contents("d2").iter().all(|byte| *byte == 0));
}

#[test]
fn a_new_unit_is_told_of_and_there() {
    let (appliance, mut initiator) = pair();
    appliance.create_volume(POOL, "d5", 1 << 20).unwrap();
    appliance.attach(POOL, TARGET, "d5", 5).unwrap();
    let (lun, sense) = initiator.event();
    assert_eq!((lun, key(&sense)), (0, NEW_LUNS));
    assert_eq!((sense[0], sense.len()), (0x70, 18));
    assert_eq!(initiator.command(5, &[0; 6], Data::None).triple(), RESET);
    initiator.command(0, &[0; 6], Data::None).good();
}

#[test]
fn a_new_size_is_seen_without_attention_and_told_of() {
    let (appliance, mut initiator) = pair();
    appliance.set_volume_size(POOL, "d0", 96 << 20).unwrap();
    initiator.command(0, &[0; 6], Data::None).good();
    let mut cdb = sixteen(0x9e, 0, 32);
    cdb[1] = 0x10;
    let capacity = initiator.command(0, &cdb, Data::In(32)).good().data;
    assert_eq!(capacity[..8], 0x2_ffff_u64.to_be_bytes());
    initiator.read(0, 0x2_ffff, 1).good();
    let (lun, sense) = initiator.event();
    assert_eq!((lun, key(&sense)), (0, [6, 0x2a, 9]));
}

#[test]
fn another_identity_is_told_of() {
    let (appliance, mut initiator) = pair();
    appliance
        .set_scsi_id(POOL, "d0", "0123456789abcdef")
        .unwrap();
    let (lun, sense) = initiator.event();
    assert_eq!((lun, key(&sense)), (0, [6, 0x3f, 3]));
    initiator.command(0, &[0; 6], Data::None).good();
}

#[test]
fn sessions_of_another_target_hear_nothing() {
    let (appliance, mut initiator) = pair();
    let second = "iqn.2025-04.proxmox.joviandss.iscsi:vm-101-0";
    appliance.create_target(POOL, second).unwrap();
    for (name, target) in [("d1", second), ("d2", TARGET)] {
        appliance.create_volume(POOL, name, 1 << 20).unwrap();
        appliance.attach(POOL, target, name, 1).unwrap();
    }
    // Events come in the order of the changes: the first that comes is of our own target.
    initiator.event();
    initiator.ready(1);
    assert!(initiator.events.is_empty());
}
