//! What each operation costs and leaves, on both generations of firmware.

use jdss_rest::{DeleteVolume, Destroy, Error, ErrorKind};

use jdss_sim::Firmware;

use super::{
    GENERATIONS, MIB, OTHER, POOL, asked, assert_clean, clone_of, clone_volume, everything,
    new_volume, soon, start,
};

#[test]
fn each_operation_makes_exactly_its_calls() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        let elsewhere = everything(&appliance, &client.pool(OTHER));
        // Changes whose answer says nothing cost a look, or a second try.
        let silent = usize::from(firmware == Firmware::Recent);
        let calls = |expected: usize, what: &str| {
            assert_eq!(
                appliance.requests().len(),
                expected,
                "{what} {:#?}",
                asked(&appliance)
            );
            appliance.clear_log();
        };
        let (id, moved) = ("new".parse().unwrap(), "moved".parse().unwrap());
        let (a, s_2) = ("a".parse().unwrap(), "2".parse().unwrap());

        let made = pool.create_volume(&new_volume(), soon()).unwrap();
        assert_eq!((made.name.as_str(), made.size), ("v_new", 3 * MIB));
        assert_eq!((made.thin, made.block_size), (Some(true), Some(16 << 10)));
        calls(3, "create");
        let grown = pool.resize_volume(&id, 5 * MIB - 5, soon()).unwrap();
        assert_eq!(grown.size, 5 * MIB);
        calls(3, "resize");
        pool.resize_volume(&id, 5 * MIB, soon()).unwrap();
        calls(1, "resize again");
        pool.set_thin(&id, false, soon()).unwrap();
        assert!(appliance.requests().len() <= 2);
        appliance.clear_log();
        assert_eq!(pool.volume(&id, soon()).unwrap().thin, Some(false));
        calls(1, "read");
        pool.set_property("v_new", "readonly", "on", soon())
            .unwrap();
        assert!(appliance.requests().len() <= 2);
        appliance.clear_log();
        let renamed = pool.rename_volume(&id, &moved, soon()).unwrap();
        assert_eq!(
            (renamed.name.as_str(), renamed.read_only),
            ("v_moved", Some(true))
        );
        calls(3 + usize::from(firmware == Firmware::Classic), "rename");
        assert!(pool.delete_volume(&moved, soon()).unwrap());
        calls(2, "delete");
        assert!(!pool.delete_volume(&moved, soon()).unwrap());
        calls(2, "delete again");

        pool.create_snapshot(&a, &s_2, soon()).unwrap();
        calls(2 + silent, "snapshot");
        let clone = pool.clone_snapshot(&clone_of(), soon()).unwrap();
        assert_eq!(clone.origin.unwrap().to_string(), "Pool-0/v_a@s_1");
        assert_eq!((clone.is_clone, clone.read_only), (true, Some(true)));
        calls(3, "clone a snapshot");
        assert_eq!(
            pool.snapshot_clones("v_a", "s_1", soon()).unwrap()[0].name,
            "v_new"
        );
        calls(1, "clones");
        assert!(
            pool.delete_volume_named("v_new", DeleteVolume::default(), soon())
                .unwrap()
        );
        calls(2, "delete a clone of a snapshot");
        pool.clone_volume(&clone_volume(), soon()).unwrap();
        calls(5 + silent, "clone a volume");
        assert!(
            pool.delete_volume_named("v_new", DeleteVolume::default(), soon())
                .unwrap()
        );
        calls(3 + 2 * silent, "delete a clone of a volume");
        assert!(pool.delete_snapshot("v_a", "s_2", soon()).unwrap());
        calls(1 + 2 * silent, "delete a snapshot");
        assert!(!pool.delete_snapshot("v_a", "s_2", soon()).unwrap());
        calls(2, "delete it again");
        assert!(
            pool.rollback("v_a", "s_1", Destroy::Nothing, soon())
                .unwrap()
                .is_empty()
        );
        // Twice where the answer says nothing.
        assert!(matches!(appliance.requests().len(), 2 | 4));

        assert_eq!(everything(&appliance, &pool), ["v_a  s_1"]);
        assert_eq!(everything(&appliance, &client.pool(OTHER)), elsewhere);
        assert_clean(&appliance);
    }
}

