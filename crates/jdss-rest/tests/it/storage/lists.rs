//! Lists of a simulated appliance that is overloaded.

use std::collections::BTreeSet;

use jdss_rest::Error;
use jdss_sim::{Fault, Firmware};

use super::{GENERATIONS, MIB, POOL, assert_clean, run, setup, soon, start};

const VOLUMES: &str = "/pools/{pool}/volumes";

#[test]
fn volumes_cost_as_many_calls_as_they_have_pages() {
    for firmware in GENERATIONS {
        let mut builder = setup(firmware);
        // One is there already.
        for number in 1..10_000 {
            builder = builder.volume(POOL, &format!("v_{number}"), MIB);
        }
        let (appliance, client) = run(builder);
        let all = client.pool(POOL).volumes(soon()).all().unwrap();
        assert_eq!(appliance.requests().len(), 100);
        let names: BTreeSet<&str> = all.iter().map(|volume| volume.name.as_str()).collect();
        assert_eq!((all.len(), names.len()), (10_000, 10_000));
        assert_clean(&appliance);
    }
}

#[test]
fn a_list_that_is_short_once_or_twice_is_read_again() {
    for firmware in GENERATIONS {
        for fault in [
            Fault::ShortList,
            Fault::FlappingTotal,
            Fault::NoData,
            Fault::other_data(),
            Fault::Reset,
        ] {
            let mut builder = setup(firmware);
            for number in 1..120 {
                builder = builder.volume(POOL, &format!("v_{number}"), MIB);
            }
            let (appliance, client) = run(builder);
            appliance.fault("GET", VOLUMES, 1, fault.clone()).unwrap();
            let all = client.pool(POOL).volumes(soon()).all();
            assert_eq!(all.unwrap().len(), 120, "{fault:?}");
            assert_clean(&appliance);
        }
    }
}

#[test]
fn a_list_that_stays_short_is_an_error() {
    let (appliance, client) = start(Firmware::Recent);
    for number in 1..20 {
        appliance
            .create_volume(POOL, &format!("v_{number}"), MIB)
            .unwrap();
    }
    appliance
        .fault("GET", VOLUMES, 100, Fault::ShortList)
        .unwrap();
    let error = client.pool(POOL).volumes(soon()).all().unwrap_err();
    assert!(
        matches!(
            error,
            Error::ListChanged {
                got: 10,
                of: 20,
                ..
            }
        ),
        "{error:?}"
    );
    assert_clean(&appliance);
}

#[test]
fn snapshots_are_listed_with_their_times_on_both_generations() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        appliance.create_snapshot(POOL, "v_a", "s_2").unwrap();
        appliance
            .set_snapshot_created(POOL, "v_a", "s_2", Some(1_767_230_000))
            .unwrap();
        appliance
            .set_snapshot_created(POOL, "v_a", "s_1", None)
            .unwrap();
        let pool = client.pool(POOL);
        let all = pool.snapshots("v_a", soon()).all().unwrap();
        let of = |name: &str| all.iter().find(|snapshot| snapshot.name == name).unwrap();
        let east = if firmware == Firmware::Classic {
            7200
        } else {
            0
        };
        assert_eq!(of("s_2").created.unwrap().seconds(east), 1_767_230_000);
        assert_eq!(
            (of("s_1").created, of("s_1").volume.as_str()),
            (None, "v_a")
        );
        assert!(of("s_1").guid.is_some());
        let alone = pool.snapshot("v_a", "s_2", soon()).unwrap();
        assert_eq!(alone.created.unwrap().seconds(7200), 1_767_230_000);
        assert_eq!(alone.size, Some(MIB));
        assert_clean(&appliance);
    }
}
