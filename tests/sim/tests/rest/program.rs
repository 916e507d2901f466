use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::client::Client;

/// The program while it runs; it ends with its standard input, also when a test fails.
struct Program {
    child: Child,
    _stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    ready: String,
}

fn start(home: &Path, more: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jdss-sim"));
    command
        .args(["--pool", "Pool-0", "--pool", "Small=1G"])
        .args([
            "--vip",
            "Pool-0:vip1=127.0.0.1",
            "--vip",
            "Pool-0:vip6=::1",
            "--data-port",
            "0",
        ])
        .args(["--rest", "127.0.0.1:0", "--until-eof"])
        .args([
            "--volume",
            "Pool-0/v_a=10M",
            "--user",
            "me",
            "--password",
            "mine",
        ])
        .args(more)
        .current_dir(home)
        .env("TMPDIR", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program is built");
    let stdin = child.stdin.take();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut ready = String::new();
    stdout.read_line(&mut ready).expect("one line");
    Program {
        child,
        _stdin: stdin,
        stdout,
        ready,
    }
}

impl Program {
    /// What it wrote after its first line, and its exit code.
    fn end(mut self) -> (String, Option<i32>) {
        self._stdin = None;
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("UTF-8");
        (rest, self.child.wait().expect("a child").code())
    }
}

#[test]
fn the_program_says_when_it_is_ready_and_ends_with_its_input() {
    let home = tempfile::tempdir().unwrap();
    let program = start(home.path(), &["--ca-file", "ca.pem", "--log-file", "log"]);
    let words: Vec<&str> = program.ready.split_whitespace().collect();
    let [first, rest, data] = words[..] else {
        panic!("{}", program.ready)
    };
    assert_eq!(first, "ready");
    let port = data
        .strip_prefix("data=127.0.0.1:")
        .and_then(|rest| rest.split(',').next())
        .unwrap();
    assert_eq!(data, format!("data=127.0.0.1:{port},[::1]:{port}"));
    let address = rest.strip_prefix("rest=").unwrap().parse().unwrap();
    let pem = std::fs::read_to_string(home.path().join("ca.pem")).unwrap();
    let client = Client::at(address, &pem).user("me", "mine");
    assert_eq!(client.get("/pools/Small").data(200)["size"], "1073741824");
    assert_eq!(
        client.get("/pools/Pool-0/volumes/v_a").data(200)["volsize"],
        "10485760"
    );
    client.get("/nothing").error(404);
    assert_eq!(program.end(), (String::new(), Some(0)));
    let log = std::fs::read_to_string(home.path().join("log")).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{log}");
    assert_eq!(lines[0]["request"]["route"], "/pools/{pool}");
    assert!(lines[0]["time"].is_f64());
    assert_eq!(lines[2]["violation"]["path"], "/api/v4/nothing");
    assert_eq!(lines[3]["request"]["status"], 404);
    let mut left: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["ca.pem", "log"]);
}

#[test]
fn the_program_has_two_heads_and_faults_when_it_is_asked_to() {
    let home = tempfile::tempdir().unwrap();
    let fault =
        r#"{"method": "GET", "route": "/pools/{pool}/vips", "times": 1, "fault": "no_data"}"#;
    let chaos = r#"{"seed": 1, "faults": [{"per_mille": 1000, "fault": "short_list"}]}"#;
    let more = [
        "--second-rest",
        "127.0.0.3:0",
        "--second-pool",
        "Pool-1=1G",
        "--fault",
        fault,
        "--chaos",
        chaos,
        "--ca-file",
        "ca.pem",
    ];
    let program = start(home.path(), &more);
    let addresses = program.ready.split_whitespace().nth(1).unwrap();
    let addresses = addresses.strip_prefix("rest=").unwrap().split(',');
    let pem = std::fs::read_to_string(home.path().join("ca.pem")).unwrap();
    let client = |address: &str| Client::at(address.parse().unwrap(), &pem).user("me", "mine");
    let [first, second] = &addresses.map(client).collect::<Vec<_>>()[..] else {
        panic!("{}", program.ready)
    };
    first.get("/pools/Pool-0").data(200);
    first.get("/pools/Pool-1").error(404);
    assert_eq!(second.get("/pools/Pool-1").data(200)["size"], "1073741824");
    second.get("/pools/Pool-0").error(404);
    assert_eq!(first.get("/pools/Pool-0/vips").data(200), Value::Null);
    // Two VIPs, of which one is told.
    let vips = first.get("/pools/Pool-0/vips").data(200);
    assert_eq!(vips.as_array().map(Vec::len), Some(1));
    assert_eq!(program.end().1, Some(0));
}

