//! The single calls for targets, LUNs and sessions.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::json;

use crate::call::{Call, Patience, done, maybe, told};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::model::{Attachment, Lun, Session, Target};
use crate::path;
use crate::pool::Pool;
use crate::remove::Silence;
use crate::transport::Method;

/// Attempts to change a target where answers say nothing.
const ROUNDS: u32 = 4;

impl Client {
    /// Asks where the volume with this physical name is attached, over all pools: one call.
    ///
    /// Volumes of one name can be in several pools.
    ///
    /// # Errors
    ///
    /// * Kind [`Unsupported`](ErrorKind::Unsupported): the appliance is too old for this.
    /// * Those that all calls have: see [`Pool`].
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// for place in client.attachments("v_vm-100-disk-0", deadline)? {
    ///     println!("pool {:?}, target {:?}, LUN {:?}", place.pool, place.target, place.lun);
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn attachments(&self, volume: &str, deadline: Instant) -> Result<Vec<Attachment>, Error> {
        let path = path::where_name("/san/iscsi/luns", volume);
        let what = format!("list the attachments of volume {volume}");
        let call = Call::new(
            Method::Get,
            path,
            what,
            "the global list of LUNs".to_owned(),
        );
        let all: Vec<Attachment> = match self.list(call.patience(Patience::List), deadline) {
            Err(Error::Api(mut error)) if error.kind == ErrorKind::Missing => {
                // Nothing in particular was asked for, so it is the question that is unknown.
                error.kind = ErrorKind::Unsupported;
                return Err(Error::Api(error));
            }
            result => result?,
        };
        let other = |a: &Attachment| a.volume.as_deref().is_some_and(|name| name != volume);
        Ok(all
            .into_iter()
            .filter(|attachment| !other(attachment))
            .collect())
    }
}

impl Client {
    /// Where the volume with this physical name is attached in a pool.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] or [`Error::AttachedTwice`]: which target it is
    /// must not be guessed.
    pub(crate) fn attached_in(
        &self,
        pool: &Pool,
        volume: &str,
        deadline: Instant,
    ) -> Result<Option<Attachment>, Error> {
        let all = self.attachments(volume, deadline)?;
        let is_ours = |a: &Attachment| a.pool.as_deref().is_none_or(|name| name == pool.name());
        let mut ours: Vec<Attachment> = all.into_iter().filter(is_ours).collect();
        if ours.iter().any(|a| a.pool.is_none() || a.target.is_none()) {
            let volume = volume.to_owned();
            return Err(Error::Incomplete { volume });
        }
        if ours.len() > 1 {
            return Err(Error::AttachedTwice {
                volume: volume.to_owned(),
                pool: pool.name().to_owned(),
                targets: ours.into_iter().filter_map(|a| a.target).collect(),
            });
        }
        Ok(ours.pop().map(|mut found| {
            if found.volume.is_none() {
                // Which LUN this describes is not said; the target itself tells.
                found.lun = None;
                found.scsi_id = None;
            }
            found
        }))
    }
}

impl Pool {
    fn target_text(&self, target: &str) -> String {
        format!("target {target} in {}", self.text())
    }

    /// Lists the targets of the pool: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such pool.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// for target in pool.targets(deadline)? {
    ///     println!("{} on {:?}", target.name, target.vips);
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn targets(&self, deadline: Instant) -> Result<Vec<Target>, Error> {
        let what = format!("list the targets of {}", self.text());
        let path = self.path(&["san", "iscsi", "targets"])?;
        let call = Call::new(Method::Get, path, what, self.text()).patience(Patience::List);
        self.client.list(call, deadline)
    }

    /// Reads a target: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let target = pool.target("iqn.2025-04.com.example:vm-100-0", deadline)?;
    /// println!("active: {}, CHAP: {}", target.active, target.chap);
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn target(&self, target: &str, deadline: Instant) -> Result<Target, Error> {
        let path = self.path(&["san", "iscsi", "targets", target])?;
        self.client.get(path, self.target_text(target), deadline)
    }

