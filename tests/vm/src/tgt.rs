//! Debian's stock target, tgt, in the appliance's namespace: for questions about the host alone.
//!
//! Its volumes have NAA identities, `36...`, never the appliance's `2` + EUI-64.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::daemon::Daemon;
use crate::network::{ADDRESSES, PORT, on_appliance};
use crate::{Error, wait};

/// A running tgtd with one target.
#[derive(Debug)]
pub struct Tgt {
    daemon: Daemon,
}

/// The name of its target.
pub const TARGET: &str = "iqn.2026-01.com.example:tgt";
/// The number of its only volume.
pub const LUN: u64 = 1;

impl Tgt {
    /// Starts it on both portals, with the file `volume` as [`LUN`] of [`TARGET`].
    ///
    /// # Errors
    ///
    /// Those of the commands that it takes.
    pub(crate) fn start(volume: &Path) -> Result<Self, Error> {
        let portals = ADDRESSES.map(|a| format!("portal={a}:{PORT}")).join(",");
        let daemon = Daemon::start(
            "tgtd",
            &on_appliance("tgtd").args(["--foreground", "--iscsi", &portals]),
        )?;
        let admin = |words: &str| {
            on_appliance("tgtadm")
                .args("--lld iscsi".split(' '))
                .args(words.split(' '))
        };
        wait::until("an answer of tgtd", wait::SOON, || {
            admin("--op show --mode sys").ok()
        })?;
        admin("--op new --mode target --tid 1 --targetname")
            .arg(TARGET)
            .ok()?;
        admin("--op new --mode logicalunit --tid 1 --lun 1 --backing-store")
            .arg(volume)
            .ok()?;
        // The vendor decides what multipath.conf says about it.
        admin("--op update --mode logicalunit --tid 1 --lun 1 --params")
            .arg("vendor_id=SCST_BIO,product_id=volume,product_rev=340")
            .ok()?;
        admin("--op bind --mode target --tid 1 --initiator-address ALL").ok()?;
        Ok(Self { daemon })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Stops it. Sessions to it are left to themselves.
    ///
    /// # Errors
    ///
    /// [`Error::InVain`].
    pub(crate) fn stop(self) -> Result<(), Error> {
        // tgtd refuses to end on SIGTERM while it has sessions; nothing is lost by killing it.
        self.daemon.signal(rustix::process::Signal::KILL);
        self.daemon.stop()
    }
}

/// A sparse file of `size` bytes for a volume; files of this name are emptied.
///
/// # Errors
///
/// [`Error::File`].
pub fn volume(name: &str, size: u64) -> Result<PathBuf, Error> {
    let path = Path::new("/tmp").join(name);
    File::create(&path)
        .and_then(|file| file.set_len(size))
        .map_err(Error::file(&path))?;
    Ok(path)
}
