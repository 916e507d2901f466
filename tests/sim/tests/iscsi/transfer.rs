//! Data in both directions, by every way that the protocol has.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};

use jdss_sim::Appliance;
use proptest::prelude::*;

use crate::initiator::{Data, Initiator, Residual, put, sixteen, ten, word};
use crate::{POOL, SIZE, TARGET, login, pair, session};

/// Bytes that differ from place to place.
fn pattern(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// What is on the volume from this byte on.
fn stored(appliance: &Appliance, start: usize, length: usize) -> Vec<u8> {
    let path = appliance
        .volume_path(POOL, "d0")
        .expect("the volume exists");
    let file = File::open(path).expect("the volume is a file");
    let mut data = vec![0; length];
    file.read_exact_at(&mut data, start as u64)
        .expect("it is as long as the volume");
    data
}

fn is_blank(data: &[u8]) -> bool {
    data.iter().all(|byte| *byte == 0)
}

#[test]
fn a_large_write_is_asked_for_burst_by_burst() {
    let (appliance, mut initiator) = pair();
    let data = pattern(3 << 20, 1);
    let cdb = sixteen(0x8a, 9, (data.len() / 512) as u32);
    let written = initiator.command(0, &cdb, Data::Out(&data)).good();
    // 64 KiB come unasked, then bursts of 1 MiB at most.
    assert_eq!((written.r2ts, written.residual), (3, Residual::None));
    assert!(stored(&appliance, 9 * 512, data.len()) == data);
    assert!(is_blank(&stored(&appliance, 0, 9 * 512)));
    let cdb = sixteen(0x88, 9, (data.len() / 512) as u32);
    let read = initiator
        .command(0, &cdb, Data::In(data.len() as u32))
        .good();
    assert_eq!(read.data, data);
    assert_eq!(read.segments, 12, "of 256 KiB, as the initiator takes them");
}

#[test]
fn every_way_of_sending_writes_the_same() {
    let appliance = crate::appliance();
    let mut place = 0;
    for (r2t, immediate) in [("No", "Yes"), ("No", "No"), ("Yes", "Yes"), ("Yes", "No")] {
        for (burst, first, receive) in [
            ("16776192", "262144", "262144"),
            ("4096", "1024", "512"),
            ("8192", "8192", "1000"),
        ] {
            let login = login(&appliance)
                .key("InitialR2T", r2t)
                .key("ImmediateData", immediate)
                .key("MaxBurstLength", burst)
                .key("FirstBurstLength", first)
                .key("MaxRecvDataSegmentLength", receive);
            let mut initiator = login.log_in().unwrap();
            initiator.ready(0);
            for blocks in [1, 2, 3, 17, 200] {
                let data = pattern(blocks * 512, place + 77);
                initiator.write(0, place, &data).good();
                let read = initiator.read(0, place, blocks as u16).good();
                assert_eq!(read.data, data, "{r2t} {immediate} {burst} {blocks}");
                assert_eq!(stored(&appliance, place as usize * 512, data.len()), data);
                place += blocks as u32;
            }
        }
    }
}

#[test]
fn unsolicited_data_in_several_units_is_put_together() {
    let (appliance, mut initiator) = pair();
    let data = pattern(65536, 5);
    let mut bhs = initiator.request(0x01, 0x20);
    put(&mut bhs, 20, 65536);
    bhs[32..42].copy_from_slice(&ten(0x2a, 0, 128));
    let itt = word(&bhs, 16);
    initiator.send(bhs, &data[..1000]);
    for (index, start) in (1000..65536).step_by(8192).enumerate() {
        let end = (start + 8192).min(65536);
        let mut bhs = [0; 48];
        bhs[0] = 0x05;
        bhs[1] = if end == 65536 { 0x80 } else { 0 };
        put(&mut bhs, 16, itt);
        put(&mut bhs, 20, u32::MAX);
        put(&mut bhs, 36, index as u32);
        put(&mut bhs, 40, start as u32);
        initiator.send(bhs, &data[start..end]);
    }
    assert_eq!(initiator.finish(itt, Data::Out(&data)).good().r2ts, 0);
    assert_eq!(stored(&appliance, 0, 65536), data);
}

#[test]
fn commands_are_interleaved() {
    let (appliance, mut initiator) = pair();
    let data: Vec<Vec<u8>> = (0..4)
        .map(|seed| pattern(256 << 10, seed * 2 + 1))
        .collect();
    let tasks: Vec<u32> = (0..4)
        .map(|index| {
            let cdb = ten(0x2a, index as u32 * 512, 512);
            initiator.start(0, &cdb, Data::Out(&data[index]))
        })
        .collect();
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push(initiator.receive_status().unwrap());
    }
    // A read overtakes the writes, which wait for their data.
    let read = initiator.start(0, &ten(0x28, 4096, 1), Data::In(512));
    assert_eq!(initiator.finish(read, Data::In(512)).good().data, [0; 512]);
    asked.reverse();
    for r2t in asked {
        let index = tasks.iter().position(|itt| *itt == r2t.word(16)).unwrap();
        initiator.obey(&r2t, &data[index]);
        let itt = tasks[index];
        initiator.finish(itt, Data::Out(&data[index])).good();
    }
    assert!(stored(&appliance, 0, 1 << 20) == data.concat());
}

