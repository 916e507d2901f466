//! Commands, their results and what can go wrong, as data.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A command to run: a program and its arguments.
///
/// A name without `/` is searched in `PATH` and in the sbin directories.
/// Displayed, it is quoted as one would type it into a shell; so no secret
/// belongs into an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    program: PathBuf,
    args: Vec<OsString>,
}

impl Command {
    /// A command without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// The program, as given to [`new`](Self::new).
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The arguments, without the program.
    pub fn arguments(&self) -> &[OsString] {
        &self.args
    }

    /// The arguments as text; bytes that are not UTF-8 are replaced.
    pub fn arguments_lossy(&self) -> Vec<String> {
        self.args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quote(&self.program.to_string_lossy(), f)?;
        for arg in &self.args {
            f.write_str(" ")?;
            quote(&arg.to_string_lossy(), f)?;
        }
        Ok(())
    }
}

/// Writes `word` so that a POSIX shell reads it back as one word.
fn quote(word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return f.write_str(word);
    }
    write!(f, "'{}'", word.replace('\'', r"'\''"))
}

/// What becomes of a child that does not end in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// SIGTERM to its process group, 5 s of grace, then SIGKILL. A child that
    /// even then does not die (stuck in the kernel) is left, not waited for.
    Terminate,
    /// Left running, never signalled: for commands that must not be killed
    /// half way, such as `iscsiadm` while it changes its database.
    Abandon,
}

/// How a command that ran to its end came out.
///
/// Exactly one of `code` and `signal` is set, unless somebody else collected
/// the exit status: then neither is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit code, if it ended by itself.
    pub code: Option<i32>,
    /// Signal number, if a signal ended it.
    pub signal: Option<i32>,
    /// The first MiB of its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// The last 4 KiB of its standard error, likewise.
    pub stderr: String,
}

impl Output {
    /// Whether it ended by itself with code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Why there is no exit status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The program is nowhere in `PATH`, `/usr/sbin`, `/sbin`, `/usr/bin`, `/bin`.
    #[error(
        "program `{}` not found in PATH, /usr/sbin, /sbin, /usr/bin or /bin; install the package \
         that brings it",
        program.display()
    )]
    NotFound {
        /// The program, as the command names it.
        program: PathBuf,
    },
    /// It was not possible to start or to watch it.
    #[error("cannot run `{command}`; see whether this user may run it")]
    Spawn {
        /// The command.
        command: Box<Command>,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// It did not end in its time.
    #[error(
        "`{command}` did not end within {} s and was {}",
        limit.as_secs_f32().ceil(),
        if *abandoned {
            "left running; wait for that process to end, then try again"
        } else {
            "terminated; see in the system log what it waited for, then try again"
        }
    )]
    TimedOut {
        /// The command.
        command: Box<Command>,
        /// The time it had.
        limit: Duration,
        /// Whether it goes on running.
        abandoned: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn display_quotes_what_a_shell_would_split_or_expand() {
        let command = Command::new("iscsiadm").args(["-n", "node.conn[0].x", "", "it's"]);
        assert_eq!(
            command.to_string(),
            r"iscsiadm -n 'node.conn[0].x' '' 'it'\''s'"
        );
    }

    #[test]
    fn arguments_are_kept_in_order() {
        let command = Command::new("a")
            .arg("b")
            .args(["c", "d"])
            .arg(Path::new("/e"));
        assert_eq!(command.program(), Path::new("a"));
        assert_eq!(command.arguments_lossy(), ["b", "c", "d", "/e"]);
    }

    #[test]
    fn errors_name_the_command_and_what_to_do() {
        let error = RunError::TimedOut {
            command: Box::new(Command::new("iscsiadm").arg("-m node")),
            limit: Duration::from_millis(39_999),
            abandoned: true,
        };
        let text = error.to_string();
        assert!(text.starts_with("`iscsiadm '-m node'` did not end within 40 s"));
        assert!(text.contains("left running"), "{text}");
    }

    fn is_send_sync<T: Send + Sync>() {}

    #[test]
    fn errors_pass_between_threads() {
        is_send_sync::<RunError>();
    }

    proptest! {
        #[test]
        fn a_shell_reads_the_display_back(args in prop::collection::vec("[^\0]{0,12}", 0..4)) {
            let command = Command::new("printf").arg("%s\n").args(&args);
            let mut child = std::process::Command::new("sh");
            let got = child.arg("-c").arg(command.to_string()).output().unwrap();
            let mut want = String::new();
            for arg in &args { want.push_str(arg); want.push('\n'); }
            if args.is_empty() { want.push('\n'); }
            prop_assert_eq!(String::from_utf8_lossy(&got.stdout), want);
        }
    }
}
