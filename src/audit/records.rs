//! What results ask of a collection.

use std::collections::BTreeMap;

use super::collection::Collection;
use super::findings::{Finding, Findings};
use super::measure::Outcome;
use super::results::{Clearing, Records, SubjectFacts, TemplateFacts};
use crate::chip::Date;
use crate::gallery::Timestamp;

/// The day of a time in UTC, `YYYY-MM-DD`; empty where it is not known.
pub fn utc_day(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| Date::from_days_since_1970((at.0 / 86_400_000) as i64).to_string())
}

/// A collection with what was found out about pairs of it, by numbers of subjects, the lower first.
pub struct Audited<'a> {
    collection: &'a Collection,
    outcomes: BTreeMap<(u32, u32), Outcome>,
    clearings: BTreeMap<(u32, u32), Clearing>,
}

impl<'a> Audited<'a> {
    /// A collection with what `findings` say of its pairs, and what the gallery did.
    pub fn new(collection: &'a Collection, findings: &Findings) -> Self {
        let (mut outcomes, mut clearings) = (BTreeMap::new(), collection.cleared().clone());
        for last in findings.pairs().filter_map(<[Finding]>::last) {
            let numbers = [&last.subject_a, &last.subject_b].map(|id| collection.find_subject(id));
            let [Some(a), Some(b)] = numbers else { continue };
            let pair = (a.min(b), a.max(b));
            outcomes.extend(last.outcome().map(|outcome| (pair, outcome)));
            // Of what the gallery and an investigator say the later holds.
            let is_later = clearings.get(&pair).and_then(|clearing| clearing.at).is_none_or(|at| last.at >= at);
            match last.outcome().filter(|outcome| outcome.clears()) {
                Some(outcome) if is_later || !clearings.contains_key(&pair) => {
                    let (officer, reason) = (last.officer.clone(), last.reason.clone());
                    let clearing = Clearing { outcome: Some(outcome), officer, reason, at: Some(last.at) };
                    clearings.insert(pair, clearing);
                }
                None if is_later => drop(clearings.remove(&pair)),
                _ => {}
            }
        }
        Self { collection, outcomes, clearings }
    }

    /// Whether two subjects, the lower number first, are cleared.
    pub fn is_cleared(&self, a: u32, b: u32) -> bool {
        self.clearings.contains_key(&(a, b))
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

    fn clearing(&self, subject_a: u32, subject_b: u32) -> Clearing {
        self.clearings.get(&(subject_a.min(subject_b), subject_a.max(subject_b))).cloned().unwrap_or_default()
    }
}
