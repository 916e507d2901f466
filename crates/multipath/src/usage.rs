//! Who uses a map.

use crate::error::{Error, Result};
use crate::multipath::{failed, unexpected};
use crate::{Map, Multipath, dmsetup};
use jdss_sys::{Command, Usage};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

const DMSETUP: Duration = Duration::from_secs(5);

/// Who uses a map or one of its partition maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapUsage {
    /// Holders other than the map's own partition maps, processes, mounts.
    pub usage: Usage,
    /// How often the kernel says it is open, not counting its own partition maps.
    pub open_count: u32,
    /// Processes of udev and multipathd that have it open to look at it, by
    /// number. They are no users: they close it soon.
    pub watchers: Vec<u32>,
}

impl MapUsage {
    /// Whether nobody uses it, apart from udev and multipathd looking at it.
    pub fn is_free(&self) -> bool {
        self.usage.is_free() && self.is_explained()
    }

    /// Whether the processes that can be seen explain the open count. One that
    /// they do not explain is a real user (a loop device, an export), or a
    /// process that is just ending.
    pub(crate) fn is_explained(&self) -> bool {
        usize::try_from(self.open_count).is_ok_and(|count| count <= self.watchers.len())
    }

    fn add(&mut self, other: Self) {
        let Usage {
            holders,
            openers,
            exclusive,
            mounts,
            ..
        } = other.usage;
        self.usage.holders.extend(holders);
        self.usage.openers.extend(openers);
        self.usage.openers.sort_unstable();
        self.usage.openers.dedup();
        self.usage.exclusive |= exclusive;
        self.usage.mounts.extend(mounts);
        self.open_count = self.open_count.saturating_add(other.open_count);
        self.watchers.extend(other.watchers);
    }
}

impl fmt::Display for MapUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.usage.is_free() {
            return self.usage.fmt(f);
        }
        if !self.is_explained() {
            return write!(
                f,
                "open {} times by what is not seen as a process: a loop device, an export, or \
                 a process that is just ending",
                self.open_count
            );
        }
        if self.watchers.is_empty() {
            return f.write_str("not in use");
        }
        let pids: Vec<_> = self.watchers.iter().map(u32::to_string).collect();
        write!(
            f,
            "looked at by udev or multipathd (process {})",
            pids.join(", ")
        )
    }
}

impl Multipath {
    /// Who uses a map: block devices on top of it, processes that have it open,
    /// mounts, and how often the kernel says that it is open (`dmsetup info`).
    /// Blocks for at most 5 s, and not on the map's I/O.
    ///
    /// # Errors
    ///
    /// * [`Error::MapGone`]: it is not there any more, so nobody uses it.
    /// * [`Error::ToolMissing`]: install `dmsetup`.
    /// * [`Error::Read`], [`Error::Run`], [`Error::Failed`], [`Error::Output`]: it
    ///   is not known who uses it; treat it as used.
    pub fn usage(&self, map: &Map) -> Result<MapUsage> {
        let count = self.open_count(&map.name);
        // Watchers are looked for before users: who is not seen as a user
        // afterwards is a watcher or has closed it.
        let watchers = match count {
            Ok(0) => BTreeSet::new(),
            _ => self
                .openers_by_name(&map.device, &map.name)
                .map_err(Error::Read)?,
        };
        let usage =
            jdss_sys::usage(&self.root, &*self.effects, &map.device).map_err(Error::Read)?;
        // The name and the number still meant this map all the time.
        let now = self.map(&map.wwid)?;
        if !now.is_some_and(|now| now.device == map.device && now.name == map.name) {
            let wwid = map.wwid.clone();
            return Err(Error::MapGone { wwid });
        }
        self.merged(map, usage, count?, watchers)
    }

    /// Leaves out the map's own partition maps, and counts who uses those.
    fn merged(
        &self,
        map: &Map,
        mut usage: Usage,
        count: u32,
        mut watchers: BTreeSet<u32>,
    ) -> Result<MapUsage> {
        let mut partitions = Vec::new();
        let mut holders = Vec::new();
        for holder in std::mem::take(&mut usage.holders) {
            match self.partition_of(&holder, map)? {
                Some(name) => partitions.push((holder, name)),
                None => holders.push(holder),
            }
        }
        // A partition map holds its map exclusively; nothing else then can.
        if !partitions.is_empty() && holders.is_empty() {
            usage.exclusive = false;
        }
        usage.holders = holders;
        for user in &usage.openers {
            watchers.remove(&user.pid);
        }
        let own = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
        let mut merged = MapUsage {
            usage,
            open_count: count.saturating_sub(own),
            watchers: watchers.into_iter().collect(),
        };
        for (device, name) in partitions {
            let count = self.open_count(&name)?;
            let watchers = self.openers_by_name(&device, &name).map_err(Error::Read)?;
            let usage = jdss_sys::usage(&self.root, &*self.effects, &device);
            let usage = usage.map_err(Error::Read)?;
            let users: BTreeSet<u32> = usage.openers.iter().map(|user| user.pid).collect();
            merged.add(MapUsage {
                usage,
                open_count: count,
                watchers: watchers.difference(&users).copied().collect(),
            });
        }
        Ok(merged)
    }

