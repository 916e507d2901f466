//! The records of the storage plugin written in Perl, read and written for a change of plugin.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Damage;
use crate::name::encode;
use crate::{Error, Key, Phase, Record, Store};

/// The port that plugin always logs in to.
const PORT: u16 = 3260;

/// One record of the storage plugin written in Perl, `DIR/STORAGE/TARGET/LUN/VOLUME`.
///
/// It lives in the same directory as ours. A volume has several when its attachment was broken:
/// which one is true only the appliance can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegacyRecord {
    /// The file that it was read from.
    pub path: PathBuf,
    /// The storage that its directory belongs to.
    pub storage: String,
    /// iSCSI name of the target.
    pub target: String,
    /// Number of the LUN on that target.
    pub lun: u16,
    /// Volume, with the cluster prefix if there is one.
    pub volume: String,
    /// Snapshot, when it is one that was activated.
    pub snapshot: Option<String>,
    /// SCSI ID as multipath has it.
    pub scsi_id: String,
    /// Size in bytes, when it was ever verified.
    pub size: Option<u64>,
    /// Addresses of the portals, all with port 3260.
    pub addresses: Vec<IpAddr>,
    /// Whether it was brought up with multipath.
    pub multipath: bool,
    /// Whether the storage is shared between nodes.
    pub shared: bool,
}

impl LegacyRecord {
    /// What it says, as a record of ours in phase [`Phase::Active`].
    ///
    /// That plugin keeps no boot id: look first whether the device is there. It has no spare
    /// portals, and it may have been brought up without multipath with more than one portal.
    #[must_use]
    pub fn to_record(&self, key: Key, boot_id: &str) -> Record {
        let mut record = Record::new(key, boot_id);
        record.phase = Phase::Active;
        record.scsi_id = Some(self.scsi_id.clone());
        record.multipath = self.multipath;
        record.mapper_path = Some(if self.multipath {
            format!("/dev/mapper/{}", self.scsi_id)
        } else {
            format!("/dev/disk/by-id/scsi-{}", self.scsi_id)
        });
        record.target = Some(self.target.clone());
        record.lun = Some(self.lun);
        record.portals = self
            .addresses
            .iter()
            .map(|address| SocketAddr::new(*address, PORT).to_string())
            .collect();
        record.size = self.size;
        record
    }

    fn parse(storage: &str, path: &Path, json: &[u8]) -> Result<Self, Damage> {
        if json.is_empty() {
            return Err(Damage::Empty);
        }
        let name = |path: Option<&Path>| {
            path.and_then(Path::file_name)
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let lun = path.parent();
        let target = name(lun.and_then(Path::parent));
        let lun = name(lun);
        let lun = lun.parse().map_err(|_| Damage::Value {
            field: "LUN directory",
            found: lun,
        })?;
        let layout: Layout = serde_json::from_slice(json).map_err(Damage::Json)?;
        if layout.volname != name(Some(path)) {
            return Err(Damage::Value {
                field: "volname",
                found: layout.volname,
            });
        }
        let addresses = layout.hosts.iter().map(|host| {
            host.parse().map_err(|_| Damage::Value {
                field: "host",
                found: host.clone(),
            })
        });
        Ok(Self {
            addresses: addresses.collect::<Result<_, _>>()?,
            size: size(&layout.size)?,
            multipath: flag("multipath", &layout.multipath)?,
            shared: flag("shared", &layout.shared)?,
            path: path.to_owned(),
            storage: storage.to_owned(),
            target,
            lun,
            volume: layout.volname,
            snapshot: layout.snapname,
            scsi_id: layout.scsiid,
        })
    }
}

/// Reading, taking over and giving back the other plugin's records.
impl Store {
    /// Reads the other plugin's records of one storage, in the order of their paths.
    ///
    /// A file that is no such record is an `Err` of its own and hides no other.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when a directory is there but cannot be read.
    pub fn legacy(&self, storage: &str) -> Result<Vec<Result<LegacyRecord, Error>>, Error> {
        let mut all = Vec::new();
        // That plugin does not encode: any other name cannot be a directory of its.
        if encode(storage) != storage {
            return Ok(all);
        }
        for target in self.entries(&self.dir.join(storage), true)? {
            for lun in self.entries(&target, true)? {
                for path in self.entries(&lun, false)? {
                    if is_hidden(&path) {
                        continue;
                    }
                    // `None`: removed since the directory was read.
                    let record = self.read_bytes(&path).transpose().map(|json| {
                        LegacyRecord::parse(storage, &path, &json?).map_err(|source| {
                            Error::Damaged {
                                path: path.clone(),
                                source,
                            }
                        })
                    });
                    all.extend(record);
                }
            }
        }
        Ok(all)
    }

