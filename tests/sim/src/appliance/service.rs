//! The running appliance behind the handle: what it consists of, how it starts and ends.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use tempfile::TempDir;

use super::heads::{Head, Heads};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::rest::{
    Connections, Fault, Faults, Firmware, Identity, Log, Server, Trigger, hold, is_route, serve,
};

/// What a service is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) model: Model,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) firmware: Firmware,
    pub(super) heads: Heads,
    /// The head of each REST address.
    pub(super) rest_heads: Vec<Head>,
    pub(super) log: Option<File>,
    /// Removed at the end.
    pub(super) temporary: Option<TempDir>,
}

/// The running appliance. Its servers' threads hold it, and it holds the servers, until [`stop`](Self::stop).
#[derive(Debug)]
pub(crate) struct Service {
    model: Arc<Model>,
    log: Arc<Log>,
    faults: Faults,
    user: String,
    /// What a request has to bring; changes with the password.
    authorization: Mutex<String>,
    /// What a request below `/sim` has to bring.
    control: String,
    firmware: Firmware,
    heads: Arc<Heads>,
    identity: Identity,
    data: Data,
    servers: Mutex<Vec<Server>>,
    addresses: OnceLock<Vec<SocketAddr>>,
    stopping: Mutex<bool>,
    /// Told when the appliance ends, and when the faults are cleared.
    released: Condvar,
    /// Requests that a fault holds up now.
    held: AtomicUsize,
    temporary: Mutex<Option<TempDir>>,
}

impl Service {
    /// Starts to serve.
    pub(super) fn start(
        parts: Parts,
        rest: Vec<TcpListener>,
        data: Vec<TcpListener>,
    ) -> io::Result<Arc<Self>> {
        let mut names: Vec<IpAddr> = Vec::new();
        for listener in rest.iter().chain(&data) {
            names.push(listener.local_addr()?.ip());
        }
        let log = Arc::new(Log::default());
        if let Some(file) = parts.log {
            log.write_to(file);
        }
        let identity = Identity::new(&names)?;
        let model = Arc::new(parts.model);
        let control = authorization(&parts.user, &parts.password);
        let service = Arc::new(Self {
            data: Data::start(Arc::clone(&model), data, &log)?,
            model,
            log,
            faults: Faults::default(),
            user: parts.user,
            authorization: Mutex::new(control.clone()),
            control,
            firmware: parts.firmware,
            heads: Arc::new(parts.heads),
            identity,
            servers: Mutex::new(Vec::new()),
            addresses: OnceLock::new(),
            stopping: Mutex::new(false),
            released: Condvar::new(),
            held: AtomicUsize::new(0),
            temporary: Mutex::new(parts.temporary),
        });
        let mut addresses = Vec::new();
        let numbers = Arc::new(AtomicU64::new(0));
        for (listener, head) in rest.into_iter().zip(parts.rest_heads) {
            service.heads.add_address(listener.local_addr()?, head);
            let own = Arc::clone(&service);
            let server = Server::start(
                listener,
                &numbers,
                Arc::new(move |stream, arrival| {
                    serve(stream, &own.identity.config, arrival, &*own);
                }),
            );
            let started = server.map(|server| {
                addresses.push(server.address());
                service.servers().push(server);
            });
            if let Err(error) = started {
                service.stop();
                return Err(error);
            }
        }
        service.addresses.get_or_init(|| addresses);
        Ok(service)
    }

    /// Ends everything; waits until no thread is left.
    pub(super) fn stop(&self) {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.released.notify_all();
        let servers = std::mem::take(&mut *self.servers());
        for server in servers {
            drop(server.stop()); // Closing a socket that is closed already is no loss.
        }
        self.data.stop();
        drop(
            self.temporary
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(crate) fn heads(&self) -> &Arc<Heads> {
        &self.heads
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.identity.ca_pem
    }

    pub(crate) fn rest_addrs(&self) -> Vec<SocketAddr> {
        self.addresses.get().cloned().unwrap_or_default()
    }

    /// Closes the REST API at one address, or opens it again.
    pub(crate) fn set_rest_open(&self, address: SocketAddr, open: bool) -> Result<()> {
        let action = if open { "listen at" } else { "close" };
        self.at(address, |server| {
            if open { server.open() } else { server.close() }.map_err(|source| Error::Socket {
                action,
                address,
                source,
            })
        })
    }

    /// Answers nothing at one address any more, until [`set_rest_open`](Self::set_rest_open).
    pub(crate) fn silence_rest(&self, address: SocketAddr) -> Result<()> {
        self.at(address, |server| {
            server.silence().map_err(|source| Error::Socket {
                action: "listen at",
                address,
                source,
            })
        })
    }

    /// What came to one address.
    pub(crate) fn connections(&self, address: SocketAddr) -> Result<Connections> {
        self.at(address, |server| Ok(server.connections()))
    }

    fn at<T>(&self, address: SocketAddr, work: impl FnOnce(&mut Server) -> Result<T>) -> Result<T> {
        let mut servers = self.servers();
        let server = servers
            .iter_mut()
            .find(|server| server.address() == address);
        work(server.ok_or(Error::UnknownPortal {
            address: address.ip(),
        })?)
    }

    /// Another password for all requests but those below `/sim`.
    pub(crate) fn set_password(&self, password: &str) {
        *self.authorization() = authorization(&self.user, password);
    }

    /// Adds a fault of a route, if it could ever come true.
    pub(crate) fn add_fault(
        &self,
        method: &str,
        route: &str,
        trigger: Trigger,
        fault: Fault,
    ) -> Result<()> {
        if !is_route(method, route) {
            return Err(Error::UnknownRoute {
                method: method.to_owned(),
                route: route.to_owned(),
            });
        }
        if method != "GET" && fault.needs_get() {
            return Err(Error::UnfitFault {
                method: method.to_owned(),
            });
        }
        self.faults.add(method, route, trigger, fault, &self.model);
        Ok(())
    }

    /// Forgets the faults and lets go of the requests that they hold up.
    pub(crate) fn clear_faults(&self) {
        let _stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        self.faults.clear();
        self.released.notify_all();
    }

    /// How many requests a fault holds up now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    fn authorization(&self) -> MutexGuard<'_, String> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn servers(&self) -> MutexGuard<'_, Vec<Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn firmware(&self) -> Firmware {
        self.firmware
    }

    /// Is this what a request has to bring, below `/sim` or elsewhere?
    pub(super) fn admits(&self, authorization: Option<&str>, control: bool) -> bool {
        if control {
            authorization == Some(&self.control)
        } else {
            authorization == Some(&self.authorization())
        }
    }

    /// Waits for so long, or until the faults are no longer those of `clearings`; true if the appliance ends.
    pub(super) fn pause(&self, time: Duration, clearings: u64) -> bool {
        let _held = (!time.is_zero()).then(|| Held::new(&self.held));
        let stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .released
            .wait_timeout_while(stopping, time, |stopping| {
                !*stopping && self.faults.clearings() == clearings
            });
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until the faults are no longer those of `clearings`; false if the client has gone before.
    pub(super) fn hang_while(&self, clearings: u64, stream: &TcpStream) -> bool {
        let _held = Held::new(&self.held);
        hold(stream, &|| self.faults.clearings() == clearings)
    }
}

fn authorization(user: &str, password: &str) -> String {
    let credentials = format!("{user}:{password}");
    format!("Basic {}", BASE64.encode(credentials.as_bytes()))
}

/// Counts a request while it is held up.
struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
