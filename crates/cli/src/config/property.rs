//! Which properties a section has, and what each can be.

use std::net::IpAddr;

use jdss_rest::{ChapUser, ClusterPrefix, Fingerprint};

/// What a property can be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Flag,
    Number {
        min: u64,
        max: u64,
        allowed: &'static str,
    },
    /// Addresses, separated by commas. None at all counts as absent where that is allowed.
    Addresses {
        may_be_empty: bool,
    },
    Choice(&'static [&'static str], &'static str),
    /// Any text for which the function is true.
    Text(fn(&str) -> bool, &'static str),
    /// A size in bytes, a power of two, with a unit.
    BlockSize,
    /// SHA-256 of certificates, separated by commas.
    Fingerprints,
    TargetPrefix,
    /// Never kept, never shown.
    Secret {
        tolerated: bool,
    },
}

/// A checked value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Number(u64),
    Addresses(Vec<IpAddr>),
    Fingerprints(Vec<Fingerprint>),
    Text(String),
    Secret,
}

/// Proxmox VE's words; `on` and the like in any case.
const FLAG: &str = "1, on, yes or true, and 0, off, no or false";
const ADDRESSES: &str = "IP addresses separated by commas, without ports, none of them 0.0.0.0";
const PREFIX: &str = "the beginning of an iSCSI name such as `iqn.2025-04.com.example:`, of letters, digits, `.`, `:` and `-`, at most 200 characters";
const FINGERPRINTS: &str = "SHA-256 fingerprints separated by commas, 64 hexadecimal digits each, with or without colons, as `openssl x509 -noout -fingerprint -sha256` shows them";
const BLOCK_SIZE: &str = "a power of two from 4K to 1M, such as 16K";
const PORT: Kind = Kind::Number {
    min: 1,
    max: 65535,
    allowed: "a port, 1 to 65535",
};
const SECONDS: Kind = Kind::Number {
    min: 1,
    max: u32::MAX as u64,
    allowed: "seconds, at least 1",
};
const SECONDS_OR_0: Kind = Kind::Number {
    min: 0,
    max: u32::MAX as u64,
    allowed: "seconds",
};
const ANY: Kind = Kind::Text(|_| true, "any text");
const NOT_EMPTY: Kind = Kind::Text(|text| !text.is_empty(), "any text but none");
const PATH: Kind = Kind::Text(|text| text.starts_with('/'), "an absolute path");
const SCOPE: Kind = Kind::Choice(&["node", "cluster"], "node or cluster");
const POOL: Kind = Kind::Text(
    |text| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_:@./-".contains(&b))
    },
    "letters, digits and any of _:@./-",
);
const CLUSTER_PREFIX: Kind = Kind::Text(
    |text| text.parse::<ClusterPrefix>().is_ok(),
    "letters and digits, the first a letter",
);
const CHAP_USER: Kind = Kind::Text(
    |text| text.parse::<ChapUser>().is_ok(),
    "letters, digits, `_` and `-`, neither the first nor the last a `-`",
);
const COPY_BLOCK: Kind = Kind::Text(
    |text| {
        let digits = text
            .strip_suffix(['k', 'K', 'm', 'M', 'g', 'G'])
            .unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    },
    "a number, with k, m or g behind it if need be",
);
const CONTENT: Kind = Kind::Text(
    |text| words(text).all(|word| ["images", "rootdir", "none"].contains(&word)),
    "images, rootdir, or none",
);

/// Every property, by name: those that this program uses, and those that only an existing file
/// may have and that change nothing here.
pub(super) const PROPERTIES: &[(&str, Kind)] = &[
    ("block_size", Kind::BlockSize),
    ("bwlimit", ANY),
    ("chap_enabled", Kind::Flag),
    ("chap_user_name", CHAP_USER),
    ("chap_user_password", Kind::Secret { tolerated: false }),
    ("cluster_prefix", CLUSTER_PREFIX),
    ("config", PATH),
    ("content", CONTENT),
    ("content-dirs", ANY),
    ("control_addresses", Kind::Addresses { may_be_empty: true }),
    ("control_port", PORT),
    ("create-base-path", Kind::Flag),
    ("create-subdirs", Kind::Flag),
    (
        "data_addresses",
        Kind::Addresses {
            may_be_empty: false,
        },
    ),
    ("data_copy_bs", COPY_BLOCK),
    ("data_port", PORT),
    ("debug", Kind::Flag),
    ("delete_timeout", SECONDS),
    ("disable", Kind::Flag),
    ("fingerprint", Kind::Fingerprints),
    ("format", Kind::Choice(&["raw"], "raw")),
    ("jdssc_general_lock_acquire_timeout", SECONDS),
    ("jdssc_general_lock_hold_timeout", SECONDS_OR_0),
    ("jdssc_general_lock_path", PATH),
    ("jdssc_general_lock_type", SCOPE),
    ("jdssc_info_lock_acquire_timeout", SECONDS),
    ("jdssc_info_lock_hold_timeout", SECONDS_OR_0),
    ("jdssc_info_lock_path", PATH),
    ("jdssc_info_lock_type", SCOPE),
    (
        "jdssc_timeout",
        Kind::Number {
            min: 10,
            max: u32::MAX as u64,
            allowed: "seconds, at least 10",
        },
    ),
    ("log_file", PATH),
    (
        "luns_per_target",
        Kind::Number {
            min: 1,
            max: 16384,
            allowed: "1 to 16384",
        },
    ),
    ("max-protected-backups", ANY),
    ("maxfiles", ANY),
    ("mkdir", Kind::Flag),
    ("multipath", Kind::Flag),
    ("multipath_lock_acquire_timeout", SECONDS),
    ("multipath_lock_hold_timeout", SECONDS_OR_0),
    ("multipath_lock_path", PATH),
    ("multipath_lock_type", SCOPE),
    ("nodes", NOT_EMPTY),
    ("path", PATH),
    ("pool_name", POOL),
    ("preallocation", ANY),
    ("prune-backups", ANY),
    ("shared", Kind::Flag),
    ("ssl_cert_verify", Kind::Flag),
    ("target_prefix", Kind::TargetPrefix),
    ("thin_provisioning", Kind::Flag),
    ("user_name", NOT_EMPTY),
    ("user_password", Kind::Secret { tolerated: true }),
];

