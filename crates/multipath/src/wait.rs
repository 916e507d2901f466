//! Waiting for a map to come up, and saying why it does not.

use crate::error::{Error, Result};
use crate::{Map, Multipath, Reply, Wwid, map};
use jdss_sys::Usage;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest pause between two times of helping the daemon.
const HELP_GAP_MAX: Duration = Duration::from_secs(16);

/// What can be seen to stand in the way of a map. Displayed, it says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// Nobody listens on multipathd's socket.
    DaemonDown,
    /// multipathd does not answer.
    DaemonSilent,
    /// Its configuration excludes the disk.
    Blacklisted {
        /// The disk.
        disk: String,
    },
    /// The WWID has no entry in `/etc/multipath/wwids`.
    NotEnrolled,
    /// An earlier attempt to make this map failed; so udev keeps its disks from multipathd.
    MarkedFailed {
        /// The mark.
        mark: PathBuf,
    },
    /// The disk is gone.
    DiskGone {
        /// The disk.
        disk: String,
    },
    /// The disk is not `running`.
    DiskDown {
        /// The disk.
        disk: String,
        /// Its state in sysfs.
        state: String,
    },
    /// Somebody else has the disk.
    DiskHeld {
        /// The disk.
        disk: String,
        /// Who has it.
        usage: Box<Usage>,
    },
    /// The disk is in the map of another volume.
    OtherMap {
        /// The disk.
        disk: String,
        /// The other volume.
        wwid: Wwid,
    },
    /// The map is there but suspended.
    Suspended {
        /// Its name.
        name: String,
    },
    /// The map is there but udev has not made its node.
    NoNode {
        /// The node.
        path: PathBuf,
    },
    /// What multipathd answered to the last request of each kind, when it was not "ok".
    Said {
        /// The request.
        request: String,
        /// The answer.
        reply: Reply,
    },
    /// Nothing.
    NotSeen,
}

impl Obstacle {
    /// Whether it stays until somebody changes something.
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::DaemonDown
                | Self::Blacklisted { .. }
                | Self::NotEnrolled
                | Self::DiskHeld { .. }
                | Self::OtherMap { .. }
        )
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DaemonDown => f.write_str(
                "multipathd does not run, start it with `systemctl enable --now multipathd`",
            ),
            Self::DaemonSilent => {
                f.write_str("multipathd does not answer, see `journalctl -u multipathd`")
            }
            Self::Blacklisted { disk } => write!(
                f,
                "multipathd says that {disk} is blacklisted, see `blacklist` in \
                 `multipathd show config local`"
            ),
            Self::NotEnrolled => f.write_str("its WWID is not in /etc/multipath/wwids"),
            Self::MarkedFailed { mark } => write!(
                f,
                "an earlier attempt failed and left {}, see `journalctl -u multipathd`",
                mark.display()
            ),
            Self::DiskGone { disk } => write!(f, "{disk} is gone"),
            Self::DiskDown { disk, state } => write!(f, "{disk} is {state}, its path is down"),
            Self::DiskHeld { disk, usage } => write!(
                f,
                "{disk} itself is {usage}; stop that, and keep it off such disks (for LVM with \
                 global_filter)"
            ),
            Self::OtherMap { disk, wwid } => write!(f, "{disk} is in the map of {wwid}"),
            Self::Suspended { name } => write!(
                f,
                "the map {name} is suspended; if it stays so: `multipathd resume map {name}`"
            ),
            Self::NoNode { path } => write!(
                f,
                "the map is there but udev has not made {}, see `journalctl -u systemd-udevd`",
                path.display()
            ),
            Self::Said { request, reply } => {
                write!(f, "multipathd answered {reply} to `{request}`")
            }
            Self::NotSeen => {
                f.write_str("nothing is seen to be wrong, see `journalctl -u multipathd`")
            }
        }
    }
}

/// What came of helping.
#[derive(Debug, Default)]
struct Helped {
    daemon: Option<Obstacle>,
    blacklisted: Vec<String>,
    said: Vec<(String, Reply)>,
    /// No further help can change what the daemon said.
    hopeless: bool,
}

fn has(map: &Map, disk: &str) -> bool {
    map.disks.iter().any(|name| name == disk)
}

