//! The client: which address to ask, how long, and how often.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::builder::Builder;
use crate::call::{Call, Patience};
use crate::decode::{self, Fault};
use crate::error::{ApiError, Attempts, Error, ProtocolReason};
use crate::pool::Pool;
use crate::transport::{Limits, Reply, Transport, TransportError};
use crate::vips::{VIP_MEMORY, VipMemory};

/// Tries of a call that may be repeated, when the appliance fails in a way that
/// passes: nodes that change its configuration at once make it fail for some seconds.
const TRIES: u32 = 8;
/// Less time than this is too short for a connection.
const TO_CONNECT: Duration = Duration::from_millis(250);
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
    /// Index of the address to ask first: the one that answered last.
    preferred: AtomicUsize,
    /// Whether any did.
    answered: AtomicBool,
    connect: Duration,
    outage: Duration,
    pause: Duration,
    vips: VipMemory,
}

impl Client {
    /// Starts a client of the appliance that has these control addresses.
    ///
    /// On a cluster use VIPs: they stay with the pool. They are tried in
    /// order; the one that answered last is asked first from then on.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use jdss_rest::{Client, Tls};
    /// let client = Client::builder(vec!["10.1.0.11".parse()?, "fd00::11".parse()?])
    ///     .credentials("admin", "secret".to_owned().into())
    ///     .tls(Tls::CaFile("/etc/jdss/ca.pem".into()))
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn builder(addresses: Vec<IpAddr>) -> Builder {
        Builder::new(addresses)
    }

