//! How a volume was brought up, as it is kept on disk.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Damage;
use crate::{Error, Key, Timestamp};

/// How far a volume has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is being brought up; anything between nothing and everything may be done.
    Activating,
    /// It is up.
    Active,
    /// It is being taken down; anything between everything and nothing may be left.
    Deactivating,
    /// It is gone from this host; what it left on the appliance still has to be taken back.
    UnpublishPending,
}

/// One volume's, or one snapshot's, attachment to this host.
///
/// Addresses, IDs and paths are kept as text: this crate does not know what they mean.
/// Nothing secret belongs in here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    key: Key,
    /// Name of the volume on the appliance, as far as it differs in spelling.
    pub physical_name: Option<String>,
    /// Pool of the appliance that the volume is in.
    pub pool: Option<String>,
    /// SCSI ID as `/lib/udev/scsi_id` prints it, such as `23466613163306465`.
    pub scsi_id: Option<String>,
    /// Path that was given out, such as `/dev/mapper/23466613163306465`.
    pub mapper_path: Option<String>,
    /// Whether it was brought up with multipath, whatever the configuration says now.
    pub multipath: bool,
    /// iSCSI name of the target.
    pub target: Option<String>,
    /// Number of the LUN on that target.
    pub lun: Option<u16>,
    /// Portals in use, `ADDRESS:PORT`.
    pub portals: Vec<String>,
    /// Portals that would serve the volume too but are not used, `ADDRESS:PORT`.
    pub spare_portals: Vec<String>,
    /// Size in bytes that was verified.
    pub size: Option<u64>,
    /// How far it has come.
    pub phase: Phase,
    /// Boot of the host that this is about; after another boot nothing of it is up.
    pub boot_id: String,
    /// When the record was first made.
    pub created: Timestamp,
    /// When the record was last saved: [`Store::save`](crate::Store::save) sets it in what it writes.
    pub updated: Timestamp,
}

impl Record {
    /// The version that this release writes, and the newest that it reads.
    pub const VERSION: u64 = 1;

    /// A record of an activation that has done nothing yet: phase [`Phase::Activating`].
    #[must_use]
    pub fn new(key: Key, boot_id: &str) -> Self {
        let now = Timestamp::now();
        Self {
            key,
            physical_name: None,
            pool: None,
            scsi_id: None,
            mapper_path: None,
            multipath: false,
            target: None,
            lun: None,
            portals: Vec::new(),
            spare_portals: Vec::new(),
            size: None,
            phase: Phase::Activating,
            boot_id: boot_id.to_owned(),
            created: now,
            updated: now,
        }
    }

    /// What the record is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Whether the record is of the boot `boot_id`, so that its device can still be there.
    #[must_use]
    pub fn is_of_boot(&self, boot_id: &str) -> bool {
        self.boot_id == boot_id
    }

    /// The file's content, with `updated` in place of the record's own time.
    pub(crate) fn to_json(&self, updated: Timestamp) -> Vec<u8> {
        let layout = Layout {
            version: Self::VERSION,
            storage: self.key.storage().to_owned(),
            volume: self.key.volume().to_owned(),
            snapshot: self.key.snapshot().map(str::to_owned),
            physical_name: self.physical_name.clone(),
            pool: self.pool.clone(),
            scsi_id: self.scsi_id.clone(),
            mapper_path: self.mapper_path.clone(),
            multipath: self.multipath,
            target: self.target.clone(),
            lun: self.lun,
            portals: self.portals.clone(),
            spare_portals: self.spare_portals.clone(),
            size: self.size,
            phase: self.phase,
            boot_id: self.boot_id.clone(),
            created: self.created.to_string(),
            updated: updated.to_string(),
        };
        let mut json = serde_json::to_vec_pretty(&layout)
            .expect("text, numbers and lists of text have a JSON form");
        json.push(b'\n');
        json
    }

    /// Reads a file's content. `path` is for the error alone.
    pub(crate) fn from_json(json: &[u8], path: &Path) -> Result<Self, Error> {
        let damaged = |source| Error::Damaged {
            path: path.to_owned(),
            source,
        };
        if json.is_empty() {
            return Err(damaged(Damage::Empty));
        }
        // The version first: a newer layout may have any fields but this one.
        let Version { version } =
            serde_json::from_slice(json).map_err(|error| damaged(Damage::Json(error)))?;
        if version > Self::VERSION {
            return Err(Error::TooNew {
                path: path.to_owned(),
                found: version,
            });
        }
        if version < 1 {
            return Err(damaged(Damage::Version { found: version }));
        }
        let layout: Layout =
            serde_json::from_slice(json).map_err(|error| damaged(Damage::Json(error)))?;
        layout.into_record().map_err(damaged)
    }
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// The file, field by field. A new field means a new version: an older release would else drop
/// it silently when it saves the record, so unknown fields are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    version: u64,
    storage: String,
    volume: String,
    snapshot: Option<String>,
    physical_name: Option<String>,
    pool: Option<String>,
    scsi_id: Option<String>,
    mapper_path: Option<String>,
    multipath: bool,
    target: Option<String>,
    lun: Option<u16>,
    portals: Vec<String>,
    spare_portals: Vec<String>,
    size: Option<u64>,
    phase: Phase,
    boot_id: String,
    created: String,
    updated: String,
}

impl Layout {
    fn into_record(self) -> Result<Record, Damage> {
        let key = Key::check(&self.storage, &self.volume, self.snapshot.as_deref())
            .map_err(|(what, problem)| Damage::Name { what, problem })?;
        let time = |field, text: &str| {
            text.parse::<Timestamp>()
                .map_err(|source| Damage::Time { field, source })
        };
        Ok(Record {
            key,
            created: time("creation", &self.created)?,
            updated: time("update", &self.updated)?,
            physical_name: self.physical_name,
            pool: self.pool,
            scsi_id: self.scsi_id,
            mapper_path: self.mapper_path,
            multipath: self.multipath,
            target: self.target,
            lun: self.lun,
            portals: self.portals,
            spare_portals: self.spare_portals,
            size: self.size,
            phase: self.phase,
            boot_id: self.boot_id,
        })
    }
}
