//! Snapshots and clones as an initiator sees them.

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::initiator::Data;
use crate::{POOL, SIZE, TARGET, login, pair};

const READ_ONLY: Option<(u8, u8, u8)> = Some((7, 0, 0));
const NEW_SIZE: [u8; 3] = [6, 0x2a, 9];
const BLOCK: usize = 512;

#[test]
fn a_clone_shows_the_data_of_the_snapshots_time_and_is_read_only_if_said_so() {
    let (appliance, mut initiator) = pair();
    initiator.write(0, 7, &[0x11; BLOCK]).good();
    appliance.create_snapshot(POOL, "d0", "s_1").unwrap();
    initiator.write(0, 7, &[0x22; BLOCK]).good();
    initiator.write(0, 9, &[0x22; BLOCK]).good();
    for (name, lun) in [("se_1", 1), ("c1", 2)] {
        appliance.clone(POOL, "d0", "s_1", name).unwrap();
        appliance.attach(POOL, TARGET, name, lun).unwrap();
    }
    appliance.set_read_only(POOL, "se_1", true).unwrap();
    let mut initiator = login(&appliance).isid(2).log_in().unwrap();
    for lun in 0..3 {
        initiator.ready(lun);
    }
    for lun in [1, 2] {
        assert_eq!(initiator.read(lun, 7, 1).good().data, [0x11; BLOCK]);
        assert_eq!(initiator.read(lun, 9, 1).good().data, [0; BLOCK]);
    }
    let refused = initiator.write(1, 7, &[0x33; BLOCK]);
    assert_eq!(refused.triple(), READ_ONLY);
    assert_eq!(initiator.read(1, 7, 1).good().data, [0x11; BLOCK]);
    let mode = initiator.command(1, &[0x1a, 0, 0x3f, 0, 4, 0], Data::In(4));
    assert_eq!(mode.good().data[2], 0x90);
    // The clones are apart from each other and from the volume.
    initiator.write(2, 7, &[0x33; BLOCK]).good();
    for (lun, byte) in [(0, 0x22), (1, 0x11), (2, 0x33)] {
        assert_eq!(initiator.read(lun, 7, 1).good().data, [byte; BLOCK]);
    }
    let page = |initiator: &mut crate::Initiator, lun, page| {
        initiator.inquiry(lun, Some(page)).good().data
    };
    for number in [0x80, 0x83] {
        let pages: Vec<_> = (0..3)
            .map(|lun| page(&mut initiator, lun, number))
            .collect();
        assert!(pages[0] != pages[1] && pages[1] != pages[2] && pages[0] != pages[2]);
    }
}

#[test]
fn a_rollback_is_seen_by_those_who_use_the_volume() {
    let (appliance, mut initiator) = pair();
    initiator.write(0, 0, &[0x11; BLOCK]).good();
    appliance.create_snapshot(POOL, "d0", "s_1").unwrap();
    initiator.write(0, 0, &[0x22; BLOCK]).good();
    initiator.write(0, 1, &[0x22; BLOCK]).good();
    appliance.set_volume_size(POOL, "d0", 2 * SIZE).unwrap();
    let (lun, sense) = initiator.event();
    assert_eq!((lun, [sense[2], sense[12], sense[13]]), (0, NEW_SIZE));
    let end = (2 * SIZE / BLOCK as u64 - 1) as u32;
    initiator.write(0, end, &[0x22; BLOCK]).good();

    appliance.roll_back(POOL, "d0", "s_1").unwrap();
    let (lun, sense) = initiator.event();
    assert_eq!((lun, [sense[2], sense[12], sense[13]]), (0, NEW_SIZE));
    assert_eq!(initiator.read(0, 0, 1).good().data, [0x11; BLOCK]);
    assert_eq!(initiator.read(0, 1, 1).good().data, [0; BLOCK]);
    assert_eq!(initiator.read(0, end, 1).triple(), Some((5, 0x21, 0)));
    initiator.write(0, 2, &[0x44; BLOCK]).good();
    assert_eq!(initiator.read(0, 2, 1).good().data, [0x44; BLOCK]);
}

/// Each round writes the last block of the volume and then, once that is answered, the first one: a snapshot that has
/// a round's first block has its last block, too.
#[test]
fn a_snapshot_taken_between_writes_has_all_that_was_written_before() {
    let (appliance, mut initiator) = pair();
    let last = (SIZE / BLOCK as u64 - 1) as u32;
    // Enough data in between that a copy takes its time.
    for part in 1..64 {
        initiator
            .write(0, part * 2048, &vec![0x55; 256 << 10])
            .good();
    }
    let ends = |snapshot: &str| -> std::io::Result<(u8, u8)> {
        appliance
            .create_snapshot(POOL, "d0", snapshot)
            .and_then(|()| appliance.clone(POOL, "d0", snapshot, snapshot))
            .map_err(std::io::Error::other)?;
        let path = appliance.volume_path(POOL, snapshot);
        let file = std::fs::File::open(path.map_err(std::io::Error::other)?)?;
        let (mut first, mut last) = ([0], [0]);
        file.read_exact_at(&mut first, 0)?;
        file.read_exact_at(&mut last, SIZE - 1)?;
        appliance
            .delete_volume(POOL, snapshot)
            .and_then(|()| appliance.delete_snapshot(POOL, "d0", snapshot))
            .map_err(std::io::Error::other)?;
        Ok((first[0], last[0]))
    };
    let stop = AtomicBool::new(false);
    let found: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0_u8;
            while !stop.load(Ordering::SeqCst) {
                round = round.wrapping_add(1);
                initiator.write(0, last, &[round; BLOCK]).good();
                initiator.write(0, 0, &[round; BLOCK]).good();
            }
        });
        let found = (0..20).map(|number| ends(&format!("s_{number}"))).collect();
        stop.store(true, Ordering::SeqCst);
        found
    });
    for ends in found {
        let (first, last) = ends.unwrap();
        assert!(
            last == first || last == first.wrapping_add(1),
            "round {last} at the end, {first} at the beginning"
        );
    }
}
