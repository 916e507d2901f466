use std::fmt;
use std::str::FromStr;

use super::guest::is_number;
use super::{GuestVolume, NameError};

const ALLOWED: &str = "a-z, 0-9, '.', ':' and '-'";

fn check(what: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".:-".contains(c);
    match text.chars().find(|&c| !allowed(c)) {
        Some(found) => Err(NameError::BadCharacter {
            what,
            value: super::shorten(text),
            found,
            allowed: ALLOWED,
        }),
        None => Ok(()),
    }
}

/// The part of a target name that all targets of one storage share.
///
/// Blanks around it are dropped, upper case is lowered, and it always ends in
/// one `:`, with none, one or two given.
///
/// # Example
///
/// ```
/// use jdss_rest::TargetPrefix;
/// let prefix: TargetPrefix = "iqn.2025-04.Proxmox.joviandss.iscsi".parse()?;
/// assert_eq!(prefix.as_str(), "iqn.2025-04.proxmox.joviandss.iscsi:");
/// assert!("iqn.2025-04.a_b".parse::<TargetPrefix>().is_err());
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetPrefix(String);

impl TargetPrefix {
    /// The prefix, with its colon.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TargetPrefix {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "the target prefix";
        let text = text.trim();
        // Existing clients take one colon off and add one where there is none.
        let stem = text.strip_suffix(':').unwrap_or(text);
        let stem = stem.strip_suffix(':').unwrap_or(stem).to_ascii_lowercase();
        check(WHAT, &stem)?;
        if stem.ends_with(':') {
            return Err(NameError::BadCharacter {
                what: WHAT,
                value: super::shorten(text),
                found: ':',
                allowed: "at most two ':' at the end",
            });
        }
        Ok(Self(stem + ":"))
    }
}

impl fmt::Display for TargetPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The group of volumes that share targets, such as all disks of one guest.
///
/// # Example
///
/// ```
/// use jdss_rest::TargetGroup;
/// assert_eq!(TargetGroup::of("vm-100-disk-0")?.as_str(), "vm-100");
/// assert_eq!(TargetGroup::of("base-100-disk-0")?.as_str(), "vm-100");
/// assert_eq!(TargetGroup::of("backup")?.as_str(), "backup");
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetGroup(String);

impl TargetGroup {
    /// Longest readable part of a group made from a volume name, in bytes.
    const READABLE: usize = 64;

    /// The group as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The group of the volume with this name (without a cluster prefix).
    ///
    /// `vm-<number>` for the disks of guests and templates (`vm-<number>-...`,
    /// `base-<number>-...`). Any other volume has a group of its own: its name
    /// where that can be part of a target name, else what is readable of it
    /// and a short hash, so that two names never share a group by accident. (Only
    /// a volume named `vm-100`, with nothing after the number, is in that guest's.)
    ///
    /// # Errors
    ///
    /// [`NameError::Empty`]: the name is empty.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::TargetGroup;
    /// assert_eq!(TargetGroup::of("vm-100-disk-0")?, TargetGroup::of("base-100-disk-1")?);
    /// assert_eq!(TargetGroup::of("my disk")?.as_str(), "my-disk-x496b998815d24340");
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    pub fn of(volume: &str) -> Result<Self, NameError> {
        if let Some(GuestVolume { guest, .. }) = GuestVolume::parse(volume)
            // `base-100` without anything after the number is nobody's disk.
            && volume.matches('-').nth(1).is_some()
        {
            return format!("vm-{guest}").parse();
        }
        if check("the volume name", volume).is_ok()
            && !volume.contains(':')
            && volume.len() <= Self::READABLE
        {
            return volume.parse();
        }
        if volume.is_empty() {
            return Err(NameError::Empty {
                what: "the volume name",
            });
        }
        let readable: String = volume
            .chars()
            .take(Self::READABLE)
            .map(|c| c.to_ascii_lowercase())
            .map(|c| {
                if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        format!("{readable}-x{:016x}", fnv1a(volume)).parse()
    }
}

/// FNV-1a, 64 bits: the result is part of names that stay, so it must never change.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl FromStr for TargetGroup {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check("the target group", text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TargetGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All targets of one group: `<prefix><group>-<index>`.
///
/// # Example
///
/// ```
/// use jdss_rest::names::TargetFamily;
/// let family = TargetFamily::new(&"iqn.2025-04.a.b".parse()?, &"vm-10".parse()?)?;
/// assert_eq!(family.name(0), "iqn.2025-04.a.b:vm-10-0");
/// assert!(family.contains("iqn.2025-04.a.b:vm-10-3"));
/// assert!(!family.contains("iqn.2025-04.a.b:vm-100-0"));
/// # Ok::<(), jdss_rest::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFamily {
    stem: String,
}

impl TargetFamily {
    /// The longest name of an iSCSI node, in bytes.
    pub const MAX_LEN: usize = 223;
    /// Room kept for the index.
    const INDEX_LEN: usize = 10;

