//! Settings of a client.

use jdss_rest::{Client, Error, Fingerprint, FingerprintError, Tls};

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let address = || vec!["192.0.2.1".parse().unwrap()];
    let error = Client::builder(vec![]).build().unwrap_err();
    assert!(matches!(error, Error::NoAddress));
    let error = Client::builder(address())
        .credentials("a:b", "c".to_owned().into())
        .build();
    assert!(matches!(error, Err(Error::BadUser)));
    let error = Client::builder(address())
        .tls(Tls::CaFile("/nonexistent".into()))
        .build();
    assert!(matches!(error, Err(Error::CaFile { .. })));
    let error = Client::builder(address())
        .tls(Tls::CaPem(b"nothing".to_vec()))
        .build();
    assert!(matches!(error, Err(Error::BadCa { .. })));
    let error = Client::builder(address()).tls(Tls::Pin(vec![])).build();
    assert!(matches!(error, Err(Error::NoPin)));
}

#[test]
fn a_fingerprint_is_read_as_tools_print_it() {
    let bytes: Vec<u8> = (0..32).collect();
    let plain: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parted: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    let parted = parted.join(":");
    let fingerprint: Fingerprint = plain.parse().unwrap();
    assert_eq!(fingerprint.to_string(), parted);
    for same in [&parted, &plain.to_uppercase(), &parted.to_lowercase()] {
        assert_eq!(same.parse(), Ok(fingerprint));
    }
    // Known: what `printf abc | sha256sum` prints.
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(known.parse(), Ok(Fingerprint::of(b"abc")));
}

#[test]
fn what_is_not_a_fingerprint_is_told_what_is_wrong() {
    let length = |text: &str| match text.parse::<Fingerprint>() {
        Err(FingerprintError::Length { found }) => found,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(length(""), 0);
    assert_eq!(length(&"ab".repeat(20)), 40); // SHA-1
    assert_eq!(length(&"a".repeat(63)), 63);
    assert_eq!(length(&["ab"; 33].join(":")), 66);
    for bad in [
        "SHA256 Fingerprint=AB".to_owned(),
        format!("{}g", "a".repeat(63)),
        format!("{}:", "ab".repeat(32)),
        ["abab"; 16].join(":"),
        "\u{e4}".repeat(32),
    ] {
        let error = bad.parse::<Fingerprint>();
        assert!(
            matches!(error, Err(FingerprintError::NotHex { .. })),
            "{bad}: {error:?}"
        );
    }
}

#[test]
fn the_password_is_in_no_debug_output() {
    let builder = Client::builder(vec!["192.0.2.1".parse().unwrap()])
        .credentials("admin", "geheim-17".to_owned().into());
    let mut seen = format!("{builder:?}");
    seen += &format!("{:?}", builder.build().unwrap());
    assert!(!seen.contains("geheim"), "{seen}");
}

#[test]
fn errors_can_cross_threads() {
    fn crosses<T: Send + Sync + std::error::Error + 'static>() {}
    crosses::<Error>();
}
