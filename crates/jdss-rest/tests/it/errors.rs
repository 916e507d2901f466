//! What errors say, and what sort they are.

use jdss_rest::{Difference, Error, ErrorKind, Origin};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn errors_name_what_stands_in_the_way_and_what_to_do() {
    let wanted = Origin::parse("Pool-0/v_a@s_b").unwrap();
    for (error, kind, transient, parts) in [
        (
            Error::HasDependents {
                what: "delete volume Pool-0/v_a".to_owned(),
                snapshots: names(&["s_1", "s_2"]),
                clones: names(&["v_c"]),
            },
            ErrorKind::Busy,
            false,
            &[
                "delete volume Pool-0/v_a",
                "snapshots s_1, s_2 and clones v_c",
            ][..],
        ),
        (
            Error::RollbackBlocked {
                volume: "v_a".to_owned(),
                snapshot: "s_1".to_owned(),
                snapshots: names(&["autosnap_x"]),
                clones: vec![],
            },
            ErrorKind::Busy,
            false,
            &["v_a", "s_1", "snapshots autosnap_x came later"],
        ),
        (
            Error::ListChanged {
                what: "list the volumes of pool Pool-0".to_owned(),
                got: 3,
                of: 5,
            },
            ErrorKind::Transient,
            true,
            &["list the volumes", "3 entries", "counts 5", "try again"],
        ),
        (
            Error::Shrink {
                volume: "v_a".to_owned(),
                found: 10,
                wanted: 9,
            },
            ErrorKind::Invalid,
            false,
            &["v_a", "10 bytes", "to 9"],
        ),
        (
            Error::NotSeen {
                what: "resize volume v_a to 10 bytes".to_owned(),
                found: "9 bytes".to_owned(),
            },
            ErrorKind::Transient,
            true,
            &["resize volume v_a", "still shows 9 bytes"],
        ),
        (
            Error::OtherVolume {
                pool: "Pool-0".to_owned(),
                volume: "v_x".to_owned(),
                reason: Box::new(Difference::Origin {
                    found: None,
                    wanted,
                }),
            },
            ErrorKind::Exists,
            false,
            &["Pool-0/v_x", "no clone, not a clone of Pool-0/v_a@s_b"],
        ),
        (
            Error::SnapshotExists {
                pool: "Pool-0".to_owned(),
                volume: "v_a".to_owned(),
                snapshot: "s_b".to_owned(),
            },
            ErrorKind::Exists,
            false,
            &["Pool-0/v_a@s_b exists already"],
        ),
    ] {
        assert_eq!((error.kind(), error.is_transient()), (kind, transient));
        for part in parts {
            assert!(error.to_string().contains(part), "{part} is not in {error}");
        }
    }
}
