//! The configuration changes: nothing that is up notices, what comes up next does.

use std::path::Path;

use jdss_sim::Appliance;
use jdss_vm::appliance::{PASSWORD, POOL, USER, beside, physical};
use jdss_vm::config::Storage;
use jdss_vm::daemon::Daemon;
use jdss_vm::network::{ADDRESSES, CONTROL, Portal};
use jdss_vm::{Command, Error, Guest, sysfs, wait};

use super::*;
use crate::scenarios::scenarios;

scenarios![
    an_address_that_was_added_is_offered_and_used_by_the_next_activation,
    an_address_that_was_removed_stays_while_another_initiator_is_logged_in,
    a_volume_goes_to_a_new_prefix_but_not_away_from_devices_without_paths,
];

/// Name of another initiator, one in user space.
const OTHER_INITIATOR: &str = "iqn.2025-04.com.example:other";

/// Another beginning of target names.
const PREFIX: &str = "iqn.2025-04.com.example:";

fn with_addresses(addresses: &[&str]) -> Storage {
    Storage::new(STORE, PASSWORD)
        .property("pool_name", POOL)
        .property("user_name", USER)
        .property("control_addresses", CONTROL)
        .property("data_addresses", addresses.join(","))
        .property("ssl_cert_verify", 0)
        .property("multipath", 1)
}

fn configure(addresses: &[&str]) -> Result<(), Error> {
    Storage::write(&[with_addresses(addresses)])
}

fn offered(appliance: &Appliance, target: &str) -> Vec<String> {
    let vips = appliance.target_vips(POOL, target);
    vips.expect("the target is there")
}

/// The portals at which this host is logged in.
fn portals() -> Result<Vec<String>, Error> {
    let mut portals: Vec<_> = sysfs::sessions()?.into_iter().map(|s| s.portal).collect();
    portals.sort();
    Ok(portals)
}

fn an_address_that_was_added_is_offered_and_used_by_the_next_activation(
    _: &Guest,
) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    let (first, second) = (Portal::First.with_port(), Portal::Second.with_port());
    configure(&ADDRESSES[..1])?;
    let map = activate(VM)?;
    let target = target_of(&appliance);
    assert_eq!(offered(&appliance, &target), ["vip0"]);
    assert_eq!(portals()?, [first.as_str()]);

    configure(&ADDRESSES)?;
    appliance.clear_log();
    assert_eq!(activate(VM)?, map, "what is up stays as it was");
    assert!(appliance.requests().is_empty());
    assert_eq!(portals()?, [first.as_str()]);

    deactivate(VM)?;
    assert_eq!(activate(VM)?, map);
    assert_eq!(offered(&appliance, &target), ["vip0", "vip1"]);
    assert_eq!(portals()?, [first, second]);
    assert_eq!(active_by_daemon(&wwid(&appliance, VM))?, 2);
    deactivate(VM)
}

fn an_address_that_was_removed_stays_while_another_initiator_is_logged_in(
    _: &Guest,
) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    activate(VM)?;
    let target = target_of(&appliance);
    deactivate(VM)?;

    let url = format!("iscsi://{}/{target}/0", Portal::Second.with_port());
    let other = Command::words("iscsi-perf -m 1 -b 8 -i").args([OTHER_INITIATOR, &url]);
    let other = Daemon::start("iscsi-perf", &other)?;
    let theirs = || {
        let mut all = appliance.sessions().into_iter();
        all.find(|s| s.initiator == OTHER_INITIATOR).map(|s| s.sid)
    };
    let session = wait::until("a session of the other initiator", wait::SOON, || {
        theirs().ok_or("none")
    })?;

    configure(&ADDRESSES[..1])?;
    activate(VM)?;
    assert_eq!(portals()?, [Portal::First.with_port()]);
    assert_eq!(offered(&appliance, &target), ["vip0", "vip1"]);
    assert_eq!(theirs(), Some(session), "the session of others stays");
    deactivate(VM)?;

    other.stop()?;
    wait::until_equal("sessions at the appliance", wait::SOON, &0, || {
        Ok(appliance.sessions().len())
    })?;
    activate(VM)?;
    assert_eq!(offered(&appliance, &target), ["vip0"]);
    assert!(Path::new("/dev/jdss").join(STORE).join(VM).exists());
    deactivate(VM)
}

fn a_volume_goes_to_a_new_prefix_but_not_away_from_devices_without_paths(
    _: &Guest,
) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    let map = activate(VM)?;
    let old = target_of(&appliance);
    let lun = appliance.luns(POOL, &old).expect("the target is there");
    let renamed = with_addresses(&ADDRESSES).property("target_prefix", PREFIX);
    Storage::write(&[renamed])?;

    // As an outage: to the appliance, nobody is logged in any more.
    for address in ADDRESSES {
        let address = address.parse().expect("an address");
        appliance.close_portal(address).expect("it is a portal");
    }
    wait::until_equal("sessions at the appliance", wait::SOON, &0, || {
        Ok(appliance.sessions().len())
    })?;
    until_active(&map, 0)?;
    let output = run("activate", VM).run()?;
    assert_failed(&output, 11, &[&old]);
    assert_eq!(appliance.targets(POOL).expect("the pool"), [old.as_str()]);
    assert_eq!(appliance.luns(POOL, &old).expect("the target"), lun);

    for address in ADDRESSES {
        let address = address.parse().expect("an address");
        beside(|| appliance.open_portal(address))?.expect("it is a portal");
    }
    until_active(&map, 2)?;
    assert_eq!(activate(VM)?, map, "what was up is up again");
    deactivate(VM)?;

    assert_eq!(activate(VM)?, map);
    assert!(target_of(&appliance).starts_with(PREFIX));
    assert_eq!(appliance.luns(POOL, &old).expect("the target"), []);
    let moved = (physical(VM), 0);
    let new = appliance.luns(POOL, &target_of(&appliance));
    assert_eq!(new.expect("the target"), [moved]);
    deactivate(VM)
}
