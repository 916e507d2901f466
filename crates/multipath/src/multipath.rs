//! The handle, and what everything else is made of.

use crate::error::{Error, Result};
use crate::{Effects, Map, Reply, System, Wwid, map, socket, wwids};
use jdss_sys::{Command, OnTimeout, Output, Root, RunError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest wait for one answer. The daemon itself gives up after 4 s of
/// waiting for its lock; a map made or removed under load may take longer.
const ASK: Duration = Duration::from_secs(10);
/// `show daemon` needs no lock.
const ASK_LIVENESS: Duration = Duration::from_secs(4);
/// The longest a tool of this crate may take: each does one small thing.
pub(crate) const TOOL: Duration = Duration::from_secs(20);
const SCSI_ID: &str = "/lib/udev/scsi_id";
const PACKAGE: &str = "multipath-tools";

/// How long to wait for what is not a deadline of the caller.
///
/// # Example
///
/// ```
/// use jdss_multipath::{Multipath, Patience};
/// use std::time::Duration;
///
/// let eager = Patience { help: Duration::ZERO, ..Patience::default() };
/// let multipath = Multipath::system().patience(eager);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Before [`Multipath::wait_map`] first helps the daemon. Default: 1 s.
    pub help: Duration,
    /// Before [`Multipath::remove`] takes an open map that no visible process
    /// explains for used, and before it lets the waiting reads of udev fail
    /// where no path is up. Default: 2 s.
    pub stuck: Duration,
    /// How long a removed map must stay away to count as removed. Default: 100 ms.
    pub settle: Duration,
    /// How long the daemon may be away, as in a restart. Default: 10 s.
    pub daemon: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            help: Duration::from_secs(1),
            stuck: Duration::from_secs(2),
            settle: Duration::from_millis(100),
            daemon: Duration::from_secs(10),
        }
    }
}

/// SCSI IDs and multipath maps of one host.
///
/// Cheap to clone. See the [crate's page](crate) for how its functions fit together.
#[derive(Debug, Clone)]
pub struct Multipath {
    pub(crate) root: Root,
    pub(crate) effects: Arc<dyn Effects>,
    pub(crate) patience: Patience,
}

impl Multipath {
    /// This host.
    pub fn system() -> Self {
        Self::new(Root::host(), Arc::new(System))
    }

    /// A host that is looked at below `root` and acted upon through `effects`.
    pub fn new(root: Root, effects: Arc<dyn Effects>) -> Self {
        Self {
            root,
            effects,
            patience: Patience::default(),
        }
    }

    /// Sets how long to wait for what is not a deadline of the caller.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Checks that multipath-tools is installed and that its daemon answers.
    /// Blocks for at most 4 s.
    ///
    /// # Errors
    ///
    /// * [`Error::ToolMissing`]: install the package it names.
    /// * [`Error::DaemonDown`]: start multipathd.
    /// * [`Error::DaemonSilent`], [`Error::Daemon`]: it runs, but does not work.
    /// * [`Error::Refused`]: something else listens in its place.
    pub fn check(&self) -> Result<()> {
        self.program("multipath")?;
        let request = "show daemon";
        let text = self.ask(request, ASK_LIVENESS)?;
        // "pid 177 idle"; newer ones may add "(pending reconfigure)".
        if text.starts_with("pid ") {
            return Ok(());
        }
        let Ok(reply) = text.parse();
        let request = request.to_owned();
        Err(Error::Refused { request, reply })
    }

    /// Looks for a program without running it.
    fn program(&self, name: &str) -> Result<()> {
        if jdss_sys::has_program(&self.root, name).map_err(Error::Read)? {
            return Ok(());
        }
        Err(Error::ToolMissing {
            program: name.into(),
            package: PACKAGE,
        })
    }

    /// Asks the disk itself for its name, with `/lib/udev/scsi_id -g -u -d DEVICE`.
    ///
    /// `-g` answers for every disk, `-u` replaces white space as udev does. The
    /// disk is opened and commands are sent to it: on a path that is down this
    /// blocks until the transport gives up or `deadline` passes (at most 20 s
    /// and the few seconds that ending the program takes).
    ///
    /// # Errors
    ///
    /// * [`Error::ToolMissing`]: install `udev`.
    /// * [`Error::Failed`]: no such device, or it names no ID; look whether its
    ///   path is up.
    /// * [`Error::Output`], [`Error::WwidCharacter`], [`Error::WwidLength`]: what
    ///   it printed is no WWID.
    /// * [`Error::Run`], [`Error::DeadlinePassed`]: no result in time.
    pub fn scsi_id(&self, device: &Path, deadline: Instant) -> Result<Wwid> {
        let command = Command::new(SCSI_ID).args(["-g", "-u", "-d"]).arg(device);
        let output = self.run(&command, "udev", deadline)?;
        if !output.success() || output.stdout.trim().is_empty() {
            return Err(failed(&command, &output));
        }
        let printed = output.stdout.trim_end_matches('\n');
        if printed.contains('\n') {
            return Err(unexpected(&command, printed));
        }
        printed.parse()
    }

