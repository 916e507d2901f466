//! Points in time, written the way people and programs read them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time with whole seconds, written in UTC as RFC 3339: `2026-11-24T07:49:07Z`.
///
/// ```
/// use jdss_state::Timestamp;
///
/// let time: Timestamp = "2026-11-24T07:49:07Z".parse()?;
/// assert_eq!(time.to_string(), "2026-11-24T07:49:07Z");
/// assert!(time < Timestamp::now());
/// # Ok::<(), jdss_state::BadTimestamp>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970, before the year 10000.
    seconds: u64,
}

/// Not a time in UTC as RFC 3339 writes it.
#[derive(Debug, thiserror::Error)]
#[error("`{found}` is not a time such as 2026-11-24T07:49:07Z")]
pub struct BadTimestamp {
    found: String,
    #[source]
    source: humantime::TimestampError,
}

impl Timestamp {
    /// The last second that has a four-digit year.
    const MAX: u64 = 253_402_300_799;

    /// The present, by this host's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }
}

/// Cuts fractions of a second. A clock before 1970 or after 9999 counts as the first or last second of that range.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let seconds = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self {
            seconds: seconds.min(Self::MAX),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_secs(time.seconds)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds((*self).into()).fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = BadTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_rfc3339(text)
            .map(Self::from)
            .map_err(|source| BadTimestamp {
                found: text.chars().take(64).collect(),
                source,
            })
    }
}
