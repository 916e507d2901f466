//! Two heads that share the pools: which of them serves what, and how a pool moves with its addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Appliance, Service};
use crate::error::{Error, Result};

/// One of the two heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Head {
    #[default]
    First,
    Second,
}

impl Head {
    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// Who serves what.
#[derive(Debug)]
pub(crate) struct Heads {
    /// False: there is one head, which has all pools.
    two: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where each pool is.
    pools: BTreeMap<String, Place>,
    /// The VIPs of each pool.
    vips: BTreeMap<String, Vec<IpAddr>>,
    /// The head of each REST address that is no VIP.
    own: BTreeMap<SocketAddr, Head>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    At(Head),
    /// On its way. Connections with lower numbers are those of the head that it has left.
    Moving {
        to: Head,
        before: u64,
    },
}

impl Heads {
    /// One head, or two, without pools and addresses yet.
    pub(super) fn new(two: bool) -> Self {
        Self {
            two,
            state: Mutex::default(),
        }
    }

    /// Says where a pool is, and which addresses move with it.
    pub(super) fn add_pool(&self, name: &str, head: Head, vips: Vec<IpAddr>) {
        let mut state = self.lock();
        state.pools.insert(name.to_owned(), Place::At(head));
        state.vips.insert(name.to_owned(), vips);
    }

    /// Says whose address this is; nothing if it is a VIP.
    pub(super) fn add_address(&self, address: SocketAddr, head: Head) {
        let mut state = self.lock();
        if !state.vips.values().any(|vips| vips.contains(&address.ip())) {
            state.own.insert(address, head);
        }
    }

    /// Does the head that is asked at this address have the pool?
    pub(super) fn shows(&self, local: SocketAddr, pool: &str) -> bool {
        let state = self.lock();
        let asked = state.own.get(&local).copied().or_else(|| {
            let vips = state.vips.iter();
            let mut with = vips.filter(|(_, vips)| vips.contains(&local.ip()));
            with.find_map(|(pool, _)| state.head_of(pool))
        });
        asked.is_some() && state.head_of(pool) == asked
    }

    /// Does this address go with the pool?
    pub(crate) fn is_vip(&self, pool: &str, address: IpAddr) -> bool {
        let state = self.lock();
        state
            .vips
            .get(pool)
            .is_some_and(|vips| vips.contains(&address))
    }

    /// Is this the address of a pool on its way?
    pub(super) fn is_moving(&self, address: IpAddr) -> bool {
        let state = self.lock();
        let mut moving = state
            .vips
            .iter()
            .filter(|(pool, _)| state.head_of(pool).is_none());
        moving.any(|(_, vips)| vips.contains(&address))
    }

    /// Takes a pool from its head; the addresses that go with it.
    fn leave(&self, pool: &str, before: u64) -> Result<Vec<IpAddr>> {
        if !self.two {
            return Err(Error::OneHead);
        }
        let mut state = self.lock();
        let head = state.head(pool)?.ok_or_else(|| Error::PoolMoving {
            pool: pool.to_owned(),
        })?;
        let to = head.other();
        state
            .pools
            .insert(pool.to_owned(), Place::Moving { to, before });
        Ok(state.vips.get(pool).cloned().unwrap_or_default())
    }

