use std::fmt;
use std::net::IpAddr;

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolInfo {
    /// Its name.
    pub name: String,
    /// Its identity, which survives a renaming; absent on some versions.
    pub id: Option<String>,
    /// Its size, in bytes.
    pub size: u64,
    /// Bytes that can still be allocated.
    pub available: u64,
    /// `ONLINE`, `DEGRADED` and so on.
    pub health: Option<String>,
}

/// A virtual IP address, which moves with its pool between the two heads of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vip {
    /// Its name, by which targets refer to it.
    pub name: String,
    /// Its address, as the appliance writes it.
    pub address: String,
}

impl Vip {
    /// Its address; `None` when the appliance writes something else there.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// for vip in client.pool("Pool-0").vips(deadline)? {
    ///     println!("{} {:?}", vip.name, vip.ip());
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.trim().parse().ok()
    }
}

impl fmt::Display for Vip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.address)
    }
}
