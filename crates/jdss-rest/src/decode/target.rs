//! Targets, LUNs, attachments and sessions.

use serde::{Deserialize, Deserializer};

use super::fields::{lun_number, optional_lun_number, scsi_id, text};
use crate::model::{Attachment, Lun, Session, Target};
use crate::names::ScsiId;

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Portals {
            #[serde(default)]
            enabled: bool,
            #[serde(default)]
            assigned_vips: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            active: bool,
            #[serde(default)]
            incoming_users_active: bool,
            #[serde(default)]
            vip_allowed_portals: Option<Portals>,
        }
        let raw = Raw::deserialize(from)?;
        Ok(Self {
            name: raw.name,
            active: raw.active,
            chap: raw.incoming_users_active,
            vips: raw
                .vip_allowed_portals
                .filter(|portals| portals.enabled)
                .map(|portals| portals.assigned_vips),
        })
    }
}

impl<'de> Deserialize<'de> for Lun {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            #[serde(deserialize_with = "lun_number")]
            lun: u16,
            #[serde(default, deserialize_with = "scsi_id")]
            scsi_id: Option<ScsiId>,
        }
        let Raw { name, lun, scsi_id } = Raw::deserialize(from)?;
        Ok(Self {
            volume: name,
            lun,
            scsi_id,
        })
    }
}

impl<'de> Deserialize<'de> for Attachment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        struct RawTarget {
            #[serde(default, deserialize_with = "text")]
            name: Option<String>,
        }
        #[derive(Deserialize, Default)]
        struct RawLun {
            #[serde(default, deserialize_with = "text")]
            name: Option<String>,
            #[serde(default, deserialize_with = "optional_lun_number")]
            lun: Option<u16>,
            #[serde(default, deserialize_with = "scsi_id")]
            scsi_id: Option<ScsiId>,
        }
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default, deserialize_with = "text")]
            pool: Option<String>,
            #[serde(default)]
            iscsi_target: Option<RawTarget>,
            #[serde(default)]
            lun: Option<RawLun>,
        }
        let raw = Raw::deserialize(from)?;
        let lun = raw.lun.unwrap_or_default();
        Ok(Self {
            pool: raw.pool,
            target: raw.iscsi_target.and_then(|target| target.name),
            volume: lun.name,
            lun: lun.lun,
            scsi_id: lun.scsi_id,
        })
    }
}

impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default, deserialize_with = "text")]
            sid: Option<String>,
            #[serde(default, deserialize_with = "text")]
            target_name: Option<String>,
            #[serde(default, deserialize_with = "text")]
            initiator_name: Option<String>,
            #[serde(default, deserialize_with = "text")]
            ip: Option<String>,
        }
        let raw = Raw::deserialize(from)?;
        Ok(Self {
            id: raw.sid.unwrap_or_default(),
            target: raw.target_name.unwrap_or_default(),
            initiator: raw.initiator_name.unwrap_or_default(),
            address: raw.ip.unwrap_or_default(),
        })
    }
}
