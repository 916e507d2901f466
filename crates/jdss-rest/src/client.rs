//! The client: which address to ask, how long, and how often.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::Value;

use crate::call::{Call, Patience};
use crate::decode::{self, Fault};
use crate::error::{ApiError, Attempts, Error, ProtocolReason};
use crate::https::{Credentials, Https, Tls};
use crate::pool::Pool;
use crate::transport::{Limits, Reply, Transport, TransportError};
use crate::vips::{VIP_MEMORY, VipMemory};

/// Tries of a call that may be repeated, when the appliance fails in a way that passes.
const TRIES: u32 = 5;
/// Tries of one address when a connection breaks, which an idle one may do at any time.
const TRIES_BROKEN: u32 = 2;

/// A client of one appliance.
///
/// Cheap to clone; clones share connections and what was learned about the
/// addresses. All calls block, none longer than the deadline it is given (and
/// the few milliseconds that the system needs to notice).
///
/// # Example
///
/// ```no_run
/// use std::time::{Duration, Instant};
/// use jdss_rest::{Client, Tls};
///
/// let client = Client::builder(vec!["10.1.0.11".parse()?, "10.2.0.11".parse()?])
///     .credentials("admin", "secret".to_owned().into())
///     .tls(Tls::CaFile("/etc/jdss/ca.pem".into()))
///     .build()?;
/// let deadline = Instant::now() + Duration::from_secs(20);
/// let volume = client.pool("Pool-0").volume(&"vm-100-disk-0".parse()?, deadline)?;
/// println!("{} bytes", volume.size);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    transport: Box<dyn Transport>,
    addresses: Vec<SocketAddr>,
    /// Index of the address that answered last.
    preferred: AtomicUsize,
    connect: Duration,
    outage: Duration,
    pause: Duration,
    vips: VipMemory,
}

/// Makes a [`Client`].
pub struct Builder {
    addresses: Vec<IpAddr>,
    port: u16,
    credentials: Option<Credentials>,
    tls: Tls,
    connect: Duration,
    outage: Duration,
    pause: Duration,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("addresses", &self.addresses)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Sets the TCP port of the REST API, the same on all addresses. Default: 82.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets user and password. Default: none, which an appliance refuses.
    #[must_use]
    pub fn credentials(mut self, user: &str, password: SecretString) -> Self {
        self.credentials = Some(Credentials {
            user: user.to_owned(),
            password,
        });
        self
    }

    /// Sets how certificates are checked. Default: [`Tls::WebPki`].
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sets how long a connection may take, TLS included. Default: 2 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// Sets how long to go on trying while no address answers at all. Default: not at all.
    ///
    /// A pool that moves to the other head takes its addresses along, which
    /// lasts one to two minutes. The deadline of a call bounds this as well.
    #[must_use]
    pub fn outage(mut self, limit: Duration) -> Self {
        self.outage = limit;
        self
    }

    /// Sets the pause before the first repetition; later ones are longer. Default: 250 ms.
    #[must_use]
    pub fn retry_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Makes the client. Does not connect yet.
    ///
    /// # Errors
    ///
    /// * [`Error::NoAddress`]: give at least one address.
    /// * [`Error::BadUser`]: the user name contains a colon.
    /// * [`Error::CaFile`], [`Error::BadCa`]: the certificates cannot be read.
    pub fn build(mut self) -> Result<Client, Error> {
        if self
            .credentials
            .as_ref()
            .is_some_and(|c| c.user.contains(':'))
        {
            return Err(Error::BadUser);
        }
        if self.addresses.is_empty() {
            return Err(Error::NoAddress);
        }
        let transport = Https::new(&self.tls, self.credentials.take())?;
        self.build_with(transport)
    }

    /// Makes a client that speaks through `transport`; credentials and TLS settings are not used.
    ///
    /// # Errors
    ///
    /// [`Error::NoAddress`]: give at least one address.
    pub fn build_with(self, transport: impl Transport + 'static) -> Result<Client, Error> {
        if self.addresses.is_empty() {
            return Err(Error::NoAddress);
        }
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in self.addresses {
            let address = SocketAddr::new(address, self.port);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(Client {
            inner: Arc::new(Inner {
                transport: Box::new(transport),
                addresses,
                preferred: AtomicUsize::new(0),
                connect: self.connect,
                outage: self.outage,
                pause: self.pause,
                vips: VipMemory::new(VIP_MEMORY),
            }),
        })
    }
}

impl Client {
    /// Starts a client of the appliance that has these control addresses.
    ///
    /// On a cluster use VIPs: they stay with the pool. They are tried in
    /// order; the one that answered last is asked first from then on.
    #[must_use]
    pub fn builder(addresses: Vec<IpAddr>) -> Builder {
        Builder {
            addresses,
            port: 82,
            credentials: None,
            tls: Tls::default(),
            connect: Duration::from_secs(2),
            outage: Duration::ZERO,
            pause: Duration::from_millis(250),
        }
    }

    /// The pool of this name. Asks nothing yet.
    #[must_use]
    pub fn pool(&self, name: &str) -> Pool {
        Pool::new(self, name)
    }

    /// The VIPs that were read lately; shared by all clones.
    pub(crate) fn vip_memory(&self) -> &VipMemory {
        &self.inner.vips
    }

