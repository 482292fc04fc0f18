//! What investigators found out about pairs, kept for this audit and those after it.
//!
//! Nothing that was recorded is ever changed: a finding is corrected by another one and taken back
//! by an entry that says so. Of the entries of one pair the last one holds; all of them are its
//! history.

mod log;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::log::FindingsError;
use super::measure::PairOutcome;
use crate::context::{Principal, RequestContext};
use crate::gallery::{GalleryError, Note, SubjectId, Timestamp};

/// What an entry says of its pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Statement {
    /// An investigator found it to be this.
    Found(PairOutcome),
    /// What was found before does not hold any more.
    TakenBack,
}

impl Statement {
    /// As in files and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Found(outcome) => outcome.name(),
            Self::TakenBack => "taken-back",
        }
    }
}

impl From<Statement> for String {
    fn from(statement: Statement) -> Self {
        statement.name().to_owned()
    }
}

impl TryFrom<String> for Statement {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match PairOutcome::from_name(&name) {
            Some(outcome) => Ok(Self::Found(outcome)),
            None if name == Self::TakenBack.name() => Ok(Self::TakenBack),
            None => Err("no outcome"),
        }
    }
}

/// An entry: what somebody found of a pair, or that it is taken back.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairFinding {
    /// The subject whose id comes first in byte order.
    pub subject_a: String,
    /// The other one.
    pub subject_b: String,
    /// Best score of the two in the audit.
    pub score: f32,
    /// What the entry says.
    #[serde(rename = "outcome")]
    pub statement: Statement,
    /// Why, in the officer's words.
    pub reason: String,
    /// Pseudonymous id of the officer.
    pub officer: String,
    /// When it was recorded, in milliseconds since 1970.
    pub at: u64,
    /// Who recorded it, as the operating system knows them; absent in entries of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_by: Option<String>,
}

impl fmt::Debug for PairFinding {
    // What is found out about people stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairFinding(…)")
    }
}

impl PairFinding {
    /// Checks an entry; it is made now, by whoever makes the request.
    ///
    /// # Errors
    /// [`GalleryError::SamePair`] for a subject paired with itself.
    pub fn new(
        context: &RequestContext,
        subjects: [SubjectId; 2],
        score: f32,
        statement: Statement,
        reason: &Note,
        officer: &SubjectId,
    ) -> Result<Self, GalleryError> {
        let [mut a, mut b] = subjects;
        match a.cmp(&b) {
            std::cmp::Ordering::Equal => return Err(GalleryError::SamePair),
            std::cmp::Ordering::Greater => std::mem::swap(&mut a, &mut b),
            std::cmp::Ordering::Less => {}
        }
        Ok(Self {
            subject_a: a.as_str().to_owned(),
            subject_b: b.as_str().to_owned(),
            score,
            statement,
            reason: reason.as_str().to_owned(),
            officer: officer.as_str().to_owned(),
            at: Timestamp::now().0,
            recorded_by: principal_name(context),
        })
    }

    /// What the pair was found to be; `None` of an entry that takes a finding back.
    pub fn outcome(&self) -> Option<PairOutcome> {
        match self.statement {
            Statement::Found(outcome) => Some(outcome),
            Statement::TakenBack => None,
        }
    }

    /// Whether another one says the same of the same pair, whoever recorded it and when.
    fn says_as(&self, other: &Self) -> bool {
        Self { at: other.at, score: other.score, recorded_by: other.recorded_by.clone(), ..self.clone() } == *other
    }
}

/// Who makes a request, in a few words for reports; `None` of whoever has not said.
pub fn principal_name(context: &RequestContext) -> Option<String> {
    match context.principal() {
        Principal::OperatingSystemUser { uid, name: Some(name) } => Some(format!("{name} (uid {uid})")),
        Principal::OperatingSystemUser { uid, name: None } => Some(format!("uid {uid}")),
        Principal::Internal { task } => Some(format!("chinhchu ({task})")),
        _ => None,
    }
}

/// All entries, by pair of ids, the first in byte order first. A pair has at least one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    of: BTreeMap<(String, String), Vec<PairFinding>>,
}

impl Findings {
    /// Adds an entry behind those that were there.
    fn push(&mut self, finding: PairFinding) {
        self.of.entry((finding.subject_a.clone(), finding.subject_b.clone())).or_default().push(finding);
    }

    /// Adds those of another file, in the order of time. What both have is there once.
    pub fn merge(&mut self, other: Self) {
        for (pair, entries) in other.of {
            let all = self.of.entry(pair).or_default();
            for entry in entries {
                if !all.contains(&entry) {
                    all.push(entry);
                }
            }
            // Stable: of one moment those of this file come first.
            all.sort_by_key(|entry| entry.at);
        }
    }

    /// What holds of two subjects, named in either order.
    pub fn get(&self, one: &str, other: &str) -> Option<&PairFinding> {
        self.history(one, other).last().filter(|last| last.outcome().is_some())
    }

    /// All entries of two subjects, named in either order, the oldest first.
    pub fn history(&self, one: &str, other: &str) -> &[PairFinding] {
        let (a, b) = if one <= other { (one, other) } else { (other, one) };
        self.of.get(&(a.to_owned(), b.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Findings that hold, by pair.
    pub fn iter(&self) -> impl Iterator<Item = &PairFinding> {
        self.of.values().filter_map(|entries| entries.last()).filter(|last| last.outcome().is_some())
    }

    /// All entries, by pair, the oldest of each first.
    pub fn pairs(&self) -> impl Iterator<Item = &[PairFinding]> {
        self.of.values().map(Vec::as_slice)
    }
}
