//! Messages about how records stand, erasure and what is kept of a person.

use super::gallery::{from_wire, out_of_range, request_id, subject_id, subject_info, to_wire};
use super::requests::{subject_request, wire_request};
use super::{BadAnswer, named, present};
use crate::gallery::{
    ChangeStanding, Erase, Erasure, HoldName, LegalBasis, Note, Obstacle, Receipt, RecordedBasis, Requester,
    StandingAction, StandingEntry, SubjectId,
};
use crate::service::client::SubjectInfo;
use crate::service::pb;
use crate::workflow::rights::{Accesses, ErasureOutcome, ErasureRequest, RecordAccess, StandingRequest, SubjectReport};
use crate::workflow::{Field, WorkflowError};

pub(super) fn requester(number: i32) -> Result<Requester, WorkflowError> {
    match pb::Requester::try_from(number) {
        Ok(pb::Requester::Person) => Ok(Requester::Person),
        Ok(pb::Requester::Authority) => Ok(Requester::Authority),
        Ok(pb::Requester::Office) => Ok(Requester::Office),
        // Nobody is taken to have asked who is not named.
        _ => Err(out_of_range(Field::Named("requester"), "it is PERSON, AUTHORITY or OFFICE")),
    }
}

pub(super) fn wire_requester(requester: Requester) -> pb::Requester {
    match requester {
        Requester::Person => pb::Requester::Person,
        Requester::Authority => pb::Requester::Authority,
        Requester::Office => pb::Requester::Office,
    }
}

pub(super) fn by(id: String) -> Result<SubjectId, WorkflowError> {
    SubjectId::new(id).map_err(|_| WorkflowError::BadId { field: Field::Named("by_id") })
}

fn standing(
    id: String,
    subject: String,
    action: StandingAction,
    by_id: String,
    reason: String,
) -> Result<StandingRequest, WorkflowError> {
    let (request_id, subject) = (request_id(id)?, subject_id(subject)?);
    let change = ChangeStanding { subject, action, by: by(by_id)?, reason: Note::new(reason)? };
    Ok(StandingRequest { request_id, change })
}

/// Converts a request.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn restrict(of: pb::RestrictRequest) -> Result<StandingRequest, WorkflowError> {
    let action = StandingAction::Restrict(requester(of.requester)?);
    standing(of.request_id, of.subject_id, action, of.by_id, of.reason)
}

/// As [`restrict`].
pub(in crate::service) fn lift(of: pb::LiftRestrictionRequest) -> Result<StandingRequest, WorkflowError> {
    let action = match of.number {
        0 => StandingAction::Lift,
        number => StandingAction::LiftOne(number),
    };
    standing(of.request_id, of.subject_id, action, of.by_id, of.reason)
}

/// As [`restrict`].
pub(in crate::service) fn hold(of: pb::HoldRequest) -> Result<StandingRequest, WorkflowError> {
    let action = StandingAction::Hold(HoldName::new(of.hold)?);
    standing(of.request_id, of.subject_id, action, of.by_id, of.reason)
}

/// As [`restrict`].
pub(in crate::service) fn release(of: pb::ReleaseHoldRequest) -> Result<StandingRequest, WorkflowError> {
    let action = StandingAction::Release(HoldName::new(of.hold)?);
    standing(of.request_id, of.subject_id, action, of.by_id, of.reason)
}

/// As [`restrict`].
pub(in crate::service) fn erase(of: pb::EraseRequest) -> Result<ErasureRequest, WorkflowError> {
    let erase = Erase {
        subject: subject_id(of.subject_id)?,
        requester: requester(of.requester)?,
        finding_open: of.finding_open,
        by: by(of.by_id)?,
        reason: Note::new(of.reason)?,
    };
    Ok(ErasureRequest { request_id: request_id(of.request_id)?, erase })
}

/// The message that asks for an erasure; `by` is empty where the server knows who calls.
pub(in crate::service) fn wire_erase(
    request_id: String,
    subject: &SubjectId,
    requester: Requester,
    finding_open: bool,
    by: String,
    reason: &Note,
) -> pb::EraseRequest {
    pb::EraseRequest {
        request_id,
        subject_id: subject.as_str().to_owned(),
        requester: wire_requester(requester).into(),
        finding_open,
        by_id: by,
        reason: reason.as_str().to_owned(),
    }
}

