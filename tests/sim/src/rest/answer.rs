//! Answers in the appliance's envelope, and its words for each refusal.

use serde_json::{Value, json};

use super::Firmware;
use crate::error::Error;

/// What a route answers when it did what it was asked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) data: Value,
    has_body: bool,
}

impl Answer {
    /// Data in the envelope. With 204 there is no body.
    pub(crate) fn new(status: u16, data: Value) -> Self {
        let has_body = status != 204;
        Self {
            status,
            data,
            has_body,
        }
    }

    /// 200 with data.
    pub(crate) fn ok(data: Value) -> Self {
        Self::new(200, data)
    }

    /// 201 with data.
    pub(crate) fn created(data: Value) -> Self {
        Self::new(201, data)
    }

    /// 204, which has no body.
    pub(crate) fn gone() -> Self {
        Self::new(204, Value::Null)
    }

    /// A success whose body is missing.
    pub(crate) fn without_body(status: u16) -> Self {
        let mut answer = Self::new(status, Value::Null);
        answer.has_body = false;
        answer
    }

    pub(crate) fn body(&self) -> String {
        if !self.has_body {
            return String::new();
        }
        json!({ "data": self.data, "error": null }).to_string()
    }
}

/// Why a route answers with an error.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The appliance's state forbids it; a client has to expect that.
    Appliance(Error),
    /// The client asked something that the API does not have: a mistake of the client.
    Strict(Strict),
    /// Known to the API, but not to this appliance's software.
    TooOld {
        /// The field.
        field: &'static str,
    },
    /// No such resource on this appliance's software.
    Unknown,
    /// Made up by a fault.
    Fault {
        status: u16,
        class: String,
        errno: Option<i64>,
        message: String,
    },
}

/// A request that the API does not know, or not in this form.
#[derive(Debug)]
pub(crate) struct Strict {
    pub(crate) status: u16,
    /// Begins with `sim.`: no appliance ever says so.
    pub(crate) class: &'static str,
    pub(crate) message: String,
}

impl Strict {
    pub(crate) fn new(status: u16, class: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            class,
            message: message.into(),
        }
    }

    /// A field or a value that the route does not take.
    pub(crate) fn field(message: impl Into<String>) -> Self {
        Self::new(400, "sim.InvalidField", message)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Appliance(error)
    }
}

impl From<Strict> for Refusal {
    fn from(strict: Strict) -> Self {
        Self::Strict(strict)
    }
}

const NOT_FOUND: &str = "opene.exceptions.ItemNotFoundError";
const CONFLICT: &str = "opene.exceptions.ItemConflictError";
const INVALID: &str = "opene.exceptions.ValidationError";
const ZFS_RESOURCE: &str = "zfslib.zfsapi.resources.ZfsResourceError";
const ZFS_COMMAND: &str = "zfslib.wrap.zfs.ZfsCmdError";

impl Refusal {
    /// Why, in words.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Appliance(error) => error.to_string(),
            Self::Strict(strict) => strict.message.clone(),
            Self::TooOld { field } => format!("'{field}' is not known"),
            Self::Unknown => "there is no such resource".to_owned(),
            Self::Fault { message, .. } => message.clone(),
        }
    }

    /// Status and body. `url` is the address that was asked.
    pub(crate) fn body(&self, firmware: Firmware, url: &str) -> (u16, String) {
        let (status, class, errno, message) = match self {
            Self::Appliance(error) => appliance(error, firmware),
            Self::Strict(strict) => (strict.status, strict.class, None, strict.message.clone()),
            Self::TooOld { field } => {
                let message =
                    format!("Additional properties are not allowed ('{field}' was unexpected)");
                (400, INVALID, None, message)
            }
            Self::Unknown => (
                404,
                "werkzeug.exceptions.NotFound",
                None,
                "404 Not Found".to_owned(),
            ),
            Self::Fault {
                status,
                class,
                errno,
                message,
            } => (*status, class.as_str(), *errno, message.clone()),
        };
        let error = json!({ "class": class, "errno": errno, "message": message, "url": url });
        (status, json!({ "data": null, "error": error }).to_string())
    }
}

