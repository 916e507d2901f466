//! Two paths, and the loss of one.

use super::*;
use crate::scenarios::scenarios;

scenarios![
    two_portals_make_one_map_that_carries_data,
    io_outlives_the_loss_of_either_path,
    a_session_that_the_target_closes_comes_back,
    a_closed_portal_makes_its_disks_offline_until_it_opens,
];

fn two_portals_make_one_map_that_carries_data(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let (_, map) = attach_map(&appliance)?;
    assert_eq!(map.name, wwid(&appliance, VOLUME));
    assert_eq!(map.size, SIZE);
    let data = random(64 * MIB)?;
    write(&map.path(), &data)?;
    assert!(
        read(&map.path(), data.len())? == data,
        "read back something else"
    );
    let stored = fs::read(file(&appliance, VOLUME)).map_err(Error::file("the volume's file"))?;
    assert!(
        stored[..data.len()] == data,
        "the appliance stored something else"
    );
    for (address, writes) in ADDRESSES.iter().zip(writes(&appliance)) {
        assert!(writes > 0, "no write went through {address}");
    }
    detach_map(&appliance)
}

fn io_outlives_the_loss_of_either_path(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let (_, map) = attach_map(&appliance)?;
    let mut seed = 0;
    let mut goes_on = || -> Result<(), Error> {
        seed += 1;
        let data = vec![seed; MIB as usize];
        write(&map.path(), &data)?;
        assert!(
            read(&map.path(), data.len())? == data,
            "read back something else"
        );
        Ok(())
    };
    for (portal, cut) in [(Portal::First, Cut::Drop), (Portal::Second, Cut::LinkDown)] {
        goes_on()?;
        portal.cut(cut)?;
        // Waits for the path to fail, and must not fail with it.
        goes_on()?;
        wait::until_equal("active paths", wait::SOON, &1, || dm::active(&map.name))?;
        goes_on()?;
        portal.restore()?;
        wait::until_equal("active paths", wait::SOON * 2, &2, || dm::active(&map.name))?;
    }
    goes_on()?;
    detach_map(&appliance)
}

fn a_session_that_the_target_closes_comes_back(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let (paths, map) = attach_map(&appliance)?;
    let known = appliance.sessions().len();
    assert_eq!((known, appliance.close_sessions(TARGET)), (2, 2));
    wait::until_equal(
        "sessions",
        wait::SOON,
        &["LOGGED_IN".to_owned(), "LOGGED_IN".to_owned()].to_vec(),
        || {
            if appliance.sessions().len() < 2 {
                return Ok(Vec::new());
            }
            Ok(sysfs::sessions()?.into_iter().map(|s| s.state).collect())
        },
    )?;
    for (_, disk) in &paths {
        wait::until_equal("a disk", wait::SOON, &"running".to_owned(), || state(disk))?;
    }
    multipath::map(&map.name, 2)?;
    write(&map.path(), &[9; 4096])?;
    detach_map(&appliance)
}

fn a_closed_portal_makes_its_disks_offline_until_it_opens(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let ([(session, disk), _], map) = attach_map(&appliance)?;
    let address = ADDRESSES[0].parse().expect("an address");
    appliance::beside(|| appliance.close_portal(address))?.expect("it is one of ours");
    wait::until_equal(
        "a lost disk",
        wait::SOON,
        &"transport-offline".to_owned(),
        || state(&disk),
    )?;
    let lost = sysfs::sessions()?.into_iter().find(|s| s.id == session.id);
    assert_ne!(lost.map(|s| s.state).as_deref(), Some("LOGGED_IN"));
    wait::until_equal("active paths", wait::SOON, &1, || dm::active(&map.name))?;
    appliance::beside(|| appliance.open_portal(address))?.expect("it is one of ours");
    wait::until_equal("a disk", wait::SOON, &"running".to_owned(), || state(&disk))?;
    multipath::map(&map.name, 2)?;
    detach_map(&appliance)
}
