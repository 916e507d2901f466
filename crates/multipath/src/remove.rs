//! Removing a map, and never one that somebody uses.

use crate::error::{Error, Result};
use crate::{Map, MapUsage, Multipath, Reply, Wwid};
use std::time::{Duration, Instant};

/// The longest pause between two attempts.
const ATTEMPT_GAP_MAX: Duration = Duration::from_secs(1);
/// The time to put back what was changed, whatever the deadline.
const PUT_BACK: Duration = Duration::from_secs(4);
/// How long udev may take to remove the node of a map that is gone.
const NODE: Duration = Duration::from_secs(5);
/// After so many returns a map is not removed again.
const RETURNS_MAX: u32 = 3;

/// How far a removal has come.
#[derive(Debug)]
struct Removal {
    /// The map's name when it was last there.
    name: String,
    next: Instant,
    gap: Duration,
    /// The daemon was asked to change something.
    touched: bool,
    queueing_off: bool,
    returns: u32,
    /// Since when the map is open and nothing explains it.
    unexplained: Option<Instant>,
    /// Since when udev waits for a map without a path that is up.
    stuck: Option<Instant>,
    daemon_gone: Option<Instant>,
    /// The last answer or failure to answer, for the error.
    last: Option<Result<Reply>>,
    usage: Option<MapUsage>,
}

impl Removal {
    fn new(map: &Map) -> Self {
        Self {
            name: map.name.clone(),
            next: Instant::now(),
            gap: Duration::from_millis(10),
            touched: false,
            queueing_off: false,
            returns: 0,
            unexplained: None,
            stuck: None,
            daemon_gone: None,
            last: None,
            usage: None,
        }
    }

    fn back_off(&mut self) {
        self.next = Instant::now() + self.gap;
        self.gap = (self.gap * 2).min(ATTEMPT_GAP_MAX);
    }
}

/// Whether `since` began `patience` ago; it begins now if it has not yet.
fn lasted(since: &mut Option<Instant>, patience: Duration) -> bool {
    since.get_or_insert_with(Instant::now).elapsed() >= patience
}

impl Multipath {
    /// Removes a map that nobody uses, with `del map` over multipathd's socket.
    /// [Withdraw](Self::withdraw) the volume first, else the daemon may make
    /// the map again.
    ///
    /// Doing it twice is doing it once. Blocks until `deadline`, at most some
    /// seconds longer to put things back.
    ///
    /// * A user of the map ends it at once, before anything is changed; **wait
    ///   for users to end before calling this**. One that shows only in the open
    ///   count is given [`Patience::stuck`](crate::Patience::stuck). In the end
    ///   the kernel decides: it does not remove a map that is open.
    /// * udev and multipathd looking at the map are waited for. Where no path is
    ///   up and the map queues I/O, they would wait for ever: after
    ///   [`Patience::stuck`](crate::Patience::stuck) queueing is switched off,
    ///   so that their reads fail, and only then, and only if nobody else has it open.
    /// * Nothing is forced and nothing deferred. After a refusal queueing is
    ///   switched on again, and a map left suspended is resumed.
    /// * It has worked when sysfs shows no map of this volume any more, and it
    ///   stays away for [`Patience::settle`](crate::Patience::settle). udev has
    ///   up to 5 s to take the node below `/dev/mapper` away too.
    ///
    /// # Errors
    ///
    /// * [`Error::InUse`]: names who uses it. Nothing was changed, or put back.
    /// * [`Error::NotRemoved`]: nobody is seen to use it, yet the daemon did not do it.
    /// * [`Error::CameBack`]: it was made again.
    /// * [`Error::DaemonDown`], [`Error::DaemonSilent`], [`Error::Daemon`]: the
    ///   daemon does not work. [`Error::Refused`]: this is not root.
    /// * [`Error::Read`], [`Error::Run`], [`Error::Failed`], [`Error::Output`],
    ///   [`Error::ToolMissing`]: it is not known whether somebody uses it, so it
    ///   was not removed.
    /// * [`Error::NotPutBack`]: any of these, and putting back failed too.
    pub fn remove(&self, map: &Map, deadline: Instant) -> Result<()> {
        let wwid = &map.wwid;
        let mut removal = Removal::new(map);
        let gone = jdss_sys::poll(deadline, || self.step(wwid, &mut removal, deadline));
        let cause = match gone {
            Ok(Some(())) => return Ok(()),
            Ok(None) => self
                .why_not(map, &mut removal)
                .unwrap_or_else(|error| error),
            Err(error) => error,
        };
        if !removal.touched {
            return Err(cause);
        }
        match self.put_back(wwid) {
            Ok(true) => Err(cause),
            // The daemon did it after all, later than it was waited for.
            Ok(false) => Ok(()),
            Err(undo) => Err(Error::NotPutBack {
                name: map.name.clone(),
                cause: Box::new(cause),
                undo: Box::new(undo),
            }),
        }
    }

