//! The tools and the daemon of the pretend host, and the seam to the crate.

use crate::host::{Daemon, Fault, Host, Opener, Release, SECTORS};
use jdss_multipath::Effects;
use jdss_sys::{Command, OnTimeout, Output, RunError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

impl Host {
    fn fail(&self, reason: &str) -> String {
        match self.state().release {
            Release::Bookworm => "fail\n".to_owned(),
            Release::Trixie => format!("fail\n{reason}\n"),
        }
    }

    fn enrolled(&self, wwid: &str) -> bool {
        self.read("etc/multipath/wwids")
            .lines()
            .any(|line| line == format!("/{wwid}/"))
    }

    fn programs(&self, program: &str, args: &[&str]) -> Output {
        let file = "etc/multipath/wwids";
        let text = |text: String| Output {
            code: Some(0),
            stdout: text,
            ..Output::default()
        };
        match (program, args) {
            ("multipath", ["-a", wwid]) => {
                if !self.enrolled(wwid) {
                    self.put(file, &format!("{}\n/{wwid}/\n", self.read(file)));
                }
                text(format!("wwid '{wwid}' added\n"))
            }
            ("multipath", ["-w", wwid]) => {
                let lines = self.read(file);
                self.put(
                    file,
                    &lines.replace(&format!("/{wwid}/"), &format!("#{wwid}/")),
                );
                text(format!("wwid '{wwid}' removed\n"))
            }
            ("dmsetup", ["status", name]) => match self.device(name) {
                Some(device) => text(self.status(&device)),
                None => missing(),
            },
            ("dmsetup", ["info", "-c", "--noheadings", "-o", "open", name]) => {
                let Some(device) = self.device(name) else {
                    return missing();
                };
                self.tick(&device);
                text(format!("{}\n", self.open_count(&device)))
            }
            ("/lib/udev/scsi_id", ["-g", "-u", "-d", _]) => text(self.state().scsi_id.clone()),
            other => panic!("the pretend host does not know {other:?}"),
        }
    }

    /// Watchers look a bit further, and close.
    fn tick(&self, device: &str) {
        self.close(device, |opener| matches!(opener, Opener::Watcher(_, 0)));
        let mut state = self.state();
        for opener in state.openers.entry(device.to_owned()).or_default() {
            if let Opener::Watcher(_, looks) = opener {
                *looks -= 1;
            }
        }
    }

    fn status(&self, device: &str) -> String {
        let disks = self.disks(device);
        let mut text = format!("0 {SECTORS} multipath 2 0 0 0 1 1 A 0 {} 0", disks.len());
        for disk in disks {
            let number = self.read(&format!("sys/block/{disk}/dev"));
            let failed = self.state().failed.contains(&disk);
            text += &format!(" {number} {} 0", if failed { 'F' } else { 'A' });
        }
        text + " \n"
    }

    fn daemon(&self, request: &str) -> String {
        let words: Vec<&str> = request.split(' ').collect();
        match words[..] {
            ["show", "daemon"] => "pid 177 idle\n".to_owned(),
            ["show", "config", "local"] => {
                include_str!("../fixtures/show-config-local-0.11.1.txt").to_owned()
            }
            ["add", "path", disk] => self.add_path(disk),
            ["add", "map", wwid] => {
                let first = self
                    .state()
                    .wwids
                    .iter()
                    .find(|(_, w)| *w == wwid)
                    .map(|(d, _)| d.clone());
                let Some(first) = first else {
                    return self.fail("");
                };
                if self.device(wwid).is_none() {
                    self.add_map("dm-0", wwid, &[&first]);
                }
                "ok\n".to_owned()
            }
            ["del", "map", map] => self.del_map(map),
            [verb @ ("disablequeueing" | "restorequeueing"), "map", map] => {
                let Some(device) = self.device(map) else {
                    return self.fail("device not found");
                };
                let on = verb == "restorequeueing";
                if on && self.state().late {
                    self.remove_map(&device);
                    return self.fail("device not found");
                }
                self.state().queueing.insert(device.clone(), on);
                if !on {
                    self.close(&device, |opener| matches!(opener, Opener::Stuck(_)));
                    if self.state().user_comes {
                        self.open_by(&device, 4242, "kvm");
                        self.put(&format!("sys/block/{device}/dm/suspended"), "1");
                    }
                }
                "ok\n".to_owned()
            }
            ["resume", "map", map] => {
                let device = self
                    .device(map)
                    .expect("only maps that are there are resumed");
                self.put(&format!("sys/block/{device}/dm/suspended"), "0");
                "ok\n".to_owned()
            }
            ["fail", "path", disk] => {
                self.fail_all(&[disk]);
                "ok\n".to_owned()
            }
            ["resize", "map", map] => {
                let device = self
                    .device(map)
                    .expect("only maps that are there are resized");
                let first = &self.disks(&device)[0];
                let size = self.read(&format!("sys/block/{first}/size"));
                self.put(&format!("sys/block/{device}/size"), &size);
                "ok\n".to_owned()
            }
            _ => panic!("the pretend daemon does not know {request:?}"),
        }
    }

    fn add_path(&self, disk: &str) -> String {
        if self.state().blacklisted.contains(disk) {
            return "blacklisted\n".to_owned();
        }
        let wwid = self.state().wwids.get(disk).cloned();
        let wwid = wwid.expect("only disks that are there are added");
        match self.device(&wwid) {
            Some(device) if !self.disks(&device).iter().any(|d| d == disk) => {
                self.join(&device, disk)
            }
            None if self.enrolled(&wwid) => self.add_map("dm-0", &wwid, &[disk]),
            // Strict: only one path, and nobody asked for it.
            _ => {}
        }
        "ok\n".to_owned()
    }

    fn del_map(&self, map: &str) -> String {
        let Some(device) = self.device(map) else {
            return self.fail("device not found");
        };
        let own = format!("part1-mpath-{map}");
        let holders = self.root().list(format!("sys/block/{device}/holders"));
        for holder in holders.expect("it can be listed") {
            let is_own = self.read(&format!("sys/block/{holder}/dm/uuid")) == own;
            if is_own && self.open_count(&holder) == 0 {
                self.remove_path(&format!("sys/block/{device}/holders/{holder}"));
                self.remove_map(&holder);
            }
        }
        if self.open_count(&device) > 0 {
            if self.state().suspends {
                self.put(&format!("sys/block/{device}/dm/suspended"), "1");
            }
            return self.fail("map or partition in use");
        }
        let disks = self.disks(&device);
        let wwid = self.read(&format!("sys/block/{device}/dm/uuid"));
        self.remove_map(&device);
        let mut state = self.state();
        if state.comes_back > 0 {
            state.comes_back -= 1;
            drop(state);
            let disks: Vec<&str> = disks.iter().map(String::as_str).collect();
            self.add_map(&device, wwid.trim_start_matches("mpath-"), &disks);
        }
        "ok\n".to_owned()
    }
}

fn missing() -> Output {
    Output {
        code: Some(1),
        stderr: "Device does not exist.\nCommand failed.\n".to_owned(),
        ..Output::default()
    }
}

impl jdss_sys::Effects for Host {
    fn run(&self, command: &Command, limit: Duration, _: OnTimeout) -> Result<Output, RunError> {
        let args = command.arguments_lossy();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let program = command.program().to_string_lossy().into_owned();
        self.state().log.push(command.to_string());
        let fault = self.state().faults.get(&*program).copied();
        let timed_out = RunError::TimedOut {
            command: Box::new(command.clone()),
            limit,
            abandoned: false,
        };
        match fault {
            None => Ok(self.programs(&program, &args)),
            Some(Fault::Missing) => Err(RunError::NotFound {
                program: PathBuf::from(program),
            }),
            Some(Fault::Fails(code)) => Ok(Output {
                code: Some(code),
                stderr: "it did not work\n".to_owned(),
                ..Output::default()
            }),
            Some(Fault::Nothing) => Ok(Output {
                code: Some(0),
                ..Output::default()
            }),
            Some(Fault::Slow) => {
                self.programs(&program, &args);
                Err(timed_out)
            }
            Some(Fault::Hangs) => Err(timed_out),
        }
    }

    fn write(&self, attribute: &Path, _: &str) -> io::Result<()> {
        panic!(
            "this crate writes no attribute, such as {}",
            attribute.display()
        );
    }

    fn open_exclusive(&self, device: &Path) -> io::Result<()> {
        let name = device.file_name().expect("a device").to_string_lossy();
        let held = self.state().exclusive.contains(&*name);
        let holders = self.root().list(format!("sys/block/{name}/holders"))?;
        if held || !holders.is_empty() {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        Ok(())
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        panic!("this crate removes no file, such as {}", file.display());
    }
}

impl Effects for Host {
    fn ask(&self, request: &str, _: Duration) -> io::Result<String> {
        let mut state = self.state();
        state.log.push(request.to_owned());
        match state.daemon {
            Daemon::Down => return Err(io::ErrorKind::ConnectionRefused.into()),
            Daemon::Silent => return Err(io::ErrorKind::TimedOut.into()),
            Daemon::Up => {}
        }
        let verb = request.split(' ').next().unwrap_or_default();
        if let Some(answers) = state.answers.get_mut(verb)
            && !answers.is_empty()
        {
            return Ok(answers.remove(0).to_owned());
        }
        drop(state);
        Ok(self.daemon(request))
    }
}
