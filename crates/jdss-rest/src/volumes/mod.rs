//! The single calls for volumes.

mod create;
mod delete;
mod rename;
mod resize;

use std::time::Instant;

use serde_json::json;

use crate::call::{Call, Patience, told};
use crate::error::{Error, ErrorKind};
use crate::list::{List, Paging};
use crate::model::Volume;
use crate::names::VolumeId;
use crate::pool::Pool;
use crate::transport::Method;

pub use create::NewVolume;
pub use delete::DeleteVolume;

/// Attempts to change a volume before giving up.
const ROUNDS: u32 = 4;
/// Entries of a page.
const PAGE: u32 = 100;

impl Pool {
    pub(crate) fn volume_text(&self, volume: &str) -> String {
        format!("volume {}/{volume}", self.name())
    }

    /// Lists the volumes of the pool, a hundred with each call.
    ///
    /// Volumes of all who use the pool: which are one's own, the names tell.
    ///
    /// # Errors
    ///
    /// None before the list is read; see [`List`].
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let volumes = client.pool("Pool-0").volumes(deadline).all()?;
    /// println!("{} volumes", volumes.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn volumes(&self, deadline: Instant) -> List<Volume> {
        let what = format!("list the volumes of {}", self.text());
        let call = self
            .path(&["volumes"])
            .map(|path| Call::new(Method::Get, path, what, self.text()).patience(Patience::List));
        List::new(&self.client, call, Paging::PagesOf(PAGE), deadline)
    }

    /// Reads a volume: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such volume.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let id = "vm-100-disk-0".parse()?;
    /// match client.pool("Pool-0").volume(&id, Instant::now() + Duration::from_secs(20)) {
    ///     Ok(volume) => println!("{} bytes", volume.size),
    ///     Err(e) if e.kind() == jdss_rest::ErrorKind::Missing => println!("no such volume"),
    ///     Err(e) => return Err(e.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn volume(&self, id: &VolumeId, deadline: Instant) -> Result<Volume, Error> {
        self.volume_named(&id.physical_name(), deadline)
    }

    /// Reads the volume with this physical name, such as the export of a snapshot: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such volume.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let export = pool.volume_named("se_snap1_OZWS2MJQGAWWI2LTNMWTA---", deadline)?;
    /// println!("a clone of {:?}", export.origin);
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn volume_named(&self, name: &str, deadline: Instant) -> Result<Volume, Error> {
        self.client.get(
            self.path(&["volumes", name])?,
            self.volume_text(name),
            deadline,
        )
    }

    /// The volume, if there is one.
    pub(crate) fn find_volume(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<Option<Volume>, Error> {
        match self.volume_named(name, deadline) {
            Ok(volume) => Ok(Some(volume)),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets a property of the volume with this physical name, such as `readonly` to `on`: one
    /// call, two where the answer says nothing.
    ///
    /// It is not read back. Where it matters, look: [`Volume::read_only`] shows `readonly`.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such volume.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let deadline = Instant::now() + Duration::from_secs(20);
    /// client.pool("Pool-0").set_property("v_vm-100-disk-0", "sync", "always", deadline)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_property(
        &self,
        volume: &str,
        property: &str,
        value: &str,
        deadline: Instant,
    ) -> Result<(), Error> {
        let body = json!({ "property_name": property, "property_value": value });
        let subject = self.volume_text(volume);
        let what = format!("set property {property} of {subject} to {value}");
        let path = self.path(&["volumes", volume, "properties"])?;
        let call = Call::new(Method::Put, path, what, subject).body(&body);
        // An answer that says nothing may mean that nothing was done. Setting it twice does no harm.
        if !self.client.call(&call, deadline, told)? {
            self.client.call(&call, deadline, told)?;
        }
        Ok(())
    }

    /// Sets whether space is taken only as data is written, or all of it at once: one
    /// call, and one to look where the answer says nothing.
    ///
    /// # Errors
    ///
    /// * Kind [`Missing`](ErrorKind::Missing): there is no such volume.
    /// * Kind [`NoSpace`](ErrorKind::NoSpace): the pool cannot hold all of it.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// pool.set_thin(&"vm-100-disk-0".parse()?, false, deadline)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_thin(&self, id: &VolumeId, thin: bool, deadline: Instant) -> Result<(), Error> {
        self.set_thin_named(&id.physical_name(), thin, deadline)
    }

    pub(crate) fn set_thin_named(
        &self,
        name: &str,
        thin: bool,
        deadline: Instant,
    ) -> Result<(), Error> {
        let word = if thin { "thin" } else { "thick" };
        let subject = self.volume_text(name);
        let what = format!("make {subject} {word}");
        let path = self.path(&["volumes", name])?;
        let call =
            Call::new(Method::Put, path, what, subject).body(&json!({ "provisioning": word }));
        let mut round = 1;
        while !self.client.call(&call, deadline, told)? {
            // An answer that says nothing: look.
            if self
                .volume_named(name, deadline)?
                .thin
                .is_none_or(|found| found == thin)
            {
                break;
            }
            if round >= ROUNDS || !self.client.pause(round, deadline) {
                return Err(Error::NotSeen {
                    what: call.what.clone(),
                    found: "the opposite".to_owned(),
                });
            }
            round += 1;
        }
        Ok(())
    }
}
