//! Answers that must be SCST's byte for byte, as they were captured from a real one.

use jdss_sim::Appliance;

use crate::initiator::{Data, Initiator, sixteen};
use crate::{POOL, TARGET, pair, session};

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"))
        .collect()
}

fn page(initiator: &mut Initiator, page: u8) -> Vec<u8> {
    initiator.inquiry(0, Some(page)).good().data
}

#[test]
fn standard_inquiry() {
    let (_appliance, mut initiator) = pair();
    let expected = bytes(
        "00 00 06 22 3d 08 10 02  53 43 53 54 5f 42 49 4f
         64 30 20 20 20 20 20 20  20 20 20 20 20 20 20 20
         33 31 31 30 00 00 00 00  00 00 00 00 00 00 00 00
         00 00 00 00 00 00 00 00  00 00 00 8b 09 60 04 63
         04 c0",
    );
    assert_eq!(initiator.inquiry(0, None).good().data, expected);
    let short = initiator.command(0, &[0x12, 0, 0, 0, 0x24, 0], Data::In(0x24));
    assert_eq!(short.good().data, expected[..36]);
}

#[test]
fn vital_product_data_of_a_thin_volume() {
    let (_appliance, mut initiator) = pair();
    assert_eq!(
        page(&mut initiator, 0x00),
        bytes("00 00 00 07 00 80 83 86 b0 b1 b2")
    );
    assert_eq!(
        page(&mut initiator, 0x83),
        bytes(
            "00 83 00 2b 02 01 00 13  53 43 53 54 5f 42 49 4f
             66 38 62 31 63 64 35 34  2d 64 30 01 14 00 04 00
             00 00 01 01 02 00 08 34  66 61 31 63 30 64 65"
        )
    );
    let mut extended = bytes("00 86 00 3c 00 07 01 01");
    extended.resize(64, 0);
    assert_eq!(page(&mut initiator, 0x86), extended);
    assert_eq!(
        page(&mut initiator, 0xb0),
        bytes(
            "00 b0 00 3c 01 ff 00 08  00 00 40 00 00 00 04 00
             00 00 00 00 00 7f ff ff  ff ff ff ff 00 00 00 08
             00 00 00 00 00 00 00 00  00 08 00 00 00 00 00 00
             00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
        )
    );
    let mut characteristics = bytes("00 b1 00 3c 3a 98");
    characteristics.resize(64, 0);
    assert_eq!(page(&mut initiator, 0xb1), characteristics);
    assert_eq!(page(&mut initiator, 0xb2), bytes("00 b2 00 04 00 e0 02 00"));
}

#[test]
fn serial_number_is_text_of_its_own_length() {
    let (_appliance, mut initiator) = pair();
    let serial = page(&mut initiator, 0x80);
    assert_eq!(serial[..2], [0, 0x80]);
    assert_eq!(usize::from(serial[3]), serial.len() - 4);
    assert!(serial[4..].iter().all(u8::is_ascii_hexdigit) && serial.len() > 4);
}

#[test]
fn only_the_first_eight_characters_of_the_id_are_seen() {
    let (appliance, mut initiator) = pair();
    let before = page(&mut initiator, 0x83);
    appliance
        .set_scsi_id(POOL, "d0", "4fa1c0deyyyyyyyy")
        .unwrap();
    assert_eq!(page(&mut initiator, 0x83), before);
    appliance
        .set_scsi_id(POOL, "d0", "Zfa1c0deyyyyyyyy")
        .unwrap();
    assert_eq!(page(&mut initiator, 0x83)[39..], *b"Zfa1c0de");
}

#[test]
fn a_long_device_name_is_cut_to_sixteen_characters() {
    let (appliance, mut initiator) = pair();
    let name = "a-device-name-of-more-than-16-characters";
    appliance.create_volume(POOL, name, 1 << 20).unwrap();
    appliance.attach(POOL, TARGET, name, 1).unwrap();
    let standard = initiator.inquiry(1, None).good().data;
    assert_eq!(standard[16..32], *b"a-device-name-of");
    let identification = initiator.inquiry(1, Some(0x83)).good().data;
    assert_eq!(identification[16..41], *b"ce1ecb15-a-device-name-of");
}

#[test]
fn the_relative_port_is_the_targets_number() {
    let (appliance, _initiator) = pair();
    let second = "iqn.2025-04.proxmox.joviandss.iscsi:vm-101-0";
    appliance.create_target(POOL, second).unwrap();
    appliance.create_volume(POOL, "d1", 1 << 20).unwrap();
    appliance.attach(POOL, second, "d1", 0).unwrap();
    let mut login = crate::login(&appliance);
    login.target = Some(second.to_owned());
    let data = login.log_in().unwrap().inquiry(0, Some(0x83)).good().data;
    assert_eq!(data[27..35], [0x01, 0x14, 0, 4, 0, 0, 0, 2]);
}

