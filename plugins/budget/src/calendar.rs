//! When periods begin and end, by the calendar of UTC.

use serde::Deserialize;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// How long money has to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Period {
    Hour,
    Day,
    Week,
    Month,
    Ever,
}

impl Period {
    /// As it is configured.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Ever => "ever",
        }
    }

    /// As it stands behind an amount.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Hour => "an hour",
            Self::Day => "a day",
            Self::Week => "a week",
            Self::Month => "a month",
            Self::Ever => "in all",
        }
    }

    /// When the one of this moment began.
    pub(crate) fn start(self, now: u64) -> u64 {
        match self {
            Self::Hour => now - now % HOUR,
            Self::Day => now - now % DAY,
            // The first of January 1970 was a Thursday.
            Self::Week => (now / DAY).saturating_sub((now / DAY + 3) % 7) * DAY,
            Self::Month => first_of_month(now / DAY) * DAY,
            Self::Ever => 0,
        }
    }

    /// When the next one begins.
    pub(crate) fn end(self, now: u64) -> Option<u64> {
        let start = self.start(now);
        match self {
            Self::Hour => Some(start + HOUR),
            Self::Day => Some(start + DAY),
            Self::Week => Some(start + 7 * DAY),
            // That day is in the next month, whatever the length of this one.
            Self::Month => Some(first_of_month(start / DAY + 32) * DAY),
            Self::Ever => None,
        }
    }
}

/// Of the days since 1970, the first of a day's month.
fn first_of_month(day: u64) -> u64 {
    let mut year = 1970;
    let mut first = 0;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    // Whole cycles of the calendar at once: a broken clock must not make this long.
    let cycles = day / 146_097;
    year += 400 * cycles;
    first += 146_097 * cycles;
    loop {
        let months = [
            31,
            if leap(year) { 29 } else { 28 },
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
            31,
        ];
        for length in months {
            if day < first + length {
                return first;
            }
            first += length;
        }
        year += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds of days that `date -u -d DATE +%s` knows, divided by 86400.
    fn at(day: u64) -> u64 {
        day * DAY + 5 * HOUR + 7
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for (day, first, next) in [
            (0, 0, 31),
            (30, 0, 31),
            (31, 31, 59),
            // 2024: February has 29 days.
            (19_782, 19_754, 19_783),
            (19_783, 19_783, 19_814),
            // 2000 is a leap year, 2100 none.
            (11_016, 10_988, 11_017),
            (47_540, 47_513, 47_541),
            (20_819, 20_819, 20_850),
        ] {
            assert_eq!(Period::Month.start(at(day)), first * DAY, "{day}");
            assert_eq!(Period::Month.end(at(day)), Some(next * DAY), "{day}");
        }
        assert!(Period::Month.start(u64::MAX) > 0);
    }

    #[test]
    fn weeks_begin_on_monday() {
        // 2026-11-23 was a Monday.
        for day in 20_780..20_787 {
            assert_eq!(Period::Week.start(at(day)), 20_780 * DAY, "{day}");
            assert_eq!(Period::Week.end(at(day)), Some(20_787 * DAY), "{day}");
        }
        assert_eq!(Period::Week.start(at(0)), 0);
    }

    #[test]
    fn the_rest_is_arithmetic() {
        assert_eq!(Period::Hour.start(at(3)), 3 * DAY + 5 * HOUR);
        assert_eq!(Period::Day.end(at(3)), Some(4 * DAY));
        assert_eq!(
            (Period::Ever.start(at(3)), Period::Ever.end(at(3))),
            (0, None)
        );
    }
}
