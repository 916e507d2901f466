//! What the iSCSI side serves: targets with their addresses and LUNs, as they are at one instant.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Model, State, Target, User, Volume};

/// A target at one instant.
#[derive(Clone, Debug)]
pub(crate) struct TargetView {
    pub(crate) name: String,
    /// SCST's `rel_tgt_id`: the relative target port in VPD page 83, the same at every address.
    pub(crate) relative_port: u16,
    /// False: the appliance's administrator switched it off.
    pub(crate) active: bool,
    /// The addresses of the VIPs at which it may be reached, in the order in which the pool lists them.
    pub(crate) addresses: Vec<IpAddr>,
    /// Sorted by number.
    pub(crate) luns: Vec<LunView>,
    /// Initiators have to authenticate themselves as one of `incoming_users`.
    pub(crate) incoming_users_active: bool,
    pub(crate) incoming_users: Vec<User>,
}

/// A LUN at one instant.
#[derive(Clone, Debug)]
pub(crate) struct LunView {
    pub(crate) lun: u16,
    pub(crate) volume: Arc<Volume>,
    /// 16 characters, of which the first 8 make the EUI-64 (SCST's `t10_dev_id`).
    pub(crate) scsi_id: String,
    /// Differs each time that a volume is attached.
    pub(crate) attachment: u64,
    pub(crate) read_only: bool,
    /// 512 or 4096 bytes.
    pub(crate) block_size: u32,
}

impl Model {
    /// The target of this name (compared in lower case), if there is one.
    pub(crate) fn target(&self, iqn: &str) -> Option<TargetView> {
        let state = self.lock();
        state
            .targets
            .get(&iqn.to_ascii_lowercase())
            .map(|target| view(&state, target))
    }

    /// All targets of all pools, sorted by name.
    pub(crate) fn targets(&self) -> Vec<TargetView> {
        let state = self.lock();
        state
            .targets
            .values()
            .map(|target| view(&state, target))
            .collect()
    }
}

fn view(state: &State, target: &Target) -> TargetView {
    let vips = state
        .pools
        .get(&target.pool)
        .map_or(&[][..], |pool| &pool.vips[..]);
    let allowed = |name: &String| !target.vips.enabled || target.vips.assigned_vips.contains(name);
    TargetView {
        name: target.name.clone(),
        relative_port: target.relative_port,
        active: target.active,
        addresses: vips
            .iter()
            .filter(|vip| allowed(&vip.name))
            .map(|vip| vip.address)
            .collect(),
        luns: target
            .luns
            .values()
            .map(|lun| LunView {
                lun: lun.number,
                volume: Arc::clone(&lun.volume),
                scsi_id: lun.scsi_id.clone(),
                attachment: lun.attachment,
                read_only: lun.mode == "ro" || lun.volume.read_only(),
                block_size: lun.block_size,
            })
            .collect(),
        incoming_users_active: target.incoming_users_active,
        incoming_users: target.users.clone().unwrap_or_default(),
    }
}
