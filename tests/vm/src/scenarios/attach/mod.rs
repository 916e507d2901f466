//! The command `jdss` on a real kernel, before the simulated appliance.

mod changes;
mod everyday;
mod failures;
mod reuse;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use jdss_sim::Appliance;
use jdss_vm::appliance::{self, PASSWORD, POOL, USER, jdss, physical};
use jdss_vm::config::Storage;
use jdss_vm::network::{ADDRESSES, CONTROL};
use jdss_vm::{Command, Error, Output, dm, multipath, wait};
use rustix::fs::OFlags;

pub(super) fn all() -> Vec<super::Scenario> {
    [
        everyday::all(),
        changes::all(),
        reuse::all(),
        failures::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) const STORE: &str = "jdss0";
pub(super) const VM: &str = "vm-100-disk-0";
pub(super) const OTHER: &str = "vm-100-disk-1";
pub(super) const MIB: u64 = 1 << 20;
pub(super) const SIZE: u64 = 128 * MIB;
/// What direct I/O wants its buffers' lengths and offsets to be multiples of.
pub(super) const BLOCK: usize = 4096;

pub(super) fn storage() -> Storage {
    Storage::new(STORE, PASSWORD)
        .property("pool_name", POOL)
        .property("user_name", USER)
        .property("control_addresses", CONTROL)
        .property("data_addresses", ADDRESSES.join(","))
        .property("ssl_cert_verify", 0)
        .property("multipath", 1)
}

pub(super) fn begin(volumes: &[&str]) -> Result<Appliance, Error> {
    Storage::write(&[storage()])?;
    let volumes: Vec<_> = volumes.iter().map(|name| (*name, SIZE)).collect();
    appliance::start(&volumes)
}

pub(super) fn run(verb: &str, volume: &str) -> Command {
    jdss().args([verb, "-v", STORE, volume])
}

/// Activates and gives the path that was printed.
pub(super) fn activate(volume: &str) -> Result<PathBuf, Error> {
    let printed = run("activate", volume).ok()?;
    let path = printed.strip_suffix('\n').expect("one line");
    assert!(
        !path.contains('\n'),
        "more than a path was printed: {printed:?}"
    );
    Ok(path.into())
}

pub(super) fn deactivate(volume: &str) -> Result<(), Error> {
    let printed = run("deactivate", volume).ok()?;
    assert_eq!(printed, "", "deactivation has nothing to print");
    Ok(())
}

pub(super) fn wwid(appliance: &Appliance, volume: &str) -> String {
    let id = appliance
        .scsi_id(POOL, &physical(volume))
        .expect("the volume is there");
    let hex: String = id.bytes().take(8).map(|b| format!("{b:02x}")).collect();
    format!("2{hex}")
}

pub(super) fn target_of(appliance: &Appliance) -> String {
    appliance
        .sessions()
        .first()
        .expect("somebody is logged in")
        .target
        .clone()
}

/// Active paths of the map, by the word of multipathd.
pub(super) fn active_by_daemon(wwid: &str) -> Result<usize, Error> {
    let text = multipath::ask("show maps json")?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|_| Error::Text {
        what: "multipathd's maps",
        text: text.clone(),
    })?;
    let list =
        |value: &serde_json::Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let maps = list(&json, "maps");
    let map = maps.iter().find(|m| m["uuid"] == wwid);
    Ok(map.map_or(0, |map| {
        let groups = list(map, "path_groups");
        let paths = groups.iter().flat_map(|g| list(g, "paths"));
        paths.filter(|p| p["dm_st"] == "active").count()
    }))
}

