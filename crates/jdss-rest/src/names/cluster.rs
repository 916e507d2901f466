use std::fmt;
use std::str::FromStr;

use super::{NameError, VolumeId};

/// The prefix that keeps the volumes of several clusters apart in one pool.
///
/// An ASCII letter, then ASCII letters and digits. A cluster's volume
/// `vm-100-disk-0` has the id `<prefix>_vm-100-disk-0` on the appliance;
/// snapshots and targets have no prefix. It must not change once there are
/// volumes.
///
/// # Example
///
/// ```
/// use jdss_rest::ClusterPrefix;
///
/// let prefix: ClusterPrefix = "pveA".parse()?;
/// let id = prefix.apply("vm-100-disk-0")?;
/// assert_eq!(id.physical_name(), "v_pveA_vm-100-disk-0");
/// assert_eq!(prefix.strip(&id), Some("vm-100-disk-0"));
/// assert_eq!(prefix.strip(&"vm-100-disk-0".parse()?), None);
/// assert!("pve-A".parse::<ClusterPrefix>().is_err());
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterPrefix(String);

impl ClusterPrefix {
    /// The prefix, without the `_` that follows it in ids.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id on the appliance of the cluster's volume with this name.
    ///
    /// # Errors
    ///
    /// * [`NameError::Empty`]: the name is empty.
    /// * [`NameError::TooLong`]: the name is too long with the prefix.
    ///
    /// # Example
    ///
    /// ```
    /// let prefix: jdss_rest::ClusterPrefix = "pveA".parse()?;
    /// assert_eq!(prefix.apply("vm-100-disk-0")?.as_str(), "pveA_vm-100-disk-0");
    /// assert!(prefix.apply("").is_err());
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    pub fn apply(&self, name: &str) -> Result<VolumeId, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty {
                what: "the volume name",
            });
        }
        format!("{}_{name}", self.0).parse()
    }

    /// The name within the cluster; `None` when the volume is not this cluster's.
    ///
    /// # Example
    ///
    /// ```
    /// let prefix: jdss_rest::ClusterPrefix = "pveA".parse()?;
    /// assert_eq!(prefix.strip(&"pveA_vm-100-disk-0".parse()?), Some("vm-100-disk-0"));
    /// assert_eq!(prefix.strip(&"pveAB_vm-100-disk-0".parse()?), None);
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    #[must_use]
    pub fn strip<'id>(&self, id: &'id VolumeId) -> Option<&'id str> {
        let name = id.as_str().strip_prefix(&self.0)?.strip_prefix('_')?;
        // Existing clients could make a volume of the bare prefix; nobody's name leads to it.
        (!name.is_empty()).then_some(name)
    }
}

impl FromStr for ClusterPrefix {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "the cluster prefix";
        let mut characters = text.chars();
        match characters.next() {
            None => return Err(NameError::Empty { what: WHAT }),
            Some(first) if !first.is_ascii_alphabetic() => {
                return Err(NameError::BadCharacter {
                    what: WHAT,
                    value: super::shorten(text),
                    found: first,
                    allowed: "A-Z and a-z as the first character",
                });
            }
            Some(_) => {}
        }
        if let Some(found) = characters.find(|c| !c.is_ascii_alphanumeric()) {
            return Err(NameError::BadCharacter {
                what: WHAT,
                value: super::shorten(text),
                found,
                allowed: "A-Z, a-z and 0-9",
            });
        }
        // Leaves room for one more character at least.
        Self(text.to_owned()).apply("a")?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ClusterPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