#[test]
fn writes_beyond_what_is_held_wait_for_their_turn() {
    let (appliance, mut initiator) = pair();
    let data: Vec<Vec<u8>> = (0..3).map(|seed| pattern(20 << 20, seed * 2 + 1)).collect();
    let blocks = (data[0].len() / 512) as u32;
    let tasks: Vec<u32> = (0..3)
        .map(|index| {
            let cdb = sixteen(0x8a, index as u64 * u64::from(blocks), blocks);
            initiator.start(0, &cdb, Data::Out(&data[index]))
        })
        .collect();
    let mut done = Vec::new();
    while done.len() < 3 {
        let pdu = initiator.receive_status().unwrap();
        let index = tasks.iter().position(|itt| *itt == pdu.word(16)).unwrap();
        match pdu.opcode() {
            0x31 => {
                assert_eq!(index, done.len(), "one after the other");
                initiator.obey(&pdu, &data[index]);
            }
            _ => {
                assert_eq!((pdu.opcode(), pdu.bhs[3]), (0x21, 0));
                done.push(index);
            }
        }
    }
    assert!(stored(&appliance, 0, 60 << 20) == data.concat());
}

#[test]
fn residuals_tell_what_was_expected_too_much_or_too_little() {
    let (appliance, mut initiator) = pair();
    initiator.write(0, 0, &pattern(4096, 3)).good();
    let there = stored(&appliance, 0, 4096);

    let cdb = ten(0x28, 0, 2);
    let exact = initiator.command(0, &cdb, Data::In(1024)).good();
    assert_eq!((exact.residual, exact.data.len()), (Residual::None, 1024));
    let much = initiator.command(0, &cdb, Data::In(4096)).good();
    assert_eq!(much.residual, Residual::Under(3072));
    assert_eq!(much.data, there[..1024]);
    let little = initiator.command(0, &cdb, Data::In(700)).good();
    assert_eq!(little.residual, Residual::Over(324));
    assert_eq!(little.data, there[..700]);
    let nothing = initiator.command(0, &cdb, Data::None).good();
    assert_eq!(nothing.residual, Residual::Over(1024));

    let cdb = ten(0x2a, 100, 2);
    let much = initiator.command(0, &cdb, Data::Out(&[7; 2048])).good();
    assert_eq!(much.residual, Residual::Under(1024));
    let little = initiator
        .command(0, &ten(0x2a, 200, 2), Data::Out(&[7; 700]))
        .good();
    assert_eq!(little.residual, Residual::Over(324));
    let nothing = initiator.command(0, &ten(0x2a, 300, 2), Data::None).good();
    assert_eq!(nothing.residual, Residual::Over(1024));
    let there = stored(&appliance, 0, 400 * 512);
    assert_eq!(
        there[100 * 512..103 * 512],
        [[7; 512], [7; 512], [0; 512]].concat()
    );
    assert_eq!(
        there[200 * 512..202 * 512],
        [[7; 512], [0; 512]].concat(),
        "whole blocks"
    );
    assert!(is_blank(&there[300 * 512..]));

    let refused = initiator.command(0, &ten(0x28, u32::MAX, 1), Data::In(512));
    assert_eq!(refused.residual, Residual::Under(512));
}

