//! Who gets a volume with a volume group on it, LVM of the host or multipath: docs/decisions/0003.
//!
//! LVM activates what it finds in two ways, and both are tried: by itself, from udev's events (lvm2's stock rules,
//! which work without systemd as well), and from an administrator's or a boot script's `vgchange -ay`.

use std::path::Path;

use jdss_vm::network::Portal;
use jdss_vm::sysfs::{self, Disk, Map};
use jdss_vm::{Command, Error, Guest, config, initiator, multipath, tgt, wait};

super::scenarios![
    without_enrolment_lvm_takes_the_first_path_from_an_event,
    without_enrolment_lvm_takes_the_first_path_on_demand,
    with_both_paths_there_lvm_takes_none_on_demand,
    an_enrolled_volume_is_left_to_multipath_by_events,
    an_enrolled_volume_is_left_to_multipath_on_demand,
    a_path_that_is_mounted_does_not_get_into_the_map,
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Activation {
    Event,
    OnDemand,
}

/// A volume with a volume group, exported by tgt; nothing is logged in or active. Gives its WWID.
fn volume_with_a_group(guest: &Guest, activation: Activation) -> Result<String, Error> {
    // The WWID, while there is nothing on the volume that anybody could want.
    let volume = tgt::volume("volume", 64 << 20)?;
    guest.start_tgt(&volume)?;
    let session = initiator::login(tgt::TARGET, Portal::First)?;
    initiator::scan(&session, tgt::LUN)?;
    let wwid = initiator::scsi_id(&initiator::disk(&session, tgt::LUN)?)?;
    initiator::logout(tgt::TARGET, Portal::First)?;

    lvm_events(false)?;
    let device = Command::words("losetup --find --show").arg(&volume).ok()?;
    Command::words("pvcreate").arg(device.trim_end()).ok()?;
    Command::words("vgcreate guests")
        .arg(device.trim_end())
        .ok()?;
    Command::words("lvcreate --yes --name disk --extents 100%FREE guests").ok()?;
    Command::words("vgchange --activate n guests").ok()?;
    Command::words("losetup --detach")
        .arg(device.trim_end())
        .ok()?;
    wait::until("a loop device to go", wait::SOON, || {
        let file = sysfs::text("/sys/block/loop0/loop/backing_file");
        if matches!(file, Ok(None)) {
            Ok(())
        } else {
            Err(file)
        }
    })?;
    // What LVM remembers of groups that it has seen complete, by name; an earlier scenario's is not this one's.
    for online in ["/run/lvm/pvs_online", "/run/lvm/vgs_online"] {
        Command::words("rm -rf").arg(online).ok()?;
    }
    lvm_events(activation == Activation::Event)?;
    Ok(wwid)
}

/// Switches activation by events; on is the default, and the harness sees to it before each scenario.
fn lvm_events(on: bool) -> Result<(), Error> {
    let value = i32::from(on);
    config::write(
        config::LVM_LOCAL,
        0o644,
        &format!(
            "global {{
	event_activation = {value}
}}
"
        ),
    )
}

/// What holds a block device: names of device-mapper devices.
fn holders(disk: &str) -> Result<Vec<String>, Error> {
    sysfs::names(Path::new("/sys/block").join(disk).join("holders"))
}

fn logical_volume() -> Result<Option<Map>, Error> {
    Ok(sysfs::maps()?.into_iter().find(|m| m.name == "guests-disk"))
}

/// The device below the logical volume, when that is active.
fn below_the_logical_volume() -> Result<Option<String>, Error> {
    Ok(logical_volume()?.and_then(|m| m.slaves.into_iter().next()))
}

/// Waits until the logical volume is active; gives the device below it.
fn active() -> Result<String, Error> {
    wait::until(
        "the logical volume",
        wait::SOON,
        || match below_the_logical_volume() {
            Ok(Some(device)) => Ok(device),
            other => Err(other),
        },
    )
}

fn end(wwid: &str) -> Result<(), Error> {
    if let Some(map) = logical_volume()? {
        // Not by vgchange: with two paths and no map LVM does not find the group that it activated itself.
        Command::words("dmsetup remove --retry")
            .arg(map.name)
            .ok()?;
    }
    multipath::flush(wwid)?;
    initiator::detach(tgt::TARGET)
}

/// The logical volume is on `taken`, a path. Enrolment now, as the order "login, SCSI ID, enrolment" has it, is too
/// late: the map is built and says that all is well, the logical volume stays on its one path, and the map is flushed
/// without a word, since nobody has *it* open.
fn enrolment_is_too_late(wwid: &str, disks: &[Disk], taken: &str) -> Result<(), Error> {
    let ours = disks.iter().find(|d| d.name == taken);
    let ours = ours.unwrap_or_else(|| panic!("{taken} is none of {disks:?}"));
    assert_eq!(enrol_and_ask_for_the_map(wwid, disks)?, "ok");
    let map = multipath::map(wwid, disks.len())?;
    assert_eq!(below_the_logical_volume()?.as_deref(), Some(taken));
    let mut both = [
        map.device.clone(),
        logical_volume()?.expect("it is active").device,
    ];
    both.sort();
    assert_eq!(holders(&ours.name)?, both, "both hold the same path");

    multipath::flush(wwid)?;
    assert_eq!(holders(&ours.name)?.len(), 1, "the logical volume");
    let lost = Command::words("vgchange --activate n guests").run()?;
    assert_eq!(lost.code, Some(5), "LVM finds the group again: {lost:?}");
    Ok(())
}