impl Multipath {
    /// Waits until the map of an [enrolled](Self::enrol) volume is there with
    /// all `disks` (`sda`), is not suspended, and has its node below
    /// `/dev/mapper`. The map is found in sysfs by its uuid.
    ///
    /// multipathd makes the map by itself, mostly within a second of the first
    /// disk. After that time ([`Patience::help`](crate::Patience::help)), and
    /// again with growing pauses, it is helped: with `add path` for each disk
    /// that the map lacks, then `add map`. Never with a reconfiguration.
    ///
    /// At the deadline a usable map with some of the disks is a success too:
    /// compare [`Map::disks`]. With no disks given, any map of the volume will do.
    /// Blocks until `deadline`, at most 10 s longer while the daemon is slow.
    ///
    /// # Errors
    ///
    /// * [`Error::NoMap`]: there is no usable map; its [`Obstacle`]s say why, as
    ///   far as that can be seen. It comes before the deadline when the daemon
    ///   excludes every disk, or is gone for longer than
    ///   [`Patience::daemon`](crate::Patience::daemon).
    /// * [`Error::Refused`]: this is not root.
    /// * [`Error::Read`]: the state of this host could not be read.
    pub fn wait_map(&self, wwid: &Wwid, disks: &[&str], deadline: Instant) -> Result<Map> {
        let mut helped = Helped::default();
        let mut gap = self.patience.help;
        let mut help = Instant::now() + gap;
        let mut daemon_gone: Option<Instant> = None;
        let found = jdss_sys::poll(deadline, || {
            let map = self.map(wwid)?;
            let complete = |map: &Map| disks.iter().all(|disk| has(map, disk));
            if let Some(map) = map.as_ref().filter(|map| complete(map))
                && self.not_ready(map)?.is_none()
            {
                return Ok(Some(Ok(map.clone())));
            }
            let now = Instant::now();
            if now < help || now >= deadline {
                return Ok(None);
            }
            helped = self.help(wwid, map.as_ref(), disks, deadline)?;
            gap = (gap * 2).clamp(Duration::from_millis(100), HELP_GAP_MAX);
            help = Instant::now() + gap;
            match helped.daemon {
                Some(Obstacle::DaemonDown) => {
                    let since = *daemon_gone.get_or_insert(now);
                    helped.hopeless = since.elapsed() >= self.patience.daemon;
                }
                _ => daemon_gone = None,
            }
            Ok(helped.hopeless.then_some(Err(())))
        })?;
        if let Some(Ok(map)) = found {
            return Ok(map);
        }
        let map = self.map(wwid)?;
        let mut obstacles = Vec::new();
        if let Some(map) = map {
            match self.not_ready(&map)? {
                None if disks.is_empty() || disks.iter().any(|disk| has(&map, disk)) => {
                    return Ok(map);
                }
                obstacle => obstacles.extend(obstacle),
            }
        }
        obstacles.extend(self.obstacles(wwid, disks, helped)?);
        if obstacles.is_empty() {
            obstacles.push(Obstacle::NotSeen);
        }
        Err(Error::NoMap {
            wwid: wwid.clone(),
            disks: disks.iter().map(ToString::to_string).collect(),
            obstacles,
        })
    }

    /// What keeps a map that is there from being used.
    fn not_ready(&self, map: &Map) -> Result<Option<Obstacle>> {
        if map.suspended {
            let name = map.name.clone();
            return Ok(Some(Obstacle::Suspended { name }));
        }
        // udev's link names the device; a left over one may name another.
        let node = format!("dev/mapper/{}", map.name);
        let there = match self.root.link(&node) {
            Ok(Some(target)) => target.file_name().is_some_and(|name| name == &*map.device),
            Ok(None) => false,
            // Without udev's rules it is a node of its own.
            Err(_) => self.root.exists(&node).map_err(Error::Read)?,
        };
        let path = map.path();
        Ok((!there).then_some(Obstacle::NoNode { path }))
    }

    /// Tells the daemon of each disk that the map lacks, then of the map.
    fn help(
        &self,
        wwid: &Wwid,
        map: Option<&Map>,
        disks: &[&str],
        deadline: Instant,
    ) -> Result<Helped> {
        let mut helped = Helped::default();
        let lacks = |disk: &&&str| !map.is_some_and(|map| has(map, disk));
        let mut told = 0;
        let mut excluded = 0;
        for disk in disks.iter().filter(lacks) {
            if !self
                .root
                .exists(format!("sys/block/{disk}"))
                .map_err(Error::Read)?
            {
                continue;
            }
            let settled = self.udev_is_done(disk)?;
            told += 1;
            match self.tell(format!("add path {disk}"), deadline, &mut helped)? {
                None => return Ok(helped),
                Some(Reply::Blacklisted) => {
                    helped.blacklisted.push((*disk).to_owned());
                    excluded += usize::from(settled);
                }
                Some(_) => {}
            }
        }
        if map.is_none() {
            let request = format!("add map {wwid}");
            if let Some(reply @ Reply::Blacklisted) =
                self.tell(request.clone(), deadline, &mut helped)?
            {
                helped.said.push((request, reply));
            }
            helped.hopeless = told > 0 && excluded == told && self.map(wwid)?.is_none();
        }
        Ok(helped)
    }

