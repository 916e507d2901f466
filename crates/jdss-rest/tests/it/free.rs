//! Looking for a name that no volume has.

use jdss_rest::names::NameError;
use jdss_rest::{Client, ClusterPrefix, Error, ErrorKind, FreeName, NewVolume, Tls, VolumeId};
use jdss_sim::{Appliance, Fault};
use serde_json::{Value, json};

use crate::script::*;

fn disks<'a>(prefix: Option<&'a ClusterPrefix>, not: &'a [VolumeId]) -> FreeName<'a> {
    FreeName {
        stem: "vm-100-disk-",
        prefix,
        not,
    }
}

fn volume(name: &str) -> Value {
    json!({ "name": name, "volsize": "1073741824" })
}

/// The whole list in one page.
fn list(names: &[&str]) -> Step {
    let entries: Vec<Value> = names.iter().map(|name| volume(name)).collect();
    step(
        format!("GET {POOL}/volumes?page=0&per_page=100"),
        ok(json!({ "results": entries.len(), "entries": entries })),
    )
}

fn look(name: &str, is_there: bool) -> Step {
    let answer = match is_there {
        true => ok(volume(name)),
        false => missing(name),
    };
    step(format!("GET {POOL}/volumes/{name}"), answer)
}

fn find(name: &FreeName<'_>, steps: impl IntoIterator<Item = Step>) -> Result<String, Error> {
    let script = Script::new(steps);
    let found = script
        .client()
        .pool("Pool-0")
        .free_volume_id(name, soon())
        .map(|id| id.as_str().to_owned());
    script.assert_done();
    found
}

#[test]
fn the_lowest_free_number_costs_one_reading_and_one_look() {
    let found = find(
        &disks(None, &[]),
        [
            list(&[
                "v_vm-100-disk-0",
                "v_vm-100-disk-1",
                "v_vm-100-disk-3",
                "v_vm-10-disk-2",
                "v_vm-100-disk-02",
                "v_xvm-100-disk-2",
            ]),
            look("v_vm-100-disk-2", false),
        ],
    );
    assert_eq!(found.unwrap(), "vm-100-disk-2");
    let found = find(
        &disks(None, &[]),
        [list(&[]), look("v_vm-100-disk-0", false)],
    );
    assert_eq!(found.unwrap(), "vm-100-disk-0");
}

#[test]
fn a_cluster_looks_at_its_own_volumes_alone() {
    let prefix: ClusterPrefix = "pveA".parse().unwrap();
    let volumes = [
        "v_pveA_vm-100-disk-0",
        "v_vm-100-disk-1",
        "v_pveB_vm-100-disk-1",
        "v_pveAB_vm-100-disk-1",
    ];
    let found = find(
        &disks(Some(&prefix), &[]),
        [list(&volumes), look("v_pveA_vm-100-disk-1", false)],
    );
    assert_eq!(found.unwrap(), "pveA_vm-100-disk-1");
    let found = find(
        &disks(None, &[]),
        [list(&volumes), look("v_vm-100-disk-0", false)],
    );
    assert_eq!(found.unwrap(), "vm-100-disk-0");
}

#[test]
fn a_template_has_its_number_too() {
    let base = |stem| FreeName {
        stem,
        prefix: None,
        not: &[],
    };
    let all = ["v_base-100-disk-0", "v_vm-100-disk-1", "v_base-10-disk-2"];
    let steps = |free| [list(&all), look(free, false)];
    let found = find(&base("vm-100-disk-"), steps("v_vm-100-disk-2"));
    assert_eq!(found.unwrap(), "vm-100-disk-2");
    let found = find(&base("base-100-disk-"), steps("v_base-100-disk-2"));
    assert_eq!(found.unwrap(), "base-100-disk-2");
    let prefix: ClusterPrefix = "pveA".parse().unwrap();
    let steps = [
        list(&["v_pveA_base-100-disk-0", "v_base-100-disk-1"]),
        look("v_pveA_vm-100-disk-1", false),
    ];
    let found = find(&disks(Some(&prefix), &[]), steps);
    assert_eq!(found.unwrap(), "pveA_vm-100-disk-1");
}

#[test]
fn a_volume_that_a_stale_list_lacks_is_seen() {
    let found = find(
        &disks(None, &[]),
        [
            list(&["v_vm-100-disk-1"]),
            look("v_vm-100-disk-0", true),
            look("v_vm-100-disk-2", true),
            look("v_vm-100-disk-3", false),
        ],
    );
    assert_eq!(found.unwrap(), "vm-100-disk-3");
}

#[test]
fn names_that_differ_only_in_encoding_are_taken() {
    let found = find(
        &disks(None, &[]),
        [
            list(&[
                // vm-100-disk-0 and vm-100-disk-1, as older clients name them.
                "vb_OZWS2MJQGAWWI2LTNMWTA---",
                "vh_x_OZWS2MJQGAWWI2LTNMWTC---",
                // Neither is a volume: an export of a snapshot, and one that is hidden.
                "se_vm-100-disk-2_ME------",
                "t_vm-100-disk-2",
            ]),
            look("v_vm-100-disk-2", false),
        ],
    );
    assert_eq!(found.unwrap(), "vm-100-disk-2");

    // A stem that needs encoding itself.
    let name = FreeName {
        stem: "my disk ",
        prefix: None,
        not: &[],
    };
    let [zero, one] = ["my disk 0", "my disk 1"].map(|id| {
        let id: VolumeId = id.parse().unwrap();
        id.physical_name()
    });
    let found = find(&name, [list(&[&zero]), look(&one, false)]);
    assert_eq!(found.unwrap(), "my disk 1");
}

