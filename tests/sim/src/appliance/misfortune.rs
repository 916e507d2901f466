//! What misfortune can do: closed and silent addresses, faults of requests.

use std::net::{IpAddr, SocketAddr};

use super::Appliance;
use crate::error::Result;
use crate::rest::{Connections, Fault, Trigger};

/// Misfortune at addresses.
impl Appliance {
    /// Cuts the sessions at one address and refuses new ones there.
    ///
    /// # Errors
    ///
    /// No VIP has this address.
    pub fn close_portal(&self, address: IpAddr) -> Result<()> {
        self.service.data().set_open(address, false)
    }

    /// Takes connections at one address again.
    ///
    /// # Errors
    ///
    /// No VIP has this address.
    pub fn open_portal(&self, address: IpAddr) -> Result<()> {
        self.service.data().set_open(address, true)
    }

    /// Makes one address dumb: its sessions stay and new connections are accepted, but nothing is answered there until
    /// [`open_portal`](Self::open_portal).
    ///
    /// # Errors
    ///
    /// No VIP has this address, or it is closed.
    pub fn silence_portal(&self, address: IpAddr) -> Result<()> {
        self.service.data().silence(address)
    }

    /// Closes all sessions of a target, which may come back at once; how many there were.
    pub fn close_sessions(&self, target: &str) -> usize {
        self.service.data().close_sessions(target)
    }

    /// Closes the REST API at one of its addresses: connections are cut, and new ones refused.
    ///
    /// # Errors
    ///
    /// It is none of [`rest_addrs`](Self::rest_addrs).
    pub fn close_rest(&self, address: SocketAddr) -> Result<()> {
        self.service.set_rest_open(address, false)
    }

    /// Makes one address of the REST API a black hole: connections stay and new ones can be made, but nothing
    /// is answered there, not even the first message of a TLS handshake, until [`open_rest`](Self::open_rest).
    ///
    /// What came meanwhile is done and answered then, if its client still waits.
    ///
    /// # Errors
    ///
    /// It is none of [`rest_addrs`](Self::rest_addrs).
    pub fn silence_rest(&self, address: SocketAddr) -> Result<()> {
        self.service.silence_rest(address)
    }

    /// Opens the REST API at one of its addresses again.
    ///
    /// # Errors
    ///
    /// It is none of [`rest_addrs`](Self::rest_addrs).
    pub fn open_rest(&self, address: SocketAddr) -> Result<()> {
        self.service.set_rest_open(address, true)
    }

    /// What came to one address of the REST API since the start.
    ///
    /// # Errors
    ///
    /// It is none of [`rest_addrs`](Self::rest_addrs).
    pub fn connections(&self, address: SocketAddr) -> Result<Connections> {
        self.service.connections(address)
    }
}

/// Misfortune of requests.
impl Appliance {
    /// Lets the next `times` requests of a route go wrong. Several faults of one route come true in
    /// the order in which they were added; delays add up.
    ///
    /// # Errors
    ///
    /// [`UnknownRoute`](crate::Error::UnknownRoute) and [`UnfitFault`](crate::Error::UnfitFault): the fault could never come true.
    pub fn fault(&self, method: &str, route: &str, times: usize, fault: Fault) -> Result<()> {
        self.fault_when(method, route, Trigger::Times(times), fault)
    }

    /// Lets some requests of a route go wrong.
    ///
    /// # Errors
    ///
    /// As with [`fault`](Self::fault).
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_sim::{Appliance, Fault, Trigger};
    ///
    /// let appliance = Appliance::builder().pool("Pool-0").start()?;
    /// let volume = "/pools/{pool}/volumes/{volume}";
    /// appliance.fault_when("DELETE", volume, Trigger::Every(3), Fault::Hang)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fault_when(
        &self,
        method: &str,
        route: &str,
        trigger: Trigger,
        fault: Fault,
    ) -> Result<()> {
        self.service.add_fault(method, route, trigger, fault)
    }

    /// Lets each of these faults strike so many of a thousand requests, whatever their route, until
    /// the faults are cleared. Which ones is the same for the same `seed` and the same order of requests
    /// within each route. Faults of a route go before, and those of lists strike only what reads.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_sim::{Appliance, Fault};
    ///
    /// let appliance = Appliance::builder().pool("Pool-0").start()?;
    /// let race = Fault::configuration_race();
    /// appliance.chaos(7, &[(Fault::NoReply, 50), (race.clone(), 30), (race.after_work(), 20)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chaos(&self, seed: u64, faults: &[(Fault, u32)]) {
        self.service
            .faults()
            .set_chaos(seed, faults, self.service.model());
    }

    /// Forgets all faults, and lets go of the requests that one holds up.
    pub fn clear_faults(&self) {
        self.service.clear_faults();
    }

    /// How many requests are held up by [`Fault::Delay`] and [`Fault::Hang`] at this moment.
    #[must_use]
    pub fn held(&self) -> usize {
        self.service.held()
    }
}
