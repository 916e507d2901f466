//! Runs real children: the ones that misbehave.

use jdss_sys::{Command, Effects, OnTimeout, RunError, System, poll};
use std::path::Path;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

/// Waits for the child to write something into `file`.
fn pid_in(file: &Path) -> rustix::process::Pid {
    let number = poll(Instant::now() + LONG, || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let number = text.strip_suffix('\n').and_then(|text| text.parse().ok());
        Ok::<Option<i32>, ()>(number)
    });
    let number = number.ok().flatten().expect("the child tells its number");
    rustix::process::Pid::from_raw(number).expect("not zero")
}

/// Runs a script that never ends and writes its number into `file` once it is
/// ready; with more time when it was too slow for that.
fn terminated(script: &str, file: &Path) -> RunError {
    let limits = [300, 1000, 4000, 16_000, 60_000];
    for limit in limits.map(Duration::from_millis) {
        let error = System
            .run(&shell(script), limit, OnTimeout::Terminate)
            .expect_err("it never ends");
        if file.exists() {
            return error;
        }
    }
    panic!("the child does not get ready");
}

/// Whether a process runs; one that waits to be collected does not.
fn runs(pid: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn end(pid: rustix::process::Pid) {
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
    let ended = poll(Instant::now() + LONG, || {
        Ok::<_, ()>((!runs(pid)).then_some(()))
    });
    assert_eq!(ended, Ok(Some(())));
}

#[test]
fn output_and_exit_code_are_told() {
    let output = System.run(
        &shell("echo out; echo err >&2; exit 21"),
        LONG,
        OnTimeout::Terminate,
    );
    let output = output.unwrap();
    assert_eq!((output.code, output.signal), (Some(21), None));
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("out\n", "err\n")
    );
    assert!(!output.success());
}

#[test]
fn a_signal_is_no_exit_code() {
    let output = System
        .run(&shell("kill -9 $$"), LONG, OnTimeout::Terminate)
        .unwrap();
    assert_eq!((output.code, output.signal), (None, Some(9)));
}

#[test]
fn the_locale_is_c_and_sbin_is_searched() {
    let output = System
        .run(&shell("echo $LC_ALL:$PATH"), LONG, OnTimeout::Terminate)
        .unwrap();
    assert!(output.stdout.starts_with("C:"), "{}", output.stdout);
    assert!(output.stdout.contains("/usr/sbin"), "{}", output.stdout);
}

#[test]
fn standard_input_is_empty() {
    let output = System
        .run(&Command::new("cat"), LONG, OnTimeout::Terminate)
        .unwrap();
    assert!(output.success() && output.stdout.is_empty());
}

#[test]
fn a_missing_program_is_named() {
    let error = System.run(&Command::new("no-such-program"), LONG, OnTimeout::Terminate);
    let error = error.unwrap_err();
    assert!(
        matches!(&error, RunError::NotFound { program } if program == Path::new("no-such-program"))
    );
    assert!(error.to_string().contains("`no-such-program`"), "{error}");
    let error = System.run(
        &Command::new("/no/such/program"),
        LONG,
        OnTimeout::Terminate,
    );
    assert!(matches!(error, Err(RunError::NotFound { .. })));
}

#[test]
fn much_output_is_bounded() {
    let script = "dd if=/dev/zero bs=65536 count=64 2>/dev/null | tr '\\0' x; \
                  dd if=/dev/zero bs=4096 count=3 2>/dev/null | tr '\\0' y >&2; echo end >&2";
    let output = System
        .run(&shell(script), LONG, OnTimeout::Terminate)
        .unwrap();
    assert_eq!(output.stdout.len(), 1 << 20);
    assert_eq!(output.stderr.len(), 4096);
    assert!(output.stderr.ends_with("yyend\n"));
}

#[test]
fn a_child_cannot_fill_the_memory() {
    let script = "head -c 2097152 /dev/zero 2>/dev/null || echo refused >&2";
    let output = System
        .run(&shell(script), LONG, OnTimeout::Terminate)
        .unwrap();
    assert_eq!(output.stderr, "refused\n");
}

#[test]
fn a_daemon_that_keeps_the_output_open_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {}; echo done", file.display());
    let output = System
        .run(&shell(&script), LONG, OnTimeout::Terminate)
        .unwrap();
    assert_eq!(output.stdout, "done\n");
    let daemon = pid_in(&file);
    assert!(runs(daemon));
    end(daemon);
}

#[test]
fn a_child_that_passes_its_time_is_terminated_with_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let (pid, told) = (dir.path().join("pid"), dir.path().join("told"));
    // The grandchild tells that it was asked to end, and so was not just killed.
    let script = format!(
        "sh -c 'trap \"echo ok > {}; exit\" TERM; echo $$ > {}; while :; do sleep 1; done' & wait",
        told.display(),
        pid.display()
    );
    let error = terminated(&script, &pid);
    assert!(matches!(
        error,
        RunError::TimedOut {
            abandoned: false,
            ..
        }
    ));
    assert!(!runs(pid_in(&pid)));
    assert!(told.exists());
}

#[test]
fn a_child_that_ignores_sigterm_is_killed_after_the_grace() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    // Only the shell ignores it: its `sleep`s end, it goes on.
    let script = format!(
        "trap : TERM; echo $$ > {}; while true; do sleep 1000; done",
        pid.display()
    );
    let error = terminated(&script, &pid);
    assert!(matches!(
        error,
        RunError::TimedOut {
            abandoned: false,
            ..
        }
    ));
    assert!(!runs(pid_in(&pid)));
}

#[test]
fn an_abandoned_child_runs_on_and_can_still_write() {
    let dir = tempfile::tempdir().unwrap();
    let (pid, go, done) = (
        dir.path().join("pid"),
        dir.path().join("go"),
        dir.path().join("done"),
    );
    // The fifo holds the child until we have returned; then it must still be
    // able to print, where a closed pipe would have killed it.
    let script = format!(
        "echo $$ > {}; mkfifo {go}; read x < {go}; echo printed && echo ok > {}; exec sleep 1000",
        pid.display(),
        done.display(),
        go = go.display(),
    );
    let error = System
        .run(
            &shell(&script),
            Duration::from_millis(300),
            OnTimeout::Abandon,
        )
        .unwrap_err();
    assert!(matches!(
        error,
        RunError::TimedOut {
            abandoned: true,
            ..
        }
    ));
    let child = pid_in(&pid);
    assert!(runs(child));
    let waited = poll(Instant::now() + LONG, || {
        Ok::<_, ()>(go.exists().then_some(()))
    });
    assert_eq!(waited, Ok(Some(())));
    System.write(&go, "x\n").unwrap();
    let wrote = poll(Instant::now() + LONG, || {
        Ok::<_, ()>(done.exists().then_some(()))
    });
    assert_eq!(wrote, Ok(Some(())));
    end(child);
}

#[test]
fn a_child_left_alone_does_not_stay_a_zombie() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 1000", file.display());
    let error = System.run(
        &shell(&script),
        Duration::from_millis(200),
        OnTimeout::Abandon,
    );
    assert!(error.is_err());
    let child = pid_in(&file);
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
    let stat = format!("/proc/{}/stat", child.as_raw_nonzero());
    let gone = poll(Instant::now() + LONG, || {
        Ok::<_, ()>((!Path::new(&stat).exists()).then_some(()))
    });
    assert_eq!(gone, Ok(Some(())));
}
