//! Tests of [`usage`](super::usage()) on a temporary tree.

use super::*;
use crate::{Command, OnTimeout, Output, RunError};
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

/// Answers the exclusive open as told; does nothing else.
#[derive(Debug)]
struct Opens(Option<i32>);

impl Effects for Opens {
    fn run(&self, command: &Command, _: Duration, _: OnTimeout) -> Result<Output, RunError> {
        panic!("unexpected `{command}`")
    }
    fn write(&self, attribute: &Path, _: &str) -> io::Result<()> {
        panic!("unexpected write to {}", attribute.display())
    }
    fn remove_file(&self, file: &Path) -> io::Result<()> {
        panic!("unexpected removal of {}", file.display())
    }
    fn open_exclusive(&self, _: &Path) -> io::Result<()> {
        self.0
            .map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }
}

const FREE: Opens = Opens(None);

struct Tree(tempfile::TempDir);

impl Tree {
    /// A host with the disk sda (8:0) and its partition sda1 (8:1).
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().expect("a temporary directory"));
        tree.file("sys/block/sda/dev", "8:0\n");
        tree.file("sys/block/sda/sda1/partition", "1\n");
        tree.file("sys/block/sda/sda1/dev", "8:1\n");
        tree
    }

    fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a file in a directory")).expect("a directory");
        fs::File::create(&path).expect("a file");
        crate::System.write(&path, text).expect("its text");
    }

    /// A process with one open file.
    fn process(&self, pid: u32, parent: u32, name: &str, open: &str) {
        self.file(
            &format!("proc/{pid}/stat"),
            &format!("{pid} ({name}) S {parent} {pid} 0\n"),
        );
        let dir = self.0.path().join(format!("proc/{pid}/fd"));
        fs::create_dir_all(&dir).expect("a directory");
        symlink(open, dir.join("7")).expect("a link");
    }
}

#[test]
fn a_device_nobody_uses_is_free() {
    let tree = Tree::new();
    tree.process(50, 1, "bash", "/dev/sda10");
    tree.process(51, 1, "bash", "/dev/pts/0");
    tree.file(
        "proc/self/mountinfo",
        "30 1 8:16 / /srv rw - ext4 /dev/sdb rw\n",
    );
    let usage = usage(&tree.root(), &FREE, "sda").unwrap();
    assert!(usage.is_free(), "{usage:?}");
    assert_eq!(usage.to_string(), "not in use");
}

#[test]
fn a_device_that_is_gone_is_free() {
    let tree = Tree::new();
    assert!(
        usage(&tree.root(), &Opens(Some(2)), "sdz")
            .unwrap()
            .is_free()
    );
}

#[test]
fn holders_of_partitions_count() {
    let tree = Tree::new();
    tree.file("sys/block/sda/holders/dm-3/dev", "");
    tree.file("sys/block/sda/sda1/holders/md0/dev", "");
    let usage = usage(&tree.root(), &FREE, "sda").unwrap();
    assert_eq!(usage.holders, ["dm-3", "md0"]);
    assert!(!usage.is_free());
    assert_eq!(usage.to_string(), "held by dm-3, md0");
}

#[test]
fn a_process_with_the_disk_or_a_partition_open_counts() {
    let tree = Tree::new();
    tree.process(50, 1, "kvm", "/dev/sda");
    tree.process(60, 1, "a (b) c", "/dev/sda1");
    let usage = usage(&tree.root(), &FREE, "sda").unwrap();
    let names: Vec<_> = usage
        .openers
        .iter()
        .map(|p| (p.pid, p.name.as_str()))
        .collect();
    assert_eq!(names, [(50, "kvm"), (60, "a (b) c")]);
    assert_eq!(
        usage.to_string(),
        "open in kvm (process 50), a (b) c (process 60)"
    );
    assert!(!usage.is_free());
}

#[test]
fn a_map_open_under_its_name_counts() {
    let tree = Tree::new();
    tree.file("sys/block/dm-3/dev", "253:3\n");
    tree.file("sys/block/dm-3/dm/name", "volume\n");
    tree.process(50, 1, "kvm", "/dev/mapper/volume");
    assert_eq!(usage(&tree.root(), &FREE, "dm-3").unwrap().openers.len(), 1);
}

#[test]
fn udev_and_multipathd_and_their_children_do_not_count() {
    let tree = Tree::new();
    tree.process(20, 1, "systemd-udevd", "/dev/null");
    tree.process(21, 20, "(udev-worker)", "/dev/sda");
    tree.process(22, 21, "blkid", "/dev/sda");
    tree.process(30, 1, "multipathd", "/dev/sda");
    assert!(usage(&tree.root(), &FREE, "sda").unwrap().is_free());
    tree.process(40, 1, "blkid", "/dev/sda");
    assert_eq!(usage(&tree.root(), &FREE, "sda").unwrap().openers.len(), 1);
}

#[test]
fn mounts_are_found_by_device_number() {
    let tree = Tree::new();
    let text = "30 1 8:1 / /srv/my\\040data rw,relatime shared:1 - ext4 /dev/other rw\n";
    tree.file("proc/self/mountinfo", text);
    let usage = usage(&tree.root(), &FREE, "sda").unwrap();
    assert_eq!(usage.mounts, ["/srv/my data"]);
    assert!(!usage.is_free());
    assert_eq!(usage.to_string(), "mounted on /srv/my data");
}

#[test]
fn only_busy_means_held_exclusively() {
    let tree = Tree::new();
    let ask =
        |errno: rustix::io::Errno| usage(&tree.root(), &Opens(Some(errno.raw_os_error())), "sda");
    let held = ask(rustix::io::Errno::BUSY).unwrap();
    assert!(held.exclusive && !held.is_free());
    assert!(held.to_string().starts_with("held exclusively"));
    assert!(ask(rustix::io::Errno::NXIO).unwrap().is_free());
    // The disk is there, its node is not, or we may not: nothing is known.
    for errno in [rustix::io::Errno::NOENT, rustix::io::Errno::ACCESS] {
        let error = ask(errno).unwrap_err();
        assert!(error.to_string().contains("/dev/sda"), "{error}");
    }
}

#[test]
fn on_the_real_host_open_files_are_compared_by_device_number() {
    // /dev/zero stands for a disk: 1:5.
    let zero = fs::File::open("/dev/zero").unwrap();
    let device = |number: &str| Device {
        dir: String::new(),
        nodes: Vec::new(),
        number: Some(number.to_owned()),
    };
    let ours =
        |number: &str| has_open(&Root::host(), std::process::id(), &[device(number)]).unwrap();
    assert!(ours("1:5"));
    assert!(!ours("1:9999"));
    drop(zero);
}
