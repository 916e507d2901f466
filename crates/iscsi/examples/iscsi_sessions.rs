//! Lists the iSCSI sessions of this host and their disks. Changes nothing.
//!
//!     cargo run -p jdss-iscsi --example iscsi_sessions

use jdss_iscsi::Initiator;
use std::error::Error;
use std::io::{self, Write};

fn main() -> Result<(), Box<dyn Error>> {
    let host = Initiator::system();
    let mut out = io::stdout().lock();
    match host.initiator_name() {
        Ok(name) => writeln!(out, "initiator {name}")?,
        Err(error) => writeln!(out, "initiator without a name: {error}")?,
    }
    if !host.iscsid_running()? {
        writeln!(out, "iscsid does not run")?;
    }
    for session in host.sessions()? {
        let (id, target, portal) = (session.id, &session.target, session.portal);
        writeln!(out, "session {id}: {target} at {portal}, {}", session.state)?;
        for disk in host.disks(&session)? {
            let (path, lun, state) = (disk.path(), disk.lun, &disk.state);
            let size = disk.size >> 20;
            writeln!(out, "  {}: LUN {lun}, {size} MiB, {state}", path.display())?;
            match host.usage(&disk) {
                Ok(usage) => writeln!(out, "    {usage}")?,
                Err(error) => writeln!(out, "    {error}")?,
            }
        }
    }
    Ok(())
}
