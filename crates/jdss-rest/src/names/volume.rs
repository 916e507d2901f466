use std::fmt;
use std::str::FromStr;

use super::{NameError, base32_decode, base32_encode, check_physical, is_plain, sanitize};

/// The id of a volume as storage systems know it, such as `vm-100-disk-0`.
///
/// With a cluster prefix the id includes it (`pveA_vm-100-disk-0`). Not empty,
/// and its [physical name](Self::physical_name) fits into
/// [`MAX_PHYSICAL_LEN`](super::MAX_PHYSICAL_LEN).
///
/// # Example
///
/// ```
/// use jdss_rest::VolumeId;
///
/// let id: VolumeId = "vm-100-disk-0".parse()?;
/// assert_eq!(id.physical_name(), "v_vm-100-disk-0");
/// let id: VolumeId = "my disk".parse()?;
/// assert_eq!(id.physical_name(), "vh_my_disk_NV4SAZDJONVQ----");
/// assert!("".parse::<VolumeId>().is_err());
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(String);

impl VolumeId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the volume on the appliance.
    ///
    /// `v_<id>` where the id has only ASCII letters, digits, `_` and `-`;
    /// otherwise `vh_<readable>_<base32 of the id>`. The existing clients take
    /// every Unicode letter and a final newline for plain characters; the
    /// appliance refuses such names, so here these ids are encoded.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::VolumeId;
    /// assert_eq!("vm-100-disk-0".parse::<VolumeId>()?.physical_name(), "v_vm-100-disk-0");
    /// assert_eq!("a/b".parse::<VolumeId>()?.physical_name(), "vh_a_b_MEXWE---");
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    #[must_use]
    pub fn physical_name(&self) -> String {
        physical(&self.0)
    }

    /// The id of the volume with this physical name.
    ///
    /// `None` unless the id leads back to exactly this name. So a name made by
    /// others (`vb_...`, `vh_` with a strange readable part) is never taken
    /// for the volume that this client would create under the decoded id; to
    /// show such a name use [`display_name`](super::display_name).
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::VolumeId;
    ///
    /// let id = VolumeId::from_physical("v_vm-100-disk-0").expect("ours");
    /// assert_eq!(id.as_str(), "vm-100-disk-0");
    /// assert_eq!(VolumeId::from_physical("vh_other_MFRGG---"), None);
    /// ```
    #[must_use]
    pub fn from_physical(name: &str) -> Option<Self> {
        let id = match name.strip_prefix("v_") {
            Some(id) => id.to_owned(),
            None => base32_decode(name.strip_prefix("vh_")?.rsplit_once('_')?.1)?,
        };
        let id: Self = id.parse().ok()?;
        (id.physical_name() == name).then_some(id)
    }
}

fn physical(id: &str) -> String {
    if is_plain(id) {
        format!("v_{id}")
    } else {
        format!("vh_{}_{}", sanitize(id), base32_encode(id))
    }
}

impl FromStr for VolumeId {
    type Err = NameError;

    fn from_str(id: &str) -> Result<Self, NameError> {
        if id.is_empty() {
            return Err(NameError::Empty {
                what: "the volume id",
            });
        }
        check_physical(id, &physical(id))?;
        Ok(Self(id.to_owned()))
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
