//! VPD page 83, "device identification": the names a volume has, and which of
//! them becomes its [`Wwid`].
//!
//! The kernel keeps the page of each SCSI disk in
//! `/sys/block/sdX/device/vpd_pg83` and asks for it again on a rescan.
//!
//! # Example
//!
//! ```
//! use jdss_multipath::page83::{self, Kind};
//!
//! let page = b"\x00\x83\x00\x0c\x01\x02\x00\x084fa1c0de";
//! assert_eq!(page83::parse(page)?[0].kind, Kind::Eui64);
//! assert_eq!(page83::wwid(page).unwrap().as_str(), "23466613163306465");
//! # Ok::<(), jdss_multipath::Error>(())
//! ```

use crate::{Error, Wwid};

/// Page code, page length: the four bytes before the first designator.
const HEADER: usize = 4;
/// `scsi_id` asks the disk for this many bytes of the page, and no more.
const SCSI_ID_ANSWER: usize = 254;
/// What fits into `scsi_id`'s buffer for an id, with type digit and NUL.
const SCSI_ID_SERIAL: usize = 256;

/// What a designator names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Association {
    /// The volume itself.
    LogicalUnit,
    /// The port the page was asked through.
    TargetPort,
    /// The whole device.
    TargetDevice,
    /// Reserved by SPC.
    Reserved,
}

/// How the bytes of a designator are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSet {
    /// Binary.
    Binary,
    /// Printable ASCII.
    Ascii,
    /// UTF-8.
    Utf8,
    /// Reserved by SPC; the number found.
    Reserved(u8),
}

/// The designator type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 0: vendor specific.
    VendorSpecific,
    /// 1: T10 vendor identification.
    T10Vendor,
    /// 2: based on EUI-64.
    Eui64,
    /// 3: NAA.
    Naa,
    /// Any other; the number found.
    Other(u8),
}

/// One name of the volume, its port or its device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Designator {
    /// What it names.
    pub association: Association,
    /// Its type.
    pub kind: Kind,
    /// How [`id`](Self::id) is to be read.
    pub code_set: CodeSet,
    /// The name itself, at most 255 bytes.
    pub id: Vec<u8>,
}

/// A designator where it lies in a page.
#[derive(Clone, Copy)]
struct Raw<'a> {
    head: [u8; 2],
    id: &'a [u8],
}

impl Raw<'_> {
    fn association(self) -> Association {
        match self.head[1] & 0x30 {
            0x00 => Association::LogicalUnit,
            0x10 => Association::TargetPort,
            0x20 => Association::TargetDevice,
            _ => Association::Reserved,
        }
    }

    fn kind(self) -> Kind {
        match self.head[1] & 0x0f {
            0 => Kind::VendorSpecific,
            1 => Kind::T10Vendor,
            2 => Kind::Eui64,
            3 => Kind::Naa,
            other => Kind::Other(other),
        }
    }

    fn code_set(self) -> CodeSet {
        match self.head[0] & 0x0f {
            1 => CodeSet::Binary,
            2 => CodeSet::Ascii,
            3 => CodeSet::Utf8,
            other => CodeSet::Reserved(other),
        }
    }
}

/// The designator at `at`, if it lies wholly within `page`.
fn raw(page: &[u8], at: usize) -> Option<Raw<'_>> {
    let head = page.get(at..at + 4)?;
    let id = page.get(at + 4..at + 4 + usize::from(head[3]))?;
    Some(Raw {
        head: [head[0], head[1]],
        id,
    })
}

/// Where the page ends, by its own length field.
fn end(page: &[u8]) -> usize {
    HEADER + usize::from(u16::from_be_bytes([page[2], page[3]]))
}

/// Reads all designators of a page 83, with its four bytes of header. Bytes
/// behind the length that the page states are ignored.
///
/// # Errors
///
/// * [`Error::NotPage83`]: shorter than its header, or another page.
/// * [`Error::Page83Truncated`]: a designator reaches over the end. The disk
///   was probably read while it changed: rescan it and read again.
pub fn parse(page: &[u8]) -> Result<Vec<Designator>, Error> {
    if page.len() < HEADER || page[1] != 0x83 {
        let found = page.get(1).copied();
        return Err(Error::NotPage83 { found });
    }
    let (end, len) = (end(page), page.len());
    let page = &page[..len.min(end)];
    let mut designators = Vec::new();
    let mut at = HEADER;
    while at < end {
        let found = raw(page, at).ok_or(Error::Page83Truncated { at, end, len })?;
        at += 4 + found.id.len();
        designators.push(Designator {
            association: found.association(),
            kind: found.kind(),
            code_set: found.code_set(),
            id: found.id.to_vec(),
        });
    }
    Ok(designators)
}

/// The kinds of names in the order in which `scsi_id` looks for them; for each
/// first a binary one, then an ASCII one. An IEEE registered extended NAA
/// (first digit 6) goes before a registered one (5), both before any other.
const PREFERENCE: [(Kind, Option<u8>); 5] = [
    (Kind::Naa, Some(6)),
    (Kind::Naa, Some(5)),
    (Kind::Naa, None),
    (Kind::Eui64, None),
    (Kind::T10Vendor, None),
];

