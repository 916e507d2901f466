//! A host before a small appliance with two portals, and short ways to use it.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use jdss_host::{Host, Ran, Targets};

pub(crate) const IQN: &str = "iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0";
pub(crate) const P1: &str = "10.0.1.1:3260";
pub(crate) const P2: &str = "10.0.2.1:3260";
pub(crate) const MIB64: u64 = 64 << 20;
/// The WWIDs of the SCSI IDs that the tests use.
pub(crate) const D0: (&str, &str) = ("4fa1c0de77e2b316", "23466613163306465");
pub(crate) const D2: (&str, &str) = ("5e5e5e5e00000000", "23565356535653565");

pub(crate) fn host() -> (Host, Targets) {
    let targets = Targets::new([P1, P2]);
    targets.map(IQN, 0, D0.0, MIB64);
    (Host::new(targets.lookup()), targets)
}

pub(crate) fn run(host: &Host, line: &str) -> Ran {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let args: Vec<&str> = words.collect();
    host.run(program, &args)
        .expect("the program is there and ends")
}

pub(crate) fn node(host: &Host, rest: &str) -> Ran {
    run(host, &format!("iscsiadm -m node -T {IQN} {rest}"))
}

/// New record with a manual scan, and a session.
pub(crate) fn login(host: &Host, portal: &str) {
    assert_eq!(node(host, &format!("-p {portal} -o new")).code, 0);
    let manual = "-o update -n node.session.scan -v manual";
    assert_eq!(node(host, &format!("-p {portal} {manual}")).code, 0);
    assert_eq!(node(host, &format!("-p {portal} --login")).code, 0);
}

pub(crate) fn scan(host: &Host, scsi_host: u32, what: &str) {
    let attribute = host
        .root()
        .join(format!("sys/class/scsi_host/host{scsi_host}/scan"));
    host.write(&attribute, what).expect("a scan is taken");
}

/// Enrolled, both sessions, LUN 0 scanned: the map dm-0 with sda and sdb.
pub(crate) fn map(host: &Host) {
    assert_eq!(run(host, &format!("multipath -a {}", D0.1)).code, 0);
    login(host, P1);
    login(host, P2);
    scan(host, 0, "0 0 0");
    scan(host, 1, "0 0 0");
}

pub(crate) fn device(host: &Host, disk: &str, verb: &str) -> std::io::Result<()> {
    host.write(
        &host.root().join(format!("sys/block/{disk}/device/{verb}")),
        "1",
    )
}

pub(crate) fn read(host: &Host, path: &str) -> String {
    let text = std::fs::read_to_string(host.root().join(path));
    let text = text.unwrap_or_else(|error| panic!("{path}: {error}"));
    text.trim_end().to_owned()
}

pub(crate) fn list(host: &Host, dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(host.root().join(dir));
    let entries = entries.unwrap_or_else(|error| panic!("{dir}: {error}"));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a readable directory").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub(crate) fn exists(host: &Host, path: &str) -> bool {
    host.root().join(path).exists()
}

pub(crate) fn link(host: &Host, path: &str) -> String {
    let text = std::fs::read_link(host.root().join(path));
    let text = text.unwrap_or_else(|error| panic!("{path}: {error}"));
    text.to_string_lossy().into_owned()
}
