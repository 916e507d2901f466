//! A LUN number that was given to another volume.

use std::fs::File;
use std::path::Path;

use jdss_sim::Appliance;
use jdss_vm::appliance::{POOL, physical};
use jdss_vm::{Error, Guest};

use super::*;
use crate::scenarios::scenarios;

scenarios![
    a_lun_that_became_another_volume_is_never_handed_out,
    a_leftover_map_does_not_become_the_volume_that_got_its_lun,
    a_held_map_that_serves_another_volume_is_refused
];

/// The volume's LUN number is given to another volume behind the host's back.
fn reuse_lun(appliance: &Appliance, target: &str) {
    appliance
        .detach(POOL, target, &physical(VM))
        .expect("the volume is attached");
    appliance
        .attach(POOL, target, &physical(OTHER), 0)
        .expect("the number is free");
}

fn a_lun_that_became_another_volume_is_never_handed_out(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM, OTHER])?;
    let first = activate(VM)?;
    reuse_lun(&appliance, &target_of(&appliance));
    let again = activate(VM)?;
    assert_eq!(again, first, "the name follows the WWID");
    write_pattern(&again, 3, MIB)?;
    let file = appliance.volume_path(POOL, &physical(VM)).expect("a file");
    assert_pattern(&file, 3, MIB)?;
    assert_eq!(writes(&appliance, OTHER), [0, 0]);
    deactivate(VM)
}

fn a_leftover_map_does_not_become_the_volume_that_got_its_lun(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM, OTHER])?;
    let leftover = activate(VM)?;
    reuse_lun(&appliance, &target_of(&appliance));
    let other = activate(OTHER)?;
    assert_eq!(
        other,
        Path::new("/dev/mapper").join(wwid(&appliance, OTHER))
    );
    assert!(!leftover.exists(), "the leftover map is gone");
    assert_eq!(active_by_daemon(&wwid(&appliance, OTHER))?, 2);
    write_pattern(&other, 4, MIB)?;
    let file = appliance
        .volume_path(POOL, &physical(OTHER))
        .expect("a file");
    assert_pattern(&file, 4, MIB)?;
    assert_eq!(writes(&appliance, VM), [0, 0]);
    // The old record names the LUN that is the other's now.
    deactivate(VM)?;
    assert_eq!(active_by_daemon(&wwid(&appliance, OTHER))?, 2);
    deactivate(OTHER)
}

fn a_held_map_that_serves_another_volume_is_refused(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM, OTHER])?;
    let map = activate(VM)?;
    let holder = File::open(&map).map_err(Error::file(&map))?;
    let target = target_of(&appliance);
    reuse_lun(&appliance, &target);
    let output = run("activate", VM).run()?;
    assert_failed(&output, 12, &["jdss-scenarios"]);
    let output = run("activate", OTHER).run()?;
    if output.code == Some(0) {
        // multipathd has noticed by itself, before we asked, and has taken the paths out of the held map: then nobody
        // holds the disks any more. The release of trixie is mostly that fast.
        let other = format!("/dev/mapper/{}\n", wwid(&appliance, OTHER));
        assert_eq!(output.stdout, other);
        let held = map.file_name().unwrap_or_default().to_string_lossy();
        assert_eq!(dm::paths(&held)?, []);
    } else {
        assert_failed(&output, 12, &["jdss-scenarios"]);
    }
    assert_eq!(writes(&appliance, OTHER), [0, 0]);
    drop(holder);
    activate(OTHER)?;
    deactivate(OTHER)?;
    deactivate(VM)
}
