//! A name that no volume has.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::names::{
    Class, ClusterPrefix, GuestVolume, NameError, VolumeId, classify, display_name,
};
use crate::pool::Pool;

/// What sort of name is looked for: see [`Pool::free_volume_id`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeName<'a> {
    /// The beginning of the name, such as `vm-100-disk-`; the number follows.
    pub stem: &'a str,
    /// The prefix of the cluster, if it has one.
    pub prefix: Option<&'a ClusterPrefix>,
    /// Ids, with the prefix, that are not to be given: those that turned out to be taken.
    pub not: &'a [VolumeId],
}

impl FreeName<'_> {
    fn check(&self) -> Result<(), NameError> {
        let last = self.stem.trim().chars().next_back();
        // After a digit the number could not be told from the stem.
        if last.is_none_or(|last| last.is_ascii_digit()) {
            return Err(NameError::Stem {
                value: self.stem.to_owned(),
            });
        }
        Ok(())
    }

    fn id(&self, number: u64) -> Result<VolumeId, NameError> {
        self.with_prefix(&format!("{}{number}", self.stem))
    }

    fn with_prefix(&self, name: &str) -> Result<VolumeId, NameError> {
        match self.prefix {
            Some(prefix) => prefix.apply(name),
            None => name.parse(),
        }
    }

    /// The id that a guest's volume of this number has as a template, or the template's as a volume.
    fn twin(&self, number: u64) -> Option<VolumeId> {
        let volume = GuestVolume::parse(self.stem)?;
        let (this, other) = match volume.template {
            false => ("vm-", "base-"),
            true => ("base-", "vm-"),
        };
        let rest = self.stem.strip_prefix(this)?;
        self.with_prefix(&format!("{other}{rest}{number}")).ok()
    }
}

impl Pool {
    /// Finds the lowest number for which no volume has the name `<stem><number>`.
    ///
    /// Reads the list of volumes once, one call for each hundred, and confirms
    /// what it finds with one call more, since the list may be old; the next
    /// number is tried when the volume is there after all. A name counts as
    /// taken in every encoding of it, and the number of a guest's volume also
    /// by its template (`base-100-disk-0`), as Proxmox VE has it. Blocks until
    /// then, never beyond the deadline.
    ///
    /// Nothing is reserved: whoever creates the volume first has the name.
    /// Give the id in [`not`](FreeName::not) when it turns out to be taken,
    /// as below. Where others number volumes with the same stem at the same
    /// time, hold a lock of your own over both calls: see
    /// [`create_volume`](Self::create_volume).
    ///
    /// # Errors
    ///
    /// * [`Error::Name`] with [`NameError::Stem`]: the stem is blank or ends in
    ///   a digit; with [`NameError::TooLong`]: choose a shorter one.
    /// * [`Error::ListChanged`]: the list changed while it was read, several
    ///   times over; try again.
    /// * Those that all calls have: see [`Pool`].
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::{ClusterPrefix, ErrorKind, FreeName, NewVolume};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let pool = client.pool("Pool-0");
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let prefix: ClusterPrefix = "pveA".parse()?;
    /// let mut taken = Vec::new();
    /// let volume = loop {
    ///     let name = FreeName { stem: "vm-100-disk-", prefix: Some(&prefix), not: &taken };
    ///     let id = pool.free_volume_id(&name, deadline)?;
    ///     let new = NewVolume { id: id.clone(), size: 1 << 30, thin: true, block_size: 16384 };
    ///     match pool.create_volume(&new, deadline) {
    ///         Err(error) if error.kind() == ErrorKind::Exists => taken.push(id),
    ///         result => break result?,
    ///     }
    /// };
    /// println!("{}", volume.name);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn free_volume_id(
        &self,
        name: &FreeName<'_>,
        deadline: Instant,
    ) -> Result<VolumeId, Error> {
        let invalid = |reason| Error::Name { reason };
        name.check().map_err(invalid)?;
        // Too long a stem is told before anything is asked.
        let first = name.id(0).map_err(invalid)?;
        self.check_length(&first.physical_name(), None)?;
        let mut taken: BTreeSet<String> =
            name.not.iter().map(|id| id.as_str().to_owned()).collect();
        for volume in self.volumes(deadline).all()? {
            if classify(&volume.name) == Class::Volume {
                taken.insert(display_name(&volume.name));
            }
        }
        let mut number = 0;
        loop {
            let id = name.id(number).map_err(invalid)?;
            let is_taken = |id: &VolumeId| taken.contains(id.as_str());
            if !is_taken(&id) && !name.twin(number).as_ref().is_some_and(is_taken) {
                match self.volume(&id, deadline) {
                    Err(error) if error.kind() == ErrorKind::Missing => return Ok(id),
                    Err(error) => return Err(error),
                    Ok(_) => {}
                }
            }
            number += 1;
        }
    }
}
