//! Sections and their properties.

use std::error::Error as _;
use std::net::IpAddr;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn an_existing_file_is_read() {
    let config = config(FULL);
    assert_eq!(
        config
            .problems()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [""; 0]
    );
    assert_eq!(config.ids().collect::<Vec<_>>(), ["jdss-Pool-0"]);
    let storage = config.storage("jdss-Pool-0").unwrap();
    assert_eq!(storage.pool().unwrap(), "Pool-0");
    assert_eq!(storage.control_addresses, [ip("192.168.21.100")]);
    assert_eq!((storage.control_port, storage.data_port), (8082, 3261));
    assert_eq!(
        storage.data_addresses,
        [ip("192.168.41.100"), ip("fd00::1")]
    );
    assert_eq!(storage.user_name, "admin");
    assert_eq!(storage.target_prefix, "iqn.2025-06.proxmox.pool-0:");
    assert_eq!(storage.luns_per_target, 4);
    assert!(storage.multipath && storage.shared && storage.chap_enabled);
    assert!(!storage.ssl_cert_verify && !storage.disable && !storage.thin_provisioning);
    assert_eq!(storage.chap_user_name.as_deref(), Some("chap-user"));
    assert_eq!(storage.cluster_prefix.as_deref(), Some("pveA"));
    assert_eq!(storage.block_size, 32 * 1024);
    assert_eq!(storage.content, ["images", "rootdir"]);
    assert_eq!(storage.nodes, ["pve1", "pve2"]);
    assert_eq!(
        storage.path.as_deref(),
        Some(Path::new("/mnt/pve/jdss-Pool-0"))
    );
    assert!(storage.has_inline_password);
}

#[test]
fn what_is_not_given_has_its_default() {
    let config = config(LEAST);
    let storage = config.storage("jovian").unwrap();
    assert_eq!(storage.control_addresses, storage.data_addresses);
    assert_eq!((storage.control_port, storage.data_port), (82, 3260));
    assert_eq!(
        storage.target_prefix,
        "iqn.2025-04.proxmox.joviandss.iscsi:"
    );
    assert_eq!((storage.luns_per_target, storage.block_size), (8, 16384));
    assert!(storage.ssl_cert_verify && storage.thin_provisioning);
    assert!(!storage.multipath && !storage.chap_enabled && !storage.disable && !storage.shared);
    assert!(storage.nodes.is_empty() && !storage.has_inline_password);
    assert_eq!(storage.content, ["images", "rootdir"]);
    assert_eq!(
        storage.pool().unwrap_err().to_string(),
        "/etc/pve/storage.cfg line 1, section `joviandss: jovian`: `pool_name` is missing"
    );
}

#[test]
fn what_must_be_given_is_named() {
    let missing = |text: &str| match config(text).storage("jovian") {
        Err(ConfigError::Missing { property, .. }) => property,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        missing("joviandss: jovian\n\tuser_name admin\n"),
        "data_addresses"
    );
    assert_eq!(
        missing("joviandss: jovian\n\tdata_addresses 10.0.0.1\n"),
        "user_name"
    );
    assert_eq!(
        missing(&format!("{LEAST}\tchap_enabled 1\n")),
        "chap_user_name"
    );
}

#[test]
fn line_ends_comments_and_blanks_are_read_as_proxmox_reads_them() {
    let ways = [
        LEAST.replace('\n', "\r\n"),
        format!("\u{feff}{LEAST}"),
        LEAST.replace('\t', "        "),
        LEAST.replace(
            "\tuser_name admin",
            "# in between\n \t # too\n\tuser_name \t admin \t",
        ),
        LEAST.replace("joviandss: jovian", "JovianDSS:jovian  "),
        // A line of blanks does not end a section.
        LEAST.replace("\tuser_name", "\t \n\tuser_name"),
        LEAST.trim_end().to_owned(),
        format!("\n\n{LEAST}\n\ndir: local\n\tpath /x\n"),
        format!("{LEAST}\ndir: local\n\tpath /x\n").replace('\n', "\r\n"),
    ];
    let wanted = config(LEAST).storage("jovian").unwrap().clone();
    for text in ways {
        let config = config(&text);
        let found = config
            .storage("jovian")
            .unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert_eq!(
            (&found.user_name, &found.data_addresses),
            (&wanted.user_name, &wanted.data_addresses)
        );
    }
}

#[test]
fn a_name_alone_switches_a_flag_on() {
    assert!(with("multipath").unwrap().multipath);
    for (word, wanted) in [
        ("1", true),
        ("ON", true),
        ("yes", true),
        ("0", false),
        ("False", false),
        ("no", false),
    ] {
        assert_eq!(
            with(&format!("multipath {word}")).unwrap().multipath,
            wanted,
            "{word}"
        );
    }
}

