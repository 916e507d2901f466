//! Names that are too long are refused before anything is asked.

use jdss_rest::{
    CloneOf, CloneVolume, Error, FreeName, NameError, NewVolume, Pool, SnapshotId, VolumeId,
};

use crate::script::*;

/// The longest name on the appliance, pool and snapshot included, in bytes.
const MAX: usize = 255;

/// A name of so many bytes on the appliance.
fn volume(len: usize) -> VolumeId {
    "x".repeat(len - "v_".len()).parse().expect("an id")
}

fn refused<T: std::fmt::Debug>(len: usize, make: impl FnOnce(&Pool) -> Result<T, Error>) {
    let script = Script::new([]);
    let error = make(&script.client().pool("Pool-0")).expect_err("too long");
    match &error {
        Error::Name {
            reason: NameError::TooLong {
                len: found, max, ..
            },
        } => assert_eq!((*found, *max), (len, MAX)),
        error => panic!("{error:?}"),
    }
}

#[test]
fn a_name_that_is_too_long_for_the_appliance_is_never_sent() {
    let longest = MAX - "Pool-0/".len();
    let (long, source) = (volume(longest + 1), volume(100));
    refused(MAX + 1, |pool| {
        let new = NewVolume {
            id: long.clone(),
            size: 1,
            thin: true,
            block_size: 4096,
        };
        pool.create_volume(&new, soon())
    });
    refused(MAX + 1, |pool| pool.rename_volume(&source, &long, soon()));
    refused(MAX + 1, |pool| {
        let clone = CloneOf {
            volume: source.physical_name(),
            snapshot: "s_a".to_owned(),
            name: long.physical_name(),
            thin: true,
            read_only: false,
        };
        pool.clone_snapshot(&clone, soon())
    });
    refused(MAX + 1, |pool| {
        let stem = &"x".repeat(longest - "v_".len());
        let name = FreeName {
            stem,
            prefix: None,
            not: &[],
        };
        pool.free_volume_id(&name, soon())
    });

    // Pool, volume and snapshot together.
    let room = longest - source.physical_name().len() - "@".len();
    refused(MAX + 1, |pool| {
        let snapshot: SnapshotId = "x".repeat(room + 1 - "s_".len()).parse().unwrap();
        pool.create_snapshot(&source, &snapshot, soon())
    });
    refused(MAX + 1, |pool| {
        let clone = CloneVolume {
            volume: source.physical_name(),
            name: volume(room + 1).physical_name(),
            thin: true,
        };
        pool.clone_volume(&clone, soon())
    });
}
