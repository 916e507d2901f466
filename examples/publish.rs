//! Publishes a volume, and prints what a host needs to log in and to find the disk.
//!
//! On a simulated appliance: `cargo run --example publish`

use std::error::Error;
use std::time::{Duration, Instant};

use jdss_rest::{Chap, Client, LocalInitiator, Publish, TargetGroup, Tls, Unpublish};
use jdss_sim::Appliance;

const POOL: &str = "Pool-0";

#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn main() -> Result<(), Box<dyn Error>> {
    let appliance = Appliance::builder()
        .pool(POOL)
        .vip(POOL, "vip1", "127.0.0.11".parse()?)
        .vip(POOL, "vip2", "127.0.0.12".parse()?)
        .volume(POOL, "v_vm-100-disk-0", 1 << 30)
        .start()?;
    let client = Client::builder(vec![appliance.rest_addr().ip()])
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .build()?;

    let request = Publish {
        pool: POOL.to_owned(),
        volume: "vm-100-disk-0".parse()?,
        target_prefix: "iqn.2025-04.com.example:".parse()?,
        group: TargetGroup::of("vm-100-disk-0")?,
        luns_per_target: 8,
        data_addresses: vec!["127.0.0.11".parse()?, "127.0.0.12".parse()?],
        chap: Chap::Unmanaged,
        may_move: true,
    };
    for _ in ["publish", "again"] {
        appliance.clear_log();
        let deadline = Instant::now() + Duration::from_secs(60);
        let found = client.publish(&request, deadline)?;
        println!("{} LUN {} at {:?}", found.target, found.lun, found.portals);
        println!("{} bytes, WWID {}", found.size, found.scsi_id.wwid());
        let calls = appliance.requests().len();
        println!("{:?}, {calls} calls\n", found.created);
    }

    let withdraw = Unpublish {
        pool: request.pool,
        volume: request.volume.physical_name(),
        target: None,
        target_prefix: request.target_prefix,
        group: request.group,
        local: LocalInitiator::none(),
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    println!("{:?}", client.unpublish(&withdraw, deadline)?);
    Ok(())
}
