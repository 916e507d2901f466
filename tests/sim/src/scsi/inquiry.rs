//! INQUIRY: who a logical unit says it is.

use super::cdb::Cdb;
use super::sense::{Refusal, Sense};
use super::{Plan, cut};
use crate::model::{LunView, TargetView};

const VENDOR: &[u8; 8] = b"SCST_BIO";
/// SCST 3.11.0.
const REVISION: &[u8; 4] = b"3110";
/// Longest `<crc>-<device>` that SCST keeps.
const VENDOR_SPECIFIC_MAX: usize = 25;

pub(crate) fn inquiry(
    cdb: &Cdb,
    target: &TargetView,
    unit: Option<&LunView>,
) -> Result<Plan, Refusal> {
    let (vital, page) = (cdb.byte(1) & 1 != 0, cdb.byte(2));
    let Some(unit) = unit else {
        return match vital {
            false => Ok(cut(cdb, absent())),
            true => Err(Sense::ABSENT_UNIT.into()),
        };
    };
    if !vital {
        return match page {
            0 => Ok(cut(cdb, standard(unit))),
            _ => Err(Sense::invalid_byte(2).into()),
        };
    }
    let body = match page {
        0x00 => supported(unit),
        0x80 => unit.volume.serial.as_bytes().to_vec(),
        0x83 => identification(unit, target.relative_port),
        0x86 => extended(),
        0xb0 => limits(unit),
        0xb1 => characteristics(),
        0xb2 if unit.volume.thin() => vec![0, 0xe0, 0x02, 0],
        _ => return Err(Sense::invalid_byte(2).into()),
    };
    let mut data = vec![0, page];
    data.extend((body.len() as u16).to_be_bytes());
    data.extend(body);
    Ok(cut(cdb, data))
}

/// Standard INQUIRY data, 66 bytes.
fn standard(unit: &LunView) -> Vec<u8> {
    let mut data = vec![0x00, 0x00, 0x06, 0x22, 0x3d, 0x08, 0x10, 0x02];
    data.extend(VENDOR);
    data.extend(padded(unit.volume.device.as_bytes(), 16));
    data.extend(REVISION);
    data.extend([0; 22]);
    data.extend([0x00, 0x8b, 0x09, 0x60, 0x04, 0x63, 0x04, 0xc0]);
    data
}

/// What SCST answers for a LUN that is not there.
fn absent() -> Vec<u8> {
    let mut data = vec![0x7f, 0x00, 0x06, 0x00, 0x20, 0x00, 0x00, 0x00];
    data.extend(padded(b"SCST", 8));
    data.resize(36, 0);
    data
}

fn supported(unit: &LunView) -> Vec<u8> {
    let mut pages = vec![0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1];
    if unit.volume.thin() {
        pages.push(0xb2);
    }
    pages
}

fn identification(unit: &LunView, relative_port: u16) -> Vec<u8> {
    let specific = vendor_specific(&unit.volume.device);
    let mut body = vec![0x02, 0x01, 0x00, (VENDOR.len() + specific.len()) as u8];
    body.extend(VENDOR);
    body.extend(specific.as_bytes());
    body.extend([0x01, 0x14, 0x00, 0x04, 0x00, 0x00]);
    body.extend(relative_port.to_be_bytes());
    // The EUI-64 is the first 8 characters themselves, not what they mean as digits.
    let mut eui = unit.scsi_id.as_bytes().to_vec();
    eui.resize(8, 0);
    body.extend([0x01, 0x02, 0x00, 0x08]);
    body.extend(eui);
    body
}

fn extended() -> Vec<u8> {
    let mut body = vec![0x00, 0x07, 0x01, 0x01];
    body.resize(60, 0);
    body
}

/// Block limits. SCST counts in bytes and divides by the block size.
fn limits(unit: &LunView) -> Vec<u8> {
    let blocks = |bytes: u32| bytes / unit.block_size;
    let mut body = vec![0x01, 0xff];
    body.extend((blocks(4096) as u16).to_be_bytes());
    body.extend(blocks(8 << 20).to_be_bytes());
    body.extend(blocks(512 << 10).to_be_bytes());
    body.extend([0; 4]);
    if unit.volume.thin() {
        body.extend(blocks(u32::MAX).to_be_bytes());
        body.extend(u32::MAX.to_be_bytes());
        body.extend(blocks(4096).to_be_bytes());
    } else {
        body.extend([0; 12]);
    }
    body.extend([0; 4]);
    body.extend(u64::from(blocks(super::provision::WRITE_SAME_MAX)).to_be_bytes());
    body.resize(60, 0);
    body
}

fn characteristics() -> Vec<u8> {
    let mut body = 15_000_u16.to_be_bytes().to_vec();
    body.resize(60, 0);
    body
}

/// SCST's default `vend_specific_id`: CRC-32C of the device name with its final NUL, then the name.
fn vendor_specific(device: &str) -> String {
    let mut text = format!("{:x}-{device}", crc32c(device.bytes().chain([0])));
    while text.len() > VENDOR_SPECIFIC_MAX {
        text.pop();
    }
    text
}

/// CRC-32C as the kernel's `crc32c(0, ..)`: neither preset nor inverted.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

/// Left-aligned, cut to `length`, filled with blanks.
fn padded(text: &[u8], length: usize) -> Vec<u8> {
    let mut field = text.to_vec();
    field.resize(length, b' ');
    field
}

#[cfg(test)]
mod tests {
    use super::vendor_specific;

    #[test]
    fn vendor_specific_id_is_computed_as_scst_does() {
        assert_eq!(vendor_specific("d0"), "f8b1cd54-d0");
        // No leading zeros: seven digits here.
        assert_eq!(vendor_specific("dflt"), "5076c1e-dflt");
        assert_eq!(
            vendor_specific("a-device-name-of-more-than-16-characters"),
            "ce1ecb15-a-device-name-of"
        );
    }
}
