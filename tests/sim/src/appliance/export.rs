//! What an initiator would find, asked without logging in.

use std::net::IpAddr;
use std::sync::Arc;

use super::Appliance;

/// A LUN as an initiator would find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its number.
    pub lun: u16,
    /// 16 characters, of which the first 8 make the EUI-64.
    pub scsi_id: String,
    /// In bytes.
    pub size: u64,
}

impl Appliance {
    /// A function that tells which LUNs a target shows at an address, or `None` where a login
    /// would be refused. It joins a pretend host to this appliance, and may outlive it.
    pub fn exports(&self) -> impl Fn(&str, IpAddr) -> Option<Vec<Export>> + Send + Sync + 'static {
        let model = Arc::clone(self.service.model());
        move |target, address| {
            let view = model.target(target)?;
            let open = view.active && view.addresses.contains(&address) && !view.luns.is_empty();
            open.then(|| {
                view.luns
                    .iter()
                    .map(|lun| Export {
                        lun: lun.lun,
                        scsi_id: lun.scsi_id.clone(),
                        size: lun.volume.size(),
                    })
                    .collect()
            })
        }
    }
}
