//! The single calls for volumes.

use std::time::Instant;

use serde_json::json;

use crate::call::{Call, Patience, maybe};
use crate::error::{Error, ErrorKind};
use crate::list::{List, Paging};
use crate::model::Volume;
use crate::names::VolumeId;
use crate::pool::Pool;
use crate::transport::Method;

/// Attempts to create a volume before giving up.
const CREATE_ROUNDS: u32 = 4;
/// Entries of a page.
const PAGE: u32 = 100;

/// A volume to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVolume {
    /// Its id.
    pub id: VolumeId,
    /// Its size, in bytes; rounded up to whole blocks.
    pub size: u64,
    /// Whether space is taken only as data is written.
    pub thin: bool,
    /// Its block size, in bytes: a power of two from 4 KiB to 1 MiB.
    pub block_size: u32,
}

impl NewVolume {
    /// The size as the volume will have it, in bytes.
    fn rounded(&self) -> u64 {
        let block = u64::from(self.block_size);
        self.size.div_ceil(block).saturating_mul(block)
    }

    fn block_name(&self) -> Result<String, Error> {
        match self.block_size {
            size if !size.is_power_of_two() => Err(Error::BlockSize { found: size }),
            size @ 0x1000..=0x8_0000 => Ok(format!("{}K", size >> 10)),
            0x10_0000 => Ok("1M".to_owned()),
            found => Err(Error::BlockSize { found }),
        }
    }
}

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

    /// Reads a volume.
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

    /// Reads the volume with this physical name, such as the export of a snapshot.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such volume.
    pub fn volume_named(&self, name: &str, deadline: Instant) -> Result<Volume, Error> {
        self.client.get(
            self.path(&["volumes", name])?,
            self.volume_text(name),
            deadline,
        )
    }

    /// Creates a volume: two calls, the first one looks whether it exists.
    ///
    /// When the answer is lost, or the appliance fails in a way that passes,
    /// the volume is looked for, and is ours when it has the size asked for:
    /// it was not there before. Callers that might create one name at the same
    /// time must hold a lock of their own.
    ///
    /// # Errors
    ///
    /// * Kind [`Exists`](ErrorKind::Exists): a volume or dataset has the name.
    /// * Kind [`NoSpace`](ErrorKind::NoSpace): the pool is full.
    /// * [`Error::BlockSize`]: no such block size.
    pub fn create_volume(&self, new: &NewVolume, deadline: Instant) -> Result<Volume, Error> {
        let name = new.id.physical_name();
        let exists = || Error::VolumeExists {
            volume: name.clone(),
            pool: self.name().to_owned(),
        };
        let block = new.block_name()?;
        let body = json!({
            "name": name,
            "size": new.rounded().to_string(),
            "sparse": new.thin,
            "blocksize": block,
        });
        let what = format!("create {}", self.volume_text(&name));
        let call = Call::new(Method::Post, self.path(&["volumes"])?, what, self.text()).body(&body);
        if self.find_volume(&name, deadline)?.is_some() {
            return Err(exists());
        }
        let mut round = 1;
        loop {
            let error = match self.client.call(&call, deadline, maybe::<Volume>) {
                Ok(Some(volume)) => return Ok(volume),
                Ok(None) => return self.volume_named(&name, deadline),
                Err(error) if error.is_transient() => error,
                Err(error) if error.kind() == ErrorKind::Exists => return Err(exists()),
                Err(error) => return Err(error),
            };
            match self.find_volume(&name, deadline)? {
                Some(volume) if volume.size == new.rounded() => return Ok(volume),
                Some(_) => return Err(exists()),
                None if round < CREATE_ROUNDS && self.client.pause(round, deadline) => round += 1,
                None => return Err(error),
            }
        }
    }

    fn find_volume(&self, name: &str, deadline: Instant) -> Result<Option<Volume>, Error> {
        match self.volume_named(name, deadline) {
            Ok(volume) => Ok(Some(volume)),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a volume that has neither snapshots nor clones; false when it was not there.
    ///
    /// May take minutes; blocks up to the deadline. Whether somebody uses the
    /// volume is for the caller to find out.
    ///
    /// # Errors
    ///
    /// Kind [`Busy`](ErrorKind::Busy): snapshots or clones depend on it.
    pub fn delete_volume(&self, id: &VolumeId, deadline: Instant) -> Result<bool, Error> {
        let name = id.physical_name();
        self.remove(&["volumes", &name], self.volume_text(&name), deadline)
    }
}
