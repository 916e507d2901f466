//! Rolling back on a simulated appliance.

use std::os::unix::fs::FileExt;

use jdss_rest::{Destroy, Error, ErrorKind};
use jdss_sim::Appliance;

use super::{GENERATIONS, POOL, assert_clean, everything, soon, start};

const ROLLBACK: &str = "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}/rollback";

fn write(appliance: &Appliance, byte: u8) {
    let path = appliance.volume_path(POOL, "v_a").expect("a volume");
    let file = std::fs::OpenOptions::new().write(true).open(path);
    let file = file.expect("a file");
    file.write_all_at(&[byte], 0).expect("room for a byte");
}

fn read(appliance: &Appliance) -> u8 {
    let path = appliance.volume_path(POOL, "v_a").expect("a volume");
    std::fs::read(path).expect("a file")[0]
}

#[test]
fn a_rollback_restores_the_data_and_tells_what_it_destroyed() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        write(&appliance, 2);
        for name in ["s_2", "autosnap_2026-01-01-000000"] {
            appliance.create_snapshot(POOL, "v_a", name).unwrap();
        }
        write(&appliance, 3);
        appliance.clear_log();
        let found = pool.rollback_check("v_a", "s_1", soon()).unwrap();
        assert_eq!(appliance.requests().len(), 2);
        let mut names = found.snapshots.clone();
        names.sort();
        assert_eq!(names, ["autosnap_2026-01-01-000000", "s_2"]);

        // What the caller did not allow is not destroyed.
        let error = pool.rollback("v_a", "s_1", Destroy::Nothing, soon());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(
            (read(&appliance), appliance.count("POST", ROLLBACK)),
            (3, 0)
        );

        appliance.clear_log();
        let allowed = Destroy::These(&found.snapshots);
        let destroyed = pool.rollback("v_a", "s_1", allowed, soon()).unwrap();
        // Two more where the answer says nothing.
        assert!((4..=6).contains(&appliance.requests().len()));
        assert_eq!(appliance.count("POST", ROLLBACK), 1);
        assert_eq!(destroyed, names);
        assert_eq!(read(&appliance), 0);
        assert_eq!(everything(&appliance, &pool), ["v_a  s_1"]);
        assert_clean(&appliance);
    }
}

#[test]
fn clones_of_newer_snapshots_block_a_rollback_and_are_named() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        appliance.create_snapshot(POOL, "v_a", "s_2").unwrap();
        appliance.clone(POOL, "v_a", "s_2", "v_c").unwrap();
        // A clone of the very snapshot is not in the way.
        appliance.clone(POOL, "v_a", "s_1", "v_d").unwrap();
        let before = everything(&appliance, &pool);
        let found = pool.rollback_check("v_a", "s_1", soon()).unwrap();
        assert_eq!(
            (found.snapshots, found.clones),
            (vec!["s_2".to_owned()], vec!["v_c".to_owned()])
        );
        let allowed = ["s_2".to_owned()];
        let error = pool.rollback("v_a", "s_1", Destroy::These(&allowed), soon());
        match error.unwrap_err() {
            Error::RollbackBlocked { clones, .. } => assert_eq!(clones, ["v_c"]),
            other => panic!("{other:?}"),
        }
        assert_eq!(everything(&appliance, &pool), before);
        assert_clean(&appliance);
    }
}

#[test]
fn snapshots_without_times_are_never_taken_for_newer_ones_that_are_not() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        for name in ["s_2", "s_3"] {
            appliance.create_snapshot(POOL, "v_a", name).unwrap();
        }
        for (name, time) in [("s_1", None), ("s_2", Some(1000)), ("s_3", Some(1001))] {
            appliance
                .set_snapshot_created(POOL, "v_a", name, time)
                .unwrap();
        }
        let found = pool.rollback_check("v_a", "s_2", soon()).unwrap();
        assert_eq!(found.snapshots, ["s_3"]);
        assert_clean(&appliance);
    }
}
