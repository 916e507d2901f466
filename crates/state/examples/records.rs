//! Follows one volume's record from the first intent to the end.
//!
//! `cargo run -p jdss-state --example records [DIR]`; without DIR a temporary directory is used.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jdss_state::{Key, Locks, Phase, Record, Store, boot_id};

fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let dir = std::env::args_os()
        .nth(1)
        .map_or(temporary.path().into(), PathBuf::from);
    let store = Store::at(dir.join("state"));
    let locks = Locks::at(dir.join("lock")).purpose("show how records work");
    let boot = boot_id("/".as_ref())?;
    let key = Key::new("jovian", "vm-100-disk-0", None)?;
    let deadline = Instant::now() + Duration::from_secs(5);

    // Nobody else works on this volume from here on.
    let volume = locks.volume(&key, deadline)?;

    // The intent comes first: after a crash it says what may be half done.
    let mut record = Record::new(key.clone(), &boot);
    store.save(&record)?;

    let scsi_id = "23466613163306465";
    let _id = volume.scsi_id(scsi_id, deadline)?;
    record.scsi_id = Some(scsi_id.to_owned());
    record.mapper_path = Some(format!("/dev/mapper/{scsi_id}"));
    record.phase = Phase::Active;
    store.save(&record)?;

    let mut out = std::io::stdout().lock();
    for record in store.list(None)? {
        match record {
            Ok(record) => {
                let up = record.phase == Phase::Active && record.is_of_boot(&boot);
                writeln!(out, "{} up={up} since {}", record.key(), record.created)?;
            }
            // One broken file hides no other.
            Err(error) => writeln!(out, "{error}")?,
        }
    }
    write!(out, "{}", std::fs::read_to_string(store.path(&key))?)?;

    store.remove(&key)?;
    Ok(())
}