#[test]
fn a_target_prefix_ends_in_one_colon() {
    let prefix = |text: &str| with(&format!("target_prefix {text}")).map(|s| s.target_prefix);
    for text in [
        "iqn.2025-04.a.b",
        "iqn.2025-04.a.b:",
        "iqn.2025-04.a.b::",
        "IQN.2025-04.A.b",
    ] {
        assert_eq!(prefix(text).unwrap(), "iqn.2025-04.a.b:");
    }
    assert_eq!(prefix("iqn.2025-04.a:b:").unwrap(), "iqn.2025-04.a:b:");
    for text in [
        "",
        "iqn.",
        "iqn.:",
        "foo:",
        "iqn.a_b",
        "iqn.a/b",
        "iqn.\u{e4}",
        "iqn.a:::",
        &format!("iqn.{}", "a".repeat(200)),
    ] {
        assert!(
            matches!(prefix(text).unwrap_err(), ConfigError::BadValue { .. }),
            "{text}"
        );
    }
}

#[test]
fn addresses_are_kept_in_order_and_once() {
    let data = |text: &str| {
        let text = format!("joviandss: jovian\n\tuser_name a\n\tdata_addresses {text}\n");
        config(&text)
            .storage("jovian")
            .map(|storage| storage.data_addresses.clone())
    };
    assert_eq!(
        data("10.0.0.2, 10.0.0.1,10.0.0.2").unwrap(),
        [ip("10.0.0.2"), ip("10.0.0.1")]
    );
    assert_eq!(
        data("::1,fd00::0001,fd00::1").unwrap(),
        [ip("::1"), ip("fd00::1")]
    );
    for text in [
        "",
        "10.0.0.1,",
        "10.0.0.1:3260",
        "[::1]",
        "san.example",
        "10.0.0.1/24",
        "0.0.0.0",
        "::",
        "10.0.0.01",
    ] {
        assert!(data(text).is_err(), "{text}");
    }
    // As the existing plugin: an empty list of these is none.
    assert_eq!(
        with("control_addresses").unwrap().control_addresses.len(),
        2
    );
    with("control_addresses x").unwrap_err();
}

#[test]
fn each_head_of_a_cluster_can_have_a_fingerprint() {
    let (first, second) = ("ab".repeat(32), "01:".repeat(31) + "01");
    let storage = with(&format!("fingerprint {first},{second}")).unwrap();
    let texts: Vec<_> = storage.fingerprints.iter().map(|f| f.to_string()).collect();
    assert_eq!(texts, ["AB:".repeat(31) + "AB", second.clone()]);
    let two_and_a_half = format!("fingerprint {first},{second},01:02");
    assert!(matches!(
        with(&two_and_a_half),
        Err(ConfigError::BadValue { .. })
    ));
}

#[test]
fn a_bad_value_is_told_with_place_and_choice() {
    let error = with("control_port 82a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "/etc/pve/storage.cfg line 4, section `joviandss: jovian`: `control_port` cannot be \
         \"82a\"; allowed: a port, 1 to 65535"
    );
    let bad = [
        "control_port 0",
        "control_port 65536",
        "data_port +1",
        "data_port",
        "data_port 99999999999999999999",
        "luns_per_target 0",
        "luns_per_target 16385",
        "multipath 2",
        "multipath maybe",
        "block_size 2K",
        "block_size 3M",
        "block_size 24K",
        "block_size +16K",
        "block_size K",
        "block_size 2M",
        "pool_name a b",
        "pool_name",
        "user_name x\u{fffd}",
        "cluster_prefix 1a",
        "cluster_prefix a_b",
        "path relative",
        "content images,iso",
        "format qcow2",
        "jdssc_timeout 9",
        "jdssc_general_lock_type both",
        "data_copy_bs 64X",
        "data_copy_bs k",
        "nodes",
        "chap_user_name -a",
        "multipath_lock_acquire_timeout 0",
        "log_file x",
        "fingerprint",
        "fingerprint A94A8FE5CCB19BA61C4C0873D391E987982FBBD3",
    ];
    for line in bad {
        assert!(
            matches!(with(line), Err(ConfigError::BadValue { .. })),
            "{line}"
        );
    }
    let long = with(&format!("pool_name {}", "\u{e4}".repeat(5000)))
        .unwrap_err()
        .to_string();
    assert!(long.len() < 1000, "{}", long.len());
}

#[test]
fn an_unknown_property_is_told_with_the_nearest_one() {
    let nearest = |line| match with(line) {
        Err(ConfigError::UnknownProperty { nearest, .. }) => nearest,
        other => panic!("{other:?}"),
    };
    assert_eq!(nearest("multpath 1"), Some("multipath"));
    assert_eq!(nearest("data-addresses 10.0.0.1"), Some("data_addresses"));
    assert_eq!(nearest("Pool_Name x"), Some("pool_name"));
    assert_eq!(nearest("zzzzzzzz x"), None);
    assert_eq!(nearest(&"x".repeat(100_000)), None);
    assert_eq!(
        with("multpath 1").unwrap_err().to_string(),
        "/etc/pve/storage.cfg line 4, section `joviandss: jovian`: there is no property \
         `multpath`; did you mean `multipath`?"
    );
    let all = with("zzzzzzzz x").unwrap_err().to_string();
    assert!(
        all.contains("allowed are block_size, ") && all.contains(", user_name, "),
        "{all}"
    );
}

