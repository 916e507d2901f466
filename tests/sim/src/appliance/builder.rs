//! How an appliance is described and started.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use tempfile::TempDir;

use super::Appliance;
use super::heads::{Head, Heads};
use super::service::{Parts, Service};
use crate::error::Error;
use crate::model::{Lag, Model, NewVolume, Options, Vip};
use crate::rest::{BLOCK_SIZE, Firmware};

/// Size of a pool of which nothing else is said: 2 TiB.
const POOL_SIZE: u64 = 2 << 40;
/// How often another free port is tried when the one of the first address is taken at another.
const PORT_TRIES: usize = 50;

/// Describes an [`Appliance`].
///
/// Without further words it has no pool, serves REST at a free port of 127.0.0.1 to the user
/// `admin` with the password `secret`, and keeps its volumes in a temporary directory.
#[derive(Debug)]
#[must_use = "an appliance runs once it is started"]
pub struct Builder {
    pools: Vec<(String, u64, Head)>,
    vips: Vec<(String, Vip)>,
    volumes: Vec<(String, NewVolume)>,
    rest: Vec<(String, Head)>,
    /// Of what is described next.
    head: Head,
    data_port: u16,
    user: String,
    password: String,
    dir: Option<PathBuf>,
    log: Option<PathBuf>,
    firmware: Firmware,
    options: Options,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            pools: Vec::new(),
            vips: Vec::new(),
            volumes: Vec::new(),
            rest: Vec::new(),
            head: Head::default(),
            data_port: 0,
            user: "admin".to_owned(),
            password: "secret".to_owned(),
            dir: None,
            log: None,
            firmware: Firmware::default(),
            options: Options::default(),
        }
    }
}

impl Builder {
    /// Adds a pool of 2 TiB.
    pub fn pool(self, name: &str) -> Self {
        self.pool_of_size(name, POOL_SIZE)
    }

    /// Adds a pool of so many bytes.
    pub fn pool_of_size(mut self, name: &str, size: u64) -> Self {
        self.pools.push((name.to_owned(), size, self.head));
        self
    }

    /// Adds a virtual address to a pool. REST lists them in this order.
    pub fn vip(mut self, pool: &str, name: &str, address: IpAddr) -> Self {
        let netmask = if address.is_ipv4() {
            "255.255.255.0"
        } else {
            "64"
        }
        .to_owned();
        let vip = Vip {
            name: name.to_owned(),
            address,
            netmask,
        };
        self.vips.push((pool.to_owned(), vip));
        self
    }

    /// Adds a thin volume of so many bytes.
    pub fn volume(mut self, pool: &str, name: &str, size: u64) -> Self {
        self.volumes.push((pool.to_owned(), new_volume(name, size)));
        self
    }

    /// Adds an address of the REST API, `"127.0.0.1:0"` for example. Port 0 means a free one, the
    /// same for all addresses with port 0. Default: one, `127.0.0.1:0`.
    pub fn rest(mut self, address: &str) -> Self {
        self.rest.push((address.to_owned(), self.head));
        self
    }

    /// There are two heads, and the pools and REST addresses described from here on belong to the second one;
    /// what was described before, to the first. A REST address that is also a VIP belongs to the pool's
    /// head and [moves with it](Appliance::move_pool). At an address of a head, the pools of the other one are
    /// missing. Default: one head, which serves all pools at all addresses.
    pub fn second_head(mut self) -> Self {
        self.head = Head::Second;
        self
    }

    /// The port at which every VIP serves iSCSI. Default: 0, a free one.
    pub fn data_port(mut self, port: u16) -> Self {
        self.data_port = port;
        self
    }