/// Status, class, errno and message of a refusal.
fn appliance(error: &Error, firmware: Firmware) -> (u16, &'static str, Option<i64>, String) {
    let recent = firmware == Firmware::Recent;
    let zfs = if recent {
        "opene.storage.zfs.zfs.ZfsOeError"
    } else {
        "opene.storage.zfs.ZfsOeError"
    };
    let mut message = error.to_string();
    let (status, class, errno) = match error {
        Error::VolumeMissing { pool, volume } if recent => {
            message = format!("Volume {volume} not found in pool {pool}.");
            (404, NOT_FOUND, None)
        }
        Error::SnapshotMissing {
            pool,
            volume,
            snapshot,
        } if recent => {
            message = format!("Resource {pool}/{volume}@{snapshot} not found.");
            (404, NOT_FOUND, None)
        }
        Error::SnapshotMissing {
            pool,
            volume,
            snapshot,
        } if firmware == Firmware::Old => {
            message = format!("cannot open '{pool}/{volume}@{snapshot}': dataset does not exist");
            (500, ZFS_COMMAND, Some(0))
        }
        Error::VolumeMissing { .. } | Error::SnapshotMissing { .. } => (500, ZFS_RESOURCE, Some(1)),
        Error::VolumeExists { .. } | Error::SnapshotExists { .. } => (500, ZFS_RESOURCE, Some(5)),
        Error::DatasetExists { .. } => (500, ZFS_COMMAND, Some(100)),
        Error::VolumeHasClones { .. } => {
            if recent {
                message.truncate(message.trim_end_matches('.').len());
            }
            (500, zfs, Some(1000))
        }
        Error::VolumeBusy { .. }
        | Error::VolumeHasSnapshots { .. }
        | Error::SnapshotHasClones { .. }
        | Error::RollbackBlocked { .. } => (500, ZFS_COMMAND, Some(1000)),
        Error::NotAClone { .. } | Error::PromotionConflict { .. } | Error::NameTooLong { .. } => {
            (500, ZFS_COMMAND, None)
        }
        Error::NoSpace { .. } => (500, zfs, None),
        Error::PoolMissing { .. }
        | Error::TargetMissing { .. }
        | Error::LunMissing { .. }
        | Error::UsersMissing { .. }
        | Error::UserMissing { .. } => (404, NOT_FOUND, None),
        Error::TargetExists { .. } => (
            409,
            "opene.san.target.base.iscsi.target.TargetNameConflictError",
            None,
        ),
        Error::TargetBusy { .. } => (500, "opene.tools.scstadmin.ScstAdminError", Some(16)),
        Error::VolumeUsed { .. }
        | Error::LunUsed { .. }
        | Error::TargetHasLuns { .. }
        | Error::UserExists { .. }
        | Error::PoolExists { .. }
        | Error::VipExists { .. } => (409, CONFLICT, None),
        Error::VipMissing { .. }
        | Error::InvalidName { .. }
        | Error::InvalidSize { .. }
        | Error::InvalidSizeText { .. }
        | Error::InvalidScsiId { .. }
        | Error::InvalidIqn { .. }
        | Error::InvalidLun { .. }
        | Error::InvalidUserName { .. }
        | Error::InvalidPassword { .. }
        | Error::UnknownRoute { .. }
        | Error::UnfitFault { .. }
        | Error::OneHead
        | Error::Control { .. }
        | Error::PoolMoving { .. }
        | Error::PoolNotMoving { .. }
        | Error::UnknownPortal { .. } => (400, INVALID, None),
        Error::Io { .. } | Error::Socket { .. } => (500, "exceptions.OSError", Some(5)),
    };
    (status, class, errno, message)
}
