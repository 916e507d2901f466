//! The REST side, asked by a plain client that shares no code with the product's.

mod addresses;
mod client;
mod clones;
mod control;
mod faults;
mod firmware;
mod heads;
#[path = "../iscsi/initiator/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "sessions are opened here, and not much is done with them"
)]
mod initiator;
mod late;
mod luns;
mod pools;
mod program;
mod publish;
mod sessions;
mod snapshots;
mod strict;
mod targets;
mod transport;
mod volumes;

use std::time::{Duration, Instant};

use client::Client;
use jdss_sim::Appliance;

/// Two pools with two VIPs each, at loopback addresses.
fn appliance() -> Appliance {
    let builder = Appliance::builder()
        .pool("Pool-0")
        .pool("Pool-1")
        .vip("Pool-0", "vip2", [127, 0, 0, 2].into())
        .vip("Pool-0", "vip1", [127, 0, 0, 1].into())
        .vip("Pool-1", "vip1", [127, 0, 0, 3].into());
    builder.start().expect("loopback addresses can be bound")
}

/// An appliance with one client.
fn pair() -> (Appliance, Client) {
    let appliance = appliance();
    let client = Client::new(&appliance);
    (appliance, client)
}

/// Waits until something is so that another thread brings about.
#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    // A bound for a test that would otherwise hang.
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "it is still not so");
        std::thread::yield_now();
    }
}
