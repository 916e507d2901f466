//! The iSCSI side, asked by an initiator that shares no code with the target.

mod changes;
mod discovery;
mod faults;
mod heads;
mod identity;
mod initiator;
mod login;
mod refusals;
mod reservations;
mod snapshots;
mod tasks;
mod transfer;

use std::net::{IpAddr, SocketAddr};

use initiator::{Initiator, Login};
use jdss_sim::Appliance;

const POOL: &str = "Pool-0";
const TARGET: &str = "iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0";
const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
const SIZE: u64 = 64 << 20;

/// Two portals, one target, one volume `d0` of 64 MiB at LUN 0.
fn appliance() -> Appliance {
    let appliance = Appliance::builder()
        .pool(POOL)
        .vip(POOL, "vip1", FIRST)
        .vip(POOL, "vip2", SECOND)
        .start()
        .expect("loopback addresses can be bound");
    appliance
        .create_volume(POOL, "d0", SIZE)
        .expect("a new pool has room");
    appliance
        .set_scsi_id(POOL, "d0", "4fa1c0de77e2b316")
        .expect("16 characters");
    appliance
        .create_target(POOL, TARGET)
        .expect("the name is free");
    appliance
        .attach(POOL, TARGET, "d0", 0)
        .expect("the number is free");
    appliance
}

fn portal(appliance: &Appliance, address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, appliance.data_port())
}

/// How to log in to the target at its first portal.
fn login(appliance: &Appliance) -> Login {
    Login::new(portal(appliance, FIRST), TARGET)
}

/// A session at the first portal, past the first unit attention of LUN 0.
fn session(appliance: &Appliance) -> Initiator {
    let mut initiator = login(appliance).log_in().expect("the target is open");
    initiator.ready(0);
    initiator
}

/// An appliance and a session.
fn pair() -> (Appliance, Initiator) {
    let appliance = appliance();
    let initiator = session(&appliance);
    (appliance, initiator)
}
