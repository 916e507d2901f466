//! Joins the pretend host to the layers, and to the simulated appliance.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jdss::attach::Attach;
use jdss_host::{Host, HostLun, Login, RunError as Gone};
use jdss_iscsi::Initiator;
use jdss_multipath::Multipath;
use jdss_sim::Appliance;
use jdss_state::{Locks, Store};
use jdss_sys::{Command, OnTimeout, Output, Root, RunError};

/// How the appliance answers where it does not let an initiator in.
const REFUSED: i32 = 19;

/// A pretend host before this appliance: it asks it on every login and scan.
pub(crate) fn host(appliance: &Appliance) -> Host {
    let exports = appliance.exports();
    Host::new(move |target, portal| {
        let found = portal
            .parse::<SocketAddr>()
            .ok()
            .and_then(|portal| exports(target, portal.ip()));
        found.map_or(Login::Refused(REFUSED), |luns| {
            Login::Luns(
                luns.iter()
                    .map(|l| HostLun::scst(l.lun, &l.scsi_id, l.size))
                    .collect(),
            )
        })
    })
}

/// The engine on the pretend host; records and locks lie below its root.
pub(crate) fn engine(host: &Host) -> Attach {
    let root = Root::at(host.root());
    let effects = Arc::new(Pretend(host.clone()));
    Attach::new(
        root.clone(),
        Initiator::new(root.clone(), effects.clone()),
        Multipath::new(root.clone(), effects),
        store(host),
        Locks::at(root.join("run/lock/jdss")),
    )
}

/// The records of the pretend host.
pub(crate) fn store(host: &Host) -> Store {
    Store::at(host.root().join("etc/joviandss/state"))
}

/// The effects of both layers, on a pretend host.
#[derive(Debug)]
struct Pretend(Host);

impl jdss_sys::Effects for Pretend {
    fn run(
        &self,
        command: &Command,
        limit: Duration,
        on_timeout: OnTimeout,
    ) -> Result<Output, RunError> {
        let program = command.program();
        match self
            .0
            .run(&program.to_string_lossy(), &command.arguments_lossy())
        {
            Ok(ran) => Ok(Output {
                code: Some(ran.code),
                signal: None,
                stdout: ran.stdout,
                stderr: ran.stderr,
            }),
            Err(Gone::NotFound) => Err(RunError::NotFound {
                program: program.to_owned(),
            }),
            Err(Gone::TimedOut) => Err(RunError::TimedOut {
                command: Box::new(command.clone()),
                limit,
                abandoned: matches!(on_timeout, OnTimeout::Abandon),
            }),
            Err(stopped @ Gone::Stopped) => Err(RunError::Spawn {
                command: Box::new(command.clone()),
                source: io::Error::other(stopped),
            }),
        }
    }

    fn write(&self, attribute: &Path, value: &str) -> io::Result<()> {
        self.0.write(attribute, value)
    }

    fn open_exclusive(&self, device: &Path) -> io::Result<()> {
        self.0.open_exclusive(device)
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        std::fs::remove_file(file)
    }
}

impl jdss_multipath::Effects for Pretend {
    fn ask(&self, request: &str, _limit: Duration) -> io::Result<String> {
        self.0.ask(request)
    }
}
