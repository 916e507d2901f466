//! What multipathd answers, as data.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// How many characters of an answer are kept: the daemon appends
/// its whole manual to a request it does not understand.
const KEPT: usize = 200;

/// An answer of multipathd to a request that changes something.
///
/// **`Ok` proves nothing**: the daemon says it for a path that it then does
/// not use. `Fail` does not either: some versions say it for a map that they
/// made. So look in sysfs afterwards, whatever the answer.
///
/// # Example
///
/// ```
/// use jdss_multipath::Reply;
///
/// let reply: Reply = "fail\nmap or partition in use\n".parse().unwrap();
/// assert_eq!(reply.reason(), Some("map or partition in use"));
/// assert_eq!("fail\n".parse(), Ok(Reply::Fail { reason: None }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// `ok`.
    Ok,
    /// `fail`; since 0.9.8 mostly with a reason.
    Fail {
        /// Its first line.
        reason: Option<String>,
    },
    /// The daemon was busy and did nothing: it may be asked again.
    Timeout,
    /// The device or WWID is blacklisted in its configuration.
    Blacklisted,
    /// Only root may ask for that.
    Denied,
    /// Anything else, such as the complaint of a version that does not know the request.
    Unknown(String),
}

impl Reply {
    /// The reason of a [`Reply::Fail`] that gives one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Fail { reason } => reason.as_deref(),
            _ => None,
        }
    }
}

impl FromStr for Reply {
    type Err = Infallible;

    /// Never fails: a text of another shape is [`Reply::Unknown`].
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut lines = text.trim_matches(['\0', ' ', '\n']).lines().map(str::trim);
        let first = lines.next().unwrap_or_default();
        let second = lines.next().filter(|line| !line.is_empty());
        // Since 0.9.8 these come below a line "fail".
        let named = |line: &str| {
            if line == "timeout" {
                Some(Self::Timeout)
            } else if line.starts_with("blacklisted") {
                Some(Self::Blacklisted)
            } else if line.starts_with("permission deny") {
                Some(Self::Denied)
            } else {
                None
            }
        };
        Ok(match (first, second) {
            ("ok", None) => Self::Ok,
            ("fail", None) => Self::Fail { reason: None },
            ("fail", Some(reason)) => named(reason).unwrap_or(Self::Fail {
                reason: Some(cut(reason)),
            }),
            (other, _) => named(other).unwrap_or_else(|| Self::Unknown(cut(other))),
        })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("\"ok\""),
            Self::Fail { reason: None } => f.write_str("\"fail\""),
            Self::Fail {
                reason: Some(reason),
            } => write!(f, "\"fail: {reason}\""),
            Self::Timeout => f.write_str("that it is busy"),
            Self::Blacklisted => f.write_str("\"blacklisted\""),
            Self::Denied => f.write_str("that only root may ask for that"),
            Self::Unknown(text) => write!(f, "{text:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reply(text: &str) -> Reply {
        let Ok(reply) = text.parse();
        reply
    }

    fn fail(reason: &str) -> Reply {
        Reply::Fail {
            reason: Some(reason.to_owned()),
        }
    }

    #[test]
    fn answers_of_all_versions_are_told_apart() {
        for (text, expected) in [
            ("ok\n", Reply::Ok),
            ("ok", Reply::Ok),
            ("fail\n", Reply::Fail { reason: None }),
            ("fail\ndevice not found\n", fail("device not found")),
            (
                "fail\nmap or partition in use\n",
                fail("map or partition in use"),
            ),
            ("timeout\n", Reply::Timeout),
            ("fail\ntimeout\n", Reply::Timeout),
            ("blacklisted\n", Reply::Blacklisted),
            ("fail\nblacklisted\n", Reply::Blacklisted),
            ("permission deny: need to be root", Reply::Denied),
            ("permission deny: need to be root\n", Reply::Denied),
            ("fail\npermission deny: need to be root\n", Reply::Denied),
            ("delayed", Reply::Unknown("delayed".to_owned())),
            ("", Reply::Unknown(String::new())),
            ("okay\n", Reply::Unknown("okay".to_owned())),
            ("ok\nbut\n", Reply::Unknown("ok".to_owned())),
        ] {
            assert_eq!(reply(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_manual_in_the_answer_is_not_kept() {
        let old = include_str!("../tests/fixtures/reply-0.9.4-unknown-request.txt");
        assert_eq!(
            reply(old),
            Reply::Unknown("list paths json: Missing argument".to_owned())
        );
        let new = include_str!("../tests/fixtures/reply-0.11.1-unknown-request.txt");
        assert_eq!(reply(new), fail("list paths json: Missing argument"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = reply(&text).to_string();
        }

        #[test]
        fn what_is_kept_is_bounded(text in "(é|x){0,300}") {
            if let Reply::Unknown(kept) = reply(&text) {
                prop_assert!(kept.chars().count() <= KEPT && text.starts_with(&kept));
            }
        }
    }
}
