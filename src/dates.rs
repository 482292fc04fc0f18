//! Calendar dates and points in time, with parsing and formatting (RFC 3339); based on `jiff`.

use jiff::civil::{self, DateTime};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan};

const DAY_S: i64 = 86_400;
const EPOCH: civil::Date = civil::date(1970, 1, 1);
const FIRST: civil::Date = civil::date(1, 1, 1);

/// A point in time: seconds since 1970-01-01 00:00 UTC, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// The system clock. Times before 1970 are returned as 1970.
    pub fn now() -> Self {
        Self(Timestamp::now().as_second().max(0))
    }

    /// Midnight UTC at the start of a date.
    pub fn of_date(date: Date) -> Self {
        Self(date.days_since_1970() * DAY_S)
    }

    /// The date in UTC.
    pub fn date(self) -> Date {
        Date::of(self.civil().date())
    }

    /// This point in time plus `days` days.
    pub fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(DAY_S)))
    }

    /// As `jiff` timestamp; clamped to the years 1…9999.
    fn civil(self) -> DateTime {
        let at = EPOCH.to_datetime(civil::Time::midnight()).saturating_add(SignedDuration::from_secs(self.0));
        at.max(FIRST.to_datetime(civil::Time::midnight()))
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.civil().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// 1…9999.
    pub year: u16,
    /// 1…12.
    pub month: u8,
    /// 1…31.
    pub day: u8,
}

