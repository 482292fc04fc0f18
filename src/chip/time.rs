//! Points in time of certificates, and calendar dates of cards.

use super::ParseError;
use super::tlv::Tlv;

const DAY_S: i64 = 86_400;

/// A point in time: seconds since 1970-01-01 00:00 UTC, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// The clock of this machine.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(since.map_or(0, |elapsed| i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Midnight UTC at the start of a date.
    pub fn of_date(date: Date) -> Self {
        Self(date.days_since_1970() * DAY_S)
    }

    /// The date in UTC.
    pub fn date(self) -> Date {
        Date::from_days_since_1970(self.0.div_euclid(DAY_S))
    }

    /// This point moved by whole days.
    pub fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(DAY_S)))
    }

    /// Reads a UTCTime (tag 17) or GeneralizedTime (tag 18) in UTC. Seconds may
    /// be missing, fractions are dropped.
    pub(crate) fn parse(tlv: &Tlv<'_>) -> Result<Self, ParseError> {
        let broken = || ParseError::malformed("a time");
        let text = tlv.value.strip_suffix(b"Z").ok_or_else(broken)?;
        let (year, rest) = match tlv.tag {
            0x17 => {
                let year = digits(text.get(..2)).ok_or_else(broken)?;
                // RFC 5280: 50…99 is the last century.
                (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
            }
            0x18 => (digits(text.get(..4)).ok_or_else(broken)?, &text[4..]),
            _ => return Err(broken()),
        };
        let part = |at: usize| digits(rest.get(at..at + 2));
        let (month, day) = (part(0).ok_or_else(broken)?, part(2).ok_or_else(broken)?);
        let (hour, minute) = (part(4).ok_or_else(broken)?, part(6).ok_or_else(broken)?);
        let second = if rest.len() > 8 { part(8).ok_or_else(broken)? } else { 0 };
        if hour > 24 || minute > 59 || second > 60 {
            return Err(broken());
        }
        let date = Date::new(year as u16, month as u8, day as u8).ok_or_else(broken)?;
        Ok(Self(Self::of_date(date).0 + i64::from(hour * 3600 + minute * 60 + second)))
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let second = self.0.rem_euclid(DAY_S);
        write!(f, "{}T{:02}:{:02}:{:02}Z", self.date(), second / 3600, second / 60 % 60, second % 60)
    }
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn digits(text: Option<&[u8]>) -> Option<u32> {
    text?.iter().try_fold(0u32, |value, &byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
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
    /// `None` where there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return None,
        };
        ((1..=9999).contains(&year) && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
    pub fn days_since_1970(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// The inverse of [`Date::days_since_1970`]; years outside 1…9999 are cut to them.
    pub fn from_days_since_1970(days: i64) -> Self {
        let days = days.clamp(-719_162, 2_932_896) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year: year as u16, month: month as u8, day: day as u8 }
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chip::{der, tlv::Reader};

    fn moment(tag: u32, text: &str) -> Result<Moment, ParseError> {
        let bytes = der::tlv(tag, text.as_bytes());
        Moment::parse(&Reader::new(&bytes).read().unwrap())
    }

    #[test]
    fn both_forms_of_time_are_read() {
        assert_eq!(moment(0x17, "210201000000Z").unwrap().to_string(), "2021-02-01T00:00:00Z");
        assert_eq!(moment(0x17, "700101000000Z").unwrap(), Moment(0));
        assert_eq!(moment(0x18, "20390101235959.123Z").unwrap().to_string(), "2039-01-01T23:59:59Z");
        assert_eq!(moment(0x17, "2102010000Z").unwrap().to_string(), "2021-02-01T00:00:00Z");
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for text in ["", "Z", "2102", "210230000000Z", "21020100000", "21x201000000Z", "210201250000Z"] {
            assert!(moment(0x17, text).is_err(), "{text}");
        }
        assert!(moment(0x18, "2Z").is_err());
    }

    proptest! {
        #[test]
        fn days_and_dates_are_inverse(days in -719_162i64..2_932_896) {
            let date = Date::from_days_since_1970(days);
            prop_assert_eq!(Date::new(date.year, date.month, date.day), Some(date));
            prop_assert_eq!(date.days_since_1970(), days);
        }
    }
}
