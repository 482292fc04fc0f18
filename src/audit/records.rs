//! What results ask of a collection.

use std::collections::BTreeMap;

use super::collection::Collection;
use super::findings::{Findings, PairFinding};
use super::measure::PairOutcome;
use super::results::{Clearing, RecordFacts, SubjectFacts, TemplateFacts};
use crate::chip::Date;
use crate::gallery::Timestamp;

/// The day of a time in UTC, `YYYY-MM-DD`; empty where it is not known.
pub fn utc_day(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| Date::from_days_since_1970((at.0 / 86_400_000) as i64).to_string())
}

/// A collection with what was found out about pairs of it, by numbers of subjects, the lower first.
pub struct Audited<'a> {
    collection: &'a Collection,
    outcomes: BTreeMap<(u32, u32), PairOutcome>,
    clearings: BTreeMap<(u32, u32), Clearing>,
}

impl<'a> Audited<'a> {
    /// A collection with what `findings` say of its pairs, and what the gallery did.
    pub fn new(collection: &'a Collection, findings: &Findings) -> Self {
        let (mut outcomes, mut clearings) = (BTreeMap::new(), collection.cleared().clone());
        for last in findings.pairs().filter_map(<[PairFinding]>::last) {
            let numbers = [&last.subject_a, &last.subject_b].map(|id| collection.find_subject(id));
            let [Some(a), Some(b)] = numbers else { continue };
            let pair = (a.min(b), a.max(b));
            outcomes.extend(last.outcome().map(|outcome| (pair, outcome)));
            // Of what the gallery and an investigator say the later holds.
            let is_later = clearings.get(&pair).and_then(|clearing| clearing.at).is_none_or(|at| last.at >= at);
            match last.outcome().filter(|outcome| outcome.clears()) {
                // Where both clear the pair, the investigator said why.
                Some(outcome) => {
                    let (officer, reason) = (last.officer.clone(), last.reason.clone());
                    let clearing = Clearing { outcome: Some(outcome), officer, reason, at: Some(last.at) };
                    clearings.insert(pair, clearing);
                }
                None if is_later => drop(clearings.remove(&pair)),
                None => {}
            }
        }
        Self { collection, outcomes, clearings }
    }

    /// Whether two subjects, the lower number first, are cleared.
    pub fn is_cleared(&self, a: u32, b: u32) -> bool {
        self.clearings.contains_key(&(a, b))
    }
}

impl RecordFacts for Audited<'_> {
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

    fn finding(&self, subject_a: u32, subject_b: u32) -> Option<PairOutcome> {
        self.outcomes.get(&(subject_a.min(subject_b), subject_a.max(subject_b))).copied()
    }

    fn clearing(&self, subject_a: u32, subject_b: u32) -> Clearing {
        self.clearings.get(&(subject_a.min(subject_b), subject_a.max(subject_b))).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::findings::Statement;
    use crate::gallery::{ClearedPair, Note, PairEntry, PairEntryKind, SubjectId};

    /// Of what the gallery did and what an investigator says the later holds.
    #[test]
    fn a_pair_is_cleared_by_either_until_a_later_finding_says_otherwise() {
        let id = |text: &str| SubjectId::new(text).unwrap();
        let mut collection = Collection::new();
        for id in ["a", "b", "c"] {
            collection.subject(id).unwrap();
        }
        let (officer, reason) = (id("o-1"), Note::new("at the counter").unwrap());
        let cleared = |first, second, expires_at| ClearedPair {
            first: id(first),
            second: id(second),
            entries: vec![PairEntry {
                kind: PairEntryKind::Cleared,
                officer: officer.clone(),
                reason: reason.clone(),
                at: Timestamp(5),
            }],
            round_from: 0,
            officers_needed: 1,
            expires_at,
        };
        collection.clear(&cleared("a", "b", None));
        // Its time is over: it is reported as any other.
        collection.clear(&cleared("a", "c", Some(Timestamp(6))));
        let said = |a: &str, b: &str, statement: Statement, at: u64| {
            let line = serde_json::json!({"subject_a": a, "subject_b": b, "score": 0.9, "outcome": statement.name(),
                "reason": "seen", "officer": "o-2", "at": at});
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), crate::audit::lines::encode(&line).unwrap()).unwrap();
            let findings = Findings::read(file.path()).unwrap();
            let audited = Audited::new(&collection, &findings);
            [(0, 1), (0, 2)].map(|(a, b)| audited.is_cleared(a, b).then(|| audited.clearing(b, a)))
        };
        let [gallery, other] = said("x", "y", Statement::Found(PairOutcome::Twins), 9);
        assert_eq!((gallery.clone().unwrap().officer, other), ("o-1".to_owned(), None));
        for (statement, at, is_cleared) in [
            (Statement::Found(PairOutcome::Fraud), 4, true),
            (Statement::Found(PairOutcome::Fraud), 6, false),
            (Statement::Found(PairOutcome::Undecided), 6, false),
            (Statement::TakenBack, 6, false),
            (Statement::TakenBack, 4, true),
        ] {
            assert_eq!(said("a", "b", statement, at)[0].is_some(), is_cleared, "{} at {at}", statement.name());
        }
        let twins = said("a", "b", Statement::Found(PairOutcome::Twins), 4)[0].clone().unwrap();
        assert_eq!((twins.outcome, &*twins.officer), (Some(PairOutcome::Twins), "o-2"), "who says why");
        let alike = said("a", "c", Statement::Found(PairOutcome::UnrelatedLookAlikes), 1);
        assert!(alike[0] == gallery && alike[1].is_some());
    }
}
