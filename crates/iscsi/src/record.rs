//! Node records: which portals open-iscsi knows of a target.
//!
//! Only names and sizes of the files are looked at: their text can hold
//! secrets. `iscsiadm` alone writes them.

use crate::{Error, Iqn, Portal};
use jdss_sys::Root;
use std::collections::BTreeMap;

/// Where the node database is: the second since open-iscsi 2.1.10.
const ROOTS: [&str; 2] = ["etc/iscsi/nodes", "var/lib/iscsi/nodes"];

/// The node records of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// The files of each portal, below the root; `true` for whole ones.
    portals: BTreeMap<Portal, Vec<(String, bool)>>,
    /// There are records of portals that have no numeric address.
    foreign: bool,
}

impl Records {
    /// Reads both roots and both layouts: a file `ADDRESS,PORT`, or a
    /// directory `ADDRESS,PORT,TAG` with one file an interface.
    pub(crate) fn read(root: &Root, target: &Iqn) -> Result<Self, Error> {
        let mut records = Self::default();
        for base in ROOTS {
            let dir = format!("{base}/{target}");
            for entry in root.list(&dir).map_err(Error::read)? {
                let path = format!("{dir}/{entry}");
                let names = root.metadata(&path).map_err(Error::read)?;
                let files = match names {
                    Some(meta) if meta.is_dir() => {
                        let names = root.list(&path).map_err(Error::read)?;
                        names.iter().map(|name| format!("{path}/{name}")).collect()
                    }
                    Some(_) => vec![path],
                    None => continue,
                };
                for file in files {
                    let Some(meta) = root.metadata(&file).map_err(Error::read)? else {
                        continue;
                    };
                    // A crash leaves an empty file behind, which iscsiadm can
                    // neither use nor delete.
                    match portal(&entry) {
                        Some(portal) => {
                            let files = records.portals.entry(portal).or_default();
                            files.push((file, meta.len() > 0));
                        }
                        None => records.foreign = true,
                    }
                }
            }
        }
        Ok(records)
    }

    /// Portals with a record that can be used.
    pub(crate) fn whole(&self) -> Vec<Portal> {
        let whole = |files: &[(String, bool)]| files.iter().any(|(_, whole)| *whole);
        let found = self.portals.iter().filter(|(_, files)| whole(files));
        found.map(|(portal, _)| *portal).collect()
    }

    /// Whether this portal has a record that can be used.
    pub(crate) fn has(&self, portal: Portal) -> bool {
        self.whole().contains(&portal)
    }

    /// The empty files of this portal.
    pub(crate) fn broken(&self, portal: Portal) -> impl Iterator<Item = &str> {
        let files = self.portals.get(&portal).into_iter().flatten();
        files
            .filter(|(_, whole)| !whole)
            .map(|(file, _)| file.as_str())
    }

    /// Whether there is no record but those of these portals.
    pub(crate) fn only_at(&self, portals: &[Portal]) -> bool {
        !self.foreign && self.portals.keys().all(|portal| portals.contains(portal))
    }
}

/// The portal in a name such as `fd00::1,3260` or `10.0.0.1,3260,1`.
fn portal(name: &str) -> Option<Portal> {
    let mut fields = name.split(',');
    Portal::from_fields(fields.next()?, fields.next()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    const TARGET: &str = "iqn.2025-04.com.example:vm-1";

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory above it")).expect("a directory");
            let mut file = fs::File::create(path).expect("a file");
            std::io::Write::write_all(&mut file, text.as_bytes()).expect("its text");
        }
        dir
    }

    fn read(dir: &tempfile::TempDir) -> Records {
        let target = TARGET.parse().expect("a name");
        Records::read(&Root::at(dir.path()), &target).expect("readable")
    }

    #[test]
    fn both_roots_and_both_layouts_are_found() {
        let dir = tree(&[
            (&format!("etc/iscsi/nodes/{TARGET}/10.0.0.1,3260"), "x"),
            (
                &format!("etc/iscsi/nodes/{TARGET}/10.0.0.2,3261,1/default"),
                "x",
            ),
            (
                &format!("var/lib/iscsi/nodes/{TARGET}/fd00::1,3260,1/default"),
                "x",
            ),
            (&format!("var/lib/iscsi/nodes/{TARGET}0/10.0.0.9,3260"), "x"),
        ]);
        let portals: Vec<String> = read(&dir).whole().iter().map(Portal::to_string).collect();
        assert_eq!(
            portals,
            ["10.0.0.1:3260", "10.0.0.2:3261", "[fd00::1]:3260"]
        );
    }

    #[test]
    fn an_empty_record_is_no_record() {
        let broken = format!("etc/iscsi/nodes/{TARGET}/10.0.0.1,3260,1/default");
        let dir = tree(&[(&broken, "")]);
        let records = read(&dir);
        let portal = "10.0.0.1".parse().unwrap();
        assert!(!records.has(portal));
        assert_eq!(records.whole(), []);
        assert_eq!(
            records.broken(portal).collect::<Vec<_>>(),
            [broken.as_str()]
        );
    }

    #[test]
    fn an_empty_directory_is_no_record() {
        let dir = tree(&[]);
        fs::create_dir_all(
            dir.path()
                .join(format!("etc/iscsi/nodes/{TARGET}/10.0.0.1,3260,1")),
        )
        .unwrap();
        assert_eq!(read(&dir), Records::default());
    }

    #[test]
    fn a_record_elsewhere_is_not_at_our_portals_alone() {
        let ours = ["10.0.0.1".parse().unwrap()];
        let one = format!("etc/iscsi/nodes/{TARGET}/10.0.0.1,3260");
        assert!(read(&tree(&[(&one, "x")])).only_at(&ours));
        for other in ["10.0.0.10,3260", "10.0.0.1,3261", "san1,3260"] {
            let other = format!("var/lib/iscsi/nodes/{TARGET}/{other}");
            assert!(
                !read(&tree(&[(&one, "x"), (&other, "x")])).only_at(&ours),
                "{other}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_name_panics(name in ".{0,30}") {
            let _ = portal(&name);
        }
    }
}
