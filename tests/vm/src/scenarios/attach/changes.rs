//! The list of data addresses changes: nothing that is up notices, what comes up next does.

use std::path::Path;

use jdss_sim::Appliance;
use jdss_vm::appliance::{PASSWORD, POOL, USER};
use jdss_vm::config::Storage;
use jdss_vm::daemon::Daemon;
use jdss_vm::network::{ADDRESSES, CONTROL, Portal};
use jdss_vm::{Command, Error, Guest, sysfs, wait};

use super::*;
use crate::scenarios::scenarios;

scenarios![
    an_address_that_was_added_is_offered_and_used_by_the_next_activation,
    an_address_that_was_removed_stays_while_another_initiator_is_logged_in,
];

/// Name of another initiator, one in user space.
const OTHER_INITIATOR: &str = "iqn.2025-04.com.example:other";

fn configure(addresses: &[&str]) -> Result<(), Error> {
    let storage = Storage::new(STORE, PASSWORD)
        .property("pool_name", POOL)
        .property("user_name", USER)
        .property("control_addresses", CONTROL)
        .property("data_addresses", addresses.join(","))
        .property("ssl_cert_verify", 0)
        .property("multipath", 1);
    Storage::write(&[storage])
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
