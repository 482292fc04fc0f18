//! Days and times as they are typed and stand in lists.

use crate::dates::{self, Date, Moment};
use crate::gallery::Timestamp;

/// As far as clocks may differ.
const AHEAD_MS_MAX: u64 = 86_400_000;

/// Today in UTC, `YYYY-MM-DD`.
pub(super) fn today() -> String {
    Date::today().to_string()
}

/// Days since 1970 of a day as lists have it; `None` for what is no day, or before 1970.
pub(super) fn days(text: &str) -> Option<u64> {
    u64::try_from(Date::parse(text)?.days_since_1970()).ok()
}

/// A day, or a day and time with its offset from UTC (RFC 3339), that has come already; a day is
/// its midnight in UTC. `None` for everything else.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let at = Timestamp(u64::try_from(dates::parse_ms(text)?).ok()?);
    (at.0 <= Timestamp::now().0 + AHEAD_MS_MAX).then_some(at)
}

/// The same as typed, which may be still to come.
pub(super) fn bound(text: &str) -> Result<Timestamp, String> {
    let ms = dates::parse_ms(text).and_then(|ms| u64::try_from(ms).ok());
    ms.map(Timestamp).ok_or_else(|| "a time is written 2026-03-05, or 2026-03-05T08:30:00+07:00".to_owned())
}

/// A moment as it stands in answers (RFC 3339).
pub(super) fn shown(at: Timestamp) -> String {
    Moment(i64::try_from(at.0 / 1000).unwrap_or(i64::MAX)).to_string()
}

/// A day as typed.
pub(super) fn parse(text: &str) -> Result<String, String> {
    if Date::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    let is_day = |part: &str, most: u8| part.len() == 2 && part.parse().is_ok_and(|day: u8| (1..=most).contains(&day));
    match text.split('-').collect::<Vec<_>>()[..] {
        [year, month, day]
            if year.len() == 4 && year.parse::<u16>().is_ok() && is_day(month, 12) && is_day(day, 31) =>
        {
            Err(format!("{text} is no day of the calendar"))
        }
        _ => Err("a day is written YYYY-MM-DD".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset_and_nothing_else_is() {
        let midnight = 19_787 * 86_400_000_i64;
        for (text, ms) in [
            ("2024-03-05", 0),
            ("2024-03-05T08:30", 30_600_000),
            ("2024-03-05 08:30:00Z", 30_600_000),
            ("2024-03-05T08:30:00.250+07:00", 30_600_250 - 25_200_000),
            ("2024-03-05T08:30:00-01:30", 30_600_000 + 5_400_000),
        ] {
            assert_eq!(moment(text), Some(Timestamp((midnight + ms) as u64)), "{text}");
        }
        for text in [
            "",
            "2024",
            "05/03/2024",
            "2024-02-30",
            "2024-03-05T",
            "2024-03-05T8:30",
            "2024-03-05T25:00",
            "2024-03-05X08:30",
            "2024-03-05T08:30:61",
            "2024-03-05T08:30:00+7",
            "2024-03-05T08:30:00+0700",
            "2024-03-05T08",
            "2024-03-05T0830",
            "2024-03-05T08:30:00+07:00[Asia/Ho_Chi_Minh]",
            "2024-03-05T08:30:inf",
            "2999-01-01",
            "1969-12-31",
            "2024-03-05é",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2024-02-29", Some(19_782)),
            ("2023-02-29", None),
            ("1969-12-31", None),
            ("2024-2-9", None),
            ("đ024-02-09", None),
        ] {
            assert_eq!(days(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        assert!(parse("2026-01-31").is_ok());
        for text in ["", "2026-1-31", "31.01.2026", "2026-13-01", "2026-01-00", "2026-01-01-", "2026-02-29"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
