//! Lists the multipath maps of this host: WWID, size, who uses it, and the
//! state of each path. Run it as root.

use jdss_multipath::{Error, Map, Multipath};
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match list(&mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("maps: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text += &format!(": {error}");
                cause = error.source();
            }
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

fn list(out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let multipath = Multipath::system();
    if let Err(error) = multipath.check() {
        writeln!(out, "note: {error}")?;
    }
    for map in multipath.maps()? {
        match describe(&multipath, &map) {
            Ok(text) => out.write_all(text.as_bytes())?,
            // Removed by somebody while it was looked at.
            Err(Error::MapGone { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn describe(multipath: &Multipath, map: &Map) -> Result<String, Error> {
    let usage = multipath.usage(map)?;
    let mut text = format!("{}  {}\n", map.path().display(), map.device);
    text += &format!("  WWID {}, {} MiB, {usage}\n", map.wwid, map.size >> 20);
    for path in multipath.paths(map)? {
        let disk = path.disk.as_deref().unwrap_or("gone");
        let state = if path.active { "active" } else { "failed" };
        text += &format!("  {disk} ({}) {state}\n", path.device_number);
    }
    Ok(text)
}
