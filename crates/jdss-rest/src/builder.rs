//! What a client is made of: addresses, credentials, and how patient it is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use secrecy::SecretString;

use crate::client::Client;
use crate::error::Error;
use crate::https::{Credentials, Https, Tls};
use crate::transport::Transport;

/// Makes a [`Client`]; [`Client::builder`] starts one.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use jdss_rest::{Client, Tls};
///
/// let pin = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08";
/// let client = Client::builder(vec!["10.1.0.11".parse()?, "10.2.0.11".parse()?])
///     .credentials("admin", "secret".to_owned().into())
///     .tls(Tls::Pin(vec![pin.parse()?]))
///     .outage(Duration::from_secs(10))
///     .build()?;
/// assert_eq!(client.last_good(), None); // nothing is asked yet
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Builder {
    addresses: Vec<IpAddr>,
    port: u16,
    credentials: Option<Credentials>,
    tls: Tls,
    preferred: Option<IpAddr>,
    pub(crate) connect: Duration,
    pub(crate) outage: Duration,
    pub(crate) pause: Duration,
}

impl Builder {
    pub(crate) fn new(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            port: 82,
            credentials: None,
            tls: Tls::default(),
            preferred: None,
            connect: Duration::from_secs(2),
            outage: Duration::from_secs(180),
            pause: Duration::from_millis(250),
        }
    }

    /// Sets the TCP port of the REST API, the same on all addresses. Default: 82.
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::{Client, Tls};
    /// let builder = Client::builder(vec!["10.1.0.11".parse()?]).port(8082);
    /// # let _ = builder;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets user and password. Default: none, which an appliance refuses.
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::{Client, Tls};
    /// let builder = Client::builder(vec!["10.1.0.11".parse()?])
    ///     .credentials("admin", std::env::var("PASSWORD").unwrap_or_default().into());
    /// # let _ = builder;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn credentials(mut self, user: &str, password: SecretString) -> Self {
        self.credentials = Some(Credentials {
            user: user.to_owned(),
            password,
        });
        self
    }

    /// Sets how certificates are checked. Default: [`Tls::WebPki`].
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::{Client, Tls};
    /// let builder = Client::builder(vec!["10.1.0.11".parse()?])
    ///     .tls(Tls::CaFile("/etc/jdss/ca.pem".into()));
    /// # let _ = builder;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the address to ask first: the one that another client found to be
    /// good, see [`Client::last_good`].
    ///
    /// One that is not among the addresses of this client is ignored.
    /// Default: the first of them.
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::{Client, Tls};
    /// let builder = Client::builder(vec!["10.1.0.11".parse()?, "10.2.0.11".parse()?])
    ///     .prefer("10.2.0.11".parse()?);
    /// # let _ = builder;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn prefer(mut self, address: IpAddr) -> Self {
        self.preferred = Some(address);
        self
    }

    /// Sets how long a connection may take, TLS included. Default: 2 s.
    ///
    /// Near the deadline it is less: the time left is shared with the
    /// addresses still to be asked.
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::{Client, Tls};
    /// use std::time::Duration;
    /// let builder = Client::builder(vec!["10.1.0.11".parse()?]).connect_timeout(Duration::from_secs(5));
    /// # let _ = builder;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// Sets how long a call goes on trying while no address gives an answer.
    /// Default: 180 s.
    ///
    /// A pool that moves to the other head takes its addresses along, which
    /// lasts one to two minutes. The deadline of a call bounds this as well.
    /// With [`Duration::ZERO`] each address is asked once.
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::{Client, Tls};
    /// use std::time::Duration;
    /// // For a status that must be quick.
    /// let builder = Client::builder(vec!["10.1.0.11".parse()?]).outage(Duration::ZERO);
    /// # let _ = builder;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn outage(mut self, limit: Duration) -> Self {
        self.outage = limit;
        self
    }

    /// Sets the pause before the first repetition. Default: 250 ms.
    ///
    /// Each later one is twice as long, up to eight times this; up to half of
    /// a pause is taken off by chance. A call that may be repeated is made up
    /// to eight times while the appliance answers with a failure that passes:
    /// about 7 s of pauses with the default.
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::{Client, Tls};
    /// use std::time::Duration;
    /// // For tests: no waiting.
    /// let builder = Client::builder(vec!["10.1.0.11".parse()?]).retry_pause(Duration::ZERO);
    /// # let _ = builder;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn retry_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Makes the client. Does not connect yet.
    ///
    /// # Errors
    ///
    /// * [`Error::NoAddress`]: give at least one address.
    /// * [`Error::BadUser`]: the user name contains a colon.
    /// * [`Error::CaFile`], [`Error::BadCa`]: the certificates cannot be read.
    /// * [`Error::NoPin`]: give at least one fingerprint.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::{Client, Error};
    /// let client = Client::builder(vec!["10.1.0.11".parse()?]).build()?;
    /// assert!(matches!(Client::builder(vec![]).build(), Err(Error::NoAddress)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(mut self) -> Result<Client, Error> {
        if self
            .credentials
            .as_ref()
            .is_some_and(|c| c.user.contains(':'))
        {
            return Err(Error::BadUser);
        }
        if self.addresses.is_empty() {
            return Err(Error::NoAddress);
        }
        let transport = Https::new(&self.tls, self.credentials.take())?;
        self.build_with(transport)
    }

    /// Makes a client that speaks through `transport`; credentials and TLS settings are not used.
    ///
    /// # Errors
    ///
    /// [`Error::NoAddress`]: give at least one address.
    ///
    /// See [`Transport`] for one.
    pub fn build_with(self, transport: impl Transport + 'static) -> Result<Client, Error> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in &self.addresses {
            let address = SocketAddr::new(*address, self.port);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(Error::NoAddress);
        }
        let first = self.preferred.and_then(|preferred| {
            let mut all = addresses.iter();
            all.position(|address| address.ip() == preferred)
        });
        let first = first.unwrap_or_default();
        Ok(Client::new(Box::new(transport), addresses, first, &self))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("addresses", &self.addresses)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_as_long_as_the_move_of_a_pool_is_ridden_out_by_default() {
        assert!(Builder::new(vec![]).outage > Duration::from_secs(120));
    }
}
