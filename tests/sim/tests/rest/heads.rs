//! Two heads, and pools that move between them with their addresses.

use jdss_sim::{Appliance, Error};
use serde_json::{Value, json};

use crate::client::Client;

const TARGETS: [&str; 2] = ["iqn.2025-04.test:a", "iqn.2025-04.test:b"];

/// `Pool-0` on the first head, `Pool-1` on the second one, a volume on a target in each. Clients of the
/// heads' own addresses and of `Pool-0`'s VIP.
struct Pair {
    appliance: Appliance,
    first: Client,
    second: Client,
    vip: Client,
}

fn heads() -> Pair {
    let builder = Appliance::builder()
        .pool("Pool-0")
        .vip("Pool-0", "vip1", [127, 0, 0, 2].into())
        .rest("127.0.0.1:0")
        .rest("127.0.0.2:0")
        .second_head()
        .pool("Pool-1")
        .rest("127.0.0.3:0");
    let appliance = builder.start().expect("loopback addresses can be bound");
    for (pool, target) in ["Pool-0", "Pool-1"].into_iter().zip(TARGETS) {
        let made = appliance
            .create_volume(pool, "v_a", 1 << 30)
            .and_then(|()| appliance.create_target(pool, target))
            .and_then(|()| appliance.attach(pool, target, "v_a", 0));
        made.expect("a new pool has room, and the names are free");
    }
    let addresses = appliance.rest_addrs();
    let client = |n: usize| Client::at(addresses[n], &appliance.ca_pem());
    let (first, vip, second) = (client(0), client(1), client(2));
    Pair {
        appliance,
        first,
        second,
        vip,
    }
}

/// Which of the two pools a head has, by each way of asking.
#[track_caller]
fn assert_has(client: &Client, pools: [bool; 2]) {
    for (n, has) in pools.into_iter().enumerate() {
        let pool = format!("/pools/Pool-{n}");
        for path in ["", "/vips", "/volumes/v_a", "/san/iscsi/targets"] {
            let answer = client.get(&format!("{pool}{path}"));
            if has {
                answer.data(200);
            } else {
                let (class, _, message) = answer.error(404);
                assert_eq!(class, "opene.exceptions.ItemNotFoundError");
                assert_eq!(message, format!("Pool Pool-{n} not found."));
            }
        }
    }
    let expected: Vec<Value> = (0..2)
        .filter(|n| pools[*n])
        .map(|n| json!(format!("Pool-{n}")))
        .collect();
    for query in ["", "?where=name==v_a"] {
        let luns = client.get(&format!("/san/iscsi/luns{query}")).data(200);
        let entries = luns.as_array().expect("a list").iter();
        let found: Vec<_> = entries.map(|lun| &lun["pool"]).collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>());
    }
}

#[test]
fn each_head_answers_for_its_own_pools() {
    let heads = heads();
    assert_has(&heads.first, [true, false]);
    assert_has(&heads.vip, [true, false]);
    assert_has(&heads.second, [false, true]);
    assert_eq!(heads.appliance.violations(), []);
}

#[test]
fn one_head_answers_for_all_everywhere_and_moves_nothing() {
    let builder = Appliance::builder().pool("Pool-0").pool("Pool-1");
    let builder = builder.vip("Pool-0", "vip1", [127, 0, 0, 2].into());
    let appliance = builder
        .rest("127.0.0.1:0")
        .rest("127.0.0.2:0")
        .start()
        .unwrap();
    for address in appliance.rest_addrs() {
        let client = Client::at(address, &appliance.ca_pem());
        client.get("/pools/Pool-0").data(200);
        client.get("/pools/Pool-1").data(200);
    }
    assert!(matches!(appliance.move_pool("Pool-0"), Err(Error::OneHead)));
    Client::at(appliance.rest_addrs()[1], &appliance.ca_pem())
        .get("/pools/Pool-0")
        .data(200);
}

