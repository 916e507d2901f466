//! Rules for names that people choose: cluster prefixes, CHAP users and passwords.

use jdss_rest::{
    ChapPassword, ChapPasswordError, ChapUser, ClusterPrefix, NameError, SecretString, VolumeId,
};
use proptest::prelude::*;

fn prefix(text: &str) -> ClusterPrefix {
    text.parse().expect("a prefix")
}

fn id(text: &str) -> VolumeId {
    text.parse().expect("an id")
}

fn password(text: &str) -> Result<ChapPassword, ChapPasswordError> {
    ChapPassword::new(SecretString::from(text))
}

#[test]
fn a_cluster_prefix_is_a_letter_and_then_letters_and_digits() {
    for text in ["a", "pveA", "cluster01", "Z9"] {
        assert_eq!(text.parse::<ClusterPrefix>().unwrap().as_str(), text);
    }
    for text in [
        "", "1a", "a_b", "a-b", "a ", " a", "a\n", "\u{fc}a", "a\u{fc}",
    ] {
        assert!(text.parse::<ClusterPrefix>().is_err(), "{text:?}");
    }
    let long = "a".repeat(300).parse::<ClusterPrefix>();
    assert!(matches!(long, Err(NameError::TooLong { .. })), "{long:?}");
}

#[test]
fn only_the_very_prefix_is_taken_off() {
    let ours = prefix("pveA");
    for (text, name) in [
        ("pveA_vm-100-disk-0", Some("vm-100-disk-0")),
        ("pveA_pveA_x", Some("pveA_x")),
        ("pveA__", Some("_")),
        ("pveA_", None),
        ("pveA", None),
        ("pveAB_vm-100-disk-0", None),
        ("pvea_vm-100-disk-0", None),
        ("pveA-vm-100-disk-0", None),
        ("xpveA_vm-100-disk-0", None),
        ("vm-100-disk-0", None),
    ] {
        assert_eq!(ours.strip(&id(text)), name, "{text}");
    }
}

#[test]
fn a_cluster_prefix_never_makes_a_volume_without_a_name() {
    let refused = prefix("pveA").apply("");
    assert_eq!(
        refused,
        Err(NameError::Empty {
            what: "the volume name"
        })
    );
    let long = prefix("pveA").apply(&"x".repeat(249));
    assert!(
        matches!(long, Err(NameError::TooLong { len: 256, .. })),
        "{long:?}"
    );
}

#[test]
fn a_chap_user_fits_into_a_login() {
    assert!("a".repeat(255).parse::<ChapUser>().is_ok());
    let long = "a".repeat(256).parse::<ChapUser>();
    assert!(
        matches!(long, Err(NameError::TooLong { len: 256, .. })),
        "{long:?}"
    );
    assert!("user\n".parse::<ChapUser>().is_err());
}

#[test]
fn nothing_shows_a_chap_password() {
    let secret = "abc-DEF-012-secret";
    let good = password(secret).unwrap();
    assert_eq!(
        format!("{good:?} {:?}", good.clone())
            .matches("abc")
            .count(),
        0
    );
    assert_eq!(good.expose_secret(), secret);
    for bad in [
        "abcsecret",
        "abcsecret\u{fc}012345",
        &"abcsecret".repeat(99),
    ] {
        let error = password(bad).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("abc") && !shown.contains('\u{fc}'),
            "{shown}"
        );
    }
}

#[test]
fn a_bad_character_of_a_chap_password_is_named_by_its_place() {
    for (text, position) in [
        ("=", 1),
        ("abcdefghijkl ", 13),
        ("\u{fc}\u{fc}", 1),
        ("ab\n", 3),
    ] {
        assert_eq!(
            password(text),
            Err(ChapPasswordError::BadCharacter { position }),
            "{text:?}"
        );
    }
}

proptest! {
    #[test]
    fn every_name_survives_a_cluster_prefix(
        prefix in "[a-zA-Z][a-zA-Z0-9]{0,9}", other in "[a-zA-Z][a-zA-Z0-9]{0,9}",
        name in "\\PC{1,20}|[a-z_-]{1,40}",
    ) {
        let (prefix, other): (ClusterPrefix, ClusterPrefix) = (prefix.parse().unwrap(), other.parse().unwrap());
        let id = prefix.apply(&name).unwrap();
        prop_assert_eq!(prefix.strip(&id), Some(name.as_str()));
        if prefix != other {
            prop_assert_eq!(other.strip(&id), None);
        }
    }

    #[test]
    fn no_text_makes_a_check_panic(text in "\\PC*|.*|[a-z_-]*") {
        let _ = text.parse::<ClusterPrefix>();
        let _ = text.parse::<ChapUser>();
        let _ = password(&text);
    }
}
