use std::any::Any;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clean::Before;
use crate::daemon::Daemon;
use crate::network::Portal;
use crate::tgt::Tgt;
use crate::{Command, Error, config, network, sysfs, wait};

/// The Debian release of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Debian 12: multipath-tools 0.9.4, open-iscsi 2.1.8.
    Bookworm,
    /// Debian 13: multipath-tools 0.11.1, open-iscsi 2.1.11.
    Trixie,
}

/// The one guest in which all scenarios run, one after the other.
#[derive(Debug)]
pub struct Guest {
    release: Release,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    iscsid: Option<Daemon>,
    multipathd: Option<Daemon>,
    tgt: Option<Tgt>,
    before: Option<Before>,
    /// What could not be removed after an earlier scenario, and which one it was.
    dirty: Option<String>,
}

/// How long a scenario's last traces may take to vanish.
const VANISH: Duration = Duration::from_secs(10);

impl Guest {
    /// Makes this freshly booted guest ready: the network to the appliance, `multipath.conf`, both daemons.
    ///
    /// # Errors
    ///
    /// Those of the commands that it takes.
    pub fn boot() -> Result<Self, Error> {
        let os = sysfs::text("/etc/os-release")?.unwrap_or_default();
        let release = if os.contains("VERSION_CODENAME=bookworm") {
            Release::Bookworm
        } else if os.contains("VERSION_CODENAME=trixie") {
            Release::Trixie
        } else {
            return Err(Error::Text {
                what: "/etc/os-release",
                text: os,
            });
        };
        network::up()?;
        let guest = Self {
            release,
            state: Mutex::default(),
        };
        guest.ready()?;
        Ok(guest)
    }

    /// The guest's release.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// Starts iscsid, if it does not run, and waits until it listens.
    ///
    /// # Errors
    ///
    /// Those of the commands that it takes.
    pub fn start_iscsid(&self) -> Result<(), Error> {
        let iscsid = &mut self.state().iscsid;
        if !iscsid.as_mut().is_some_and(Daemon::runs) {
            *iscsid = Some(Daemon::start(
                "iscsid",
                &Command::words("iscsid --foreground"),
            )?);
        }
        wait::until("iscsid to listen", wait::SOON, || {
            let sockets = sysfs::text("/proc/net/unix")
                .ok()
                .flatten()
                .unwrap_or_default();
            if sockets.contains("@ISCSIADM_ABSTRACT_NAMESPACE") {
                Ok(())
            } else {
                Err("no such socket")
            }
        })
    }

    /// Stops iscsid; sessions stay with the kernel.
    ///
    /// # Errors
    ///
    /// [`Error::InVain`].
    pub fn stop_iscsid(&self) -> Result<(), Error> {
        self.state().iscsid.take().map_or(Ok(()), Daemon::stop)
    }

    /// Starts multipathd, if it does not run, and waits until it answers and is idle.
    ///
    /// # Errors
    ///
    /// Those of the commands that it takes.
    pub fn start_multipathd(&self) -> Result<(), Error> {
        let multipathd = &mut self.state().multipathd;
        if !multipathd.as_mut().is_some_and(Daemon::runs) {
            *multipathd = Some(Daemon::start(
                "multipathd",
                &Command::words("multipathd -d -v2"),
            )?);
        }
        wait::until("multipathd to be idle", wait::SOON, || {
            let answer = Command::words("multipathd show daemon").run()?.both();
            if answer.contains("idle") {
                Ok(())
            } else {
                Err(Error::Text {
                    what: "the state of multipathd",
                    text: answer,
                })
            }
        })
    }

    /// Stops multipathd; maps stay with the kernel.
    ///
    /// # Errors
    ///
    /// [`Error::InVain`].
    pub fn stop_multipathd(&self) -> Result<(), Error> {
        self.state().multipathd.take().map_or(Ok(()), Daemon::stop)
    }

    /// Puts `text` into `/etc/multipath.conf` and lets a running multipathd read it.
    ///
    /// # Errors
    ///
    /// Those of the commands that it takes.
    pub fn configure_multipath(&self, text: &str) -> Result<(), Error> {
        config::write("/etc/multipath.conf", 0o644, text)?;
        let runs = self.state().multipathd.as_mut().is_some_and(Daemon::runs);
        if runs {
            self.stop_multipathd()?;
            self.start_multipathd()?;
        }
        Ok(())
    }

    /// Starts Debian's stock target with `volume`; it is stopped after the scenario.
    ///
    /// # Errors
    ///
    /// Those of [`crate::tgt`].
    pub fn start_tgt(&self, volume: &Path) -> Result<(), Error> {
        let tgt = Tgt::start(volume)?;
        self.state().tgt = Some(tgt);
        Ok(())
    }

