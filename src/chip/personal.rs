//! Personal data of a card, in types that never show their value in logs or errors.

use crate::dates::Date;
use crate::text;

/// A text about a person. `Debug` hides it, there is no `Display`, and
/// serialising it needs [`Personal::reveal`] or [`Personal::masked`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Personal(String);

impl Personal {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Every call is a place where personal data leaves.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Asterisks and the last three characters of a long number; only asterisks for any other text.
    pub fn masked(&self) -> String {
        let length = self.0.chars().count();
        if length >= 9
            && self.0.chars().all(|c| c.is_ascii_alphanumeric())
            && self.0.chars().any(|c| c.is_ascii_digit())
        {
            let tail: String = self.0.chars().skip(length - 3).collect();
            return format!("{}{tail}", "*".repeat(length - 3));
        }
        "***".to_owned()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Personal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Personal(hidden)")
    }
}

/// Plausible years of birth, to tell day-first from year-first dates.
const YEARS: std::ops::RangeInclusive<u16> = 1850..=2149;

/// Years of birth of living people; nobody alive was born before 1901.
const BORN: std::ops::RangeInclusive<u16> = 1901..=2149;

/// A date of birth, as precise as the card gives it. `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BirthDate {
    year: u16,
    month: Option<u8>,
    day: Option<u8>,
}

impl BirthDate {
    /// The first day that it may be.
    pub fn first_day(&self) -> Option<Date> {
        Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))
    }

    /// `None` for a day without a month, and for dates that the calendar does not have.
    pub fn new(year: u16, month: Option<u8>, day: Option<u8>) -> Option<Self> {
        let real = match (month, day) {
            (None, Some(_)) => false,
            (month, day) => Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).is_some(),
        };
        real.then_some(Self { year, month, day })
    }

    /// Year, month and day as far as known.
    pub fn reveal(&self) -> (u16, Option<u8>, Option<u8>) {
        (self.year, self.month, self.day)
    }

    /// Whether it can be the birth date of a living person. The placeholders of programs are not:
    /// 1900-01-01, 1899-12-30, 1753-01-01, 0001-01-01, 9999-12-31. 1970-01-01 is accepted: people
    /// who know only their year of birth are often registered on 1 January.
    pub fn is_of_somebody(&self) -> bool {
        BORN.contains(&self.year)
    }

    /// Whether two dates can be the same day: parts that either leaves unknown match anything.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let part = |left: Option<u8>, right: Option<u8>| left.is_none() || right.is_none() || left == right;
        self.year == other.year && part(self.month, other.month) && part(self.day, other.day)
    }

    /// Reads `dd/mm/yyyy`, `mm/yyyy`, `yyyy` and the same with dots, dashes or nothing in between,
    /// also with the year first; a time after a full date is ignored, so are invisible characters;
    /// full-width digits are digits. Two-digit years are refused as ambiguous.
    pub fn from_text(text: &str) -> Option<Self> {
        let text: String = text::visible(text).chars().map(|c| if text::is_dash(c) { '-' } else { c }).collect();
        let text = day_of(&text);
        let parts: Vec<&str> = text.split(['/', '-', '.', ' ']).filter(|part| !part.is_empty()).collect();
        if !parts.iter().all(|part| part.len() <= 8 && part.bytes().all(|byte| byte.is_ascii_digit())) {
            return None;
        }
        let number = |part: &str| part.parse::<u16>().ok();
        // Zeros stand for an unknown part.
        let small = |part: &str| Some(number(part)? as u8).map(|value| (value != 0).then_some(value));
        match parts.as_slice() {
            [year] if year.len() == 4 => Self::new(number(year)?, None, None),
            [all] if all.len() == 8 => {
                let day_first = Self::new(number(&all[4..])?, small(&all[2..4])?, small(&all[..2])?);
                let year_first = || Self::new(number(&all[..4])?, small(&all[4..6])?, small(&all[6..])?);
                // 20121112 is a day of 2012, not one of the year 1112.
                day_first.filter(|date| YEARS.contains(&date.year)).or_else(year_first).or(day_first)
            }
            [month, year] if year.len() == 4 && month.len() <= 2 => Self::new(number(year)?, small(month)?, None),
            [year, month] if year.len() == 4 && month.len() <= 2 => Self::new(number(year)?, small(month)?, None),
            [day, month, year] if year.len() == 4 && day.len() <= 2 && month.len() <= 2 => {
                Self::new(number(year)?, small(month)?, small(day)?)
            }
            [year, month, day] if year.len() == 4 && day.len() <= 2 && month.len() <= 2 => {
                Self::new(number(year)?, small(month)?, small(day)?)
            }
            _ => None,
        }
    }

    /// The full date, where it is one.
    pub fn full(&self) -> Option<Date> {
        Date::new(self.year, self.month?, self.day?)
    }

    /// ISO form as far as known: `1990-05-01`, `1990-05`, `1990`.
    pub fn reveal_iso(&self) -> String {
        let mut out = format!("{:04}", self.year);
        for part in [self.month, self.day].into_iter().flatten() {
            out.push_str(&format!("-{part:02}"));
        }
        out
    }
}

