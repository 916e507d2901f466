//! Each changing request meets each fault once: the operation succeeds, and once.

use std::time::{Duration, Instant};

use jdss_rest::{DeleteVolume, Destroy, Error, ErrorKind, Pool};
use jdss_sim::{Fault, Firmware, Lag};

use super::{
    GENERATIONS, MIB, POOL, assert_clean, clone_of, clone_volume, everything, new_volume, run,
    setup, soon, start,
};

const VOLUMES: &str = "/pools/{pool}/volumes";
const VOLUME: &str = "/pools/{pool}/volumes/{volume}";
const PROPERTIES: &str = "/pools/{pool}/volumes/{volume}/properties";
const CLONE: &str = "/pools/{pool}/volumes/{volume}/clone";
const SNAPSHOTS: &str = "/pools/{pool}/volumes/{volume}/snapshots";
const SNAPSHOT: &str = "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}";
const ROLLBACK: &str = "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}/rollback";
const PROMOTE: &str = "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}/clones/{clone}/promote";

/// What passes, before the work and after it.
fn passing() -> Vec<Fault> {
    let mut all = Vec::new();
    for fault in [
        Fault::configuration_race(),
        Fault::scst(),
        Fault::os_error(),
        Fault::proxy(503),
        Fault::NoData,
        Fault::no_body(),
        Fault::NoReply,
        Fault::Reset,
    ] {
        all.extend([fault.clone().before_work(), fault.after_work()]);
    }
    all
}

/// An operation, the request of it that fails, and what there is afterwards.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Pool) -> Result<(), Error>,
    &'static [&'static str],
);

const CASES: [Case; 11] = [
    ("create", "POST", VOLUMES, create, &["v_a  s_1", "v_new  "]),
    ("resize", "PUT", VOLUME, resize, &["v_a  s_1"]),
    ("rename", "PUT", VOLUME, rename, &["v_moved  s_1"]),
    ("property", "PUT", PROPERTIES, property, &["v_a  s_1"]),
    ("thin", "PUT", VOLUME, thin, &["v_a  s_1"]),
    ("delete", "DELETE", VOLUME, delete, &[]),
    ("snapshot", "POST", SNAPSHOTS, snapshot, &["v_a  s_1,s_2"]),
    (
        "delete snapshot",
        "DELETE",
        SNAPSHOT,
        delete_snapshot,
        &["v_a  "],
    ),
    ("roll back", "POST", ROLLBACK, roll_back, &["v_a  s_1"]),
    (
        "clone snapshot",
        "POST",
        CLONE,
        clone,
        &["v_a  s_1", "v_new Pool-0/v_a@s_1 "],
    ),
    (
        "promote",
        "POST",
        PROMOTE,
        promote,
        &["v_a Pool-0/v_new@s_1 ", "v_new  s_1"],
    ),
];

fn create(pool: &Pool) -> Result<(), Error> {
    let made = pool.create_volume(&new_volume(), soon())?;
    assert_eq!(made.size, 3 * MIB);
    Ok(())
}

fn resize(pool: &Pool) -> Result<(), Error> {
    let grown = pool.resize_volume(&"a".parse().expect("an id"), 7 * MIB, soon())?;
    assert_eq!(grown.size, 7 * MIB);
    Ok(())
}

fn rename(pool: &Pool) -> Result<(), Error> {
    let (from, to) = ("a".parse().expect("an id"), "moved".parse().expect("an id"));
    pool.rename_volume(&from, &to, soon()).map(|_| ())
}

fn property(pool: &Pool) -> Result<(), Error> {
    pool.set_property("v_a", "readonly", "on", soon())?;
    assert_eq!(pool.volume_named("v_a", soon())?.read_only, Some(true));
    Ok(())
}

fn thin(pool: &Pool) -> Result<(), Error> {
    let id = "a".parse().expect("an id");
    pool.set_thin(&id, false, soon())?;
    assert_eq!(pool.volume(&id, soon())?.thin, Some(false));
    Ok(())
}

fn delete(pool: &Pool) -> Result<(), Error> {
    let how = DeleteVolume { snapshots: true };
    assert!(pool.delete_volume_named("v_a", how, soon())?);
    Ok(())
}

fn snapshot(pool: &Pool) -> Result<(), Error> {
    let (volume, name) = ("a".parse().expect("an id"), "2".parse().expect("an id"));
    pool.create_snapshot(&volume, &name, soon())
}

fn delete_snapshot(pool: &Pool) -> Result<(), Error> {
    pool.delete_snapshot("v_a", "s_1", soon()).map(|_| ())
}

fn roll_back(pool: &Pool) -> Result<(), Error> {
    let (volume, name) = ("a".parse().expect("an id"), "2".parse().expect("an id"));
    pool.create_snapshot(&volume, &name, soon())?;
    let allowed = ["s_2".to_owned()];
    let destroyed = pool.rollback("v_a", "s_1", Destroy::These(&allowed), soon())?;
    assert_eq!(destroyed, ["s_2"]);
    Ok(())
}

fn clone(pool: &Pool) -> Result<(), Error> {
    pool.clone_snapshot(&clone_of(), soon()).map(|_| ())
}

fn promote(pool: &Pool) -> Result<(), Error> {
    pool.clone_snapshot(&clone_of(), soon())?;
    pool.promote_clone("v_new", soon()).map(|_| ())
}

