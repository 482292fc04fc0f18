//! Records without a verification for long: "đúng, đủ, sạch, sống", a record must be
//! alive.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::chip::Date;
use crate::gallery::{Subject, Timestamp};

/// A record that was not verified for a scheme for long.
#[derive(Clone, PartialEq)]
pub struct Stale {
    /// The scheme; empty for a record that draws from none.
    pub scheme: String,
    /// Pseudonymous id.
    pub subject: String,
    /// The last verification; `None` where there never was one.
    pub last_verified: Option<Timestamp>,
    /// First enrolment: what counts where there never was a verification.
    pub enrolled_at: Timestamp,
    /// Province code; empty where it is not known.
    pub province: String,
    /// Whole months since.
    pub months: u32,
}

/// How many records of a scheme are stale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StaleScheme {
    /// Records.
    pub records: u64,
    /// Of those, without a verification for so long.
    pub stale: u64,
    /// Of the stale ones, those that were never verified.
    pub never_verified: u64,
}

/// Goes through records one by one.
#[derive(Clone)]
pub struct Staleness {
    as_of: Date,
    before: Timestamp,
    found: Vec<Stale>,
    schemes: BTreeMap<String, StaleScheme>,
}

impl Staleness {
    /// Records whose last verification lies `months` months or more before the day
    /// `as_of`.
    pub fn new(as_of: Date, months: u32) -> Self {
        let days = as_of.months_before(months).days_since_1970().max(0);
        let before = Timestamp((days as u64).saturating_add(1).saturating_mul(DAY_MS));
        Self { as_of, before, found: Vec::new(), schemes: BTreeMap::new() }
    }

    /// Looks at a record.
    pub fn take(&mut self, subject: &Subject) {
        let mut schemes: BTreeSet<&str> = subject.attributes.schemes.iter().map(String::as_str).collect();
        schemes.extend(subject.last_verified.keys().map(String::as_str));
        if schemes.is_empty() {
            schemes.insert("");
        }
        for scheme in schemes {
            let last_verified = subject.last_verified.get(scheme).copied();
            let at = last_verified.unwrap_or(subject.enrolled_at);
            let counted = self.schemes.entry(scheme.to_owned()).or_default();
            counted.records += 1;
            if at >= self.before {
                continue;
            }
            counted.stale += 1;
            counted.never_verified += u64::from(last_verified.is_none());
            self.found.push(Stale {
                scheme: scheme.to_owned(),
                subject: subject.id.as_str().to_owned(),
                last_verified,
                enrolled_at: subject.enrolled_at,
                province: subject.attributes.province.clone().unwrap_or_default(),
                months: Date::from_days_since_1970((at.0 / DAY_MS) as i64).months_until(self.as_of),
            });
        }
    }

    /// By scheme, how many there are; and the stale ones, by scheme, the longest without a
    /// verification first.
    pub fn finish(mut self) -> (BTreeMap<String, StaleScheme>, Vec<Stale>) {
        let since = |stale: &Stale| stale.last_verified.unwrap_or(stale.enrolled_at);
        self.found.sort_by(|x, y| (&x.scheme, since(x), &x.subject).cmp(&(&y.scheme, since(y), &y.subject)));
        (self.schemes, self.found)
    }
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gallery::{Attributes, SubjectId};

    fn day(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(day(text).days_since_1970() as u64 * DAY_MS + DAY_MS / 2)
    }

    fn subject(id: &str, schemes: &[&str], verified: &[(&str, &str)], enrolled: &str) -> Subject {
        Subject {
            standing: Default::default(),
            legal_bases: Vec::new(),
            enrolled_by: Vec::new(),
            id: SubjectId::new(id).unwrap(),
            attributes: Attributes { schemes: schemes.iter().map(|s| (*s).to_owned()).collect(), ..Default::default() },
            templates: Vec::new(),
            last_verified: verified.iter().map(|(scheme, day)| ((*scheme).to_owned(), at(day))).collect(),
            enrolled_at: at(enrolled),
            updated_at: at(enrolled),
            vouched: Vec::new(),
        }
    }

    #[test]
    fn each_scheme_is_looked_at_by_itself_and_what_was_never_verified_counts_from_its_enrolment() {
        let mut staleness = Staleness::new(day("2026-06-30"), 6);
        staleness.take(&subject("a", &["social", "health"], &[("social", "2026-05-01")], "2020-01-01"));
        staleness.take(&subject("b", &["social"], &[("social", "2025-12-30")], "2020-01-01"));
        staleness.take(&subject("c", &["social"], &[("social", "2025-12-31")], "2020-01-01"));
        staleness.take(&subject("d", &["health"], &[], "2026-06-01"));
        staleness.take(&subject("e", &[], &[], "2019-01-01"));
        let (schemes, found) = staleness.finish();
        let found: Vec<_> = found.iter().map(|s| (s.scheme.as_str(), s.subject.as_str(), s.months)).collect();
        assert_eq!(found, [("", "e", 89), ("health", "a", 77), ("social", "b", 6)]);
        assert_eq!(schemes["health"], StaleScheme { records: 2, stale: 1, never_verified: 1 });
        assert_eq!(schemes["social"], StaleScheme { records: 3, stale: 1, never_verified: 0 });
    }
}
