//! The simulated appliance's iSCSI side, seen with the host's own tools alone: what real SCST does, it must do.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jdss_sim::Appliance;
use jdss_vm::appliance::{self, POOL, physical};
use jdss_vm::network::{ADDRESSES, Cut, Portal};
use jdss_vm::sysfs::{self, Disk, Map, Session};
use jdss_vm::{Command, Error, Guest, Release, dm, initiator, multipath, wait};

super::scenarios![
    a_disk_has_the_identity_that_scst_gives,
    two_portals_make_one_map_that_carries_data,
    io_outlives_the_loss_of_either_path,
    an_absent_lun_makes_no_disk,
    a_withdrawn_lun_leaves_a_disk_that_is_not_there,
    a_reused_lun_keeps_its_old_identity_until_a_rescan,
    a_new_size_is_seen_after_a_rescan_of_all_paths,
    a_read_only_volume_is_read_only,
    a_session_that_the_target_closes_comes_back,
    a_closed_portal_makes_its_disks_offline_until_it_opens,
    discovery_lists_the_asked_portal_first,
    a_refused_login_has_its_exit_code,
    a_foreign_initiator_sees_the_same_volume,
];

const TARGET: &str = "iqn.2026-01.com.example:target";
const VOLUME: &str = "volume-1";
const OTHER: &str = "volume-2";
const LUN: u16 = 3;
const MIB: u64 = 1 << 20;
const SIZE: u64 = 128 * MIB;

/// An appliance that shows [`VOLUME`] as [`LUN`]; [`OTHER`] is there as well.
fn begin() -> Result<Appliance, Error> {
    let appliance = appliance::start(&[(VOLUME, SIZE), (OTHER, SIZE)])?;
    appliance.create_target(POOL, TARGET).expect("a new target");
    show(&appliance, VOLUME);
    Ok(appliance)
}

fn show(appliance: &Appliance, volume: &str) {
    appliance
        .attach(POOL, TARGET, &physical(volume), LUN)
        .expect("the number is free");
}

fn hide(appliance: &Appliance, volume: &str) {
    appliance
        .detach(POOL, TARGET, &physical(volume))
        .expect("it is shown");
}

fn file(appliance: &Appliance, volume: &str) -> PathBuf {
    appliance
        .volume_path(POOL, &physical(volume))
        .expect("it has a file")
}

/// The first eight characters of the volume's SCSI ID, in hexadecimal.
fn eui(appliance: &Appliance, volume: &str) -> String {
    let id = appliance
        .scsi_id(POOL, &physical(volume))
        .expect("it has an ID");
    id.bytes().take(8).map(|b| format!("{b:02x}")).collect()
}

fn wwid(appliance: &Appliance, volume: &str) -> String {
    format!("2{}", eui(appliance, volume))
}

fn attach() -> Result<[(Session, Disk); 2], Error> {
    initiator::attach(TARGET, LUN.into())
}

/// Enrols the volume, logs in at both portals and waits for the map.
fn attach_map(appliance: &Appliance) -> Result<([(Session, Disk); 2], Map), Error> {
    let wwid = wwid(appliance, VOLUME);
    multipath::enrol(&wwid)?;
    let paths = attach()?;
    Ok((paths, multipath::map(&wwid, 2)?))
}

fn detach_map(appliance: &Appliance) -> Result<(), Error> {
    multipath::flush(&wwid(appliance, VOLUME))?;
    initiator::detach(TARGET)
}

fn attribute(disk: &Disk, name: &str) -> Result<String, Error> {
    let path = Path::new("/sys/block")
        .join(&disk.name)
        .join("device")
        .join(name);
    Ok(sysfs::text(path)?.unwrap_or_default())
}

fn rescan(disk: &Disk) -> Result<(), Error> {
    sysfs::write(
        Path::new("/sys/block")
            .join(&disk.name)
            .join("device/rescan"),
        "1",
    )
}

fn size(device: &str) -> Result<u64, Error> {
    let sectors = sysfs::text(Path::new("/sys/block").join(device).join("size"))?;
    Ok(sectors
        .and_then(|s| s.parse::<u64>().ok())
        .unwrap_or_default()
        * 512)
}

fn state(disk: &Disk) -> Result<String, Error> {
    attribute(disk, "state")
}

