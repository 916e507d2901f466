//! What is published by REST is found by a foreign initiator: libiscsi's programs.

use std::net::IpAddr;
use std::process::Command;

use jdss_sim::Appliance;
use serde_json::json;

use crate::client::Client;
use crate::pair;

const TARGET: &str = "iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0";
const VIP1: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const VIP2: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// Are libiscsi's programs there? Where they are missing the test is left out, but not on a CI host.
fn has_libiscsi() -> bool {
    let there = ["iscsi-ls", "iscsi-inq", "iscsi-readcapacity16"]
        .iter()
        .all(|program| Command::new(program).arg("--help").output().is_ok());
    assert!(
        there || std::env::var_os("CI").is_none(),
        "install the package libiscsi-bin"
    );
    there
}

/// What a program says about an address (and a LUN there), or what it complains about.
fn ask(
    appliance: &Appliance,
    program: &[&str],
    address: IpAddr,
    rest: &str,
) -> Result<String, String> {
    let url = format!("iscsi://{address}:{}{rest}", appliance.data_port());
    let output = Command::new(program[0])
        .args(&program[1..])
        .arg(url)
        .output()
        .expect("it is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

fn publish(client: &Client) {
    client
        .call(
            "POST",
            "/pools/Pool-0/volumes",
            json!({"name": "v_a", "size": "64M", "sparse": true}),
        )
        .data(201);
    let portals = json!({"enabled": true, "assigned_vips": ["vip1"]});
    let target = json!({"name": TARGET, "active": true, "vip_allowed_portals": portals});
    client
        .call("POST", "/pools/Pool-0/san/iscsi/targets", target)
        .data(201);
    let luns = format!("/pools/Pool-0/san/iscsi/targets/{TARGET}/luns");
    client
        .call("POST", &luns, json!({"name": "v_a", "lun": 3}))
        .data(201);
}

#[test]
fn a_published_volume_is_found_with_its_identity_and_size() {
    if !has_libiscsi() {
        return;
    }
    let (appliance, client) = pair();
    publish(&client);
    let lun = format!("/{TARGET}/3");
    let listed = ask(&appliance, &["iscsi-ls", "-s"], VIP1, "").unwrap();
    let port = appliance.data_port();
    assert!(
        listed.contains(&format!("Target:{TARGET} Portal:127.0.0.1:{port},1")),
        "{listed}"
    );
    assert!(
        listed.contains("Lun:3 ") && !listed.contains("Lun:0 "),
        "{listed}"
    );
    let identity = ask(
        &appliance,
        &["iscsi-inq", "-e", "1", "-c", "131"],
        VIP1,
        &lun,
    )
    .unwrap();
    let scsi_id = appliance.scsi_id("Pool-0", "v_a").unwrap();
    assert!(
        identity.contains(&format!("Designator:[{}]", &scsi_id[..8])),
        "{identity}"
    );
    let capacity = || ask(&appliance, &["iscsi-readcapacity16"], VIP1, &lun).unwrap();
    assert!(capacity().contains("Total size:67108864"), "{}", capacity());
    client
        .call(
            "PUT",
            "/pools/Pool-0/volumes/v_a",
            json!({"size": "134217728"}),
        )
        .data(201);
    assert!(
        capacity().contains("Total size:134217728"),
        "{}",
        capacity()
    );
    let inquiries = appliance
        .commands()
        .into_iter()
        .filter(|command| command.name == "INQUIRY");
    assert!(inquiries.clone().count() > 0);
    for command in inquiries {
        assert_eq!(
            (command.volume.as_str(), command.lun),
            ("Pool-0/v_a", Some(3))
        );
    }
}

#[test]
fn a_target_is_served_where_and_as_long_as_rest_says_so() {
    if !has_libiscsi() {
        return;
    }
    let (appliance, client) = pair();
    publish(&client);
    let lun = format!("/{TARGET}/3");
    let inquire = |address| ask(&appliance, &["iscsi-inq"], address, &lun);
    assert!(inquire(VIP1).is_ok());
    assert!(inquire(VIP2).unwrap_err().contains("Target not found"));
    let portals = json!({"enabled": true, "assigned_vips": ["vip1", "vip2"]});
    let target = format!("/pools/Pool-0/san/iscsi/targets/{TARGET}");
    client
        .call(
            "PUT",
            &target,
            json!({"name": TARGET, "vip_allowed_portals": portals}),
        )
        .data(200);
    assert!(inquire(VIP2).is_ok());
    let portal = |address: IpAddr, state: &str| {
        let body = json!({"address": address, "state": state}).to_string();
        client.send("PUT", "/sim/portal", &body).no_content();
    };
    portal(VIP1, "closed");
    assert!(inquire(VIP1).is_err());
    assert!(inquire(VIP2).is_ok());
    portal(VIP1, "open");
    assert!(inquire(VIP1).is_ok());
    client.delete(&format!("{target}/luns/v_a")).no_content();
    assert!(inquire(VIP1).is_err());
    client.delete(&target).no_content();
    assert!(
        !ask(&appliance, &["iscsi-ls"], VIP1, "")
            .unwrap_or_default()
            .contains("Target:")
    );
}