    /// Saves `record` durably, then removes `legacy` with the directories that become empty.
    ///
    /// Killed in between, both are there and ours is the true one: doing it again with the same
    /// `legacy` finishes it, also when its file is gone already.
    ///
    /// # Errors
    ///
    /// * [`Error::Write`]: ours could not be saved; theirs is untouched.
    /// * [`Error::Remove`]: ours is saved, theirs may still be there.
    pub fn take_over(&self, legacy: &LegacyRecord, record: &Record) -> Result<(), Error> {
        self.save(record)?;
        self.remove_legacy(&legacy.path)
            .map_err(|source| Error::Remove {
                path: legacy.path.clone(),
                source,
            })
    }

    /// Writes `record` durably for the other plugin, then removes ours; returns the new file.
    ///
    /// `volume` is the volume's name with the cluster prefix, if there is one. Killed in
    /// between, both are there: doing it again with the same `record` finishes it.
    ///
    /// # Errors
    ///
    /// * [`Error::NotConvertible`]: the record is not [`Phase::Active`], or has no SCSI ID,
    ///   target or LUN, or a name that is no file name, or a portal with another port than 3260.
    /// * [`Error::Write`]: theirs could not be written; ours is untouched.
    /// * [`Error::Remove`]: theirs is written, ours may still be there.
    pub fn give_back(&self, record: &Record, volume: &str, shared: bool) -> Result<PathBuf, Error> {
        let key = record.key();
        let missing = |field| Error::NotConvertible {
            key: Box::new(key.clone()),
            field,
        };
        if record.phase != Phase::Active {
            return Err(missing("phase"));
        }
        let plain = |field, name: &str| {
            let bad = name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']);
            if bad {
                Err(missing(field))
            } else {
                Ok(name.to_owned())
            }
        };
        let target = plain("target", record.target.as_deref().unwrap_or_default())?;
        let volume = plain("volume", volume)?;
        if encode(key.storage()) != key.storage() {
            return Err(missing("storage"));
        }
        let lun = record.lun.ok_or_else(|| missing("lun"))?;
        let host = |portal: &String| match portal.parse::<SocketAddr>() {
            Ok(portal) if portal.port() == PORT => Ok(portal.ip().to_string()),
            _ => Err(missing("portals")),
        };
        let path = self
            .dir
            .join(key.storage())
            .join(target)
            .join(lun.to_string())
            .join(&volume);
        let layout = Layout {
            scsiid: record.scsi_id.clone().ok_or_else(|| missing("scsi_id"))?,
            volname: volume,
            snapname: key.snapshot().map(str::to_owned),
            size: record.size.map_or(Value::Null, Value::from),
            hosts: record.portals.iter().map(host).collect::<Result<_, _>>()?,
            multipath: record.multipath.into(),
            shared: shared.into(),
        };
        let mut json =
            serde_json::to_vec(&layout).expect("text, numbers and lists of text have a JSON form");
        json.push(b'\n');
        self.replace(&path, &json).map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
        self.remove(key)?;
        Ok(path)
    }

    fn remove_legacy(&self, path: &Path) -> std::io::Result<()> {
        use std::io::ErrorKind::{DirectoryNotEmpty, NotFound};
        self.remove_name(path)?;
        // The LUN's directory, the target's, and the storage's, which stays.
        let mut dirs = path.ancestors().skip(1);
        for dir in dirs.by_ref().take(2) {
            match self.verbs.remove_dir(dir) {
                Ok(()) => {}
                Err(error) if error.kind() == NotFound => {}
                Err(error) if error.kind() == DirectoryNotEmpty => {
                    return self.verbs.sync_dir(dir);
                }
                Err(error) => return Err(error),
            }
        }
        dirs.next()
            .map_or(Ok(()), |storage| self.verbs.sync_dir(storage))
    }
}

/// The other plugin's file. All keys are always there.
#[derive(Serialize, Deserialize)]
struct Layout {
    scsiid: String,
    volname: String,
    snapname: Option<String>,
    size: Value,
    hosts: Vec<String>,
    multipath: Value,
    shared: Value,
}

/// `null`, a number or a number as text: it depends on what touched the record last.
fn size(value: &Value) -> Result<Option<u64>, Damage> {
    let size = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    size.map(Some).ok_or_else(|| Damage::Value {
        field: "size",
        found: value.to_string(),
    })
}

/// Perl writes `true` as such, or as 1; `false` as such, or as 0 or an empty text.
fn flag(field: &'static str, value: &Value) -> Result<bool, Damage> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Null => Ok(false),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
        Value::String(text) if text.is_empty() || text == "0" => Ok(false),
        Value::String(text) if text == "1" => Ok(true),
        other => Err(Damage::Value {
            field,
            found: other.to_string(),
        }),
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