/// Data that nothing else writes: each block holds its own number and `seed`.
pub(super) fn pattern(seed: u64, block: u64) -> Vec<u8> {
    let mut word = seed ^ (block << 20);
    let mut data = Vec::with_capacity(BLOCK);
    while data.len() < BLOCK {
        // SplitMix64: no two words alike, and no run of zeros to be taken for a hole.
        word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = word;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        data.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    data
}

pub(super) fn write_pattern(device: &Path, seed: u64, bytes: u64) -> Result<(), Error> {
    let mut file = File::options()
        .write(true)
        .open(device)
        .map_err(Error::file(device))?;
    for block in 0..bytes / BLOCK as u64 {
        file.write_all(&pattern(seed, block))
            .map_err(Error::file(device))?;
    }
    file.sync_all().map_err(Error::file(device))
}

pub(super) fn assert_pattern(file: &Path, seed: u64, bytes: u64) -> Result<(), Error> {
    let mut reader = File::open(file).map_err(Error::file(file))?;
    let mut found = vec![0; BLOCK];
    for block in 0..bytes / BLOCK as u64 {
        reader.read_exact(&mut found).map_err(Error::file(file))?;
        assert!(
            found == pattern(seed, block),
            "{}: block {block} holds something else",
            file.display()
        );
    }
    Ok(())
}

/// How many commands that change data `volume` got through each portal.
pub(super) fn writes(appliance: &Appliance, volume: &str) -> [u64; 2] {
    let name = format!("{POOL}/{}", physical(volume));
    ADDRESSES.map(|address| {
        appliance
            .command_counts()
            .iter()
            .filter(|(key, _)| {
                key.volume == name && key.portal.to_string() == address && key.changes_data()
            })
            .map(|(_, count)| count.commands)
            .sum()
    })
}

/// Somebody who writes to a device and reads back what was written, block after block.
pub(super) struct Guest64 {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), Error>>,
}

impl Guest64 {
    /// Works on the first blocks of `device` past the page cache.
    pub(super) fn start(device: &Path) -> Self {
        let (stop, rounds) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (device, ended, count) = (device.to_owned(), Arc::clone(&stop), Arc::clone(&rounds));
        let thread = thread::spawn(move || {
            let mut file = File::options()
                .read(true)
                .write(true)
                .custom_flags(OFlags::DSYNC.bits() as i32)
                .open(&device)
                .map_err(Error::file(&device))?;
            let mut round = 0;
            while !ended.load(Ordering::Relaxed) {
                let data = pattern(2, round);
                let at = SeekFrom::Start((round % 64) * BLOCK as u64);
                let mut found = vec![0; BLOCK];
                file.seek(at)
                    .and_then(|_| file.write_all(&data))
                    .and_then(|()| file.seek(at))
                    .and_then(|_| file.read_exact(&mut found))
                    .map_err(Error::file(&device))?;
                assert!(found == data, "round {round} read something else");
                round += 1;
                count.store(round, Ordering::Relaxed);
            }
            Ok(())
        });
        Self {
            stop,
            rounds,
            thread,
        }
    }

    /// Waits until it has done some more rounds.
    pub(super) fn goes_on(&self) -> Result<(), Error> {
        let want = self.rounds.load(Ordering::Relaxed) + 20;
        wait::until("I/O to go on", wait::SOON, || {
            let rounds = self.rounds.load(Ordering::Relaxed);
            if rounds >= want { Ok(()) } else { Err(rounds) }
        })
    }

    pub(super) fn end(self) -> Result<(), Error> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .expect("what was read is what was written")
    }
}

pub(super) fn until_active(map: &Path, want: usize) -> Result<(), Error> {
    let name = map
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    wait::until_equal("paths of the map", wait::SOON * 2, &want, || {
        dm::active(&name)
    })
}

pub(super) fn storage_without_multipath() -> Storage {
    Storage::new(STORE, PASSWORD)
        .property("pool_name", POOL)
        .property("user_name", USER)
        .property("control_addresses", CONTROL)
        .property("data_addresses", ADDRESSES.join(","))
        .property("ssl_cert_verify", 0)
}

/// One line on standard error that has all of `parts`, nothing on standard output, and this exit code.
#[track_caller]
pub(super) fn assert_failed(output: &Output, code: i32, parts: &[&str]) {
    assert_eq!(output.code, Some(code), "{}", output.both());
    assert_eq!(output.stdout, "", "a path was printed after all");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let error = lines.last().copied().unwrap_or_default();
    assert!(error.starts_with("jdss: "), "{}", output.stderr);
    for part in parts {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}
