//! Decisions and what officers make of them: attempts, reuse of ids, closing, and whether what a
//! decision rests on still holds.

use super::{Plan, Planned, Write, challenge, enrolment};
use crate::face::Template;
use crate::gallery::records::{Committed, ReadSet, Records};
use crate::gallery::{
    Basis, EnrolMode, GalleryError, NewDecision, Outcome, Receipt, Resolution, ResolveCommand, Searched, StoredCapture,
    StoredDecision, StoredPictures, SubjectHead, SubjectId, Timestamp,
};
use crate::matching::compare;

/// Which attempt of a transaction may be decided after its last one: about the same subject and
/// scheme, in the same unit, whose officers answer for it, while no officer has taken it up, the next. A transaction that is closed says so before anything is
/// said of numbers, which would be of no use.
///
/// # Errors
/// [`GalleryError::TransactionReused`], [`GalleryError::TransactionClosed`].
pub fn next_attempt(
    last: Option<&StoredDecision>,
    subject: &SubjectId,
    scheme: &str,
    unit: Option<&str>,
) -> Result<u32, GalleryError> {
    let Some(last) = last else { return Ok(1) };
    if last.subject != *subject || last.scheme != scheme || last.unit.as_deref() != unit {
        return Err(GalleryError::TransactionReused);
    }
    if last.outcome == Outcome::Approve || !last.resolutions.is_empty() {
        return Err(GalleryError::TransactionClosed);
    }
    Ok(last.key.attempt + 1)
}

pub(super) fn reads(decision: &NewDecision) -> ReadSet {
    let basis = decision.basis.as_ref();
    ReadSet {
        decision: Some(decision.key.clone()),
        // Their pictures go.
        attempts: decision.outcome == Outcome::Approve && decision.key.attempt > 1,
        subjects: vec![decision.subject.clone()],
        cleared_with: basis.map(|_| decision.subject.clone()),
        captures_since: basis.and_then(|basis| basis.captures_before).map(|since| {
            let bands = decision.captures.iter().flat_map(|capture| capture.bands.iter().copied());
            (since, bands.collect())
        }),
        challenges_of: decision.challenge.as_ref().map(|used| used.owner.clone()),
        newest_of: basis.and_then(|basis| basis.newest).map(|_| decision.subject.clone()),
        arrived_after: basis.and_then(|basis| basis.searched.iter().flatten().map(|searched| searched.as_of).min()),
        ..ReadSet::default()
    }
}

