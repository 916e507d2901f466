//! A pool that moves to the other head with its portals.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use jdss_sim::Appliance;

use crate::initiator::{Initiator, Login};
use crate::{FIRST, POOL, SECOND, SIZE, TARGET, portal};

const OTHER: &str = "iqn.2025-04.proxmox.joviandss.iscsi:vm-101-0";

/// `Pool-0` on the first head at the first address, `Pool-1` on the second head at the second one.
fn heads() -> Appliance {
    let builder = Appliance::builder()
        .pool(POOL)
        .vip(POOL, "vip1", FIRST)
        .second_head()
        .pool("Pool-1")
        .vip("Pool-1", "vip1", SECOND);
    let appliance = builder.start().expect("loopback addresses can be bound");
    for (pool, target) in [(POOL, TARGET), ("Pool-1", OTHER)] {
        let made = appliance
            .create_volume(pool, "d0", SIZE)
            .and_then(|()| appliance.create_target(pool, target))
            .and_then(|()| appliance.attach(pool, target, "d0", 0));
        made.expect("a new pool has room, and the names are free");
    }
    appliance
}

fn session(appliance: &Appliance) -> Initiator {
    let login = Login::new(portal(appliance, FIRST), TARGET);
    let mut initiator = login.log_in().expect("the target is open");
    initiator.ready(0);
    initiator
}

#[test]
fn the_sessions_of_a_pool_on_its_way_are_cut_and_new_ones_wait_for_the_other_head() {
    let appliance = heads();
    let mut moved = session(&appliance);
    let mut stays = Login::new(portal(&appliance, SECOND), OTHER)
        .log_in()
        .unwrap();
    stays.ready(0);
    appliance.move_pool(POOL).unwrap();
    moved.assert_closed();
    let left: Vec<_> = appliance.sessions().into_iter().map(|s| s.target).collect();
    assert_eq!(left, [OTHER]);
    stays.read(0, 0, 8).good();
    // Connections are made and ignored: even what comes before a login is not refused.
    let mut ignored = TcpStream::connect(portal(&appliance, FIRST)).unwrap();
    ignored.write_all(&[0; 48]).unwrap();
    ignored
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let nothing = ignored.read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    appliance.arrive(POOL).unwrap();
    session(&appliance).read(0, 0, 8).good();
    stays.read(0, 0, 8).good();
}

#[test]
fn the_portals_of_a_pool_on_its_way_can_refuse() {
    let appliance = heads();
    let mut moved = session(&appliance);
    appliance.move_pool_refusing(POOL).unwrap();
    moved.assert_closed();
    let refused = std::net::TcpStream::connect(portal(&appliance, FIRST));
    assert_eq!(
        refused.map(drop).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::ConnectionRefused)
    );
    appliance.arrive(POOL).unwrap();
    session(&appliance).read(0, 0, 8).good();
}

#[test]
fn a_dumb_session_is_cut_as_well_and_a_closed_portal_opens_at_the_other_head() {
    let appliance = heads();
    let mut moved = session(&appliance);
    appliance.silence_portal(FIRST).unwrap();
    appliance.move_pool(POOL).unwrap();
    moved.assert_closed();
    assert_eq!(appliance.sessions(), []);
    appliance.arrive(POOL).unwrap();
    appliance.close_portal(FIRST).unwrap();
    appliance.move_pool(POOL).unwrap();
    appliance.arrive(POOL).unwrap();
    session(&appliance).read(0, 0, 8).good();
}