impl Date {
    /// `None` if the calendar has no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let part = |value: u8| i8::try_from(value).ok();
        let date = civil::Date::new(i16::try_from(year).ok()?, part(month)?, part(day)?).ok()?;
        (date >= FIRST).then(|| Self::of(date))
    }

    /// Parses exactly `YYYY-MM-DD`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let as_written = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let date: civil::Date = text.parse().ok().filter(|_| as_written)?;
        (date >= FIRST).then(|| Self::of(date))
    }

    /// Today in UTC.
    pub(crate) fn today() -> Self {
        Moment::now().date()
    }

    /// Days since 1970-01-01.
    pub fn days_since_1970(self) -> i64 {
        self.civil().duration_since(EPOCH).as_secs() / DAY_S
    }

    /// The inverse of [`Date::days_since_1970`]; clamped to the years 1…9999.
    pub fn from_days_since_1970(days: i64) -> Self {
        Moment(days.saturating_mul(DAY_S)).date()
    }

    /// The day `months` months earlier, not before year 1; the last day of a shorter month.
    pub(crate) fn months_before(self, months: u32) -> Self {
        Self::of(self.civil().saturating_sub(i64::from(months.min(120_000)).months()).max(FIRST))
    }

    /// Whole months from this day to a later one.
    pub(crate) fn months_until(self, later: Self) -> u32 {
        let months = |date: Self| u32::from(date.year) * 12 + u32::from(date.month);
        let begun = months(later).saturating_sub(months(self));
        if later.months_before(begun) < self { begun.saturating_sub(1) } else { begun }
    }

    fn of(date: civil::Date) -> Self {
        // Of years from 1 on.
        Self { year: date.year().unsigned_abs(), month: date.month().unsigned_abs(), day: date.day().unsigned_abs() }
    }

    /// A day that is none, such as 30 February, is as many days after the first of its month.
    fn civil(self) -> civil::Date {
        let year = i16::try_from(self.year).unwrap_or(i16::MAX).clamp(1, 9999);
        let month = i8::try_from(self.month).unwrap_or(i8::MAX).clamp(1, 12);
        civil::date(year, month, 1).saturating_add((i64::from(self.day) - 1).days())
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Parses a date, or a date and time with offset (RFC 3339; seconds and offset may be missing), to
/// milliseconds since 1970. A date is its midnight; without an offset the time is UTC.
pub(crate) fn parse_ms(text: &str) -> Option<i64> {
    let day = Date::parse(text.get(..10)?)?;
    let time = text.get(10..)?;
    if time.is_empty() {
        return Some(day.days_since_1970() * DAY_S * 1000);
    }
    // Refuses what `jiff` accepts in addition: hours alone, digits without colons, names of time
    // zones.
    let clock = time.strip_prefix(['T', 't', ' '])?;
    let end = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, offset) = clock.split_at_checked(end)?;
    if clock.as_bytes().get(2) != Some(&b':') || (offset.len() != 6 && !matches!(offset, "" | "Z" | "z")) {
        return None;
    }
    let at = match offset {
        "" => Offset::UTC.to_timestamp(text.parse().ok()?).ok()?,
        _ => text.parse::<Timestamp>().ok()?,
    };
    Some(at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_to_the_end_of_the_calendar() {
        for (date, text) in [
            (Date { year: 1970, month: 1, day: 1 }, "1970-01-01T00:00:00Z"),
            (Date { year: 9999, month: 12, day: 31 }, "9999-12-31T00:00:00Z"),
            (Date { year: 1, month: 1, day: 1 }, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(Moment::of_date(date).to_string(), text);
        }
        assert_eq!(Moment(-1).to_string(), "1969-12-31T23:59:59Z");
        assert_eq!(Moment(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Moment(i64::MIN).to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(Moment(i64::MAX).plus_days(1), Moment(i64::MAX));
    }

    #[test]
    fn there_are_no_other_days_than_those_of_the_calendar() {
        for (year, month, day) in
            [(2023, 2, 29), (2100, 2, 29), (0, 1, 1), (10_000, 1, 1), (2024, 13, 1), (2024, 4, 31)]
        {
            assert_eq!(Date::new(year, month, day), None, "{year}-{month}-{day}");
        }
        assert!(Date::new(2024, 2, 29).is_some() && Date::new(2000, 2, 29).is_some());
        // Written out by hand, as a card's expiry is: the day after.
        assert_eq!(Date { year: 2023, month: 2, day: 29 }.days_since_1970(), 19_417);
        assert_eq!(Date::from_days_since_1970(19_417), Date { year: 2023, month: 3, day: 1 });
        assert_eq!(Date::from_days_since_1970(i64::MAX).year, 9999);
    }

    #[test]
    fn a_day_is_read_in_one_spelling() {
        assert_eq!(Date::parse("2024-02-29"), Date::new(2024, 2, 29));
        for text in ["", "2024-2-29", "20240229", "2024-W09-4", "2023-02-29", "0000-01-01", "-00100-1-1", "2024-02-29 "]
        {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }

    #[test]
    fn months_end_on_their_last_day() {
        let date = |text| Date::parse(text).unwrap();
        for (from, months, to) in [
            ("2026-03-31", 1, "2026-02-28"),
            ("2024-03-31", 1, "2024-02-29"),
            ("2026-11-29", 12, "2025-11-29"),
            ("2026-01-15", 13, "2024-12-15"),
            ("2026-08-31", 6, "2026-02-28"),
            ("2024-08-31", 6, "2024-02-29"),
            ("0001-05-05", 600, "0001-01-01"),
        ] {
            assert_eq!(date(from).months_before(months), date(to), "{from}");
        }
        for (from, to, months) in [
            ("2026-01-15", "2026-02-14", 0),
            ("2026-01-15", "2026-02-15", 1),
            ("2025-11-29", "2026-11-29", 12),
            ("2024-01-31", "2024-02-29", 0),
            ("2026-02-28", "2026-08-31", 6),
            ("2026-02-16", "2026-03-15", 0),
            ("2026-02-15", "2026-03-15", 1),
            ("2026-02-02", "2026-01-01", 0),
        ] {
            assert_eq!(date(from).months_until(date(to)), months, "{from}");
        }
    }

    proptest! {
        #[test]
        fn days_and_dates_are_inverse(days in -719_162i64..=2_932_896) {
            let date = Date::from_days_since_1970(days);
            prop_assert_eq!(Date::new(date.year, date.month, date.day), Some(date));
            prop_assert_eq!(date.days_since_1970(), days);
            prop_assert_eq!(Date::parse(&date.to_string()), Some(date));
        }

        #[test]
        fn whatever_is_written_is_a_time_or_none(text in "[0-9TtZz:+. \\-\\[\\]A-Wé]{0,30}") {
            let _ = parse_ms(&text);
        }
    }
}