/// A decision, its enrolment and the time of the verification: all or nothing.
pub(super) fn plan(decision: &NewDecision, records: &Records, now: Timestamp) -> Result<Planned, GalleryError> {
    let key = &decision.key;
    if let Some(earlier) = &records.decision {
        // Also where the transaction has gone on since: a late retry gets its answer.
        return match earlier.content == decision.content {
            true => Ok(Planned::Done(answered(earlier.clone(), true))),
            false => Err(GalleryError::TransactionReused),
        };
    }
    let expected =
        next_attempt(records.last_decision.as_ref(), &decision.subject, &decision.scheme, decision.unit.as_deref())?;
    if key.attempt != expected {
        return Err(GalleryError::AttemptOutOfOrder { expected });
    }
    let is_restricted = records.head(&decision.subject).is_some_and(|head| head.standing.is_restricted());
    // Before anything else, so that one that was made of the record as it was is made anew.
    if let Some(basis) = &decision.basis {
        check_basis(decision, basis, records)?;
    }
    if is_restricted && decision.outcome == Outcome::Approve {
        return Err(GalleryError::RecordRestricted);
    }
    let used = decision.challenge.as_ref();
    // Of two who bring the answer to one challenge, the second does not pass here.
    let used = used.map(|used| challenge::used(&used.owner, &used.digest, key.attempt, records, now)).transpose()?;

    let (mut writes, mut templates) = (Vec::new(), 0);
    let mut written = None;
    if let Some(enrolment) = &decision.enrolment {
        if enrolment.subject != decision.subject || enrolment.mode != EnrolMode::Create {
            return Err(GalleryError::SubjectExists);
        }
        let (rows, head) = enrolment::plan(enrolment, records, now)?;
        writes = rows;
        // At most `Subject::TEMPLATES_MAX`.
        templates = head.templates.len() as u32;
        written = Some(head);
    }
    if decision.outcome == Outcome::Approve {
        written = written.or_else(|| records.head(&decision.subject).cloned());
        written = written.map(|head| verified(head, &decision.scheme, records.commit, now));
    }
    writes.extend(written.map(Write::Subject));
    let pictures = decision.pictures.as_ref().filter(|_| records.is_sealed && decision.outcome != Outcome::Approve);
    let pictures = pictures.map(|new| StoredPictures {
        number: records.decision_next,
        subject: decision.subject.clone(),
        kept_at: now,
        kept_until: Timestamp(now.0.saturating_add(new.lifetime_ms)),
        pictures: new.pictures.clone(),
        left_out: new.left_out,
    });
    let stored = StoredDecision {
        key: key.clone(),
        content: decision.content,
        subject: decision.subject.clone(),
        scheme: decision.scheme.clone(),
        outcome: decision.outcome,
        reasons: decision.reasons.clone(),
        presented_by: decision.presented_by.clone(),
        unit: decision.unit.clone(),
        province: decision.province.clone(),
        answer: decision.answer.clone(),
        decided_at: now,
        commit: records.commit,
        number: records.decision_next,
        resolutions: Vec::new(),
        officers_needed: 0,
        pictures_until: pictures.as_ref().map(|pictures| pictures.kept_until),
    };
    writes.push(Write::Decision(stored.clone()));
    writes.extend(pictures.map(Write::Pictures));
    if decision.outcome == Outcome::Approve {
        writes.extend(without_pictures(&records.attempts));
    }
    writes.extend(used);
    let expires_at = Timestamp(now.0.saturating_add(decision.captures_lifetime_ms));
    writes.extend((0u32..).zip(records.capture_next..).zip(&decision.captures).map(|((frame, number), content)| {
        Write::Capture(StoredCapture {
            number,
            key: key.clone(),
            subject: decision.subject.clone(),
            frame,
            unit: decision.unit.clone(),
            at: now,
            expires_at,
            content: content.clone(),
        })
    }));
    let receipt = Receipt { commit: records.commit, templates, replayed: false };
    Ok(Planned::Write(Plan { writes, committed: Committed { decision: Some(stored), ..Committed::of(receipt) } }))
}

/// Rows that take away the pictures of a transaction that is closed: nobody looks at it any more.
fn without_pictures(attempts: &[StoredDecision]) -> impl Iterator<Item = Write> {
    let with_pictures = attempts.iter().filter(|attempt| attempt.pictures_until.is_some());
    with_pictures.map(|attempt| Write::RemovePictures(attempt.number))
}

/// Whether nothing that a decision rests on has changed since it was read, and nobody with the
/// same face came after the search. Where two claims bring one face under two numbers at the same
/// moment, the one that is committed second does not pass here, whoever decides it and where.
fn check_basis(decision: &NewDecision, basis: &Basis, records: &Records) -> Result<(), GalleryError> {
    if records.head(&decision.subject) != basis.subject.as_ref() || records.cleared_with != basis.cleared_with {
        return Err(GalleryError::Outdated);
    }
    // Where one picture is shown for two claims at once, the second sees the first.
    if records.captures.iter().any(|capture| capture.key.transaction != decision.key.transaction) {
        return Err(GalleryError::Outdated);
    }
    // Where many ask for one record at once, each is counted.
    if basis.newest.is_some_and(|newest| newest != records.newest) {
        return Err(GalleryError::Outdated);
    }
    let Some(searched) = basis.searched.as_ref().filter(|searched| !searched.is_empty()) else { return Ok(()) };
    // Where the log does not reach back to the search, nobody knows who came.
    let arrived = records.arrived.as_ref().ok_or(GalleryError::Outdated)?;
    let is_another =
        |subject: &SubjectId| *subject != decision.subject && basis.cleared_with.binary_search(subject).is_err();
    let is_alike = |template: &Template| {
        let of_its_recipe = searched.iter().find(|searched| searched.probe.recipe() == template.recipe());
        // One of a recipe that was not searched may show the same face.
        of_its_recipe
            .is_none_or(|Searched { probe, score, .. }| compare(probe, template).is_ok_and(|found| found >= *score))
    };
    // Of restricted records as the search does.
    match arrived
        .iter()
        .any(|one| !one.restricted && is_another(&one.subject) && is_alike(&one.template.content.template))
    {
        true => Err(GalleryError::Outdated),
        false => Ok(()),
    }
}

