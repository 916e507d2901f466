//! Deleting volumes.

use std::time::Instant;

use serde_json::json;

use crate::clones::names_intermediate;
use crate::error::{Error, ErrorKind};
use crate::names::VolumeId;
use crate::pool::Pool;
use crate::remove::Silence;

/// What may go along with a volume that is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeleteVolume {
    /// Its own snapshots. Clones of these never go along: they are volumes of somebody.
    pub snapshots: bool,
}

impl Pool {
    /// Deletes a volume that has neither snapshots nor clones; false when it was not there.
    ///
    /// As [`delete_volume_named`](Self::delete_volume_named), with as many calls, for a volume of this client.
    ///
    /// # Errors
    ///
    /// [`Error::HasDependents`]: snapshots or clones depend on it.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// if !pool.delete_volume(&"vm-100-disk-0".parse()?, deadline)? {
    ///     println!("there was no such volume");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete_volume(&self, id: &VolumeId, deadline: Instant) -> Result<bool, Error> {
        let name = id.physical_name();
        self.delete_volume_named(&name, DeleteVolume::default(), deadline)
    }

    /// Deletes the volume with this physical name; false when it was not there.
    ///
    /// Two calls. One more for a clone that was made of a live volume: the snapshot
    /// made for it, which has exactly the clone's own name (that of a volume, `v_...`), goes as
    /// well, and no other. One more as well when the volume is missing, to be sure that the pool
    /// is not, and two where the answer does not say that it was done.
    ///
    /// May take minutes; blocks up to the deadline. What is not answered is looked at: gone is
    /// gone. Whether somebody uses the volume is for the caller to find out.
    ///
    /// # Errors
    ///
    /// * [`Error::HasDependents`]: the snapshots and clones named depend on it. Finding their names
    ///   takes one call, and one for each snapshot.
    /// * Kind [`Busy`](ErrorKind::Busy) otherwise: something unnamed uses it.
    /// * Kind [`Missing`](ErrorKind::Missing): the pool is not here.
    /// * An error about a snapshot of another volume: the clone is deleted, but the snapshot
    ///   made for it is still there; delete it, or leave it to the next clone of the same name.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::{DeleteVolume, Error};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let deadline = Instant::now() + Duration::from_secs(300);
    /// let how = DeleteVolume { snapshots: true };
    /// match client.pool("Pool-0").delete_volume_named("v_vm-100-disk-0", how, deadline) {
    ///     Ok(_) => {}
    ///     Err(Error::HasDependents { clones, .. }) => println!("still needed by {clones:?}"),
    ///     Err(e) => return Err(e.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete_volume_named(
        &self,
        name: &str,
        how: DeleteVolume,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let Some(volume) = self.find_volume(name, deadline)? else {
            // On the wrong head everything seems to be missing.
            return self.info(deadline).map(|_| false);
        };
        let mut call = self.removal(&["volumes", name], self.volume_text(name))?;
        if how.snapshots {
            call = call.body(&json!({ "recursively_children": true }));
        }
        match self.remove_and_look(&call, Silence::Nothing, deadline) {
            Err(error) if error.kind() == ErrorKind::Busy => {
                return Err(self.dependents(name, how, error, deadline));
            }
            Ok(true) => {}
            // Removed by an earlier request of ours, or by others; unless the pool went away.
            Ok(false) => self.info(deadline).map(drop)?,
            Err(error) => return Err(error),
        }
        match volume.origin {
            Some(origin)
                if origin.pool == self.name()
                    && origin.snapshot == name
                    && names_intermediate(name) =>
            {
                self.drop_intermediate(&origin.volume, name, deadline)?;
            }
            // A snapshot of the user, or of somebody else.
            _ => {}
        }
        Ok(true)
    }

    /// Removes the snapshot that was made for a clone which is gone.
    fn drop_intermediate(&self, of: &str, name: &str, deadline: Instant) -> Result<(), Error> {
        match self.remove_snapshot(of, name, deadline) {
            // Somebody cloned from it meanwhile: it is needed.
            Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// Names what depends on a volume; the error of the appliance where that cannot be found out.
    fn dependents(&self, name: &str, how: DeleteVolume, error: Error, deadline: Instant) -> Error {
        let Ok(found) = self.snapshots(name, deadline).all() else {
            return error;
        };
        let mut snapshots = Vec::new();
        let mut clones = Vec::new();
        for snapshot in found {
            match self.clones_of(&snapshot, deadline) {
                Ok(found) => clones.extend(found),
                Err(_) => return error,
            }
            if !how.snapshots {
                snapshots.push(snapshot.name);
            }
        }
        if snapshots.is_empty() && clones.is_empty() {
            return error;
        }
        Error::HasDependents {
            what: format!("delete {}", self.volume_text(name)),
            snapshots,
            clones,
        }
    }
}
