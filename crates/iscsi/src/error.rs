//! What can go wrong.

use crate::{Code, DiskState, Iqn, Portal, SessionState};
use jdss_sys::{Command, RunError, Usage};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no `iscsiadm`.
    #[error("iscsiadm is missing; install the package open-iscsi")]
    ToolMissing {
        /// Where it was looked for.
        #[source]
        source: RunError,
    },
    /// `iscsiadm` has no exit status: it could not be started, or did not end
    /// in time.
    #[error("iscsiadm gave no result")]
    Run {
        /// Which command, and why.
        #[source]
        source: RunError,
    },
    /// iscsid does not run, and nothing would start it.
    #[error("iscsid is not running; start it with `systemctl enable --now iscsid`")]
    DaemonMissing,
    /// `iscsiadm` cannot reach iscsid.
    #[error("iscsiadm cannot reach iscsid; start it with `systemctl start iscsid`")]
    DaemonDown {
        /// How `iscsiadm` ended: 20, or 18 when iscsid went away meanwhile.
        code: Code,
    },
    /// This user may not do it.
    #[error("`{command}` is not permitted; run as root")]
    NotPermitted {
        /// The command.
        command: Box<Command>,
    },
    /// `iscsiadm` failed otherwise.
    #[error("`{command}` failed with {code}{}", told(stderr))]
    Failed {
        /// The command.
        command: Box<Command>,
        /// How it ended.
        code: Code,
        /// What it said, one line.
        stderr: String,
    },
    /// The deadline had passed before there was anything to be seen of it.
    #[error("no time is left to {what}; allow a longer deadline")]
    NoTime {
        /// What was still to do.
        what: &'static str,
    },
    /// Something below `/sys`, `/proc` or `/etc` could not be read.
    #[error("cannot read the state of the host")]
    Read {
        /// Which file, and why.
        #[source]
        source: io::Error,
    },
    /// A sysfs attribute could not be written.
    #[error("cannot write {value:?} to {}", path.display())]
    Write {
        /// The attribute.
        path: PathBuf,
        /// What was to be written.
        value: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A broken node record could not be removed.
    #[error("cannot remove the broken node record {}; remove it by hand", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `/etc/iscsi/initiatorname.iscsi` names no initiator.
    #[error(
        "{} has no line InitiatorName= with an iscsi name; write one with `iscsi-iname`",
        path.display()
    )]
    InitiatorName {
        /// The file.
        path: PathBuf,
    },
    /// The session is not up, and what was asked for could hang until it is.
    #[error(
        "session to {target}{} is {}; wait until it is logged in",
        portal_text(portal),
        state_text(state)
    )]
    SessionDown {
        /// Its target.
        target: Iqn,
        /// Its portal; `None` for a host name.
        portal: Option<Portal>,
        /// Its state; `None` when there is no such session any more.
        state: Option<SessionState>,
    },
    /// The disk cannot be used, and what was asked for could hang until it can.
    #[error(
        "disk {disk} is {}, not running; wait until its session is back",
        disk_text(state)
    )]
    DiskDown {
        /// The disk.
        disk: String,
        /// Its state; `None` when it is gone.
        state: Option<DiskState>,
    },
    /// Somebody uses the disk.
    #[error("disk {disk} is in use: {usage}")]
    InUse {
        /// The disk.
        disk: String,
        /// Who.
        usage: Usage,
    },
    /// The kernel was told to delete the disk, and it is still there.
    #[error("disk {disk} is still there after it was deleted; see the kernel's log")]
    StillThere {
        /// The disk.
        disk: String,
    },
    /// A session is still there after the logout.
    #[error(
        "session to {target}{} is still there after the logout; see the log of iscsid",
        portal_text(portal)
    )]
    StillLoggedIn {
        /// Its target.
        target: Iqn,
        /// Its portal; `None` for a host name.
        portal: Option<Portal>,
    },
}

