//! The single calls: one method, one resource.

use std::cell::Cell;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::client::{Call, Client, Patience};
use crate::decode::{self, Fault};
use crate::error::{Error, ErrorKind, ProtocolReason};
use crate::model::{Attachment, Lun, PoolInfo, Session, Target, Vip, Volume};
use crate::names::VolumeId;
use crate::path;
use crate::transport::{Method, Request};

/// One pool of the appliance; from [`Client::pool`].
///
/// Every method makes one call (two where it says so), blocks until the answer
/// is there and never beyond `deadline`. Calls that may be repeated are, a few
/// times, when the appliance fails in a way that passes.
///
/// All of them fail with the kinds [`Auth`](ErrorKind::Auth),
/// [`Unreachable`](ErrorKind::Unreachable), [`Untrusted`](ErrorKind::Untrusted),
/// [`Deadline`](ErrorKind::Deadline), [`Transient`](ErrorKind::Transient) and
/// [`Protocol`](ErrorKind::Protocol); the methods name only what is special.
#[derive(Debug, Clone)]
pub struct Pool<'a> {
    client: &'a Client,
    name: String,
}

/// A volume to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVolume {
    /// Its id.
    pub id: VolumeId,
    /// Its size, in bytes; rounded up to whole blocks.
    pub size: u64,
    /// Whether space is taken only as data is written.
    pub thin: bool,
    /// Its block size, in bytes: a power of two from 4 KiB to 1 MiB.
    pub block_size: u32,
}

impl NewVolume {
    /// The size as the volume will have it, in bytes.
    fn rounded(&self) -> u64 {
        let block = u64::from(self.block_size);
        self.size.div_ceil(block).saturating_mul(block)
    }

    fn block_name(&self) -> Result<String, Error> {
        match self.block_size {
            size if !size.is_power_of_two() => Err(Error::BlockSize { found: size }),
            size @ 0x1000..=0x8_0000 => Ok(format!("{}K", size >> 10)),
            0x10_0000 => Ok("1M".to_owned()),
            found => Err(Error::BlockSize { found }),
        }
    }
}

fn done(_: Value) -> Result<(), Fault> {
    Ok(())
}

/// The object that was made, where the answer has it.
fn maybe<T: DeserializeOwned>(data: Value) -> Result<Option<T>, Fault> {
    // Not worth a failure: it was made, and one can look at it.
    Ok(decode::object(data).ok())
}