fn without_enrolment_lvm_takes_the_first_path_from_an_event(guest: &Guest) -> Result<(), Error> {
    let wwid = volume_with_a_group(guest, Activation::Event)?;
    let disks = initiator::attach(tgt::TARGET, tgt::LUN)?.map(|(_, disk)| disk);
    let taken = active()?;
    enrolment_is_too_late(&wwid, &disks, &taken)?;
    end(&wwid)
}

fn without_enrolment_lvm_takes_the_first_path_on_demand(guest: &Guest) -> Result<(), Error> {
    let wwid = volume_with_a_group(guest, Activation::OnDemand)?;
    let session = initiator::login(tgt::TARGET, Portal::First)?;
    initiator::scan(&session, tgt::LUN)?;
    let first = initiator::disk(&session, tgt::LUN)?;
    Command::words("vgchange --activate y guests").ok()?;
    assert_eq!(active()?, first.name);
    let session = initiator::login(tgt::TARGET, Portal::Second)?;
    initiator::scan(&session, tgt::LUN)?;
    let second = initiator::disk(&session, tgt::LUN)?;
    enrolment_is_too_late(&wwid, &[first.clone(), second], &first.name)?;
    end(&wwid)
}

/// LVM itself sees that two disks of one identity with the same physical volume are paths, and leaves both.
fn with_both_paths_there_lvm_takes_none_on_demand(guest: &Guest) -> Result<(), Error> {
    let wwid = volume_with_a_group(guest, Activation::OnDemand)?;
    initiator::attach(tgt::TARGET, tgt::LUN)?;
    let refused = Command::words("vgchange --activate y guests").run()?;
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert_eq!(logical_volume()?, None);
    end(&wwid)
}

fn an_enrolled_volume_is_left_to_multipath_by_events(guest: &Guest) -> Result<(), Error> {
    let wwid = volume_with_a_group(guest, Activation::Event)?;
    multipath::enrol(&wwid)?;
    let disks = initiator::attach(tgt::TARGET, tgt::LUN)?.map(|(_, disk)| disk);
    let map = multipath::map(&wwid, 2)?;
    // LVM finds the group all the same: on the map.
    assert_eq!(active()?, map.device);
    lvm_sees_the_map_alone(&disks, &map)?;
    end(&wwid)
}

fn an_enrolled_volume_is_left_to_multipath_on_demand(guest: &Guest) -> Result<(), Error> {
    let wwid = volume_with_a_group(guest, Activation::OnDemand)?;
    multipath::enrol(&wwid)?;
    // Without its daemon multipath cannot be quicker than LVM: it is the enrolment that counts.
    guest.stop_multipathd()?;
    let session = initiator::login(tgt::TARGET, Portal::First)?;
    initiator::scan(&session, tgt::LUN)?;
    let first = initiator::disk(&session, tgt::LUN)?;
    Command::words("vgchange --activate y").run()?;
    assert_eq!(
        (logical_volume()?, holders(&first.name)?),
        (None, Vec::new())
    );
    guest.start_multipathd()?;
    let session = initiator::login(tgt::TARGET, Portal::Second)?;
    initiator::scan(&session, tgt::LUN)?;
    let second = initiator::disk(&session, tgt::LUN)?;
    let map = multipath::map(&wwid, 2)?;
    Command::words("vgchange --activate y guests").ok()?;
    assert_eq!(active()?, map.device);
    lvm_sees_the_map_alone(&[first, second], &map)?;
    end(&wwid)
}

fn lvm_sees_the_map_alone(disks: &[Disk], map: &Map) -> Result<(), Error> {
    let volumes = Command::words("pvs --noheadings -o pv_name").ok()?;
    assert_eq!(
        volumes.trim(),
        map.path().to_string_lossy(),
        "physical volumes that LVM sees"
    );
    for disk in disks {
        assert_eq!(
            holders(&disk.name)?,
            [map.device.as_str()],
            "holders of {}",
            disk.name
        );
    }
    Ok(())
}

/// Here the kernel does refuse: device-mapper shares a disk with itself alone. What multipathd makes of it is no better:
/// it fails, or builds the map of the other path, and the volume is in use twice.
fn a_path_that_is_mounted_does_not_get_into_the_map(guest: &Guest) -> Result<(), Error> {
    let volume = tgt::volume("volume", 64 << 20)?;
    Command::words("mke2fs -q -F -t ext4").arg(&volume).ok()?;
    guest.start_tgt(&volume)?;
    let disks = initiator::attach(tgt::TARGET, tgt::LUN)?.map(|(_, disk)| disk);
    let wwid = initiator::scsi_id(&disks[0])?;
    Command::words("udevadm settle").ok()?;
    Command::new("mount")
        .arg(disks[0].path())
        .arg("/mnt")
        .ok()?;

    let refusals = || -> Result<usize, Error> {
        let log = Command::words("dmesg").ok()?;
        Ok(log
            .matches("multipath: error getting device (-EBUSY)")
            .count())
    };
    let before = refusals()?;
    enrol_and_ask_for_the_map(&wwid, &disks)?;
    assert!(
        refusals()? > before,
        "the kernel was not asked or did not refuse"
    );
    assert_eq!(holders(&disks[0].name)?, [""; 0]);

    Command::words("umount /mnt").ok()?;
    enrol_and_ask_for_the_map(&wwid, &disks)?;
    multipath::map(&wwid, 2)?;
    multipath::flush(&wwid)?;
    initiator::detach(tgt::TARGET)
}

fn enrol_and_ask_for_the_map(wwid: &str, disks: &[Disk]) -> Result<String, Error> {
    multipath::enrol(wwid)?;
    for disk in disks {
        multipath::ask(&format!("add path {}", disk.name))?;
    }
    multipath::ask(&format!("add map {wwid}"))
}