/// All names, for an error.
pub(super) fn names() -> String {
    PROPERTIES
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The property called `name`.
pub(super) fn find(name: &str) -> Option<(&'static str, Kind)> {
    PROPERTIES.iter().find(|(known, _)| *known == name).copied()
}

/// The name most like `name`, if one differs in no more than a third of its characters.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let distances = PROPERTIES
        .iter()
        .map(|(known, _)| (distance(&name, known), *known));
    let (distance, known) = distances.min()?;
    (distance <= known.len() / 3).then_some(known)
}

/// How many characters to insert, delete or replace to make one text the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    // More is never near, and a line can be very long.
    let a: Vec<char> = a.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, b) in b.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, a) in a.iter().enumerate() {
            let replaced = diagonal + usize::from(*a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[a.len()]
}

impl Kind {
    /// Checks a value. `Err` is what would be allowed.
    pub(super) fn check(self, value: Option<&str>) -> Result<Value, &'static str> {
        let text = value.unwrap_or_default();
        match self {
            // As in Proxmox VE: the name alone switches it on.
            Self::Flag if value.is_none() => Ok(Value::Flag(true)),
            Self::Flag => flag(text).map(Value::Flag).ok_or(FLAG),
            Self::Number { min, max, allowed } => {
                // Digits alone: `+1` is none.
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let number = text.parse().ok().filter(|_| digits);
                number
                    .filter(|n| (min..=max).contains(n))
                    .map(Value::Number)
                    .ok_or(allowed)
            }
            Self::Addresses { may_be_empty: true } if text.is_empty() => {
                Ok(Value::Addresses(Vec::new()))
            }
            Self::Addresses { .. } => addresses(text).map(Value::Addresses).ok_or(ADDRESSES),
            Self::Choice(choices, allowed) => choices
                .contains(&text)
                .then(|| Value::Text(text.to_owned()))
                .ok_or(allowed),
            Self::Text(check, allowed) => {
                // Bytes that were no text.
                let fine = check(text) && !text.contains('\u{fffd}');
                fine.then(|| Value::Text(text.to_owned())).ok_or(allowed)
            }
            Self::Fingerprints => fingerprints(text)
                .map(Value::Fingerprints)
                .ok_or(FINGERPRINTS),
            Self::BlockSize => block_size(text).map(Value::Number).ok_or(BLOCK_SIZE),
            Self::TargetPrefix => target_prefix(text).map(Value::Text).ok_or(PREFIX),
            Self::Secret { .. } => Ok(Value::Secret),
        }
    }
}

/// The words of a list, separated as Proxmox VE separates them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', ' ', '\t'])
        .filter(|word| !word.is_empty())
}

fn flag(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["1", "on", "yes", "true"]) {
        Some(true)
    } else if is(["0", "off", "no", "false"]) {
        Some(false)
    } else {
        None
    }
}

/// Each address once, in the order given; `None` when one is none, or there is none.
fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    let mut all = Vec::new();
    for word in text.split(',') {
        let address: IpAddr = word.trim().parse().ok()?;
        if address.is_unspecified() {
            return None;
        }
        if !all.contains(&address) {
            all.push(address);
        }
    }
    (!all.is_empty()).then_some(all)
}

fn fingerprints(text: &str) -> Option<Vec<Fingerprint>> {
    text.split(',')
        .map(|word| word.trim().parse().ok())
        .collect()
}

fn block_size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes() {
        [digits @ .., b'k' | b'K'] => (digits, 1 << 10),
        [digits @ .., b'm' | b'M'] => (digits, 1 << 20),
        digits => (digits, 1),
    };
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|text| !text.starts_with('+'))?;
    let size = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (size.is_power_of_two() && (4 << 10..=1 << 20).contains(&size)).then_some(size)
}

/// In lower case, with one colon at the end whether one was given or not.
///
/// Of two colons one is kept besides that, as the existing plugin does: `a::` makes `a:vm-100-0`
/// too. More are refused, because which of them stay is anybody's guess.
fn target_prefix(text: &str) -> Option<String> {
    let mut prefix = text.trim().to_ascii_lowercase();
    if prefix.ends_with(":::") || prefix.len() > 200 {
        return None;
    }
    if prefix.ends_with("::") {
        prefix.pop();
    }
    if !prefix.ends_with(':') {
        prefix.push(':');
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".:-".contains(&byte);
    let fine = prefix
        .strip_prefix("iqn.")
        .is_some_and(|rest| rest.len() > 1)
        && prefix.bytes().all(allowed);
    fine.then_some(prefix)
}
