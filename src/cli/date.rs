//! Days as text.

use std::time::SystemTime;

use crate::chip::Date;
use crate::gallery::Timestamp;

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

/// A day, or a day and time with its offset from UTC (RFC 3339), that has come already; a day is
/// its midnight in UTC. `None` for everything else.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let midnight = i64::try_from(days(text.get(..10)?)?).ok()? * 86_400_000;
    let ms = match text.get(10..)? {
        "" => midnight,
        rest => midnight + time_of_day_ms(rest.strip_prefix(['T', 't', ' '])?)?,
    };
    // As far as clocks may differ.
    let at = Timestamp(u64::try_from(ms).ok()?);
    (at.0 <= Timestamp::now().0 + 86_400_000).then_some(at)
}

/// `08:30`, `08:30:00.5+07:00`, `08:30:00Z`: milliseconds since midnight in UTC, which may be
/// before it. Without an offset it is UTC.
fn time_of_day_ms(text: &str) -> Option<i64> {
    let digits = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten().map(i64::from);
    let minutes = |text: &str| {
        let (hour, minute) = (digits(text.get(..2)?)?, digits(text.get(3..5)?)?);
        (text.get(2..3)? == ":" && hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let end = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, offset) = text.split_at_checked(end)?;
    let offset = match offset {
        "" | "Z" | "z" => 0,
        _ if offset.len() == 6 => minutes(&offset[1..])? * if offset.starts_with('-') { -1 } else { 1 },
        _ => return None,
    };
    let seconds = match clock.get(5..)? {
        "" => 0.0,
        rest => {
            let seconds = rest.strip_prefix(':')?;
            let plain = seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            seconds.parse::<f64>().ok().filter(|&seconds| plain && seconds < 61.0)?
        }
    };
    Some((minutes(clock.get(..5)?)? - offset) * 60_000 + (seconds * 1000.0) as i64)
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
