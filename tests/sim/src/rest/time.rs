//! Dates as the appliance writes them: in its local time, without a zone.

/// The parts of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Local {
    /// `seconds` since 1970 where clocks are `offset` seconds ahead of UTC.
    pub(super) fn new(seconds: u64, offset: i32) -> Self {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX / 2) + i64::from(offset);
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Years are counted from March, so that the odd day is the last one, and in eras of 400 years.
        let days = days + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self {
            year: era * 400 + year + i64::from(month <= 2),
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// `2015-5-27 16:8:35`
    pub(super) fn unpadded(self) -> String {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        format!("{year}-{month}-{day} {hour}:{minute}:{second}")
    }

    /// `2015-05-27 16:08:35`
    pub(super) fn padded(self) -> String {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_local_and_have_two_forms() {
        let cases = [
            (1_432_742_915, 0, "2015-5-27 16:8:35", "2015-05-27 16:08:35"),
            (1_767_230_000, 0, "2026-1-1 1:13:20", "2026-01-01 01:13:20"),
            (
                1_767_225_600,
                -18_000,
                "2025-12-31 19:0:0",
                "2025-12-31 19:00:00",
            ),
            (
                1_767_225_600,
                19_800,
                "2026-1-1 5:30:0",
                "2026-01-01 05:30:00",
            ),
            (951_782_400, 0, "2000-2-29 0:0:0", "2000-02-29 00:00:00"),
            (0, 0, "1970-1-1 0:0:0", "1970-01-01 00:00:00"),
        ];
        for (seconds, offset, unpadded, padded) in cases {
            let local = Local::new(seconds, offset);
            assert_eq!(
                (local.unpadded(), local.padded()),
                (unpadded.into(), padded.into())
            );
        }
    }
}
