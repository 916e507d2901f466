//! Lists the volumes of a pool: size, WWID, and the guest each one belongs to.
//!
//! On a simulated appliance: `cargo run --example volumes`

use std::error::Error;
use std::time::{Duration, Instant};

use jdss_rest::names::{GuestVolume, display_name};
use jdss_rest::{Client, Tls, VolumeId};
use jdss_sim::Appliance;

const POOL: &str = "Pool-0";
const GIB: u64 = 1 << 30;

#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut appliance = Appliance::builder()
        .pool(POOL)
        .volume(POOL, "v_base-9000-disk-0", 8 * GIB)
        // By another open client, and by hand.
        .volume(POOL, "vh_my_disk_NV4SAZDJONVQ----", GIB)
        .volume(POOL, "backup", 2 * GIB);
    for number in 0..120 {
        appliance = appliance.volume(POOL, &format!("v_vm-100-disk-{number}"), 32 * GIB);
    }
    let appliance = appliance.start()?;

    let client = Client::builder(vec![appliance.rest_addr().ip()])
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .build()?;
    let deadline = Instant::now() + Duration::from_secs(60);

    for volume in client.pool(POOL).volumes(deadline) {
        let volume = volume?;
        // Only a name that this client gives leads to an id; any name can be shown.
        let id = VolumeId::from_physical(&volume.name);
        let guest = id.as_ref().and_then(|id| GuestVolume::of(id, None));
        let wwid = volume.scsi_id.map(|id| id.wwid());
        println!(
            "{:20}{:4} GiB  {}  {}",
            display_name(&volume.name),
            volume.size / GIB,
            wwid.as_deref().unwrap_or("-"),
            match guest {
                Some(GuestVolume {
                    guest,
                    template: true,
                    ..
                }) => format!("template {guest}"),
                Some(GuestVolume { guest, .. }) => format!("guest {guest}"),
                None => "-".to_owned(),
            }
        );
    }
    println!("in {} calls", appliance.requests().len());
    Ok(())
}