/// The head with the time at which its subject was verified for a scheme.
fn verified(mut head: SubjectHead, scheme: &str, commit: u64, now: Timestamp) -> SubjectHead {
    head.last_verified.insert(scheme.to_owned(), now);
    head.changed_in = commit;
    head
}

fn answered(decision: StoredDecision, replayed: bool) -> Committed {
    let receipt = Receipt { commit: decision.commit, templates: 0, replayed };
    Committed { decision: Some(decision), ..Committed::of(receipt) }
}

/// An officer's answer to the last attempt of a transaction, which did not approve: referred or
/// denied. A denial closes it, and so does the approval of as many officers as it takes. Nobody
/// answers who presented an attempt of it, or enrolled the subject.
pub(super) fn plan_resolution(
    command: &ResolveCommand,
    records: &Records,
    now: Timestamp,
) -> Result<Planned, GalleryError> {
    let ResolveCommand { key, resolution, officers_needed } = command;
    let last = records.last_decision.as_ref();
    let unknown = || if last.is_some() { GalleryError::UnknownAttempt } else { GalleryError::UnknownTransaction };
    let mut decision = records.decision.clone().ok_or_else(unknown)?;
    let resolution = Resolution { resolved_at: now, ..resolution.clone() };
    let is_said =
        |earlier: &Resolution| Resolution { resolved_at: earlier.resolved_at, ..resolution.clone() } == *earlier;
    if decision.resolutions.iter().any(is_said) {
        return Ok(Planned::Done(answered(decision, true)));
    }
    if decision.resolution().is_some() {
        return Err(GalleryError::AlreadyResolved);
    }
    let may_be = decision.outcome != Outcome::Approve && last.is_some_and(|last| last.key == *key);
    if !may_be || resolution.outcome == Outcome::Refer {
        return Err(GalleryError::NotReferred);
    }
    let officer = &resolution.officer;
    let head = records.head(&decision.subject);
    let presented = records
        .attempts
        .iter()
        .any(|attempt| attempt.presented_by.as_ref().is_some_and(|by| by.is_of_same_person(officer)));
    if presented || head.is_some_and(|head| head.was_enrolled_by(officer)) {
        return Err(GalleryError::OfficerInvolved);
    }
    // The first answer says how many it takes. Nobody is two officers.
    let has_answered = decision.resolutions.iter().any(|earlier| earlier.officer.is_of_same_person(officer));
    if has_answered && resolution.outcome == Outcome::Approve {
        return Err(GalleryError::AlreadyResolved);
    }
    if decision.resolutions.is_empty() {
        decision.officers_needed = (*officers_needed).max(1);
    }
    decision.resolutions.push(resolution);
    let mut writes = Vec::new();
    if decision.resolution().is_some_and(|closing| closing.outcome == Outcome::Approve) {
        // One who is not enrolled has no such time.
        let verified = head.cloned().map(|head| verified(head, &decision.scheme, records.commit, now));
        writes.extend(verified.map(Write::Subject));
    }
    if decision.resolution().is_some() {
        writes.extend(without_pictures(&records.attempts));
    }
    writes.push(Write::Decision(decision.clone()));
    let receipt = Receipt { commit: records.commit, templates: 0, replayed: false };
    let committed = Committed { decision: Some(decision), ..Committed::of(receipt) };
    Ok(Planned::Write(Plan { writes, committed }))
}
