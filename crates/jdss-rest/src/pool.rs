//! The single calls: one method, one resource.

use std::time::Instant;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::model::{PoolInfo, Vip};
use crate::names::dataset_name;
use crate::path;
use crate::transport::Method;

/// One pool of the appliance; from [`Client::pool`].
///
/// Every method makes as many calls as it says, blocks until the answers
/// are there and never beyond `deadline`. Calls that may be repeated are, a few
/// times, when the appliance fails in a way that passes.
///
/// A head of a cluster that has not the pool at the moment calls everything in it
/// [`Missing`](ErrorKind::Missing). The deletions take that into account; elsewhere,
/// where absence decides something, ask [`info`](Self::info) as well.
///
/// All of them fail with the kinds [`Auth`](ErrorKind::Auth),
/// [`Unreachable`](ErrorKind::Unreachable), [`Untrusted`](ErrorKind::Untrusted),
/// [`Deadline`](ErrorKind::Deadline), [`Transient`](ErrorKind::Transient) and
/// [`Protocol`](ErrorKind::Protocol); the methods name only what is special.
///
/// # Example
///
/// ```no_run
/// # use std::time::{Duration, Instant};
/// use jdss_rest::Client;
/// # let client = Client::builder(vec![]).build()?;
/// let pool = client.pool("Pool-0");
/// let deadline = Instant::now() + Duration::from_secs(20);
/// println!("{} bytes free", pool.info(deadline)?.available);
/// # Ok::<(), jdss_rest::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pool {
    pub(crate) client: Client,
    name: String,
}

impl Pool {
    pub(crate) fn new(client: &Client, name: &str) -> Self {
        Self {
            client: client.clone(),
            name: name.to_owned(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self, segments: &[&str]) -> Result<String, Error> {
        path::path(&[&["pools", &self.name], segments].concat())
    }

    /// Refuses names that are too long together with the pool's, before anything is asked.
    pub(crate) fn check_length(&self, volume: &str, snapshot: Option<&str>) -> Result<(), Error> {
        dataset_name(self.name(), volume, snapshot)
            .map(drop)
            .map_err(|reason| Error::Name { reason })
    }

    pub(crate) fn text(&self) -> String {
        format!("pool {}", self.name)
    }

    /// Reads size and health of the pool: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such pool here; on a
    /// cluster it may be on the other head.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let info = pool.info(deadline)?;
    /// println!("{} of {} bytes, {:?}", info.available, info.size, info.health);
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn info(&self, deadline: Instant) -> Result<PoolInfo, Error> {
        self.client.get(self.path(&[])?, self.text(), deadline)
    }

    /// Lists the virtual addresses of the pool: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such pool.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// for vip in pool.vips(deadline)? {
    ///     println!("{vip}"); // vip1 10.1.0.11
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn vips(&self, deadline: Instant) -> Result<Vec<Vip>, Error> {
        let what = format!("list the VIPs of {}", self.text());
        let call = Call::new(Method::Get, self.path(&["vips"])?, what, self.text());
        self.client.list(call, deadline)
    }
}
