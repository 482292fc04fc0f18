//! Requests of people about their records: entering them, and answering each once.

use super::{Planned, Rows, Write, once, request_of};
use crate::gallery::records::{ReadSet, Records};
use crate::gallery::{
    AnswerRequest, Closing, GalleryError, OpenRequest, RequestAnswer, RequestStep, Retry, SubjectId, SubjectRequest,
    Timestamp,
};

pub(super) fn reads_to_open(open: &OpenRequest, retry: &Option<Retry>) -> ReadSet {
    ReadSet { request: request_of(retry), requests_of: Some(open.subject.clone()), ..ReadSet::default() }
}

pub(super) fn reads_to_answer(answer: &AnswerRequest, retry: &Option<Retry>) -> ReadSet {
    ReadSet { request: request_of(retry), subject_request: Some(answer.number), ..ReadSet::default() }
}

/// Enters a request under the next number.
pub(super) fn plan(
    open: &OpenRequest,
    retry: Option<&Retry>,
    records: &Records,
    now: Timestamp,
) -> Result<Planned, GalleryError> {
    let new = SubjectRequest {
        number: records.subject_request_next,
        subject: Some(open.subject.clone()),
        kind: open.kind,
        requester: open.requester,
        received_at: open.received_at,
        acknowledge_by: open.acknowledge_by,
        complete_by: open.complete_by,
        opened: step(&open.by, &open.reason, now),
        acknowledged: None,
        closed: None,
    };
    let planned =
        once(retry, records, || Ok(Rows { number: new.number, ..Rows::of(vec![Write::SubjectRequest(new.clone())]) }))?;
    Ok(told(planned, new, records))
}

fn step(by: &SubjectId, reason: &crate::gallery::Note, at: Timestamp) -> RequestStep {
    RequestStep { by: Some(by.clone()), reason: Some(reason.clone()), at }
}

/// Acknowledges or ends a request. What is so already is done already.
pub(super) fn plan_answer(
    answer: &AnswerRequest,
    retry: Option<&Retry>,
    records: &Records,
    now: Timestamp,
) -> Result<Planned, GalleryError> {
    let found = records.subject_requests.iter().find(|request| request.number == answer.number);
    let before = found.ok_or(GalleryError::UnknownRequest)?;
    let (step, mut after) = (step(&answer.by, &answer.reason, now), before.clone());
    let is_so = before.state() == answer.answer.state();
    match answer.answer {
        RequestAnswer::Acknowledge => after.acknowledged = Some(step),
        RequestAnswer::Complete => after.closed = Some((Closing::Completed, step)),
        RequestAnswer::Refuse => after.closed = Some((Closing::Refused, step)),
    }
    let after = if is_so { before.clone() } else { after };
    let planned = once(retry, records, || match (is_so, before.is_open()) {
        (true, _) => Ok(Rows::of(Vec::new())),
        (false, false) => Err(GalleryError::RequestClosed),
        (false, true) => Ok(Rows::of(vec![Write::SubjectRequest(after.clone())])),
    })?;
    Ok(told(planned, after, records))
}

/// The plan with the request as it is stored then; of a retry, as it stands now.
fn told(mut planned: Planned, written: SubjectRequest, records: &Records) -> Planned {
    let committed = match &mut planned {
        Planned::Write(plan) => &mut plan.committed,
        Planned::Done(committed) => committed,
    };
    committed.subject_request = match (committed.receipt.replayed, &records.request) {
        (true, Some(earlier)) => {
            let number = if earlier.number > 0 { earlier.number } else { written.number };
            records.subject_requests.iter().find(|request| request.number == number).cloned()
        }
        _ => Some(written),
    };
    planned
}
