//! Programs of the guest, run with captured output and a bound.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::{Error, wait};

/// One command line and the time it may take.
#[derive(Debug, Clone)]
pub struct Command {
    argv: Vec<OsString>,
    limit: Duration,
    stdin: Option<String>,
}

/// What a program printed and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    command: String,
    /// The exit code; none when a signal ended the program.
    pub code: Option<i32>,
    /// What it printed to standard output.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
}

impl Command {
    /// `program`, looked up in PATH, with a minute to run.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            argv: vec![program.as_ref().to_owned()],
            limit: Duration::from_secs(60),
            stdin: None,
        }
    }

    /// A command line of plain words, split at blanks: `iscsiadm -m session`.
    #[must_use]
    pub fn words(line: &str) -> Self {
        let mut words = line.split_ascii_whitespace();
        Self::new(words.next().unwrap_or_default()).args(words)
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.argv.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.argv
            .extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets the time after which the program's process group is killed. Default: one minute.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Gives the program `text` as its standard input; without it, it has none.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    pub(crate) fn build(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.argv[0]);
        command
            .args(&self.argv[1..])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Starts the program and does not wait for it; its output goes to `log`.
    ///
    /// # Errors
    ///
    /// [`Error::Start`].
    pub(crate) fn start(&self, log: &File) -> Result<Child, Error> {
        let copy = |file: &File| file.try_clone().map_err(|source| self.start_error(source));
        self.build()
            .stdout(copy(log)?)
            .stderr(copy(log)?)
            .spawn()
            .map_err(|source| self.start_error(source))
    }

    fn start_error(&self, source: std::io::Error) -> Error {
        Error::Start {
            command: self.to_string(),
            source,
        }
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], or [`Error::TooLong`] when it was killed. An exit code other than 0 is no error here.
    pub fn run(&self) -> Result<Output, Error> {
        // Files, not pipes: a daemon left behind may keep a pipe open for ever.
        let file = || tempfile::tempfile().map_err(|source| self.start_error(source));
        let (mut out, mut err) = (file()?, file()?);
        let mut command = self.build();
        if let Some(text) = &self.stdin {
            let mut input = file()?;
            std::io::Write::write_all(&mut input, text.as_bytes())
                .and_then(|()| input.rewind())
                .map_err(|source| self.start_error(source))?;
            command.stdin(input);
        }
        let copy = |file: &File| file.try_clone().map_err(|source| self.start_error(source));
        let mut child = command
            .stdout(copy(&out)?)
            .stderr(copy(&err)?)
            .spawn()
            .map_err(|source| self.start_error(source))?;
        let ended = wait::until("the end of a program", self.limit, || {
            match child.try_wait() {
                Ok(Some(status)) => Ok(status),
                Ok(None) => Err("it runs".to_owned()),
                Err(e) => Err(e.to_string()),
            }
        });
        let output = |out: &mut File, err: &mut File, code| {
            Ok(Output {
                command: self.to_string(),
                code,
                stdout: text(out)?,
                stderr: text(err)?,
            })
        };
        match ended {
            Ok(status) => output(&mut out, &mut err, status.code()),
            Err(_) => {
                kill_group(&child);
                let output = output(&mut out, &mut err, None)?.both();
                Err(Error::TooLong {
                    command: self.to_string(),
                    limit: self.limit,
                    output,
                })
            }
        }
    }

    /// Runs the program to its end, which must be exit code 0, and gives its standard output.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`Error::Failed`] for any other end.
    pub fn ok(&self) -> Result<String, Error> {
        let output = self.run()?;
        if output.code == Some(0) {
            Ok(output.stdout)
        } else {
            Err(output.failed())
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.argv.iter().enumerate() {
            let word = word.to_string_lossy();
            let blank = if i == 0 { "" } else { " " };
            let plain = !word.is_empty()
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_=+.,:/@[]%".contains(c));
            if plain {
                write!(f, "{blank}{word}")?
            } else {
                write!(f, "{blank}'{}'", word.replace('\'', r"'\''"))?
            }
        }
        Ok(())
    }
}

impl Output {
    /// Both streams, standard output first.
    #[must_use]
    pub fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// This end of a program as an error, whatever its exit code.
    #[must_use]
    pub fn failed(&self) -> Error {
        Error::Failed {
            command: self.command.clone(),
            code: self.code,
            output: self.both(),
        }
    }
}

/// Kills the process group of a child that was started by [`Command`]; it may be gone already.
pub(crate) fn kill_group(child: &Child) {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // Fails only when all of the group is gone.
        let _gone = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

fn text(file: &mut File) -> Result<String, Error> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .map_err(Error::file("output of a program"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_program_is_told_whole() {
        let sh = |script: &str| Command::new("sh").args(["-c", script]);
        let output = sh("cat; echo bad >&2; exit 3")
            .stdin("good\n")
            .run()
            .unwrap();
        assert_eq!(
            (output.code, output.stdout.as_str(), output.stderr.as_str()),
            (Some(3), "good\n", "bad\n")
        );
        let error = sh("echo bad >&2; exit 3").ok().unwrap_err().to_string();
        assert_eq!(
            error,
            "`sh -c 'echo bad >&2; exit 3'` failed with Some(3):\nbad\n"
        );
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let error = Command::new("sh")
            .args(["-c", "echo begun; sleep 1000; true"])
            .limit(Duration::from_millis(300))
            .ok();
        assert!(
            matches!(&error, Err(Error::TooLong { output, .. }) if output == "begun\n"),
            "{error:?}"
        );
    }
}
