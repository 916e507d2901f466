//! Volumes come up, carry data, lose paths, and go.

use std::fs::{self};
use std::path::{Path, PathBuf};

use jdss_sim::Appliance;
use jdss_vm::appliance::{POOL, jdss, physical};
use jdss_vm::config::{self, Storage};
use jdss_vm::network::{ADDRESSES, Cut, Portal};
use jdss_vm::{Command, Error, Guest, sysfs};

use super::*;
use crate::scenarios::scenarios;

scenarios![
    a_volume_comes_up_carries_data_and_goes_without_a_trace,
    io_goes_on_when_a_portal_is_cut,
    taking_one_volume_down_leaves_its_sibling_alone,
    the_second_time_costs_no_call_and_no_tool,
    one_dead_portal_is_told_as_degraded,
    a_single_path_is_handed_out_by_its_id,
    the_certificate_is_verified,
    a_certificate_is_pinned_by_the_fingerprint_that_an_error_told,
];

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

fn a_certificate_is_pinned_by_the_fingerprint_that_an_error_told(_: &Guest) -> Result<(), Error> {
    let appliance = begin(&[VM])?;
    let pinned = |pin: &str| {
        let storage = storage_without_multipath().property("fingerprint", pin);
        Storage::write(&[storage])
    };
    pinned(&"00".repeat(32))?;
    let output = run("activate", VM).run()?;
    assert_failed(&output, 3, &["fingerprint"]);
    assert!(appliance.requests().is_empty(), "asked all the same");
    let is_pin = |word: &&str| word.len() == 95 && !word.starts_with("00:00");
    let mut words = output
        .stderr
        .split(|c: char| !(c.is_ascii_hexdigit() || c == ':'));
    let found = words.find(is_pin).expect("the fingerprint found is told");
    pinned(found)?;
    activate(VM)?;
    deactivate(VM)
}
