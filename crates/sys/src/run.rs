//! Runs one command with a time limit.
//!
//! Three things must not hang it: a child that ignores signals, a child that
//! cannot die (stuck in the kernel), and a daemon that the child left behind
//! and that keeps its output open. So the output goes to two memory files and
//! not to pipes, which also means that an abandoned child never gets SIGPIPE;
//! and whoever is not waited for here is collected by a thread of its own.

use crate::{Command, OnTimeout, Output, RunError, process};
use rustix::fs::{MemfdFlags, SealFlags, SeekFrom};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use subprocess::unix::ProcessExt;
use subprocess::{Exec, ExecExt, Process};

/// From SIGTERM to SIGKILL: time to give device-mapper's semaphores back.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// How long a killed child is waited for before it counts as stuck.
const AFTER_KILL: Duration = Duration::from_millis(500);
/// How much a child can write to each stream; further writes fail with EPERM.
const STREAM_MAX: u64 = 1 << 20;
/// How much of the standard error is kept.
const STDERR_MAX: u64 = 4096;
/// Added to `PATH`: an unprivileged or cron environment often lacks sbin.
pub(crate) const SYSTEM_DIRS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

pub(crate) fn run(
    command: &Command,
    limit: Duration,
    on_timeout: OnTimeout,
    grace: Duration,
) -> Result<Output, RunError> {
    let fail = |source: io::Error| RunError::Spawn {
        command: Box::new(command.clone()),
        source,
    };
    let path = search_path();
    let program = find(command, &path)?;
    let stdout = memory_file("stdout").map_err(fail)?;
    let stderr = memory_file("stderr").map_err(fail)?;
    let job = Exec::cmd(program)
        .args(command.arguments())
        .env("LC_ALL", "C")
        .env("PATH", path)
        .stdin(File::open("/dev/null").map_err(fail)?)
        .stdout(stdout.try_clone().map_err(fail)?)
        .stderr(stderr.try_clone().map_err(fail)?)
        .setpgid()
        .detached()
        .start()
        .map_err(fail)?;
    let child = &job.processes[0];

    let Some(status) = child.wait_timeout(limit).map_err(fail)? else {
        if on_timeout == OnTimeout::Terminate {
            terminate(child, grace);
        }
        collect_aside(child);
        return Err(RunError::TimedOut {
            command: Box::new(command.clone()),
            limit,
            abandoned: on_timeout == OnTimeout::Abandon,
        });
    };
    Ok(Output {
        code: status.code().and_then(|code| i32::try_from(code).ok()),
        signal: status.signal(),
        stdout: read_tail(&stdout, STREAM_MAX).map_err(fail)?,
        stderr: read_tail(&stderr, STDERR_MAX).map_err(fail)?,
    })
}

/// The environment's `PATH`, then the system's directories.
fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    for dir in SYSTEM_DIRS {
        if !path.is_empty() {
            path.push(":");
        }
        path.push(dir);
    }
    path
}

/// The program's whole path: `subprocess` would search the parent's `PATH` only.
fn find(command: &Command, path: &OsString) -> Result<PathBuf, RunError> {
    let program = command.program();
    which::which_in(program, Some(path), "/").map_err(|_| RunError::NotFound {
        program: program.to_owned(),
    })
}

/// A file in memory of which no more than [`STREAM_MAX`] can ever be in use.
fn memory_file(name: &str) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Linux 6.3 can be set up to refuse memory files without this flag, and
    // older ones do not know it.
    let file = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags)?,
        other => other?,
    };
    rustix::fs::ftruncate(&file, STREAM_MAX)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK)?;
    Ok(file.into())
}

/// The last `max` bytes that were written, as text. The child wrote through
/// the same open file, so our offset says how far it got.
fn read_tail(file: &File, max: u64) -> io::Result<String> {
    let end = rustix::fs::seek(file, SeekFrom::Current(0))?.min(STREAM_MAX);
    let start = end.saturating_sub(max);
    let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// SIGTERM to the process group, and SIGKILL if it is not gone after `grace`.
fn terminate(child: &Process, grace: Duration) {
    let group = child.pid();
    // A signal fails only if the group is gone. The child is collected after
    // the last signal only: until then its number cannot be given to others.
    let _ = child.send_signal_group(rustix::process::Signal::TERM.as_raw());
    if !ended(group, grace) {
        let _ = child.send_signal_group(rustix::process::Signal::KILL.as_raw());
        ended(group, AFTER_KILL);
    }
}

/// Waits for the process group to end, for at most `limit`.
fn ended(group: u32, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    let step = || Ok::<_, io::Error>((!process::group_lives(group)).then_some(()));
    matches!(crate::poll(end, step), Ok(Some(())))
}

/// Takes the exit status of a child that is not waited for, so that it does
/// not stay a zombie.
fn collect_aside(child: &Process) {
    if child.poll().is_some() {
        return;
    }
    let child = child.clone();
    thread::spawn(move || child.wait());
}
