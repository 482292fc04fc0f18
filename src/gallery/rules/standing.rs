//! How a record stands: restricting it, holding it for the law, and erasing it where nothing stands
//! against that. A record whose evidence is still needed is restricted in place of being erased:
//! otherwise whoever defrauds a scheme has the evidence erased.

use std::collections::BTreeSet;

use super::enrolment::removed_templates;
use super::{Planned, Rows, Write, forgotten_pairs, once, request_of};
use crate::gallery::records::{ReadSet, Records};
use crate::gallery::{
    ChangeStanding, Erase, Erasure, GalleryError, Obstacle, Retry, StandingAction, StandingEntry, SubjectHead,
    SubjectId, Timestamp,
};

pub(super) fn reads(change: &ChangeStanding, retry: &Option<Retry>) -> ReadSet {
    ReadSet { request: request_of(retry), subjects: vec![change.subject.clone()], ..ReadSet::default() }
}

pub(super) fn reads_for_erasure(erase: &Erase, retry: &Option<Retry>) -> ReadSet {
    ReadSet {
        request: request_of(retry),
        requests_of: Some(erase.subject.clone()),
        key_of: Some(erase.subject.clone()),
        ..reads_for_removal(&erase.subject)
    }
}

/// What must be read before anything of a record is removed.
pub(super) fn reads_for_removal(subject: &SubjectId) -> ReadSet {
    ReadSet {
        subjects: vec![subject.clone()],
        cleared_with: Some(subject.clone()),
        decisions_about: Some(subject.clone()),
        ..ReadSet::default()
    }
}

/// Whether evidence in a record, or in decisions about it, is still needed.
pub(super) fn waits_for_officer(records: &Records) -> bool {
    records.about.iter().any(|decision| decision.waits)
}

/// Whether a record is restricted or held.
pub(super) fn is_kept(id: &SubjectId, records: &Records) -> bool {
    records.head(id).is_some_and(|head| head.standing.is_kept())
}

/// Refuses to remove or replace what must be kept as it is.
///
/// # Errors
/// [`GalleryError::RecordKept`].
pub(super) fn check_removable(id: &SubjectId, records: &Records) -> Result<(), GalleryError> {
    if is_kept(id, records) || waits_for_officer(records) { Err(GalleryError::RecordKept) } else { Ok(()) }
}

/// Restricts or holds a record, or ends that. What is so already is done already; a restriction of another
/// requester, or for another reason, stands beside those there are.
pub(super) fn plan(
    change: &ChangeStanding,
    retry: Option<&Retry>,
    records: &Records,
    now: Timestamp,
) -> Result<Planned, GalleryError> {
    once(retry, records, || {
        let head = records.head(&change.subject).ok_or(GalleryError::UnknownSubject)?;
        let restrictions = head.standing.restrictions();
        let held = |name| head.standing.holds().into_iter().find(|(held, _)| *held == name).map(|(_, entry)| entry);
        let is_same = |entry: &StandingEntry| entry.action == change.action && entry.reason == change.reason;
        let is_so = match &change.action {
            StandingAction::Restrict(_) => restrictions.iter().any(|(_, entry)| is_same(entry)),
            StandingAction::Hold(name) => match held(name) {
                // One release would end both.
                Some(entry) if !is_same(entry) => return Err(GalleryError::HoldNameTaken),
                found => found.is_some(),
            },
            StandingAction::Lift if restrictions.is_empty() => return Err(GalleryError::NotRestricted),
            StandingAction::Lift if restrictions.len() > 1 => {
                let numbers = restrictions.iter().map(|(number, _)| *number).collect();
                return Err(GalleryError::SeveralRestrictions { numbers });
            }
            StandingAction::LiftOne(number) if !restrictions.iter().any(|(one, _)| one == number) => {
                return Err(GalleryError::NotRestricted);
            }
            StandingAction::Release(name) if held(name).is_none() => return Err(GalleryError::UnknownHold),
            // An erasure is asked for by erasing.
            StandingAction::AskErasure { .. } => return Err(GalleryError::RecordKept),
            StandingAction::Lift | StandingAction::LiftOne(_) | StandingAction::Release(_) => false,
        };
        let entry = StandingEntry {
            action: change.action.clone(),
            by: change.by.clone(),
            reason: change.reason.clone(),
            at: now,
        };
        Ok(match is_so {
            true => Rows { templates: head.templates.len() as u32, ..Rows::of(Vec::new()) },
            false => Rows::of_subject((Vec::new(), with(head, entry, records, now))),
        })
    })
}

