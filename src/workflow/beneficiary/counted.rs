//! What statistics need of the person, in the decision's record and nowhere else: not in answers,
//! not in the transparency log. Scheme, province and unit stand in the record already.

use serde::{Deserialize, Serialize};

use crate::chip::{Holder, Moment, Sex};

/// Of the person on the chip, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counted {
    /// Age in whole decades at the decision: 60 for 60 to 69 years.
    #[serde(default)]
    pub age_decade: Option<u32>,
    /// `F` or `M`.
    #[serde(default)]
    pub sex: Option<char>,
}

impl Counted {
    pub(super) fn of(holder: Option<&Holder>, now: Moment) -> Self {
        let Some(holder) = holder else { return Self::default() };
        let sex = holder.sex.map(|sex| match sex {
            Sex::Female => 'F',
            Sex::Male => 'M',
        });
        // With an ambiguous century nobody knows the age.
        let birth = holder.birth.as_ref().filter(|_| holder.birth_other.is_none());
        let age = birth.and_then(|birth| {
            let days = (now.0 - Moment::of_date(birth.first_day()?).0) / (24 * 60 * 60);
            // Whole decades: leap years levelled are exact enough.
            u32::try_from(days).ok().map(|days| (f64::from(days) / 365.25) as u32)
        });
        Self { age_decade: age.map(|years| years / 10 * 10), sex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::{BirthDate, Date};

    #[test]
    fn ages_are_told_in_decades_and_an_ambiguous_century_in_none() {
        let now = Moment::of_date(Date { year: 2026, month: 11, day: 30 });
        let born = |year, month, day| BirthDate::new(year, month, day);
        let of = |holder: &Holder| Counted::of(Some(holder), now);
        for (birth, decade) in [
            (born(1956, Some(11), Some(29)), Some(70)),
            (born(1956, Some(12), Some(2)), Some(60)),
            (born(2026, None, None), Some(0)),
            (born(2030, None, None), None),
            (None, None),
        ] {
            assert_eq!(of(&Holder { birth, ..Holder::default() }).age_decade, decade);
        }
        let either = Holder { birth: born(1920, None, None), birth_other: born(2020, None, None), ..Holder::default() };
        assert_eq!(of(&either).age_decade, None);
        assert_eq!(of(&Holder { sex: Some(Sex::Female), ..Holder::default() }).sex, Some('F'));
        assert_eq!(Counted::of(None, now), Counted::default());
        // As it stands in a record, and in one of before.
        assert_eq!(serde_json::to_string(&of(&Holder::default())).unwrap(), r#"{"age_decade":null,"sex":null}"#);
        assert_eq!(serde_json::from_str::<Counted>("{}").unwrap(), Counted::default());
    }
}