/// `direct` reads past the page cache.
fn read(device: &Path, bytes: usize) -> Result<Vec<u8>, Error> {
    let copy = format!(
        "dd if={} of=/tmp/read bs=1M iflag=direct,count_bytes count={bytes}",
        device.display()
    );
    Command::words(&copy).ok()?;
    fs::read("/tmp/read").map_err(Error::file("/tmp/read"))
}

fn write(device: &Path, data: &[u8]) -> Result<(), Error> {
    let copy = format!(
        "dd if=/tmp/write of={} bs=1M oflag=direct conv=fsync,notrunc",
        device.display()
    );
    File::create("/tmp/write")
        .and_then(|mut f| f.write_all(data))
        .map_err(Error::file("/tmp/write"))?;
    Command::words(&copy).ok().map(drop)
}

fn random(bytes: u64) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let source = File::open("/dev/urandom").map_err(Error::file("/dev/urandom"))?;
    source
        .take(bytes)
        .read_to_end(&mut data)
        .map_err(Error::file("/dev/urandom"))?;
    Ok(data)
}

/// Commands that change data, by portal.
fn writes(appliance: &Appliance) -> [u64; 2] {
    let counts = appliance.command_counts();
    ADDRESSES.map(|address| {
        let here = counts
            .iter()
            .filter(|(k, _)| k.portal.to_string() == address && k.changes_data());
        here.map(|(_, n)| n.commands).sum()
    })
}

fn a_disk_has_the_identity_that_scst_gives(guest: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let [(_, disk), (_, second)] = attach()?;
    let eui = eui(&appliance, VOLUME);
    for disk in [&disk, &second] {
        assert_eq!(initiator::scsi_id(disk)?, format!("2{eui}"));
        assert_eq!(disk.wwid, format!("eui.{eui}"));
        assert_eq!(
            (disk.lun, disk.size, disk.state.as_str()),
            (LUN.into(), SIZE, "running")
        );
    }
    assert_eq!(attribute(&disk, "vendor")?, "SCST_BIO");
    let raw = |name: &str| -> Result<Vec<u8>, Error> {
        let path = Path::new("/sys/block")
            .join(&disk.name)
            .join("device")
            .join(name);
        Ok(sysfs::bytes(path)?.unwrap_or_default())
    };

    let inquiry = raw("inquiry")?;
    assert_eq!(inquiry.len(), 66, "{inquiry:02x?}");
    assert_eq!(
        inquiry[..8],
        [0x00, 0x00, 0x06, 0x22, 0x3d, 0x08, 0x10, 0x02]
    );
    assert_eq!(inquiry[36..58], [0; 22]);
    assert_eq!(
        inquiry[58..],
        [0x00, 0x8b, 0x09, 0x60, 0x04, 0x63, 0x04, 0xc0]
    );

    // T10 vendor id, relative target port, EUI-64, in this order.
    let page = raw("vpd_pg83")?;
    let designators = page.get(4..).unwrap_or_default();
    let vendor = &designators[..4 + usize::from(designators[3])];
    let port = &designators[vendor.len()..][..8];
    let last = &designators[vendor.len() + port.len()..];
    assert!(
        vendor[..2] == [0x02, 0x01] && vendor[4..].starts_with(b"SCST_BIO"),
        "{vendor:02x?}"
    );
    assert!(
        vendor.ends_with(physical(VOLUME).as_bytes()),
        "{vendor:02x?}"
    );
    assert_eq!(port, [0x01, 0x14, 0x00, 0x04, 0x00, 0x00, 0x00, 0x01]);
    let id = appliance
        .scsi_id(POOL, &physical(VOLUME))
        .expect("it has an ID");
    assert_eq!(
        (&last[..4], &last[4..]),
        (&[0x01, 0x02, 0x00, 0x08][..], &id.as_bytes()[..8])
    );

    let pages = Command::words("sg_vpd --page=sv").arg(disk.path()).ok()?;
    let pages: Vec<&str> = pages
        .lines()
        .skip(1)
        .filter_map(|l| l.trim().rsplit_once('['))
        .map(|(_, p)| p)
        .collect();
    let want = ["sv]", "sn]", "di]", "ei]", "bl]", "bdc]", "lbpv]"];
    assert_eq!(pages, want, "pages of a thin volume");

    Command::words("udevadm settle").ok()?;
    let properties = Command::words("udevadm info --query=property --name")
        .arg(disk.path())
        .ok()?;
    assert!(
        properties.contains(&format!("ID_SERIAL=2{eui}\n")),
        "{properties}"
    );
    assert!(!properties.contains("ID_WWN="), "{properties}");
    let links = sysfs::names("/dev/disk/by-id")?;
    // sg3-utils of trixie makes links of unambiguous IDs alone.
    let ambiguous: &[_] = match guest.release() {
        Release::Bookworm => &["scsi-1SCST_BIO", "scsi-SSCST_BIO_"],
        Release::Trixie => &[],
    };
    for prefix in [&*format!("scsi-2{eui}")].iter().chain(ambiguous) {
        assert!(
            links.iter().any(|l| l.starts_with(prefix)),
            "no {prefix}: {links:?}"
        );
    }
    assert!(!links.iter().any(|l| l.starts_with("wwn-")), "{links:?}");

    let luns = Command::words("sg_luns --raw").arg(disk.path()).run()?;
    assert_eq!(luns.code, Some(0), "{luns:?}");
    assert_eq!(
        luns.stdout.as_bytes()[8..16],
        [0, LUN as u8, 0, 0, 0, 0, 0, 0]
    );
    initiator::detach(TARGET)
}

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
    let read_only = sysfs::text(Path::new("/sys/block").join(&disk.name).join("ro"))?;
    assert_eq!(read_only.as_deref(), Some("1"));
    assert!(write(&disk.path(), &[1; 4096]).is_err());
    assert_eq!(read(&disk.path(), 4096)?, [0; 4096]);
    initiator::detach(TARGET)
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

