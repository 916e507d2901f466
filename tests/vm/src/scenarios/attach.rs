//! The command `jdss` on a real kernel, before the simulated appliance.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use jdss_sim::Appliance;
use jdss_vm::appliance::{self, PASSWORD, POOL, USER, jdss, physical};
use jdss_vm::config::{self, Storage};
use jdss_vm::network::{ADDRESSES, CONTROL, Cut, Portal};
use jdss_vm::{Command, Error, Guest, Output, dm, multipath, sysfs, wait};
use rustix::fs::OFlags;

super::scenarios![
    a_volume_comes_up_carries_data_and_goes_without_a_trace,
    io_goes_on_when_a_portal_is_cut,
    taking_one_volume_down_leaves_its_sibling_alone,
    a_lun_that_became_another_volume_is_never_handed_out,
    a_leftover_map_does_not_become_the_volume_that_got_its_lun,
    a_held_map_that_serves_another_volume_is_refused,
    the_second_time_costs_no_call_and_no_tool,
    a_device_in_use_is_not_taken_down,
    a_killed_activation_is_finished_by_the_next,
    an_operation_whose_caller_is_gone_is_undone,
    one_dead_portal_is_told_as_degraded,
    a_single_path_is_handed_out_by_its_id,
    the_certificate_is_verified,
    every_failure_is_one_line_with_its_code
];

const STORE: &str = "jdss0";
const VM: &str = "vm-100-disk-0";
const OTHER: &str = "vm-100-disk-1";
const MIB: u64 = 1 << 20;
const SIZE: u64 = 128 * MIB;
/// What direct I/O wants its buffers' lengths and offsets to be multiples of.
const BLOCK: usize = 4096;

fn storage() -> Storage {
    Storage::new(STORE, PASSWORD)
        .property("pool_name", POOL)
        .property("user_name", USER)
        .property("control_addresses", CONTROL)
        .property("data_addresses", ADDRESSES.join(","))
        .property("ssl_cert_verify", 0)
        .property("multipath", 1)
}

fn begin(volumes: &[&str]) -> Result<Appliance, Error> {
    Storage::write(&[storage()])?;
    let volumes: Vec<_> = volumes.iter().map(|name| (*name, SIZE)).collect();
    appliance::start(&volumes)
}

fn run(verb: &str, volume: &str) -> Command {
    jdss().args([verb, "-v", STORE, volume])
}

/// Activates and gives the path that was printed.
fn activate(volume: &str) -> Result<PathBuf, Error> {
    let printed = run("activate", volume).ok()?;
    let path = printed.strip_suffix('\n').expect("one line");
    assert!(
        !path.contains('\n'),
        "more than a path was printed: {printed:?}"
    );
    Ok(path.into())
}

fn deactivate(volume: &str) -> Result<(), Error> {
    let printed = run("deactivate", volume).ok()?;
    assert_eq!(printed, "", "deactivation has nothing to print");
    Ok(())
}

fn wwid(appliance: &Appliance, volume: &str) -> String {
    let id = appliance
        .scsi_id(POOL, &physical(volume))
        .expect("the volume is there");
    let hex: String = id.bytes().take(8).map(|b| format!("{b:02x}")).collect();
    format!("2{hex}")
}

fn target_of(appliance: &Appliance) -> String {
    appliance
        .sessions()
        .first()
        .expect("somebody is logged in")
        .target
        .clone()
}

/// The volume's LUN number is given to another volume behind the host's back.
fn reuse_lun(appliance: &Appliance, target: &str) {
    appliance
        .detach(POOL, target, &physical(VM))
        .expect("the volume is attached");
    appliance
        .attach(POOL, target, &physical(OTHER), 0)
        .expect("the number is free");
}