    /// Creates an active target without CHAP that serves on the VIPs of these names: one call.
    ///
    /// # Errors
    ///
    /// * Kind [`Exists`](ErrorKind::Exists): the name is taken, in this pool or another.
    /// * Kind [`Unsupported`](ErrorKind::Unsupported): the appliance is too old.
    /// * [`Error::LostReply`]: look whether it is there.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let vips = ["vip1".to_owned(), "vip2".to_owned()];
    /// pool.create_target("iqn.2025-04.com.example:vm-100-0", &vips, deadline)?;
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn create_target(
        &self,
        target: &str,
        vips: &[String],
        deadline: Instant,
    ) -> Result<(), Error> {
        self.create_target_with(target, vips, false, deadline)
    }

    /// The same, where `chap` says whether initiators must authenticate.
    pub(crate) fn create_target_with(
        &self,
        target: &str,
        vips: &[String],
        chap: bool,
        deadline: Instant,
    ) -> Result<(), Error> {
        let body = json!({
            "name": target,
            "active": true,
            "incoming_users_active": chap,
            "vip_allowed_portals": { "enabled": true, "assigned_vips": vips },
        });
        let subject = self.target_text(target);
        let path = self.path(&["san", "iscsi", "targets"])?;
        let call = Call::new(Method::Post, path, format!("create {subject}"), subject).body(&body);
        self.client.call(&call, deadline, done)
    }

    /// Sets the VIPs on which a target serves: one call, two where the answer says nothing. Sessions on a VIP that is left out break.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let vips = ["vip1".to_owned(), "vip2".to_owned()];
    /// pool.set_target_vips("iqn.2025-04.com.example:vm-100-0", &vips, deadline)?;
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn set_target_vips(
        &self,
        target: &str,
        vips: &[String],
        deadline: Instant,
    ) -> Result<(), Error> {
        let call = self.vip_change(target, vips)?;
        self.change_vips(&call, target, vips, deadline)
    }

    /// The same, allowed by a look just before; not repeated without another one.
    pub(crate) fn set_target_vips_after_look(
        &self,
        target: &str,
        vips: &[String],
        deadline: Instant,
    ) -> Result<(), Error> {
        let call = self.vip_change(target, vips)?.after_look();
        self.change_vips(&call, target, vips, deadline)
    }

    fn change_vips(
        &self,
        call: &Call,
        target: &str,
        vips: &[String],
        deadline: Instant,
    ) -> Result<(), Error> {
        let wanted: BTreeSet<&String> = vips.iter().collect();
        let serves = |target: &Target| match &target.vips {
            Some(vips) => vips.iter().collect::<BTreeSet<_>>() == wanted,
            None => false,
        };
        self.change_target(call, target, serves, deadline)
    }

    /// Changes a target. An answer that says nothing may mean that nothing was done: look.
    pub(crate) fn change_target(
        &self,
        call: &Call,
        target: &str,
        is_so: impl Fn(&Target) -> bool,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut round = 1;
        while !self.client.call(call, deadline, told)? {
            if is_so(&self.target(target, deadline)?) {
                break;
            }
            let again = call.may_repeat() && round < ROUNDS;
            if !again || !self.client.pause(round, deadline) {
                return Err(Error::NotSeen {
                    what: call.what.clone(),
                    found: "it as it was".to_owned(),
                });
            }
            round += 1;
        }
        Ok(())
    }

    fn vip_change(&self, target: &str, vips: &[String]) -> Result<Call, Error> {
        let body = json!({
            "name": target,
            "vip_allowed_portals": { "enabled": true, "assigned_vips": vips },
        });
        let subject = self.target_text(target);
        let what = format!("set the VIPs of {subject}");
        let path = self.path(&["san", "iscsi", "targets", target])?;
        Ok(Call::new(Method::Put, path, what, subject).body(&body))
    }

    /// Deletes a target, with its LUNs and sessions; false when it was not there: one call.
    ///
    /// May take minutes; what is not answered is looked at: gone is gone. To remove only what nobody uses, see
    /// [`delete_target_if_empty`](Client::delete_target_if_empty).
    ///
    /// # Errors
    ///
    /// As for all methods.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let was_there = pool.delete_target("iqn.2025-04.com.example:vm-100-0", deadline)?;
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn delete_target(&self, target: &str, deadline: Instant) -> Result<bool, Error> {
        let call = self.target_removal(target)?;
        self.remove_and_look(&call, Silence::Done, deadline)
    }

    /// The same, allowed by a look just before; not repeated without another one.
    pub(crate) fn delete_target_after_look(
        &self,
        target: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let call = self.target_removal(target)?.after_look();
        self.remove_and_look(&call, Silence::Done, deadline)
    }

