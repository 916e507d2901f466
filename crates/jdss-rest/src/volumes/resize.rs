//! Growing volumes.

use std::time::Instant;

use serde_json::json;

use crate::call::{Call, told};
use crate::error::Error;
use crate::model::Volume;
use crate::names::VolumeId;
use crate::pool::Pool;
use crate::remove::with_time_to_look;
use crate::transport::Method;

/// Looks before giving up, with growing pauses: some ten seconds in all.
const LOOKS: u32 = 10;
/// The same after an answer that says nothing, before asking again.
const LOOKS_AFTER_SILENCE: u32 = 3;
/// Attempts before giving up, where answers say nothing.
const ROUNDS: u32 = 4;
/// The largest block size, in bytes: whole blocks of it are whole blocks of any size.
const LARGEST_BLOCK: u64 = 1 << 20;

impl Pool {
    /// Grows a volume to `size` bytes, rounded up to whole blocks, and waits until the appliance
    /// shows it: three calls, or one if it has that size already.
    ///
    /// An answer that is lost, or a failure that passes, is looked at: what counts is the
    /// size that the appliance shows. Hosts see the new size when they look at the disk again.
    ///
    /// The appliance makes a volume smaller as well, if told so. Callers that might resize one
    /// volume at the same time must hold a lock of their own: the size is compared before it is
    /// set, not by the appliance.
    ///
    /// # Errors
    ///
    /// * [`Error::Shrink`]: it is larger already; nothing was done.
    /// * Kind [`Missing`](crate::ErrorKind::Missing): there is no such volume.
    /// * Kind [`NoSpace`](crate::ErrorKind::NoSpace): the pool is full.
    /// * [`Error::NotSeen`]: the appliance accepted it, but still shows the old size; look again.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let pool = client.pool("Pool-0");
    /// let volume = pool.resize_volume(&"vm-100-disk-0".parse()?, 64 << 30, deadline)?;
    /// println!("{} bytes", volume.size);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resize_volume(
        &self,
        id: &VolumeId,
        size: u64,
        deadline: Instant,
    ) -> Result<Volume, Error> {
        let name = id.physical_name();
        let volume = self.volume_named(&name, deadline)?;
        let sane = |size: &u64| size.is_power_of_two() && *size <= LARGEST_BLOCK;
        let block = volume.block_size.filter(sane).unwrap_or(LARGEST_BLOCK);
        let wanted = size.div_ceil(block).saturating_mul(block);
        if volume.size == wanted || volume.size == size {
            return Ok(volume);
        }
        if volume.size > wanted {
            return Err(Error::Shrink {
                volume: name,
                found: volume.size,
                wanted,
            });
        }
        let subject = self.volume_text(&name);
        let what = format!("resize {subject} to {wanted} bytes");
        let call = Call::new(Method::Put, self.path(&["volumes", &name])?, what, subject)
            .body(&json!({ "size": wanted.to_string() }));
        let mut round = 1;
        loop {
            let (looks, failure) = match self.client.call(&call, with_time_to_look(deadline), told)
            {
                Ok(true) => (LOOKS, None),
                // It may mean that nothing was done.
                Ok(false) => (LOOKS_AFTER_SILENCE, None),
                Err(error) if error.is_transient() => (LOOKS, Some(error)),
                Err(error) => return Err(error),
            };
            let found = match self.await_size(&name, wanted, looks, deadline)? {
                Ok(volume) => return Ok(volume),
                Err(found) => found,
            };
            if looks == LOOKS || round >= ROUNDS || !self.client.pause(round, deadline) {
                return Err(failure.unwrap_or_else(|| Error::NotSeen {
                    what: call.what.clone(),
                    found,
                }));
            }
            round += 1;
        }
    }

    /// The inner error says what there is instead.
    fn await_size(
        &self,
        name: &str,
        wanted: u64,
        looks: u32,
        deadline: Instant,
    ) -> Result<Result<Volume, String>, Error> {
        let mut look = 1;
        loop {
            let found = match self.volume_named(name, deadline) {
                Ok(volume) if volume.size >= wanted => return Ok(Ok(volume)),
                Ok(volume) => format!("{} bytes", volume.size),
                // The look failed, not the change.
                Err(error) if error.is_transient() => format!("nothing ({error})"),
                Err(error) => return Err(error),
            };
            if look >= looks || !self.client.pause(look, deadline) {
                return Ok(Err(found));
            }
            look += 1;
        }
    }
}
