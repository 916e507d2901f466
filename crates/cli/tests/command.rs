//! The command line: what every subcommand says to help, mistakes and misuse.

use assert_cmd::Command;

fn jdss(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("jdss").expect("the command is built");
    command.args(args);
    command
}

/// Exit code, standard output, standard error.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = jdss(args).output().expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

const VERBS: [&str; 3] = ["activate", "deactivate", "path"];

#[test]
fn every_subcommand_explains_itself() {
    for verb in VERBS {
        let (code, out, err) = run(&[verb, "--help"]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{verb}");
        for part in ["STORAGE", "VOLUME", "--json"] {
            assert!(out.contains(part), "{verb} --help lacks {part}");
        }
    }
    let (code, out, _) = run(&["--version"]);
    assert_eq!(code, Some(0));
    assert_eq!(out.trim(), concat!("jdss ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_arguments_are_told_and_nothing_is_printed() {
    for verb in VERBS {
        for args in [
            vec![verb],
            vec![verb, "jdss0"],
            vec![verb, "jdss0", "vm-1-disk-0", "more"],
            vec![verb, "--no-such-option", "jdss0", "vm-1-disk-0"],
        ] {
            let (code, out, err) = run(&args);
            assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}");
            assert!(err.contains("Usage: jdss"), "{args:?}: {err}");
        }
    }
    for deadline in ["0", "4", "86401", "-1", "soon", ""] {
        let (code, _, err) = run(&["activate", "--deadline", deadline, "s", "v"]);
        assert_eq!(code, Some(2), "{deadline}: {err}");
    }
}

#[test]
fn the_worker_is_not_shown_and_refuses_nonsense() {
    let (_, out, _) = run(&["--help"]);
    assert!(!out.contains("worker"), "{out}");
    for input in ["", "nonsense\n", "{}\n", &"x".repeat(100_000)] {
        let output = jdss(&["worker"]).write_stdin(input).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{input:.20}");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.contains("bad request"), "{answer}");
    }
}

#[test]
fn the_link_is_a_pure_function_of_the_names() {
    for (volume, link) in [
        ("vm-100-disk-0", "/dev/jdss/jdss0/vm-100-disk-0"),
        ("a/b", "/dev/jdss/jdss0/a%2Fb"),
        ("..", "/dev/jdss/jdss0/%2E."),
    ] {
        let (code, out, err) = run(&["path", "jdss0", volume]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{volume}");
        assert_eq!(out, format!("{link}\n"));
    }
    let (code, out, _) = run(&["--json", "path", "jdss0", "vm-1-disk-0"]);
    assert_eq!(code, Some(0));
    assert_eq!(out, "{\"link\":\"/dev/jdss/jdss0/vm-1-disk-0\"}\n");
    let (code, out, err) = run(&["path", "jdss0", ""]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_jdss"))
        .args(["path", "jdss0", "vm-1-disk-0"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("cannot be written"), "{error}");
}

#[test]
fn names_that_no_record_can_have_are_mistakes_of_the_caller() {
    let long = "x".repeat(100_000);
    for volume in ["", long.as_str()] {
        let (code, out, err) = run(&["path", "jdss0", volume]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err:.200}");
    }
}
