//! Retention: what is old enough goes, where no referral waits, and no legal hold or restriction keeps it.

use super::standing::{is_kept, waits_for_officer};
use super::{Plan, Planned, Write};
use crate::gallery::records::{Committed, ReadSet, Records};
use crate::gallery::{
    DecisionKey, Expired, Receipt, RetentionRun, Standing, StoredDecision, SubjectHead, SubjectId, Timestamp,
};

pub(super) fn reads(expired: &Expired, before: Timestamp) -> ReadSet {
    let of_record = |subject: Option<&SubjectId>| ReadSet {
        subjects: subject.into_iter().cloned().collect(),
        decisions_about: subject.cloned(),
        ..ReadSet::default()
    };
    match expired {
        Expired::Decisions(key, subject) => {
            ReadSet { decision: Some(key.clone()), attempts: true, ..of_record(Some(subject)) }
        }
        Expired::Request(number, subject) => ReadSet { subject_request: Some(*number), ..of_record(subject.as_ref()) },
        Expired::Standing(subject) => of_record(Some(subject)),
        Expired::Pictures(limit) => ReadSet { expired_pictures: Some((before, *limit)), ..ReadSet::default() },
    }
}

/// Takes away what is older than `before`, or nothing.
pub(super) fn plan(expired: &Expired, before: Timestamp, records: &Records) -> Planned {
    let subject = match expired {
        Expired::Decisions(_, subject) | Expired::Standing(subject) => Some(subject),
        Expired::Request(_, subject) => subject.as_ref(),
        Expired::Pictures(_) => None,
    };
    let is_needed = waits_for_officer(records) || subject.is_some_and(|subject| is_kept(subject, records));
    let (writes, taken): (Vec<Write>, u64) = match expired {
        // Their end is their end, whoever waits: a hold keeps the record and its decisions, not faces.
        Expired::Pictures(_) => {
            let numbers = &records.expired_pictures;
            (numbers.iter().map(|number| Write::RemovePictures(*number)).collect(), numbers.len() as u64)
        }
        _ if is_needed => (Vec::new(), 0),
        Expired::Decisions(key, subject) => decisions(key, subject, before, records),
        Expired::Request(number, _) => request(*number, before, records),
        Expired::Standing(subject) => standing(subject, before, records),
    };
    let receipt = Receipt { commit: records.commit, templates: 0, replayed: false };
    let committed = Committed { taken, ..Committed::of(receipt) };
    if writes.is_empty() { Planned::Done(committed) } else { Planned::Write(Plan { writes, committed }) }
}

/// All attempts of a transaction: what is left of one would be another history.
fn decisions(key: &DecisionKey, subject: &SubjectId, before: Timestamp, records: &Records) -> (Vec<Write>, u64) {
    let is_old = |decision: &StoredDecision| {
        let answers = decision.resolutions.iter().map(|answer| answer.resolved_at);
        answers.chain([decision.decided_at]).all(|at| at < before)
    };
    let of_it = |decision: &StoredDecision| decision.key.transaction == key.transaction && decision.subject == *subject;
    if !records.attempts.iter().all(|one| is_old(one) && of_it(one)) {
        return (Vec::new(), 0);
    }
    let writes: Vec<Write> = records.attempts.iter().map(|one| Write::RemoveDecision(one.key.clone())).collect();
    let taken = writes.len() as u64;
    (writes, taken)
}

fn request(number: u64, before: Timestamp, records: &Records) -> (Vec<Write>, u64) {
    let found = records.subject_requests.iter().find(|request| request.number == number);
    match found.and_then(|request| request.closed.as_ref()) {
        Some((_, step)) if step.at < before => (vec![Write::RemoveRequest(number)], 1),
        _ => (Vec::new(), 0),
    }
}

fn standing(subject: &SubjectId, before: Timestamp, records: &Records) -> (Vec<Write>, u64) {
    let Some(head) = records.head(subject) else { return (Vec::new(), 0) };
    let entries = &head.standing.entries;
    if entries.is_empty() || entries.iter().any(|entry| entry.at >= before) {
        return (Vec::new(), 0);
    }
    let after = SubjectHead { standing: Standing::default(), changed_in: records.commit, ..head.clone() };
    (vec![Write::Subject(after)], entries.len() as u64)
}

/// Keeps what a run did.
pub(super) fn plan_end(run: &RetentionRun, records: &Records) -> Planned {
    let receipt = Receipt { commit: records.commit, templates: 0, replayed: false };
    Planned::Write(Plan { writes: vec![Write::Retention(*run)], committed: Committed::of(receipt) })
}
