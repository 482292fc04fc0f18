//! What results ask of a collection.

use std::collections::BTreeMap;

use super::collection::Collection;
use super::measure::Outcome;
use super::results::{Records, SubjectFacts, TemplateFacts};
use crate::chip::Date;
use crate::gallery::Timestamp;

/// The day of a time in UTC, `YYYY-MM-DD`; empty where it is not known.
pub fn utc_day(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| Date::from_days_since_1970((at.0 / 86_400_000) as i64).to_string())
}

/// A collection with what was found out about pairs of it.
pub struct Audited<'a> {
    collection: &'a Collection,
    outcomes: BTreeMap<(u32, u32), Outcome>,
}

impl<'a> Audited<'a> {
    /// `outcomes` by numbers of subjects, the lower first.
    pub fn new(collection: &'a Collection, outcomes: BTreeMap<(u32, u32), Outcome>) -> Self {
        Self { collection, outcomes }
    }
}

impl Records for Audited<'_> {
    fn subject(&self, subject: u32) -> SubjectFacts<'_> {
        let info = self.collection.subject_facts(subject);
        SubjectFacts {
            id: self.collection.subject_id(subject).into(),
            schemes: self.collection.text(info.schemes).into(),
            province: self.collection.text(info.province).into(),
            enrolled: utc_day(info.enrolled_at).into(),
            second_gallery: self.collection.is_second_only(subject),
        }
    }

    fn template(&self, row: u32) -> TemplateFacts<'_> {
        let info = self.collection.template(row);
        TemplateFacts {
            subject: info.subject,
            id: self.collection.template_name(row).into(),
            captured: utc_day(info.captured_at).into(),
            quality: info.quality,
            second_gallery: row as usize >= self.collection.first_rows(),
        }
    }

    fn owner(&self, row: u32) -> u32 {
        self.collection.groups()[row as usize]
    }

    fn finding(&self, subject_a: u32, subject_b: u32) -> Option<Outcome> {
        self.outcomes.get(&(subject_a.min(subject_b), subject_a.max(subject_b))).copied()
    }
}
