//! Creating volumes: of nothing, and of a snapshot.

use std::time::Instant;

use serde_json::{Value, json};

use crate::call::Call;
use crate::decode::{self, Fault};
use crate::error::{Error, ErrorKind};
use crate::model::Volume;
use crate::names::VolumeId;
use crate::pool::Pool;
use crate::remove::with_time_to_look;
use crate::transport::Method;

/// Attempts before giving up.
const ROUNDS: u32 = 4;

/// A volume to be created.
///
/// # Example
///
/// ```
/// use jdss_rest::NewVolume;
///
/// let new = NewVolume {
///     id: "vm-100-disk-0".parse()?,
///     size: 32 << 30,
///     thin: true,
///     block_size: 16 << 10,
/// };
/// # let _ = new;
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
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
    pub(crate) fn volume_exists(&self, name: &str) -> Error {
        Error::VolumeExists {
            volume: name.to_owned(),
            pool: self.name().to_owned(),
        }
    }

    /// Creates a volume: three calls, the first one looks whether it exists, the last
    /// one reads it (unless the appliance already showed it).
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
    /// * [`Error::Name`]: the name is too long together with the pool's.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// use jdss_rest::NewVolume;
    /// let new = NewVolume {
    ///     id: "vm-100-disk-0".parse()?,
    ///     size: 32 << 30,
    ///     thin: true,
    ///     block_size: 16 << 10,
    /// };
    /// let volume = pool.create_volume(&new, deadline)?;
    /// println!("{} {:?}", volume.name, volume.scsi_id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_volume(&self, new: &NewVolume, deadline: Instant) -> Result<Volume, Error> {
        let name = new.id.physical_name();
        self.check_length(&name, None)?;
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
            return Err(self.volume_exists(&name));
        }
        let ours = |volume: &Volume| volume.size == new.rounded();
        self.make_volume(&call, &name, ours, deadline)
    }

    /// Makes a volume that was not there just before; without an answer, looks whether it is there
    /// now and `ours`.
    pub(crate) fn make_volume(
        &self,
        call: &Call,
        name: &str,
        ours: impl Fn(&Volume) -> bool,
        deadline: Instant,
    ) -> Result<Volume, Error> {
        let mut round = 1;
        let mut asked_before = false;
        loop {
            let not_seen = || Error::NotSeen {
                what: call.what.clone(),
                found: format!("no {}", self.volume_text(name)),
            };
            let asked = self.client.call(call, with_time_to_look(deadline), made);
            let (done, error) = match asked {
                Ok(Made::Shown(volume)) => return Ok(volume),
                Ok(Made::Unseen) => (true, not_seen()),
                Ok(Made::Unsaid) => (false, not_seen()),
                Err(error) if error.is_transient() => (false, error),
                // An earlier request of ours may have made it.
                Err(error) if error.kind() == ErrorKind::Exists && asked_before => {
                    (false, self.volume_exists(name))
                }
                Err(error) if error.kind() == ErrorKind::Exists => {
                    return Err(self.volume_exists(name));
                }
                Err(error) => return Err(error),
            };
            asked_before = true;
            match self.find_volume(name, deadline) {
                Ok(Some(volume)) if done || ours(&volume) => return Ok(volume),
                Ok(Some(_)) => return Err(self.volume_exists(name)),
                Ok(None) if round < ROUNDS && self.client.pause(round, deadline) => round += 1,
                Ok(None) => return Err(error),
                // That it may be there matters more than why it cannot be seen.
                Err(look) if look.is_transient() && error.is_transient() => return Err(error),
                Err(look) => return Err(look),
            }
        }
    }
}

/// What an answer to the request for a volume says.
enum Made {
    Shown(Volume),
    /// That it was made.
    Unseen,
    /// Nothing: made, or not made.
    Unsaid,
}

fn made(data: Value) -> Result<Made, Fault> {
    if data.is_null() {
        return Ok(Made::Unsaid);
    }
    // One that cannot be read is not worth a failure: it was made, and one can look at it.
    Ok(decode::object(data).map_or(Made::Unseen, Made::Shown))
}
