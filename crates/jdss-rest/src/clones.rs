//! The single calls for clones: of a snapshot, and of a volume as it is.

use std::time::Instant;

use serde_json::json;

use crate::call::{Call, told};
use crate::error::{Error, ErrorKind};
use crate::model::{Origin, Volume};
use crate::names::{Class, NameError, classify};
use crate::pool::Pool;
use crate::remove::with_time_to_look;
use crate::transport::Method;
use crate::volumes::DeleteVolume;

/// Attempts before giving up.
const ROUNDS: u32 = 4;

/// A clone of a snapshot that is to be made. All names are physical ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneOf {
    /// The volume.
    pub volume: String,
    /// Its snapshot.
    pub snapshot: String,
    /// The name of the clone.
    pub name: String,
    /// Whether space is taken only as data is written.
    pub thin: bool,
    /// Whether the clone refuses to be written.
    pub read_only: bool,
}

/// A clone of a volume as it is now that is to be made. All names are physical ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneVolume {
    /// The volume.
    pub volume: String,
    /// The name of the clone: one of a volume, `v_...`.
    pub name: String,
    /// Whether space is taken only as data is written.
    pub thin: bool,
}

/// Whether a snapshot of this name can have been made for a clone, and so goes with it.
///
/// Any other name may be one that a user gave to a snapshot.
pub(crate) fn names_intermediate(name: &str) -> bool {
    classify(name) == Class::Volume
}

fn not_undone(cause: Error, left: String, undo: Error) -> Error {
    Error::NotUndone {
        cause: Box::new(cause),
        left,
        undo: Box::new(undo),
    }
}

impl Pool {
    /// Makes a volume of a snapshot: three calls, the first one looks whether it exists, the last
    /// one reads it (unless the appliance already showed it).
    ///
    /// When the answer is lost, or the appliance fails in a way that passes, the clone is looked
    /// for, and is ours when it is a clone of this very snapshot: it was not there before.
    /// Callers that might make one name at the same time must hold a lock of their own.
    ///
    /// # Errors
    ///
    /// * Kind [`Exists`](ErrorKind::Exists): a volume or dataset has the name.
    /// * Kind [`Missing`](ErrorKind::Missing): there is no such snapshot, or no such volume.
    /// * Kind [`NoSpace`](ErrorKind::NoSpace): the pool is full.
    /// * [`Error::NotUndone`]: it could not be made thin or thick as asked for, and stays behind.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::CloneOf;
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let clone = CloneOf {
    ///     volume: "v_base-100-disk-0".to_owned(),
    ///     snapshot: "s_template".to_owned(),
    ///     name: "v_vm-101-disk-0".to_owned(),
    ///     thin: true,
    ///     read_only: false,
    /// };
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let volume = client.pool("Pool-0").clone_snapshot(&clone, deadline)?;
    /// println!("{} bytes", volume.size);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clone_snapshot(&self, clone: &CloneOf, deadline: Instant) -> Result<Volume, Error> {
        self.check_length(&clone.name, None)?;
        if self.find_volume(&clone.name, deadline)?.is_some() {
            return Err(self.volume_exists(&clone.name));
        }
        self.make_clone(clone, deadline)
    }

    /// Makes a clone that has just been looked for.
    pub(crate) fn make_clone(&self, clone: &CloneOf, deadline: Instant) -> Result<Volume, Error> {
        let body = json!({
            "name": clone.name,
            "snapshot": clone.snapshot,
            "sparse": clone.thin,
            "readonly": clone.read_only,
        });
        let subject = self.snapshot_text(&clone.volume, &clone.snapshot);
        let what = format!("clone {subject} to {}", clone.name);
        let path = self.path(&["volumes", &clone.volume, "clone"])?;
        let call = Call::new(Method::Post, path, what, subject).body(&body);
        let origin = Origin {
            pool: self.name().to_owned(),
            volume: clone.volume.clone(),
            snapshot: clone.snapshot.clone(),
        };
        let ours = |volume: &Volume| volume.origin.as_ref() == Some(&origin);
        let mut volume = self.make_volume(&call, &clone.name, ours, deadline)?;
        if volume.thin.is_some_and(|thin| thin != clone.thin) {
            // A clone is thin on some versions, whatever was asked for.
            self.set_thin_named(&clone.name, clone.thin, deadline)
                .map_err(|cause| {
                    let how = DeleteVolume::default();
                    match self.delete_volume_named(&clone.name, how, deadline) {
                        Ok(_) => cause,
                        Err(undo) => {
                            not_undone(cause, format!("the new clone {}", clone.name), undo)
                        }
                    }
                })?;
            volume.thin = Some(clone.thin);
        }
        Ok(volume)
    }

