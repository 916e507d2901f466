//! Volumes, snapshots and clones on a simulated appliance: calls counted, ends exact, faults survived.

mod calls;
mod faults;
mod lists;
mod rollback;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jdss_rest::{Client, CloneOf, CloneVolume, NewVolume, Pool, Tls};
use jdss_sim::{Appliance, Builder, Firmware, Request};

const POOL: &str = "Pool-0";
const OTHER: &str = "Pool-1";
const MIB: u64 = 1 << 20;
const GENERATIONS: [Firmware; 2] = [Firmware::Classic, Firmware::Recent];

/// Two pools with a volume `v_a` each; the one in `Pool-0` has the snapshot `s_1`.
fn setup(firmware: Firmware) -> Builder {
    Appliance::builder()
        .pool(POOL)
        .pool(OTHER)
        .volume(POOL, "v_a", MIB)
        .volume(OTHER, "v_a", MIB)
        .rest("127.0.0.1:0")
        .rest("127.0.0.2:0")
        .utc_offset(7200)
        .firmware(firmware)
}

fn start(firmware: Firmware) -> (Appliance, Client) {
    run(setup(firmware))
}

fn run(builder: Builder) -> (Appliance, Client) {
    let appliance = builder.start().expect("loopback addresses are free");
    for pool in [POOL, OTHER] {
        appliance
            .create_snapshot(pool, "v_a", "s_1")
            .expect("a snapshot");
    }
    let addresses = appliance.rest_addrs();
    let client = Client::builder(addresses.iter().map(SocketAddr::ip).collect())
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .retry_pause(Duration::from_millis(1))
        .outage(Duration::ZERO)
        .build()
        .expect("a valid certificate");
    (appliance, client)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn new_volume() -> NewVolume {
    NewVolume {
        id: "new".parse().expect("an id"),
        size: 3 * MIB - 1,
        thin: true,
        block_size: 16 << 10,
    }
}

fn clone_of() -> CloneOf {
    CloneOf {
        volume: "v_a".to_owned(),
        snapshot: "s_1".to_owned(),
        name: "v_new".to_owned(),
        thin: true,
        read_only: true,
    }
}

fn clone_volume() -> CloneVolume {
    CloneVolume {
        volume: "v_a".to_owned(),
        name: "v_new".to_owned(),
        thin: true,
    }
}

/// Everything in a pool: volumes with size and origin, and their snapshots.
fn everything(appliance: &Appliance, pool: &Pool) -> Vec<String> {
    let name = pool.name();
    let mut all = Vec::new();
    for volume in appliance.volumes(name).expect("a pool") {
        let snapshots = appliance.snapshots(name, &volume).expect("a volume");
        let origin = appliance.origin(name, &volume).expect("a volume");
        let origin = origin.unwrap_or_default();
        all.push(format!("{volume} {origin} {}", snapshots.join(",")));
    }
    all.sort();
    all
}

/// Nothing was asked that a real appliance would not understand.
fn assert_clean(appliance: &Appliance) {
    let violations: Vec<String> = appliance
        .violations()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(violations.is_empty(), "{violations:#?}");
}

/// `GET /path` of each request so far.
fn asked(appliance: &Appliance) -> Vec<String> {
    let line = |request: &Request| format!("{} {}", request.method, request.path);
    appliance.requests().iter().map(line).collect()
}