    /// One look, and an attempt when it is time for one.
    fn step(&self, wwid: &Wwid, removal: &mut Removal, deadline: Instant) -> Result<Option<()>> {
        let Some(map) = self.map(wwid)? else {
            return self.settled(wwid, removal, deadline);
        };
        let now = Instant::now();
        if now < removal.next || now >= deadline {
            return Ok(None);
        }
        removal.back_off();
        removal.name.clone_from(&map.name);
        let Some(usage) = self.usage_if_there(&map)? else {
            return Ok(None);
        };
        removal.usage = Some(usage.clone());
        if usage.is_named() {
            return Err(in_use(&map, usage));
        }
        if !usage.is_free() {
            // Nobody is seen who has it open, or alone: one of udev's programs
            // perhaps, or a process that is just ending.
            if lasted(&mut removal.unexplained, self.patience.stuck) {
                return Err(in_use(&map, usage));
            }
            return Ok(None);
        }
        removal.unexplained = None;
        if map.suspended && removal.touched {
            // Else whoever opens it now, udev for one, waits and keeps it open.
            self.attempt(&format!("resume map {}", map.argument()), removal, deadline)?;
        }
        if !usage.watchers.is_empty() && !removal.queueing_off && self.no_path_is_up(&map) {
            if !lasted(&mut removal.stuck, self.patience.stuck) {
                return Ok(None);
            }
            let request = format!("disablequeueing map {}", map.argument());
            removal.queueing_off = self.attempt(&request, removal, deadline)?;
            return Ok(None);
        }
        removal.stuck = None;
        let before = self.incarnation(&map)?;
        self.attempt(&format!("del map {}", map.argument()), removal, deadline)?;
        match self.map(wwid)? {
            None => self.settled(wwid, removal, deadline),
            Some(now) if self.incarnation(&now)? != before => self.returned(wwid, removal),
            Some(_) => Ok(None),
        }
    }

    /// Tells a map from one of the same volume made later, which mostly gets
    /// the same number. Kernels before 5.15 have no sequence number of disks.
    fn incarnation(&self, map: &Map) -> Result<(String, Option<String>)> {
        let seq = self.root.read(format!("sys/block/{}/diskseq", map.device));
        Ok((map.device.clone(), seq.map_err(Error::Read)?))
    }

    /// One request; whether the daemon said "ok".
    fn attempt(&self, request: &str, removal: &mut Removal, deadline: Instant) -> Result<bool> {
        let answer = self.request(request, deadline);
        // Even without an answer it may have begun.
        removal.touched |= !matches!(
            answer,
            Err(Error::DaemonDown(_) | Error::DeadlinePassed { .. })
        );
        match answer {
            Err(Error::DeadlinePassed { .. }) => return Ok(false),
            Err(error @ Error::Refused { .. }) => return Err(error),
            Err(error @ Error::DaemonDown(_)) => {
                if lasted(&mut removal.daemon_gone, self.patience.daemon) {
                    return Err(error);
                }
                removal.last = Some(Err(error));
                return Ok(false);
            }
            answer => removal.last = Some(answer),
        }
        removal.daemon_gone = None;
        Ok(matches!(removal.last, Some(Ok(Reply::Ok))))
    }

    /// Looks whether a map that is gone stays away, and until udev has taken
    /// its node away. A node that stays is udev's failure and not this one's.
    fn settled(&self, wwid: &Wwid, removal: &mut Removal, deadline: Instant) -> Result<Option<()>> {
        if !removal.touched {
            return Ok(Some(()));
        }
        let start = Instant::now();
        let until = deadline.min(start + self.patience.settle.max(NODE));
        let node = format!("dev/mapper/{}", removal.name);
        let back = jdss_sys::poll(until, || {
            if self.map(wwid)?.is_some() {
                return Ok(Some(true));
            }
            let node = self.root.exists(&node).map_err(Error::Read)?;
            let settled = !node && start.elapsed() >= self.patience.settle;
            Ok::<_, Error>(settled.then_some(false))
        })?;
        match back {
            Some(true) => self.returned(wwid, removal),
            _ => Ok(Some(())),
        }
    }

