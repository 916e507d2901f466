//! The single calls for snapshots.

use std::time::Instant;

use crate::call::{Call, Patience};
use crate::error::Error;
use crate::list::{List, Paging};
use crate::model::{CloneInfo, Snapshot};
use crate::pool::Pool;
use crate::transport::Method;

impl Pool {
    pub(crate) fn snapshot_text(&self, volume: &str, snapshot: &str) -> String {
        format!("snapshot {}/{volume}@{snapshot}", self.name())
    }

    /// Lists the snapshots of the volume with this physical name.
    ///
    /// All of them: also the appliance's own and the ones that clones of the live volume
    /// were made from, see [`Snapshot::name`].
    ///
    /// # Errors
    ///
    /// None before the list is read; then kind [`Missing`](crate::ErrorKind::Missing):
    /// there is no such volume.
    pub fn snapshots(&self, volume: &str, deadline: Instant) -> List<Snapshot> {
        let subject = self.volume_text(volume);
        let what = format!("list the snapshots of {subject}");
        let call = self
            .path(&["volumes", volume, "snapshots"])
            .map(|path| Call::new(Method::Get, path, what, subject).patience(Patience::List));
        List::new(&self.client, call, Paging::Pages, deadline).of(volume)
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](crate::ErrorKind::Missing): there is no such snapshot, or no such volume.
    pub fn snapshot(&self, volume: &str, name: &str, deadline: Instant) -> Result<Snapshot, Error> {
        let path = self.path(&["volumes", volume, "snapshots", name])?;
        let subject = self.snapshot_text(volume, name);
        let mut snapshot: Snapshot = self.client.get(path, subject, deadline)?;
        volume.clone_into(&mut snapshot.volume);
        Ok(snapshot)
    }

    /// Lists the volumes cloned from a snapshot.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](crate::ErrorKind::Missing): there is no such snapshot, or no such volume.
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
}
