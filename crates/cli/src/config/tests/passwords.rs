//! Password files.

use std::error::Error as _;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::*;

/// The passwords in `content`: the user's and the CHAP user's.
fn read(content: &[u8]) -> Result<(String, Option<String>), ConfigError> {
    let found = password::parse(Path::new("/x/jovian.pw"), content)?;
    let chap_user = found
        .chap_user
        .map(|secret| secret.expose_secret().to_owned());
    Ok((found.user.expose_secret().to_owned(), chap_user))
}

#[test]
fn passwords_are_read() {
    let both =
        b"# made by hand\n\nchap_user_password  abc def  \n\tuser_password\t#p@ss w\xc3\xb6rd\r\n";
    let wanted = ("#p@ss w\u{f6}rd".to_owned(), Some("abc def  ".to_owned()));
    assert_eq!(read(both).unwrap(), wanted);
    assert_eq!(read(b"user_password x").unwrap(), ("x".to_owned(), None));
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), "jovian.pw", both, 0o600);
    assert_eq!(
        passwords(Some(&path), "jovian")
            .unwrap()
            .user
            .expose_secret(),
        wanted.0
    );
}

#[test]
fn a_missing_password_is_told() {
    for content in [&b""[..], b"# user_password x\n", b"chap_user_password x\n"] {
        let error = read(content).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the password file /x/jovian.pw has no `user_password`; add the line \
             `user_password PASSWORD`"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jovian.pw");
    let error = passwords(Some(&path), "jovian").unwrap_err();
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    assert!(error.source().is_some());
}

#[test]
fn nothing_from_a_password_file_gets_into_an_error() {
    let contents: [&[u8]; 7] = [
        b"hunter2",
        b"user_password x\nhunter2 hunter2\n",
        b"user_pasword hunter2",
        b"user_password hunter2\nuser_password hunter2",
        b"user_password hunter2\xff",
        b"user_password",
        b"user_password \t\nchap_user_password hunter2",
    ];
    for content in contents {
        let error = read(content).unwrap_err();
        assert!(
            matches!(error, ConfigError::PasswordLine { .. }),
            "{error:?}"
        );
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let found = password::parse(Path::new("x"), b"user_password hunter2").unwrap();
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn a_password_file_that_all_can_read_or_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let read = |mode| {
        let path = put(dir.path(), "jovian.pw", b"user_password x\n", mode);
        passwords(Some(&path), "jovian")
    };
    for mode in [0o604, 0o644, 0o602, 0o666] {
        let error = read(mode).unwrap_err();
        assert!(
            matches!(error, ConfigError::PasswordFileOpen { mode: found, .. } if found == mode)
        );
    }
    // Proxmox VE's own modes.
    for mode in [0o600, 0o640, 0o400] {
        read(mode).unwrap();
    }
}

#[test]
fn the_default_password_file_stays_in_its_directory() {
    let path = password_file("jdss-Pool-0").unwrap();
    assert_eq!(
        path,
        Path::new("/etc/pve/priv/storage/joviandss/jdss-Pool-0.pw")
    );
    for id in ["", "..", "../../x", "a/b"] {
        let error = password_file(id).unwrap_err();
        assert!(
            matches!(error, ConfigError::PasswordFile { .. }),
            "{id}: {error:?}"
        );
        passwords(None, id).unwrap_err();
    }
}

proptest! {
    #[test]
    fn no_password_file_panics_and_any_password_is_read(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        word in "[^\\s\u{0}-\u{1f}][^\r\n]{0,30}",
    ) {
        let _ = read(&bytes);
        prop_assert_eq!(read(format!("user_password {word}\n").as_bytes()).unwrap().0, word);
    }
}