/// What `/lib/udev/scsi_id -g -u` makes of a page 83: the same order of
/// preference, the same limits, the same replacement of characters.
///
/// `None` where the page names no volume, where `scsi_id` would need more than
/// this page (a vendor specific name gets vendor and model in front; without
/// page 83 the serial number of page 80 counts), and where the name has
/// characters that no [`Wwid`] has.
pub fn wwid(page: &[u8]) -> Option<Wwid> {
    if page.len() < HEADER || page[1] != 0x83 {
        return None;
    }
    let stated = end(page);
    let page = &page[..page.len().min(SCSI_ID_ANSWER)];
    // Where a designator has its reserved byte, a disk that answers as SCSI-2
    // did has a part of its name: it then follows the header right away.
    if *page.get(6)? != 0 {
        let len = usize::from(page[3]).min((SCSI_ID_SERIAL - 4) / 2);
        let id = &page[HEADER..page.len().min(HEADER + len)];
        return tidy('3', &hex(id));
    }
    let mut found = Vec::new();
    let mut at = HEADER;
    while at < stated
        && let Some(designator) = raw(page, at)
    {
        at += 4 + designator.id.len();
        found.push(designator);
    }
    for (kind, naa) in PREFERENCE {
        for code_set in [CodeSet::Binary, CodeSet::Ascii] {
            let wanted = |raw: &&Raw<'_>| {
                raw.association() == Association::LogicalUnit
                    && raw.kind() == kind
                    && raw.code_set() == code_set
                    && naa.is_none_or(|naa| raw.id.first().is_some_and(|b| b >> 4 == naa))
                    && (code_set == CodeSet::Ascii || raw.id.len() * 2 + 2 <= SCSI_ID_SERIAL)
            };
            let Some(raw) = found.iter().find(wanted) else {
                continue;
            };
            let digit = match kind {
                Kind::Naa => '3',
                Kind::Eui64 => '2',
                _ => '1',
            };
            return match code_set {
                CodeSet::Ascii => tidy(digit, &text(raw.id)),
                _ => tidy(digit, &hex(raw.id)),
            };
        }
    }
    None
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// ASCII up to the first NUL: names are padded with NUL bytes.
fn text(bytes: &[u8]) -> String {
    let len = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..len]).into_owned()
}

