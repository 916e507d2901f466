//! The appliance as a whole: how it is built, asked and disturbed.

mod admin;
mod builder;
mod export;
mod heads;
mod misfortune;
mod requests;
mod service;
mod snapshots;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub use builder::Builder;
pub use export::Export;
pub(crate) use heads::Meanwhile;
pub(crate) use service::Service;

use crate::iscsi::{CommandCount, CommandKey, ScsiCommand};
use crate::model::Session;
use crate::rest::{Request, Violation};

/// A running appliance. Dropping it ends its threads, closes its sockets and removes its own directory.
///
/// # Example
///
/// ```
/// use jdss_sim::Appliance;
///
/// let appliance = Appliance::builder()
///     .pool("Pool-0")
///     .vip("Pool-0", "vip1", "127.0.0.1".parse()?)
///     .start()?;
/// appliance.create_volume("Pool-0", "v_vm-100-disk-0", 64 << 20)?;
/// assert!(appliance.requests().is_empty());
/// assert!(appliance.violations().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Appliance {
    service: Arc<Service>,
}

impl fmt::Debug for Appliance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appliance")
            .field("rest", &self.rest_addrs())
            .field("data_port", &self.data_port())
            .finish_non_exhaustive()
    }
}

impl Appliance {
    /// An appliance to be described; see [`Builder`] for what it is like by itself.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The first address of the REST API.
    #[must_use]
    pub fn rest_addr(&self) -> SocketAddr {
        self.service.rest_addrs()[0]
    }

    /// All addresses of the REST API, in the order in which the builder was given them.
    #[must_use]
    pub fn rest_addrs(&self) -> Vec<SocketAddr> {
        self.service.rest_addrs()
    }

    /// What a client has to trust: the certificate of the REST API in PEM. Another one at each start.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.service.ca_pem().to_owned()
    }

    /// The port at which every VIP serves iSCSI.
    #[must_use]
    pub fn data_port(&self) -> u16 {
        self.service.data().port()
    }

    /// The REST requests so far (the latest 65536), in the order in which they were answered.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.service.log().requests()
    }

    /// How many requests took a route, `("GET", "/pools/{pool}")` for example.
    ///
    /// # Panics
    ///
    /// When there is no such route: a count of what cannot be asked would be 0 for ever.
    #[must_use]
    pub fn count(&self, method: &str, route: &str) -> usize {
        assert!(
            crate::rest::is_route(method, route),
            "there is no route {method} {route}"
        );
        let counts = |request: &&Request| request.method == method && request.route == Some(route);
        self.service.log().requests().iter().filter(counts).count()
    }

    /// The requests that no client of a real appliance should send. A test of a client ends with a
    /// look at this.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.service.log().violations()
    }

    /// The SCSI commands so far, in the order in which they came.
    #[must_use]
    pub fn commands(&self) -> Vec<ScsiCommand> {
        self.service.data().commands()
    }

    /// How many SCSI commands there were, by volume, portal and opcode. Unlike [`commands`](Self::commands), which
    /// keeps the latest ones only, this is exact.
    #[must_use]
    pub fn command_counts(&self) -> BTreeMap<CommandKey, CommandCount> {
        self.service.data().command_counts()
    }

    /// Forgets requests, violations and commands.
    pub fn clear_log(&self) {
        self.service.log().clear();
        self.service.data().clear_commands();
    }

    /// The iSCSI sessions that are open now.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.service.model().sessions()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.service.stop();
    }
}
