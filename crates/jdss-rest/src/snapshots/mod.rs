//! The single calls for snapshots.

mod newer;
mod rollback;

use std::time::Instant;

use serde_json::json;

use crate::call::{Call, Patience, told};
use crate::error::{Error, ErrorKind};
use crate::list::{List, Paging};
use crate::model::{CloneInfo, Snapshot};
use crate::names::{SnapshotId, VolumeId};
use crate::pool::Pool;
use crate::remove::{Silence, with_time_to_look};
use crate::transport::Method;

pub use rollback::{Destroy, Rollback};

/// Attempts before giving up.
const ROUNDS: u32 = 4;

impl Pool {
    pub(crate) fn snapshot_text(&self, volume: &str, snapshot: &str) -> String {
        format!("snapshot {}/{volume}@{snapshot}", self.name())
    }

    /// Lists the snapshots of the volume with this physical name: one call for each page.
    ///
    /// All of them: also the appliance's own and the ones that clones of the live volume
    /// were made from, see [`Snapshot::name`].
    ///
    /// # Errors
    ///
    /// None before the list is read; then kind [`Missing`](ErrorKind::Missing):
    /// there is no such volume.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// for snapshot in pool.snapshots("v_vm-100-disk-0", deadline) {
    ///     let snapshot = snapshot?;
    ///     println!("{} {:?}", snapshot.name, snapshot.created);
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn snapshots(&self, volume: &str, deadline: Instant) -> List<Snapshot> {
        let subject = self.volume_text(volume);
        let what = format!("list the snapshots of {subject}");
        let call = self
            .path(&["volumes", volume, "snapshots"])
            .map(|path| Call::new(Method::Get, path, what, subject).patience(Patience::List));
        List::new(&self.client, call, Paging::Pages, deadline).of(volume)
    }

    /// Reads a snapshot: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such snapshot, or no such volume.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let snapshot = pool.snapshot("v_vm-100-disk-0", "s_before-update", deadline)?;
    /// println!("{:?} bytes, clones: {:?}", snapshot.size, snapshot.clones);
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn snapshot(&self, volume: &str, name: &str, deadline: Instant) -> Result<Snapshot, Error> {
        let path = self.path(&["volumes", volume, "snapshots", name])?;
        let subject = self.snapshot_text(volume, name);
        let mut snapshot: Snapshot = self.client.get(path, subject, deadline)?;
        volume.clone_into(&mut snapshot.volume);
        Ok(snapshot)
    }

