//! On which VIPs the volume is to be reached, and that the target serves them.

use std::net::IpAddr;

use super::work::{Look, Work};
use crate::error::{Error, ErrorKind};
use crate::model::{Target, Vip};

/// Looks at a pool without any VIP: a pool that just moved shows none for a moment.
const VIP_LOOKS: u32 = 3;

/// The VIPs of the pool, and those of them that are data addresses.
#[derive(Debug, Clone)]
pub(super) struct Vips {
    all: Vec<Vip>,
    wanted: Vec<Wanted>,
    /// Read by this very publication, not remembered.
    fresh: bool,
}

/// A VIP that is a data address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    name: String,
    address: IpAddr,
}

impl Vips {
    fn new(all: Vec<Vip>, addresses: &[IpAddr], fresh: bool) -> Self {
        let mut wanted: Vec<Wanted> = Vec::new();
        for &address in addresses {
            let vip = all.iter().find(|vip| vip.ip() == Some(address));
            if let Some(vip) = vip.filter(|_| wanted.iter().all(|w| w.address != address)) {
                let name = vip.name.clone();
                wanted.push(Wanted { name, address });
            }
        }
        Self { all, wanted, fresh }
    }

    /// The names for the target.
    pub(super) fn names(&self) -> Vec<String> {
        self.wanted.iter().map(|vip| vip.name.clone()).collect()
    }

    fn wants(&self, name: &str) -> bool {
        self.wanted.iter().any(|vip| vip.name == name)
    }

    /// Whether a VIP of this name exists, as far as is known.
    fn knows(&self, name: &str) -> bool {
        !self.fresh || self.all.iter().any(|vip| vip.name == name)
    }
}

impl Work<'_> {
    /// The VIPs, remembered or read.
    pub(super) fn vips(&mut self) -> Result<Vips, Error> {
        if let Some(vips) = &self.vips {
            return Ok(vips.clone());
        }
        let addresses = &self.request.data_addresses;
        let known = self.client.vip_memory().get(self.pool.name());
        let known = known.map(|all| Vips::new(all, addresses, false));
        match known.filter(|vips| !vips.wanted.is_empty()) {
            Some(vips) => {
                self.vips = Some(vips.clone());
                Ok(vips)
            }
            None => self.read_vips(),
        }
    }

    fn read_vips(&mut self) -> Result<Vips, Error> {
        let mut look = 1;
        let all = loop {
            let all = self.pool.vips(self.deadline)?;
            if !all.is_empty() || look >= VIP_LOOKS || !self.client.pause(look, self.deadline) {
                break all;
            }
            look += 1;
        };
        let vips = Vips::new(all, &self.request.data_addresses, true);
        if vips.wanted.is_empty() {
            return Err(Error::NoVip {
                pool: self.pool.name().to_owned(),
                wanted: self.request.data_addresses.clone(),
                found: vips.all,
            });
        }
        self.client
            .vip_memory()
            .set(self.pool.name(), vips.all.as_slice());
        self.vips = Some(vips.clone());
        Ok(vips)
    }

    /// Reads the VIPs again where `error` can be due to remembered ones; false when it cannot.
    pub(super) fn vips_were_old(&mut self, error: &Error) -> Result<bool, Error> {
        let refused = matches!(
            error.kind(),
            ErrorKind::Invalid | ErrorKind::Missing | ErrorKind::Other
        );
        if !refused || self.vips.as_ref().is_none_or(|vips| vips.fresh) {
            return Ok(false);
        }
        self.read_vips()?;
        Ok(true)
    }

    /// Makes a target of the group serve the wanted VIPs.
    ///
    /// Others are taken away only while nobody has a session: it would break
    /// those that go through them.
    pub(super) fn serve(&mut self, mut target: Target) -> Result<Look<Target>, Error> {
        loop {
            let vips = self.vips()?;
            let Some(allowed) = &target.vips else {
                return Ok(Look::Done(target));
            };
            let missing = vips
                .names()
                .into_iter()
                .any(|name| !allowed.contains(&name));
            let surplus = allowed.iter().any(|name| !vips.wants(name));
            let idle = match surplus.then(|| self.is_idle(&target.name)) {
                None => false,
                Some(Ok(idle)) => idle,
                Some(Err(error)) if error.kind() == ErrorKind::Missing => {
                    return Ok(Look::Again(error));
                }
                Some(Err(error)) => return Err(error),
            };
            if idle && !vips.fresh {
                // One that was added lately is not surplus: only a new list tells.
                self.read_vips()?;
                continue;
            }
            if !missing && !idle {
                return Ok(Look::Done(target));
            }
            let mut serves = vips.names();
            if !idle {
                // The order is kept. A name that no VIP has any more serves nobody.
                let old = allowed.iter().filter(|name| vips.knows(name));
                let mut all: Vec<String> = old.cloned().collect();
                serves.retain(|name| !all.contains(name));
                all.append(&mut serves);
                serves = all;
            }
            let (name, until) = (&target.name, self.deadline);
            let set = match idle {
                true => self.pool.set_target_vips_after_look(name, &serves, until),
                false => self.pool.set_target_vips(name, &serves, until),
            };
            match set {
                Ok(()) => {
                    target.vips = Some(serves);
                    return Ok(Look::Done(target));
                }
                Err(error) if self.vips_were_old(&error)? => {}
                Err(error) if error.kind() == ErrorKind::Missing => return Ok(Look::Again(error)),
                // Who is logged in has to be asked again.
                Err(error)
                    if idle
                        && matches!(
                            error.kind(),
                            ErrorKind::Transient | ErrorKind::Unreachable
                        ) =>
                {
                    return Ok(Look::Again(error));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where a host can log in to the target, in the order of the data addresses.
    pub(super) fn portals(&mut self, target: &Target) -> Result<Vec<IpAddr>, Error> {
        let allowed = |vip: &Wanted| {
            let names = target.vips.as_ref();
            names.is_none_or(|names| names.contains(&vip.name))
        };
        let wanted = self.vips()?.wanted.into_iter();
        let portals: Vec<IpAddr> = wanted.filter(allowed).map(|vip| vip.address).collect();
        if portals.is_empty() {
            return Err(Error::VipNotAllowed {
                target: target.name.clone(),
                wanted: self.request.data_addresses.clone(),
                allowed: target.vips.clone().unwrap_or_default(),
            });
        }
        Ok(portals)
    }

    /// Whether no initiator at all has a session with the target.
    pub(super) fn is_idle(&self, target: &str) -> Result<bool, Error> {
        let sessions = self.pool.sessions(target, self.deadline)?;
        Ok(sessions.is_empty())
    }
}