    /// What is left on the host now, one line each.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn left(&self) -> Result<Vec<String>, Error> {
        let mut state = self.state();
        let roots = state.roots();
        state.before.get_or_insert(Before::now()?).left(&roots)
    }

    /// Removes by force what is left on the host, and gives what is there all the same.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn force_clean(&self) -> Result<Vec<String>, Error> {
        let mut state = self.state();
        let roots = state.roots();
        state.before.get_or_insert(Before::now()?).force(&roots)
    }

    /// Runs one scenario on a clean host and checks that it leaves it clean.
    ///
    /// # Errors
    ///
    /// The whole text of what went wrong: in the scenario, in what it left, or before it could begin.
    pub fn scenario(&self, name: &str, run: fn(&Self) -> Result<(), Error>) -> Result<(), String> {
        if let Some(dirty) = &self.state().dirty {
            return Err(format!("not run: {dirty}"));
        }
        self.ready()
            .map_err(|e| format!("the guest could not be made ready: {e}"))?;
        let begun = Instant::now();
        let mut complaints = Vec::new();
        match catch_unwind(AssertUnwindSafe(|| run(self))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => complaints.push(error.to_string()),
            Err(panic) => complaints.push(message(panic.as_ref())),
        }
        // A failed scenario has no chance to clean up; only one that passed is asked to.
        let limit = if complaints.is_empty() {
            VANISH
        } else {
            Duration::ZERO
        };
        let clean = wait::until("a host as before", limit, || match self.left() {
            Ok(left) if left.is_empty() => Ok(()),
            other => Err(other),
        });
        if clean.is_err() || !complaints.is_empty() {
            let left = self.left().unwrap_or_else(|e| vec![e.to_string()]);
            if complaints.is_empty() {
                complaints.push(format!("it left on the host:\n  {}", left.join("\n  ")));
            }
            let report = self.report(name, &complaints, &left);
            complaints.push(format!("the host at that moment: {}", report.display()));
            match self.force_clean() {
                Ok(rest) if rest.is_empty() => {}
                other => {
                    let dirty = format!("the host could not be cleaned after {name}: {other:?}");
                    self.state().dirty = Some(dirty.clone());
                    complaints.push(dirty);
                }
            }
        }
        if let Some(tgt) = self.state().tgt.take()
            && let Err(error) = tgt.stop()
        {
            complaints.push(error.to_string());
        }
        self.note_time(name, begun.elapsed(), complaints.is_empty());
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(complaints.join("\n"))
        }
    }

    /// Sets everything to where each scenario begins, and remembers what runs.
    fn ready(&self) -> Result<(), Error> {
        for portal in Portal::ALL {
            portal.restore()?;
        }
        // Absent, mostly.
        drop(std::fs::remove_dir_all("/etc/pve"));
        drop(std::fs::remove_file(config::LVM_LOCAL));
        if sysfs::text("/etc/multipath.conf")?.as_deref() != Some(config::MULTIPATH.trim_end()) {
            self.configure_multipath(config::MULTIPATH)?;
        }
        self.start_iscsid()?;
        self.start_multipathd()?;
        Command::words("udevadm settle").ok()?;
        self.state().before = Some(Before::now()?);
        Ok(())
    }

    /// Writes down how the host looks; gives the file, as it is called outside of the guest.
    fn report(&self, name: &str, complaints: &[String], left: &[String]) -> PathBuf {
        let mut text = format!(
            "{name}\n\n{}\n\nleft:\n{}\n",
            complaints.join("\n"),
            left.join("\n")
        );
        for line in [
            "iscsiadm -m session -P 3",
            "iscsiadm -m node",
            "multipath -ll",
            "multipathd show paths",
            "dmsetup info -c",
            "dmsetup status",
            "dmsetup table",
            "lsblk --output NAME,MAJ:MIN,SIZE,TYPE,STATE,FSTYPE,SERIAL",
            "cat /etc/multipath/wwids",
            "ps axo pid,ppid,stat,wchan:20,args",
            "ip -brief address",
            "nft list ruleset",
            "tail -n 50 /out/iscsid.log",
            "tail -n 100 /out/multipathd.log",
            "dmesg --notime",
        ] {
            let output = Command::words(line).limit(Duration::from_secs(10)).run();
            let printed = output.map_or_else(|e| e.to_string(), |o| o.both());
            // Writing to a string cannot fail.
            let _ok = write!(text, "\n$ {line}\n{printed}");
        }
        let file = PathBuf::from("failed").join(format!("{}.txt", name.replace("::", "-")));
        match config::write(Path::new(crate::daemon::LOGS).join(&file), 0o644, &text) {
            Ok(()) => file,
            Err(error) => PathBuf::from(error.to_string()),
        }
    }

    fn note_time(&self, name: &str, time: Duration, passed: bool) {
        let path = Path::new(crate::daemon::LOGS).join("times");
        let line = format!(
            "{:6.1} s  {}  {name}\n",
            time.as_secs_f64(),
            if passed { "ok    " } else { "FAILED" }
        );
        // A courtesy to the reader; no result depends on it.
        let _written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn roots(&self) -> Vec<u32> {
        let daemons = [&self.iscsid, &self.multipathd]
            .into_iter()
            .flatten()
            .map(Daemon::pid);
        daemons.chain(self.tgt.iter().map(Tgt::pid)).collect()
    }
}

/// The text of a panic; where it happened is printed by the panic hook.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it panicked".to_owned())
}
