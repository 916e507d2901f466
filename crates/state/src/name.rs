//! One safe file name for any name.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Longest file name that Linux filesystems take, in bytes.
pub(crate) const FILE_NAME_MAX: usize = 255;

/// Stands before the digest of a shortened name. [`encode`] never writes it.
const SHORTENED: char = '~';

/// Hexadecimal digits of a SHA-256.
const DIGEST_LEN: usize = 64;

/// Writes `name` with letters, digits, `_`, `-`, `.` and `%XX` alone.
///
/// A leading `.` would hide the file (or be `..`), a leading `-` would look
/// like an option to a program: both are encoded there.
pub(crate) fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || byte == b'_' || (at > 0 && b"-.".contains(&byte));
        if plain {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The inverse of [`encode`]; `None` for anything that it does not write.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    let name = String::from_utf8(bytes).ok()?;
    // One name has one spelling: `%61` is not another way to write `a`.
    (encode(&name) == text).then_some(name)
}

/// Keeps `name` when it has at most `max` bytes, else its beginning and a digest of the whole.
///
/// A shortened name is told from every other by its `~`.
pub(crate) fn shorten(name: String, max: usize) -> String {
    if name.len() <= max {
        return name;
    }
    let digest = Sha256::digest(name.as_bytes());
    let mut text: String = name.chars().take(max - DIGEST_LEN - 1).collect();
    text.push(SHORTENED);
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
