//! Everything that can go wrong in this crate.

use crate::{MapUsage, Obstacle, Reply, Wwid};
use jdss_sys::RunError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something did not work. The text says what to do; the cause, where
/// there is one, is the [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A WWID that is empty or too long.
    #[error("a WWID of {len} bytes; it has 1 to {max}", max = Wwid::MAX_LEN)]
    WwidLength {
        /// Its length in bytes.
        len: usize,
    },
    /// A WWID with a character that does not belong there.
    #[error(
        "WWID {text:?} has {found:?} at {at}; letters, digits and +-.:=@_ are allowed, and a \
         letter or digit in front"
    )]
    WwidCharacter {
        /// The whole text.
        text: String,
        /// The character.
        found: char,
        /// Where it stands, in bytes from 0.
        at: usize,
    },
    /// Something else than VPD page 83.
    #[error(
        "not a VPD page 83 but {}; rescan the disk and read again",
        found.map_or("less than its header".to_owned(), |code| format!("page {code:02x}"))
    )]
    NotPage83 {
        /// The page code found; `None` when there is none.
        found: Option<u8>,
    },
    /// A VPD page 83 that is cut short or contradicts itself.
    #[error(
        "VPD page 83 ends at byte {end}, {len} bytes are there, and the designator at {at} \
         reaches over the end; rescan the disk and read again"
    )]
    Page83Truncated {
        /// Where the designator begins.
        at: usize,
        /// Where the page ends by its own words.
        end: usize,
        /// How many bytes there are.
        len: usize,
    },
    /// A program of the host is not installed.
    #[error("{} is missing: install the package {package}", program.display())]
    ToolMissing {
        /// The program.
        program: PathBuf,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// A program could not be run or did not end in time.
    #[error("a program of the host gave no result")]
    Run(#[source] RunError),
    /// A program failed.
    #[error(
        "`{command}` failed with {}: {message}",
        code.map_or("a signal".to_owned(), |code| format!("code {code}"))
    )]
    Failed {
        /// The command.
        command: String,
        /// Its exit code.
        code: Option<i32>,
        /// What it printed, at most its last lines.
        message: String,
    },
    /// A program printed something unexpected.
    #[error("`{command}` printed {text:?}, which is not what it should print")]
    Output {
        /// The command.
        command: String,
        /// The beginning of its output.
        text: String,
    },
    /// A file of the host could not be read.
    #[error("cannot see the state of this host; does this run as root?")]
    Read(#[source] io::Error),
    /// Nobody listens on multipathd's socket.
    #[error("multipathd does not run: start it with `systemctl enable --now multipathd`")]
    DaemonDown(#[source] io::Error),
    /// multipathd did not answer in time.
    #[error(
        "multipathd did not answer to `{request}` within {} s: it is stuck or overloaded, see \
         `journalctl -u multipathd`",
        limit.as_secs_f32()
    )]
    DaemonSilent {
        /// What was asked.
        request: String,
        /// How long it had.
        limit: Duration,
    },
    /// Talking to multipathd failed otherwise.
    #[error("asking multipathd for `{request}` failed; see `journalctl -u multipathd`")]
    Daemon {
        /// What was asked.
        request: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// multipathd did not do what it was asked.
    #[error("multipathd answered {reply} to `{request}`; see `journalctl -u multipathd`")]
    Refused {
        /// What was asked.
        request: String,
        /// Its answer.
        reply: Reply,
    },
    /// A line of multipathd's configuration that has another shape than all others.
    #[error("line {number} of `multipathd show config local` is {line:?}, which is no setting")]
    ConfigLine {
        /// Its number, from 1.
        number: usize,
        /// Its text.
        line: String,
    },
    /// The deadline had passed before something was begun; so it was not.
    #[error("the time was over before `{step}`; nothing of it was done")]
    DeadlinePassed {
        /// What was not begun.
        step: String,
    },
    /// A WWID was added, yet its entry is not there.
    #[error(
        "`multipath -a {wwid}` left no entry in /etc/multipath/wwids: {message}. See that no \
         `blacklist` in multipath.conf has `wwid .*`, and none of its lines sets `wwids_file`"
    )]
    NotEnrolled {
        /// The WWID.
        wwid: Wwid,
        /// What the program printed.
        message: String,
    },
    /// A WWID was removed, yet its entry is still there.
    #[error("`multipath -w {wwid}` left its entry in /etc/multipath/wwids: {message}")]
    StillEnrolled {
        /// The WWID.
        wwid: Wwid,
        /// What the program printed.
        message: String,
    },
    /// No usable map came up in time.
    #[error(
        "no multipath map of {wwid} over {}: {}",
        if disks.is_empty() { "any disk".to_owned() } else { disks.join(", ") },
        obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    NoMap {
        /// The WWID.
        wwid: Wwid,
        /// The disks the map was to have.
        disks: Vec<String>,
        /// What can be seen to stand in the way, most telling first; never empty.
        obstacles: Vec<Obstacle>,
    },
    /// The map is gone, or is another one by now.
    #[error("the multipath map of {wwid} is not there any more")]
    MapGone {
        /// The WWID.
        wwid: Wwid,
    },
    /// Somebody uses the map. Nothing was changed, or all of it was put back.
    #[error("/dev/mapper/{name} is in use: {usage}. Stop what uses it, then try again")]
    InUse {
        /// The name of the map.
        name: String,
        /// Who uses it.
        usage: Box<MapUsage>,
    },
    /// The map could not be removed, though nobody is seen to use it.
    #[error(
        "/dev/mapper/{name} could not be removed: multipathd answered {reply}; see \
         `journalctl -u multipathd`"
    )]
    NotRemoved {
        /// The name of the map.
        name: String,
        /// The daemon's last answer.
        reply: Reply,
    },
    /// Something failed, and so did putting the map back as it was.
    #[error(
        "/dev/mapper/{name} was not removed, and could not be put back as it was either \
         ({undo}): see that it is not suspended, then `multipathd restorequeueing map {name}`"
    )]
    NotPutBack {
        /// The name of the map.
        name: String,
        /// Why it was not removed.
        #[source]
        cause: Box<Error>,
        /// Why it could not be put back.
        undo: Box<Error>,
    },
    /// The map was removed and came back.
    #[error(
        "the multipath map of {wwid} was removed and came back; {}",
        if *enrolled {
            "its WWID is still in /etc/multipath/wwids, remove it there first"
        } else {
            "set `find_multipaths strict` in multipath.conf"
        }
    )]
    CameBack {
        /// The WWID.
        wwid: Wwid,
        /// Whether it has an entry in the wwids file.
        enrolled: bool,
    },
    /// A disk of the map has not the size that the map is to get.
    #[error("{disk} has {found} bytes, {wanted} are wanted; rescan it once its path is up")]
    DiskSize {
        /// The disk.
        disk: String,
        /// Its size in bytes.
        found: u64,
        /// The size wanted, in bytes.
        wanted: u64,
    },
    /// The map did not take its new size.
    #[error(
        "/dev/mapper/{name} has {found} bytes instead of {wanted}: multipathd answered {reply}"
    )]
    NotResized {
        /// The name of the map.
        name: String,
        /// Its size in bytes.
        found: u64,
        /// The size wanted, in bytes.
        wanted: u64,
        /// The daemon's last answer.
        reply: Reply,
    },
    /// The path was not failed.
    #[error(
        "the path {disk} is still active in its map: multipathd answered {reply}; stop what \
         uses the map"
    )]
    NotFailed {
        /// The disk.
        disk: String,
        /// The daemon's answer.
        reply: Reply,
    },
}

impl Error {
    /// Whether the same call may work later without anybody changing the
    /// configuration of this host.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Run(source) => matches!(source, RunError::TimedOut { .. }),
            Self::NoMap { obstacles, .. } => !obstacles.iter().any(Obstacle::is_lasting),
            Self::DaemonSilent { .. }
            | Self::Daemon { .. }
            | Self::DeadlinePassed { .. }
            | Self::MapGone { .. }
            | Self::InUse { .. }
            | Self::NotRemoved { .. }
            | Self::NotResized { .. }
            | Self::DiskSize { .. }
            | Self::Page83Truncated { .. }
            | Self::NotPage83 { .. } => true,
            Self::Refused { reply, .. } => matches!(reply, Reply::Timeout | Reply::Fail { .. }),
            _ => false,
        }
    }
}
