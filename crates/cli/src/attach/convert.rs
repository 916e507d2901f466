//! Between the layers' types, which know nothing of each other.

use jdss_iscsi::{Iqn, Lun, Portal};
use jdss_multipath::Wwid;
use jdss_state::Record;

use super::Error;

/// Where the volume is: the coordinates of its paths, and who it must be.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) target: Iqn,
    pub(super) lun: Lun,
    pub(super) portals: Vec<Portal>,
    pub(super) wwid: Wwid,
    pub(super) size: u64,
}

/// From what the appliance answered.
pub(super) fn place_of_published(
    published: &jdss_rest::Published,
    data_port: u16,
) -> Result<Place, Error> {
    let wwid = published.scsi_id.wwid();
    Ok(Place {
        target: parse("target name", &published.target, false)?,
        lun: Lun::try_from(published.lun)
            .map_err(|e| unusable("LUN number", published.lun.to_string(), false, e))?,
        portals: published
            .portals
            .iter()
            .map(|ip| Portal::new(*ip, data_port))
            .collect(),
        wwid: parse("SCSI ID", &wwid, false)?,
        size: published.size,
    })
}

/// From a record, when it is complete: `None` for an intent that never got
/// the appliance's answer.
pub(super) fn place_of_record(record: &Record) -> Result<Option<Place>, Error> {
    let (Some(target), Some(lun), Some(wwid), Some(size)) =
        (&record.target, record.lun, &record.scsi_id, record.size)
    else {
        return Ok(None);
    };
    Ok(Some(Place {
        target: parse("target name in the record", target, true)?,
        lun: Lun::try_from(lun)
            .map_err(|e| unusable("LUN in the record", lun.to_string(), true, e))?,
        portals: record
            .portals
            .iter()
            .map(|p| parse("portal in the record", p, true))
            .collect::<Result<_, _>>()?,
        wwid: parse("SCSI ID in the record", wwid, true)?,
        size,
    }))
}

fn parse<T>(what: &'static str, value: &str, recorded: bool) -> Result<T, Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    value
        .parse()
        .map_err(|e| unusable(what, value.to_owned(), recorded, e))
}

fn unusable<E>(what: &'static str, value: String, recorded: bool, source: E) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    Error::Unusable {
        what,
        value,
        recorded,
        source: Box::new(source),
    }
}
