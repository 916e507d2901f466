//! The REST client against sessions and disks that a real kernel has.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use jdss_rest::{
    Chap, Client, Error as RestError, LocalInitiator, Publish, SecretString, TargetGroup, Tls,
    UnpublishSnapshot,
};
use jdss_vm::appliance::{self, PASSWORD, POOL, REST_PORT, USER, physical};
use jdss_vm::network::{ADDRESSES, CONTROL};
use jdss_vm::{Command, Error, Guest, initiator, sysfs, wait};

use super::scenarios;

scenarios![a_snapshot_is_exported_read_only_and_not_taken_from_who_uses_it];

const VOLUME: &str = "vm-100-disk-0";
const SIZE: u64 = 64 << 20;
const PREFIX: &str = "iqn.2025-04.com.example:";
const BLOCK: usize = 4096;

fn client() -> Client {
    let address = CONTROL.parse().expect("an address");
    Client::builder(vec![address])
        .port(REST_PORT)
        .credentials(USER, SecretString::from(PASSWORD))
        .tls(Tls::Insecure)
        .build()
        .expect("nothing is missing")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

fn fill(file: &Path, byte: u8) -> Result<(), Error> {
    File::options()
        .write(true)
        .open(file)
        .and_then(|mut file| file.write_all(&[byte; BLOCK]))
        .map_err(Error::file(file))
}

fn first_block(device: &Path) -> Result<Vec<u8>, Error> {
    let mut block = vec![0; BLOCK];
    File::open(device)
        .and_then(|mut file| file.read_exact(&mut block))
        .map_err(Error::file(device))?;
    Ok(block)
}

/// The name by which this host logs in.
fn own_name() -> Result<String, Error> {
    const FILE: &str = "/etc/iscsi/initiatorname.iscsi";
    let text = fs::read_to_string(FILE).map_err(Error::file(FILE))?;
    let mut lines = text.lines();
    let name = lines.find_map(|line| line.strip_prefix("InitiatorName="));
    Ok(name.expect("the host has a name").to_owned())
}

fn a_snapshot_is_exported_read_only_and_not_taken_from_who_uses_it(_: &Guest) -> Result<(), Error> {
    let appliance = appliance::start(&[(VOLUME, SIZE)])?;
    let (client, name) = (client(), physical(VOLUME));
    let file = appliance.volume_path(POOL, &name).expect("it has a file");
    let volume = VOLUME.parse().expect("a name");
    let snapshot = "before-update".parse().expect("a name");
    fill(&file, 1)?;
    let made = client
        .pool(POOL)
        .create_snapshot(&volume, &snapshot, soon());
    made.expect("the volume is there");
    fill(&file, 2)?;

    let request = Publish {
        pool: POOL.to_owned(),
        volume: volume.clone(),
        target_prefix: PREFIX.parse().expect("a prefix"),
        group: TargetGroup::of(VOLUME).expect("a name"),
        luns_per_target: 8,
        data_addresses: ADDRESSES.map(|a| a.parse().expect("an address")).to_vec(),
        chap: Chap::Unmanaged,
        may_move: true,
    };
    let exported = client.publish_snapshot(&request, &snapshot, soon());
    let exported = exported.expect("the snapshot is there");
    let paths = initiator::attach(&exported.target, exported.lun.into())?;
    for (_, disk) in &paths {
        assert_eq!(initiator::scsi_id(disk)?, exported.scsi_id.wwid());
        assert_eq!(first_block(&disk.path())?, [1; BLOCK], "{disk:?}");
        let attribute = Path::new("/sys/block").join(&disk.name).join("ro");
        let read_only = || sysfs::text(&attribute);
        wait::until_equal("ro", wait::SOON, &Some("1".to_owned()), read_only)?;
        let write = Command::words("dd if=/dev/zero bs=4k count=1 oflag=direct")
            .arg(format!("of={}", disk.path().display()));
        assert!(write.ok().is_err(), "{disk:?} was written to");
    }

    let mut take_back = UnpublishSnapshot {
        pool: request.pool,
        volume,
        snapshot,
        target: Some(exported.target.clone()),
        target_prefix: request.target_prefix,
        group: request.group,
        local: LocalInitiator::none(),
    };
    let refused = client
        .unpublish_snapshot(&take_back, soon())
        .expect_err("this host is logged in");
    let RestError::ForeignSessions { sessions, .. } = &refused else {
        panic!("{refused}");
    };
    let own = own_name()?;
    let mut hosts: Vec<_> = sessions.iter().filter_map(|s| s.ip()).collect();
    hosts.sort();
    let ours = ["10.0.1.2", "10.0.2.2"].map(|a| a.parse().expect("an address"));
    assert_eq!(hosts, ours);
    assert!(sessions.iter().all(|s| s.is_of(&own)), "{refused}");
    assert_eq!(first_block(&paths[0].1.path())?, [1; BLOCK]);

    initiator::detach(&exported.target)?;
    take_back.local = LocalInitiator::new(&own, &ours);
    client
        .unpublish_snapshot(&take_back, soon())
        .expect("nobody uses it");
    assert_eq!(appliance.targets(POOL).expect("the pool"), [""; 0]);
    assert_eq!(appliance.volumes(POOL).expect("the pool"), [name]);
    assert_eq!(appliance.violations(), []);
    Ok(())
}