    /// Gives a pool to the head that it is on its way to; its addresses, and the number of the first
    /// connection since it left.
    fn arrive(&self, pool: &str) -> Result<(Vec<IpAddr>, u64)> {
        let mut state = self.lock();
        state.head(pool)?;
        let Some(Place::Moving { to, before }) = state.pools.get(pool).copied() else {
            return Err(Error::PoolNotMoving {
                pool: pool.to_owned(),
            });
        };
        state.pools.insert(pool.to_owned(), Place::At(to));
        Ok((state.vips.get(pool).cloned().unwrap_or_default(), before))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn head_of(&self, pool: &str) -> Option<Head> {
        match self.pools.get(pool) {
            Some(Place::At(head)) => Some(*head),
            _ => None,
        }
    }

    /// The head of a pool, if it is not on its way.
    fn head(&self, pool: &str) -> Result<Option<Head>> {
        if self.pools.contains_key(pool) {
            Ok(self.head_of(pool))
        } else {
            Err(Error::PoolMissing {
                pool: pool.to_owned(),
            })
        }
    }
}

/// What clients meet at the addresses of a pool that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    Silence,
    Refusal,
}

impl Service {
    /// Takes a pool and its addresses from its head.
    pub(crate) fn move_pool(&self, pool: &str, meanwhile: Meanwhile) -> Result<()> {
        let mut servers = self.servers();
        let before = servers.first().map_or(0, |server| server.next_connection());
        let vips = self.heads().leave(pool, before)?;
        let of_pool = |address: SocketAddr| vips.contains(&address.ip());
        for server in servers
            .iter_mut()
            .filter(|server| of_pool(server.address()))
        {
            let address = server.address();
            match meanwhile {
                Meanwhile::Silence => server.silence(),
                Meanwhile::Refusal => server.close(),
            }
            .map_err(|source| Error::Socket {
                action: "take away",
                address,
                source,
            })?;
        }
        drop(servers);
        for vip in &vips {
            match meanwhile {
                Meanwhile::Silence => self.data().leave(*vip),
                Meanwhile::Refusal => self.data().set_open(*vip, false)?,
            }
        }
        // Those of pretended hosts, which have no connection.
        let sessions = self.model().sessions().into_iter();
        for session in sessions.filter(|session| vips.contains(&session.portal_ip)) {
            self.model().session_closed(&session.sid);
        }
        Ok(())
    }

    /// Lets the other head serve a pool that was taken from its own.
    pub(crate) fn arrive(&self, pool: &str) -> Result<()> {
        let mut servers = self.servers();
        let (vips, before) = self.heads().arrive(pool)?;
        for vip in &vips {
            self.data().set_open(*vip, true)?;
        }
        for server in servers
            .iter_mut()
            .filter(|server| vips.contains(&server.address().ip()))
        {
            let address = server.address();
            // This head does not know the connections of the other one.
            server.cut_before(before);
            server.open().map_err(|source| Error::Socket {
                action: "listen at",
                address,
                source,
            })?;
        }
        Ok(())
    }
}

/// Two heads.
impl Appliance {
    /// Takes a pool from its head, with its VIPs. Until [`arrive`](Self::arrive), no head has the pool, its iSCSI
    /// sessions are cut, and nothing is answered at its VIPs, neither REST nor iSCSI: connections seem to be made there,
    /// and those that were there stay dumb.
    ///
    /// # Errors
    ///
    /// There is [one head](crate::Error::OneHead) only, or the pool is missing or on its way already.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_sim::Appliance;
    ///
    /// let appliance = Appliance::builder()
    ///     .pool("Pool-0")
    ///     .vip("Pool-0", "vip1", "127.0.0.2".parse()?)
    ///     .rest("127.0.0.2:0") // a VIP: it goes with the pool
    ///     .rest("127.0.0.1:0") // the first head's own
    ///     .second_head()
    ///     .rest("127.0.0.3:0") // the second head's own
    ///     .start()?;
    /// appliance.move_pool("Pool-0")?;
    /// appliance.arrive("Pool-0")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn move_pool(&self, pool: &str) -> Result<()> {
        self.service.move_pool(pool, Meanwhile::Silence)
    }

    /// As [`move_pool`](Self::move_pool), but connections to the pool's VIPs are cut and refused meanwhile.
    ///
    /// # Errors
    ///
    /// As with [`move_pool`](Self::move_pool).
    pub fn move_pool_refusing(&self, pool: &str) -> Result<()> {
        self.service.move_pool(pool, Meanwhile::Refusal)
    }

    /// Lets the other head serve a pool that is on its way. REST connections of before are cut.
    ///
    /// # Errors
    ///
    /// The pool is missing or not on its way.
    pub fn arrive(&self, pool: &str) -> Result<()> {
        self.service.arrive(pool)
    }
}

/// What the other head does not have is taken off a list whose entries name their pool.
pub(super) fn visible(list: &mut serde_json::Value, shows: impl Fn(&str) -> bool) {
    if let Some(entries) = list.as_array_mut() {
        entries.retain(|entry| entry["pool"].as_str().is_none_or(&shows));
    }
}
