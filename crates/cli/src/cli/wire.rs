//! What the command line and its worker process say to each other: one JSON
//! object a line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::exit::Exit;

/// What the worker is to do; the first line that it reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) config: PathBuf,
    pub(super) password_file: Option<PathBuf>,
    pub(super) storage: String,
    pub(super) volume: String,
    /// Whole deadline in milliseconds, from when the worker reads this.
    pub(super) limit_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Operation {
    Activate,
    Deactivate,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
        })
    }
}

/// One line of the worker's answer: any number of events, then one end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Message {
    /// One step; told when asked for.
    Event(String),
    /// Something that the administrator should know in any case.
    Note(String),
    Done(Outcome),
    Failed(Failure),
}

/// What is printed after success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Outcome {
    Active(ActiveOutput),
    Deactivated {
        /// False when there was nothing to take down.
        changed: bool,
    },
}

/// A volume that is up, as `--json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ActiveOutput {
    pub(super) path: PathBuf,
    pub(super) link: PathBuf,
    pub(super) wwid: String,
    pub(super) size: u64,
    pub(super) up: Vec<String>,
    pub(super) missing: Vec<MissingOutput>,
    pub(super) degraded: bool,
    pub(super) changed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MissingOutput {
    pub(super) portal: String,
    pub(super) reason: String,
}

/// Why it failed, in one line, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) code: u8,
    pub(super) class: String,
    pub(super) message: String,
    /// Devices of this host are left half way: deactivate is to be run.
    pub(super) left: bool,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            code: exit.code(),
            class: exit.name().to_owned(),
            message: message.into(),
            left: false,
        }
    }

    /// With the whole chain of causes in one line.
    pub(super) fn of(exit: Exit, error: &dyn std::error::Error) -> Self {
        Self::new(exit, chain(error))
    }
}

/// An error and its causes in one line, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