    /// Asks, and decodes the answer.
    pub(crate) fn call<T>(
        &self,
        call: &Call,
        deadline: Instant,
        decode: impl Fn(Value) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let mut tries = 1;
        loop {
            let (address, reply) = self.exchange(call, deadline)?;
            let result = decode::payload(reply.status, &reply.body).and_then(&decode);
            let error = match result {
                Ok(value) => return Ok(value),
                Err(fault) => connect(fault, address, reply.status, call),
            };
            let again = call.request.method.is_idempotent() && error.is_transient();
            if !again || tries >= TRIES || !self.pause(tries, deadline) {
                return Err(error);
            }
            tries += 1;
        }
    }

    /// Waits before repetition number `round` (from 1); false when the deadline is too near.
    pub(crate) fn pause(&self, round: u32, deadline: Instant) -> bool {
        let base = self.inner.pause.saturating_mul(1 << round.min(4)) / 2;
        // Half of it by chance, so that nodes that clash do not clash again.
        let pause = base / 2 + base.mul_f64(chance()) / 2;
        if soon(pause, deadline) >= deadline {
            return false;
        }
        std::thread::sleep(pause);
        true
    }

    /// One reply from whichever address gives one.
    fn exchange(&self, call: &Call, deadline: Instant) -> Result<(SocketAddr, Reply), Error> {
        let give_up = soon(self.inner.outage, deadline);
        let mut round = 1;
        loop {
            let attempts = match self.round(call, deadline)? {
                Ok(answer) => return Ok(answer),
                Err(attempts) => attempts,
            };
            // A certificate does not become trusted by waiting.
            if attempts.iter().any(untrusted) || !self.pause(round, give_up) {
                return Err(unreachable(call, attempts, deadline));
            }
            round += 1;
        }
    }

    /// Asks each address once, the one that answered last first.
    ///
    /// The outer error ends the call, the inner one is to be tried again.
    fn round(
        &self,
        call: &Call,
        deadline: Instant,
    ) -> Result<Result<(SocketAddr, Reply), Attempts>, Error> {
        let Inner {
            addresses,
            preferred,
            ..
        } = &*self.inner;
        let first = preferred.load(Ordering::Relaxed);
        let mut attempts = Attempts::default();
        for i in 0..addresses.len() {
            let index = (first + i) % addresses.len();
            if Instant::now() >= deadline {
                return Err(unreachable(call, attempts, deadline));
            }
            match self.ask(addresses[index], call, deadline) {
                Ok(reply) => {
                    preferred.store(index, Ordering::Relaxed);
                    return Ok(Ok((addresses[index], reply)));
                }
                Err(reason) if call.request.method.is_idempotent() || !reason.maybe_received() => {
                    attempts.0.push((addresses[index], reason));
                }
                Err(source) => {
                    let (address, what) = (addresses[index], call.what.clone());
                    return Err(Error::LostReply {
                        address,
                        what,
                        source,
                    });
                }
            }
        }
        Ok(Err(attempts))
    }

    fn ask(
        &self,
        address: SocketAddr,
        call: &Call,
        deadline: Instant,
    ) -> Result<Reply, TransportError> {
        let read = match call.patience {
            Patience::Quick => Duration::from_secs(15),
            Patience::List => Duration::from_secs(60),
            Patience::Delete => deadline.saturating_duration_since(Instant::now()),
        };
        let limits = Limits {
            connect: self.inner.connect,
            read,
            deadline,
        };
        let mut tries = 1;
        loop {
            match self
                .inner
                .transport
                .exchange(address, &call.request, limits)
            {
                Err(TransportError::Broken { .. })
                    if call.request.method.is_idempotent()
                        && tries < TRIES_BROKEN
                        && Instant::now() < deadline =>
                {
                    tries += 1;
                }
                result => return result,
            }
        }
    }
}

/// Why no address gave a reply. Where none was even connected to, that is what
/// is wrong, also when time is over.
fn unreachable(call: &Call, attempts: Attempts, deadline: Instant) -> Error {
    let what = call.what.clone();
    let connected = attempts.iter().any(|(_, reason)| reason.maybe_received());
    let none = attempts.iter().next().is_none();
    if attempts.iter().any(untrusted) {
        Error::Untrusted { what, attempts }
    } else if none || connected && Instant::now() >= deadline {
        Error::Deadline { what, attempts }
    } else {
        Error::Unreachable { what, attempts }
    }
}

fn untrusted((_, reason): (SocketAddr, &TransportError)) -> bool {
    matches!(reason, TransportError::Certificate { .. })
}

fn connect(fault: Fault, address: SocketAddr, status: u16, call: &Call) -> Error {
    match fault {
        Fault::Api {
            kind,
            class,
            errno,
            message,
        } => Error::Api(Box::new(ApiError {
            kind,
            address,
            method: call.request.method,
            what: call.what.clone(),
            subject: call.subject.clone(),
            status,
            class,
            errno,
            message,
        })),
        Fault::Protocol(reason) => protocol(reason, address, status, call),
    }
}

fn protocol(reason: ProtocolReason, address: SocketAddr, status: u16, call: &Call) -> Error {
    Error::Protocol {
        address,
        what: call.what.clone(),
        status,
        reason,
    }
}

/// So long from now, but not after `deadline`; no time is too long for the clock.
fn soon(time: Duration, deadline: Instant) -> Instant {
    let then = Instant::now().checked_add(time);
    then.map_or(deadline, |then| then.min(deadline))
}

/// A number from 0 up to 1, by chance: the seed of the standard hash tables is random.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(Instant::now()) >> 40;
    bits as f64 / f64::from(1 << 24)
}