    pub(crate) fn new(
        transport: Box<dyn Transport>,
        addresses: Vec<SocketAddr>,
        first: usize,
        settings: &Builder,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                transport,
                addresses,
                preferred: AtomicUsize::new(first),
                answered: AtomicBool::new(false),
                connect: settings.connect,
                outage: settings.outage,
                pause: settings.pause,
                vips: VipMemory::new(VIP_MEMORY),
            }),
        }
    }

    /// The control address that answered last; none before the first answer.
    ///
    /// Given to [`Builder::prefer`] of a later client, also one in another
    /// process, it spares that one the time-out of an address that is dead.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// use jdss_rest::Client;
    /// # let addresses: Vec<std::net::IpAddr> = vec!["10.1.0.11".parse()?];
    /// let client = Client::builder(addresses.clone()).build()?;
    /// client.pool("Pool-0").info(Instant::now() + Duration::from_secs(20))?;
    /// if let Some(good) = client.last_good() {
    ///     // As the next process would, with the address read from a file.
    ///     let next = Client::builder(addresses).prefer(good.ip()).build()?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn last_good(&self) -> Option<SocketAddr> {
        if !self.inner.answered.load(Ordering::Acquire) {
            return None;
        }
        let index = self.inner.preferred.load(Ordering::Relaxed);
        self.inner.addresses.get(index).copied()
    }

    /// The pool of this name. Asks nothing yet.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::Client;
    /// let client = Client::builder(vec!["10.1.0.11".parse()?]).build()?;
    /// assert_eq!(client.pool("Pool-0").name(), "Pool-0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
            let answer = self.exchange(call, deadline)?;
            let error = match answer.payload.and_then(&decode) {
                Ok(value) => return Ok(value),
                Err(fault) => connect(fault, answer.address, answer.status, call),
            };
            let again = call.may_repeat() && error.is_transient();
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

    /// One answer from whichever address gives one.
    fn exchange(&self, call: &Call, deadline: Instant) -> Result<Answer, Error> {
        let give_up = soon(self.inner.outage, deadline);
        // What breaks off a connection that is being made tells nothing of the address.
        let give_up = give_up.checked_sub(TO_CONNECT).unwrap_or(give_up);
        let mut hopeless = Hopeless::default();
        let mut attempts = Attempts::default();
        let mut round = 1;
        loop {
            match self.round(call, deadline, &mut hopeless)? {
                Ok(answer) => return Ok(answer),
                // A round that had no time left does not know why.
                Err(tried) if tried.0.is_empty() => {}
                Err(tried) => attempts = tried,
            }
            let hope = hopeless.indices.len() < self.inner.addresses.len();
            if hope && !call.after_look && self.pause(round, give_up) {
                round += 1;
                continue;
            }
            let mut all = hopeless.untrusted;
            all.0.extend(attempts.0);
            return match hopeless.foreign {
                Some(answer) if all.0.is_empty() => Ok(answer),
                foreign => {
                    all.0
                        .extend(foreign.map(|answer| (answer.address, answer.unusable())));
                    Err(unreachable(call, all, deadline))
                }
            };
        }
    }

    /// Asks each address once, the one that answered last first, and none that is hopeless.
    ///
    /// The outer error ends the call, the inner one is to be tried again.
    fn round(
        &self,
        call: &Call,
        deadline: Instant,
        hopeless: &mut Hopeless,
    ) -> Result<Result<Answer, Attempts>, Error> {
        let Inner {
            addresses,
            preferred,
            answered,
            ..
        } = &*self.inner;
        let first = preferred.load(Ordering::Relaxed);
        let again = call.request.method.is_idempotent();
        let mut attempts = Attempts::default();
        let mut garbled = None;
        for i in 0..addresses.len() {
            let index = (first + i) % addresses.len();
            let address = addresses[index];
            if hopeless.indices.contains(&index) {
                continue;
            }
            if Instant::now() >= deadline {
                break;
            }
            // None may use up the time of those after it.
            let waiting = u32::try_from(addresses.len() - i).unwrap_or(u32::MAX);
            let connect = deadline.saturating_duration_since(Instant::now()) / waiting;
            let reply = match self.ask(address, call, connect, deadline) {
                Ok(reply) => reply,
                Err(reason @ TransportError::Certificate { .. }) => {
                    hopeless.indices.push(index);
                    hopeless.untrusted.0.push((address, reason));
                    continue;
                }
                Err(reason) if !call.is_lost(&reason) => {
                    attempts.0.push((address, reason));
                    continue;
                }
                Err(source) => {
                    let what = call.what.clone();
                    return Err(Error::LostReply {
                        address,
                        what,
                        source,
                    });
                }
            };
            let answer = Answer {
                address,
                status: reply.status,
                payload: decode::payload(reply.status, &reply.body),
            };
            match &answer.payload {
                // Another service: it will be that tomorrow, and the next address may be right.
                Err(Fault::Protocol(ProtocolReason::Status)) if again => {
                    hopeless.indices.push(index);
                    hopeless.foreign.get_or_insert(answer);
                }
                // Another service as well, or an appliance in trouble.
                Err(Fault::Protocol(ProtocolReason::NotJson)) if again => {
                    garbled.get_or_insert(answer);
                }
                _ => {
                    preferred.store(index, Ordering::Relaxed);
                    answered.store(true, Ordering::Release);
                    return Ok(Ok(answer));
                }
            }
        }
        Ok(garbled.ok_or(attempts))
    }

    fn ask(
        &self,
        address: SocketAddr,
        call: &Call,
        connect: Duration,
        deadline: Instant,
    ) -> Result<Reply, TransportError> {
        let read = match call.patience {
            Patience::Quick => Duration::from_secs(15),
            Patience::List => Duration::from_secs(60),
            Patience::Delete => deadline.saturating_duration_since(Instant::now()),
        };
        let limits = Limits {
            connect: connect.min(self.inner.connect),
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
                    if call.may_repeat() && tries < TRIES_BROKEN && Instant::now() < deadline =>
                {
                    tries += 1;
                }
                result => return result,
            }
        }
    }
}

/// What an address answered.
struct Answer {
    address: SocketAddr,
    status: u16,
    payload: Result<Value, Fault>,
}

impl Answer {
    fn unusable(&self) -> TransportError {
        TransportError::Http {
            detail: format!("HTTP status {} is not one of the API", self.status),
        }
    }
}

/// The addresses that waiting does not mend.
#[derive(Default)]
struct Hopeless {
    indices: Vec<usize>,
    /// Those whose certificate is not trusted.
    untrusted: Attempts,
    /// The first answer that is not the API's.
    foreign: Option<Answer>,
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
