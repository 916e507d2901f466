//! Renaming volumes.

use std::time::Instant;

use serde_json::json;

use crate::call::{Call, told};
use crate::error::{Difference, Error, ErrorKind};
use crate::model::Volume;
use crate::names::{ScsiId, VolumeId};
use crate::pool::Pool;
use crate::remove::with_time_to_look;
use crate::transport::Method;

/// Looks for the SCSI ID of a volume that has none yet.
const ID_LOOKS: u32 = 6;
/// Looks for the new name after the appliance said that it is done: about a minute, as it may
/// go on renaming for a while.
const LOOKS: u32 = 32;
/// The same after a failure, which may have come after the work.
const LOOKS_AFTER_FAILURE: u32 = 6;
/// After an answer that says nothing: the look after which it is asked again, if the old name is there.
const ASK_AGAIN_AFTER: u32 = 4;

impl Pool {
    /// Renames a volume: three calls, one more where the answer says nothing. Done when the new name
    /// shows the SCSI ID that the old one had; waits about a minute for that, within the deadline.
    ///
    /// A lost answer, a failure that passes, and "no such volume" or "exists already" to a request
    /// that had to be repeated are looked at: done is what the SCSI ID says.
    ///
    /// A volume that had its new name before this call is [`Missing`](ErrorKind::Missing): two names
    /// do not prove that it is the same volume. To find that out, compare the SCSI ID of the new name
    /// with the one known from before.
    ///
    /// # Errors
    ///
    /// * Kind [`Missing`](ErrorKind::Missing): there is no volume of the old name.
    /// * [`Error::OtherVolume`], [`Error::VolumeExists`]: another volume, or a dataset, has the new
    ///   name.
    /// * [`Error::Unidentified`]: the appliance gives no SCSI ID; nothing was done.
    /// * [`Error::NotSeen`]: the appliance accepted it, but does not show the new name.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let (from, to) = ("vm-100-disk-0".parse()?, "base-100-disk-0".parse()?);
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// client.pool("Pool-0").rename_volume(&from, &to, deadline)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rename_volume(
        &self,
        from: &VolumeId,
        to: &VolumeId,
        deadline: Instant,
    ) -> Result<Volume, Error> {
        let (from, to) = (from.physical_name(), to.physical_name());
        if from == to {
            return self.volume_named(&from, deadline);
        }
        self.check_length(&to, None)?;
        let id = self.scsi_id_of(&from, deadline)?;
        let subject = self.volume_text(&from);
        let what = format!("rename {subject} to {to}");
        let call = Call::new(Method::Put, self.path(&["volumes", &from])?, what, subject)
            .body(&json!({ "name": to }));
        let renaming = Renaming {
            from: &from,
            to: &to,
            id: &id,
        };
        let asked = self.ask_to_rename(&call, deadline)?;
        self.await_name(&call, &renaming, asked, deadline)
    }

    fn ask_to_rename(&self, call: &Call, deadline: Instant) -> Result<Asked, Error> {
        match self.client.call(call, with_time_to_look(deadline), told) {
            Ok(true) => Ok(Asked::Accepted),
            Ok(false) => Ok(Asked::Silence),
            Err(error)
                if error.is_transient()
                    || matches!(error.kind(), ErrorKind::Missing | ErrorKind::Exists) =>
            {
                Ok(Asked::Failed(error))
            }
            Err(error) => Err(error),
        }
    }

    /// The SCSI ID, which a volume made just now may not have yet.
    fn scsi_id_of(&self, name: &str, deadline: Instant) -> Result<ScsiId, Error> {
        let mut look = 1;
        loop {
            if let Some(id) = self.volume_named(name, deadline)?.scsi_id {
                return Ok(id);
            }
            if look >= ID_LOOKS || !self.client.pause(look, deadline) {
                return Err(Error::Unidentified {
                    volume: name.to_owned(),
                });
            }
            look += 1;
        }
    }

    fn await_name(
        &self,
        call: &Call,
        renaming: &Renaming<'_>,
        mut asked: Asked,
        deadline: Instant,
    ) -> Result<Volume, Error> {
        let looks = match &asked {
            // It was there just now: an earlier request of ours renamed it, or the pool moves.
            Asked::Failed(error) if error.kind() == ErrorKind::Missing => LOOKS,
            Asked::Failed(_) => LOOKS_AFTER_FAILURE,
            Asked::Accepted | Asked::Silence => LOOKS,
        };
        let mut look = 1;
        loop {
            let found = match self.find_volume(renaming.to, deadline) {
                Ok(Some(volume)) => match self.renamed(volume, renaming, &asked, deadline)? {
                    Ok(volume) => return Ok(volume),
                    Err(found) => found,
                },
                Ok(None) => format!("no {}", self.volume_text(renaming.to)),
                Err(error) if error.is_transient() => format!("nothing ({error})"),
                Err(error) => return Err(error),
            };
            if look >= looks || !self.client.pause(look, deadline) {
                return Err(match asked {
                    Asked::Failed(error) if error.kind() == ErrorKind::Exists => {
                        self.volume_exists(renaming.to)
                    }
                    Asked::Failed(error) if error.kind() != ErrorKind::Missing => error,
                    _ => Error::NotSeen {
                        what: call.what.clone(),
                        found,
                    },
                });
            }
            if look == ASK_AGAIN_AFTER && matches!(asked, Asked::Silence) {
                let old = self.find_volume(renaming.from, deadline)?;
                if old.is_some_and(|old| old.scsi_id.as_ref() == Some(renaming.id)) {
                    asked = self.ask_to_rename(call, deadline)?;
                }
            }
            look += 1;
        }
    }

    /// Whether the volume of the new name is the one meant; the inner error says what it is so far.
    fn renamed(
        &self,
        volume: Volume,
        renaming: &Renaming<'_>,
        asked: &Asked,
        deadline: Instant,
    ) -> Result<Result<Volume, String>, Error> {
        let text = self.volume_text(renaming.to);
        match &volume.scsi_id {
            None => Ok(Err(format!("{text} without a SCSI ID"))),
            Some(id) if id != renaming.id => Err(Error::OtherVolume {
                pool: self.name().to_owned(),
                volume: renaming.to.to_owned(),
                reason: Box::new(Difference::ScsiId {
                    found: volume.scsi_id,
                    wanted: renaming.id.clone(),
                }),
            }),
            Some(_) if matches!(asked, Asked::Accepted) => Ok(Ok(volume)),
            // Replicas repeat SCSI IDs: unless it said so the old name must be gone as well.
            Some(_) => match self.find_volume(renaming.from, deadline) {
                Ok(Some(old)) if old.scsi_id.as_ref().is_none_or(|id| id == renaming.id) => {
                    Ok(Err(format!("{text} and the old name")))
                }
                Ok(_) => Ok(Ok(volume)),
                Err(error) if error.is_transient() => Ok(Err(format!("nothing ({error})"))),
                Err(error) => Err(error),
            },
        }
    }
}

struct Renaming<'a> {
    from: &'a str,
    to: &'a str,
    id: &'a ScsiId,
}

/// What came of the request.
enum Asked {
    Accepted,
    /// An answer that says nothing: done, or not done.
    Silence,
    /// Possibly after the work.
    Failed(Error),
}
