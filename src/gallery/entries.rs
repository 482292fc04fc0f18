//! What the transparency log is told of each command, and of what only reads.

use super::ledger::{NewEntry, entry_of};
use super::{
    AnswerRequest, ChangeStanding, ClearPair, Command, EnrolMode, Enrolment, Erase, GalleryError, NewDecision,
    OpenRequest, Outcome, RequestId, RequestState, ResolveCommand, StandingAction, SubjectId, UnclearPair,
};
use crate::context::RequestContext;
use crate::ledger::entry::{Code, Entry, Kind, LedgerKey, REASONS_MAX, SUBJECTS_MAX};

impl Outcome {
    /// Its name in records and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "APPROVE",
            Self::Refer => "REFER",
            Self::Deny => "DENY",
        }
    }
}

/// What was looked at.
#[derive(Clone, PartialEq)]
pub struct Look {
    /// A search, a list, one record, an export or a snapshot.
    pub kind: Kind,
    /// Whose records were shown.
    pub subjects: Vec<SubjectId>,
    /// The transaction, with its attempt where one was asked for.
    pub transaction: Option<(RequestId, u32)>,
    /// How many records were shown or counted.
    pub records: Option<u64>,
    /// What it came to, as a code, where that is not that it was shown.
    pub outcome: Option<&'static str>,
    /// An entry of the log that was shown: whom that is about.
    pub entry: Option<Entry>,
}

impl Look {
    /// A look of this kind at nobody.
    pub fn new(kind: Kind) -> Self {
        Self { kind, subjects: Vec::new(), transaction: None, records: None, outcome: None, entry: None }
    }

    /// The same, at these subjects.
    #[must_use]
    pub fn at(mut self, subjects: impl IntoIterator<Item = SubjectId>) -> Self {
        self.subjects.extend(subjects);
        self.subjects.sort_unstable();
        self.subjects.dedup();
        self
    }

    /// The same, of so many records.
    #[must_use]
    pub fn of_records(self, records: usize) -> Self {
        Self { records: Some(records as u64), ..self }
    }

    /// The same, at a transaction.
    #[must_use]
    pub fn at_transaction(self, transaction: &RequestId, attempt: Option<u32>) -> Self {
        Self { transaction: Some((transaction.clone(), attempt.unwrap_or(0))), ..self }
    }

