//! Creates a volume, a snapshot of it and a clone of that, shows what depends on what, and cleans up.
//!
//! On a simulated appliance: `cargo run --example snapshot_clone`

use std::error::Error;
use std::time::{Duration, Instant};

use jdss_rest::{Client, CloneOf, NewVolume, SnapshotId, Tls, VolumeId};
use jdss_sim::Appliance;

const POOL: &str = "Pool-0";

#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn main() -> Result<(), Box<dyn Error>> {
    let appliance = Appliance::builder().pool(POOL).start()?;
    let client = Client::builder(vec![appliance.rest_addr().ip()])
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .build()?;
    let pool = client.pool(POOL);
    let deadline = Instant::now() + Duration::from_secs(60);

    let new = NewVolume {
        id: "vm-100-disk-0".parse()?,
        size: 1 << 30,
        thin: true,
        block_size: 16384,
    };
    let volume = pool.create_volume(&new, deadline)?;
    println!("created  {}, {} bytes", volume.name, volume.size);

    let snapshot: SnapshotId = "before-update".parse()?;
    pool.create_snapshot(&new.id, &snapshot, deadline)?;
    let copy: VolumeId = "vm-101-disk-0".parse()?;
    let request = CloneOf {
        volume: volume.name.clone(),
        snapshot: snapshot.physical_name(),
        name: copy.physical_name(),
        thin: true,
        read_only: false,
    };
    let clone = pool.clone_snapshot(&request, deadline)?;
    println!("cloned   {}", clone.name);
    for snapshot in pool.snapshots(&volume.name, deadline) {
        let snapshot = pool.snapshot(&volume.name, &snapshot?.name, deadline)?;
        println!("snapshot {}, clones: {:?}", snapshot.name, snapshot.clones);
    }

    // What others depend on stays, and the error names them.
    if let Err(error) = pool.delete_volume(&new.id, deadline) {
        println!("refused  {error}");
    }
    pool.delete_volume(&copy, deadline)?;
    pool.delete_snapshot(&volume.name, &request.snapshot, deadline)?;
    pool.delete_volume(&new.id, deadline)?;
    println!("volumes left: {}", pool.volumes(deadline).all()?.len());
    Ok(())
}
