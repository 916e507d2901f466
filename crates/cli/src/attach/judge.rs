//! Is the volume up already? Judged by its record and the kernel, without the
//! appliance and without a tool.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jdss_multipath::Map;
use jdss_state::Record;

use super::convert::{Place, place_of_record};
use super::paths::{Path, split};
use super::verify::Finding;
use super::{Active, Attach, Budget, Error, link};

/// How long a map may be suspended: only while multipathd changes it.
const SUSPENDED: Duration = Duration::from_secs(2);

/// A device that proved to be the volume.
struct Device {
    path: PathBuf,
    /// Kernel names of the disks that answered with our ID.
    usable: Vec<String>,
    size: u64,
}

impl Attach {
    /// The volume as it is up, or `None` when there is no usable device.
    ///
    /// # Errors
    ///
    /// [`Error::WrongDevice`]: a path answers as another volume while somebody
    /// has the device open. The path was failed, nothing else was touched.
    pub(super) fn judge(
        &self,
        record: &Record,
        link: PathBuf,
        budget: &Budget,
    ) -> Result<Option<Active>, Error> {
        let Some(place) = place_of_record(record)? else {
            return Ok(None);
        };
        let paths = self.paths(&place)?;
        let device = if record.multipath {
            self.judge_map(&place, &paths, budget)?
        } else {
            self.judge_disk(&place, &paths)?
        };
        let Some(Device { path, usable, size }) = device else {
            return Ok(None);
        };
        let (up, missing) = split(&paths, &usable);
        if up.is_empty() {
            return Ok(None);
        }
        link::set(&link, &path).map_err(|source| Error::Link {
            link: link.clone(),
            source,
        })?;
        if size != place.size {
            self.note(format!(
                "{} has {size} bytes, it was activated with {}",
                path.display(),
                place.size
            ));
        }
        Ok(Some(Active {
            path,
            link,
            wwid: place.wwid.to_string(),
            size,
            up,
            missing,
            changed: false,
        }))
    }

    /// The map, when each disk in it that can be asked proves to be ours.
    fn judge_map(
        &self,
        place: &Place,
        paths: &[Path],
        budget: &Budget,
    ) -> Result<Option<Device>, Error> {
        let deadline = budget.forward().min(Instant::now() + SUSPENDED);
        let map = jdss_sys::poll(deadline, || {
            let map = self.multipath.map(&place.wwid).map_err(Error::Multipath)?;
            Ok::<_, Error>(match map {
                Some(map) if map.suspended => None,
                map => Some(map),
            })
        })?;
        let Some(map) = map.flatten() else {
            return Ok(None);
        };
        let mut usable = Vec::new();
        let mut wrong = Vec::new();
        let mut unclear = false;
        for name in &map.disks {
            let Some(disk) = self.initiator.disk_by_name(name).map_err(Error::Iscsi)? else {
                unclear = true;
                continue;
            };
            let mine = paths
                .iter()
                .any(|p| p.disk.as_ref().is_some_and(|d| d.name == *name));
            match self.find(&disk, &place.wwid)? {
                Finding::Ours if mine => {
                    let now = self.initiator.disk_by_name(name).map_err(Error::Iscsi)?;
                    // A map must not reach beyond the end of a disk.
                    if now.is_some_and(|now| now.size < map.size) {
                        return Err(Error::Size {
                            device: disk.path().display().to_string(),
                            found: disk.size,
                            wanted: map.size,
                        });
                    }
                    usable.push(name.clone());
                }
                Finding::Ours if self.is_path_of(place, &disk)? => {
                    self.note(format!("disk {name} is one more path of the volume"));
                }
                Finding::Other(found) => wrong.push((name.clone(), found.to_string())),
                // Another volume with our ID, or a disk of which nothing is known.
                Finding::Ours | Finding::Down { ours: false } => unclear = true,
                Finding::Silent | Finding::Down { ours: true } => {}
            }
        }
        if !wrong.is_empty() {
            let usage = self.multipath.usage(&map).map_err(Error::Multipath)?;
            // Nobody would notice: activation settles it.
            return if usage.is_free() {
                Ok(None)
            } else {
                Err(self.fail_wrong(place, &map, &wrong, &usage.to_string(), budget))
            };
        }
        Ok((!unclear).then(|| Device {
            path: map.path(),
            usable,
            size: map.size,
        }))
    }

    /// Fails the paths of a held map that answer as another volume, so that
    /// whoever reads the map does not get that volume's data.
    pub(super) fn fail_wrong(
        &self,
        place: &Place,
        map: &Map,
        wrong: &[(String, String)],
        holder: &str,
        budget: &Budget,
    ) -> Error {
        let mut found = Vec::new();
        for (disk, answer) in wrong {
            let failed = self.multipath.fail_path(disk, budget.forward());
            found.push(match failed {
                Ok(_) => format!("{answer} (disk {disk}, its path was failed)"),
                Err(e) => format!("{answer} (disk {disk}, its path could not be failed: {e})"),
            });
        }
        Error::WrongDevice {
            device: map.path().display().to_string(),
            holder: holder.to_owned(),
            found: found.join(", "),
            wanted: place.wwid.clone(),
        }
    }

    /// The same for a single path.
    fn judge_disk(&self, place: &Place, paths: &[Path]) -> Result<Option<Device>, Error> {
        let Some(disk) = paths.first().and_then(Path::up) else {
            return Ok(None);
        };
        match self.find(disk, &place.wwid)? {
            Finding::Ours => {}
            Finding::Other(found) => {
                let usage = self.initiator.usage(disk).map_err(Error::Iscsi)?;
                if usage.is_free() {
                    return Ok(None);
                }
                return Err(Error::WrongDevice {
                    device: disk.path().display().to_string(),
                    holder: usage.to_string(),
                    found: found.to_string(),
                    wanted: place.wwid.clone(),
                });
            }
            Finding::Silent | Finding::Down { .. } => return Ok(None),
        }
        self.refuse_map(disk)?;
        let by_id = self.by_id(&place.wwid);
        if !self.leads_to(&by_id, disk) {
            return Ok(None);
        }
        Ok(Some(Device {
            path: by_id,
            usable: vec![disk.name.clone()],
            size: disk.size,
        }))
    }
}
