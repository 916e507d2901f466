//! Killed, called off, refused: each ends with a host as before.

use std::fs::{self};
use std::path::{Path, PathBuf};

use jdss_vm::appliance::jdss;
use jdss_vm::config::{self, Storage};
use jdss_vm::network::{ADDRESSES, CONTROL};
use jdss_vm::{Command, Error, Guest, sysfs, wait};

use super::*;
use crate::scenarios::scenarios;

scenarios![
    a_device_in_use_is_not_taken_down,
    a_killed_activation_is_finished_by_the_next,
    an_operation_whose_caller_is_gone_is_undone,
    every_failure_is_one_line_with_its_code
];

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
