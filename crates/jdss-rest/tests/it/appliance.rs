//! The real transport and the real decoder, against a simulated appliance.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use jdss_rest::{
    Builder, Chap, Client, Error, ErrorKind, NewVolume, Publish, Published, TargetGroup, Tls,
};
use jdss_sim::{Appliance, Fault, Firmware};

const POOL: &str = "Pool-0";
const GIB: u64 = 1 << 30;
const TARGETS: &str = "/pools/{pool}/san/iscsi/targets";
const LUNS: &str = "/pools/{pool}/san/iscsi/targets/{target}/luns";
const VOLUME: &str = "/pools/{pool}/volumes/{volume}";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn start(firmware: Firmware) -> Appliance {
    Appliance::builder()
        .pool(POOL)
        .pool("Pool-1")
        .vip(POOL, "vip1", ip("127.0.0.11"))
        .vip(POOL, "vip2", ip("127.0.0.12"))
        .volume(POOL, "v_vm-100-disk-0", GIB)
        .volume(POOL, "v_vm-100-disk-1", 2 * GIB)
        .volume("Pool-1", "v_vm-100-disk-0", 3 * GIB)
        .rest("127.0.0.1:0")
        .rest("127.0.0.2:0")
        .firmware(firmware)
        .start()
        .expect("loopback addresses are free")
}

fn builder(appliance: &Appliance) -> Builder {
    let addresses = appliance.rest_addrs();
    Client::builder(addresses.iter().map(SocketAddr::ip).collect())
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .retry_pause(Duration::from_millis(1))
        .outage(Duration::ZERO)
}

