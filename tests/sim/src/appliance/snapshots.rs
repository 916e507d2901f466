//! What the administrator does to snapshots and clones, and looks up.

use super::Appliance;
use crate::error::Result;
use crate::model::{Lag, NewClone};

/// The administrator's snapshots and clones, and the lists of what there is: none of this shows in the log of requests.
impl Appliance {
    /// Takes a snapshot of a volume, at one instant whatever initiators are doing.
    ///
    /// # Errors
    ///
    /// The volume is missing, or the name is taken or not allowed.
    pub fn create_snapshot(&self, pool: &str, volume: &str, snapshot: &str) -> Result<()> {
        self.service
            .model()
            .create_snapshot(pool, volume, snapshot)
            .map(drop)
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    ///
    /// The volume or the snapshot is missing, or has clones.
    pub fn delete_snapshot(&self, pool: &str, volume: &str, snapshot: &str) -> Result<()> {
        self.service.model().delete_snapshot(pool, volume, snapshot)
    }

    /// Gives a volume the size and the contents of one of its snapshots, whoever uses it, and deletes the newer ones.
    ///
    /// # Errors
    ///
    /// The volume or the snapshot is missing, or a newer one has clones.
    pub fn roll_back(&self, pool: &str, volume: &str, snapshot: &str) -> Result<()> {
        self.service.model().roll_back(pool, volume, snapshot)
    }

    /// The names of a volume's snapshots, the oldest first.
    ///
    /// # Errors
    ///
    /// The volume is missing.
    pub fn snapshots(&self, pool: &str, volume: &str) -> Result<Vec<String>> {
        let snapshots = self.service.model().snapshots(pool, volume)?;
        Ok(snapshots
            .iter()
            .map(|snapshot| snapshot.name.clone())
            .collect())
    }

    /// Gives a snapshot another time of creation, in seconds since 1970, or none. Its place in the order stays.
    ///
    /// # Errors
    ///
    /// The volume or the snapshot is missing.
    pub fn set_snapshot_created(
        &self,
        pool: &str,
        volume: &str,
        snapshot: &str,
        seconds: Option<u64>,
    ) -> Result<()> {
        self.service
            .model()
            .set_snapshot_created(pool, volume, snapshot, seconds)
    }

    /// Makes a thin volume out of a snapshot. Its SCSI ID is its own.
    ///
    /// # Errors
    ///
    /// The volume or the snapshot is missing, or the name is taken or not allowed.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_sim::Appliance;
    ///
    /// let appliance = Appliance::builder().pool("Pool-0").start()?;
    /// appliance.create_volume("Pool-0", "v_a", 1 << 20)?;
    /// appliance.create_snapshot("Pool-0", "v_a", "s_1")?;
    /// appliance.clone("Pool-0", "v_a", "s_1", "v_b")?;
    /// assert_eq!(appliance.origin("Pool-0", "v_b")?.as_deref(), Some("Pool-0/v_a@s_1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clone(&self, pool: &str, volume: &str, snapshot: &str, new: &str) -> Result<()> {
        let new = NewClone {
            name: new.to_owned(),
            snapshot: Some(snapshot.to_owned()),
            sparse: true,
            properties: Default::default(),
        };
        self.service
            .model()
            .clone_volume(pool, volume, new)
            .map(drop)
    }

    /// Forbids initiators to write to a volume, or allows it again: its ZFS property `readonly`.
    ///
    /// # Errors
    ///
    /// The volume is missing.
    pub fn set_read_only(&self, pool: &str, volume: &str, read_only: bool) -> Result<()> {
        let value = if read_only { "on" } else { "off" };
        self.service
            .model()
            .set_property(pool, volume, "readonly", value)
    }

    /// Makes a clone independent, as the appliance may do by itself to delete the volume behind it: the snapshot and
    /// all older ones become the clone's, and the volume becomes a clone of that snapshot. The clone's own origin is
    /// then that of the volume, usually none.
    ///
    /// # Errors
    ///
    /// The volume is missing or no clone, or has a snapshot of a name that would come to it.
    pub fn promote(&self, pool: &str, clone: &str) -> Result<()> {
        self.service.model().promote(pool, clone)
    }

    /// What a volume is a clone of, `POOL/VOLUME@SNAPSHOT`.
    ///
    /// # Errors
    ///
    /// The volume is missing.
    pub fn origin(&self, pool: &str, volume: &str) -> Result<Option<String>> {
        let origin = self.service.model().volume(pool, volume)?.origin();
        Ok(origin.map(|origin| origin.full_name()))
    }

    /// Creates a NAS dataset, of which nothing but the name is simulated: no volume may have it then.
    ///
    /// # Errors
    ///
    /// The pool is missing, or the name is taken or not allowed.
    pub fn create_dataset(&self, pool: &str, name: &str) -> Result<()> {
        self.service.model().add_dataset(pool, name)
    }

    /// Lets REST show late, or at once again, what it is asked to do from now on.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_sim::{Appliance, Lag};
    ///
    /// let appliance = Appliance::builder().pool("Pool-0").start()?;
    /// // A renamed volume is missing at its new name for the first two requests.
    /// appliance.set_lag(Lag { renames: 2, ..Lag::default() });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_lag(&self, lag: Lag) {
        self.service.model().lateness().set(lag);
    }

    /// The names of a pool's volumes, sorted.
    ///
    /// # Errors
    ///
    /// The pool is missing.
    pub fn volumes(&self, pool: &str) -> Result<Vec<String>> {
        let volumes = self.service.model().volumes(pool)?;
        Ok(volumes.iter().map(|volume| volume.name()).collect())
    }

    /// The names of a pool's targets, sorted.
    ///
    /// # Errors
    ///
    /// The pool is missing.
    pub fn targets(&self, pool: &str) -> Result<Vec<String>> {
        let targets = self.service.model().pool_targets(pool)?;
        Ok(targets.into_iter().map(|target| target.name).collect())
    }

    /// The LUNs of a target: the volume's name and the number, sorted by number.
    ///
    /// # Errors
    ///
    /// The target is missing.
    pub fn luns(&self, pool: &str, target: &str) -> Result<Vec<(String, u16)>> {
        let luns = self.service.model().luns(pool, target)?;
        Ok(luns
            .iter()
            .map(|lun| (lun.volume.name(), lun.number))
            .collect())
    }

    /// Names of the VIPs that serve a target; all VIPs of its pool unless it is limited to some.
    ///
    /// # Errors
    ///
    /// The target is missing.
    pub fn target_vips(&self, pool: &str, target: &str) -> Result<Vec<String>> {
        let model = self.service.model();
        let allowed = model.pool_target(pool, target)?.vips;
        if allowed.enabled {
            return Ok(allowed.assigned_vips);
        }
        Ok(model.vips(pool)?.into_iter().map(|vip| vip.name).collect())
    }
}