    /// The map of a volume, found by its device-mapper uuid. Only reads sysfs.
    ///
    /// # Errors
    ///
    /// [`Error::Read`]: sysfs could not be read.
    pub fn map(&self, wwid: &Wwid) -> Result<Option<Map>> {
        map::find(&self.root, wwid).map_err(Error::Read)
    }

    /// All multipath maps of this host. Only reads sysfs.
    ///
    /// # Errors
    ///
    /// [`Error::Read`]: sysfs could not be read.
    pub fn maps(&self) -> Result<Vec<Map>> {
        map::all(&self.root).map_err(Error::Read)
    }

    /// The map that has this disk (`sda`); `None` when something else holds it,
    /// or nothing. Only reads sysfs.
    ///
    /// # Errors
    ///
    /// [`Error::Read`]: sysfs could not be read.
    pub fn map_of_disk(&self, disk: &str) -> Result<Option<Map>> {
        let holders = self.root.list(format!("sys/block/{disk}/holders"));
        for holder in holders.map_err(Error::Read)? {
            if let Some(map) = map::read(&self.root, &holder).map_err(Error::Read)? {
                return Ok(Some(map));
            }
        }
        Ok(None)
    }

    /// Whether the volume is enrolled: an entry in `/etc/multipath/wwids`, by
    /// which multipathd makes a map of its first path. Only reads that file.
    ///
    /// # Errors
    ///
    /// [`Error::Read`]: the file is there and cannot be read.
    pub fn enrolled(&self, wwid: &Wwid) -> Result<bool> {
        let text = self.root.read(wwids::FILE).map_err(Error::Read)?;
        Ok(text.is_some_and(|text| wwids::contains(&text, wwid.as_str())))
    }

    /// Runs one tool that ends soon.
    pub(crate) fn run(
        &self,
        command: &Command,
        package: &'static str,
        deadline: Instant,
    ) -> Result<Output> {
        let limit = self.left(deadline, TOOL, || command.to_string())?;
        let run = self.effects.run(command, limit, OnTimeout::Terminate);
        run.map_err(|error| match error {
            RunError::NotFound { program } => Error::ToolMissing { program, package },
            other => Error::Run(other),
        })
    }

    /// The time there is for `step`: until the deadline, at most `most`.
    fn left(
        &self,
        deadline: Instant,
        most: Duration,
        step: impl FnOnce() -> String,
    ) -> Result<Duration> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::DeadlinePassed { step: step() });
        }
        Ok(left.min(most))
    }

    /// One request that changes something.
    pub(crate) fn request(&self, request: &str, deadline: Instant) -> Result<Reply> {
        let Ok(reply) = self.ask_by(request, deadline)?.parse();
        if reply == Reply::Denied {
            let request = request.to_owned();
            return Err(Error::Refused { request, reply });
        }
        Ok(reply)
    }

    /// Asks for a text, within the deadline.
    pub(crate) fn ask_by(&self, request: &str, deadline: Instant) -> Result<String> {
        let limit = self.left(deadline, ASK, || format!("multipathd {request}"))?;
        self.ask(request, limit)
    }

    fn ask(&self, request: &str, limit: Duration) -> Result<String> {
        let text = self.effects.ask(request, limit);
        text.map_err(|source| {
            let request = request.to_owned();
            match source.kind() {
                _ if socket::nobody_listens(&source) => Error::DaemonDown(source),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                    Error::DaemonSilent { request, limit }
                }
                _ => Error::Daemon { request, source },
            }
        })
    }
}

/// What a program said, in one line: its errors, else its output.
pub(crate) fn message(output: &Output) -> String {
    let said = match output.stderr.trim() {
        "" => output.stdout.trim(),
        errors => errors,
    };
    if said.is_empty() {
        return "it said nothing".to_owned();
    }
    let lines: Vec<&str> = said.lines().map(|line| plain(line.trim())).collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

/// Without the uptime that multipath puts in front: `67.757723 | TEXT`.
fn plain(line: &str) -> &str {
    match line.split_once(" | ") {
        Some((uptime, text)) if uptime.parse::<f64>().is_ok() => text,
        _ => line,
    }
}

pub(crate) fn failed(command: &Command, output: &Output) -> Error {
    Error::Failed {
        command: command.to_string(),
        code: output.code,
        message: message(output),
    }
}

pub(crate) fn unexpected(command: &Command, text: &str) -> Error {
    Error::Output {
        command: command.to_string(),
        text: text.chars().take(120).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_said_is_its_last_errors_without_the_uptime() {
        let said = |stdout: &str, stderr: &str| {
            message(&Output {
                stdout: stdout.to_owned(),
                stderr: stderr.to_owned(),
                ..Output::default()
            })
        };
        assert_eq!(said("", " \n"), "it said nothing");
        assert_eq!(said("wwid 'x' added\n", ""), "wwid 'x' added");
        assert_eq!(said("out", "52.348914 | x: map in use\n"), "x: map in use");
        assert_eq!(said("", "a | b\nc\nd\n\n"), "a | b / c / d");
        assert_eq!(said("", "1\n2\n3\n4\n"), "2 / 3 / 4");
    }
}