fn told(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!(": {text}")
}

fn portal_text(portal: &Option<Portal>) -> String {
    portal.map_or_else(String::new, |portal| format!(" at {portal}"))
}

fn state_text(state: &Option<SessionState>) -> String {
    state.map_or_else(|| "gone".to_owned(), |state| state.to_string())
}

fn disk_text(state: &Option<DiskState>) -> String {
    state
        .as_ref()
        .map_or_else(|| "gone".to_owned(), DiskState::to_string)
}

impl Error {
    pub(crate) fn read(source: io::Error) -> Self {
        Self::Read { source }
    }

    /// Whether the same call may succeed a little later without anything
    /// having been set right.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Failed { code, .. } => code.is_transient(),
            Self::Run {
                source: RunError::TimedOut { .. },
            } => true,
            Self::DaemonDown { code } => code.is_transient(),
            Self::SessionDown { state, .. } => *state == Some(SessionState::Failed),
            Self::DiskDown { state, .. } => *state == Some(DiskState::Blocked),
            Self::InUse { .. } | Self::StillThere { .. } | Self::StillLoggedIn { .. } => true,
            _ => false,
        }
    }
}

/// Why there is no session that is up at a portal after a login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortalDown {
    /// The login failed.
    #[error("login failed with {code}{}", told(text))]
    Login {
        /// Why.
        code: Code,
        /// What `iscsiadm` said besides, one line; mostly empty.
        text: String,
    },
    /// Its node record could not be made or changed.
    #[error("its node record cannot be written: {code}{}", told(text))]
    Record {
        /// Why.
        code: Code,
        /// What `iscsiadm` said, one line.
        text: String,
    },
    /// There is a session, but it is not up. iscsid goes on trying.
    #[error("its session is {state}; iscsid tries to bring it back")]
    Session {
        /// Its state.
        state: SessionState,
    },
    /// `iscsiadm` succeeded, yet there is no session.
    #[error("iscsiadm reported success, but there is no session; see the log of iscsid")]
    Missing,
    /// `iscsiadm` did not end in time.
    #[error("iscsiadm did not end within {} s", limit.as_secs_f32().ceil())]
    TimedOut {
        /// The time it had.
        limit: Duration,
    },
    /// The deadline had passed before it was its turn.
    #[error("no time was left for it")]
    NoTime,
}

impl PortalDown {
    /// The exit code behind it, where there is one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Login { code, .. } | Self::Record { code, .. } => Some(*code),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send_sync<T: Send + Sync>() {}

    #[test]
    fn errors_pass_between_threads() {
        is_send_sync::<Error>();
        is_send_sync::<PortalDown>();
    }

    #[test]
    fn what_the_tool_said_is_told_once() {
        let down = |text: &str| PortalDown::Login {
            code: Code::Access,
            text: text.to_owned(),
        };
        let told = "login failed with exit code 13 (not permitted; run as root)";
        assert_eq!(down("").to_string(), told);
        assert_eq!(down("why").to_string(), format!("{told}: why"));
    }

    #[test]
    fn a_blocked_disk_is_worth_a_second_try_and_a_missing_tool_is_not() {
        let down = |state| Error::DiskDown {
            disk: "sda".to_owned(),
            state,
        };
        assert!(down(Some(DiskState::Blocked)).is_transient());
        assert!(!down(None).is_transient());
        assert_eq!(
            PortalDown::TimedOut {
                limit: Duration::from_millis(4999)
            }
            .to_string(),
            "iscsiadm did not end within 5 s"
        );
        assert_eq!(
            down(None).to_string(),
            "disk sda is gone, not running; wait until its session is back"
        );
        let missing = Error::ToolMissing {
            source: RunError::NotFound {
                program: "iscsiadm".into(),
            },
        };
        assert!(!missing.is_transient());
        assert!(missing.to_string().contains("open-iscsi"));
    }
}
