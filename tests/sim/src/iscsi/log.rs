//! What initiators have asked for: a log of SCSI commands.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// The latest commands that are kept whole; older ones are only counted.
const KEPT: usize = 16 * 1024;

/// One SCSI command and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ScsiCommand {
    /// Name of the target.
    pub target: String,
    /// Number of the logical unit; `None` if its LUN field names none.
    pub lun: Option<u16>,
    /// Pool and name of the volume, as `Pool-0/v_disk`; empty if nothing is mapped there.
    pub volume: String,
    /// Name of the initiator.
    pub initiator: String,
    /// Our address at which it came.
    pub portal: IpAddr,
    /// First byte of the command.
    pub opcode: u8,
    /// What the standard calls it, such as `WRITE(10)`.
    pub name: &'static str,
    /// First block, for commands that name one.
    pub lba: Option<u64>,
    /// Number of blocks, for commands that name one.
    pub blocks: Option<u64>,
    /// SCSI status: 0 is GOOD, 2 CHECK CONDITION, 0x18 RESERVATION CONFLICT, 0x40 TASK ABORTED.
    pub status: u8,
    /// Sense key, additional sense code and its qualifier, with CHECK CONDITION.
    pub sense: Option<(u8, u8, u8)>,
}

impl ScsiCommand {
    /// Can it have changed what is on the volume, had it been carried out?
    #[must_use]
    pub fn changes_data(&self) -> bool {
        changes_data(self.opcode)
    }
}

fn changes_data(opcode: u8) -> bool {
    matches!(
        opcode,
        0x04 | 0x0a | 0x2a | 0x2e | 0x41 | 0x42 | 0x83 | 0x89 | 0x8a | 0x8e | 0x93 | 0xaa | 0xae
    )
}

/// What commands are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CommandKey {
    /// Pool and name of the volume; empty if nothing is mapped at the LUN.
    pub volume: String,
    /// Our address at which they came.
    pub portal: IpAddr,
    /// First byte of the command.
    pub opcode: u8,
}

impl CommandKey {
    /// Can such commands change what is on the volume?
    #[must_use]
    pub fn changes_data(&self) -> bool {
        changes_data(self.opcode)
    }
}

/// How many commands of one kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CommandCount {
    /// All of them.
    pub commands: u64,
    /// Those that ended with another status than GOOD.
    pub failed: u64,
    /// Blocks that those with GOOD named.
    pub blocks: u64,
}

#[derive(Debug, Default)]
struct Inner {
    ring: VecDeque<ScsiCommand>,
    counts: BTreeMap<CommandKey, CommandCount>,
}

/// The latest commands, and exact counts of all.
pub(crate) struct CommandLog {
    inner: Mutex<Inner>,
    /// Sees each command as well.
    sink: Box<dyn Fn(&ScsiCommand) + Send + Sync>,
}

impl fmt::Debug for CommandLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandLog").finish_non_exhaustive()
    }
}

impl CommandLog {
    /// An empty log; `sink` sees each command as well.
    pub(crate) fn new(sink: impl Fn(&ScsiCommand) + Send + Sync + 'static) -> Self {
        Self {
            inner: Mutex::default(),
            sink: Box::new(sink),
        }
    }

    pub(crate) fn add(&self, command: ScsiCommand) {
        (self.sink)(&command);
        let mut inner = self.lock();
        let key = CommandKey {
            volume: command.volume.clone(),
            portal: command.portal,
            opcode: command.opcode,
        };
        let count = inner.counts.entry(key).or_default();
        count.commands += 1;
        if command.status == 0 {
            count.blocks += command.blocks.unwrap_or(0);
        } else {
            count.failed += 1;
        }
        if inner.ring.len() == KEPT {
            inner.ring.pop_front();
        }
        inner.ring.push_back(command);
    }

    /// The latest commands, oldest first.
    pub(crate) fn commands(&self) -> Vec<ScsiCommand> {
        self.lock().ring.iter().cloned().collect()
    }

    /// Counts of all commands since the start or the last [`clear`](Self::clear).
    pub(crate) fn counts(&self) -> BTreeMap<CommandKey, CommandCount> {
        self.lock().counts.clone()
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
