//! The host's own multipath tools, driven as an administrator does.

use crate::sysfs::{self, Map};
use crate::{Command, Error, dm, wait};

/// Adds a WWID to those that multipath claims.
///
/// # Errors
///
/// Those of [`Command::ok`].
pub fn enrol(wwid: &str) -> Result<(), Error> {
    Command::words("multipath -a").arg(wwid).ok().map(drop)
}

/// Takes it out again.
///
/// # Errors
///
/// Those of [`Command::ok`].
pub fn withdraw(wwid: &str) -> Result<(), Error> {
    Command::words("multipath -w").arg(wwid).ok().map(drop)
}

/// One request to multipathd; its answer without the newline. An answer like `fail` is no error here.
///
/// # Errors
///
/// Those of [`Command::run`].
pub fn ask(request: &str) -> Result<String, Error> {
    let answer = Command::words("multipathd")
        .args(request.split(' '))
        .run()?;
    Ok(answer.both().trim_end().to_owned())
}

/// The map of `wwid`, waited for until it has `paths` active ones and its node is there.
///
/// # Errors
///
/// [`Error::InVain`].
pub fn map(wwid: &str, paths: usize) -> Result<Map, Error> {
    let what = format!("a map of {wwid} with {paths} active paths");
    wait::until(&what, wait::SOON, || {
        let Some(map) = sysfs::multipath_map(wwid).map_err(|e| e.to_string())? else {
            return Err("no map".to_owned());
        };
        let seen = dm::paths(&map.name).map_err(|e| e.to_string())?;
        let active = seen.iter().filter(|p| p.active).count();
        if active == paths && map.slaves.len() >= paths && map.path().exists() {
            Ok(map)
        } else {
            Err(format!("{map:?} with {seen:?}"))
        }
    })
}

/// Withdraws `wwid` and flushes its map, which udev may hold for a moment.
///
/// # Errors
///
/// [`Error::InVain`] with what the tools said.
pub fn flush(wwid: &str) -> Result<(), Error> {
    withdraw(wwid)?;
    wait::until("a map to be flushed", wait::SOON, || {
        let Some(map) = sysfs::multipath_map(wwid).map_err(|e| e.to_string())? else {
            return Ok(());
        };
        let flush = Command::words("multipath -f")
            .arg(&map.name)
            .run()
            .map_err(|e| e.to_string())?;
        Err(flush.both())
    })
}
