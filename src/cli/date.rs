//! Days as text.

use std::time::SystemTime;

/// Today in UTC, `YYYY-MM-DD`.
pub(super) fn today() -> String {
    // A clock before 1970 is as wrong as 1970 is.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    of_days(now.as_secs() / 86_400)
}

/// The day so many days after 1970-01-01 (Hinnant's days-to-civil).
fn of_days(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
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
            Ok(text.to_owned())
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
    fn what_is_no_day_is_refused() {
        assert!(parse("2026-01-31").is_ok());
        for text in ["", "2026-1-31", "31.01.2026", "2026-13-01", "2026-01-00", "2026-01-01-"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
