//! Pages of real targets, and what the real `scsi_id` made of them.

use jdss_multipath::page83;

#[test]
fn real_pages_give_what_scsi_id_printed() {
    let text = include_str!("../fixtures/page83-and-scsi_id.txt");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 17, "some of the fixture is missing");
    for line in lines {
        let (hex, printed) = line.split_once(' ').unwrap();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let page: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        assert_eq!(page83::wwid(&page).unwrap().as_str(), printed);
        let designators = page83::parse(&page).unwrap();
        assert!(designators.len() >= 3, "{line}");
    }
}
