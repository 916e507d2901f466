//! What the appliance's administrator can do.

use std::path::PathBuf;

use super::Appliance;
use super::builder::new_volume;
use crate::control;
use crate::error::{Error, Result};
use crate::model::{NewLun, NewTarget, TargetChange, VipAllowed};

/// The administrator: none of this shows in the log of requests.
impl Appliance {
    /// Creates a thin volume of so many bytes, full of zeros.
    ///
    /// # Errors
    ///
    /// The pool is missing, or the name is taken or not allowed.
    pub fn create_volume(&self, pool: &str, name: &str, size: u64) -> Result<()> {
        self.service
            .model()
            .create_volume(pool, new_volume(name, size))
            .map(drop)
    }

    /// Deletes a volume with its snapshots.
    ///
    /// # Errors
    ///
    /// The volume is missing, or shown on a target, or something is a clone of it.
    pub fn delete_volume(&self, pool: &str, name: &str) -> Result<()> {
        self.service.model().delete_volume(pool, name, true)
    }

    /// Gives a volume a new size in bytes; smaller is possible, too. Initiators are told.
    ///
    /// # Errors
    ///
    /// The volume is missing, or the size is less than one of its blocks. (What does not fill a block is cut off.)
    pub fn set_volume_size(&self, pool: &str, name: &str, size: u64) -> Result<()> {
        self.service.model().resize_volume(pool, name, size)
    }

    /// The 16 characters that identify a volume. Initiators see the first 8.
    ///
    /// # Errors
    ///
    /// The volume is missing.
    pub fn scsi_id(&self, pool: &str, name: &str) -> Result<String> {
        Ok(self.service.model().volume(pool, name)?.scsi_id())
    }

    /// Gives a volume another SCSI ID, possibly that of another volume.
    ///
    /// # Errors
    ///
    /// The volume is missing, or the ID has not 16 printable characters.
    pub fn set_scsi_id(&self, pool: &str, name: &str, scsi_id: &str) -> Result<()> {
        self.service.model().set_scsi_id(pool, name, scsi_id)
    }

    /// The file with the volume's contents.
    ///
    /// # Errors
    ///
    /// The volume is missing.
    pub fn volume_path(&self, pool: &str, name: &str) -> Result<PathBuf> {
        self.service.model().volume_path(pool, name)
    }

    /// Creates an active target that all VIPs of the pool serve.
    ///
    /// # Errors
    ///
    /// The pool is missing, or the name is taken (in any pool) or not allowed.
    pub fn create_target(&self, pool: &str, target: &str) -> Result<()> {
        let new = NewTarget {
            name: target.to_owned(),
            active: true,
            incoming_users_active: false,
            vips: VipAllowed {
                enabled: false,
                assigned_vips: Vec::new(),
            },
            allow_ip: Vec::new(),
            deny_ip: Vec::new(),
            outgoing_user: None,
        };
        self.service.model().create_target(pool, new).map(drop)
    }

    /// Deletes a target with its LUNs.
    ///
    /// # Errors
    ///
    /// The target is missing, or an initiator is logged in.
    pub fn delete_target(&self, pool: &str, target: &str) -> Result<()> {
        self.service.model().delete_target(pool, target, true)
    }

    /// Switches a target on or off.
    ///
    /// # Errors
    ///
    /// The target is missing.
    pub fn set_target_active(&self, pool: &str, target: &str, active: bool) -> Result<()> {
        let change = TargetChange {
            active: Some(active),
            ..TargetChange::default()
        };
        self.service
            .model()
            .update_target(pool, target, change)
            .map(drop)
    }

    /// Lets only these VIPs serve a target.
    ///
    /// # Errors
    ///
    /// The target or a VIP is missing.
    pub fn set_target_vips(&self, pool: &str, target: &str, vips: &[&str]) -> Result<()> {
        let assigned_vips = vips.iter().map(|vip| (*vip).to_owned()).collect();
        let vips = Some(VipAllowed {
            enabled: true,
            assigned_vips,
        });
        let change = TargetChange {
            vips,
            ..TargetChange::default()
        };
        self.service
            .model()
            .update_target(pool, target, change)
            .map(drop)
    }

    /// Shows a volume on a target.
    ///
    /// # Errors
    ///
    /// The target or the volume is missing, the volume is shown already, or the number is taken.
    pub fn attach(&self, pool: &str, target: &str, volume: &str, lun: u16) -> Result<()> {
        self.attach_as(pool, target, volume, lun, "wt")
    }

    /// Shows a volume on a target to be read only.
    ///
    /// # Errors
    ///
    /// As with [`attach`](Self::attach).
    pub fn attach_read_only(&self, pool: &str, target: &str, volume: &str, lun: u16) -> Result<()> {
        self.attach_as(pool, target, volume, lun, "ro")
    }

    fn attach_as(
        &self,
        pool: &str,
        target: &str,
        volume: &str,
        lun: u16,
        mode: &str,
    ) -> Result<()> {
        let new = NewLun {
            volume: volume.to_owned(),
            number: lun,
            mode: mode.to_owned(),
            block_size: 512,
            scsi_id: None,
        };
        self.service.model().attach(pool, target, new).map(drop)
    }

    /// Takes a volume off a target, whoever uses it.
    ///
    /// # Errors
    ///
    /// The target is missing, or does not show the volume.
    pub fn detach(&self, pool: &str, target: &str, volume: &str) -> Result<()> {
        self.service.model().detach(pool, target, volume)
    }

    /// Another password of the REST API's user: the old one has expired. The routes below `/sim` keep theirs.
    pub fn set_password(&self, password: &str) {
        self.service.set_password(password);
    }

    /// Does what a request `METHOD /sim/WHAT` with this body does; the data of its answer, in JSON.
    ///
    /// # Errors
    ///
    /// There is no such route, the body is of another form, or the appliance refuses it.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_sim::Appliance;
    ///
    /// let appliance = Appliance::builder().pool("Pool-0").start()?;
    /// let fault = r#"{"method": "GET", "route": "/pools/{pool}", "every": 2, "fault": "no_data"}"#;
    /// appliance.control("POST", "fault", fault)?;
    /// assert_eq!(appliance.control("GET", "held", "")?, "0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn control(&self, method: &str, what: &str, body: &str) -> Result<String> {
        let done = control::carry_out(&self.service, method, what, body.as_bytes(), None);
        match done {
            Ok(answer) => Ok(answer.data.to_string()),
            Err(refusal) => Err(Error::Control {
                message: refusal.message(),
            }),
        }
    }
}
