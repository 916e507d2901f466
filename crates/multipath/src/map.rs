//! Maps as sysfs shows them. No daemon, no tool.

use crate::Wwid;
use jdss_sys::Root;
use std::io;
use std::path::PathBuf;

/// In front of the WWID in the device-mapper uuid of a multipath map.
pub(crate) const UUID_PREFIX: &str = "mpath-";
/// What sysfs counts sizes in, whatever the block size of the disk.
const SECTOR: u64 = 512;

/// A multipath map, as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Map {
    /// The volume: from the device-mapper uuid, `mpath-` in front of the WWID.
    pub wwid: Wwid,
    /// Its name below `/dev/mapper`: the WWID, unless aliases are configured.
    pub name: String,
    /// Its kernel name, such as `dm-3`. **Reused** as soon as the map is gone.
    pub device: String,
    /// In bytes.
    pub size: u64,
    /// Whether it is suspended: I/O waits. For an instant while it is changed.
    pub suspended: bool,
    /// Kernel names of its disks (`sda`), sorted; none when all are gone.
    pub disks: Vec<String>,
}

impl Map {
    /// `/dev/mapper/NAME`.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/dev/mapper").join(&self.name)
    }

    /// What to call it in a request to the daemon. A name is never reused for
    /// another volume the way `dm-N` is; but not every name can be said.
    pub(crate) fn argument(&self) -> &str {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+:=@".contains(c);
        if !self.name.is_empty() && self.name.chars().all(plain) {
            &self.name
        } else {
            &self.device
        }
    }

    /// Its device-mapper uuid.
    pub(crate) fn uuid(&self) -> String {
        format!("{UUID_PREFIX}{}", self.wwid)
    }
}

/// The map behind `device`; `None` when it is not a multipath map, when it is
/// gone, or when it has no name yet.
pub(crate) fn read(root: &Root, device: &str) -> io::Result<Option<Map>> {
    let Some(wwid) = wwid(root, device)? else {
        return Ok(None);
    };
    let dir = format!("sys/block/{device}");
    let name = attribute(root, device, "name")?;
    let size = size(root, device)?;
    let suspended = attribute(root, device, "suspended")?;
    let disks = root.list(format!("{dir}/slaves"))?;
    let (Some(name), Some(size), Some(suspended)) = (name, size, suspended) else {
        return Ok(None);
    };
    // Between these reads another map may have got the same number.
    if self::wwid(root, device)?.as_ref() != Some(&wwid) {
        return Ok(None);
    }
    Ok(Some(Map {
        wwid,
        name,
        device: device.to_owned(),
        size,
        suspended: suspended == "1",
        disks,
    }))
}

/// A device-mapper attribute; `None` when the device is gone. While one goes,
/// its attributes are still there and answer EINVAL to every read.
pub(crate) fn attribute(root: &Root, device: &str, name: &str) -> io::Result<Option<String>> {
    present(root.read(format!("sys/block/{device}/dm/{name}")))
}

fn present(read: io::Result<Option<String>>) -> io::Result<Option<String>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
        read => read,
    }
}

/// The WWID in the uuid of `device`; `None` when it is not a multipath map.
fn wwid(root: &Root, device: &str) -> io::Result<Option<Wwid>> {
    let uuid = attribute(root, device, "uuid")?;
    let wwid = uuid
        .as_deref()
        .and_then(|uuid| uuid.strip_prefix(UUID_PREFIX));
    // A uuid that holds no WWID is no volume anybody could ask for.
    Ok(wwid.and_then(|wwid| wwid.parse().ok()))
}

/// The multipath map of `wwid`.
pub(crate) fn find(root: &Root, wwid: &Wwid) -> io::Result<Option<Map>> {
    for device in devices(root)? {
        if self::wwid(root, &device)?.as_ref() == Some(wwid) {
            return read(root, &device);
        }
    }
    Ok(None)
}

/// All multipath maps, by device name.
pub(crate) fn all(root: &Root) -> io::Result<Vec<Map>> {
    let devices = devices(root)?;
    let maps = devices.iter().map(|device| read(root, device));
    maps.filter_map(Result::transpose).collect()
}

fn devices(root: &Root) -> io::Result<Vec<String>> {
    let mut names = root.list("sys/block")?;
    names.retain(|name| name.starts_with("dm-"));
    Ok(names)
}

/// Size of any block device in bytes, as the kernel last learnt it; `None`
/// when it is gone.
pub(crate) fn size(root: &Root, device: &str) -> io::Result<Option<u64>> {
    let text = root.read(format!("sys/block/{device}/size"))?;
    let sectors = text.and_then(|text| text.parse::<u64>().ok());
    Ok(sectors.map(|sectors| sectors.saturating_mul(SECTOR)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_going_is_gone_and_any_other_failure_is_one() {
        let errno = |number| Err(io::Error::from_raw_os_error(number));
        assert_eq!(present(errno(22)).unwrap(), None); // EINVAL
        assert!(present(errno(5)).is_err()); // EIO
        assert!(present(errno(13)).is_err()); // EACCES
        let text = Some("mpath-x".to_owned());
        assert_eq!(present(Ok(text.clone())).unwrap(), text);
    }
}
