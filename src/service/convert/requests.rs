//! Messages about requests of people.

use super::cases::{page, wire_size};
use super::gallery::{from_wire, out_of_range, request_id, subject_id, to_wire};
use super::rights::{by, requester, wire_requester};
use super::{BadAnswer, named, present};
use crate::gallery::{
    AnswerRequest, Clock, Closing, Note, RequestAnswer, RequestKind, RequestState, RequestStep, SubjectId,
    SubjectRequest, Timestamp,
};
use crate::service::pb;
use crate::workflow::beneficiary::{ListPage, PageRequest};
use crate::workflow::requests::{AnswerSubjectRequest, OpenSubjectRequest, RequestOutcome, RequestsWanted};
use crate::workflow::{Field, WorkflowError};

fn kind(number: i32) -> Option<RequestKind> {
    match pb::RequestKind::try_from(number) {
        Ok(pb::RequestKind::Access) => Some(RequestKind::Access),
        Ok(pb::RequestKind::Correction) => Some(RequestKind::Correction),
        Ok(pb::RequestKind::Restriction) => Some(RequestKind::Restriction),
        Ok(pb::RequestKind::Erasure) => Some(RequestKind::Erasure),
        Ok(pb::RequestKind::Objection) => Some(RequestKind::Objection),
        // Nothing is taken to be asked for that is not named.
        Ok(pb::RequestKind::Unspecified) | Err(_) => None,
    }
}

fn wire_kind(kind: RequestKind) -> pb::RequestKind {
    match kind {
        RequestKind::Access => pb::RequestKind::Access,
        RequestKind::Correction => pb::RequestKind::Correction,
        RequestKind::Restriction => pb::RequestKind::Restriction,
        RequestKind::Erasure => pb::RequestKind::Erasure,
        RequestKind::Objection => pb::RequestKind::Objection,
    }
}

/// Converts a request.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn open_request(of: pb::OpenRequestRequest) -> Result<OpenSubjectRequest, WorkflowError> {
    let no_kind = || out_of_range(Field::Named("kind"), "it is ACCESS, CORRECTION, RESTRICTION, ERASURE or OBJECTION");
    let no_time = || out_of_range(Field::Named("received_at"), "it is no time from 1970 on");
    let received_at = of.received_at.map(|at| from_wire(at).ok_or_else(no_time)).transpose()?;
    Ok(OpenSubjectRequest {
        request_id: request_id(of.request_id)?,
        subject: subject_id(of.subject_id)?,
        kind: kind(of.kind).ok_or_else(no_kind)?,
        requester: requester(of.requester)?,
        received_at,
        by: by(of.by_id)?,
        reason: Note::new(of.reason)?,
    })
}

/// The message that enters a request; `by` is empty where the server knows who calls.
pub(in crate::service) fn wire_open(
    request_id: String,
    (subject, kind, requester): (&SubjectId, RequestKind, crate::gallery::Requester),
    received_at: Option<Timestamp>,
    by_id: String,
    reason: &Note,
) -> pb::OpenRequestRequest {
    pb::OpenRequestRequest {
        request_id,
        subject_id: subject.as_str().to_owned(),
        kind: wire_kind(kind).into(),
        requester: wire_requester(requester).into(),
        received_at: received_at.map(to_wire),
        by_id,
        reason: reason.as_str().to_owned(),
    }
}

/// As [`open_request`].
pub(in crate::service) fn acknowledge_request(
    of: pb::AcknowledgeRequestRequest,
) -> Result<AnswerSubjectRequest, WorkflowError> {
    let (by, reason) = (by(of.by_id)?, Note::new(of.reason)?);
    let answer = AnswerRequest { number: of.number, answer: RequestAnswer::Acknowledge, by, reason };
    Ok(AnswerSubjectRequest { request_id: request_id(of.request_id)?, answer })
}

/// As [`open_request`].
pub(in crate::service) fn close_request(of: pb::CloseRequestRequest) -> Result<AnswerSubjectRequest, WorkflowError> {
    let answer = match pb::RequestState::try_from(of.outcome) {
        Ok(pb::RequestState::Completed) => RequestAnswer::Complete,
        Ok(pb::RequestState::Refused) => RequestAnswer::Refuse,
        _ => return Err(out_of_range(Field::Named("outcome"), "it is COMPLETED or REFUSED")),
    };
    let answer = AnswerRequest { number: of.number, answer, by: by(of.by_id)?, reason: Note::new(of.reason)? };
    Ok(AnswerSubjectRequest { request_id: request_id(of.request_id)?, answer })
}

/// As [`open_request`].
pub(in crate::service) fn list_requests(
    of: pb::ListRequestsRequest,
) -> Result<(RequestsWanted, PageRequest), WorkflowError> {
    let subject = named(of.subject_id).map(subject_id).transpose()?;
    let wanted = RequestsWanted { subject, open: of.open, overdue: of.overdue };
    Ok((wanted, page(of.page_size, of.page_token)))
}

/// The message that asks for a page of requests.
pub(in crate::service) fn wire_list_requests(wanted: &RequestsWanted, page: PageRequest) -> pb::ListRequestsRequest {
    pb::ListRequestsRequest {
        subject_id: wanted.subject.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
        open: wanted.open,
        overdue: wanted.overdue,
        page_size: wire_size(&page),
        page_token: page.token,
    }
}