    /// Lists the volumes cloned from a snapshot: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such snapshot, or no such volume.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// for clone in pool.snapshot_clones("v_vm-100-disk-0", "s_before-update", deadline)? {
    ///     println!("{}", clone.name);
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn snapshot_clones(
        &self,
        volume: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Vec<CloneInfo>, Error> {
        let subject = self.snapshot_text(volume, name);
        let what = format!("list the clones of {subject}");
        let path = self.path(&["volumes", volume, "snapshots", name, "clones"])?;
        let call = Call::new(Method::Get, path, what, subject);
        self.client.list(call, deadline)
    }

    /// Physical names of the clones of a snapshot; a call only where it does not name any itself.
    pub(crate) fn clones_of(
        &self,
        snapshot: &Snapshot,
        deadline: Instant,
    ) -> Result<Vec<String>, Error> {
        if !snapshot.clones.is_empty() {
            return Ok(snapshot.clones.clone());
        }
        match self.snapshot_clones(&snapshot.volume, &snapshot.name, deadline) {
            Ok(clones) => Ok(clones.into_iter().map(|clone| clone.name).collect()),
            // It went meanwhile.
            Err(error) if error.kind() == ErrorKind::Missing => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Creates a snapshot: two calls, the first one looks whether it exists; one more where
    /// the answer does not say that it was done.
    ///
    /// When the answer is lost, or the appliance fails in a way that passes, it is looked for, and
    /// is ours: it was not there before. Callers that might create one name at the same
    /// time must hold a lock of their own.
    ///
    /// # Errors
    ///
    /// * Kind [`Exists`](ErrorKind::Exists): there is a snapshot of this name.
    /// * Kind [`Missing`](ErrorKind::Missing): there is no such volume.
    /// * Kind [`NoSpace`](ErrorKind::NoSpace): the pool is full.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let (volume, snapshot) = ("vm-100-disk-0".parse()?, "before-update".parse()?);
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// client.pool("Pool-0").create_snapshot(&volume, &snapshot, deadline)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_snapshot(
        &self,
        volume: &VolumeId,
        snapshot: &SnapshotId,
        deadline: Instant,
    ) -> Result<(), Error> {
        let (volume, name) = (volume.physical_name(), snapshot.physical_name());
        self.check_length(&volume, Some(&name))?;
        if self.has_snapshot(&volume, &name, deadline)? {
            return Err(self.snapshot_exists(&volume, &name));
        }
        self.make_snapshot(&volume, &name, deadline)
    }

    pub(crate) fn snapshot_exists(&self, volume: &str, name: &str) -> Error {
        Error::SnapshotExists {
            pool: self.name().to_owned(),
            volume: volume.to_owned(),
            snapshot: name.to_owned(),
        }
    }

    /// Makes a snapshot that was not there just before; without an answer, looks whether it is
    /// there now.
    pub(crate) fn make_snapshot(
        &self,
        volume: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<(), Error> {
        let what = format!("create {}", self.snapshot_text(volume, name));
        let path = self.path(&["volumes", volume, "snapshots"])?;
        let call = Call::new(Method::Post, path, what, self.volume_text(volume))
            .body(&json!({ "snapshot_name": name }));
        let mut round = 1;
        loop {
            let error = match self.client.call(&call, with_time_to_look(deadline), told) {
                Ok(true) => return Ok(()),
                Ok(false) => Error::NotSeen {
                    what: call.what.clone(),
                    found: "no such snapshot".to_owned(),
                },
                Err(error) if error.is_transient() => error,
                // An earlier request of ours made it.
                Err(error) if error.kind() == ErrorKind::Exists && round > 1 => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Exists => {
                    return Err(self.snapshot_exists(volume, name));
                }
                Err(error) => return Err(error),
            };
            match self.has_snapshot(volume, name, deadline) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // That it may be there matters more than why it cannot be seen.
                Err(look) if look.is_transient() => return Err(error),
                Err(look) => return Err(look),
            }
            if round >= ROUNDS || !self.client.pause(round, deadline) {
                return Err(error);
            }
            round += 1;
        }
    }

    pub(crate) fn has_snapshot(
        &self,
        volume: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        match self.snapshot(volume, name, deadline) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes a snapshot that has no clones; false when it was not there.
    ///
    /// One call; one more when it is missing, to be sure that the pool is not, and two
    /// where the answer does not say that it was done. Blocks up
    /// to the deadline; what is not answered is looked at: gone is gone. (Where a connection broke
    /// and the request was repeated, false may also mean that the first one removed it.)
    ///
    /// # Errors
    ///
    /// * [`Error::HasDependents`]: the clones named depend on it; their names take one more call.
    /// * Kind [`Missing`](ErrorKind::Missing): the pool is not here.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// use jdss_rest::Error;
    /// match pool.delete_snapshot("v_vm-100-disk-0", "s_before-update", deadline) {
    ///     Ok(was_there) => println!("gone, was there: {was_there}"),
    ///     Err(Error::HasDependents { clones, .. }) => println!("still needed by {clones:?}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn delete_snapshot(
        &self,
        volume: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        match self.remove_snapshot(volume, name, deadline) {
            Ok(true) => Ok(true),
            // On the wrong head everything seems to be missing.
            Ok(false) => self.info(deadline).map(|_| false),
            Err(error) if error.kind() == ErrorKind::Busy => {
                Err(match self.snapshot_clones(volume, name, deadline) {
                    Ok(clones) if !clones.is_empty() => Error::HasDependents {
                        what: format!("delete {}", self.snapshot_text(volume, name)),
                        snapshots: Vec::new(),
                        clones: clones.into_iter().map(|clone| clone.name).collect(),
                    },
                    _ => error,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a snapshot, no more; false when it was not there.
    pub(crate) fn remove_snapshot(
        &self,
        volume: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let segments = ["volumes", volume, "snapshots", name];
        let call = self.removal(&segments, self.snapshot_text(volume, name))?;
        self.remove_and_look(&call.body(&json!({})), Silence::Nothing, deadline)
    }
}