/// The message that restricts a record.
pub(in crate::service) fn wire_restrict(
    request_id: String,
    subject_id: String,
    requester: Requester,
    by_id: String,
    reason: String,
) -> pb::RestrictRequest {
    pb::RestrictRequest { request_id, subject_id, requester: wire_requester(requester).into(), by_id, reason }
}

impl From<Receipt> for pb::StandingResponse {
    fn from(receipt: Receipt) -> Self {
        Self { commit: receipt.commit, replayed: receipt.replayed }
    }
}

impl From<ErasureOutcome> for pb::EraseResponse {
    fn from(outcome: ErasureOutcome) -> Self {
        let obstacle = |one: Obstacle| match one {
            Obstacle::ReferralOpen => pb::Obstacle::ReferralOpen,
            Obstacle::LegalHold => pb::Obstacle::LegalHold,
            Obstacle::FindingOpen => pb::Obstacle::FindingOpen,
        };
        let (erased, waits_for) = match outcome.erasure {
            Erasure::Erased => (true, Vec::new()),
            Erasure::Waits(against) => (false, against.into_iter().map(|one| obstacle(one).into()).collect()),
        };
        Self { commit: outcome.commit, replayed: outcome.replayed, erased, waits_for, entry: outcome.entry }
    }
}

impl TryFrom<pb::EraseResponse> for ErasureOutcome {
    type Error = BadAnswer;

    fn try_from(response: pb::EraseResponse) -> Result<Self, BadAnswer> {
        let obstacle = |number: i32| match pb::Obstacle::try_from(number) {
            Ok(pb::Obstacle::ReferralOpen) => Ok(Obstacle::ReferralOpen),
            Ok(pb::Obstacle::LegalHold) => Ok(Obstacle::LegalHold),
            Ok(pb::Obstacle::FindingOpen) => Ok(Obstacle::FindingOpen),
            _ => Err(BadAnswer("waits_for")),
        };
        let erasure = match response.erased {
            true => Erasure::Erased,
            false => Erasure::Waits(response.waits_for.into_iter().map(obstacle).collect::<Result<_, _>>()?),
        };
        Ok(Self { erasure, commit: response.commit, replayed: response.replayed, entry: response.entry })
    }
}

/// What was said of a record's standing, for an answer.
pub(super) fn wire_standing(entry: StandingEntry) -> pb::StandingEntry {
    let ended = match entry.action {
        StandingAction::LiftOne(number) => number,
        _ => 0,
    };
    let (action, requester, hold, finding_open) = match entry.action {
        StandingAction::Restrict(requester) => (pb::StandingAction::Restrict, Some(requester), None, false),
        StandingAction::Lift | StandingAction::LiftOne(_) => (pb::StandingAction::Lift, None, None, false),
        StandingAction::Hold(name) => (pb::StandingAction::Hold, None, Some(name), false),
        StandingAction::Release(name) => (pb::StandingAction::Release, None, Some(name), false),
        StandingAction::AskErasure { requester, finding_open } => {
            (pb::StandingAction::AskErasure, Some(requester), None, finding_open)
        }
    };
    pb::StandingEntry {
        action: action.into(),
        requester: requester.map_or(pb::Requester::Unspecified, wire_requester).into(),
        hold: hold.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        finding_open,
        by_id: entry.by.as_str().to_owned(),
        reason: entry.reason.as_str().to_owned(),
        at: Some(to_wire(entry.at)),
        ended,
    }
}

