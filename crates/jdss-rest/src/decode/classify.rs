//! What an error of the appliance means. No other place reads the texts of errors.

use crate::error::ErrorKind;

/// What an error means; `None` for an answer that is not the API's.
///
/// `explained`: the answer has a class, a number or a message of the API's own.
pub(super) fn classify(
    status: u16,
    class: Option<&str>,
    errno: Option<i64>,
    message: &str,
    explained: bool,
) -> Option<ErrorKind> {
    // Modules move between versions, the last part of the class stays.
    let class = class.map(|class| class.rsplit('.').next().unwrap_or(class));
    let kind = match (status, class, errno) {
        (401 | 403, ..) => ErrorKind::Auth,
        // First, for their numbers are those of the system, not of the API.
        (_, Some("CfgParserError" | "ScstAdminError" | "OSError" | "IOError"), _) => {
            ErrorKind::Transient
        }
        // The route, not the thing, is missing.
        _ if message.contains("requested URL was not found") => ErrorKind::Unsupported,
        _ if is_missing(message) => ErrorKind::Missing,
        _ if is_full(message) => ErrorKind::NoSpace,
        _ if is_busy(message) => ErrorKind::Busy,
        (_, Some("TargetNameConflictError"), _) => ErrorKind::Exists,
        (_, Some("ItemConflictError"), _) => ErrorKind::Conflict,
        _ if exists(message) => ErrorKind::Exists,
        _ if is_taken(message) => ErrorKind::Conflict,
        (_, Some("ItemNotFoundError" | "NotFound"), _) => ErrorKind::Missing,
        (409, _, Some(1)) | (_, _, Some(5)) => ErrorKind::Exists,
        (_, _, Some(1000)) => ErrorKind::Busy,
        // Elsewhere 1 is also the system's "not permitted", and the status of a failed command.
        (_, Some("ZfsResourceError"), Some(1)) => ErrorKind::Missing,
        _ if message.contains("Additional properties are not allowed") => ErrorKind::Unsupported,
        (400 | 422, ..) | (_, Some("ValidationError"), _) => ErrorKind::Invalid,
        // Not found is a positive answer: only with words of the API's own.
        (404, ..) if explained => ErrorKind::Missing,
        (409, ..) if explained => ErrorKind::Conflict,
        (429 | 502 | 503 | 504, ..) => ErrorKind::Transient,
        (200..300 | 500..600, ..) => ErrorKind::Other,
        _ if explained => ErrorKind::Other,
        _ => return None,
    };
    Some(kind)
}

fn is_missing(message: &str) -> bool {
    (message.starts_with("Zfs resource: ") && message.contains("not found in this collection"))
        || (message.starts_with("cannot open ") && message.contains("dataset does not exist"))
}

fn exists(message: &str) -> bool {
    message.trim_end_matches('.').ends_with("already exists")
        || (message.starts_with("Target with name ") && message.contains("is already present on "))
}

fn is_taken(message: &str) -> bool {
    (message.starts_with("Volume ") || message.starts_with("LUN "))
        && message.contains(" is already used")
}

fn is_busy(message: &str) -> bool {
    [
        "you must delete all of its clones first",
        "volume has children",
        "snapshot has dependent clones",
        "dataset is busy",
    ]
    .iter()
    .any(|words| message.contains(words))
}

fn is_full(message: &str) -> bool {
    message.contains("exceeds available space on pool") || message.contains("out of space")
}