    /// The name of `holder` if it is a partition map of `map`, as kpartx makes them.
    fn partition_of(&self, holder: &str, map: &Map) -> Result<Option<String>> {
        let dir = format!("sys/block/{holder}/dm");
        let uuid = self.root.read(format!("{dir}/uuid")).map_err(Error::Read)?;
        let number = uuid.as_deref().and_then(|uuid| {
            let part = uuid.strip_suffix(&map.uuid())?;
            part.strip_prefix("part")?.strip_suffix('-')
        });
        if !number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit())) {
            return Ok(None);
        }
        self.root.read(format!("{dir}/name")).map_err(Error::Read)
    }

    fn open_count(&self, name: &str) -> Result<u32> {
        let command = Command::new("dmsetup").args(["info", "-c", "--noheadings", "-o", "open"]);
        let command = command.arg(name);
        let output = self.run(&command, "dmsetup", Instant::now() + DMSETUP)?;
        if !output.success() {
            return Err(failed(&command, &output));
        }
        dmsetup::open_count(&output.stdout).ok_or_else(|| unexpected(&command, &output.stdout))
    }

    /// Numbers of the processes that have the device open under one of its two
    /// names; udev and multipathd use these.
    fn openers_by_name(&self, device: &str, name: &str) -> io::Result<BTreeSet<u32>> {
        let nodes = [format!("/dev/{device}"), format!("/dev/mapper/{name}")];
        let mut found = BTreeSet::new();
        for pid in self.root.list("proc")? {
            let Ok(number) = pid.parse::<u32>() else {
                continue;
            };
            let dir = format!("proc/{pid}/fd");
            for fd in self.root.list(&dir)? {
                let target = self.root.link(format!("{dir}/{fd}"))?;
                if target.is_some_and(|target| nodes.iter().any(|node| target == *node)) {
                    found.insert(number);
                }
            }
        }
        Ok(found)
    }

    /// What the kernel says about each path of a map (`dmsetup status`). Blocks
    /// for at most 5 s, and not on the map's I/O.
    ///
    /// # Errors
    ///
    /// * [`Error::MapGone`]: it is not there any more.
    /// * [`Error::ToolMissing`]: install `dmsetup`.
    /// * [`Error::Read`], [`Error::Run`], [`Error::Failed`], [`Error::Output`]: the
    ///   states are not known, which says nothing about the paths.
    pub fn paths(&self, map: &Map) -> Result<Vec<PathState>> {
        let command = Command::new("dmsetup").args(["status", &map.name]);
        let output = self.run(&command, "dmsetup", Instant::now() + DMSETUP)?;
        // Read after the states: it tells whether the name still was this map.
        let now = self.map(&map.wwid)?;
        let Some(now) = now.filter(|now| now.device == map.device && now.name == map.name) else {
            let wwid = map.wwid.clone();
            return Err(Error::MapGone { wwid });
        };
        if !output.success() {
            return Err(failed(&command, &output));
        }
        let status = dmsetup::status(&output.stdout);
        let status = status.ok_or_else(|| unexpected(&command, &output.stdout))?;
        let mut numbers = Vec::new();
        for disk in now.disks {
            let number = self.root.read(format!("sys/block/{disk}/dev"));
            numbers.push((number.map_err(Error::Read)?, disk));
        }
        let state = |path: dmsetup::Path| PathState {
            disk: numbers
                .iter()
                .find(|(number, _)| number.as_ref() == Some(&path.number))
                .map(|(_, disk)| disk.clone()),
            device_number: path.number,
            active: path.active,
            failures: path.failures,
            group: path.group,
        };
        Ok(status.paths.into_iter().map(state).collect())
    }
}

/// A path of a map, as the kernel sees it. A path is only found to have failed
/// when something is sent through it; the daemon does that every few seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathState {
    /// The kernel name of its disk (`sda`); `None` when that is gone.
    pub disk: Option<String>,
    /// `MAJOR:MINOR` of its disk.
    pub device_number: String,
    /// Whether I/O may go through it.
    pub active: bool,
    /// How often it has failed since the map was last loaded.
    pub failures: u64,
    /// Its path group, from 1.
    pub group: u32,
}