#[test]
fn what_a_volume_is_needed_by_is_named_and_kept() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        appliance
            .create_snapshot(POOL, "v_a", "autosnap_2026")
            .unwrap();
        appliance.clone(POOL, "v_a", "s_1", "v_c").unwrap();
        appliance
            .clone(POOL, "v_a", "autosnap_2026", "se_1_ME------")
            .unwrap();
        let before = everything(&appliance, &pool);
        for (how, snapshots) in [
            (
                DeleteVolume { snapshots: false },
                &["autosnap_2026", "s_1"][..],
            ),
            (DeleteVolume { snapshots: true }, &[]),
        ] {
            let error = pool.delete_volume_named("v_a", how, soon()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Busy);
            match error {
                Error::HasDependents {
                    snapshots: mut found,
                    mut clones,
                    ..
                } => {
                    found.sort();
                    clones.sort();
                    assert_eq!(found, snapshots);
                    assert_eq!(clones, ["se_1_ME------", "v_c"]);
                }
                other => panic!("{other:?}"),
            }
        }
        match pool.delete_snapshot("v_a", "s_1", soon()).unwrap_err() {
            Error::HasDependents { clones, .. } => assert_eq!(clones, ["v_c"]),
            other => panic!("{other:?}"),
        }
        assert_eq!(everything(&appliance, &pool), before);
        assert_clean(&appliance);
    }
}

#[test]
fn only_the_snapshot_made_for_a_clone_goes_with_it() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        for foreign in ["v_ne", "v_new_2", "new", "autosnap_v_new"] {
            appliance.create_snapshot(POOL, "v_a", foreign).unwrap();
        }
        let before = everything(&appliance, &pool);
        pool.clone_volume(&clone_volume(), soon()).unwrap();
        let how = DeleteVolume::default();
        assert!(pool.delete_volume_named("v_new", how, soon()).unwrap());
        assert_eq!(everything(&appliance, &pool), before);
        // A clone of a snapshot that is not ours in any way.
        appliance
            .clone(POOL, "v_a", "autosnap_v_new", "v_new")
            .unwrap();
        assert!(pool.delete_volume_named("v_new", how, soon()).unwrap());
        assert_eq!(everything(&appliance, &pool), before);
        assert_clean(&appliance);
    }
}

#[test]
fn the_snapshot_of_an_aborted_clone_does_not_block_the_next_one() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        appliance.create_snapshot(POOL, "v_a", "v_new").unwrap();
        let made = pool.clone_volume(&clone_volume(), soon()).unwrap();
        assert_eq!(made.origin.unwrap().to_string(), "Pool-0/v_a@v_new");
        assert_eq!(appliance.snapshots(POOL, "v_a").unwrap().len(), 2);

        // One that somebody's clone depends on is left alone.
        appliance.create_snapshot(POOL, "v_a", "v_next").unwrap();
        appliance.clone(POOL, "v_a", "v_next", "v_theirs").unwrap();
        let before = everything(&appliance, &pool);
        let next = jdss_rest::CloneVolume {
            name: "v_next".to_owned(),
            ..clone_volume()
        };
        let error = pool.clone_volume(&next, soon()).unwrap_err();
        assert!(matches!(error, Error::SnapshotExists { .. }), "{error}");
        assert_eq!(everything(&appliance, &pool), before);
        assert_clean(&appliance);
    }
}

#[test]
fn a_clone_is_promoted_and_the_origin_becomes_the_clone() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        pool.clone_snapshot(&clone_of(), soon()).unwrap();
        appliance.clear_log();
        let promoted = pool.promote_clone("v_new", soon()).unwrap();
        assert_eq!(appliance.requests().len(), 3);
        assert!(!promoted.is_clone);
        let origin = appliance.origin(POOL, "v_a").unwrap();
        assert_eq!(origin.as_deref(), Some("Pool-0/v_new@s_1"));
        assert!(pool.volume_named("v_a", soon()).unwrap().is_clone);
        assert_clean(&appliance);
    }
}

