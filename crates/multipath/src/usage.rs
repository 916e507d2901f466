//! Who uses a map.

use crate::error::{Error, Result};
use crate::multipath::{failed, unexpected};
use crate::{Map, Multipath, dmsetup, map};
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

    /// Whether somebody in particular uses it.
    pub(crate) fn is_named(&self) -> bool {
        let Usage {
            holders,
            openers,
            mounts,
            ..
        } = &self.usage;
        !(holders.is_empty() && openers.is_empty() && mounts.is_empty())
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
                "open (count {}) in what is not seen as a process: a loop device, an export, or \
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
    /// Nobody uses a map that is gone. Blocks for at most 10 s, and not on the
    /// map's I/O.
    ///
    /// # Errors
    ///
    /// * [`Error::ToolMissing`]: install `dmsetup`.
    /// * [`Error::Read`], [`Error::Run`], [`Error::Failed`], [`Error::Output`]: it
    ///   is not known who uses it; treat it as used.
    pub fn usage(&self, map: &Map) -> Result<MapUsage> {
        Ok(self.usage_if_there(map)?.unwrap_or_default())
    }

    /// `None` when the map is gone.
    pub(crate) fn usage_if_there(&self, map: &Map) -> Result<Option<MapUsage>> {
        let seen = self.seen(&map.device, &map.name);
        // Read after all the rest: so name and number meant this map all the time.
        if self.still(map)?.is_none() {
            return Ok(None);
        }
        self.without_partitions(map, seen?).map(Some)
    }

    /// The map as it is now, if it is still the same one.
    fn still(&self, map: &Map) -> Result<Option<Map>> {
        let same = |now: &Map| now.device == map.device && now.name == map.name;
        Ok(self.map(&map.wwid)?.filter(same))
    }

    /// Who uses a device-mapper device, its partition maps counted as holders.
    fn seen(&self, device: &str, name: &str) -> Result<MapUsage> {
        let mut open_count = self.open_count(name)?;
        let mut watchers = BTreeSet::new();
        if open_count > 0 {
            // Who has it open before and after the count is counted. Who then
            // is not seen as a user watches it, or has just closed it.
            let before = self.openers_by_name(device, name).map_err(Error::Read)?;
            open_count = self.open_count(name)?;
            let after = self.openers_by_name(device, name).map_err(Error::Read)?;
            watchers = before.intersection(&after).copied().collect();
        }
        let usage = jdss_sys::usage(&self.root, &*self.effects, device).map_err(Error::Read)?;
        for user in &usage.openers {
            watchers.remove(&user.pid);
        }
        Ok(MapUsage {
            usage,
            open_count,
            watchers: watchers.into_iter().collect(),
        })
    }

    /// Leaves out the map's own partition maps, and adds who uses those.
    fn without_partitions(&self, map: &Map, mut seen: MapUsage) -> Result<MapUsage> {
        let mut partitions = Vec::new();
        let mut holders = Vec::new();
        for holder in std::mem::take(&mut seen.usage.holders) {
            match self.partition_of(&holder, map)? {
                Some(name) => partitions.push((holder, name)),
                None => holders.push(holder),
            }
        }
        // A partition map holds its map exclusively; nothing else then can.
        if !partitions.is_empty() && holders.is_empty() {
            seen.usage.exclusive = false;
        }
        seen.usage.holders = holders;
        let own = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
        seen.open_count = seen.open_count.saturating_sub(own);
        for (device, name) in partitions {
            match self.seen(&device, &name) {
                Ok(users) => seen.add(users),
                // It went while it was looked at.
                Err(_) if self.partition_of(&device, map)?.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(seen)
    }

    /// The name of `holder` if it is a partition map of `map`, as kpartx makes them.
    fn partition_of(&self, holder: &str, map: &Map) -> Result<Option<String>> {
        let uuid = map::attribute(&self.root, holder, "uuid").map_err(Error::Read)?;
        let number = uuid.as_deref().and_then(|uuid| {
            let part = uuid.strip_suffix(&map.uuid())?;
            part.strip_prefix("part")?.strip_suffix('-')
        });
        if !number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit())) {
            return Ok(None);
        }
        map::attribute(&self.root, holder, "name").map_err(Error::Read)
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
        let Some(now) = self.still(map)? else {
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
