use super::{SnapshotParts, base32_decode};

/// What kind of thing a physical name stands for, by its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// A volume (`v_`, `vb_`, `vh_`).
    Volume,
    /// A snapshot or the export of one (`s_`, `se_`, `sn_`, `sp_`, `sh_`, `shv_`).
    Snapshot,
    /// A volume that is hidden from lists (`t_`).
    Hidden,
    /// Made by somebody else.
    Foreign,
}

/// Tells by its prefix what a physical name stands for.
///
/// # Example
///
/// ```
/// use jdss_rest::names::{Class, classify};
/// assert_eq!(classify("v_vm-100-disk-0"), Class::Volume);
/// assert_eq!(classify("pvc-1"), Class::Foreign);
/// ```
#[must_use]
pub fn classify(name: &str) -> Class {
    match name.split_once('_').map(|(kind, _)| kind) {
        Some("v" | "vb" | "vh") => Class::Volume,
        Some("s" | "se" | "sn" | "sp" | "sh" | "shv") => Class::Snapshot,
        Some("t") => Class::Hidden,
        _ => Class::Foreign,
    }
}

/// The id to show for a physical name; a name that nobody can decode is shown as it is.
///
/// For people only: several names can be shown alike. To find a volume again,
/// use [`VolumeId::from_physical`](super::VolumeId::from_physical).
///
/// # Example
///
/// ```
/// use jdss_rest::names::display_name;
/// assert_eq!(display_name("v_vm-100-disk-0"), "vm-100-disk-0");
/// assert_eq!(display_name("vb_MFRGG---"), "abc");
/// assert_eq!(display_name("pvc-1"), "pvc-1");
/// ```
#[must_use]
pub fn display_name(name: &str) -> String {
    decoded(name).unwrap_or_else(|| name.to_owned())
}

fn decoded(name: &str) -> Option<String> {
    let (kind, rest) = name.split_once('_')?;
    match kind {
        "v" | "t" => Some(rest.to_owned()),
        "te" => rest.rsplit_once('_').map(|(id, _)| id.to_owned()),
        "vh" => base32_decode(rest.rsplit_once('_')?.1),
        "vb" => base32_decode(rest),
        _ if kind.starts_with('s') => SnapshotParts::parse(name).map(|parts| parts.id),
        _ => None,
    }
}