#[test]
fn a_pool_is_nowhere_on_its_way_and_then_at_the_other_head() {
    let heads = heads();
    let mut open = heads.vip.connect().unwrap();
    open.send("GET", "/api/v4/pools/Pool-0", "")
        .unwrap()
        .data(200);

    heads.appliance.move_pool("Pool-0").unwrap();
    assert_has(&heads.first, [false, false]);
    assert_has(&heads.second, [false, true]);
    open.ask("GET", "/api/v4/pools/Pool-0", "").unwrap();
    assert!(open.is_ignored());
    let mut during = heads.vip.connect().unwrap();
    assert!(during.is_ignored());

    heads.appliance.arrive("Pool-0").unwrap();
    assert_has(&heads.first, [false, false]);
    assert_has(&heads.second, [true, true]);
    assert_has(&heads.vip, [true, true]);
    // The other head does not know the connection of before.
    assert!(open.is_cut());
    during
        .send("GET", "/api/v4/pools/Pool-0", "")
        .unwrap()
        .data(200);

    heads.appliance.move_pool("Pool-0").unwrap();
    heads.appliance.arrive("Pool-0").unwrap();
    assert_has(&heads.first, [true, false]);
    assert_has(&heads.vip, [true, false]);
    assert_has(&heads.second, [false, true]);
}

#[test]
fn what_was_asked_of_the_head_that_a_pool_has_left_is_not_done() {
    let heads = heads();
    let mut open = heads.vip.connect().unwrap();
    open.send("GET", "/api/v4/pools/Pool-0", "")
        .unwrap()
        .data(200);
    heads.appliance.move_pool("Pool-0").unwrap();
    let body = json!({"name": "v_b", "size": "1G"}).to_string();
    open.ask("POST", "/api/v4/pools/Pool-0/volumes", &body)
        .unwrap();
    heads.appliance.arrive("Pool-0").unwrap();
    assert!(open.is_cut());
    heads.second.get("/pools/Pool-0/volumes/v_b").error(500);
}

#[test]
fn the_addresses_of_a_pool_on_its_way_can_refuse() {
    let heads = heads();
    let mut open = heads.vip.connect().unwrap();
    open.send("GET", "/api/v4/pools/Pool-0", "")
        .unwrap()
        .data(200);
    heads.appliance.move_pool_refusing("Pool-0").unwrap();
    assert!(open.is_cut());
    assert!(heads.vip.connect().is_err());
    heads.appliance.arrive("Pool-0").unwrap();
    assert_has(&heads.vip, [true, true]);
}

#[test]
fn a_pool_moves_once_and_then_arrives_once() {
    let Pair { appliance, .. } = heads();
    assert!(matches!(
        appliance.arrive("Pool-0"),
        Err(Error::PoolNotMoving { .. })
    ));
    appliance.move_pool("Pool-0").unwrap();
    assert!(matches!(
        appliance.move_pool("Pool-0"),
        Err(Error::PoolMoving { .. })
    ));
    appliance.arrive("Pool-0").unwrap();
    assert!(matches!(
        appliance.arrive("Pool-0"),
        Err(Error::PoolNotMoving { .. })
    ));
    for moved in [appliance.move_pool("Pool-9"), appliance.arrive("Pool-9")] {
        assert!(matches!(moved, Err(Error::PoolMissing { .. })));
    }
}

#[test]
fn pretended_sessions_at_the_addresses_of_a_pool_on_its_way_end_as_well() {
    let Pair { appliance, .. } = heads();
    let initiator = "iqn.1993-08.org.debian:01:aa11bb22cc33";
    let log_in = |target: &str, at: u8| {
        let from = [127, 0, 0, 9].into();
        appliance.log_in(target, initiator, from, [127, 0, 0, at].into())
    };
    log_in(TARGETS[0], 2).unwrap();
    log_in(TARGETS[1], 3).unwrap();
    appliance.move_pool("Pool-0").unwrap();
    let left: Vec<_> = appliance.sessions().into_iter().map(|s| s.target).collect();
    assert_eq!(left, [TARGETS[1]]);
}

#[test]
fn a_pretend_host_finds_nothing_at_an_address_on_its_way() {
    let Pair { appliance, .. } = heads();
    let exports = appliance.exports();
    let found = || exports(TARGETS[0], [127, 0, 0, 2].into()).map(|luns| luns.len());
    assert_eq!(found(), Some(1));
    appliance.move_pool("Pool-0").unwrap();
    assert_eq!(found(), None);
    appliance.arrive("Pool-0").unwrap();
    assert_eq!(found(), Some(1));
}
