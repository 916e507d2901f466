//! The command `jdss`: parses its arguments, has the work done by a worker
//! process, prints the result and maps it to an exit code.
//!
//! Standard output carries only the answer (a path, or JSON); everything else
//! goes to standard error, one line each.

mod exit;
mod run;
mod wire;
mod worker;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub use exit::Exit;
use wire::{Failure, Operation, Outcome, Request};

/// Brings volumes of a JovianDSS appliance up on this host, and takes them down.
#[derive(Debug, Parser)]
#[command(name = "jdss", version, about, max_term_width = 100)]
struct Cli {
    /// Configuration, in the format of Proxmox VE.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "/etc/pve/storage.cfg"
    )]
    config: PathBuf,
    /// Password file [default: /etc/pve/priv/storage/joviandss/<STORAGE>.pw].
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Print JSON, errors included.
    #[arg(long, global = true)]
    json: bool,
    /// Tell each step on standard error.
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring a volume up and print its device, e.g. /dev/mapper/2...
    Activate {
        #[command(flatten)]
        volume: VolumeArgs,
        /// Seconds until it gives up, undoing included.
        #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(5..=86400))]
        deadline: u32,
    },
    /// Take a volume down on this host; the appliance goes on exporting it.
    Deactivate {
        #[command(flatten)]
        volume: VolumeArgs,
        /// Seconds until it gives up.
        #[arg(long, value_name = "SECONDS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(5..=86400))]
        deadline: u32,
    },
    /// Print the link that leads to a volume's device while it is up.
    Path {
        #[command(flatten)]
        volume: VolumeArgs,
    },
    #[command(name = worker::COMMAND, hide = true)]
    Worker,
}

#[derive(Debug, Args)]
struct VolumeArgs {
    /// Name of the storage, a `joviandss:` section of the configuration.
    storage: String,
    /// Name of the volume, e.g. vm-100-disk-0.
    volume: String,
}

/// Runs the command; the process is to end with what it returns.
#[must_use]
pub fn main() -> ExitCode {
    // Prints help and usage errors by itself, the latter with exit code 2.
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Worker => return worker::serve(),
        Command::Path { volume } => path(volume).and_then(|link| print(&link, cli.json)),
        Command::Activate { volume, deadline } => {
            change(&cli, Operation::Activate, volume, *deadline)
        }
        Command::Deactivate { volume, deadline } => {
            change(&cli, Operation::Deactivate, volume, *deadline)
        }
    };
    match result {
        Ok(()) => ExitCode::from(Exit::Success.code()),
        Err(failure) => {
            complain(&failure, cli.json);
            ExitCode::from(failure.code)
        }
    }
}

fn change(
    cli: &Cli,
    operation: Operation,
    volume: &VolumeArgs,
    deadline: u32,
) -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new(
            Exit::Permission,
            "devices and sessions can be changed by root only; run it as root, e.g. with sudo",
        ));
    }
    key(volume)?;
    let limit = Duration::from_secs(deadline.into());
    let request = Request {
        operation,
        config: cli.config.clone(),
        password_file: cli.password_file.clone(),
        storage: volume.storage.clone(),
        volume: volume.volume.clone(),
        limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
    };
    let outcome = worker::delegate(&request, |event, always| {
        if always || cli.verbose {
            say(event);
        }
    })?;
    print_outcome(&outcome, cli.json)
}

fn path(volume: &VolumeArgs) -> Result<String, Failure> {
    Ok(crate::attach::link_path(&key(volume)?)
        .display()
        .to_string())
}

/// Names that no record can have are mistakes of the caller.
fn key(volume: &VolumeArgs) -> Result<jdss_state::Key, Failure> {
    jdss_state::Key::new(&volume.storage, &volume.volume, None)
        .map_err(|e| Failure::of(Exit::Usage, &e))
}

fn print_outcome(outcome: &Outcome, json: bool) -> Result<(), Failure> {
    if let Outcome::Active(active) = outcome {
        for missing in &active.missing {
            say(&format!(
                "degraded: portal {} is missing: {}",
                missing.portal, missing.reason
            ));
        }
        if !json {
            return out(&active.path.display().to_string());
        }
    }
    if json {
        let text = serde_json::to_string(outcome).map_err(|e| Failure::of(Exit::Internal, &e))?;
        return out(&text);
    }
    Ok(())
}

fn print(path: &str, json: bool) -> Result<(), Failure> {
    if json {
        out(&serde_json::json!({ "link": path }).to_string())
    } else {
        out(path)
    }
}

fn complain(failure: &Failure, json: bool) {
    if json {
        // The line on standard error says it all the same.
        let _ = out(&serde_json::json!({ "error": failure }).to_string());
    }
    say(&failure.message);
}

/// One line to standard output. An answer that does not get there is a
/// failure, unless whoever asked has closed it.
fn out(line: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Internal,
            format!("the answer cannot be written to standard output: {e}"),
        )),
        _ => Ok(()),
    }
}

/// One line to standard error.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "jdss: {line}");
}
