use std::fmt;
use std::str::FromStr;

use super::{
    NameError, VolumeId, base32_decode, base32_encode, check_physical, is_plain, sanitize,
};

/// The id of a snapshot, such as `before-update`.
///
/// # Example
///
/// ```
/// use jdss_rest::{SnapshotId, VolumeId};
///
/// let id: SnapshotId = "snap1".parse()?;
/// assert_eq!(id.physical_name(), "s_snap1");
/// let volume: VolumeId = "vm-100-disk-0".parse()?;
/// assert_eq!(id.export_name(&volume)?, "se_snap1_OZWS2MJQGAWWI2LTNMWTA---");
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(String);

impl SnapshotId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the snapshot on the appliance.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::SnapshotId;
    /// assert_eq!("snap1".parse::<SnapshotId>()?.physical_name(), "s_snap1");
    /// let id: SnapshotId = "before.update".parse()?;
    /// assert_eq!(id.physical_name(), "sh_before_update_MJSWM33SMUXHK4DEMF2GK---");
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    #[must_use]
    pub fn physical_name(&self) -> String {
        physical(&self.0)
    }

    /// The name of the clone through which the snapshot of `volume` is exported.
    ///
    /// # Errors
    ///
    /// [`NameError::TooLong`]: both ids together are too long for one name.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::{SnapshotId, VolumeId};
    /// let (id, volume): (SnapshotId, VolumeId) = ("snap1".parse()?, "abc".parse()?);
    /// assert_eq!(id.export_name(&volume)?, "se_snap1_MFRGG---");
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    pub fn export_name(&self, volume: &VolumeId) -> Result<String, NameError> {
        let of = base32_encode(volume.as_str());
        let id = &self.0;
        let name = if is_plain(id) {
            format!("se_{id}_{of}")
        } else {
            format!("shv_{}_{}_{of}", sanitize(id), base32_encode(id))
        };
        check_physical(id, &name)?;
        Ok(name)
    }

    /// The id of the snapshot with this physical name.
    ///
    /// `None` unless the id leads back to exactly this name: for exports, for
    /// snapshots made by others and for the appliance's own. To show such a
    /// name use [`display_name`](super::display_name).
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::SnapshotId;
    ///
    /// let id = SnapshotId::from_physical("s_snap1").expect("ours");
    /// assert_eq!(id.as_str(), "snap1");
    /// assert_eq!(SnapshotId::from_physical("autosnap_2026-01-01-000000"), None);
    /// ```
    #[must_use]
    pub fn from_physical(name: &str) -> Option<Self> {
        let id: Self = SnapshotParts::parse(name)?.id.parse().ok()?;
        (id.physical_name() == name).then_some(id)
    }

    /// The snapshot and the volume whose export has this name.
    ///
    /// `None` unless both lead back to exactly this name.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::SnapshotId;
    ///
    /// let (id, volume) = SnapshotId::from_export("se_snap1_MFRGG---").expect("an export");
    /// assert_eq!((id.as_str(), volume.as_str()), ("snap1", "abc"));
    /// assert_eq!(SnapshotId::from_export("s_snap1"), None);
    /// ```
    #[must_use]
    pub fn from_export(name: &str) -> Option<(Self, VolumeId)> {
        let parts = SnapshotParts::parse(name)?;
        let id: Self = parts.id.parse().ok()?;
        let volume: VolumeId = parts.volume?.parse().ok()?;
        (id.export_name(&volume).as_deref() == Ok(name)).then_some((id, volume))
    }
}

fn physical(id: &str) -> String {
    if is_plain(id) {
        format!("s_{id}")
    } else {
        format!("sh_{}_{}", sanitize(id), base32_encode(id))
    }
}

impl FromStr for SnapshotId {
    type Err = NameError;

    fn from_str(id: &str) -> Result<Self, NameError> {
        if id.is_empty() {
            return Err(NameError::Empty {
                what: "the snapshot id",
            });
        }
        check_physical(id, &physical(id))?;
        Ok(Self(id.to_owned()))
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the physical name of a snapshot, or of its export, says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotParts {
    /// The id of the snapshot.
    pub id: String,
    /// The id of the volume, in the name of an export.
    pub volume: Option<String>,
    /// The NAS volume, in the name of a snapshot that the NFS client made.
    pub nas_volume: Option<String>,
}

impl SnapshotParts {
    /// Takes a physical name apart; `None` when it names no snapshot.
    ///
    /// Decodes the names of older clients (`sb_`), of the NFS client (`sp_`)
    /// and the appliance's own (`autosnap_`) as well.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::names::SnapshotParts;
    ///
    /// let parts = SnapshotParts::parse("se_snap1_MFRGG---").expect("an export");
    /// assert_eq!((parts.id.as_str(), parts.volume.as_deref()), ("snap1", Some("abc")));
    /// assert_eq!(SnapshotParts::parse("v_abc"), None);
    /// ```
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('_')?;
        let parts = |id: String, volume: Option<String>, nas_volume: Option<String>| {
            Some(Self {
                id,
                volume,
                nas_volume,
            })
        };
        match kind {
            "s" | "autosnap" => parts(rest.to_owned(), None, None),
            "se" => {
                let (id, volume) = rest.rsplit_once('_')?;
                parts(id.to_owned(), Some(base32_decode(volume)?), None)
            }
            "sb" => match rest.split_once('_') {
                Some((id, volume)) => parts(base32_decode(id)?, Some(base32_decode(volume)?), None),
                None => parts(base32_decode(rest)?, None, None),
            },
            "sh" => parts(base32_decode(rest.rsplit_once('_')?.1)?, None, None),
            "shv" => {
                let (rest, volume) = rest.rsplit_once('_')?;
                let (_, id) = rest.rsplit_once('_')?;
                parts(base32_decode(id)?, Some(base32_decode(volume)?), None)
            }
            "sp" => {
                let (rest, volume) = rest.rsplit_once('_')?;
                let (rest, id) = rest.rsplit_once('_')?;
                let (_, nas) = rest.rsplit_once('_')?;
                parts(
                    base32_decode(id)?,
                    Some(base32_decode(volume)?),
                    Some(base32_decode(nas)?),
                )
            }
            _ => None,
        }
    }
}