    fn target_removal(&self, target: &str) -> Result<Call, Error> {
        let segments = ["san", "iscsi", "targets", target];
        self.removal(&segments, self.target_text(target))
    }

    /// Lists the sessions that initiators of all hosts have with a target: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// for session in pool.sessions("iqn.2025-04.com.example:vm-100-0", deadline)? {
    ///     println!("{session}");
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn sessions(&self, target: &str, deadline: Instant) -> Result<Vec<Session>, Error> {
        let subject = self.target_text(target);
        let what = format!("list the sessions of {subject}");
        let path = self.path(&["san", "iscsi", "targets", target, "sessions"])?;
        self.client
            .list(Call::new(Method::Get, path, what, subject), deadline)
    }

    /// Lists the LUNs of a target: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// for lun in pool.luns("iqn.2025-04.com.example:vm-100-0", deadline)? {
    ///     println!("{}: {}", lun.lun, lun.volume);
    /// }
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn luns(&self, target: &str, deadline: Instant) -> Result<Vec<Lun>, Error> {
        let subject = self.target_text(target);
        let what = format!("list the LUNs of {subject}");
        let path = self.path(&["san", "iscsi", "targets", target, "luns"])?;
        self.client
            .list(Call::new(Method::Get, path, what, subject), deadline)
    }

    fn lun_text(&self, target: &str, volume: &str) -> String {
        format!("the LUN of volume {volume} on {}", self.target_text(target))
    }

    /// Reads the LUN of the volume with this physical name: one call.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such target, or the
    /// volume is not attached to it.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let lun = pool.lun("iqn.2025-04.com.example:vm-100-0", "v_vm-100-disk-0", deadline)?;
    /// println!("number {}, SCSI ID {:?}", lun.lun, lun.scsi_id);
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn lun(&self, target: &str, volume: &str, deadline: Instant) -> Result<Lun, Error> {
        let path = self.path(&["san", "iscsi", "targets", target, "luns", volume])?;
        self.client
            .get(path, self.lun_text(target, volume), deadline)
    }

    /// Attaches the volume with this physical name to a target as LUN `lun`: one call.
    ///
    /// `None`: done, but the answer does not describe the LUN.
    ///
    /// # Errors
    ///
    /// * Kind [`Conflict`](ErrorKind::Conflict): the number is taken, or the
    ///   volume is attached, to this or another target.
    /// * Kind [`Missing`](ErrorKind::Missing): no such target, or no such volume.
    /// * [`Error::LostReply`]: look where it is attached.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// pool.attach("iqn.2025-04.com.example:vm-100-0", "v_vm-100-disk-0", 0, deadline)?;
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn attach(
        &self,
        target: &str,
        volume: &str,
        lun: u16,
        deadline: Instant,
    ) -> Result<Option<Lun>, Error> {
        let body = json!({ "name": volume, "lun": lun });
        let what = format!("attach volume {volume} to {}", self.target_text(target));
        let subject = format!("{}, or volume {volume},", self.target_text(target));
        let path = self.path(&["san", "iscsi", "targets", target, "luns"])?;
        let call = Call::new(Method::Post, path, what, subject).body(&body);
        self.client.call(&call, deadline, maybe::<Lun>)
    }

    /// Detaches a volume from a target; false when it was not attached there: one call.
    ///
    /// Whoever has a session loses the device at once: ask
    /// [`sessions`](Self::sessions) first.
    ///
    /// # Errors
    ///
    /// As for all methods.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// pool.detach("iqn.2025-04.com.example:vm-100-0", "v_vm-100-disk-0", deadline)?;
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn detach(&self, target: &str, volume: &str, deadline: Instant) -> Result<bool, Error> {
        let call = self.lun_removal(target, volume)?;
        self.remove_and_look(&call, Silence::Done, deadline)
    }

    /// The same, allowed by a look just before; not repeated without another one.
    pub(crate) fn detach_after_look(
        &self,
        target: &str,
        volume: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let call = self.lun_removal(target, volume)?.after_look();
        self.remove_and_look(&call, Silence::Done, deadline)
    }

    fn lun_removal(&self, target: &str, volume: &str) -> Result<Call, Error> {
        let segments = ["san", "iscsi", "targets", target, "luns", volume];
        self.removal(&segments, self.lun_text(target, volume))
    }
}