    /// The same, which came to this.
    #[must_use]
    pub fn coming_to(self, outcome: &'static str) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    /// The same, at an entry of the log.
    #[must_use]
    pub fn at_entry(self, entry: Option<Entry>) -> Self {
        Self { entry, ..self }
    }

    /// Its entries: one, and more where more subjects were shown than an entry takes.
    pub(super) fn entries(&self, context: &RequestContext, key: &LedgerKey) -> Vec<Entry> {
        let mut first = entry_of(context, self.kind, key);
        first.method = first.method.or_else(|| code(self.kind.name()));
        first.records = self.records;
        first.outcome = self.outcome.and_then(code);
        if let Some((transaction, attempt)) = &self.transaction {
            (first.transaction, first.attempt) = (Some(key.transaction(transaction.as_str())), *attempt);
        }
        let mut subjects: Vec<_> = self.subjects.iter().map(|id| key.subject(id.as_str())).collect();
        if let Some(entry) = &self.entry {
            subjects.extend(&entry.subjects);
            subjects.sort_unstable();
            subjects.dedup();
            (first.transaction, first.attempt) = (entry.transaction, entry.attempt);
        }
        let mut chunks = subjects.chunks(SUBJECTS_MAX);
        let of = |chunk: Option<&[_]>| Entry { subjects: chunk.unwrap_or_default().to_vec(), ..first.clone() };
        let mut entries = vec![of(chunks.next())];
        entries.extend(chunks.map(|chunk| of(Some(chunk))));
        entries
    }
}

fn code(text: &str) -> Option<Code> {
    Code::new(text).ok()
}

/// A command with its entries, where it is one that has any. `about` is the subject, where the command
/// does not name it.
pub(super) fn entered(
    context: &RequestContext,
    command: Command,
    key: &LedgerKey,
    about: Option<&SubjectId>,
) -> Result<Command, GalleryError> {
    let of = |kind| entry_of(context, kind, key);
    let named = |id: &SubjectId| Some(key.label(id.as_str()));
    let entries = match &command {
        Command::Enrol(enrolment, _) => vec![of_enrolment(context, enrolment, key)],
        Command::Remove(subject, _) => {
            vec![Entry { subjects: vec![key.subject(subject.as_str())], ..of(Kind::Removal) }]
        }
        Command::ChangeStanding(ChangeStanding { subject, action, by, .. }, _) => {
            let kind = match action {
                StandingAction::Hold(_) | StandingAction::Release(_) => Kind::Hold,
                _ => Kind::Restriction,
            };
            vec![Entry {
                subjects: vec![key.subject(subject.as_str())],
                outcome: code(action.name()),
                named: named(by),
                ..of(kind)
            }]
        }
        // What it comes to is filled in where it is planned.
        Command::Erase(Erase { subject, by, .. }, _) => {
            vec![Entry { subjects: vec![key.subject(subject.as_str())], named: named(by), ..of(Kind::Erasure) }]
        }
        Command::OpenRequest(OpenRequest { subject, kind, by, .. }, _) => vec![Entry {
            subjects: vec![key.subject(subject.as_str())],
            outcome: code(RequestState::Open.name()),
            reasons: code(kind.name()).into_iter().collect(),
            named: named(by),
            ..of(Kind::SubjectRequest)
        }],
        Command::AnswerRequest(AnswerRequest { answer, by, .. }, _) => vec![Entry {
            subjects: about.iter().map(|id| key.subject(id.as_str())).collect(),
            outcome: code(answer.state().name()),
            named: named(by),
            ..of(Kind::SubjectRequest)
        }],
        Command::Decide(decision) => of_decision(context, decision, key),
        Command::Resolve(ResolveCommand { key: of_decision, resolution, .. }) => vec![Entry {
            transaction: Some(key.transaction(of_decision.transaction.as_str())),
            attempt: of_decision.attempt,
            subjects: about.iter().map(|id| key.subject(id.as_str())).collect(),
            outcome: code(resolution.outcome.name()),
            named: named(&resolution.officer),
            ..of(Kind::OfficerAnswer)
        }],
        Command::Clear(ClearPair { first, second, officer, .. }) => vec![Entry {
            subjects: [first, second].map(|id| key.subject(id.as_str())).to_vec(),
            named: named(officer),
            ..of(Kind::PairCleared)
        }],
        Command::Unclear(UnclearPair { first, second, officer, .. }) => vec![Entry {
            subjects: [first, second].map(|id| key.subject(id.as_str())).to_vec(),
            named: named(officer),
            ..of(Kind::PairUncleared)
        }],
        _ => return Ok(command),
    };
    let entries = entries.into_iter().map(NewEntry::new).collect::<Result<_, _>>()?;
    Ok(Command::Entered(Box::new(command), entries))
}

fn of_enrolment(context: &RequestContext, enrolment: &Enrolment, key: &LedgerKey) -> Entry {
    let kind = if enrolment.mode == EnrolMode::Replace { Kind::Replacement } else { Kind::Enrolment };
    Entry {
        subjects: vec![key.subject(enrolment.subject.as_str())],
        named: enrolment.by.as_ref().map(|by| key.label(by.as_str())),
        records: Some(enrolment.templates.len() as u64),
        ..entry_of(context, kind, key)
    }
}

/// A decision, the enrolment that goes with it, and whose records it came across.
fn of_decision(context: &RequestContext, decision: &NewDecision, key: &LedgerKey) -> Vec<Entry> {
    let reasons = decision.reasons.iter().filter_map(|reason| code(reason)).take(REASONS_MAX);
    let mut entry = Entry {
        unit: decision.unit.as_ref().or(context.unit().map(str::to_owned).as_ref()).map(|unit| key.label(unit)),
        named: decision.presented_by.as_ref().map(|by| key.label(by.as_str())),
        transaction: Some(key.transaction(decision.key.transaction.as_str())),
        attempt: decision.key.attempt,
        subjects: vec![key.subject(decision.subject.as_str())],
        outcome: code(decision.outcome.name()),
        reasons: reasons.collect(),
        ..entry_of(context, Kind::Decision, key)
    };
    decision.facts.enter(&mut entry);
    // Who was found beside: a search among all, and captures of other transactions.
    let mut shown: Vec<_> = decision.facts.shown.iter().map(|id| key.subject(id.as_str())).collect();
    shown.sort_unstable();
    shown.dedup();
    shown.truncate(SUBJECTS_MAX);
    let found = (!shown.is_empty()).then(|| Entry {
        transaction: entry.transaction,
        attempt: entry.attempt,
        records: Some(shown.len() as u64),
        subjects: shown,
        ..entry_of(context, Kind::Identify, key)
    });
    let found = found.map(|found| Entry { method: found.method.or_else(|| code(Kind::Identify.name())), ..found });
    let enrolment = decision.enrolment.as_ref().map(|enrolment| Entry {
        transaction: entry.transaction,
        attempt: entry.attempt,
        ..of_enrolment(context, enrolment, key)
    });
    std::iter::once(entry).chain(enrolment).chain(found).collect()
}