/// Active paths of the map, by the word of multipathd.
fn active_by_daemon(wwid: &str) -> Result<usize, Error> {
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
fn pattern(seed: u64, block: u64) -> Vec<u8> {
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

fn write_pattern(device: &Path, seed: u64, bytes: u64) -> Result<(), Error> {
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

fn assert_pattern(file: &Path, seed: u64, bytes: u64) -> Result<(), Error> {
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
fn writes(appliance: &Appliance, volume: &str) -> [u64; 2] {
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

fn a_volume_comes_up_carries_data_and_goes_without_a_trace(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    let output = run("activate", VM).run()?;
    assert_eq!(output.code, Some(0), "{}", output.both());
    let wwid = wwid(&appliance, VM);
    assert_eq!(output.stdout, format!("/dev/mapper/{wwid}\n"));
    assert_eq!(wwid.len(), 17);
    assert!(
        output.stderr.contains(&format!("scsi_id says {wwid}")),
        "{}",
        output.stderr
    );
    let map = PathBuf::from(output.stdout.trim_end());

    assert_eq!(active_by_daemon(&wwid)?, 2);
    let link = Path::new("/dev/jdss").join(STORE).join(VM);
    assert_eq!(run_path()?, link.display().to_string());
    let real = |path: &Path| fs::canonicalize(path).map_err(Error::file(path));
    assert_eq!(real(&link)?, real(&map)?);

    let record =
        sysfs::text(format!("/etc/joviandss/state/{STORE}/{VM}.json"))?.expect("there is a record");
    for part in [STORE, VM, &wwid, &map.display().to_string()] {
        assert!(
            record.contains(&format!("\"{part}\"")),
            "the record lacks {part}: {record}"
        );
    }

    let before = writes(&appliance, VM);
    write_pattern(&map, 1, 64 * MIB)?;
    let file = appliance
        .volume_path(POOL, &physical(VM))
        .expect("the volume has a file");
    assert_pattern(&file, 1, 64 * MIB)?;
    Command::words("blockdev --flushbufs").arg(&map).ok()?;
    assert_pattern(&map, 1, 64 * MIB)?;
    let after = writes(&appliance, VM);
    for (portal, (before, after)) in ADDRESSES.iter().zip(before.iter().zip(after)) {
        assert!(after > *before, "no write went through {portal}");
    }

    appliance.clear_log();
    deactivate(VM)?;
    assert!(
        appliance.requests().is_empty(),
        "deactivation is node-local"
    );
    assert_eq!(
        writes(&appliance, VM),
        [0, 0],
        "deactivation wrote to the volume"
    );
    assert!(
        appliance.violations().is_empty(),
        "{:?}",
        appliance.violations()
    );
    Ok(())
}

fn run_path() -> Result<String, Error> {
    Ok(jdss().args(["path", STORE, VM]).ok()?.trim_end().to_owned())
}

/// Somebody who writes to a device and reads back what was written, block after block.
struct Guest64 {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), Error>>,
}

impl Guest64 {
    /// Works on the first blocks of `device` past the page cache.
    fn start(device: &Path) -> Self {
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
    fn goes_on(&self) -> Result<(), Error> {
        let want = self.rounds.load(Ordering::Relaxed) + 20;
        wait::until("I/O to go on", wait::SOON, || {
            let rounds = self.rounds.load(Ordering::Relaxed);
            if rounds >= want { Ok(()) } else { Err(rounds) }
        })
    }

    fn end(self) -> Result<(), Error> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .expect("what was read is what was written")
    }
}

fn until_active(map: &Path, want: usize) -> Result<(), Error> {
    let name = map
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    wait::until_equal("paths of the map", wait::SOON * 2, &want, || {
        dm::active(&name)
    })
}

fn io_goes_on_when_a_portal_is_cut(_: &Guest) -> Result<(), Error> {
    let _appliance = begin(&[VM])?;
    let map = activate(VM)?;
    let io = Guest64::start(&map);
    for cut in [Cut::LinkDown, Cut::Drop] {
        for portal in Portal::ALL {
            io.goes_on()?;
            portal.cut(cut)?;
            until_active(&map, 1)?;
            io.goes_on()?;
            portal.restore()?;
            until_active(&map, 2)?;
        }
    }
    io.end()?;
    deactivate(VM)
}

fn taking_one_volume_down_leaves_its_sibling_alone(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM, OTHER])?;
    activate(VM)?;
    let map = activate(OTHER)?;
    let sessions = sysfs::sessions()?;
    assert_eq!(
        sessions.len(),
        2,
        "both volumes are on one target: {sessions:?}"
    );
    let io = Guest64::start(&map);
    io.goes_on()?;
    deactivate(VM)?;
    assert_eq!(sysfs::sessions()?, sessions);
    io.goes_on()?;
    io.end()?;
    assert_eq!(appliance.sessions().len(), 2);
    deactivate(OTHER)
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
    for volume in [VM, OTHER] {
        let output = run("activate", volume).run()?;
        assert_failed(&output, 12, &["jdss-scenarios"]);
    }
    assert_eq!(writes(&appliance, OTHER), [0, 0]);
    drop(holder);
    activate(OTHER)?;
    deactivate(OTHER)?;
    deactivate(VM)
}

fn the_second_time_costs_no_call_and_no_tool(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    for verb in ["activate", "deactivate"] {
        let first = run(verb, VM).ok()?;
        appliance.clear_log();
        let trace = Path::new("/tmp/execve");
        let again = Command::words("strace -f -qq --seccomp-bpf -e trace=execve -o")
            .arg(trace)
            .args([jdss().to_string().as_str(), verb, STORE, VM])
            .ok()?;
        assert_eq!(again, first);
        assert!(
            appliance.requests().is_empty(),
            "{verb}: {:?}",
            appliance.requests()
        );
        let programs = sysfs::text(trace)?.unwrap_or_default();
        let run: Vec<_> = programs.lines().filter(|l| l.contains("execve(")).collect();
        // The command itself, and its worker.
        assert_eq!(run.len(), 2, "{verb}: {programs}");
        assert!(run[1].contains("/proc/self/exe"), "{verb}: {programs}");
        fs::remove_file(trace).map_err(Error::file(trace))?;
    }
    Ok(())
}

fn a_device_in_use_is_not_taken_down(_: &Guest) -> Result<(), Error> {
    let _appliance = begin(&[VM])?;
    let map = activate(VM)?;
    let io = Guest64::start(&map);
    let output = run("deactivate", VM).args(["--deadline", "10"]).run()?;
    assert_failed(&output, 13, &["jdss-scenarios"]);
    io.goes_on()?;
    assert_eq!(activate(VM)?, map);
    io.end()?;
    deactivate(VM)
}

/// Starts an activation and waits until the host has a session of it.
fn half_way() -> Result<std::process::Child, Error> {
    let program = jdss().to_string();
    let child = std::process::Command::new(&program)
        .args(["activate", STORE, VM])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map_err(Error::file(program))?;
    wait::until("a session", wait::SOON, || match sysfs::sessions() {
        Ok(sessions) if !sessions.is_empty() => Ok(()),
        seen => Err(seen),
    })?;
    Ok(child)
}

fn workers() -> Result<Vec<u32>, Error> {
    let program = jdss().to_string();
    let mut pids = Vec::new();
    for pid in sysfs::names("/proc")? {
        let line = sysfs::text(format!("/proc/{pid}/cmdline")).ok().flatten();
        let is =
            line.is_some_and(|l| l.contains("\0worker") || l.starts_with(&format!("{program}\0")));
        if let (true, Ok(pid)) = (is, pid.parse()) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

fn a_killed_activation_is_finished_by_the_next(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    let mut child = half_way()?;
    for pid in workers()? {
        // One that has ended meanwhile is as good.
        let _gone = Command::words("kill -KILL").arg(pid.to_string()).run()?;
    }
    child.wait().map_err(Error::file("jdss"))?;
    let map = activate(VM)?;
    assert_eq!(map, Path::new("/dev/mapper").join(wwid(&appliance, VM)));
    assert_eq!(active_by_daemon(&wwid(&appliance, VM))?, 2);
    deactivate(VM)
}

fn an_operation_whose_caller_is_gone_is_undone(guest: &Guest) -> Result<(), Error> {
    let _appliance = begin(&[VM])?;
    let mut child = half_way()?;
    child.kill().map_err(Error::file("jdss"))?;
    child.wait().map_err(Error::file("jdss"))?;
    wait::until("the worker to end", wait::SOON, || match workers() {
        Ok(pids) if pids.is_empty() => Ok(()),
        seen => Err(seen),
    })?;
    // It was either undone, or so far on that it was finished.
    let left = guest.left()?;
    let finished = left.iter().any(|l| l.starts_with("record: "));
    assert!(left.is_empty() || finished, "{left:?}");
    deactivate(VM)
}

fn one_dead_portal_is_told_as_degraded(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    Portal::Second.cut(Cut::Drop)?;
    let output = run("activate", VM).run()?;
    assert_eq!(output.code, Some(0), "{}", output.both());
    assert_eq!(
        output.stdout,
        format!("/dev/mapper/{}\n", wwid(&appliance, VM))
    );
    let told = format!("degraded: portal {} is missing", Portal::Second.with_port());
    assert!(output.stderr.contains(&told), "{}", output.stderr);
    assert_eq!(active_by_daemon(&wwid(&appliance, VM))?, 1);
    let again = run("activate", VM).run()?;
    assert!(again.stderr.contains(&told), "{}", again.stderr);
    deactivate(VM)?;
    Portal::Second.restore()
}

fn a_single_path_is_handed_out_by_its_id(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    Storage::write(&[storage_without_multipath()])?;
    let device = activate(VM)?;
    let want = format!("/dev/disk/by-id/scsi-{}", wwid(&appliance, VM));
    assert_eq!(device, Path::new(&want));
    assert_eq!(sysfs::sessions()?.len(), 1);
    assert_eq!(sysfs::sessions()?[0].recovery_tmo, "240");
    write_pattern(&device, 5, MIB)?;
    let file = appliance.volume_path(POOL, &physical(VM)).expect("a file");
    assert_pattern(&file, 5, MIB)?;
    assert_eq!(activate(VM)?, device);
    deactivate(VM)
}

fn storage_without_multipath() -> Storage {
    Storage::new(STORE, PASSWORD)
        .property("pool_name", POOL)
        .property("user_name", USER)
        .property("control_addresses", CONTROL)
        .property("data_addresses", ADDRESSES.join(","))
        .property("ssl_cert_verify", 0)
}

fn the_certificate_is_verified(_: &Guest) -> Result<(), Error> {
    const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
    let before = sysfs::text(AUTHORITIES)?;
    let appliance = begin(&[VM])?;
    let verifying = storage_without_multipath()
        .text()
        .replace("ssl_cert_verify 0", "ssl_cert_verify 1");
    config::write("/etc/pve/storage.cfg", 0o640, &verifying)?;
    let other = Appliance::builder()
        .start()
        .map_err(Error::file("another appliance"))?;
    config::write(AUTHORITIES, 0o644, &other.ca_pem())?;
    let output = run("activate", VM).run()?;
    assert_failed(&output, 3, &["certificate"]);
    config::write(AUTHORITIES, 0o644, &appliance.ca_pem())?;
    activate(VM)?;
    deactivate(VM)?;
    match before {
        Some(text) => config::write(AUTHORITIES, 0o644, &text),
        None => fs::remove_file(AUTHORITIES).map_err(Error::file(AUTHORITIES)),
    }
}

/// One line on standard error that has all of `parts`, nothing on standard output, and this exit code.
#[track_caller]
fn assert_failed(output: &Output, code: i32, parts: &[&str]) {
    assert_eq!(output.code, Some(code), "{}", output.both());
    assert_eq!(output.stdout, "", "a path was printed after all");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let error = lines.last().copied().unwrap_or_default();
    assert!(error.starts_with("jdss: "), "{}", output.stderr);
    for part in parts {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

/// A program that is not there while this lives.
struct Hidden(PathBuf);

impl Hidden {
    fn new(program: &str) -> Result<Self, Error> {
        let path =
            fs::canonicalize(Path::new("/usr/sbin").join(program)).map_err(Error::file(program))?;
        fs::rename(&path, path.with_extension("hidden")).map_err(Error::file(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        fs::rename(self.0.with_extension("hidden"), &self.0).expect("the program is put back");
    }
}

fn every_failure_is_one_line_with_its_code(guest: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    let fails = |what: &str, command: Command, code: i32, parts: &[&str]| -> Result<(), Error> {
        let output = command.run()?;
        assert_eq!(
            output.stderr.lines().count(),
            1,
            "{what}: {}",
            output.stderr
        );
        assert_failed(&output, code, parts);
        assert_eq!(guest.left()?, [""; 0], "{what} left something");
        Ok(())
    };
    let activate =
        |store: &str, volume: &str| jdss().args(["activate", "--deadline", "10", store, volume]);

    fails("unknown storage", activate("nope", VM), 3, &["nope", STORE])?;
    fails(
        "unknown volume",
        activate(STORE, "vm-100-disk-9"),
        7,
        &["vm-100-disk-9"],
    )?;
    let nobody = Command::words("setpriv --reuid=65534 --regid=65534 --clear-groups").args([
        jdss().to_string().as_str(),
        "activate",
        STORE,
        VM,
    ]);
    fails("not root", nobody, 4, &["root"])?;
    {
        let _hidden = Hidden::new("iscsiadm")?;
        fails(
            "no iscsiadm",
            activate(STORE, VM),
            10,
            &["iscsiadm", "open-iscsi"],
        )?;
    }
    {
        let _hidden = Hidden::new("multipath")?;
        fails(
            "no multipath",
            activate(STORE, VM),
            10,
            &["multipath-tools"],
        )?;
    }
    guest.stop_multipathd()?;
    fails(
        "multipathd down",
        activate(STORE, VM),
        10,
        &["multipathd", "systemctl"],
    )?;
    guest.start_multipathd()?;
    guest.stop_iscsid()?;
    fails(
        "iscsid down",
        activate(STORE, VM),
        10,
        &["iscsid", "systemctl"],
    )?;
    guest.start_iscsid()?;

    config::write(
        Storage::password_file(STORE),
        0o600,
        "user_password wrong\n",
    )?;
    fails("wrong password", activate(STORE, VM), 6, &["password"])?;
    fs::remove_file(Storage::password_file(STORE)).map_err(Error::file("password file"))?;
    fails(
        "no password file",
        activate(STORE, VM),
        3,
        &["user_password", STORE],
    )?;
    let elsewhere = storage_without_multipath()
        .text()
        .replace(&ADDRESSES.join(","), "10.9.9.9");
    Storage::write(&[storage()])?;
    config::write("/etc/pve/storage.cfg", 0o640, &elsewhere)?;
    fails(
        "no VIP",
        activate(STORE, VM),
        9,
        &["10.9.9.9", ADDRESSES[0], ADDRESSES[1]],
    )?;
    Storage::write(&[storage()])?;
    drop(appliance);
    fails("appliance down", activate(STORE, VM), 5, &[CONTROL])
}