fn discovery_lists_the_asked_portal_first(_: &Guest) -> Result<(), Error> {
    let _appliance = begin()?;
    let [first, second] = Portal::ALL;
    for (asked, other) in [(first, second), (second, first)] {
        let listed = Command::words("iscsiadm -m discovery -t sendtargets -p")
            .arg(asked.with_port())
            .ok()?;
        let want = [asked, other]
            .map(|p| format!("{},1 {TARGET}\n", p.with_port()))
            .concat();
        assert_eq!(listed, want);
    }
    Command::words("iscsiadm -m node -o delete").ok()?;
    for portal in Portal::ALL {
        Command::words("iscsiadm -m discoverydb -t sendtargets -o delete -p")
            .arg(portal.with_port())
            .ok()?;
    }
    Ok(())
}

fn a_refused_login_has_its_exit_code(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let unknown = "iqn.2026-01.com.example:unknown";
    initiator::node(unknown, Portal::First)
        .args(["-o", "new"])
        .ok()?;
    let login = initiator::node(unknown, Portal::First)
        .arg("--login")
        .run()?;
    assert_eq!(login.code, Some(19), "an unknown target: {login:?}");
    initiator::node(unknown, Portal::First)
        .args(["-o", "delete"])
        .ok()?;

    initiator::login(TARGET, Portal::First)?;
    let again = initiator::node(TARGET, Portal::First)
        .arg("--login")
        .run()?;
    assert!(
        matches!(again.code, Some(0 | 15)),
        "logged in already: {again:?}"
    );
    appliance
        .set_target_vips(POOL, TARGET, &["vip0"])
        .expect("it has this VIP");
    let refused = initiator::login(TARGET, Portal::Second);
    assert!(
        matches!(refused, Err(Error::Failed { code: Some(19), .. })),
        "a portal that is not allowed: {refused:?}"
    );
    initiator::node(TARGET, Portal::Second)
        .args(["-o", "delete"])
        .ok()?;
    initiator::logout(TARGET, Portal::First)
}

fn a_foreign_initiator_sees_the_same_volume(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let url = format!("iscsi://{}", Portal::First.with_port());
    let tool = |line: &str| Command::words(line).limit(Duration::from_secs(30)).ok();
    let listed = tool(&format!("iscsi-ls -s {url}"))?;
    assert!(
        listed.contains(&format!(
            "Target:{TARGET} Portal:{},1\n",
            Portal::First.with_port()
        )),
        "{listed}"
    );
    assert!(listed.contains(&format!("Lun:{LUN} ")), "{listed}");
    let inquiry = tool(&format!("iscsi-inq {url}/{TARGET}/{LUN}"))?;
    assert!(inquiry.contains("Vendor:SCST_BIO"), "{inquiry}");
    let page = tool(&format!("iscsi-inq -e 1 -c 131 {url}/{TARGET}/{LUN}"))?;
    let id = appliance
        .scsi_id(POOL, &physical(VOLUME))
        .expect("it has an ID");
    assert!(page.contains("EUI_64") && page.contains(&id[..8]), "{page}");
    Ok(())
}
