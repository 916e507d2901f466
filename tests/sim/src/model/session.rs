//! iSCSI sessions, as the iSCSI side reports them and REST lists them.

use std::net::IpAddr;

use serde::Serialize;

use super::Model;
use crate::error::Result;

/// A session that an initiator has just opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionInfo {
    pub(crate) target: String,
    pub(crate) initiator: String,
    pub(crate) initiator_ip: IpAddr,
    /// The address of ours at which it logged in.
    pub(crate) portal_ip: IpAddr,
}

/// An iSCSI session that is open. One initiator has one for each of our addresses that it logged in to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Session {
    /// Unique among all sessions that this appliance ever had.
    pub sid: String,
    /// Name of the target, lower case.
    pub target: String,
    /// Name of the initiator as it gave it.
    pub initiator: String,
    /// Address from which the initiator came.
    pub initiator_ip: IpAddr,
    /// Address of ours at which it logged in.
    pub portal_ip: IpAddr,
}

impl Model {
    /// Registers a session; the name it goes by from now on.
    pub(crate) fn session_opened(&self, info: SessionInfo) -> String {
        let mut state = self.lock();
        // The shape that SCST shows: ISID and TSIH of the session in hexadecimal.
        let sid = format!("{:x}0200003d0200", 0x45e + state.next_serial());
        let session = Session {
            sid: sid.clone(),
            target: info.target.to_ascii_lowercase(),
            initiator: info.initiator,
            initiator_ip: info.initiator_ip,
            portal_ip: info.portal_ip,
        };
        state.sessions.insert(sid.clone(), session);
        sid
    }

    /// Forgets a session; one that is not known is ignored.
    pub(crate) fn session_closed(&self, sid: &str) {
        self.lock().sessions.remove(sid);
    }

    /// All sessions of the appliance.
    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.lock().sessions.values().cloned().collect()
    }

    /// The sessions of the targets of one pool.
    pub(crate) fn pool_sessions(&self, pool: &str) -> Result<Vec<Session>> {
        let state = self.lock();
        state.pool(pool)?;
        let ours = |session: &&Session| {
            state
                .targets
                .get(&session.target)
                .is_some_and(|t| t.pool == pool)
        };
        Ok(state.sessions.values().filter(ours).cloned().collect())
    }

    /// The sessions of one target.
    pub(crate) fn target_sessions(&self, pool: &str, target: &str) -> Result<Vec<Session>> {
        let state = self.lock();
        let name = &state.target(pool, target)?.name;
        Ok(state
            .sessions
            .values()
            .filter(|session| &session.target == name)
            .cloned()
            .collect())
    }
}