#[test]
fn no_fault_that_passes_shows_or_leaves_anything() {
    let faults = passing();
    for firmware in GENERATIONS {
        for (what, method, route, operation, expected) in CASES {
            // A pool for each fault.
            let name = |number: usize| format!("P{number}");
            let pools = (0..faults.len()).map(name);
            let builder = pools.fold(setup(firmware), |builder, pool| {
                builder.pool(&pool).volume(&pool, "v_a", MIB)
            });
            let (appliance, client) = run(builder);
            for (number, fault) in faults.iter().enumerate() {
                let pool = client.pool(&name(number));
                appliance
                    .create_snapshot(pool.name(), "v_a", "s_1")
                    .unwrap();
                appliance.fault(method, route, 1, fault.clone()).unwrap();
                operation(&pool).unwrap_or_else(|e| panic!("{what} {fault:?}: {e}"));
                let expected: Vec<String> = expected
                    .iter()
                    .map(|line| line.replace(POOL, pool.name()))
                    .collect();
                assert_eq!(everything(&appliance, &pool), expected, "{what} {fault:?}");
            }
            assert_clean(&appliance);
        }
    }
}

#[test]
fn no_fault_of_the_intermediate_snapshot_shows_or_leaves_anything() {
    for (method, route) in [("POST", SNAPSHOTS), ("POST", CLONE)] {
        for fault in passing() {
            let (appliance, client) = start(Firmware::Recent);
            let pool = client.pool(POOL);
            appliance.fault(method, route, 1, fault.clone()).unwrap();
            let made = pool.clone_volume(&clone_volume(), soon());
            made.unwrap_or_else(|e| panic!("{method} {route} {fault:?}: {e}"));
            let expected = ["v_a  s_1,v_new", "v_new Pool-0/v_a@v_new "];
            assert_eq!(everything(&appliance, &pool), expected, "{fault:?}");

            appliance
                .fault("DELETE", SNAPSHOT, 1, fault.clone())
                .unwrap();
            let how = DeleteVolume::default();
            let gone = pool.delete_volume_named("v_new", how, soon());
            assert!(gone.unwrap_or_else(|e| panic!("{fault:?}: {e}")));
            assert_eq!(everything(&appliance, &pool), ["v_a  s_1"], "{fault:?}");
            assert_clean(&appliance);
        }
    }
}

#[test]
fn a_failure_that_stays_is_told_and_leaves_no_intermediate_snapshot() {
    let (appliance, client) = start(Firmware::Classic);
    let pool = client.pool(POOL);
    let fault = Fault::Answer {
        status: 500,
        class: "opene.storage.SomeError".to_owned(),
        errno: Some(42),
        message: "out of handles".to_owned(),
    };
    appliance.fault("POST", CLONE, 1, fault).unwrap();
    let error = pool.clone_volume(&clone_volume(), soon()).unwrap_err();
    assert!(error.to_string().contains("out of handles"), "{error}");
    assert_eq!(everything(&appliance, &pool), ["v_a  s_1"]);
    assert_clean(&appliance);
}

#[test]
fn a_deletion_that_hangs_is_looked_at_before_the_deadline() {
    // Side by side, since all they do is wait.
    std::thread::scope(|scope| {
        for firmware in GENERATIONS {
            scope.spawn(move || delete_where_it_hangs(firmware));
        }
    });
}

fn delete_where_it_hangs(firmware: Firmware) {
    let (appliance, client) = start(firmware);
    let pool = client.pool(POOL);
    let deadline = || Instant::now() + Duration::from_secs(5);
    appliance
        .create_volume(POOL, "v_b", MIB)
        .expect("the appliance takes it");
    appliance
        .fault("DELETE", VOLUME, 1, Fault::Hang.before_work())
        .expect("the appliance takes it");
    let error = pool
        .delete_volume(&"b".parse().expect("the appliance takes it"), deadline())
        .expect_err("it hangs");
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    appliance.clear_faults();
    appliance
        .fault("DELETE", VOLUME, 1, Fault::Hang)
        .expect("the appliance takes it");
    assert!(
        pool.delete_volume(&"b".parse().expect("the appliance takes it"), deadline())
            .expect("the appliance takes it")
    );
    appliance.clear_faults();
    appliance
        .fault("DELETE", SNAPSHOT, 1, Fault::Hang)
        .expect("the appliance takes it");
    assert!(
        pool.delete_snapshot("v_a", "s_1", deadline())
            .expect("the appliance takes it")
    );
    assert_eq!(everything(&appliance, &pool), ["v_a  "]);
    assert_clean(&appliance);
}

#[test]
fn an_appliance_that_shows_things_late_is_waited_for() {
    for firmware in GENERATIONS {
        let lag = Lag {
            volumes: 3,
            renames: 4,
            ..Lag::default()
        };
        let (appliance, client) = run(setup(firmware).lag(lag));
        let pool = client.pool(POOL);
        create(&pool).unwrap();
        let (from, to) = ("new".parse().unwrap(), "moved".parse().unwrap());
        pool.rename_volume(&from, &to, soon()).unwrap();
        let again = pool.rename_volume(&from, &to, soon()).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Missing);
        clone(&pool).unwrap();
        let expected = ["v_a  s_1", "v_moved  ", "v_new Pool-0/v_a@s_1 "];
        assert_eq!(everything(&appliance, &pool), expected);
        assert_clean(&appliance);
    }
}