    /// Makes a volume of another one as it is now: five calls; one more where an answer does
    /// not say that something was done.
    ///
    /// A clone is always one of a snapshot. So a snapshot is made first, with the physical name of
    /// the clone. [`delete_volume_named`](Self::delete_volume_named) of the clone
    /// removes that as well, and so does this call when it fails. One that an aborted
    /// call left behind has no clones: it is removed and made anew, so that the clone has the data of now.
    /// Callers that might make one name at the same time must hold a lock of their own. A clone
    /// that is renamed leaves the snapshot behind when it is deleted.
    ///
    /// # Errors
    ///
    /// * [`Error::Name`] with [`NameError::NotVolume`]: the name is not one of a volume, so that its
    ///   snapshot could not be told from a user's.
    /// * Kind [`Exists`](ErrorKind::Exists): a volume or dataset has the name; or a snapshot has it,
    ///   and clones.
    /// * Kind [`Missing`](ErrorKind::Missing): there is no such volume.
    /// * Kind [`NoSpace`](ErrorKind::NoSpace): the pool is full.
    /// * [`Error::NotUndone`]: a failure, and the new snapshot, or the new clone, stays behind.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::CloneVolume;
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let clone = CloneVolume {
    ///     volume: "v_vm-100-disk-0".to_owned(),
    ///     name: "v_vm-101-disk-0".to_owned(),
    ///     thin: true,
    /// };
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// client.pool("Pool-0").clone_volume(&clone, deadline)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clone_volume(&self, clone: &CloneVolume, deadline: Instant) -> Result<Volume, Error> {
        self.check_length(&clone.volume, Some(&clone.name))?;
        if !names_intermediate(&clone.name) {
            return Err(Error::Name {
                reason: NameError::NotVolume {
                    value: clone.name.clone(),
                },
            });
        }
        if self.find_volume(&clone.name, deadline)?.is_some() {
            return Err(self.volume_exists(&clone.name));
        }
        self.make_intermediate(&clone.volume, &clone.name, deadline)?;
        let of = CloneOf {
            volume: clone.volume.clone(),
            snapshot: clone.name.clone(),
            name: clone.name.clone(),
            thin: clone.thin,
            read_only: false,
        };
        self.make_clone(&of, deadline).map_err(|cause| {
            match self.remove_snapshot(&clone.volume, &clone.name, deadline) {
                Ok(_) => cause,
                // The clone was made after all.
                Err(undo) if undo.kind() == ErrorKind::Busy => cause,
                // The next clone of this name removes it; until then it keeps the volume.
                Err(undo) => {
                    let left = self.snapshot_text(&clone.volume, &clone.name);
                    not_undone(cause, format!("the new {left}"), undo)
                }
            }
        })
    }

    /// Makes the snapshot for a clone, of the data of now.
    ///
    /// One that is there already is of an aborted clone, and its data are of then: it is removed. One
    /// with clones is in use, and the appliance keeps it.
    fn make_intermediate(&self, volume: &str, name: &str, deadline: Instant) -> Result<(), Error> {
        if self.has_snapshot(volume, name, deadline)? {
            match self.remove_snapshot(volume, name, deadline) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Busy => {
                    return Err(self.snapshot_exists(volume, name));
                }
                Err(error) => return Err(error),
            }
        }
        self.make_snapshot(volume, name, deadline)
    }

    /// Makes a clone independent of the volume it was cloned from, which then depends on the clone
    /// instead: three calls, or one if it is no clone.
    ///
    /// Without an answer the clone is looked at: it is done when the clone has not the origin any
    /// more that it had. (The origin of that volume, if it is a clone itself, it may have then.)
    ///
    /// # Errors
    ///
    /// * Kind [`Missing`](ErrorKind::Missing): there is no volume of this physical name.
    /// * [`Error::NotSeen`]: the appliance accepted it, but the clone still has its origin.
    /// * [`Error::BadEntry`]: it is a clone, but of what cannot be read.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let volume = pool.promote_clone("v_vm-101-disk-0", deadline)?;
    /// println!("{} does not depend on where it was cloned from", volume.name);
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn promote_clone(&self, name: &str, deadline: Instant) -> Result<Volume, Error> {
        let volume = self.volume_named(name, deadline)?;
        let Some(origin) = &volume.origin else {
            if volume.is_clone {
                return Err(Error::BadEntry {
                    what: format!("promote {}", self.volume_text(name)),
                    name: name.to_owned(),
                    detail: "it is a clone, but of which snapshot cannot be read".to_owned(),
                });
            }
            return Ok(volume);
        };
        let (of, snapshot) = (origin.volume.as_str(), origin.snapshot.as_str());
        let segments = [
            "volumes",
            of,
            "snapshots",
            snapshot,
            "clones",
            name,
            "promote",
        ];
        let subject = self.volume_text(name);
        let what = format!("promote {subject}");
        let call = Call::new(Method::Post, self.path(&segments)?, what, subject);
        let mut round = 1;
        loop {
            let error = match self.client.call(&call, with_time_to_look(deadline), told) {
                Ok(_) => Error::NotSeen {
                    what: call.what.clone(),
                    found: format!("a clone of {origin}"),
                },
                // Missing: an earlier request of ours took the clone from there.
                Err(error) if error.is_transient() => error,
                Err(error) if error.kind() == ErrorKind::Missing && round > 1 => error,
                Err(error) => return Err(error),
            };
            let now = match self.volume_named(name, deadline) {
                Ok(now) => now,
                // That it may be done matters more than why it cannot be seen.
                Err(look) if look.is_transient() && error.is_transient() => return Err(error),
                Err(look) => return Err(look),
            };
            if now.origin != volume.origin {
                return Ok(now);
            }
            if round >= ROUNDS || !self.client.pause(round, deadline) {
                return Err(error);
            }
            round += 1;
        }
    }
}
