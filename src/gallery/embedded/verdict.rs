//! Decisions, what officers make of them, and pairs they clear: what may be
//! written on top of what is there.

use super::change::{Plan, Row, Step, plan_enrolment};
use super::fault::StoreError;
use super::group::Group;
use super::record::{ClearedRecord, DecisionRecord, ResolutionRecord, outcome_number, unseal};
use super::tables::{cleared_key, decision_key, read_decision, read_last_decision, read_subject};

use crate::gallery::{
    ClearedPair, DecisionKey, EnrolMode, GalleryError, NewDecision, Outcome, Resolution, SubjectId, Timestamp,
    next_attempt,
};
use redb::ReadableTable;

/// A decision, its enrolment and the time of the verification: all or nothing.
pub(super) fn plan_decision(decision: &NewDecision, group: &Group<'_>, now: Timestamp) -> Result<Step, StoreError> {
    let key = &decision.key;
    if let Some(earlier) = read_decision(&group.decisions, key)? {
        // Also where the transaction has gone on since: a late retry gets its answer.
        return if earlier.content == decision.content {
            Ok(Step::Done { commit: earlier.commit })
        } else {
            Err(GalleryError::TransactionReused.into())
        };
    }
    let last = read_last_decision(&group.decisions, &key.transaction)?;
    let expected = next_attempt(last.as_ref(), &decision.subject, &decision.scheme)?;
    if key.attempt != expected {
        return Err(GalleryError::AttemptOutOfOrder { expected }.into());
    }

    let (mut rows, mut templates) = (Vec::new(), 0);
    if let Some(enrolment) = &decision.enrolment {
        if enrolment.subject != decision.subject || enrolment.mode != EnrolMode::Create {
            return Err(GalleryError::SubjectExists.into());
        }
        let plan = plan_enrolment(enrolment, group, now)?;
        (rows, templates) = (plan.rows, plan.templates);
    }
    if decision.outcome == Outcome::Approve {
        verified(&mut rows, &decision.subject, &decision.scheme, group, now)?;
    }
    let record = DecisionRecord {
        content: decision.content.to_vec(),
        subject: decision.subject.as_str().to_owned(),
        scheme: decision.scheme.clone(),
        outcome: outcome_number(decision.outcome),
        answer: decision.answer.clone(),
        decided_at: now.0,
        commit: group.commit(),
        resolution: None,
    };
    rows.push(Row::PutDecision(decision_key(key), record));
    Ok(Step::Do(Plan { rows, templates }))
}

/// Notes that a subject was verified for a scheme: in the record that is about to
/// be written, or else in the one that is there. One who is not enrolled has none.
fn verified(
    rows: &mut Vec<Row>,
    subject: &SubjectId,
    scheme: &str,
    group: &Group<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut about = rows.iter_mut();
    let written = about.find_map(|row| match row {
        Row::PutSubject(id, record) if id == subject => Some(record),
        _ => None,
    });
    if let Some(record) = written {
        record.last_verified.insert(scheme.to_owned(), now.0);
    } else if let Some(mut record) = read_subject(&group.subjects, subject.as_str())? {
        record.last_verified.insert(scheme.to_owned(), now.0);
        rows.push(Row::PutSubject(subject.clone(), record));
    }
    Ok(())
}

/// An officer's answer to a referral.
pub(super) fn plan_resolution(
    key: &DecisionKey,
    resolution: &Resolution,
    group: &Group<'_>,
    now: Timestamp,
) -> Result<Step, StoreError> {
    let last = read_last_decision(&group.decisions, &key.transaction)?;
    let unknown = if last.is_some() { GalleryError::UnknownAttempt } else { GalleryError::UnknownTransaction };
    let mut record = read_decision(&group.decisions, key)?.ok_or(unknown)?;
    let answered = ResolutionRecord {
        officer: resolution.officer.as_str().to_owned(),
        outcome: outcome_number(resolution.outcome),
        reason: resolution.reason.as_str().to_owned(),
        resolved_at: now.0,
    };
    if let Some(earlier) = &record.resolution {
        let same = ResolutionRecord { resolved_at: earlier.resolved_at, ..answered } == *earlier;
        return if same { Ok(Step::Done { commit: record.commit }) } else { Err(GalleryError::AlreadyResolved.into()) };
    }
    let waits = record.outcome == outcome_number(Outcome::Refer) && last.is_some_and(|last| last.key == *key);
    if !waits || resolution.outcome == Outcome::Refer {
        return Err(GalleryError::NotReferred.into());
    }
    let mut rows = Vec::new();
    if resolution.outcome == Outcome::Approve {
        let subject = SubjectId::new(record.subject.clone())
            .map_err(|_| StoreError::damaged("a decision's subject is not an id"))?;
        verified(&mut rows, &subject, &record.scheme, group, now)?;
    }
    record.resolution = Some(answered);
    rows.push(Row::PutDecision(decision_key(key), record));
    Ok(Step::Do(Plan { rows, templates: 0 }))
}

/// A pair that may share a face.
pub(super) fn plan_clearing(pair: &ClearedPair, group: &Group<'_>, now: Timestamp) -> Result<Step, StoreError> {
    let names = [cleared_key(&pair.first, &pair.second), cleared_key(&pair.second, &pair.first)];
    if let Some(value) = group.cleared.get(names[0].as_str())? {
        unseal::<ClearedRecord>("cleared", names[0].as_bytes(), value.value())?;
        return Ok(Step::Done { commit: group.commit() - 1 });
    }
    let mut known = false;
    for subject in [&pair.first, &pair.second] {
        known |= read_subject(&group.subjects, subject.as_str())?.is_some();
    }
    if !known {
        return Err(GalleryError::UnknownSubject.into());
    }
    let record = ClearedRecord {
        officer: pair.officer.as_str().to_owned(),
        reason: pair.reason.as_str().to_owned(),
        cleared_at: now.0,
    };
    let rows = names.into_iter().map(|name| Row::PutCleared(name, record.clone())).collect();
    Ok(Step::Do(Plan { rows, templates: 0 }))
}
