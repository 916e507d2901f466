//! Paths of the API, percent-encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::Error;
use crate::names::NameError;

/// What RFC 3986 lets stand in a segment and names really contain; `:` is in every IQN.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':');

/// A path made of these segments, each encoded.
///
/// An empty name, `.` and `..` are refused: they would lead to another
/// resource, and a deletion would hit that one.
pub(crate) fn path(segments: &[&str]) -> Result<String, Error> {
    let mut path = String::new();
    for segment in segments {
        if matches!(*segment, "" | "." | "..") {
            let value = (*segment).to_owned();
            let what = "the name";
            return Err(Error::Name {
                reason: NameError::Reserved { what, value },
            });
        }
        path.push('/');
        path.extend(utf8_percent_encode(segment, ENCODED));
    }
    Ok(path)
}

/// The path with a condition on the name.
pub(crate) fn where_name(path: &str, name: &str) -> String {
    format!("{path}?where=name=={}", utf8_percent_encode(name, ENCODED))
}

/// The path of page `number` (from 0) of a list, in pages of `size` where that can be chosen.
pub(crate) fn page(path: &str, number: u64, size: Option<u32>) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    let size = size.map_or_else(String::new, |size| format!("&per_page={size}"));
    format!("{path}{sign}page={number}{size}")
}