#[test]
fn a_property_given_twice_is_told_with_both_lines() {
    let error = with("user_name other").unwrap_err();
    assert!(error.to_string().contains("line 4"), "{error}");
    assert!(
        error
            .to_string()
            .contains("`user_name` was given in line 2 already"),
        "{error}"
    );
}

#[test]
fn two_storages_with_one_id_are_refused_whatever_their_types() {
    for text in [
        format!("{LEAST}\n{LEAST}"),
        format!("{LEAST}\ndir: jovian\n\tpath /x\n"),
        format!("dir: jovian\n\tpath /x\n\n{LEAST}"),
    ] {
        let error = config(&text).storage("jovian").unwrap_err();
        assert!(
            matches!(error, ConfigError::SectionTwice { first: 1, .. }),
            "{error:?}"
        );
    }
    let others = format!("dir: a\n\tpath /x\n\nnfs: a\n\tpath /x\n\n{LEAST}");
    assert_eq!(config(&others).ids().collect::<Vec<_>>(), ["jovian"]);
    config(&others).storage("jovian").unwrap();
}

#[test]
fn an_unknown_storage_is_told_with_those_that_exist() {
    assert_eq!(
        config(FULL).storage("local").unwrap_err().to_string(),
        "/etc/pve/storage.cfg has no section `joviandss: local`; it has `jdss-Pool-0`"
    );
    assert_eq!(
        config("").storage("x").unwrap_err().to_string(),
        "/etc/pve/storage.cfg has no section `joviandss: x`; it has none of this type"
    );
}

#[test]
fn an_error_in_one_section_leaves_the_others_usable() {
    let config = config(&format!("joviandss: broken\n\tx y\n\n{LEAST}"));
    config.storage("jovian").unwrap();
    config.storage("broken").unwrap_err();
    assert_eq!(config.ids().collect::<Vec<_>>(), ["broken", "jovian"]);
    assert_eq!(config.problems().count(), 1);
}

#[test]
fn what_proxmox_would_ignore_in_our_section_is_an_error() {
    let broken = [
        // A property after the end of the section.
        LEAST.replace("\tdata", "\n\tdata"),
        // A property that is not indented.
        LEAST.replace("\tuser", "user"),
        // No empty line before the next section.
        format!("{LEAST}dir: local\n\tpath /x\n"),
    ];
    for text in broken {
        let error = config(&text).storage("jovian").unwrap_err();
        assert!(
            matches!(error, ConfigError::NotAProperty { .. }),
            "{text:?}: {error:?}"
        );
    }
    let heads = [
        "joviandss jovian\n\tuser_name a\n".to_owned(),
        "joviandss:\n".to_owned(),
        "joviandss: a b\n".to_owned(),
        format!("dir: local\n\tpath /x\n{LEAST}"),
    ];
    for text in heads {
        let error = config(&text).storage("jovian").unwrap_err();
        assert!(
            matches!(error, ConfigError::BadHead { .. }),
            "{text:?}: {error:?}"
        );
    }
    for id in ["a", "1a", "a-", "a/b", "..", "a:b"] {
        let text = LEAST.replace("jovian\n", &format!("{id}\n"));
        let error = config(&text).storage(id).unwrap_err();
        assert!(
            matches!(error, ConfigError::BadHead { .. }),
            "{id}: {error:?}"
        );
    }
}

#[test]
fn an_inline_password_is_neither_kept_nor_shown() {
    let storage = with("user_password hunter2").unwrap();
    assert!(storage.has_inline_password);
    assert!(!format!("{storage:?}").contains("hunter2"));
    let texts = [
        with("chap_user_password hunter2").unwrap_err(),
        with("user_password hunter2\n\tuser_password hunter2").unwrap_err(),
        config(&format!("{LEAST}user_password hunter2\n"))
            .storage("jovian")
            .unwrap_err(),
        with("user_pasword hunter2").unwrap_err(),
    ];
    for error in texts {
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_name_and_cause() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().join("storage.cfg"), dir.path().to_owned()] {
        let error = Config::load(&path).unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert!(error.source().is_some());
    }
    let path = put(
        dir.path(),
        "huge",
        &vec![b'\n'; Config::SIZE_MAX as usize + 1],
        0o600,
    );
    assert!(matches!(
        Config::load(&path).unwrap_err(),
        ConfigError::Read { .. }
    ));
    let path = put(
        dir.path(),
        "storage.cfg",
        &[b"# caf\xe9\n", LEAST.as_bytes()].concat(),
        0o640,
    );
    Config::load(&path).unwrap().storage("jovian").unwrap();
}
