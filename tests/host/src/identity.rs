//! What an appliance says about its LUNs, and what the host makes of it.

use std::fmt::Write as _;

/// The appliance's answer to an initiator that stands before a portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// The target lets the initiator in and shows these LUNs.
    Luns(Vec<HostLun>),
    /// It does not; the exit code of `iscsiadm --login` (8 nobody there, 11 no
    /// answer, 19 refused, 24 authorization).
    Refused(i32),
}

/// One LUN as its INQUIRY and READ CAPACITY answer now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLun {
    /// The number, 0 to 16383.
    pub lun: u16,
    /// VPD page 83, header included.
    pub page83: Vec<u8>,
    /// The text of VPD page 80.
    pub serial: String,
    /// In bytes.
    pub size: u64,
    /// At most 8 characters.
    pub vendor: String,
    /// At most 16 characters.
    pub model: String,
}

impl HostLun {
    /// A LUN as SCST shows a volume with this SCSI ID (16 characters, of which
    /// the first 8 become the EUI-64).
    pub fn scst(lun: u16, scsi_id: &str, size: u64) -> Self {
        Self {
            lun,
            page83: scst_page83(scsi_id),
            serial: scsi_id.to_owned(),
            size,
            vendor: "SCST_BIO".to_owned(),
            model: scsi_id.chars().take(16).collect(),
        }
    }

    /// The WWID that udev's `scsi_id` makes of page 83.
    pub fn wwid(&self) -> Option<String> {
        udev_wwid(&self.page83)
    }

    pub(crate) fn page80(&self) -> Vec<u8> {
        let mut page = vec![0, 0x80, 0, self.serial.len() as u8];
        page.extend_from_slice(self.serial.as_bytes());
        page
    }
}

/// VPD page 83 as SCST makes it of a SCSI ID: T10 vendor id, relative target
/// port, EUI-64 of the first 8 characters.
pub fn scst_page83(scsi_id: &str) -> Vec<u8> {
    let mut page = vec![0, 0x83, 0, 0];
    let vendor = format!("SCST_BIO{:08x}-{scsi_id}", fnv(scsi_id.as_bytes()));
    page.extend([0x02, 0x01, 0, vendor.len() as u8]);
    page.extend(vendor.as_bytes());
    page.extend([0x01, 0x14, 0, 4, 0, 0, 0, 1]);
    let mut eui = [0; 8];
    for (to, from) in eui.iter_mut().zip(scsi_id.bytes()) {
        *to = from;
    }
    page.extend([0x01, 0x02, 0, 8]);
    page.extend(eui);
    page[3] = (page.len() - 4) as u8;
    page
}

fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// The designators of the addressed logical unit: type, code set, bytes.
fn designators(page: &[u8]) -> impl Iterator<Item = (u8, u8, &[u8])> {
    let mut rest = page.get(4..).unwrap_or_default();
    std::iter::from_fn(move || {
        let header = rest.get(..4)?;
        let body = rest.get(4..4 + usize::from(header[3]))?;
        rest = &rest[4 + body.len()..];
        Some((header[1], header[0] & 0x0f, body))
    })
    .filter(|(kind, _, _)| kind & 0x30 == 0)
    .map(|(kind, code_set, body)| (kind & 0x0f, code_set, body))
}

fn best(page: &[u8]) -> Option<(u8, u8, &[u8])> {
    // scsi_id and the kernel agree on this order for what a target like SCST sends.
    [3, 2, 1]
        .into_iter()
        .find_map(|wanted| designators(page).find(|(kind, _, _)| *kind == wanted))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn text(code_set: u8, bytes: &[u8]) -> String {
    if code_set == 1 {
        return hex(bytes);
    }
    String::from_utf8_lossy(bytes)
        .trim_matches(|c: char| c == '\0' || c == ' ')
        .to_owned()
}

/// What `scsi_id -g -u` prints of a page 83.
pub(crate) fn udev_wwid(page: &[u8]) -> Option<String> {
    let (kind, code_set, body) = best(page)?;
    Some(format!("{kind}{}", text(code_set, body)))
}

/// What the kernel shows as `device/wwid`.
pub(crate) fn sysfs_wwid(page: &[u8]) -> Option<String> {
    let (kind, code_set, body) = best(page)?;
    let name = match kind {
        3 => "naa",
        2 => "eui",
        _ => "t10",
    };
    Some(format!("{name}.{}", text(code_set, body)))
}

#[cfg(test)]
mod tests {
    use super::{HostLun, scst_page83, sysfs_wwid, udev_wwid};

    #[test]
    fn an_scst_page_has_the_measured_shape_and_names() {
        let page = scst_page83("4fa1c0de77e2b316");
        assert_eq!(page[..8], [0, 0x83, 0, (page.len() - 4) as u8, 2, 1, 0, 33]);
        assert!(page.ends_with(b"\x01\x14\0\x04\0\0\0\x01\x01\x02\0\x084fa1c0de"));
        assert_eq!(udev_wwid(&page).unwrap(), "23466613163306465");
        assert_eq!(sysfs_wwid(&page).unwrap(), "eui.3466613163306465");
    }

    #[test]
    fn a_naa_designator_wins_and_a_port_is_not_the_unit() {
        let page = [
            &b"\0\x83\0\x2c\x01\x02\0\x084fa1c0de\x01\x13\0\x08\x50\x01\x02\x03\x04\x05\x06\x07"[..],
            &b"\x01\x03\0\x10\x60\x01\x40\x50\xf1\xe2\xd3\xc4\xb5\xa6\x97\x88\x79\x6a\x5b\x4c"[..],
        ]
        .concat();
        assert_eq!(
            udev_wwid(&page).unwrap(),
            "360014050f1e2d3c4b5a69788796a5b4c"
        );
    }

    #[test]
    fn a_cut_page_yields_no_name() {
        assert_eq!(udev_wwid(b"\0\x83\0\x0c\x01\x02\0\x084fa1"), None);
        assert_eq!(udev_wwid(b""), None);
    }

    #[test]
    fn page_80_carries_the_serial() {
        let lun = HostLun::scst(0, "4fa1c0de77e2b316", 1);
        assert_eq!(lun.page80(), b"\0\x80\0\x104fa1c0de77e2b316");
    }
}