/// The date part of a date and time, such as `1988-02-01T00:00:00` or `01/02/1988 0:00`.
fn day_of(text: &str) -> &str {
    let Some((day, time)) = text.split_once(['T', 't']).or_else(|| text.split_once(' ')) else { return text };
    let clock =
        time.contains(':') && time.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | 'Z' | '+' | '-'));
    if clock { day } else { text }
}

impl std::fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BirthDate(hidden)")
    }
}

/// Sex as a card gives it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Male.
    Male,
    /// Female.
    Female,
}

impl Sex {
    /// `M`, `F`, `Nam`, `Nữ` in any case and composition.
    pub fn from_text(text: &str) -> Option<Self> {
        match text::visible(text).to_lowercase().as_str() {
            "m" | "male" | "nam" => Some(Self::Male),
            "f" | "female" | "nữ" | "nu\u{31b}\u{303}" | "n\u{1b0}\u{303}" | "nu" => Some(Self::Female),
            _ => None,
        }
    }

    /// `M` or `F`.
    pub fn reveal(self) -> &'static str {
        match self {
            Self::Male => "M",
            Self::Female => "F",
        }
    }
}

impl std::fmt::Debug for Sex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sex(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_personal_shows_in_debug() {
        let number = Personal::new("001088012345");
        let birth = BirthDate::from_text("01/02/1988").unwrap();
        let shown = format!("{number:?} {birth:?} {:?}", Sex::Female);
        assert!(!shown.contains("1988") && !shown.contains("345") && !shown.contains('F'), "{shown}");
        assert_eq!(number.masked(), "*********345");
        assert_eq!(Personal::new("Nguyễn Văn A").masked(), "***");
    }

    #[test]
    fn dates_of_birth_are_read_as_far_as_they_are_known() {
        let parts = |text: &str| BirthDate::from_text(text).map(|date| date.reveal());
        assert_eq!(parts("01/02/1988"), Some((1988, Some(2), Some(1))));
        assert_eq!(parts("1988-02-01"), Some((1988, Some(2), Some(1))));
        assert_eq!(parts("01021988"), Some((1988, Some(2), Some(1))));
        assert_eq!(parts("19880229"), Some((1988, Some(2), Some(29))));
        assert_eq!(parts("02/1988"), Some((1988, Some(2), None)));
        assert_eq!(parts("00/00/1988"), Some((1988, None, None)));
        assert_eq!(parts("1988-02"), Some((1988, Some(2), None)));
        assert_eq!(parts("1988"), Some((1988, None, None)));
        assert_eq!(parts("20121112"), Some((2012, Some(11), Some(12))));
        assert_eq!(parts("1988-02-01T00:00:00.000Z"), Some((1988, Some(2), Some(1))));
        assert_eq!(parts("01/02/1988 0:00"), Some((1988, Some(2), Some(1))));
        assert_eq!(parts("01\u{200b}/02/１９８８"), Some((1988, Some(2), Some(1))));
        assert_eq!(parts("01–02–1988"), Some((1988, Some(2), Some(1))));
        assert_eq!(parts("--/--/1988"), Some((1988, None, None)));
        for bad in ["", "30/02/1988", "88", "0102198x", "01/02/03/1988", "99999999999", "01/02/88", "32174"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_year_alone_agrees_with_a_full_date_in_it() {
        let date = |text| BirthDate::from_text(text).unwrap();
        assert!(date("1988").agrees_with(&date("01/02/1988")));
        assert!(date("02/1988").agrees_with(&date("01/02/1988")));
        assert!(!date("03/1988").agrees_with(&date("01/02/1988")));
        assert!(!date("1987").agrees_with(&date("01/02/1988")));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            let _ = (BirthDate::from_text(&text), Sex::from_text(&text), Personal::new(text).masked());
        }

        #[test]
        fn a_date_is_read_back_from_its_iso_form(year in 1u16..=9999, month in 0u8..=12, day in 0u8..=28) {
            let month = (month != 0).then_some(month);
            let date = BirthDate::new(year, month, month.and((day != 0).then_some(day))).unwrap();
            prop_assert_eq!(BirthDate::from_text(&date.reveal_iso()), Some(date));
        }
    }
}
