//! What the kernel says about sessions, disks and device-mapper devices.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Error;

/// An iSCSI session of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The kernel's number.
    pub id: u32,
    /// The target's name.
    pub target: String,
    /// The portal that was asked for, `address:port`, an IPv6 address in brackets.
    pub portal: String,
    /// `LOGGED_IN`, `FAILED` or `FREE`.
    pub state: String,
    /// The number of its SCSI host.
    pub host: u32,
    /// Seconds until disks of a lost session fail.
    pub recovery_tmo: String,
}

/// A SCSI disk of an iSCSI session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// As below `/sys/block`: `sda`.
    pub name: String,
    /// The session it belongs to.
    pub session: u32,
    /// Its number on the target.
    pub lun: u64,
    /// `running`, `blocked`, `transport-offline`, ...
    pub state: String,
    /// Bytes, as the kernel has them cached.
    pub size: u64,
    /// The kernel's identity: `eui.3466613163306465`.
    pub wwid: String,
}

impl Disk {
    /// The device node.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }
}

/// A device-mapper device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// As below `/sys/block`: `dm-0`.
    pub device: String,
    /// As below `/dev/mapper`.
    pub name: String,
    /// `mpath-...`, `LVM-...`.
    pub uuid: String,
    /// The devices below it.
    pub slaves: Vec<String>,
    /// Bytes.
    pub size: u64,
    /// Whether I/O is held.
    pub suspended: bool,
}

impl Map {
    /// The device node.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("/dev/mapper").join(&self.name)
    }
}

/// The text of one file without the trailing newline; none when it is gone.
///
/// # Errors
///
/// [`Error::File`] for any other failure.
pub fn text(path: impl AsRef<Path>) -> Result<Option<String>, Error> {
    let path = path.as_ref();
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())),
        Err(e) if gone(&e) => Ok(None),
        Err(source) => Err(Error::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The bytes of one attribute; none when it is gone.
///
/// # Errors
///
/// [`Error::File`] for any other failure.
pub fn bytes(path: impl AsRef<Path>) -> Result<Option<Vec<u8>>, Error> {
    let path = path.as_ref();
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if gone(&e) => Ok(None),
        Err(source) => Err(Error::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes one attribute.
///
/// # Errors
///
/// [`Error::File`].
pub fn write(path: impl AsRef<Path>, value: &str) -> Result<(), Error> {
    let path = path.as_ref();
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, value.as_bytes()))
        .map_err(Error::file(path))
}

/// The names in a directory, sorted; none when it is not there.
///
/// # Errors
///
/// [`Error::File`] when it is there and cannot be read.
pub fn names(path: impl AsRef<Path>) -> Result<Vec<String>, Error> {
    let path = path.as_ref();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if gone(&e) => return Ok(Vec::new()),
        Err(source) => {
            return Err(Error::File {
                path: path.to_owned(),
                source,
            });
        }
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// All iSCSI sessions, by number.
///
/// # Errors
///
/// [`Error::File`].
pub fn sessions() -> Result<Vec<Session>, Error> {
    let mut sessions = Vec::new();
    for name in names("/sys/class/iscsi_session")? {
        let base = Path::new("/sys/class/iscsi_session").join(&name);
        let connection = Path::new("/sys/class/iscsi_connection")
            .join(name.replace("session", "connection") + ":0");
        let field = |path: PathBuf| text(path).map(Option::unwrap_or_default);
        let id = name.strip_prefix("session").and_then(|n| n.parse().ok());
        let (Some(id), Some(host)) = (id, host_of(&base)) else {
            continue; // gone between the two looks
        };
        let address = field(connection.join("persistent_address"))?;
        let address = if address.contains(':') {
            format!("[{address}]")
        } else {
            address
        };
        sessions.push(Session {
            id,
            target: field(base.join("targetname"))?,
            portal: format!("{address}:{}", field(connection.join("persistent_port"))?),
            state: field(base.join("state"))?,
            host,
            recovery_tmo: field(base.join("recovery_tmo"))?,
        });
    }
    sessions.sort_by_key(|s| s.id);
    Ok(sessions)
}

/// A session is .../platform/hostH/sessionS/iscsi_session/sessionS.
fn host_of(session: &Path) -> Option<u32> {
    let real = fs::canonicalize(session).ok()?;
    real.components().find_map(|c| {
        c.as_os_str()
            .to_string_lossy()
            .strip_prefix("host")?
            .parse()
            .ok()
    })
}

/// All disks of iSCSI sessions, by name.
///
/// # Errors
///
/// [`Error::File`].
pub fn disks() -> Result<Vec<Disk>, Error> {
    let sessions = sessions()?;
    let mut disks = Vec::new();
    for name in names("/sys/block")?
        .into_iter()
        .filter(|n| n.starts_with("sd"))
    {
        let base = Path::new("/sys/block").join(&name);
        let device = base.join("device");
        let Ok(link) = fs::read_link(&device) else {
            continue;
        };
        let hctl = link
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let numbers: Vec<u64> = hctl.split(':').filter_map(|n| n.parse().ok()).collect();
        let [host, _, _, lun] = numbers[..] else {
            continue;
        };
        let Some(session) = sessions.iter().find(|s| u64::from(s.host) == host) else {
            continue;
        };
        let field = |path: PathBuf| text(path).map(Option::unwrap_or_default);
        disks.push(Disk {
            session: session.id,
            lun,
            state: field(device.join("state"))?,
            size: blocks(&base)?,
            wwid: text(device.join("wwid")).ok().flatten().unwrap_or_default(),
            name,
        });
    }
    Ok(disks)
}

/// All device-mapper devices, by number.
///
/// # Errors
///
/// [`Error::File`].
pub fn maps() -> Result<Vec<Map>, Error> {
    let mut maps = Vec::new();
    for device in names("/sys/block")?
        .into_iter()
        .filter(|n| n.starts_with("dm-"))
    {
        let base = Path::new("/sys/block").join(&device);
        let Some(name) = text(base.join("dm/name"))? else {
            continue;
        };
        maps.push(Map {
            name,
            uuid: text(base.join("dm/uuid"))?.unwrap_or_default(),
            slaves: names(base.join("slaves"))?,
            size: blocks(&base)?,
            suspended: text(base.join("dm/suspended"))?.as_deref() == Some("1"),
            device,
        });
    }
    Ok(maps)
}

/// The multipath map of a WWID, if there is one.
///
/// # Errors
///
/// [`Error::File`].
pub fn multipath_map(wwid: &str) -> Result<Option<Map>, Error> {
    let uuid = format!("mpath-{wwid}");
    Ok(maps()?.into_iter().find(|m| m.uuid == uuid))
}

fn blocks(base: &Path) -> Result<u64, Error> {
    Ok(text(base.join("size"))?
        .and_then(|n| n.parse::<u64>().ok())
        .unwrap_or_default()
        * 512)
}

fn gone(e: &std::io::Error) -> bool {
    const ENODEV: i32 = 19;
    const ENXIO: i32 = 6;
    e.kind() == ErrorKind::NotFound || matches!(e.raw_os_error(), Some(ENODEV | ENXIO))
}
