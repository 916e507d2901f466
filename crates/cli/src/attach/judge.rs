//! Is the volume up already? Judged by its record and the kernel, without the
//! appliance and without a tool.

use std::path::PathBuf;

use jdss_state::Record;

use super::convert::{Place, place_of_record};
use super::paths::{Path, split};
use super::verify::{foreign_disk, name_of};
use super::{Active, Attach, Budget, Error, link};

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
        let Some((path, disks, size)) = device else {
            return Ok(None);
        };
        let (up, mut missing) = split(&paths, record.multipath.then_some(&disks[..]));
        if !record.multipath {
            missing.clear();
        }
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

    /// Path, disks and size of the map, when each disk in it proves to be ours.
    fn judge_map(
        &self,
        place: &Place,
        paths: &[Path],
        budget: &Budget,
    ) -> Result<Option<(PathBuf, Vec<String>, u64)>, Error> {
        let Some(map) = self.multipath.map(&place.wwid).map_err(Error::Multipath)? else {
            return Ok(None);
        };
        let mut wrong =
            foreign_disk(&map, paths).map(|disk| (disk.to_owned(), "another LUN".to_owned()));
        for path in paths {
            let Some(disk) = path.disk.as_ref().filter(|d| map.disks.contains(&d.name)) else {
                continue;
            };
            let found = self.identity(path)?;
            if found.as_ref() != Some(&place.wwid) {
                wrong = Some((disk.name.clone(), name_of(found.as_ref())));
                break;
            }
        }
        let Some((disk, found)) = wrong else {
            return Ok(Some((map.path(), map.disks, map.size)));
        };
        let usage = self.multipath.usage(&map).map_err(Error::Multipath)?;
        if usage.is_free() {
            // Activation settles it: nobody would notice.
            return Ok(None);
        }
        self.multipath
            .fail_path(&disk, budget.forward())
            .map_err(Error::Multipath)?;
        Err(Error::WrongDevice {
            device: format!("{} (disk {disk})", map.path().display()),
            holder: usage.to_string(),
            found,
            wanted: place.wwid.clone(),
        })
    }

    /// The same for a single path.
    fn judge_disk(
        &self,
        place: &Place,
        paths: &[Path],
    ) -> Result<Option<(PathBuf, Vec<String>, u64)>, Error> {
        let Some(path) = paths.first() else {
            return Ok(None);
        };
        let Some(disk) = path.up() else {
            return Ok(None);
        };
        let found = self.fresh_identity(disk)?;
        if found.as_ref() != Some(&place.wwid) {
            let usage = self.initiator.usage(disk).map_err(Error::Iscsi)?;
            if usage.is_free() {
                return Ok(None);
            }
            return Err(Error::WrongDevice {
                device: disk.path().display().to_string(),
                holder: usage.to_string(),
                found: name_of(found.as_ref()),
                wanted: place.wwid.clone(),
            });
        }
        self.refuse_map(disk)?;
        let by_id = self.by_id(&place.wwid);
        if !self.leads_to(&by_id, disk) {
            return Ok(None);
        }
        Ok(Some((by_id, vec![disk.name.clone()], disk.size)))
    }
}