    /// The targets with this prefix and group.
    ///
    /// # Errors
    ///
    /// [`NameError::TooLong`]: the names would be longer than [`MAX_LEN`](Self::MAX_LEN);
    /// choose a shorter prefix.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::names::TargetFamily;
    /// let family = TargetFamily::new(&"iqn.2025-04.a.b".parse()?, &"vm-10".parse()?)?;
    /// assert_eq!(family.name(7), "iqn.2025-04.a.b:vm-10-7");
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    pub fn new(prefix: &TargetPrefix, group: &TargetGroup) -> Result<Self, NameError> {
        let stem = format!("{prefix}{group}-");
        let len = stem.len() + Self::INDEX_LEN;
        if len > Self::MAX_LEN {
            return Err(NameError::TooLong {
                value: super::shorten(&stem),
                len,
                max: Self::MAX_LEN,
            });
        }
        Ok(Self { stem })
    }

    /// The name of the target with this index.
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::names::TargetFamily;
    /// let family = TargetFamily::new(&"iqn.2025-04.a.b".parse()?, &"vm-10".parse()?)?;
    /// assert_eq!(family.name(0), "iqn.2025-04.a.b:vm-10-0");
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    #[must_use]
    pub fn name(&self, index: u32) -> String {
        format!("{}{index}", self.stem)
    }

    /// Whether the target belongs to the group: the very prefix, then digits only.
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::names::TargetFamily;
    /// let family = TargetFamily::new(&"iqn.2025-04.a.b".parse()?, &"vm-10".parse()?)?;
    /// assert!(family.contains("iqn.2025-04.a.b:vm-10-12"));
    /// assert!(!family.contains("iqn.2025-04.a.b:vm-100-0"));
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    #[must_use]
    pub fn contains(&self, target: &str) -> bool {
        target.strip_prefix(&self.stem).is_some_and(is_number)
    }

    /// The name with the lowest index that no target in `existing` has.
    ///
    /// # Example
    ///
    /// ```
    /// # use jdss_rest::names::TargetFamily;
    /// let family = TargetFamily::new(&"iqn.a".parse()?, &"vm-1".parse()?)?;
    /// assert_eq!(family.first_free(&["iqn.a:vm-1-0", "iqn.a:vm-1-2"]), "iqn.a:vm-1-1");
    /// # Ok::<(), jdss_rest::NameError>(())
    /// ```
    #[must_use]
    pub fn first_free(&self, existing: &[&str]) -> String {
        let indices: std::collections::BTreeSet<u32> = existing
            .iter()
            .filter(|name| self.contains(name))
            .filter_map(|name| name[self.stem.len()..].parse().ok())
            .collect();
        // As many candidates as names, and one more: one of them is free.
        let index = (0..)
            .find(|index| !indices.contains(index))
            .unwrap_or(u32::MAX);
        self.name(index)
    }
}

/// The LUN number to use on a target that has `taken` already, at most `limit` in all.
///
/// `None` when the target is full. Numbers from `limit` on, made by hand or
/// under a higher limit, count as taken: that keeps the target's size bounded.
#[must_use]
pub(crate) fn free_lun(taken: &std::collections::BTreeSet<u16>, limit: u16) -> Option<u16> {
    if taken.len() >= usize::from(limit) {
        return None;
    }
    (0..limit).find(|lun| !taken.contains(lun))
}
