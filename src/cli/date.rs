//! Days as text.

use std::time::SystemTime;

use crate::chip::Date;

/// Today in UTC, `YYYY-MM-DD`.
pub(super) fn today() -> String {
    // A clock before 1970 is as wrong as 1970 is.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    of_days(now.as_secs() / 86_400)
}

/// Days since 1970 of a day as lists have it; `None` for what is no day, or before 1970.
pub(super) fn days(text: &str) -> Option<u64> {
    let part = |at: std::ops::Range<usize>| text.get(at)?.parse::<u16>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let date = parse(text).ok().and_then(|_| Date::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?))?;
    u64::try_from(date.days_since_1970()).ok()
}

fn of_days(days: u64) -> String {
    // Beyond i64 is beyond the calendar, which ends in 9999.
    Date::from_days_since_1970(i64::try_from(days).unwrap_or(i64::MAX)).to_string()
}

/// A day as typed.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    match text.split('-').collect::<Vec<_>>()[..] {
        [y, m, d]
            if digits(y, 4)
                && digits(m, 2)
                && digits(d, 2)
                && ("01"..="12").contains(&m)
                && ("01"..="31").contains(&d) =>
        {
            let day = y.parse().ok().zip(m.parse().ok()).zip(d.parse().ok());
            match day.and_then(|((y, m), d)| Date::new(y, m, d)) {
                Some(_) => Ok(text.to_owned()),
                None => Err(format!("{text} is no day of the calendar")),
            }
        }
        _ => Err("a day is written YYYY-MM-DD".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, text) in [(0, "1970-01-01"), (19_782, "2024-02-29"), (19_783, "2024-03-01"), (20_453, "2025-12-31")]
        {
            assert_eq!(of_days(days), text);
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