fn with(head: &SubjectHead, entry: StandingEntry, records: &Records, now: Timestamp) -> SubjectHead {
    let mut head = head.clone();
    head.standing.entries.push(entry);
    SubjectHead { updated_at: now, changed_in: records.commit, ..head }
}

/// Takes away everything that is kept of a subject, or restricts the record until what stands against
/// that has ended.
pub(super) fn plan_erasure(
    erase: &Erase,
    retry: Option<&Retry>,
    records: &Records,
    now: Timestamp,
) -> Result<Planned, GalleryError> {
    let against = obstacles(erase, records);
    let mut planned = once(retry, records, || match against.is_empty() {
        true => everything(&erase.subject, records, now),
        false => restricted(erase, records, now),
    })?;
    let committed = match &mut planned {
        Planned::Write(plan) => &mut plan.committed,
        Planned::Done(committed) => {
            let number = records.request.as_ref().map_or(0, |request| request.number);
            committed.entry = number.checked_sub(1);
            committed
        }
    };
    // A record has a template at least, so the receipt of a retry says whether one was left.
    committed.erasure = Some(match committed.receipt.templates {
        0 => Erasure::Erased,
        _ => Erasure::Waits(against),
    });
    Ok(planned)
}

fn obstacles(erase: &Erase, records: &Records) -> Vec<Obstacle> {
    let is_held = records.head(&erase.subject).is_some_and(|head| !head.standing.holds().is_empty());
    let each = Obstacle::ALL.into_iter().filter(|obstacle| match obstacle {
        Obstacle::ReferralOpen => waits_for_officer(records),
        Obstacle::LegalHold => is_held,
        Obstacle::FindingOpen => erase.finding_open,
    });
    each.collect()
}

fn restricted(erase: &Erase, records: &Records, now: Timestamp) -> Result<Rows, GalleryError> {
    let Some(head) = records.head(&erase.subject) else {
        // Nothing is there that could be restricted; what waits is decisions alone.
        return Err(if is_known(records) { GalleryError::RecordKept } else { GalleryError::UnknownSubject });
    };
    let action = StandingAction::AskErasure { requester: erase.requester, finding_open: erase.finding_open };
    let is_asked = head.standing.restrictions().iter().any(|(_, asked)| asked.action == action);
    let entry = StandingEntry { action, by: erase.by.clone(), reason: erase.reason.clone(), at: now };
    Ok(match is_asked {
        true => Rows { templates: head.templates.len() as u32, ..Rows::of(Vec::new()) },
        false => Rows::of_subject((Vec::new(), with(head, entry, records, now))),
    })
}

/// Whether anything is kept of who is not enrolled: decisions, pairs, requests, or the key of what was.
fn is_known(records: &Records) -> bool {
    let Records { about, pairs, subject_requests, has_key, .. } = records;
    *has_key || !about.is_empty() || !pairs.is_empty() || !subject_requests.is_empty()
}

/// Rows that take away everything of a subject: the record with its templates, decisions about it and
/// what belongs to them, pairs, and the key that its rows are sealed under. Of requests about it there
/// stays that they were made, and when they were answered.
fn everything(id: &SubjectId, records: &Records, now: Timestamp) -> Result<Rows, GalleryError> {
    let head = records.head(id);
    if head.is_none() && !is_known(records) {
        return Err(GalleryError::UnknownSubject);
    }
    let mut writes: Vec<Write> = head.into_iter().flat_map(removed_templates).collect();
    writes.extend(forgotten_pairs(records));
    writes.push(Write::ForgetCaptures(id.clone()));
    let transactions: BTreeSet<_> = records.about.iter().map(|decision| decision.key.transaction.clone()).collect();
    writes.extend(transactions.into_iter().map(Write::ForgetChallenges));
    writes.push(Write::ForgetDecisions(id.clone()));
    writes.push(Write::ForgetRequests(id.clone()));
    writes.extend(records.subject_requests.iter().map(|request| Write::SubjectRequest(request.bare(now))));
    writes.extend(head.map(|_| Write::RemoveSubject(id.clone())));
    writes.push(Write::ForgetKey(id.clone()));
    Ok(Rows::of(writes))
}