fn wire_step(step: RequestStep) -> pb::RequestStep {
    pb::RequestStep {
        by_id: step.by.map(|by| by.as_str().to_owned()).unwrap_or_default(),
        reason: step.reason.map(|reason| reason.as_str().to_owned()).unwrap_or_default(),
        at: Some(to_wire(step.at)),
    }
}

fn step(of: pb::RequestStep) -> Result<RequestStep, BadAnswer> {
    Ok(RequestStep {
        by: named(of.by_id).map(|id| SubjectId::new(id).map_err(|_| BadAnswer("by_id"))).transpose()?,
        reason: named(of.reason).map(|text| Note::new(text).map_err(|_| BadAnswer("reason"))).transpose()?,
        at: present(of.at.and_then(from_wire), "at")?,
    })
}

/// A request of a person, for an answer; how late it is, as of now.
pub(super) fn wire_request(request: SubjectRequest) -> pb::SubjectRequest {
    let state = match request.state() {
        RequestState::Open => pb::RequestState::Open,
        RequestState::Acknowledged => pb::RequestState::Acknowledged,
        RequestState::Completed => pb::RequestState::Completed,
        RequestState::Refused => pb::RequestState::Refused,
        RequestState::Superseded => pb::RequestState::Superseded,
    };
    let late = request.late(Timestamp::now());
    let clock = match late.map(|late| late.clock) {
        Some(Clock::Acknowledge) => pb::RequestClock::Acknowledge,
        Some(Clock::Complete) => pb::RequestClock::Complete,
        None => pb::RequestClock::Unspecified,
    };
    pb::SubjectRequest {
        number: request.number,
        subject_id: request.subject.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        kind: wire_kind(request.kind).into(),
        requester: wire_requester(request.requester).into(),
        received_at: Some(to_wire(request.received_at)),
        acknowledge_by: Some(to_wire(request.acknowledge_by)),
        complete_by: Some(to_wire(request.complete_by)),
        state: state.into(),
        opened: Some(wire_step(request.opened)),
        acknowledged: request.acknowledged.map(wire_step),
        closed: request.closed.map(|(_, step)| wire_step(step)),
        late: clock.into(),
        days_late: late.map_or(0, |late| late.days),
    }
}

/// A request of a person, from an answer.
pub(super) fn subject_request(of: pb::SubjectRequest) -> Result<SubjectRequest, BadAnswer> {
    let closing = match pb::RequestState::try_from(of.state) {
        Ok(pb::RequestState::Open | pb::RequestState::Acknowledged) => None,
        Ok(pb::RequestState::Completed) => Some(Closing::Completed),
        Ok(pb::RequestState::Refused) => Some(Closing::Refused),
        Ok(pb::RequestState::Superseded) => Some(Closing::Superseded),
        _ => return Err(BadAnswer("requests.state")),
    };
    let closed = match closing {
        Some(closing) => Some((closing, step(present(of.closed, "requests.closed")?)?)),
        None => None,
    };
    let at = |at: Option<prost_types::Timestamp>, field| present(at.and_then(from_wire), field);
    Ok(SubjectRequest {
        number: of.number,
        subject: named(of.subject_id).map(|id| SubjectId::new(id).map_err(|_| BadAnswer("subject_id"))).transpose()?,
        kind: kind(of.kind).ok_or(BadAnswer("requests.kind"))?,
        requester: requester(of.requester).map_err(|_| BadAnswer("requests.requester"))?,
        received_at: at(of.received_at, "requests.received_at")?,
        acknowledge_by: at(of.acknowledge_by, "requests.acknowledge_by")?,
        complete_by: at(of.complete_by, "requests.complete_by")?,
        opened: step(present(of.opened, "requests.opened")?)?,
        acknowledged: of.acknowledged.map(step).transpose()?,
        closed,
    })
}

impl From<RequestOutcome> for pb::SubjectRequestResponse {
    fn from(outcome: RequestOutcome) -> Self {
        let RequestOutcome { request, commit, replayed } = outcome;
        Self { request: Some(wire_request(request)), commit, replayed }
    }
}

impl TryFrom<pb::SubjectRequestResponse> for RequestOutcome {
    type Error = BadAnswer;

    fn try_from(of: pb::SubjectRequestResponse) -> Result<Self, BadAnswer> {
        let request = subject_request(present(of.request, "request")?)?;
        Ok(Self { request, commit: of.commit, replayed: of.replayed })
    }
}

impl From<ListPage<SubjectRequest>> for pb::ListRequestsResponse {
    fn from(page: ListPage<SubjectRequest>) -> Self {
        let requests = page.entries.into_iter().map(wire_request).collect();
        Self { requests, next_page_token: page.next.unwrap_or_default() }
    }
}

/// A page of requests, from an answer.
///
/// # Errors
/// [`BadAnswer`] names the field that is wrong.
pub(in crate::service) fn requests_page(of: pb::ListRequestsResponse) -> Result<ListPage<SubjectRequest>, BadAnswer> {
    let entries = of.requests.into_iter().map(subject_request).collect::<Result<_, _>>()?;
    Ok(ListPage { entries, next: named(of.next_page_token) })
}
