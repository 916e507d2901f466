//! The simulated appliance, in this process but on the appliance's side of the network.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;

use jdss_sim::Appliance;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::network::{ADDRESSES, CONTROL, NAMESPACE, PORT};
use crate::{Command, Error};

/// The one pool.
pub const POOL: &str = "Pool-0";
/// User of the REST API.
pub const USER: &str = "admin";
/// Password of the REST API.
pub const PASSWORD: &str = "secret";
/// Port of the REST API.
pub const REST_PORT: u16 = 82;

/// An appliance that serves REST at [`CONTROL`] and iSCSI at both portals, with these volumes, in bytes.
///
/// Its listening sockets belong to the network namespace of the appliance; stopping and asking it is done from here.
///
/// # Errors
///
/// The namespace or an address cannot be used.
pub fn start(volumes: &[(&str, u64)]) -> Result<Appliance, Error> {
    let mut builder = Appliance::builder()
        .pool(POOL)
        .user(USER, PASSWORD)
        .rest(&format!("{CONTROL}:{REST_PORT}"))
        .data_port(PORT);
    for (i, address) in ADDRESSES.iter().enumerate() {
        let address = address.parse().map_err(|_| Error::Text {
            what: "an address",
            text: (*address).to_owned(),
        })?;
        builder = builder.vip(POOL, &format!("vip{i}"), address);
    }
    for (name, size) in volumes {
        builder = builder.volume(POOL, &physical(name), *size);
    }
    beside(|| builder.start())?.map_err(Error::file("the appliance"))
}

/// The name that a volume has on the appliance.
#[must_use]
pub fn physical(volume: &str) -> String {
    format!("v_{volume}")
}

/// Does `work` on the appliance's side of the network: whatever listens or connects, such as opening a portal again.
///
/// # Errors
///
/// The namespace cannot be entered.
///
/// # Panics
///
/// When `work` does.
pub fn beside<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    let path = Path::new("/run/netns").join(NAMESPACE);
    let namespace = File::open(&path).map_err(Error::file(&path))?;
    // A thread's network namespace is that of the sockets that it, and the threads it starts, open.
    let done = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        });
        thread.join()
    });
    match done {
        Ok(result) => result.map_err(Error::file(path)),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The program `jdss` that came into the guest together with this one.
#[must_use]
pub fn jdss() -> Command {
    let here = std::env::current_exe().unwrap_or_default();
    let path: PathBuf = here.with_file_name("jdss");
    Command::new(path)
}
