//! iSCSI targets and who may log in to them.

use std::collections::BTreeMap;
use std::fmt;

use super::{Lun, Model, State};
use crate::error::{Error, Result};

/// Which VIPs serve a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VipAllowed {
    /// False: all VIPs of the pool serve it, whatever is assigned.
    pub(crate) enabled: bool,
    pub(crate) assigned_vips: Vec<String>,
}

/// A name and a password that initiators may authenticate with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A target of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) pool: String,
    /// Lower case; unique on the appliance.
    pub(crate) name: String,
    /// SCST's `rel_tgt_id`: the lowest number from 1 that no other target has.
    pub(crate) relative_port: u16,
    pub(crate) active: bool,
    pub(crate) incoming_users_active: bool,
    pub(crate) vips: VipAllowed,
    pub(crate) allow_ip: Vec<String>,
    pub(crate) deny_ip: Vec<String>,
    /// Name with which the target authenticates itself to initiators.
    pub(crate) outgoing_user: Option<User>,
    /// `None` until the first one is added: the API tells that apart from an empty list.
    pub(crate) users: Option<Vec<User>>,
    /// By number.
    pub(crate) luns: BTreeMap<u16, Lun>,
}

/// What a new target is to be like.
#[derive(Clone, Debug)]
pub(crate) struct NewTarget {
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) incoming_users_active: bool,
    pub(crate) vips: VipAllowed,
    pub(crate) allow_ip: Vec<String>,
    pub(crate) deny_ip: Vec<String>,
    pub(crate) outgoing_user: Option<User>,
}

/// What is to be different about a target; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetChange {
    pub(crate) active: Option<bool>,
    pub(crate) incoming_users_active: Option<bool>,
    pub(crate) vips: Option<VipAllowed>,
    pub(crate) allow_ip: Option<Vec<String>>,
    pub(crate) deny_ip: Option<Vec<String>>,
}

impl Model {
    /// All targets of a pool, sorted by name.
    pub(crate) fn pool_targets(&self, pool: &str) -> Result<Vec<Target>> {
        let state = self.lock();
        state.pool(pool)?;
        Ok(state
            .targets
            .values()
            .filter(|target| target.pool == pool)
            .cloned()
            .collect())
    }

    /// One target of a pool.
    pub(crate) fn pool_target(&self, pool: &str, name: &str) -> Result<Target> {
        self.lock().target(pool, name).cloned()
    }

    /// Creates a target without LUNs.
    pub(crate) fn create_target(&self, pool: &str, new: NewTarget) -> Result<Target> {
        let name = new.name.to_ascii_lowercase();
        check_iqn(&name)?;
        self.change(|state| {
            state.check_vips(pool, &new.vips)?;
            if let Some(old) = state.targets.get(&name) {
                return Err(Error::TargetExists {
                    target: name,
                    pool: old.pool.clone(),
                });
            }
            let target = Target {
                pool: pool.to_owned(),
                name: name.clone(),
                relative_port: state.free_relative_port(),
                active: new.active,
                incoming_users_active: new.incoming_users_active,
                vips: new.vips,
                allow_ip: new.allow_ip,
                deny_ip: new.deny_ip,
                outgoing_user: new.outgoing_user,
                users: None,
                luns: BTreeMap::new(),
            };
            state.targets.insert(name, target.clone());
            Ok(target)
        })
    }

    /// Changes a target. Sessions that are open stay.
    pub(crate) fn update_target(
        &self,
        pool: &str,
        name: &str,
        change: TargetChange,
    ) -> Result<Target> {
        self.change(|state| {
            if let Some(vips) = &change.vips {
                state.target(pool, name)?;
                state.check_vips(pool, vips)?;
            }
            let target = state.target_mut(pool, name)?;
            target.active = change.active.unwrap_or(target.active);
            target.incoming_users_active = change
                .incoming_users_active
                .unwrap_or(target.incoming_users_active);
            if let Some(vips) = change.vips {
                target.vips = vips;
            }
            if let Some(allow) = change.allow_ip {
                target.allow_ip = allow;
            }
            if let Some(deny) = change.deny_ip {
                target.deny_ip = deny;
            }
            Ok(target.clone())
        })
    }