#[test]
fn ids_known_to_be_taken_are_not_given() {
    let not = ["vm-100-disk-0", "vm-100-disk-2"].map(|id| id.parse().unwrap());
    let found = find(
        &disks(None, &not),
        [list(&["v_vm-100-disk-1"]), look("v_vm-100-disk-3", false)],
    );
    assert_eq!(found.unwrap(), "vm-100-disk-3");
}

#[test]
fn a_name_is_free_only_when_the_appliance_says_so() {
    let failed = step(
        format!("GET {POOL}/volumes/v_vm-100-disk-0"),
        fail(500, "exceptions.RuntimeError", Some(22), "oops"),
    );
    let error = find(&disks(None, &[]), [list(&[]), failed]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other, "{error}");

    let pool = step(
        format!("GET {POOL}/volumes?page=0&per_page=100"),
        missing("Pool-0"),
    );
    let error = find(&disks(None, &[]), [pool]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
}

#[test]
fn a_stem_that_makes_no_names_is_refused_before_anything_is_asked() {
    let prefix: ClusterPrefix = "pveA".parse().unwrap();
    for stem in ["", " ", "\t\n", "vm-100-disk-1", "7"] {
        for prefix in [None, Some(&prefix)] {
            let error = find(
                &FreeName {
                    stem,
                    prefix,
                    not: &[],
                },
                [],
            )
            .unwrap_err();
            let Error::Name {
                reason: NameError::Stem { value },
            } = &error
            else {
                panic!("{error:?}")
            };
            assert_eq!(value, stem);
            assert!(error.to_string().contains("vm-100-disk-"), "{error}");
        }
    }
    let stem = &"x".repeat(253);
    let error = find(
        &FreeName {
            stem,
            prefix: None,
            not: &[],
        },
        [],
    )
    .unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Name {
                reason: NameError::TooLong { .. }
            }
        ),
        "{error:?}"
    );
}

fn appliance() -> (Appliance, Client) {
    let appliance = Appliance::builder()
        .pool("Pool-0")
        .volume("Pool-0", "v_vm-100-disk-0", 1 << 20)
        .volume("Pool-0", "v_pveA_vm-100-disk-1", 1 << 20)
        .start()
        .expect("a free port");
    let client = Client::builder(vec![appliance.rest_addr().ip()])
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .build()
        .expect("a valid certificate");
    (appliance, client)
}

fn new(id: VolumeId) -> NewVolume {
    NewVolume {
        id,
        size: 1 << 20,
        thin: true,
        block_size: 16384,
    }
}

fn assert_clean(appliance: &Appliance) {
    let violations = appliance.violations();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn disks_of_two_clusters_are_numbered_apart_on_an_appliance() {
    let (appliance, client) = appliance();
    let pool = client.pool("Pool-0");
    let prefix: ClusterPrefix = "pveA".parse().unwrap();
    let mut made = Vec::new();
    for prefix in [Some(&prefix), Some(&prefix), None] {
        appliance.clear_log();
        let id = pool.free_volume_id(&disks(prefix, &[]), soon()).unwrap();
        assert_eq!(appliance.requests().len(), 2, "the list and one look");
        made.push(pool.create_volume(&new(id), soon()).unwrap().name);
    }
    assert_eq!(
        made,
        [
            "v_pveA_vm-100-disk-0",
            "v_pveA_vm-100-disk-2",
            "v_vm-100-disk-1"
        ]
    );
    assert_clean(&appliance);
}

#[test]
fn a_stale_list_costs_a_look_for_each_volume_that_it_lacks() {
    let (appliance, client) = appliance();
    appliance
        .fault("GET", "/pools/{pool}/volumes", 1, Fault::StaleList)
        .unwrap();
    for number in [1, 2] {
        let name = format!("v_vm-100-disk-{number}");
        appliance.create_volume("Pool-0", &name, 1 << 20).unwrap();
    }
    appliance.clear_log();
    let id = client
        .pool("Pool-0")
        .free_volume_id(&disks(None, &[]), soon())
        .unwrap();
    assert_eq!(id.as_str(), "vm-100-disk-3");
    assert_eq!(appliance.requests().len(), 1 + 3);
    assert_clean(&appliance);
}

#[test]
fn clients_that_race_for_free_names_fill_them_without_a_gap() {
    const EACH: usize = 10;
    let (appliance, client) = appliance();
    let create = || {
        let pool = client.pool("Pool-0");
        let mut taken = Vec::new();
        loop {
            let id = pool.free_volume_id(&disks(None, &taken), soon()).unwrap();
            match pool.create_volume(&new(id.clone()), soon()) {
                Ok(volume) => return volume.name,
                Err(error) if error.kind() == ErrorKind::Exists => taken.push(id),
                Err(error) => panic!("{error}"),
            }
        }
    };
    let worker = || (0..EACH).map(|_| create()).collect::<Vec<String>>();
    let mut made = std::thread::scope(|scope| {
        let [a, b] = [scope.spawn(worker), scope.spawn(worker)];
        [a.join().unwrap(), b.join().unwrap()].concat()
    });
    made.sort();
    let mut wanted: Vec<String> = (1..=2 * EACH)
        .map(|number| format!("v_vm-100-disk-{number}"))
        .collect();
    wanted.sort();
    assert_eq!(made, wanted);
    assert_clean(&appliance);
}
