//! The simulated appliance as a program, for labs and virtual machines.

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use clap::{Parser, ValueEnum};
use jdss_sim::{Appliance, Builder, Firmware, parse_size};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A simulated JovianDSS appliance: REST over TLS and iSCSI in one process.
///
/// Prints one line when it serves, "ready rest=ADDRESS:PORT,.. data=ADDRESS:PORT,..", and runs
/// until SIGTERM or SIGINT.
///
/// Logs, faults, the moves of a pool between two heads and the administrator's part are reached over
/// HTTPS below /sim, with the user and password given here; the README has the routes, the forms of a fault and
/// examples. A REST address that is also a VIP goes with its pool when there are two heads.
#[derive(Debug, Parser)]
#[command(name = "jdss-sim", version)]
struct Options {
    /// Address of the REST API; port 0 means a free one. Repeatable
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    rest: Vec<String>,

    /// A pool; without a size it has 2T. Repeatable
    #[arg(long, value_name = "NAME[=SIZE]", value_parser = pool)]
    pool: Vec<(String, Option<u64>)>,

    /// A virtual address of a pool, at which iSCSI is served. Repeatable
    #[arg(long, value_name = "POOL:NAME=ADDRESS", value_parser = vip)]
    vip: Vec<(String, String, IpAddr)>,

    /// Port of iSCSI at every virtual address; 0 means a free one
    #[arg(long, value_name = "PORT", default_value_t = 3260)]
    data_port: u16,

    /// A thin volume, created at the start. Repeatable
    #[arg(long, value_name = "POOL/NAME=SIZE", value_parser = volume)]
    volume: Vec<(String, String, u64)>,

    /// User of the REST API
    #[arg(long, value_name = "NAME", default_value = "admin")]
    user: String,

    /// Password of the REST API
    #[arg(long, value_name = "PASSWORD", default_value = "secret")]
    password: String,

    /// Keep the volumes' contents here instead of in a temporary directory
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,

    /// Write the certificate that clients have to trust to this file, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Append requests and SCSI commands to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// Generation of the appliance's software
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Generation::Classic)]
    firmware: Generation,

    /// Write dates as clocks do that are so many seconds ahead of UTC
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    utc_offset: i32,

    /// Refuse to delete a target that has LUNs, instead of deleting them with it
    #[arg(long)]
    keep_targets_with_luns: bool,

    /// A REST address of a second head: there are two heads then. Repeatable
    #[arg(long, value_name = "ADDRESS:PORT")]
    second_rest: Vec<String>,

    /// A pool that the second head serves at the start; there are two heads then. Repeatable
    #[arg(long, value_name = "NAME[=SIZE]", value_parser = pool)]
    second_pool: Vec<(String, Option<u64>)>,

    /// A fault of requests, from the start on: the body of POST /sim/fault. Repeatable
    #[arg(long, value_name = "JSON")]
    fault: Vec<String>,

    /// Faults by chance, from the start on: the body of POST /sim/chaos
    #[arg(long, value_name = "JSON")]
    chaos: Option<String>,

    /// End also when standard input is closed
    #[arg(long)]
    until_eof: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Generation {
    /// Names what is missing in ZFS's words, status 500; numbers are strings
    Classic,
    /// Names what is missing by status 404; numbers are numbers
    Recent,
    /// Knows neither assigned VIPs, nor sessions, nor the global list of LUNs
    Old,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when this fails.
            let _ = writeln!(io::stderr(), "jdss-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> io::Result<()> {
    let ca_file = options.ca_file.clone();
    let end = end(options.until_eof)?;
    let data = options
        .vip
        .iter()
        .map(|(_, _, address)| *address)
        .collect::<Vec<_>>();
    let faults = options.fault.iter().map(|body| ("fault", body.clone()));
    let chaos = options.chaos.iter().map(|body| ("chaos", body.clone()));
    let disturbances: Vec<_> = faults.chain(chaos).collect();
    let appliance = builder(options).start()?;
    for (what, body) in disturbances {
        let refused =
            |error| io::Error::new(io::ErrorKind::InvalidInput, format!("--{what}: {error}"));
        appliance.control("POST", what, &body).map_err(refused)?;
    }
    if let Some(path) = ca_file {
        let written =
            File::create(&path).and_then(|mut file| file.write_all(appliance.ca_pem().as_bytes()));
        written.map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot write {}: {error}", path.display()),
            )
        })?;
    }
    let port = appliance.data_port();
    let data: Vec<String> = data
        .into_iter()
        .map(|ip| (ip, port).into())
        .map(|a: std::net::SocketAddr| a.to_string())
        .collect();
    let rest: Vec<String> = appliance
        .rest_addrs()
        .iter()
        .map(ToString::to_string)
        .collect();
    writeln!(
        io::stdout(),
        "ready rest={} data={}",
        rest.join(","),
        data.join(",")
    )?;
    // An error means that both senders are gone, which is an end as well.
    let _ = end.recv();
    Ok(())
}