impl Client {
    /// Asks where the volume with this physical name is attached, over all pools: one call.
    ///
    /// Volumes of one name can be in several pools.
    ///
    /// # Errors
    ///
    /// * Kind [`Unsupported`](ErrorKind::Unsupported): the appliance is too old for this.
    /// * Those that all calls have: see [`Pool`].
    pub fn attachments(&self, volume: &str, deadline: Instant) -> Result<Vec<Attachment>, Error> {
        let path = path::where_name("/san/iscsi/luns", volume);
        let what = format!("attachments of volume {volume}");
        let all = match self.list(path, Patience::List, what, deadline) {
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

    fn get<T: DeserializeOwned>(
        &self,
        path: String,
        resource: String,
        deadline: Instant,
    ) -> Result<T, Error> {
        let request = Request {
            method: Method::Get,
            path,
            body: None,
        };
        let call = Call {
            request,
            patience: Patience::Quick,
            verb: "read",
            resource,
        };
        self.call(&call, deadline, decode::object)
    }

    /// All entries of a list: one call, or one for each page where it comes in pages.
    fn list<T: DeserializeOwned>(
        &self,
        path: String,
        patience: Patience,
        resource: String,
        deadline: Instant,
    ) -> Result<Vec<T>, Error> {
        let request = Request {
            method: Method::Get,
            path: path.clone(),
            body: None,
        };
        let mut call = Call {
            request,
            patience,
            verb: "list",
            resource,
        };
        let first = self.call(&call, deadline, decode::page::<T>)?;
        let mut entries = first.entries;
        let Some(total) = first.total else {
            return Ok(entries);
        };
        let got = Cell::new(entries.len());
        let mut number = 1;
        while (got.get() as u64) < total {
            call.request.path = path::page(&path, number);
            let next = self.call(&call, deadline, |data| {
                let page = decode::page::<T>(data)?;
                if page.entries.is_empty() {
                    // Under load lists come back shortened: absent here means nothing.
                    let reason = ProtocolReason::Partial {
                        got: got.get(),
                        of: total,
                    };
                    return Err(Fault::Protocol(reason));
                }
                Ok(page)
            })?;
            entries.extend(next.entries);
            got.set(entries.len());
            number += 1;
        }
        Ok(entries)
    }
}

impl<'a> Pool<'a> {
    pub(crate) fn new(client: &'a Client, name: &str) -> Self {
        Self {
            client,
            name: name.to_owned(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self, segments: &[&str]) -> Result<String, Error> {
        path::path(&[&["pools", &self.name], segments].concat())
    }

    fn change(
        &self,
        method: Method,
        segments: &[&str],
        body: Option<&Value>,
        verb: &'static str,
        resource: String,
    ) -> Result<Call, Error> {
        let patience = match method {
            Method::Delete => Patience::Delete,
            _ => Patience::Quick,
        };
        let path = self.path(segments)?;
        let request = Request {
            method,
            path,
            body: body.map(Value::to_string),
        };
        Ok(Call {
            request,
            patience,
            verb,
            resource,
        })
    }

    /// Removes; false when it was not there.
    fn remove(
        &self,
        segments: &[&str],
        resource: String,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let call = self.change(Method::Delete, segments, None, "delete", resource)?;
        match self.client.call(&call, deadline, done) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn volume_text(&self, volume: &str) -> String {
        format!("volume {}/{volume}", self.name)
    }

    fn target_text(&self, target: &str) -> String {
        format!("target {target} in pool {}", self.name)
    }

    /// Reads size and health of the pool.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such pool here; on a
    /// cluster it may be on the other head.
    pub fn info(&self, deadline: Instant) -> Result<PoolInfo, Error> {
        self.client
            .get(self.path(&[])?, format!("pool {}", self.name), deadline)
    }

    /// Lists the virtual addresses of the pool.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such pool.
    pub fn vips(&self, deadline: Instant) -> Result<Vec<Vip>, Error> {
        self.client.list(
            self.path(&["vips"])?,
            Patience::Quick,
            format!("VIPs of pool {}", self.name),
            deadline,
        )
    }

    /// Reads a volume.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such volume.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// let id = "vm-100-disk-0".parse()?;
    /// match client.pool("Pool-0").volume(&id, Instant::now() + Duration::from_secs(20)) {
    ///     Ok(volume) => println!("{} bytes", volume.size),
    ///     Err(e) if e.kind() == jdss_rest::ErrorKind::Missing => println!("no such volume"),
    ///     Err(e) => return Err(e.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn volume(&self, id: &VolumeId, deadline: Instant) -> Result<Volume, Error> {
        self.volume_named(&id.physical_name(), deadline)
    }

    /// Reads the volume with this physical name, such as the export of a snapshot.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such volume.
    pub fn volume_named(&self, name: &str, deadline: Instant) -> Result<Volume, Error> {
        self.client.get(
            self.path(&["volumes", name])?,
            self.volume_text(name),
            deadline,
        )
    }

    /// Creates a volume: two calls, the first one looks whether it exists.
    ///
    /// When the answer is lost, or the appliance fails in a way that passes,
    /// the volume is looked for, and is ours when it has the size asked for:
    /// it was not there before. Callers that might create one name at the same
    /// time must hold a lock of their own.
    ///
    /// # Errors
    ///
    /// * Kind [`Exists`](ErrorKind::Exists): a volume or dataset has the name.
    /// * Kind [`NoSpace`](ErrorKind::NoSpace): the pool is full.
    /// * [`Error::BlockSize`]: no such block size.
    pub fn create_volume(&self, new: &NewVolume, deadline: Instant) -> Result<Volume, Error> {
        let name = new.id.physical_name();
        let exists = || Error::VolumeExists {
            volume: name.clone(),
            pool: self.name.clone(),
        };
        let block = new.block_name()?;
        let body = json!({
            "name": name,
            "size": new.rounded().to_string(),
            "sparse": new.thin,
            "blocksize": block,
        });
        let text = self.volume_text(&name);
        let call = self.change(Method::Post, &["volumes"], Some(&body), "create", text)?;
        if self.find_volume(&name, deadline)?.is_some() {
            return Err(exists());
        }
        let mut round = 1;
        loop {
            let error = match self.client.call(&call, deadline, maybe::<Volume>) {
                Ok(Some(volume)) => return Ok(volume),
                Ok(None) => return self.volume_named(&name, deadline),
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            match self.find_volume(&name, deadline)? {
                Some(volume) if volume.size == new.rounded() => return Ok(volume),
                Some(_) => return Err(exists()),
                None if round < 4 && self.client.pause(round, deadline) => round += 1,
                None => return Err(error),
            }
        }
    }

    fn find_volume(&self, name: &str, deadline: Instant) -> Result<Option<Volume>, Error> {
        match self.volume_named(name, deadline) {
            Ok(volume) => Ok(Some(volume)),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a volume that has neither snapshots nor clones; false when it was not there.
    ///
    /// May take minutes; blocks up to the deadline. Whether somebody uses the
    /// volume is for the caller to find out.
    ///
    /// # Errors
    ///
    /// Kind [`Busy`](ErrorKind::Busy): snapshots or clones depend on it.
    pub fn delete_volume(&self, id: &VolumeId, deadline: Instant) -> Result<bool, Error> {
        let name = id.physical_name();
        self.remove(&["volumes", &name], self.volume_text(&name), deadline)
    }

    /// Lists the targets of the pool.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such pool.
    pub fn targets(&self, deadline: Instant) -> Result<Vec<Target>, Error> {
        let text = format!("targets of pool {}", self.name);
        self.client.list(
            self.path(&["san", "iscsi", "targets"])?,
            Patience::List,
            text,
            deadline,
        )
    }

    /// Reads a target.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    pub fn target(&self, target: &str, deadline: Instant) -> Result<Target, Error> {
        let path = self.path(&["san", "iscsi", "targets", target])?;
        self.client.get(path, self.target_text(target), deadline)
    }

    /// Creates an active target without CHAP that serves on the VIPs of these names.
    ///
    /// # Errors
    ///
    /// * Kind [`Exists`](ErrorKind::Exists): the name is taken, in this pool or another.
    /// * Kind [`Unsupported`](ErrorKind::Unsupported): the appliance is too old.
    /// * [`Error::LostReply`]: look whether it is there.
    pub fn create_target(
        &self,
        target: &str,
        vips: &[String],
        deadline: Instant,
    ) -> Result<(), Error> {
        let body = json!({
            "name": target,
            "active": true,
            "incoming_users_active": false,
            "vip_allowed_portals": { "enabled": true, "assigned_vips": vips },
        });
        let text = self.target_text(target);
        let segments = ["san", "iscsi", "targets"];
        let call = self.change(Method::Post, &segments, Some(&body), "create", text)?;
        self.client.call(&call, deadline, done)
    }

    /// Sets the VIPs on which a target serves. Sessions on a VIP that is left out break.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    pub fn set_target_vips(
        &self,
        target: &str,
        vips: &[String],
        deadline: Instant,
    ) -> Result<(), Error> {
        let body = json!({
            "name": target,
            "vip_allowed_portals": { "enabled": true, "assigned_vips": vips },
        });
        let text = self.target_text(target);
        let segments = ["san", "iscsi", "targets", target];
        let call = self.change(Method::Put, &segments, Some(&body), "set the VIPs of", text)?;
        self.client.call(&call, deadline, done)
    }

    /// Deletes a target, with its LUNs and sessions; false when it was not there.
    ///
    /// May take minutes. To remove only what nobody uses, see
    /// [`delete_target_if_empty`](Client::delete_target_if_empty).
    ///
    /// # Errors
    ///
    /// As for all methods.
    pub fn delete_target(&self, target: &str, deadline: Instant) -> Result<bool, Error> {
        self.remove(
            &["san", "iscsi", "targets", target],
            self.target_text(target),
            deadline,
        )
    }

    /// Lists the sessions that initiators of all hosts have with a target.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    pub fn sessions(&self, target: &str, deadline: Instant) -> Result<Vec<Session>, Error> {
        let path = self.path(&["san", "iscsi", "targets", target, "sessions"])?;
        let text = format!("sessions of {}", self.target_text(target));
        self.client.list(path, Patience::Quick, text, deadline)
    }

    /// Lists the LUNs of a target.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): the pool has no such target.
    pub fn luns(&self, target: &str, deadline: Instant) -> Result<Vec<Lun>, Error> {
        let path = self.path(&["san", "iscsi", "targets", target, "luns"])?;
        self.client.list(
            path,
            Patience::Quick,
            format!("LUNs of {}", self.target_text(target)),
            deadline,
        )
    }

    fn lun_text(&self, target: &str, volume: &str) -> String {
        format!("the LUN of volume {volume} on {}", self.target_text(target))
    }

    /// Reads the LUN of the volume with this physical name.
    ///
    /// # Errors
    ///
    /// Kind [`Missing`](ErrorKind::Missing): there is no such target, or the
    /// volume is not attached to it.
    pub fn lun(&self, target: &str, volume: &str, deadline: Instant) -> Result<Lun, Error> {
        let path = self.path(&["san", "iscsi", "targets", target, "luns", volume])?;
        self.client
            .get(path, self.lun_text(target, volume), deadline)
    }

    /// Attaches the volume with this physical name to a target as LUN `lun`.
    ///
    /// `None`: done, but the answer does not describe the LUN.
    ///
    /// # Errors
    ///
    /// * Kind [`Conflict`](ErrorKind::Conflict): the number is taken, or the
    ///   volume is attached, to this or another target.
    /// * Kind [`Missing`](ErrorKind::Missing): no such target, or no such volume.
    /// * [`Error::LostReply`]: look where it is attached.
    pub fn attach(
        &self,
        target: &str,
        volume: &str,
        lun: u16,
        deadline: Instant,
    ) -> Result<Option<Lun>, Error> {
        let body = json!({ "name": volume, "lun": lun });
        let segments = ["san", "iscsi", "targets", target, "luns"];
        let text = self.lun_text(target, volume);
        let call = self.change(Method::Post, &segments, Some(&body), "create", text)?;
        self.client.call(&call, deadline, maybe::<Lun>)
    }

    /// Detaches a volume from a target; false when it was not attached there.
    ///
    /// Whoever has a session loses the device at once: ask
    /// [`sessions`](Self::sessions) first.
    ///
    /// # Errors
    ///
    /// As for all methods.
    pub fn detach(&self, target: &str, volume: &str, deadline: Instant) -> Result<bool, Error> {
        let segments = ["san", "iscsi", "targets", target, "luns", volume];
        self.remove(&segments, self.lun_text(target, volume), deadline)
    }
}
