//! The main job, without an appliance and without privileges: a volume of the
//! simulated appliance is brought up on a pretend host, and taken down again.
//!
//! `cargo run --example attach`

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::fs;
use std::time::Duration;

use jdss::attach::{Attach, Budget, Volume, link_path};
use jdss_rest::{Client, TargetGroup, Tls};
use jdss_sim::Appliance;
use jdss_state::Key;

const POOL: &str = "Pool-0";
const STORAGE: &str = "jdss0";
const NAME: &str = "vm-100-disk-0";
const LIMIT: Duration = Duration::from_secs(60);

#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn main() -> Result<(), Box<dyn Error>> {
    // The appliance: REST over TLS and an iSCSI target, on loopback.
    let appliance = Appliance::builder()
        .pool(POOL)
        .vip(POOL, "vip1", "127.0.0.1".parse()?)
        .vip(POOL, "vip2", "127.0.0.2".parse()?)
        .start()?;
    appliance.create_volume(POOL, &format!("v_{NAME}"), 64 << 20)?;
    println!("simulated appliance: REST at {}", appliance.rest_addr());
    for address in ["127.0.0.1", "127.0.0.2"] {
        println!(
            "                     iSCSI at {address}:{}",
            appliance.data_port()
        );
    }

    // The host: sessions, disks and maps as a real one has them, in a directory.
    let host = support::host(&appliance);
    let attach: Attach = support::engine(&host).observed_by(|event| println!("  {event}"));

    let volume = Volume {
        storage: STORAGE.to_owned(),
        name: NAME.to_owned(),
        id: NAME.parse()?,
        pool: POOL.to_owned(),
        target_prefix: "iqn.2025-04.proxmox.joviandss.iscsi:".parse()?,
        group: TargetGroup::of(NAME)?,
        luns_per_target: 8,
        data_addresses: vec!["127.0.0.1".parse()?, "127.0.0.2".parse()?],
        data_port: appliance.data_port(),
        multipath: true,
    };
    let client = Client::builder(vec![appliance.rest_addr().ip()])
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .build()?;
    let connect = || Ok(client.clone());

    println!("\nactivate {NAME}");
    let active = attach.activate(&volume, &connect, &Budget::new(LIMIT))?;
    println!("  REST calls: {}", appliance.requests().len());
    println!("  tools:      {:?}", host.counts().children);

    println!("\nthe device\n  {}", active.path.display());
    println!(
        "  {} leads to it",
        link_path(&Key::new(STORAGE, NAME, None)?).display()
    );

    println!("\nactivate again");
    appliance.clear_log();
    host.forget();
    let again = attach.activate(&volume, &connect, &Budget::new(LIMIT))?;
    println!("  {}", again.path.display());
    println!("  REST calls: {}", appliance.requests().len());
    println!("  tools:      {:?}", host.counts().children);

    let key = Key::new(STORAGE, NAME, None)?;
    let record = support::store(&host).path(&key);
    let shown = record.strip_prefix(host.root())?;
    println!("\nthe record, /{}", shown.display());
    for line in fs::read_to_string(&record)?.lines() {
        println!("  {line}");
    }

    println!("\ndeactivate {NAME}");
    attach.deactivate(&key, &Budget::new(LIMIT))?;
    println!("  REST calls: {}", appliance.requests().len());
    println!("  tools:      {:?}", host.counts().children);

    let left = host.left();
    println!(
        "\nleft on the host: {}",
        if left.is_empty() {
            "nothing".into()
        } else {
            left.join(", ")
        }
    );
    Ok(())
}