    /// It came back: worth another attempt, or not.
    fn returned(&self, wwid: &Wwid, removal: &mut Removal) -> Result<Option<()>> {
        removal.returns += 1;
        let enrolled = self.enrolled(wwid)?;
        if enrolled || removal.returns >= RETURNS_MAX {
            let wwid = wwid.clone();
            return Err(Error::CameBack { wwid, enrolled });
        }
        removal.next = Instant::now();
        Ok(None)
    }

    /// Whether the kernel says that every path has failed. What is not known
    /// is no reason to switch anything off.
    fn no_path_is_up(&self, map: &Map) -> bool {
        self.paths(map)
            .is_ok_and(|paths| paths.iter().all(|path| !path.active))
    }

    /// Why it is still there when the time is over.
    fn why_not(&self, map: &Map, removal: &mut Removal) -> Result<Error> {
        if removal.returns > 0 {
            return Ok(Error::CameBack {
                wwid: map.wwid.clone(),
                enrolled: self.enrolled(&map.wwid)?,
            });
        }
        let usage = removal.usage.take();
        let open = |usage: &MapUsage| !usage.is_free() || !usage.watchers.is_empty();
        Ok(match (usage.filter(open), removal.last.take()) {
            (Some(usage), _) => in_use(map, usage),
            (None, Some(Ok(reply))) => Error::NotRemoved {
                name: map.name.clone(),
                reply,
            },
            (None, Some(Err(error))) => error,
            (None, None) => Error::DeadlinePassed {
                step: format!("multipathd del map {}", map.argument()),
            },
        })
    }

    /// Queueing as configured, and not suspended; false when it is gone. Versions 0.9.8 and 0.9.9 of
    /// the daemon leave queueing off after a refused `del map`, older ones the
    /// map suspended.
    fn put_back(&self, wwid: &Wwid) -> Result<bool> {
        let Some(map) = self.map(wwid)? else {
            return Ok(false);
        };
        if map.suspended {
            self.resume(&map, Instant::now() + PUT_BACK)?;
        }
        match self.restore_queueing(&map, Instant::now() + PUT_BACK) {
            Err(_) if self.map(wwid)?.is_none() => Ok(false),
            restored => restored.map(|()| true),
        }
    }

    fn resume(&self, map: &Map, deadline: Instant) -> Result<()> {
        let request = format!("resume map {}", map.argument());
        let reply = self.request(&request, deadline)?;
        let resumed = jdss_sys::poll(deadline, || {
            let now = self.map(&map.wwid)?;
            Ok::<_, Error>(now.is_none_or(|now| !now.suspended).then_some(()))
        })?;
        match resumed {
            Some(()) => Ok(()),
            None => Err(Error::Refused { request, reply }),
        }
    }

    /// Lets I/O that waits for a path fail instead (`disablequeueing map`),
    /// until [`restore_queueing`](Self::restore_queueing). **It fails the
    /// waiting I/O of whoever uses the map**: for an administrator who asks for
    /// just that. Blocks for at most 10 s.
    ///
    /// # Errors
    ///
    /// * [`Error::Refused`]: the daemon did not do it.
    /// * [`Error::DaemonDown`], [`Error::DaemonSilent`], [`Error::Daemon`],
    ///   [`Error::DeadlinePassed`].
    pub fn disable_queueing(&self, map: &Map, deadline: Instant) -> Result<()> {
        self.obeyed(format!("disablequeueing map {}", map.argument()), deadline)
    }

    /// Lets I/O wait for a path again, as configured (`restorequeueing map`).
    /// Blocks for at most 10 s.
    ///
    /// # Errors
    ///
    /// As [`disable_queueing`](Self::disable_queueing).
    pub fn restore_queueing(&self, map: &Map, deadline: Instant) -> Result<()> {
        self.obeyed(format!("restorequeueing map {}", map.argument()), deadline)
    }

    /// A request whose effect only the daemon knows: again while it is busy.
    fn obeyed(&self, request: String, deadline: Instant) -> Result<()> {
        let mut last = Reply::Timeout;
        let done = jdss_sys::poll(deadline, || {
            last = match self.request(&request, deadline) {
                Err(Error::DeadlinePassed { .. }) if last != Reply::Timeout => return Ok(None),
                reply => reply?,
            };
            Ok::<_, Error>((last != Reply::Timeout).then_some(()))
        })?;
        match (done, last) {
            (Some(()), Reply::Ok) => Ok(()),
            (_, reply) => Err(Error::Refused { request, reply }),
        }
    }
}

fn in_use(map: &Map, usage: MapUsage) -> Error {
    Error::InUse {
        name: map.name.clone(),
        usage: Box::new(usage),
    }
}
