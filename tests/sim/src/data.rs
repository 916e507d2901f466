//! The data side: iSCSI at every VIP.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::iscsi::{CommandCount, CommandKey, CommandLog, IscsiTarget, ScsiCommand};
use crate::model::Model;
use crate::rest::Log;

/// The target and the log of what it was asked.
#[derive(Debug)]
pub(crate) struct Data {
    target: IscsiTarget,
    log: Arc<CommandLog>,
    addresses: Vec<SocketAddr>,
}

impl Data {
    pub(crate) fn start(
        model: Arc<Model>,
        listeners: Vec<TcpListener>,
        file: &Arc<Log>,
    ) -> io::Result<Self> {
        let addresses: io::Result<Vec<_>> = listeners.iter().map(TcpListener::local_addr).collect();
        let file = Arc::clone(file);
        let log = Arc::new(CommandLog::new(move |command| {
            file.line("command", command)
        }));
        Ok(Self {
            target: IscsiTarget::start(model, listeners, Arc::clone(&log))?,
            log,
            addresses: addresses?,
        })
    }

    /// The port of all addresses; 0 without any.
    pub(crate) fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    pub(crate) fn commands(&self) -> Vec<ScsiCommand> {
        self.log.commands()
    }

    pub(crate) fn command_counts(&self) -> BTreeMap<CommandKey, CommandCount> {
        self.log.counts()
    }

    pub(crate) fn clear_commands(&self) {
        self.log.clear();
    }

    /// Cuts the connections of an address and refuses new ones, or takes them again.
    pub(crate) fn set_open(&self, address: IpAddr, open: bool) -> Result<()> {
        let known = match open {
            false => self.target.close_portal(address),
            true => {
                let failed = |source| Error::Socket {
                    action: "listen at",
                    address: SocketAddr::new(address, self.port()),
                    source,
                };
                self.target.open_portal(address).map_err(failed)?
            }
        };
        if !known {
            return Err(Error::UnknownPortal { address });
        }
        Ok(())
    }

    /// Answers nothing at an address any more, whatever comes, until [`set_open`](Self::set_open).
    pub(crate) fn silence(&self, address: IpAddr) -> Result<()> {
        if !self.target.silence_portal(address) {
            return Err(Error::UnknownPortal { address });
        }
        Ok(())
    }

    /// Answers nothing at an address any more and cuts the sessions there, until [`set_open`](Self::set_open).
    pub(crate) fn leave(&self, address: IpAddr) {
        // Dumb first, so that no session begins after the cut. A closed portal has none.
        if self.target.silence_portal(address) {
            self.target.cut_portal(address);
        }
    }

    /// Closes all sessions of a target; how many there were.
    pub(crate) fn close_sessions(&self, target: &str) -> usize {
        self.target.close_sessions(target)
    }

    pub(crate) fn stop(&self) {
        self.target.stop();
    }
}