    /// Who may use the REST API. Default: `admin` with `secret`.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        name.clone_into(&mut self.user);
        password.clone_into(&mut self.password);
        self
    }

    /// Where the volumes' contents are kept, `POOL/VOLUME` each. Volumes of an earlier run are not
    /// taken over: a new one of the same name begins empty. Default: a temporary directory.
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.dir = Some(path.into());
        self
    }

    /// A file to which requests, violations and SCSI commands are appended, one JSON object a line.
    pub fn log_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// Which generation of the appliance's software it runs. Default: [`Firmware::Classic`].
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// How many seconds its clocks are ahead of UTC: it writes dates in local time. Default: 0.
    pub fn utc_offset(mut self, seconds: i32) -> Self {
        self.options.utc_offset = seconds;
        self
    }

    /// Lets REST refuse to delete a target that has LUNs. Default: they go with it.
    pub fn keep_targets_with_luns(mut self) -> Self {
        self.options.keep_targets_with_luns = true;
        self
    }

    /// Lets REST show late what it has done. Default: at once. [`Appliance::set_lag`] changes it later.
    pub fn lag(mut self, lag: Lag) -> Self {
        self.options.lag = lag;
        self
    }

    /// Starts the appliance; it serves when this returns.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound (not of this host, taken, or not permitted), a directory
    /// that cannot be written, or a description that contradicts itself, such as a VIP of a pool
    /// that is not there (the error's source is then an [`Error`]).
    pub fn start(self) -> io::Result<Appliance> {
        let (dir, temporary) = match self.dir {
            Some(dir) => (dir, None),
            None => {
                let temporary = TempDir::with_prefix("jdss-sim-")?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let log = self
            .log
            .map(|path| File::options().create(true).append(true).open(path))
            .transpose()?;
        let model = Model::new(&dir, self.options);
        for (name, size, _) in &self.pools {
            model.add_pool(name, *size).map_err(other)?;
        }
        let mut portals: Vec<IpAddr> = Vec::new();
        for (pool, vip) in self.vips {
            if !portals.contains(&vip.address) {
                portals.push(vip.address);
            }
            model.add_vip(&pool, vip).map_err(other)?;
        }
        let heads = Heads::new(self.head == Head::Second);
        for (pool, _, head) in &self.pools {
            let vips = model.vips(pool).map_err(other)?;
            heads.add_pool(pool, *head, vips.iter().map(|vip| vip.address).collect());
        }
        for (pool, volume) in self.volumes {
            model.create_volume(&pool, volume).map_err(other)?;
        }
        let data = bind_same_port(&portals, self.data_port)?;
        let (addresses, mut rest_heads): (Vec<_>, Vec<_>) = self.rest.into_iter().unzip();
        let rest = bind_rest(&addresses)?;
        rest_heads.resize(rest.len(), Head::First); // One more if none was described.
        let parts = Parts {
            model,
            user: self.user,
            password: self.password,
            firmware: self.firmware,
            heads,
            rest_heads,
            log,
            temporary,
        };
        Ok(Appliance {
            service: Service::start(parts, rest, data)?,
        })
    }
}

fn bind_rest(addresses: &[String]) -> io::Result<Vec<TcpListener>> {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut wanted = Vec::new();
    for address in addresses {
        let bad = |_| {
            let text = format!("'{address}' is not ADDRESS:PORT");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        wanted.push(address.parse::<SocketAddr>().map_err(bad)?);
    }
    if wanted.is_empty() {
        wanted.push(default);
    }
    let free: Vec<IpAddr> = wanted
        .iter()
        .filter(|a| a.port() == 0)
        .map(SocketAddr::ip)
        .collect();
    let mut at_free = bind_same_port(&free, 0)?.into_iter();
    let mut bind = |address: &SocketAddr| match address.port() {
        0 => Ok(at_free.next()),
        _ => bind(*address).map(Some),
    };
    let bound: io::Result<Vec<_>> = wanted.iter().map(&mut bind).collect();
    Ok(bound?.into_iter().flatten().collect())
}

/// Listens on one port of several addresses; port 0 means one that is free on all of them.
fn bind_same_port(addresses: &[IpAddr], wanted: u16) -> io::Result<Vec<TcpListener>> {
    let mut tries = 0;
    loop {
        let mut bound: Vec<TcpListener> = Vec::new();
        let mut port = wanted;
        let mut failed = None;
        for address in addresses {
            match bind(SocketAddr::from((*address, port))) {
                Ok(listener) => {
                    port = listener.local_addr()?.port();
                    bound.push(listener);
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        tries += 1;
        match failed {
            None => return Ok(bound),
            Some(error) if error.kind() != io::ErrorKind::AddrInUse => return Err(error),
            Some(error) if wanted != 0 || tries == PORT_TRIES => return Err(error),
            Some(_) => {}
        }
    }
}

/// Binds one address; an error says which. A port that was asked for by number stays bound when the
/// socket no longer listens, one that the kernel chose does not: so a free one is looked up first.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let failed = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    };
    let mut wanted = address;
    if address.port() == 0 {
        let free = TcpListener::bind(address).and_then(|listener| listener.local_addr());
        wanted.set_port(free.map_err(failed)?.port());
    }
    TcpListener::bind(wanted).map_err(failed)
}

/// A volume as the administrator makes it: thin, with a SCSI ID of its own.
pub(super) fn new_volume(name: &str, size: u64) -> NewVolume {
    NewVolume {
        name: name.to_owned(),
        size,
        sparse: true,
        block_size: BLOCK_SIZE,
        scsi_id: None,
        properties: Default::default(),
    }
}

fn other(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
