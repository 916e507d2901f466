//! What a disk of this host becomes when its LUN changes.

use super::*;
use crate::scenarios::scenarios;

scenarios![
    an_absent_lun_makes_no_disk,
    a_withdrawn_lun_leaves_a_disk_that_is_not_there,
    a_reused_lun_keeps_its_old_identity_until_a_rescan,
    a_new_size_is_seen_after_a_rescan_of_all_paths,
    a_read_only_volume_is_read_only,
];

fn an_absent_lun_makes_no_disk(_: &Guest) -> Result<(), Error> {
    let _appliance = begin()?;
    let session = initiator::login(TARGET, Portal::First)?;
    // The kernel has scanned when the write returns.
    initiator::scan(&session, u64::from(LUN) + 1)?;
    assert_eq!(sysfs::disks()?, []);
    initiator::scan(&session, LUN.into())?;
    initiator::disk(&session, LUN.into())?;
    assert_eq!(sysfs::disks()?.len(), 1);
    initiator::logout(TARGET, Portal::First)
}

fn a_withdrawn_lun_leaves_a_disk_that_is_not_there(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let [(_, disk), _] = attach()?;
    hide(&appliance, VOLUME);
    // TEST UNIT READY by hand: sg_turs of trixie does not send it.
    let ready = Command::words("sg_raw")
        .arg(disk.path())
        .args(["0"; 6])
        .run()?;
    let refused = ready.both().contains("Logical unit not supported");
    assert!(ready.code != Some(0) && refused, "{ready:?}");
    assert_eq!(
        (state(&disk)?.as_str(), attribute(&disk, "wwid")?),
        ("running", disk.wwid.clone())
    );
    rescan(&disk)?;
    assert_eq!(size(&disk.name)?, 0);
    initiator::detach(TARGET)
}

fn a_reused_lun_keeps_its_old_identity_until_a_rescan(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let stored = file(&appliance, OTHER);
    let stored_file = File::options().write(true).open(&stored);
    stored_file
        .and_then(|mut f| f.write_all(&[7; 4096]))
        .map_err(Error::file(stored))?;
    let [(_, disk), _] = attach()?;
    hide(&appliance, VOLUME);
    show(&appliance, OTHER);
    // The other volume's data, at once, and the first one's name.
    assert!(read(&disk.path(), 4096)? == [7; 4096]);
    assert_eq!(
        attribute(&disk, "wwid")?,
        format!("eui.{}", eui(&appliance, VOLUME))
    );
    assert_eq!(initiator::scsi_id(&disk)?, wwid(&appliance, OTHER));
    rescan(&disk)?;
    assert_eq!(
        attribute(&disk, "wwid")?,
        format!("eui.{}", eui(&appliance, OTHER))
    );
    initiator::detach(TARGET)
}

fn a_new_size_is_seen_after_a_rescan_of_all_paths(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let (paths, map) = attach_map(&appliance)?;
    let new = SIZE + 64 * MIB;
    appliance
        .set_volume_size(POOL, &physical(VOLUME), new)
        .expect("a good size");
    for (_, disk) in &paths {
        assert_eq!(size(&disk.name)?, SIZE);
    }
    rescan(&paths[0].1)?;
    assert_eq!(
        (size(&paths[0].1.name)?, size(&paths[1].1.name)?),
        (new, SIZE)
    );
    rescan(&paths[1].1)?;
    assert_eq!(size(&paths[1].1.name)?, new);
    // udev may still be at work on the paths' change.
    wait::until_equal("the size of the map", wait::SOON, &new, || {
        multipath::ask(&format!("resize map {}", map.device))?;
        size(&map.device)
    })?;
    detach_map(&appliance)
}

fn a_read_only_volume_is_read_only(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    hide(&appliance, VOLUME);
    appliance
        .attach_read_only(POOL, TARGET, &physical(VOLUME), LUN)
        .expect("the number is free");
    let [(_, disk), _] = attach()?;
    // The kernel looks at a new disk twice, and while it looks again, `ro` is 0 for a moment.
    let attribute = Path::new("/sys/block").join(&disk.name).join("ro");
    let read_only = || sysfs::text(&attribute);
    wait::until_equal("ro", wait::SOON, &Some("1".to_owned()), read_only)?;
    assert!(write(&disk.path(), &[1; 4096]).is_err());
    assert_eq!(read(&disk.path(), 4096)?, [0; 4096]);
    initiator::detach(TARGET)
}