#[test]
fn mode_pages() {
    let (_appliance, mut initiator) = pair();
    let body = "00 02 00 00 00 00 02 00
         01 0a c0 01 00 00 00 00  01 00 ff ff
         02 0e 80 80 00 0a 00 00  00 00 00 00 00 00 00 00
         03 16 00 00 00 00 00 00  00 00 00 38 02 00 00 00  00 00 00 00 40 00 00 00
         88 12 04 00 00 00 00 00  00 00 00 00 80 14 00 00  00 00 00 00
         8a 0a 20 10 00 00 00 00  00 00 02 4b
         1c 0a 08 00 00 00 00 00  00 00 00 00
         04 16 00 00 0a ff 00 00  00 00 00 00 00 00 00 00  00 00 00 00 3a 98 00 00";
    let six = initiator.command(0, &[0x1a, 0, 0x3f, 0, 0xff, 0], Data::In(0xff));
    assert_eq!(six.good().data, bytes(&format!("83 00 10 08 {body}")));
    let ten = [0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0, 0];
    let ten = initiator.command(0, &ten, Data::In(0x100));
    assert_eq!(
        ten.good().data,
        bytes(&format!("00 86 00 10 00 00 00 08 {body}"))
    );
    let caching = initiator.command(0, &[0x1a, 8, 8, 0, 0xff, 0], Data::In(0xff));
    assert_eq!(caching.good().data[..7], bytes("17 00 10 00 88 12 04"));
}

#[test]
fn a_read_only_unit_says_so() {
    let (appliance, mut initiator) = pair();
    appliance.create_volume(POOL, "d1", 1 << 20).unwrap();
    appliance.attach_read_only(POOL, TARGET, "d1", 1).unwrap();
    initiator.ready(1);
    let mode = initiator.command(1, &[0x1a, 0, 0x3f, 0, 4, 0], Data::In(4));
    assert_eq!(mode.good().data, bytes("83 00 90 08"));
}

fn capacity(initiator: &mut Initiator, lun: u16) -> (Vec<u8>, Vec<u8>) {
    let ten = initiator.command(lun, &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], Data::In(8));
    let mut cdb = sixteen(0x9e, 0, 32);
    cdb[1] = 0x10;
    let sixteen = initiator.command(lun, &cdb, Data::In(32));
    (ten.good().data, sixteen.good().data)
}

#[test]
fn capacity_of_a_small_and_a_huge_volume() {
    let (appliance, mut initiator) = pair();
    let tail = "00 00 02 00 00 00 80 00  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";
    let (ten, sixteen) = capacity(&mut initiator, 0);
    assert_eq!(ten, bytes("00 01 ff ff 00 00 02 00"));
    assert_eq!(sixteen, bytes(&format!("00 00 00 00 00 01 ff ff {tail}")));

    appliance.set_volume_size(POOL, "d0", 3 << 40).unwrap();
    let (ten, sixteen) = capacity(&mut initiator, 0);
    assert_eq!(ten, bytes("ff ff ff ff 00 00 02 00"));
    assert_eq!(sixteen, bytes(&format!("00 00 00 01 7f ff ff ff {tail}")));
}

fn luns(initiator: &mut Initiator, asked: u16) -> Vec<u8> {
    let cdb = [0xa0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0];
    initiator.command(asked, &cdb, Data::In(0x2000)).good().data
}

fn attach(appliance: &Appliance, name: &str, lun: u16) {
    appliance
        .create_volume(POOL, name, 1 << 20)
        .expect("the name is free");
    appliance
        .attach(POOL, TARGET, name, lun)
        .expect("the number is free");
}

#[test]
fn luns_are_reported_in_order_at_any_lun_without_attention() {
    let (appliance, _) = pair();
    attach(&appliance, "d16383", 16383);
    attach(&appliance, "d300", 300);
    attach(&appliance, "d1", 1);
    let mut initiator = crate::login(&appliance).isid(9).log_in().unwrap();
    let expected = bytes(
        "00 00 00 20 00 00 00 00  00 00 00 00 00 00 00 00  00 01 00 00 00 00 00 00
         01 2c 00 00 00 00 00 00  3f ff 00 00 00 00 00 00",
    );
    assert_eq!(luns(&mut initiator, 0), expected);
    assert_eq!(luns(&mut initiator, 77), expected);
    initiator.ready(300);
    initiator.ready(16383);
}

#[test]
fn supported_commands_are_scsts() {
    let (_appliance, mut initiator) = pair();
    let cdb = [0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0];
    let data = initiator.command(0, &cdb, Data::In(0x2000)).good().data;
    assert_eq!(data.len(), 4 + 45 * 8);
    let one = [0xa3, 0x0c, 1, 0x28, 0, 0, 0, 0, 0, 0x40, 0, 0];
    let data = initiator.command(0, &one, Data::In(0x40)).good().data;
    assert_eq!(data[..5], [0, 3, 0, 10, 0x28]);
    let unknown = [0xa3, 0x0c, 1, 0xc1, 0, 0, 0, 0, 0, 0x40, 0, 0];
    let data = initiator.command(0, &unknown, Data::In(0x40)).good().data;
    assert_eq!(data, [0, 1, 0, 0]);
}

#[test]
fn target_port_groups_are_an_empty_list() {
    let (appliance, _) = pair();
    let mut initiator = session(&appliance);
    let cdb = [0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0];
    let data = initiator.command(0, &cdb, Data::In(0x400)).good().data;
    assert_eq!(data, [0, 0, 0, 0]);
}