fn client(appliance: &Appliance) -> Client {
    builder(appliance).build().expect("a valid certificate")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn request(volume: &str) -> Publish {
    Publish {
        pool: POOL.to_owned(),
        volume: volume.parse().expect("an id"),
        target_prefix: "iqn.2025-04.proxmox.joviandss.iscsi"
            .parse()
            .expect("a prefix"),
        group: TargetGroup::of(volume).expect("a group"),
        luns_per_target: 8,
        data_addresses: vec![ip("127.0.0.12"), ip("127.0.0.11")],
        chap: Chap::Unmanaged,
        may_move: true,
    }
}

fn publish(client: &Client, volume: &str) -> Result<Published, Error> {
    client.publish(&request(volume), soon())
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

#[test]
fn a_fresh_volume_costs_six_calls_and_three_when_it_is_found_again() {
    for firmware in [Firmware::Classic, Firmware::Recent] {
        let appliance = start(firmware);
        let client = client(&appliance);
        let first = publish(&client, "vm-100-disk-0").unwrap();
        assert_eq!(appliance.requests().len(), 6);
        assert_eq!(first.target, "iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0");
        assert_eq!(first.lun, 0);
        assert_eq!(first.portals, [ip("127.0.0.12"), ip("127.0.0.11")]);
        assert_eq!(first.size, GIB);
        let scsi_id = appliance.scsi_id(POOL, "v_vm-100-disk-0").unwrap();
        assert_eq!(first.scsi_id.as_str(), scsi_id);
        assert!(first.created.target && first.created.lun);

        appliance.clear_log();
        let again = publish(&client, "vm-100-disk-0").unwrap();
        assert_eq!(appliance.requests().len(), 3);
        assert!(!again.created.target && !again.created.lun);
        let mut expected = first.clone();
        expected.created = again.created;
        assert_eq!(again, expected);
        assert_clean(&appliance);
    }
}

#[test]
fn the_second_volume_of_a_guest_shares_its_target() {
    let appliance = start(Firmware::Classic);
    let client = client(&appliance);
    let first = publish(&client, "vm-100-disk-0").unwrap();
    let second = publish(&client, "vm-100-disk-1").unwrap();
    assert_eq!(second.target, first.target);
    assert_eq!((second.lun, second.size), (1, 2 * GIB));
    assert!(!second.created.target && second.created.lun);
    assert_clean(&appliance);
}

#[test]
fn vips_are_added_to_an_existing_target() {
    let appliance = start(Firmware::Classic);
    let client = client(&appliance);
    let target = publish(&client, "vm-100-disk-0").unwrap().target;
    appliance.set_target_vips(POOL, &target, &["vip1"]).unwrap();
    let portals = publish(&client, "vm-100-disk-0").unwrap().portals;
    assert_eq!(portals, [ip("127.0.0.12"), ip("127.0.0.11")]);
    let vips = client
        .pool(POOL)
        .target(&target, soon())
        .unwrap()
        .vips
        .unwrap();
    assert_eq!(vips, ["vip1", "vip2"]);
    assert_clean(&appliance);
}

#[test]
fn a_wrong_password_is_said_to_be_wrong_and_asked_once() {
    let appliance = start(Firmware::Classic);
    let client = builder(&appliance).credentials("admin", "geheim-17".to_owned().into());
    let error = publish(&client.build().unwrap(), "vm-100-disk-0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert_eq!(appliance.requests().len(), 1);
    let seen = format!("{error} {error:?}");
    assert!(seen.contains(&appliance.rest_addr().to_string()), "{seen}");
    assert!(
        !seen.contains("geheim") && !seen.contains("Basic"),
        "{seen}"
    );
    assert_clean(&appliance);
}

#[test]
fn an_unknown_volume_or_pool_is_named_and_nothing_is_changed() {
    for firmware in [Firmware::Classic, Firmware::Recent] {
        let appliance = start(firmware);
        let client = client(&appliance);
        let error = publish(&client, "vm-999-disk-0").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing);
        assert!(
            error
                .to_string()
                .starts_with("volume Pool-0/v_vm-999-disk-0 "),
            "{error}"
        );

        let elsewhere = Publish {
            pool: "Pool-7".to_owned(),
            ..request("vm-100-disk-0")
        };
        let error = client.publish(&elsewhere, soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing);
        assert!(
            error.to_string().starts_with("pool Pool-7 does not exist"),
            "{error}"
        );
        assert!(
            appliance
                .requests()
                .iter()
                .all(|request| request.method == "GET")
        );
        assert_clean(&appliance);
    }
}

#[test]
fn data_addresses_that_are_no_vips_are_named_and_nothing_is_changed() {
    let appliance = start(Firmware::Classic);
    let data_addresses = vec![ip("127.0.0.99")];
    let request = Publish {
        data_addresses,
        ..request("vm-100-disk-0")
    };
    let error = client(&appliance).publish(&request, soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoVip);
    for part in ["127.0.0.99", "127.0.0.11", "127.0.0.12", "vip1"] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
    assert!(
        appliance
            .requests()
            .iter()
            .all(|request| request.method == "GET")
    );
    assert_clean(&appliance);
}

#[test]
fn an_appliance_that_is_down_is_named_by_all_its_addresses() {
    let appliance = start(Firmware::Classic);
    let client = client(&appliance);
    let addresses = appliance.rest_addrs();
    drop(appliance);
    let error = publish(&client, "vm-100-disk-0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    for address in addresses {
        let part = format!("{address}: no connection: connection refused");
        assert!(
            error.to_string().contains(&part),
            "{part} is not in {error}"
        );
    }
}

#[test]
fn the_other_address_serves_while_one_is_down() {
    let appliance = start(Firmware::Classic);
    let [second, first] = appliance.rest_addrs()[..] else {
        panic!("two addresses")
    };
    let client = Client::builder(vec![first.ip(), second.ip()])
        .port(first.port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .build()
        .unwrap();
    client.pool(POOL).info(soon()).unwrap();
    appliance.close_rest(first).unwrap();
    publish(&client, "vm-100-disk-0").unwrap();
    appliance.open_rest(first).unwrap();
    appliance.close_rest(second).unwrap();
    publish(&client, "vm-100-disk-0").unwrap();
    assert_clean(&appliance);
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let (appliance, other) = (start(Firmware::Classic), start(Firmware::Recent));
    for tls in [Tls::WebPki, Tls::CaPem(other.ca_pem().into_bytes())] {
        let client = builder(&appliance).tls(tls).build().unwrap();
        let error = publish(&client, "vm-100-disk-0").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
        assert!(
            error.to_string().contains("certificate not trusted"),
            "{error}"
        );
    }
    assert!(appliance.requests().is_empty(), "the password was sent");
    let client = builder(&appliance).tls(Tls::Insecure).build().unwrap();
    assert!(publish(&client, "vm-100-disk-0").is_ok());
    assert_clean(&appliance);
}

#[test]
fn an_appliance_that_is_too_old_is_said_to_be() {
    let appliance = start(Firmware::Old);
    let error = publish(&client(&appliance), "vm-100-disk-0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("too old"), "{error}");
}

#[test]
fn an_inactive_target_is_refused() {
    let appliance = start(Firmware::Classic);
    let client = client(&appliance);
    let target = publish(&client, "vm-100-disk-0").unwrap().target;
    appliance.set_target_active(POOL, &target, false).unwrap();
    let error = publish(&client, "vm-100-disk-0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Inactive);
    assert_clean(&appliance);
}

#[test]
fn a_target_name_of_another_pool_is_a_conflict_and_left_alone() {
    let appliance = start(Firmware::Classic);
    let name = "iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0";
    appliance.create_target("Pool-1", name).unwrap();
    let client = client(&appliance);
    let error = publish(&client, "vm-100-disk-0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(matches!(error, Error::TargetElsewhere { .. }), "{error}");
    assert!(client.pool("Pool-1").target(name, soon()).is_ok());
    assert_clean(&appliance);
}

#[test]
fn lost_answers_and_passing_failures_do_not_show() {
    for (method, route) in [
        ("POST", TARGETS),
        ("POST", LUNS),
        ("GET", VOLUME),
        ("GET", TARGETS),
    ] {
        for fault in [Fault::NoReply, Fault::NoData, Fault::configuration_race()] {
            let appliance = start(Firmware::Classic);
            appliance.fault(method, route, 1, fault.clone()).unwrap();
            let published = publish(&client(&appliance), "vm-100-disk-0");
            let published = published.unwrap_or_else(|e| panic!("{method} {route} {fault:?}: {e}"));
            assert_eq!(published.lun, 0);
            assert!(published.created.target && published.created.lun);
            assert_clean(&appliance);
        }
    }
}

#[test]
fn a_failure_after_the_target_was_made_leaves_no_target() {
    let appliance = start(Firmware::Classic);
    let fault = Fault::Answer {
        status: 500,
        class: "opene.san.SomeError".to_owned(),
        errno: Some(42),
        message: "out of handles".to_owned(),
    };
    appliance.fault("POST", LUNS, 1, fault).unwrap();
    let client = client(&appliance);
    let error = publish(&client, "vm-100-disk-0").unwrap_err();
    assert!(error.to_string().contains("out of handles"), "{error}");
    assert!(client.pool(POOL).targets(soon()).unwrap().is_empty());
    assert_clean(&appliance);
}

#[test]
fn a_slow_appliance_is_left_at_the_deadline() {
    let appliance = start(Firmware::Classic);
    let fault = Fault::Delay(Duration::from_secs(20));
    appliance.fault("GET", "/pools/{pool}", 1, fault).unwrap();
    let deadline = Instant::now() + Duration::from_millis(300);
    let error = client(&appliance).pool(POOL).info(deadline).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    assert!(error.to_string().contains("no answer within"), "{error}");
}

#[test]
fn volumes_are_made_and_removed() {
    let appliance = start(Firmware::Recent);
    let client = client(&appliance);
    let pool = client.pool(POOL);
    let new = NewVolume {
        id: "my disk".parse().unwrap(),
        size: GIB - 1,
        thin: true,
        block_size: 16 << 10,
    };
    let made = pool.create_volume(&new, soon()).unwrap();
    assert_eq!(
        (made.name.as_str(), made.size),
        ("vh_my_disk_NV4SAZDJONVQ----", GIB)
    );
    assert_eq!(pool.volume(&new.id, soon()).unwrap().size, GIB);
    let again = pool.create_volume(&new, soon()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Exists);
    assert!(pool.delete_volume(&new.id, soon()).unwrap());
    assert!(!pool.delete_volume(&new.id, soon()).unwrap());
    let huge = NewVolume {
        size: 1 << 50,
        thin: false,
        ..new
    };
    assert_eq!(
        pool.create_volume(&huge, soon()).unwrap_err().kind(),
        ErrorKind::NoSpace
    );
    assert_clean(&appliance);
}

#[test]
fn what_was_published_can_be_listed_and_taken_back() {
    let appliance = start(Firmware::Classic);
    let client = client(&appliance);
    let pool = client.pool(POOL);
    let published = publish(&client, "vm-100-disk-0").unwrap();
    let target = &published.target;
    let found = client.attachments("v_vm-100-disk-0", soon()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].target.as_ref(), Some(target));
    assert_eq!(
        pool.luns(target, soon()).unwrap()[0].volume,
        "v_vm-100-disk-0"
    );
    assert_eq!(pool.lun(target, "v_vm-100-disk-0", soon()).unwrap().lun, 0);
    assert!(pool.sessions(target, soon()).unwrap().is_empty());
    assert!(!client.delete_target_if_empty(POOL, target, soon()).unwrap());
    assert!(pool.detach(target, "v_vm-100-disk-0", soon()).unwrap());
    assert!(client.delete_target_if_empty(POOL, target, soon()).unwrap());
    assert!(client.delete_target_if_empty(POOL, target, soon()).unwrap());
    assert_clean(&appliance);
}
