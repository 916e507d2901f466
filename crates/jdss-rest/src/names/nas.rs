//! The names that the NFS client of the appliance gives.

use super::guest::is_number;
use super::{NameError, SnapshotId, base32_encode, check_physical, sanitize};

impl SnapshotId {
    /// The id under which the NFS client keeps a guest's snapshot: `<guest>_<name>`.
    ///
    /// A snapshot of that client covers a whole dataset, so the guest is part
    /// of the id. Characters of the name other than ASCII letters, digits,
    /// `_` and `-` become `_`: two names can have one id.
    ///
    /// # Errors
    ///
    /// * [`NameError::Empty`]: the name is empty.
    /// * [`NameError::TooLong`]: the name is too long.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::SnapshotId;
    ///
    /// let id = SnapshotId::of_nas_guest(102, "before.update")?;
    /// assert_eq!(id.as_str(), "102_before_update");
    /// assert_eq!(id.nas_guest(), Some(("102", "before_update")));
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    pub fn of_nas_guest(guest: u32, name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty {
                what: "the snapshot name",
            });
        }
        format!("{guest}_{}", sanitize(name)).parse()
    }

    /// The guest, as digits, and the name in an id of the NFS client; `None` for any other id.
    #[must_use]
    pub fn nas_guest(&self) -> Option<(&str, &str)> {
        let (guest, name) = self.as_str().split_once('_')?;
        (is_number(guest) && !name.is_empty()).then_some((guest, name))
    }

    /// The name of the clone through which the NFS client exports a dataset's snapshot for one file.
    ///
    /// [`SnapshotParts::parse`](super::SnapshotParts::parse) takes it apart again.
    ///
    /// # Errors
    ///
    /// * [`NameError::Empty`]: the dataset or the file has no name.
    /// * [`NameError::TooLong`]: the three together are too long for one name.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::{SnapshotId, names::SnapshotParts};
    ///
    /// let id: SnapshotId = "102_s1".parse()?;
    /// let name = id.nas_export_name("data", "102/vm-102-disk-0.raw")?;
    /// let parts = SnapshotParts::parse(&name).expect("a snapshot");
    /// assert_eq!(parts.volume.as_deref(), Some("data"));
    /// assert_eq!(parts.nas_volume.as_deref(), Some("102/vm-102-disk-0.raw"));
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    pub fn nas_export_name(&self, dataset: &str, file: &str) -> Result<String, NameError> {
        for (what, text) in [("the dataset", dataset), ("the file", file)] {
            if text.is_empty() {
                return Err(NameError::Empty { what });
            }
        }
        let id = self.as_str();
        let name = format!(
            "sp_{}_{}_{}_{}_{}",
            sanitize(file),
            sanitize(id),
            base32_encode(file),
            base32_encode(id),
            base32_encode(dataset)
        );
        check_physical(id, &name)?;
        Ok(name)
    }
}
