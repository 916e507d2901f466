//! What was asked, in order, and what should not have been asked.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::faults::Fault;

/// The latest requests and violations that are kept in memory; the file has all.
const KEPT: usize = 64 * 1024;
/// The longest body that is kept whole, in bytes.
const BODY_KEPT: usize = 16 * 1024;

/// A request, logged when its work is done or refused: an answer that a fault holds up is not waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Request {
    /// The address of ours that it came to.
    pub local: SocketAddr,
    /// `GET`, `POST`, `PUT`, `DELETE`, or whatever it was.
    pub method: String,
    /// Path and query as they came, with `/api/v4`.
    pub path: String,
    /// The route that it took, `/pools/{pool}/volumes` for example; `None` if there is no such route.
    pub route: Option<&'static str>,
    /// As it came, up to 16 KiB; lossy if it is not UTF-8.
    pub body: String,
    /// What it was answered with (also when the answer was lost by a fault).
    pub status: u16,
    /// The appliance did what it was asked, whatever it answered: neither did it refuse, nor did a fault keep it.
    pub carried_out: bool,
    /// The faults that struck it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// The number of the connection that it came by, from 0 over all addresses.
    pub connection: u64,
}

/// A request that no client of a real appliance should send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// As in [`Request`].
    pub method: String,
    /// As in [`Request`].
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method, self.path, self.message)
    }
}

/// The log of one appliance. Kept in memory, and written to a file as well if there is one.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    requests: VecDeque<Request>,
    violations: VecDeque<Violation>,
    file: Option<File>,
}

impl Log {
    /// Writes each further entry to this file, too: JSON, one entry a line.
    pub(crate) fn write_to(&self, file: File) {
        self.lock().file = Some(file);
    }

    pub(crate) fn request(&self, request: Request) {
        let mut entries = self.lock();
        entries.line("request", &request);
        keep(&mut entries.requests, request);
    }

    pub(crate) fn violation(&self, violation: Violation) {
        let mut entries = self.lock();
        entries.line("violation", &violation);
        keep(&mut entries.violations, violation);
    }

    /// Writes one more entry of another kind to the file alone.
    pub(crate) fn line(&self, kind: &str, entry: &impl Serialize) {
        self.lock().line(kind, entry);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.lock().requests.iter().cloned().collect()
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.lock().violations.iter().cloned().collect()
    }

    /// Forgets requests and violations; the file keeps what it has.
    pub(crate) fn clear(&self) {
        let mut entries = self.lock();
        entries.requests.clear();
        entries.violations.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body as the log keeps it.
pub(crate) fn body(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(BODY_KEPT)]).into_owned()
}

fn keep<T>(entries: &mut VecDeque<T>, entry: T) {
    if entries.len() == KEPT {
        entries.pop_front();
    }
    entries.push_back(entry);
}

impl Entries {
    fn line(&mut self, kind: &str, entry: &impl Serialize) {
        let Some(file) = &mut self.file else { return };
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |t| t.as_secs_f64());
        // One write a line: formatting straight into the file would take one for each token.
        let line = format!("{}\n", serde_json::json!({ "time": time, kind: entry }));
        if file.write_all(line.as_bytes()).is_err() {
            self.file = None; // A full disk must not stop the appliance.
        }
    }
}
