//! Who the target and its volumes say they are.

use super::*;
use crate::scenarios::scenarios;

scenarios![
    a_disk_has_the_identity_that_scst_gives,
    a_foreign_initiator_sees_the_same_volume,
    discovery_lists_the_asked_portal_first,
    a_refused_login_has_its_exit_code,
];

fn a_disk_has_the_identity_that_scst_gives(guest: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let [(_, disk), (_, second)] = attach()?;
    let eui = eui(&appliance, VOLUME);
    for disk in [&disk, &second] {
        assert_eq!(initiator::scsi_id(disk)?, format!("2{eui}"));
        assert_eq!(disk.wwid, format!("eui.{eui}"));
        assert_eq!(
            (disk.lun, disk.size, disk.state.as_str()),
            (LUN.into(), SIZE, "running")
        );
    }
    assert_eq!(attribute(&disk, "vendor")?, "SCST_BIO");
    let raw = |name: &str| -> Result<Vec<u8>, Error> {
        let path = Path::new("/sys/block")
            .join(&disk.name)
            .join("device")
            .join(name);
        Ok(sysfs::bytes(path)?.unwrap_or_default())
    };

    let inquiry = raw("inquiry")?;
    assert_eq!(inquiry.len(), 66, "{inquiry:02x?}");
    assert_eq!(
        inquiry[..8],
        [0x00, 0x00, 0x06, 0x22, 0x3d, 0x08, 0x10, 0x02]
    );
    assert_eq!(inquiry[36..58], [0; 22]);
    assert_eq!(
        inquiry[58..],
        [0x00, 0x8b, 0x09, 0x60, 0x04, 0x63, 0x04, 0xc0]
    );

    // T10 vendor id, relative target port, EUI-64, in this order.
    let page = raw("vpd_pg83")?;
    let designators = page.get(4..).unwrap_or_default();
    let vendor = &designators[..4 + usize::from(designators[3])];
    let port = &designators[vendor.len()..][..8];
    let last = &designators[vendor.len() + port.len()..];
    assert!(
        vendor[..2] == [0x02, 0x01] && vendor[4..].starts_with(b"SCST_BIO"),
        "{vendor:02x?}"
    );
    assert!(
        vendor.ends_with(physical(VOLUME).as_bytes()),
        "{vendor:02x?}"
    );
    assert_eq!(port, [0x01, 0x14, 0x00, 0x04, 0x00, 0x00, 0x00, 0x01]);
    let id = appliance
        .scsi_id(POOL, &physical(VOLUME))
        .expect("it has an ID");
    assert_eq!(
        (&last[..4], &last[4..]),
        (&[0x01, 0x02, 0x00, 0x08][..], &id.as_bytes()[..8])
    );

    let pages = Command::words("sg_vpd --page=sv").arg(disk.path()).ok()?;
    let pages: Vec<&str> = pages
        .lines()
        .skip(1)
        .filter_map(|l| l.trim().rsplit_once('['))
        .map(|(_, p)| p)
        .collect();
    let want = ["sv]", "sn]", "di]", "ei]", "bl]", "bdc]", "lbpv]"];
    assert_eq!(pages, want, "pages of a thin volume");

    Command::words("udevadm settle").ok()?;
    let properties = Command::words("udevadm info --query=property --name")
        .arg(disk.path())
        .ok()?;
    assert!(
        properties.contains(&format!("ID_SERIAL=2{eui}\n")),
        "{properties}"
    );
    assert!(!properties.contains("ID_WWN="), "{properties}");
    let links = sysfs::names("/dev/disk/by-id")?;
    // sg3-utils of trixie makes links of unambiguous IDs alone.
    let ambiguous: &[_] = match guest.release() {
        Release::Bookworm => &["scsi-1SCST_BIO", "scsi-SSCST_BIO_"],
        Release::Trixie => &[],
    };
    for prefix in [&*format!("scsi-2{eui}")].iter().chain(ambiguous) {
        assert!(
            links.iter().any(|l| l.starts_with(prefix)),
            "no {prefix}: {links:?}"
        );
    }
    assert!(!links.iter().any(|l| l.starts_with("wwn-")), "{links:?}");

    let luns = Command::words("sg_luns --raw").arg(disk.path()).run()?;
    assert_eq!(luns.code, Some(0), "{luns:?}");
    assert_eq!(
        luns.stdout.as_bytes()[8..16],
        [0, LUN as u8, 0, 0, 0, 0, 0, 0]
    );
    initiator::detach(TARGET)
}

fn a_foreign_initiator_sees_the_same_volume(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let url = format!("iscsi://{}", Portal::First.with_port());
    let tool = |line: &str| Command::words(line).limit(Duration::from_secs(30)).ok();
    let listed = tool(&format!("iscsi-ls -s {url}"))?;
    assert!(
        listed.contains(&format!(
            "Target:{TARGET} Portal:{},1\n",
            Portal::First.with_port()
        )),
        "{listed}"
    );
    assert!(listed.contains(&format!("Lun:{LUN} ")), "{listed}");
    let inquiry = tool(&format!("iscsi-inq {url}/{TARGET}/{LUN}"))?;
    assert!(inquiry.contains("Vendor:SCST_BIO"), "{inquiry}");
    let page = tool(&format!("iscsi-inq -e 1 -c 131 {url}/{TARGET}/{LUN}"))?;
    let id = appliance
        .scsi_id(POOL, &physical(VOLUME))
        .expect("it has an ID");
    assert!(page.contains("EUI_64") && page.contains(&id[..8]), "{page}");
    Ok(())
}

fn discovery_lists_the_asked_portal_first(_: &Guest) -> Result<(), Error> {
    let _appliance = begin()?;
    let [first, second] = Portal::ALL;
    for (asked, other) in [(first, second), (second, first)] {
        let listed = Command::words("iscsiadm -m discovery -t sendtargets -p")
            .arg(asked.with_port())
            .ok()?;
        let want = [asked, other]
            .map(|p| format!("{},1 {TARGET}\n", p.with_port()))
            .concat();
        assert_eq!(listed, want);
    }
    Command::words("iscsiadm -m node -o delete").ok()?;
    for portal in Portal::ALL {
        Command::words("iscsiadm -m discoverydb -t sendtargets -o delete -p")
            .arg(portal.with_port())
            .ok()?;
    }
    Ok(())
}

fn a_refused_login_has_its_exit_code(_: &Guest) -> Result<(), Error> {
    let appliance = begin()?;
    let unknown = "iqn.2026-01.com.example:unknown";
    initiator::node(unknown, Portal::First)
        .args(["-o", "new"])
        .ok()?;
    let login = initiator::node(unknown, Portal::First)
        .arg("--login")
        .run()?;
    assert_eq!(login.code, Some(19), "an unknown target: {login:?}");
    initiator::node(unknown, Portal::First)
        .args(["-o", "delete"])
        .ok()?;

    initiator::login(TARGET, Portal::First)?;
    let again = initiator::node(TARGET, Portal::First)
        .arg("--login")
        .run()?;
    assert!(
        matches!(again.code, Some(0 | 15)),
        "logged in already: {again:?}"
    );
    appliance
        .set_target_vips(POOL, TARGET, &["vip0"])
        .expect("it has this VIP");
    let refused = initiator::login(TARGET, Portal::Second);
    assert!(
        matches!(refused, Err(Error::Failed { code: Some(19), .. })),
        "a portal that is not allowed: {refused:?}"
    );
    initiator::node(TARGET, Portal::Second)
        .args(["-o", "delete"])
        .ok()?;
    initiator::logout(TARGET, Portal::First)
}
