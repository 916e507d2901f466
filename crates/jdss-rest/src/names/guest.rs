use super::{ClusterPrefix, VolumeId};

/// A volume that belongs to a guest: `vm-<number>-...`, or `base-<number>-...` for a template.
///
/// # Example
///
/// ```
/// use jdss_rest::names::GuestVolume;
///
/// let disk = GuestVolume::parse("base-100-disk-0").expect("a guest's");
/// assert_eq!((disk.guest, disk.template), ("100", true));
/// assert_eq!(GuestVolume::parse("subvol-100-disk-0"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GuestVolume<'id> {
    /// The name of the volume, without a cluster prefix.
    pub name: &'id str,
    /// The number of the guest, as digits.
    pub guest: &'id str,
    /// Whether it is a template's.
    pub template: bool,
}

impl<'id> GuestVolume<'id> {
    /// Recognises the name of a guest's volume, without a cluster prefix.
    ///
    /// `None` for any other name. The number ends at a `-` or with the name.
    #[must_use]
    pub fn parse(name: &'id str) -> Option<Self> {
        let (template, rest) = match name.strip_prefix("vm-") {
            Some(rest) => (false, rest),
            None => (true, name.strip_prefix("base-")?),
        };
        let guest = rest.split_once('-').map_or(rest, |(guest, _)| guest);
        is_number(guest).then_some(Self {
            name,
            guest,
            template,
        })
    }

    /// The name without the directory of a guest, as Proxmox writes it for files.
    ///
    /// Takes off `<number>/` and nothing else: what follows may not have a `/` itself.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::names::GuestVolume;
    ///
    /// assert_eq!(GuestVolume::without_directory("100/vm-100-disk-0.raw"), "vm-100-disk-0.raw");
    /// assert_eq!(GuestVolume::without_directory("vm-100-disk-0"), "vm-100-disk-0");
    /// ```
    #[must_use]
    pub fn without_directory(name: &str) -> &str {
        match name.split_once('/') {
            Some((guest, rest)) if is_number(guest) && !rest.is_empty() && !rest.contains('/') => {
                rest
            }
            _ => name,
        }
    }

    /// Recognises the id of a guest's volume of the cluster that has this prefix, or none.
    ///
    /// This is the rule for lists: with a prefix, the volumes of this cluster
    /// alone; without one, those of every cluster that has none.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::names::GuestVolume;
    /// use jdss_rest::{ClusterPrefix, VolumeId};
    ///
    /// let cluster: ClusterPrefix = "pveA".parse()?;
    /// let id: VolumeId = "pveA_vm-100-disk-0".parse()?;
    /// let disk = GuestVolume::of(&id, Some(&cluster)).expect("of this cluster");
    /// assert_eq!((disk.name, disk.guest), ("vm-100-disk-0", "100"));
    /// assert_eq!(GuestVolume::of(&id, None), None);
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    #[must_use]
    pub fn of(id: &'id VolumeId, cluster: Option<&ClusterPrefix>) -> Option<Self> {
        Self::parse(match cluster {
            Some(prefix) => prefix.strip(id)?,
            None => id.as_str(),
        })
    }
}

/// Whether it is digits alone.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