fn builder(options: Options) -> Builder {
    let mut builder = Appliance::builder()
        .data_port(options.data_port)
        .user(&options.user, &options.password)
        .utc_offset(options.utc_offset)
        .firmware(match options.firmware {
            Generation::Classic => Firmware::Classic,
            Generation::Recent => Firmware::Recent,
            Generation::Old => Firmware::Old,
        });
    builder = head(builder, &options.rest, &options.pool);
    if !options.second_rest.is_empty() || !options.second_pool.is_empty() {
        builder = builder.second_head();
        builder = head(builder, &options.second_rest, &options.second_pool);
    }
    for (pool, name, address) in &options.vip {
        builder = builder.vip(pool, name, *address);
    }
    for (pool, name, size) in &options.volume {
        builder = builder.volume(pool, name, *size);
    }
    if options.keep_targets_with_luns {
        builder = builder.keep_targets_with_luns();
    }
    if let Some(dir) = options.dir {
        builder = builder.dir(dir);
    }
    if let Some(file) = options.log_file {
        builder = builder.log_file(file);
    }
    builder
}

fn head(mut builder: Builder, rest: &[String], pools: &[(String, Option<u64>)]) -> Builder {
    for address in rest {
        builder = builder.rest(address);
    }
    for (name, size) in pools {
        builder = match size {
            Some(size) => builder.pool_of_size(name, *size),
            None => builder.pool(name),
        };
    }
    builder
}

/// Tells when the program has to end. Asked for before anything is started, so that a signal which
/// comes early leaves nothing behind either.
fn end(until_eof: bool) -> io::Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let on_signal = sender.clone();
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = on_signal.send(()); // Fails only when the program ends already.
        }
    });
    if until_eof {
        thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = sender.send(()); // As above.
        });
    }
    Ok(receiver)
}

fn pool(text: &str) -> Result<(String, Option<u64>), String> {
    match text.split_once('=') {
        None => Ok((text.to_owned(), None)),
        Some((name, size)) => Ok((name.to_owned(), Some(bytes(size)?))),
    }
}

fn vip(text: &str) -> Result<(String, String, IpAddr), String> {
    let parts = text
        .split_once(':')
        .and_then(|(pool, rest)| Some((pool, rest.split_once('=')?)));
    let (pool, (name, address)) = parts.ok_or("it is POOL:NAME=ADDRESS")?;
    let address = address
        .parse()
        .map_err(|_| format!("'{address}' is not an IP address"))?;
    Ok((pool.to_owned(), name.to_owned(), address))
}

fn volume(text: &str) -> Result<(String, String, u64), String> {
    let parts = text
        .split_once('/')
        .and_then(|(pool, rest)| Some((pool, rest.split_once('=')?)));
    let (pool, (name, size)) = parts.ok_or("it is POOL/NAME=SIZE")?;
    Ok((pool.to_owned(), name.to_owned(), bytes(size)?))
}

fn bytes(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}