#[test]
fn the_program_keeps_targets_with_luns_and_another_time_when_it_is_asked_to() {
    let home = tempfile::tempdir().unwrap();
    let more = [
        "--keep-targets-with-luns",
        "--utc-offset",
        "-3600",
        "--ca-file",
        "ca.pem",
    ];
    let program = start(home.path(), &more);
    let rest = program.ready.split_whitespace().nth(1).unwrap();
    let address = rest.strip_prefix("rest=").unwrap().parse().unwrap();
    let pem = std::fs::read_to_string(home.path().join("ca.pem")).unwrap();
    let client = Client::at(address, &pem).user("me", "mine");
    let target = "/pools/Pool-0/san/iscsi/targets/iqn.2025-04.test:a";
    let new = json!({"name": "iqn.2025-04.test:a", "active": true});
    client
        .call("POST", "/pools/Pool-0/san/iscsi/targets", new)
        .data(201);
    let lun = json!({"name": "v_a", "lun": 0});
    client
        .call("POST", &format!("{target}/luns"), lun)
        .data(201);
    client.delete(target).error(409);
    let volume = "/pools/Pool-0/volumes/v_a";
    let new = json!({"snapshot_name": "s_1"});
    client
        .call("POST", &format!("{volume}/snapshots"), new)
        .data(201);
    let date =
        client.get(&format!("{volume}/snapshots")).data(200)["entries"][0]["creation"].clone();
    let date = date.as_str().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let hour = (now.unwrap().as_secs() / 3600 + 23) % 24;
    let shown: u64 = date.split([' ', ':']).nth(1).unwrap().parse().unwrap();
    // The hour may have ended since.
    assert!(shown == hour || shown == (hour + 23) % 24, "{date}");
    assert_eq!(program.end().1, Some(0));
}

#[test]
fn a_signal_ends_the_program_in_good_order() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let home = tempfile::tempdir().unwrap();
        let mut program = start(home.path(), &[]);
        assert!(program.ready.starts_with("ready "));
        let pid = rustix::process::Pid::from_child(&program.child);
        rustix::process::kill_process(pid, signal).unwrap();
        assert_eq!(program.child.wait().unwrap().code(), Some(0));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}

#[test]
fn named_directories_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let program = start(home.path(), &["--dir", "volumes"]);
    assert_eq!(program.end().1, Some(0));
    assert_eq!(
        std::fs::metadata(home.path().join("volumes/Pool-0/v_a"))
            .unwrap()
            .len(),
        10 << 20
    );
}

#[test]
fn a_wrong_description_is_refused_with_a_reason() {
    for (options, code, reason) in [
        (
            &["--vip", "Pool-9:a=127.0.0.1"][..],
            1,
            "Pool Pool-9 not found.",
        ),
        (
            &["--pool", "Pool-0", "--vip", "Pool-0:a=192.0.2.1"],
            1,
            "cannot listen on 192.0.2.1:3260",
        ),
        (
            &["--rest", "localhost"],
            1,
            "'localhost' is not ADDRESS:PORT",
        ),
        (&["--pool", "Pool-0=10GB"], 2, "'10GB' is not a size"),
        (&["--vip", "Pool-0=127.0.0.1"], 2, "it is POOL:NAME=ADDRESS"),
        (
            &["--vip", "Pool-0:a=here"],
            2,
            "'here' is not an IP address",
        ),
        (&["--volume", "v_a=1G"], 2, "it is POOL/NAME=SIZE"),
        (
            &["--fault", r#"{"method": "GET", "times": 1}"#],
            1,
            "--fault: missing field `route`",
        ),
        (&["--chaos", "much"], 1, "--chaos: expected value"),
        (&["--colour"], 2, "--colour"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jdss-sim"));
        // Should it start after all, it ends at once.
        let output = command.arg("--until-eof").args(options).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{options:?}: {text}");
        assert!(text.contains(reason), "{options:?}: {text}");
    }
}