#[test]
fn a_refused_write_takes_the_announced_data_before_it_answers() {
    let (appliance, mut initiator) = pair();
    let data = pattern(1 << 20, 9);
    let refused = initiator.command(0, &ten(0x2a, u32::MAX, 2048), Data::Out(&data));
    assert_eq!((refused.triple(), refused.r2ts), (Some((5, 0x21, 0)), 0));
    initiator.ready(0);
    assert!(is_blank(&stored(&appliance, 0, 8 << 20)));
}

#[test]
fn no_blocks_are_no_error_where_the_standard_says_so() {
    let (_appliance, mut initiator) = pair();
    let end = (SIZE / 512) as u32;
    for opcode in [0x28, 0x2a] {
        initiator
            .command(0, &ten(opcode, end, 0), Data::None)
            .good();
        let beyond = initiator.command(0, &ten(opcode, end + 1, 0), Data::None);
        assert_eq!(beyond.triple(), Some((5, 0x21, 0)));
    }
    let same = initiator.command(0, &ten(0x41, 0, 0), Data::Out(&[0; 512]));
    assert_eq!(same.triple(), Some((5, 0x24, 0)), "WSNZ");
}

#[test]
fn six_and_twelve_byte_commands_move_the_same_blocks() {
    let (_appliance, mut initiator) = pair();
    let data = pattern(256 * 512, 11);
    initiator
        .command(0, &[0x0a, 0, 1, 0, 0, 0], Data::Out(&data))
        .good();
    let twelve = [0xa8, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
    let read = initiator.command(0, &twelve, Data::In(256 * 512)).good();
    assert_eq!(read.data, data);
    let twelve = [0xaa, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0];
    initiator
        .command(0, &twelve, Data::Out(&data[..512]))
        .good();
    let six = [0x08, 0, 2, 0, 1, 0];
    let read = initiator.command(0, &six, Data::In(512)).good();
    assert_eq!(read.data, data[..512]);
}

#[test]
fn write_same_repeats_a_block_and_unmap_makes_holes() {
    let (appliance, mut initiator) = pair();
    let block = pattern(512, 13);
    initiator
        .command(0, &ten(0x41, 8, 5000), Data::Out(&block))
        .good();
    let there = stored(&appliance, 0, 8 << 20);
    assert!(there[8 * 512..5008 * 512] == block.repeat(5000));
    assert_eq!(there[5008 * 512..5009 * 512], [0; 512]);
    let used = || {
        fs::metadata(appliance.volume_path(POOL, "d0").unwrap())
            .unwrap()
            .blocks()
    };
    let before = used();

    let mut list = vec![0, 38, 0, 32, 0, 0, 0, 0];
    for (lba, blocks) in [(16_u64, 2048_u32), (4096, 8)] {
        list.extend(lba.to_be_bytes());
        list.extend(blocks.to_be_bytes());
        list.extend([0; 4]);
    }
    initiator
        .command(0, &ten(0x42, 0, 40), Data::Out(&list))
        .good();
    let there = stored(&appliance, 0, 8 << 20);
    assert_eq!(there[8 * 512..16 * 512], block.repeat(8));
    assert!(is_blank(&there[16 * 512..2064 * 512]));
    assert_eq!(there[2064 * 512..2065 * 512], block);
    assert!(is_blank(&there[4096 * 512..4104 * 512]));
    assert!(used() < before, "space is given back");

    let mut cdb = sixteen(0x93, 0, 8192);
    cdb[1] = 0x08;
    initiator.command(0, &cdb, Data::Out(&[0; 512])).good();
    assert!(is_blank(&stored(&appliance, 0, 8 << 20)));

    list[8..16].fill(0xff);
    let beyond = initiator.command(0, &ten(0x42, 0, 40), Data::Out(&list));
    assert_eq!(beyond.triple(), Some((5, 0x21, 0)));
}

#[test]
fn verify_and_compare_tell_a_difference() {
    let (appliance, mut initiator) = pair();
    let data = pattern(2048, 17);
    initiator.write(0, 0, &data).good();
    let mut verify = ten(0x2f, 0, 4);
    initiator.command(0, &verify, Data::None).good();
    verify[1] = 0x02;
    initiator.command(0, &verify, Data::Out(&data)).good();
    let mut other = data.clone();
    other[2047] ^= 1;
    let miscompare = Some((0x0e, 0x1d, 0));
    assert_eq!(
        initiator.command(0, &verify, Data::Out(&other)).triple(),
        miscompare
    );

    let mut both = sixteen(0x89, 0, 0);
    both[13] = 4;
    let new = pattern(2048, 19);
    let wrong = [&other[..], &new[..]].concat();
    assert_eq!(
        initiator.command(0, &both, Data::Out(&wrong)).triple(),
        miscompare
    );
    assert_eq!(stored(&appliance, 0, 2048), data);
    let right = [&data[..], &new[..]].concat();
    initiator.command(0, &both, Data::Out(&right)).good();
    assert_eq!(stored(&appliance, 0, 2048), new);
}

#[test]
fn blocks_beyond_two_terabytes_are_reached() {
    let (appliance, mut initiator) = pair();
    appliance.create_volume(POOL, "huge", 3 << 40).unwrap();
    appliance.attach(POOL, TARGET, "huge", 1).unwrap();
    initiator.ready(1);
    let data = pattern(4096, 23);
    let last = (3_u64 << 40) / 512 - 8;
    initiator
        .command(1, &sixteen(0x8a, last, 8), Data::Out(&data))
        .good();
    let read = initiator
        .command(1, &sixteen(0x88, last, 8), Data::In(4096))
        .good();
    assert_eq!(read.data, data);
    let low = initiator.command(1, &sixteen(0x88, last & 0xffff_ffff, 8), Data::In(4096));
    assert_eq!(low.good().data, [0; 4096]);
}

#[test]
fn all_sessions_see_the_same_data() {
    let (appliance, mut one) = pair();
    let mut two = login(&appliance).isid(2).log_in().unwrap();
    two.ready(0);
    one.write(0, 5, &[0xa5; 512]).good();
    assert_eq!(two.read(0, 5, 1).good().data, [0xa5; 512]);
    drop(one);
    let mut later = session(&appliance);
    assert_eq!(later.read(0, 5, 1).good().data, [0xa5; 512]);
}

#[derive(Clone, Debug)]
struct Op {
    write: bool,
    lba: u32,
    blocks: usize,
}

fn op() -> impl Strategy<Value = Op> {
    (any::<bool>(), 0_u32..512, 1_usize..300).prop_map(|(write, lba, blocks)| Op {
        write,
        lba,
        blocks,
    })
}

fn run(initiator: &mut Initiator, ops: &[Op], model: &mut [u8]) {
    for (index, op) in ops.iter().enumerate() {
        let (start, length) = (op.lba as usize * 512, op.blocks * 512);
        if op.write {
            let data = pattern(length, index as u32 * 2 + 1);
            initiator.write(0, op.lba, &data).good();
            model[start..start + length].copy_from_slice(&data);
        } else {
            let read = initiator.read(0, op.lba, op.blocks as u16).good();
            assert!(read.data == model[start..start + length], "{op:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_sequence_of_reads_and_writes_is_that_of_a_disk(
        ops in prop::collection::vec(op(), 1..40),
        r2t in prop::bool::ANY,
        immediate in prop::bool::ANY,
        burst in 512_u32..300_000,
        first in 512_u32..300_000,
        receive in 512_u32..300_000,
    ) {
        let appliance = crate::appliance();
        let yes_no = |value| if value { "Yes" } else { "No" };
        let login = login(&appliance)
            .key("InitialR2T", yes_no(r2t))
            .key("ImmediateData", yes_no(immediate))
            .key("MaxBurstLength", &burst.to_string())
            .key("FirstBurstLength", &first.to_string())
            .key("MaxRecvDataSegmentLength", &receive.to_string());
        let mut initiator = login.log_in().unwrap();
        initiator.ready(0);
        let mut model = vec![0; 1 << 20];
        run(&mut initiator, &ops, &mut model);
        prop_assert!(stored(&appliance, 0, 1 << 20) == model);
    }
}
