//! `iscsiadm`: how it is called, and what its answers mean.

use crate::{Code, Error, Iqn, Portal};
use jdss_sys::{Command, Effects, OnTimeout, Output, RunError};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The program of open-iscsi.
pub(crate) const PROGRAM: &str = "iscsiadm";

/// The node database's lock is waited for 30 s. A verb that is killed while it
/// has the lock leaves it behind for good, so it is left running instead.
const DATABASE_LIMIT: Duration = Duration::from_secs(40);

/// All records and sessions of a target, or those of one portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Target,
    Portal(Portal),
}

/// One command about the nodes of `target`.
pub(crate) fn node(target: &Iqn, scope: Scope) -> Command {
    let command = Command::new(PROGRAM).args(["-m", "node", "-T", target.as_str()]);
    match scope {
        Scope::Target => command,
        Scope::Portal(portal) => command.arg("-p").arg(portal.to_string()),
    }
}

/// Runs a verb that changes the node database; never kills it.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn change(
    effects: &dyn Effects,
    command: &Command,
    deadline: Instant,
) -> Result<Output, Error> {
    run(
        effects,
        command,
        DATABASE_LIMIT,
        OnTimeout::Abandon,
        deadline,
    )
}

/// Runs `--login` or `--logout`, for which iscsid does the work: it may be
/// terminated, since it has the database's lock only at its start.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn ask_daemon(
    effects: &dyn Effects,
    command: &Command,
    limit: Duration,
    deadline: Instant,
) -> Result<Output, Error> {
    run(effects, command, limit, OnTimeout::Terminate, deadline)
}

/// Runs a command for at most `limit`, and no longer than until `deadline`.
///
/// # Errors
///
/// [`Error::ToolMissing`], [`Error::Run`] when it does not end in time,
/// [`Error::NoTime`], and [`Error::NotPermitted`]. Every other exit status is
/// the caller's to judge.
pub(crate) fn run(
    effects: &dyn Effects,
    command: &Command,
    limit: Duration,
    on_timeout: OnTimeout,
    deadline: Instant,
) -> Result<Output, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::NoTime {
            what: "run iscsiadm",
        });
    }
    let output = match effects.run(command, limit.min(left), on_timeout) {
        Ok(output) => output,
        Err(source @ RunError::NotFound { .. }) => return Err(Error::ToolMissing { source }),
        Err(source) => return Err(Error::Run { source }),
    };
    if Code::from(&output) == Code::Access {
        let command = Box::new(command.clone());
        return Err(Error::NotPermitted { command });
    }
    Ok(output)
}

/// The error for a command that failed in a way nobody expects.
pub(crate) fn failed(command: &Command, output: &Output) -> Error {
    let code = Code::from(output);
    if code.is_daemon_down() {
        return Error::DaemonDown { code };
    }
    Error::Failed {
        command: Box::new(command.clone()),
        code,
        stderr: one_line(&output.stderr),
    }
}

/// What it said, in one line and without its name.
pub(crate) fn one_line(stderr: &str) -> String {
    let lines = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let lines = lines.map(|line| line.strip_prefix("iscsiadm: ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("; ")
}

/// Why each portal's login failed, from the standard error of a login of
/// several: the exit status is that of the first failure only.
///
/// Whether a login worked is read in sysfs; this is only told to people, so a
/// text of another shape is no error.
pub(crate) fn reasons(stderr: &str) -> BTreeMap<Portal, Code> {
    let mut found = BTreeMap::new();
    let mut portal = None;
    for line in stderr.lines() {
        if let Some((_, rest)) = line.split_once("Could not login to [") {
            portal = portal_in(rest);
        } else if let Some((_, rest)) = line.split_once("initiator reported error (")
            && let Some((number, _)) = rest.split_once(' ')
            && let (Some(portal), Ok(number)) = (portal, number.parse())
        {
            found.insert(portal, Code::from_number(number));
        }
    }
    found
}

/// The portal in `iface: default, target: NAME, portal: 10.0.0.1,3260].`
fn portal_in(text: &str) -> Option<Portal> {
    let (_, rest) = text.rsplit_once("portal: ")?;
    let (address, port) = rest.split_once(']')?.0.rsplit_once(',')?;
    Portal::from_fields(address, port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a login prints to its standard error: file, portal, and its reason.
    const LOGINS: [(&str, &str, Option<Code>); 6] = [
        (
            include_str!("../tests/fixtures/login-denied-2.1.8.txt"),
            "10.0.1.1:3260",
            Some(Code::Denied),
        ),
        (
            include_str!("../tests/fixtures/login-timed-out-2.1.11.txt"),
            "10.0.1.1:3261",
            Some(Code::ConnectTimedOut),
        ),
        (
            include_str!("../tests/fixtures/login-without-iscsid-2.1.11.txt"),
            "10.0.1.1:3260",
            Some(Code::DaemonDown),
        ),
        (
            include_str!("../tests/fixtures/login-refused-by-both-2.1.8.txt"),
            "10.0.2.1:3260",
            Some(Code::Refused),
        ),
        (
            include_str!("../tests/fixtures/login-one-already-in-2.1.8.txt"),
            "10.0.1.1:3260",
            None,
        ),
        (
            include_str!("../tests/fixtures/login-without-record-2.1.8.txt"),
            "10.0.1.1:3260",
            None,
        ),
    ];

    #[test]
    fn a_command_names_target_and_portal_as_values() {
        let target = "iqn.2025-04.com.example:vm-1".parse().unwrap();
        let all = node(&target, Scope::Target).arg("--login");
        assert_eq!(
            all.to_string(),
            "iscsiadm -m node -T iqn.2025-04.com.example:vm-1 --login"
        );
        let portal = Scope::Portal("fd00::1".parse().unwrap());
        let one = node(&target, portal).arg("--login");
        assert_eq!(
            one.to_string(),
            "iscsiadm -m node -T iqn.2025-04.com.example:vm-1 -p '[fd00::1]:3260' --login"
        );
    }

    #[test]
    fn what_the_tool_prints_is_understood() {
        for (text, portal, code) in LOGINS {
            let found = reasons(text);
            assert_eq!(found.get(&portal.parse().unwrap()), code.as_ref(), "{text}");
        }
        assert_eq!(reasons(LOGINS[3].0).len(), 2);
    }

    #[test]
    fn each_portal_has_its_own_reason() {
        let two = format!(
            "{}iscsiadm: Could not login to [iface: default, target: iqn.x:y, portal: \
             fd00::1,3261].\niscsiadm: initiator reported error (8 - connection timed out)\n",
            LOGINS[0].0
        );
        let found = reasons(&two);
        assert_eq!(found.len(), 2);
        assert_eq!(found[&"10.0.1.1:3260".parse().unwrap()], Code::Denied);
        assert_eq!(
            found[&"[fd00::1]:3261".parse().unwrap()],
            Code::ConnectTimedOut
        );
    }

    #[test]
    fn what_it_said_is_one_line() {
        assert_eq!(one_line("iscsiadm: a\n\nb\n"), "a; b");
    }

    proptest! {
        #[test]
        fn no_answer_panics(file in 0..LOGINS.len(), at in 0usize..400, with in ".{0,20}") {
            let text = LOGINS[file].0;
            let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
            let _ = reasons(&format!("{before}{with}{after}"));
        }
    }
}
