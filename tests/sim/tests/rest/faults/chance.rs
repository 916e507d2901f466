//! Faults that come again and again, or by chance.

use jdss_sim::{Fault, Trigger};
use serde_json::json;

use super::PATH;
use crate::pair;

#[test]
fn every_nth_request_goes_wrong() {
    let (appliance, client) = pair();
    let route = "/pools/{pool}";
    appliance
        .fault_when("GET", route, Trigger::Every(3), Fault::scst())
        .unwrap();
    let status = |_| client.get("/pools/Pool-0").status;
    let statuses: Vec<_> = (0..7).map(status).collect();
    assert_eq!(statuses, [200, 200, 500, 200, 200, 500, 200]);
}

#[test]
fn a_share_of_requests_goes_wrong_and_always_the_same() {
    let strikes = |seed, other_routes| {
        let (appliance, client) = pair();
        let mut connection = client.connect().unwrap();
        let share = Trigger::Share {
            seed,
            per_mille: 250,
        };
        appliance
            .fault_when("GET", "/pools/{pool}", share, Fault::scst())
            .unwrap();
        let mut ask = |path: &str| connection.send("GET", path, "").unwrap().status == 500;
        let struck: Vec<bool> = (0..200)
            .map(|_| {
                if other_routes {
                    ask("/api/v4/pools/Pool-0/vips");
                }
                ask("/api/v4/pools/Pool-0")
            })
            .collect();
        struck
    };
    let first = strikes(1, false);
    let count = first.iter().filter(|struck| **struck).count();
    assert!((25..=75).contains(&count), "{count}");
    assert_eq!(first, strikes(1, true));
    assert_ne!(first, strikes(2, false));
}

#[test]
fn chaos_strikes_every_route_with_each_fault_in_its_share() {
    let (appliance, client) = pair();
    let empty = Fault::NoData.after_work();
    appliance.chaos(
        3,
        &[(Fault::scst(), 200), (empty, 300), (Fault::ShortList, 100)],
    );
    for _ in 0..100 {
        client.get("/pools/Pool-0");
        client.call("POST", PATH, json!({"name": "v_a", "size": "1G"}));
        client.delete(&format!("{PATH}/v_a"));
    }
    let mut counts = [0; 4];
    for request in appliance.requests() {
        let kind = match &request.faults[..] {
            [] => 0,
            [Fault::Answer { .. }] => 1,
            [Fault::At { .. }] => 2,
            [Fault::ShortList] if request.method == "GET" => 3,
            other => panic!("{other:?} for a {}", request.method),
        };
        counts[kind] += 1;
    }
    assert!((30..=90).contains(&counts[1]), "{counts:?}");
    assert!((60..=120).contains(&counts[2]), "{counts:?}");
    assert!((2..=20).contains(&counts[3]), "{counts:?}");
    appliance.clear_faults();
    appliance.clear_log();
    for _ in 0..20 {
        client.get("/pools/Pool-0").data(200);
    }
}