/// What was said of a record's standing, from an answer.
pub(super) fn standing_entry(entry: pb::StandingEntry) -> Result<StandingEntry, BadAnswer> {
    let asked_by = || requester(entry.requester).map_err(|_| BadAnswer("standing.requester"));
    let hold = || HoldName::new(entry.hold.clone()).map_err(|_| BadAnswer("standing.hold"));
    let action = match pb::StandingAction::try_from(entry.action) {
        Ok(pb::StandingAction::Restrict) => StandingAction::Restrict(asked_by()?),
        Ok(pb::StandingAction::Lift) if entry.ended > 0 => StandingAction::LiftOne(entry.ended),
        Ok(pb::StandingAction::Lift) => StandingAction::Lift,
        Ok(pb::StandingAction::Hold) => StandingAction::Hold(hold()?),
        Ok(pb::StandingAction::Release) => StandingAction::Release(hold()?),
        Ok(pb::StandingAction::AskErasure) => {
            StandingAction::AskErasure { requester: asked_by()?, finding_open: entry.finding_open }
        }
        _ => return Err(BadAnswer("standing.action")),
    };
    Ok(StandingEntry {
        action,
        by: by(entry.by_id).map_err(|_| BadAnswer("standing.by_id"))?,
        reason: Note::new(entry.reason).map_err(|_| BadAnswer("standing.reason"))?,
        at: present(entry.at.and_then(from_wire), "standing.at")?,
    })
}

/// A legal basis, for an answer.
pub(super) fn wire_basis(of: RecordedBasis) -> pb::RecordedBasis {
    pb::RecordedBasis { legal_basis: of.basis.as_str().to_owned(), at: Some(to_wire(of.at)) }
}

/// A legal basis, from an answer.
pub(super) fn recorded_basis(of: pb::RecordedBasis) -> Result<RecordedBasis, BadAnswer> {
    let basis = LegalBasis::new(of.legal_basis).map_err(|_| BadAnswer("legal_bases"))?;
    Ok(RecordedBasis { basis, at: present(of.at.and_then(from_wire), "legal_bases.at")? })
}

impl From<SubjectReport> for pb::SubjectReport {
    fn from(report: SubjectReport) -> Self {
        let access = |one: RecordAccess| pb::RecordAccess {
            at: Some(to_wire(one.at)),
            kind: one.kind,
            principal: one.principal,
            unit: one.unit.unwrap_or_default(),
        };
        let log_is_kept = report.accesses.is_some();
        let Accesses { newest, truncated } = report.accesses.unwrap_or_default();
        Self {
            subject_id: report.id.as_str().to_owned(),
            subject: report.subject.map(Into::into),
            approved: report.approved,
            referred: report.referred,
            denied: report.denied,
            waiting: report.waiting,
            pairs: report.pairs,
            pictures: report.pictures,
            first_decision_at: report.decided.map(|(first, _)| to_wire(first)),
            last_decision_at: report.decided.map(|(_, last)| to_wire(last)),
            log_is_kept,
            accesses: newest.into_iter().map(access).collect(),
            accesses_truncated: truncated,
            requests: report.requests.into_iter().map(wire_request).collect(),
        }
    }
}

/// Converts the report of what is kept of a subject.
///
/// # Errors
/// [`BadAnswer`] names the field that is wrong.
pub(in crate::service) fn subject_report(of: pb::SubjectReport) -> Result<SubjectReport<SubjectInfo>, BadAnswer> {
    let access = |one: pb::RecordAccess| {
        Ok(RecordAccess {
            at: present(one.at.and_then(from_wire), "accesses.at")?,
            kind: one.kind,
            principal: one.principal,
            unit: named(one.unit),
        })
    };
    let newest = of.accesses.into_iter().map(access).collect::<Result<_, _>>()?;
    let decided = of.first_decision_at.and_then(from_wire).zip(of.last_decision_at.and_then(from_wire));
    Ok(SubjectReport {
        id: subject_id(of.subject_id).map_err(|_| BadAnswer("subject_id"))?,
        subject: of.subject.map(subject_info).transpose()?,
        approved: of.approved,
        referred: of.referred,
        denied: of.denied,
        waiting: of.waiting,
        pairs: of.pairs,
        pictures: of.pictures,
        decided,
        requests: of.requests.into_iter().map(subject_request).collect::<Result<_, _>>()?,
        accesses: of.log_is_kept.then_some(Accesses { newest, truncated: of.accesses_truncated }),
    })
}
