use std::fmt;

/// When a snapshot was made.
///
/// Older versions of the appliance give the time of day where the appliance stands,
/// without saying where that is; newer ones count seconds.
///
/// # Example
///
/// ```
/// use jdss_rest::SnapshotTime;
///
/// let local = SnapshotTime::parse("2015-5-27 16:8:35").expect("a time");
/// assert_eq!(local.to_string(), "2015-05-27 16:08:35");
/// // The appliance stands two hours east of Greenwich.
/// assert_eq!(local.seconds(2 * 3600), 1_432_735_715);
/// assert_eq!(SnapshotTime::parse("1432730973"), Some(SnapshotTime::Epoch(1_432_730_973)));
/// assert_eq!(SnapshotTime::parse("yesterday"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SnapshotTime {
    /// Seconds since 1970.
    Epoch(u64),
    /// Date and time of day on the appliance, in its own time zone.
    Local(LocalTime),
}

/// A date and a time of day, without a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct LocalTime {
    /// The year, from 1970 to 9999.
    pub year: u16,
    /// The month, from 1.
    pub month: u8,
    /// The day of the month, from 1.
    pub day: u8,
    /// The hour, from 0 to 23.
    pub hour: u8,
    /// The minute, from 0.
    pub minute: u8,
    /// The second, from 0; 60 in a leap second.
    pub second: u8,
}

impl SnapshotTime {
    /// Reads either form; `None` for anything else.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::SnapshotTime;
    /// assert!(SnapshotTime::parse("2026-01-02 03:04:05").is_some());
    /// assert!(SnapshotTime::parse("2026-02-30 03:04:05").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::Epoch);
        }
        LocalTime::parse(text).map(Self::Local)
    }

    /// Seconds since 1970, for an appliance whose clock is `east` seconds ahead of UTC.
    ///
    /// # Example
    ///
    /// ```
    /// use jdss_rest::SnapshotTime;
    /// let time = SnapshotTime::parse("2026-1-2 3:4:5").expect("a time");
    /// assert_eq!(time.seconds(0), 1_767_323_045);
    /// assert_eq!(time.seconds(3600), 1_767_319_445);
    /// ```
    #[must_use]
    pub fn seconds(&self, east: i32) -> i64 {
        match self {
            Self::Epoch(seconds) => i64::try_from(*seconds).unwrap_or(i64::MAX),
            Self::Local(time) => time.as_if_utc() - i64::from(east),
        }
    }
}

impl fmt::Display for SnapshotTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epoch(seconds) => seconds.fmt(f),
            Self::Local(time) => time.fmt(f),
        }
    }
}

impl LocalTime {
    /// Reads `2015-5-27 16:8:35`, with or without leading zeros.
    fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(' ')?;
        let [year, month, day] = numbers(date, '-')?;
        let [hour, minute, second] = numbers(time.trim_start(), ':')?;
        let small = |number: u16, from: u16, to: u16| {
            let number = (from..=to).contains(&number).then_some(number)?;
            u8::try_from(number).ok()
        };
        Some(Self {
            year: (1970..=9999).contains(&year).then_some(year)?,
            month: small(month, 1, 12)?,
            day: small(day, 1, days_in(year, month))?,
            hour: small(hour, 0, 23)?,
            minute: small(minute, 0, 59)?,
            second: small(second, 0, 60)?,
        })
    }

    /// Seconds since 1970, were the time zone UTC.
    fn as_if_utc(self) -> i64 {
        // Years begin in March here, so that the leap day is the last one.
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
        days * 86_400
            + i64::from(self.hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second)
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// Exactly three numbers without signs.
fn numbers(text: &str, separator: char) -> Option<[u16; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

fn days_in(year: u16, month: u16) -> u16 {
    let by = |number: u16| year.is_multiple_of(number);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if by(4) && (!by(100) || by(400)) => 29,
        2 => 28,
        _ => 31,
    }
}