    /// One request of help; `None` when the daemon does not answer.
    fn tell(
        &self,
        request: String,
        deadline: Instant,
        helped: &mut Helped,
    ) -> Result<Option<Reply>> {
        let reply = match self.request(&request, deadline) {
            Ok(reply) => reply,
            Err(Error::DaemonDown(_)) => {
                helped.daemon = Some(Obstacle::DaemonDown);
                return Ok(None);
            }
            Err(Error::DaemonSilent { .. } | Error::Daemon { .. }) => {
                helped.daemon = Some(Obstacle::DaemonSilent);
                return Ok(None);
            }
            Err(Error::DeadlinePassed { .. }) => return Ok(None),
            Err(other) => return Err(other),
        };
        if reply != Reply::Ok && reply != Reply::Blacklisted {
            helped.said.push((request, reply.clone()));
        }
        Ok(Some(reply))
    }

    /// Whether udev has finished with the disk. Before that multipathd lacks
    /// properties that its configuration may ask for, and calls it blacklisted.
    fn udev_is_done(&self, disk: &str) -> Result<bool> {
        let number = self.root.read(format!("sys/block/{disk}/dev"));
        let Some(number) = number.map_err(Error::Read)? else {
            return Ok(false);
        };
        let data = format!("run/udev/data/b{number}");
        self.root.exists(data).map_err(Error::Read)
    }

    /// What can be seen to be wrong, most telling first.
    fn obstacles(&self, wwid: &Wwid, disks: &[&str], helped: Helped) -> Result<Vec<Obstacle>> {
        let mut found: Vec<Obstacle> = helped.daemon.into_iter().collect();
        let blacklisted = helped.blacklisted.into_iter();
        found.extend(blacklisted.map(|disk| Obstacle::Blacklisted { disk }));
        if !self.enrolled(wwid)? {
            found.push(Obstacle::NotEnrolled);
        }
        for disk in disks {
            found.extend(self.obstacle_of(wwid, disk)?);
        }
        let mark = format!("run/multipath/failed_wwids/{wwid}");
        if self.root.exists(&mark).map_err(Error::Read)? {
            let mark = PathBuf::from("/").join(mark);
            found.push(Obstacle::MarkedFailed { mark });
        }
        let said = helped.said.into_iter();
        found.extend(said.map(|(request, reply)| Obstacle::Said { request, reply }));
        Ok(found)
    }

    /// What is wrong with one disk.
    fn obstacle_of(&self, wwid: &Wwid, disk: &str) -> Result<Option<Obstacle>> {
        let disk = disk.to_owned();
        if map::size(&self.root, &disk).map_err(Error::Read)?.is_none() {
            return Ok(Some(Obstacle::DiskGone { disk }));
        }
        let state = self.root.read(format!("sys/block/{disk}/device/state"));
        let state = state.map_err(Error::Read)?;
        if let Some(state) = state.filter(|state| state != "running") {
            return Ok(Some(Obstacle::DiskDown { disk, state }));
        }
        if let Some(map) = self.map_of_disk(&disk)? {
            let wwid = Some(map.wwid).filter(|other| other != wwid);
            return Ok(wwid.map(|wwid| Obstacle::OtherMap { disk, wwid }));
        }
        // Its path is up, so this look does not block. An error here must not
        // hide the one that is being explained.
        let Ok(usage) = jdss_sys::usage(&self.root, &*self.effects, &disk) else {
            return Ok(None);
        };
        let usage = Box::new(usage);
        Ok((!usage.is_free()).then_some(Obstacle::DiskHeld { disk, usage }))
    }

    /// Tells multipathd of a disk (`add path sda`). It then belongs to the map
    /// of its volume, or not: **the answer proves nothing**, not even "ok".
    /// Blocks for at most 10 s.
    ///
    /// # Errors
    ///
    /// * [`Error::DaemonDown`]: start multipathd.
    /// * [`Error::DaemonSilent`], [`Error::Daemon`]: it does not answer.
    /// * [`Error::Refused`]: this is not root.
    /// * [`Error::DeadlinePassed`]: nothing was asked.
    pub fn add_path(&self, disk: &str, deadline: Instant) -> Result<Reply> {
        self.request(&format!("add path {disk}"), deadline)
    }
}
