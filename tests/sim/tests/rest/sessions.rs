//! Sessions as REST tells them, opened by an initiator.

use std::net::SocketAddr;

use jdss_sim::Appliance;
use serde_json::json;

use crate::appliance;
use crate::client::Client;
use crate::initiator::{Login, NAME};

const A: &str = "iqn.2025-04.test:a";
const B: &str = "iqn.2025-04.test:b";
const TARGETS: &str = "/pools/Pool-0/san/iscsi/targets";

fn login(appliance: &Appliance, address: [u8; 4], isid: u8) -> Login {
    let portal = SocketAddr::from((address, appliance.data_port()));
    Login::new(portal, A).isid(isid)
}

#[test]
fn sessions_are_those_of_the_iscsi_side() {
    let appliance = appliance();
    let client = Client::new(&appliance);
    for target in [A, B] {
        appliance.create_target("Pool-0", target).unwrap();
    }
    appliance.create_volume("Pool-0", "v_a", 1 << 20).unwrap();
    appliance.attach("Pool-0", A, "v_a", 0).unwrap();
    let first = login(&appliance, [127, 0, 0, 1], 1).log_in().unwrap();
    let second = login(&appliance, [127, 0, 0, 2], 2).log_in().unwrap();
    let of = |path: &str| client.get(&format!("{TARGETS}{path}")).data(200);
    let list = of(&format!("/{A}/sessions"));
    let sessions = list.as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        assert_eq!(session["target_name"], A);
        assert_eq!(session["initiator_name"], NAME);
        assert_eq!(session["cid"], "0");
        assert!(session["ip"].as_str().unwrap().starts_with("127.0.0."));
    }
    assert_ne!(sessions[0]["sid"], sessions[1]["sid"]);
    assert_eq!(of("/sessions"), list);
    assert_eq!(of(&format!("/{B}/sessions")), json!([]));
    // The volume and the target are in use.
    let (class, errno, _) = client.delete(&format!("{TARGETS}/{A}")).error(500);
    assert_eq!(class, "opene.tools.scstadmin.ScstAdminError");
    assert_eq!(errno, Some(16));
    client.delete("/pools/Pool-0/volumes/v_a").error(500);

    let elsewhere = "/pools/Pool-1/san/iscsi/targets";
    assert_eq!(
        client.get(&format!("{elsewhere}/sessions")).data(200),
        json!([])
    );
    for missing in [
        format!("{elsewhere}/{A}/sessions"),
        format!("{TARGETS}/iqn.2025-04.test:no/sessions"),
    ] {
        let (class, _, message) = client.get(&missing).error(404);
        assert_eq!(class, "opene.exceptions.ItemNotFoundError");
        assert!(message.ends_with(" not exists."), "{message}");
    }
    client
        .get("/pools/Pool-7/san/iscsi/targets/sessions")
        .error(404);
    drop((first, second));
    assert_eq!(appliance.violations(), []);
}