#[test]
fn names_that_are_taken_are_refused_and_nothing_is_left() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        appliance.create_dataset(POOL, "v_new").unwrap();
        let before = everything(&appliance, &pool);
        for error in [
            pool.create_volume(&new_volume(), soon()).unwrap_err(),
            pool.clone_snapshot(&clone_of(), soon()).unwrap_err(),
            pool.clone_volume(&clone_volume(), soon()).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
        }
        appliance.create_volume(POOL, "v_b", MIB).unwrap();
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        let error = pool.rename_volume(&a, &b, soon()).unwrap_err();
        assert!(matches!(error, Error::OtherVolume { .. }), "{error}");
        let error = pool.create_snapshot(&a, &"1".parse().unwrap(), soon());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Exists);
        appliance.delete_volume(POOL, "v_b").unwrap();
        assert_eq!(everything(&appliance, &pool), before);
        assert_clean(&appliance);
    }
}

#[test]
fn what_is_missing_is_named_on_both_generations() {
    for firmware in GENERATIONS {
        let (appliance, client) = start(firmware);
        let pool = client.pool(POOL);
        let (x, s) = ("x".parse().unwrap(), "s".parse().unwrap());
        let of_nothing = jdss_rest::CloneOf {
            snapshot: "s_x".to_owned(),
            ..clone_of()
        };
        let nothing = jdss_rest::CloneVolume {
            volume: "v_x".to_owned(),
            ..clone_volume()
        };
        for (error, subject) in [
            (pool.volume(&x, soon()).err(), "volume Pool-0/v_x "),
            (
                pool.resize_volume(&x, MIB, soon()).err(),
                "volume Pool-0/v_x ",
            ),
            (
                pool.rename_volume(&x, &"y".parse().unwrap(), soon()).err(),
                "volume Pool-0/v_x ",
            ),
            (pool.set_thin(&x, true, soon()).err(), "volume Pool-0/v_x "),
            (
                pool.set_property("v_x", "readonly", "on", soon()).err(),
                "volume Pool-0/v_x ",
            ),
            (
                pool.create_snapshot(&x, &s, soon()).err(),
                "volume Pool-0/v_x ",
            ),
            (
                pool.snapshots("v_x", soon()).all().err(),
                "volume Pool-0/v_x ",
            ),
            (
                pool.snapshot("v_a", "s_x", soon()).err(),
                "snapshot Pool-0/v_a@s_x ",
            ),
            (
                pool.snapshot_clones("v_a", "s_x", soon()).err(),
                "snapshot Pool-0/v_a@s_x ",
            ),
            (
                pool.rollback_check("v_a", "s_x", soon()).err(),
                "snapshot Pool-0/v_a@s_x ",
            ),
            (
                pool.rollback("v_a", "s_x", Destroy::Nothing, soon()).err(),
                "snapshot Pool-0/v_a@s_x ",
            ),
            (
                pool.clone_snapshot(&of_nothing, soon()).err(),
                "snapshot Pool-0/v_a@s_x ",
            ),
            (
                pool.clone_volume(&nothing, soon()).err(),
                "volume Pool-0/v_x ",
            ),
            (
                client.pool("Pool-9").volumes(soon()).all().err(),
                "pool Pool-9 ",
            ),
            (
                client.pool("Pool-9").delete_volume(&x, soon()).err(),
                "pool Pool-9 ",
            ),
            (
                client
                    .pool("Pool-9")
                    .delete_snapshot("v_x", "s_x", soon())
                    .err(),
                "pool Pool-9 ",
            ),
        ] {
            let error = error.unwrap_or_else(|| panic!("{subject}was found"));
            assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
            assert!(error.to_string().starts_with(subject), "{error}");
        }
        assert_clean(&appliance);
    }
}
