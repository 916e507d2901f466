//! The process that does the work, and the parent's side of it.
//!
//! A write to sysfs or an open of a disk can hang in the kernel for minutes,
//! where no signal helps. So the work is done in a process of its own, without
//! the standard streams of whoever called; the parent keeps the deadline and
//! always ends in time. The worker holds a pipe to its parent: once that is
//! closed it takes no further step forward, undoes what it did and ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::exit::Exit;
use super::run;
use super::wire::{Failure, Message, Outcome, Request};
use crate::attach::{Budget, Event};

/// The hidden subcommand by which the program starts itself as a worker.
pub(super) const COMMAND: &str = "worker";
/// What the parent waits beyond the deadline for the worker's last word.
const GRACE: Duration = Duration::from_secs(1);
/// The longest request line.
const REQUEST_MAX: u64 = 64 * 1024;

/// Has `request` done by a worker; `tell` gets its events as they happen, with
/// whether it is a note that is always told.
///
/// Returns within the request's deadline plus a second, whatever the worker
/// does. A worker that is still busy then unwinds on its own.
pub(super) fn delegate(request: &Request, tell: impl Fn(&str, bool)) -> Result<Outcome, Failure> {
    let limit = Duration::from_millis(request.limit_ms);
    let end = Instant::now() + limit + GRACE;
    let internal = |what: &str, e: &dyn std::error::Error| {
        Failure::new(Exit::Internal, format!("{what}: {e}"))
    };
    let mut child = spawn().map_err(|e| internal("cannot start the worker process", &e))?;
    let mut line = serde_json::to_vec(request).map_err(|e| {
        // A path that is not text.
        Failure::new(Exit::Usage, format!("a file name cannot be used: {e}"))
    })?;
    line.push(b'\n');
    // Kept open: its end tells the worker that nobody waits any more.
    let mut to_worker = child.stdin.take();
    let sent = match &mut to_worker {
        Some(pipe) => pipe.write_all(&line),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    };
    sent.map_err(|e| internal("cannot reach the worker process", &e))?;

    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str::<Message>(&line)).is_err() {
                    return;
                }
            }
        });
    }
    let stderr = child.stderr.take();
    loop {
        match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Ok(Message::Event(text))) => tell(&text, false),
            Ok(Ok(Message::Note(text))) => tell(&text, true),
            Ok(Ok(Message::Done(outcome))) => return Ok(outcome),
            Ok(Ok(Message::Failed(failure))) => return Err(failure),
            Ok(Err(e)) => return Err(internal("the worker process said something odd", &e)),
            Err(RecvTimeoutError::Disconnected) => return Err(died(&mut child, stderr, end)),
            Err(RecvTimeoutError::Timeout) => {
                return Err(Failure::new(
                    Exit::Timeout,
                    format!(
                        "no answer within the deadline of {} s: process {} is stuck in the kernel or still \
                         undoing; it ends by itself, and the next call says if it holds the volume",
                        limit.as_secs(),
                        child.id()
                    ),
                ));
            }
        }
    }
}

fn spawn() -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg0("jdss")
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C is for the parent; the worker then unwinds in peace.
        .process_group(0)
        .spawn()
}

/// Why a worker has closed its answers without a last word.
fn died(child: &mut Child, stderr: Option<impl Read>, end: Instant) -> Failure {
    let status = jdss_sys::poll(end, || child.try_wait());
    let status = match status {
        Ok(Some(status)) => status.to_string(),
        Ok(None) => "it still runs".to_owned(),
        Err(e) => e.to_string(),
    };
    let mut said = Vec::new();
    if let Some(stderr) = stderr {
        // Only the beginning: the first line of a panic says where.
        let _ = stderr.take(2048).read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said);
    Failure::new(
        Exit::Internal,
        format!(
            "the worker process ended without an answer ({status}) {}",
            said.trim()
        ),
    )
}

/// The worker's side: reads one request, does it, answers, ends.
pub(super) fn serve() -> ExitCode {
    let mut stdin = BufReader::new(io::stdin());
    let mut line = String::new();
    let request = (&mut stdin)
        .take(REQUEST_MAX)
        .read_line(&mut line)
        .map_err(|e| e.to_string())
        .and_then(|_| serde_json::from_str::<Request>(&line).map_err(|e| e.to_string()));
    let out = Arc::new(Mutex::new(io::stdout()));
    let say = {
        let out = Arc::clone(&out);
        move |message: &Message| {
            // A parent that is gone cannot be told anything.
            if let (Ok(mut out), Ok(mut line)) = (out.lock(), serde_json::to_vec(message)) {
                line.push(b'\n');
                let _ = out.write_all(&line).and_then(|()| out.flush());
            }
        }
    };
    let request = match request {
        Ok(request) => request,
        Err(e) => {
            say(&Message::Failed(Failure::new(
                Exit::Usage,
                format!("bad request to the worker: {e}"),
            )));
            return ExitCode::from(Exit::Usage.code());
        }
    };
    let budget = Budget::new(Duration::from_millis(request.limit_ms));
    // Otherwise it would be called "exe" in messages about who holds a lock.
    let _ = rustix::thread::set_name(c"jdss");
    let cancel = budget.canceller();
    thread::spawn(move || {
        // Nothing more is ever sent: the read ends when the parent does.
        let _ = io::copy(&mut stdin, &mut io::sink());
        cancel.store(true, Ordering::Relaxed);
    });
    let tell = say.clone();
    let result = run::operation(&request, &budget, move |event| {
        tell(&match event {
            Event::Note { .. } => Message::Note(event.to_string()),
            _ => Message::Event(event.to_string()),
        });
    });
    let (message, code) = match result {
        Ok(outcome) => (Message::Done(outcome), Exit::Success.code()),
        Err(failure) => {
            let code = failure.code;
            (Message::Failed(failure), code)
        }
    };
    say(&message);
    ExitCode::from(code)
}