/// As udev does it: white space at the end goes, runs of it within become one
/// `_`, and so does every character outside a short list.
fn tidy(digit: char, name: &str) -> Option<Wwid> {
    let mut out = String::from(digit);
    let mut gap = false;
    for c in name.chars() {
        // C's isspace: unlike in Rust, the vertical tab belongs to it.
        if c.is_ascii_whitespace() || c == '\x0b' {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push('_');
        }
        // udev keeps a backslash before `x`, and UTF-8; no Wwid has either, so
        // they are left for its check to refuse.
        let kept = c.is_ascii_alphanumeric() || "#+-.:=@_\\".contains(c) || !c.is_ascii();
        out.push(if kept { c } else { '_' });
    }
    out.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Code set, association and type, name.
    type Raw83<'a> = (u8, u8, &'a [u8]);

    /// A page with these designators.
    fn page(designators: &[Raw83<'_>]) -> Vec<u8> {
        let mut body = Vec::new();
        for (code_set, kind, id) in designators {
            body.extend([*code_set, *kind, 0, u8::try_from(id.len()).expect("short")]);
            body.extend(*id);
        }
        let len = u16::try_from(body.len()).expect("short").to_be_bytes();
        [&[0, 0x83, len[0], len[1]], &body[..]].concat()
    }

    fn name(designators: &[Raw83<'_>]) -> Option<String> {
        wwid(&page(designators)).map(|wwid| wwid.to_string())
    }

    const NAA5: Raw83<'_> = (1, 3, b"\x50\x01\x02\x03\x04\x05\x06\x07");
    const NAA6: Raw83<'_> = (
        1,
        3,
        b"\x60\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
    );
    const NAA2: Raw83<'_> = (1, 3, b"\x20\x01\x02\x03\x04\x05\x06\x07");
    const EUI: Raw83<'_> = (1, 2, b"4fa1c0de");
    const T10: Raw83<'_> = (2, 1, b"SCST_BIOf8b1cd54-d0");
    const PORT: Raw83<'_> = (1, 0x14, b"\0\0\0\x01");

    #[test]
    fn the_order_of_preference_is_that_of_scsi_id_whatever_the_order_in_the_page() {
        let order: [(&Raw83<'_>, &str); 5] = [
            (&NAA6, "3600102030405060708090a0b0c0d0e0f"),
            (&NAA5, "35001020304050607"),
            (&NAA2, "32001020304050607"),
            (&EUI, "23466613163306465"),
            (&T10, "1SCST_BIOf8b1cd54-d0"),
        ];
        for first in 0..order.len() {
            let mut designators: Vec<_> = order[first..].iter().map(|(d, _)| **d).collect();
            designators.push(PORT);
            assert_eq!(name(&designators).as_deref(), Some(order[first].1));
            designators.reverse();
            assert_eq!(name(&designators).as_deref(), Some(order[first].1));
        }
    }

    #[test]
    fn a_port_or_another_kind_is_no_name_of_the_volume() {
        assert_eq!(name(&[PORT]), None);
        assert_eq!(name(&[(1, 0x13, NAA6.2)]), None);
        assert_eq!(name(&[(1, 0x23, NAA6.2)]), None);
        assert_eq!(name(&[(3, 8, b"iqn.2026-01.example:a")]), None);
        assert_eq!(name(&[(1, 0, b"\x60\x00")]), None);
        assert_eq!(name(&[]), None);
    }

    #[test]
    fn binary_goes_before_ascii_of_the_same_kind() {
        let ascii: Raw83<'_> = (2, 2, b"abc");
        assert_eq!(name(&[ascii]).as_deref(), Some("2abc"));
        assert_eq!(name(&[ascii, EUI]).as_deref(), Some("23466613163306465"));
    }

    #[test]
    fn space_nul_and_odd_characters_of_a_t10_name_are_treated_as_udev_does() {
        for (raw, tidied) in [
            (&b"ATA     Disk  7  "[..], "1ATA_Disk_7"),
            (b"eui.3739\0\0\0junk", "1eui.3739"),
            (b"a/b(c)\x0bd", "1a_b_c__d"),
            (b"x \x0b y\x0b", "1x_y"),
            (b"        ", "1"),
        ] {
            assert_eq!(name(&[(2, 1, raw)]).as_deref(), Some(tidied));
        }
        assert_eq!(name(&[(2, 1, b"a#b")]), None, "no wwids file can hold it");
        assert_eq!(name(&[(2, 1, b"a\\x20b")]), None);
    }

    #[test]
    fn a_name_that_overflows_scsi_ids_buffer_is_passed_over() {
        let long = [0x60; 128];
        assert_eq!(
            name(&[(1, 3, &long), EUI]).as_deref(),
            Some("23466613163306465")
        );
    }

    #[test]
    fn what_scsi_id_does_not_read_does_not_count() {
        let long = [b'x'; 240];
        let early = page(&[EUI, (2, 1, &long), NAA6]);
        assert_eq!(wwid(&early).unwrap().as_str(), "23466613163306465");
        assert_eq!(parse(&early).unwrap().len(), 3);
    }

    #[test]
    fn a_scsi_2_answer_is_one_bare_name() {
        let page = b"\x00\x83\x00\x08\x50\x06\x04\x80\x00\x01\x02\x03";
        assert_eq!(wwid(page).unwrap().as_str(), "35006048000010203");
    }

    #[test]
    fn parse_names_every_designator() {
        let found = parse(&page(&[T10, PORT, EUI, NAA6])).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|d| (d.association, d.kind, d.code_set, d.id.len()))
            .collect();
        use Association::{LogicalUnit, TargetPort};
        assert_eq!(
            seen,
            [
                (LogicalUnit, Kind::T10Vendor, CodeSet::Ascii, 19),
                (TargetPort, Kind::Other(4), CodeSet::Binary, 4),
                (LogicalUnit, Kind::Eui64, CodeSet::Binary, 8),
                (LogicalUnit, Kind::Naa, CodeSet::Binary, 16),
            ]
        );
    }

    #[test]
    fn parse_refuses_another_page_and_a_cut_one() {
        assert!(matches!(parse(b""), Err(Error::NotPage83 { found: None })));
        assert!(matches!(
            parse(b"\0\x80\0\0"),
            Err(Error::NotPage83 { found: Some(0x80) })
        ));
        let whole = page(&[T10, EUI]);
        for len in HEADER..whole.len() {
            assert!(parse(&whole[..len]).is_err(), "cut at {len}");
        }
        let mut wrong = whole.clone();
        wrong[7] += 1; // the first designator now reaches into the second
        assert!(matches!(parse(&wrong), Err(Error::Page83Truncated { .. })));
        let mut long = [&whole[..], &[7; 9]].concat();
        long[4 + 4 + 19 + 3] += 1; // the last one now reaches behind the page
        assert!(matches!(parse(&long), Err(Error::Page83Truncated { .. })));
        assert_eq!(parse(&[whole, vec![7; 9]].concat()).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = (parse(&bytes), wwid(&bytes));
        }

        #[test]
        fn no_mutated_page_panics(at in 0usize..60, value in any::<u8>(), len in 0usize..60) {
            let mut bytes = page(&[T10, PORT, EUI]);
            if let Some(byte) = bytes.get_mut(at) { *byte = value; }
            bytes.truncate(len);
            let _ = (parse(&bytes), wwid(&bytes));
        }

        #[test]
        fn an_eui64_in_a_page_is_the_wwid_made_from_it(id in any::<[u8; 8]>()) {
            prop_assert_eq!(wwid(&page(&[T10, (1, 2, &id)])), Some(Wwid::from_eui64(id)));
        }
    }
}
