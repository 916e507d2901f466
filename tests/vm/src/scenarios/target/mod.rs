//! The simulated appliance's iSCSI side, seen with the host's own tools alone: what real SCST does, it must do.

mod identity;
mod luns;
mod paths;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jdss_sim::Appliance;
use jdss_vm::appliance::{self, POOL, physical};
use jdss_vm::network::{ADDRESSES, Cut, Portal};
use jdss_vm::sysfs::{self, Disk, Map, Session};
use jdss_vm::{Command, Error, Guest, Release, dm, initiator, multipath, wait};

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

/// Past the page cache.
fn read(device: &Path, bytes: usize) -> Result<Vec<u8>, Error> {
    let copy = format!(
        "dd if={} of=/tmp/read bs=1M iflag=direct,count_bytes count={bytes}",
        device.display()
    );
    Command::words(&copy).ok()?;
    fs::read("/tmp/read").map_err(Error::file("/tmp/read"))
}

/// Past the page cache, and not beyond the end of `data`.
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

pub(super) fn all() -> Vec<super::Scenario> {
    [identity::all(), luns::all(), paths::all()]
        .into_iter()
        .flatten()
        .collect()
}
