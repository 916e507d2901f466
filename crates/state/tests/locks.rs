//! Locks between processes. The other process is this test program, run again.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use jdss_state::{Error, Key, Locks, VolumeLock};

const DIR: &str = "JDSS_TEST_LOCK_DIR";

fn key(volume: &str) -> Key {
    Key::new("jovian", volume, None).expect("names are fine")
}

/// Far enough for anything that is meant to succeed.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn take(locks: &Locks, volume: &str) -> Result<VolumeLock, Error> {
    locks.volume(&key(volume), Instant::now())
}

/// Not a test of its own: the other process. Holds the lock until its input ends or it is killed.
/// It has a child meanwhile, which outlives it when it is killed.
#[test]
fn holder() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let locks = Locks::at(dir).purpose("test the waiting");
    let lock = locks.volume(&key("vm-100-disk-0"), later()).unwrap();
    let mut child = Command::new("cat").spawn().unwrap();
    println!("\nheld");
    child.wait().unwrap();
    drop(lock);
}

/// Another process that holds the lock of `vm-100-disk-0`; killed at the latest when dropped.
struct Holder {
    child: Child,
    _output: BufReader<ChildStdout>,
}

impl Holder {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["holder", "--exact", "--nocapture"])
            .env(DIR, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be run");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        while line != "held\n" {
            line.clear();
            assert_ne!(
                output.read_line(&mut line).expect("text"),
                0,
                "it never held the lock"
            );
        }
        Self {
            child,
            _output: output,
        }
    }

    fn kill(&mut self) {
        self.child.kill().expect("it is a child of ours");
        self.child.wait().expect("it is a child of ours");
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Fails only when it was killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_timeout_names_the_process_that_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let holder = Holder::start(dir.path());
    let error = take(&Locks::at(dir.path()), "vm-100-disk-0").unwrap_err();
    assert!(error.is_contention());
    let Error::Locked {
        what,
        holder: found,
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(what, "volume jovian:vm-100-disk-0");
    assert_eq!(found.pid, Some(holder.child.id()));
    assert_eq!(found.purpose, "test the waiting");
    let command = found.command.as_ref().unwrap();
    assert!(!command.is_empty());
    let pid = holder.child.id();
    let wanted = format!("is locked by process {pid} ({command}), which does: test the waiting;");
    assert!(error.to_string().contains(&wanted), "{error}");
}

#[test]
fn a_killed_holder_frees_the_lock_although_its_child_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut holder = Holder::start(dir.path());
    take(&Locks::at(dir.path()), "vm-100-disk-0").unwrap_err();
    holder.kill();
    drop(take(&Locks::at(dir.path()), "vm-100-disk-0").unwrap());
    // The file stays.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_waiting_call_gets_the_lock_when_the_holder_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut holder = Holder::start(dir.path());
    let locks = &Locks::at(dir.path());
    let (tried, was_tried) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            take(locks, "vm-100-disk-0").unwrap_err();
            tried.send(()).unwrap();
            locks.volume(&key("vm-100-disk-0"), later()).map(drop)
        });
        was_tried.recv().unwrap();
        holder.kill();
        waiter.join().unwrap().unwrap();
    });
}

/// A child has every open file of its parent until it runs its program.
#[test]
fn a_dropped_lock_is_free_at_once_although_children_are_being_started() {
    let dir = tempfile::tempdir().unwrap();
    let locks = Locks::at(dir.path());
    std::thread::scope(|scope| {
        let children = scope.spawn(|| {
            for _ in 0..100 {
                Command::new("true").status().unwrap();
            }
        });
        while !children.is_finished() {
            drop(take(&locks, "vm-100-disk-0").unwrap());
        }
    });
}

#[test]
fn each_volume_id_and_target_has_its_own_lock() {
    let dir = tempfile::tempdir().unwrap();
    let locks = Locks::at(dir.path());
    let (first, second) = (take(&locks, "a").unwrap(), take(&locks, "b").unwrap());
    let snapshot = Key::new("jovian", "a", Some("b")).unwrap();
    let _snapshot = locks.volume(&snapshot, Instant::now()).unwrap();
    let id = first.scsi_id("23", Instant::now()).unwrap();
    let Error::Locked { what, .. } = second.scsi_id("23", Instant::now()).unwrap_err() else {
        panic!("it is locked by the first volume");
    };
    assert_eq!(what, "SCSI ID 23");
    let other = second.scsi_id("24", Instant::now()).unwrap();
    let target = id.target("iqn.a", Instant::now()).unwrap();
    other.target("iqn.a", Instant::now()).unwrap_err();
    drop(target);
    drop(other.target("iqn.a", Instant::now()).unwrap());
}

#[test]
fn a_later_lock_keeps_the_earlier_ones() {
    let dir = tempfile::tempdir().unwrap();
    let locks = Locks::at(dir.path());
    let volume = take(&locks, "a").unwrap();
    let id = volume.scsi_id("23", Instant::now()).unwrap();
    let target = id.target("iqn.a", Instant::now()).unwrap();
    drop(volume);
    drop(id);
    take(&locks, "a").unwrap_err();
    take(&locks, "b")
        .unwrap()
        .scsi_id("23", Instant::now())
        .unwrap_err();
    drop(target);
    drop(
        take(&locks, "a")
            .unwrap()
            .scsi_id("23", Instant::now())
            .unwrap(),
    );
}

#[test]
fn directory_and_files_are_for_the_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("run/lock/jdss");
    let _lock = take(&Locks::at(&dir), "../a").unwrap();
    assert_eq!(dir.metadata().unwrap().mode() & 0o7777, 0o700);
    let file = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(file.file_name(), "volume:jovian:%2E.%2Fa");
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    let error = take(&Locks::at(dir.path()), "a").unwrap_err();
    assert!(
        matches!(error, Error::UnsafeLockDirectory { mode: 0o1777, .. }),
        "{error:?}"
    );
    let link = dir.path().join("link");
    let target = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(target.path(), &link).unwrap();
    assert!(matches!(
        take(&Locks::at(link), "a").unwrap_err(),
        Error::Lock { .. }
    ));
}
