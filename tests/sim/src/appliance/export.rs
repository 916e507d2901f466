//! What an initiator would find, asked without logging in.

use std::net::IpAddr;
use std::sync::Arc;

use super::Appliance;
use crate::error::Result;
use crate::model::SessionInfo;

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
        let heads = Arc::clone(self.service.heads());
        move |target, address| {
            let view = model.target(target)?;
            let here = !heads.is_moving(address);
            let open =
                here && view.active && view.addresses.contains(&address) && !view.luns.is_empty();
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

    /// Shows a session of an initiator without a connection, as if it had logged in at the address `at` of ours; its
    /// id, for [`log_out`](Self::log_out). For hosts that are pretended, or elsewhere.
    ///
    /// # Errors
    ///
    /// No pool has this target.
    pub fn log_in(
        &self,
        target: &str,
        initiator: &str,
        from: IpAddr,
        at: IpAddr,
    ) -> Result<String> {
        let model = self.service.model();
        if model.target(target).is_none() {
            return Err(crate::error::Error::TargetMissing {
                target: target.to_owned(),
            });
        }
        Ok(model.session_opened(SessionInfo {
            target: target.to_owned(),
            initiator: initiator.to_owned(),
            initiator_ip: from,
            portal_ip: at,
        }))
    }

    /// Ends a session that [`log_in`](Self::log_in) began.
    pub fn log_out(&self, id: &str) {
        self.service.model().session_closed(id);
    }
}