    /// Deletes a target; refused while an initiator is logged in, as SCST does it, and while it has LUNs unless
    /// `with_luns` says that they go with it.
    pub(crate) fn delete_target(&self, pool: &str, name: &str, with_luns: bool) -> Result<()> {
        self.change(|state| {
            let target = state.target(pool, name)?;
            let (name, empty) = (target.name.clone(), target.luns.is_empty());
            if state
                .sessions
                .values()
                .any(|session| session.target == name)
            {
                return Err(Error::TargetBusy { target: name });
            }
            if !empty && !with_luns {
                return Err(Error::TargetHasLuns { target: name });
            }
            state.targets.remove(&name);
            Ok(())
        })
    }

    /// Adds an incoming user.
    pub(crate) fn add_user(&self, pool: &str, target: &str, user: User) -> Result<()> {
        check_user(&user)?;
        self.change(|state| {
            let users = state
                .target_mut(pool, target)?
                .users
                .get_or_insert_default();
            if users.iter().any(|old| old.name == user.name) {
                return Err(Error::UserExists { user: user.name });
            }
            users.push(user);
            Ok(())
        })
    }

    /// Removes an incoming user.
    pub(crate) fn remove_user(&self, pool: &str, target: &str, user: &str) -> Result<()> {
        self.change(|state| {
            let missing = || Error::UserMissing {
                user: user.to_owned(),
            };
            let users = state.target_mut(pool, target)?.users.as_mut();
            let users = users.ok_or_else(missing)?;
            let place = users.iter().position(|old| old.name == user);
            users.remove(place.ok_or_else(missing)?);
            Ok(())
        })
    }
}

impl State {
    fn free_relative_port(&self) -> u16 {
        let taken = |port: &u16| self.targets.values().any(|old| old.relative_port == *port);
        (1..=u16::MAX).find(|port| !taken(port)).unwrap_or(u16::MAX)
    }

    pub(super) fn target(&self, pool: &str, name: &str) -> Result<&Target> {
        self.pool(pool)?;
        let found = self
            .targets
            .get(&name.to_ascii_lowercase())
            .filter(|target| target.pool == pool);
        found.ok_or_else(|| Error::TargetMissing {
            target: name.to_owned(),
        })
    }

    pub(super) fn target_mut(&mut self, pool: &str, name: &str) -> Result<&mut Target> {
        self.pool(pool)?;
        let found = self
            .targets
            .get_mut(&name.to_ascii_lowercase())
            .filter(|target| target.pool == pool);
        found.ok_or_else(|| Error::TargetMissing {
            target: name.to_owned(),
        })
    }

    fn check_vips(&self, pool: &str, vips: &VipAllowed) -> Result<()> {
        let known = &self.pool(pool)?.vips;
        match vips
            .assigned_vips
            .iter()
            .find(|name| known.iter().all(|vip| vip.name != **name))
        {
            Some(name) => Err(Error::VipMissing {
                pool: pool.to_owned(),
                vip: name.clone(),
            }),
            None => Ok(()),
        }
    }
}

fn check_iqn(name: &str) -> Result<()> {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'-')
    };
    if !name.is_empty() && name.len() <= 223 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::InvalidIqn {
        name: name.to_owned(),
    })
}

fn check_user(user: &User) -> Result<()> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let name = user.name.as_bytes();
    let ends =
        name.first().is_some_and(|byte| word(*byte)) && name.last().is_some_and(|byte| word(*byte));
    if !ends || !name.iter().all(|byte| word(*byte) || *byte == b'-') {
        return Err(Error::InvalidUserName {
            user: user.name.clone(),
        });
    }
    let password = user.password.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_!@%()+?.:;".contains(byte);
    if !(12..=255).contains(&password.len()) || !password.iter().all(allowed) {
        return Err(Error::InvalidPassword {
            length: password.len(),
        });
    }
    Ok(())
}
