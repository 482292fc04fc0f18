//! Requests of people about their records: entered with the clocks in force, answered, and listed with
//! what is overdue.

use super::beneficiary::{ListPage, PageRequest};
use super::content_digest::ContentDigest;
use super::page_token::{self, List};
use super::rights::Rights;
use super::{Field, WorkflowError, reach};
use crate::context::{Reach, RequestContext};
use crate::gallery::{
    AnswerRequest, GalleryError, Look, Note, OpenRequest, ReadSet, RequestFilter, RequestId, RequestKind, Requester,
    Retry, SubjectId, SubjectRequest, Timestamp, due_at,
};
use crate::ledger::entry::Kind;

/// As far as the clock of whoever names a time of receipt may be ahead.
const AHEAD_MS_MAX: u64 = 5 * 60 * 1000;
/// Requests looked at for one page; a page may be short, and have a next one.
const LOOKED_AT_MAX: usize = 10_000;

/// Within how many calendar days of Vietnam a request of a person is answered and carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestClocks {
    /// Days to say that it came, and whether it can be carried out, 1–60.
    pub acknowledge_days: u32,
    /// Days to carry it out, 1–365.
    pub complete_days: u32,
    /// The same of an erasure, 1–365.
    pub erase_days: u32,
}

impl Default for RequestClocks {
    fn default() -> Self {
        Self { acknowledge_days: 2, complete_days: 15, erase_days: 20 }
    }
}

impl RequestClocks {
    /// Days to carry out a request of this kind.
    fn days_of(&self, kind: RequestKind) -> u32 {
        if kind == RequestKind::Erasure { self.erase_days } else { self.complete_days }
    }
}

/// A request of a person that is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSubjectRequest {
    /// Makes a retry safe.
    pub request_id: Option<RequestId>,
    /// About whose record.
    pub subject: SubjectId,
    /// What is asked for.
    pub kind: RequestKind,
    /// Who asks.
    pub requester: Requester,
    /// When the office received it; `None` for now.
    pub received_at: Option<Timestamp>,
    /// Pseudonymous id of who enters it.
    pub by: SubjectId,
    /// What was asked for, in their words.
    pub reason: Note,
}

/// An answer to a request of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerSubjectRequest {
    /// Makes a retry safe.
    pub request_id: Option<RequestId>,
    /// What is answered, by whom and why.
    pub answer: AnswerRequest,
}

/// A request of a person as it is stored then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOutcome {
    /// The request.
    pub request: SubjectRequest,
    /// Number of the commit that carried it.
    pub commit: u64,
    /// An earlier call with the same request id had done it.
    pub replayed: bool,
}

/// Which requests a list has. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestsWanted {
    /// Only those about this subject.
    pub subject: Option<SubjectId>,
    /// Only those that have not ended.
    pub open: bool,
    /// Only those that are late now.
    pub overdue: bool,
}

impl Rights<'_> {
    /// Enters a request of a person, with the clocks in force.
    ///
    /// # Errors
    /// [`WorkflowError::NumberAsId`] for an id that nobody is enrolled under and that looks like somebody's
    /// number; [`WorkflowError::OutOfRange`] for a time of receipt that is still to come;
    /// [`GalleryError::RequestIdReused`]; [`WorkflowError::OutOfReach`] for a record of another place;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn open_request(
        &self,
        context: &RequestContext,
        open: OpenSubjectRequest,
    ) -> Result<RequestOutcome, WorkflowError> {
        context.check_deadline()?;
        self.check_author(&open.by)?;
        self.check_subject(&open.subject).await?;
        self.check_reach(context, &open.subject).await?;
        let retry = open.request_id.clone().map(|request_id| Retry { request_id, content: digest(&open) });
        let now = Timestamp::now();
        let received_at = open.received_at.unwrap_or(now);
        if is_to_come(received_at, now) {
            let detail = "the day of receipt is still to come: it is today in Vietnam, or before".to_owned();
            return Err(WorkflowError::OutOfRange { field: Field::Named("received_at"), detail });
        }
        let (received_at, clocks) = (received_at.min(now), self.clocks());
        let OpenSubjectRequest { subject, kind, requester, by, reason, .. } = open;
        let (acknowledge_by, complete_by) =
            (due_at(received_at, clocks.acknowledge_days), due_at(received_at, clocks.days_of(kind)));
        let open = OpenRequest { subject, kind, requester, received_at, acknowledge_by, complete_by, by, reason };
        let (request, receipt) = self.gallery().open_request(context, open, retry).await?;
        let caller = context.principal().kind();
        tracing::info!(kind = kind.name(), replayed = receipt.replayed, caller, "a request of a person was entered");
        Ok(RequestOutcome { request, commit: receipt.commit, replayed: receipt.replayed })
    }

    /// Acknowledges or ends a request of a person.
    ///
    /// # Errors
    /// [`GalleryError::UnknownRequest`], [`GalleryError::RequestClosed`],
    /// [`GalleryError::RequestIdReused`]; [`WorkflowError::OutOfReach`] for a record of another place;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn answer_request(
        &self,
        context: &RequestContext,
        request: AnswerSubjectRequest,
    ) -> Result<RequestOutcome, WorkflowError> {
        context.check_deadline()?;
        let AnswerSubjectRequest { request_id, answer } = request;
        self.check_author(&answer.by)?;
        if context.reach() != Reach::Everything {
            let found = self.gallery().subject_request(answer.number).await?;
            match found.ok_or(GalleryError::UnknownRequest)?.subject {
                Some(subject) => self.check_reach(context, &subject).await?,
                // Of somebody who was erased: of no place any more.
                None => return Err(WorkflowError::OutOfReach),
            }
        }
        let retry = request_id.map(|request_id| Retry { request_id, content: digest_of_answer(&answer) });
        let state = answer.answer.state().name();
        let (request, receipt) = self.gallery().answer_request(context, answer, retry).await?;
        let caller = context.principal().kind();
        tracing::info!(state, replayed = receipt.replayed, caller, "a request of a person was answered");
        Ok(RequestOutcome { request, commit: receipt.commit, replayed: receipt.replayed })
    }

    /// Requests of people, lowest number first; of those a caller who is bound to its place sees those
    /// about records there. That they were looked at is entered.
    ///
    /// # Errors
    /// [`WorkflowError::PageToken`], [`WorkflowError::OutOfRange`] for a page of too many;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn requests(
        &self,
        context: &RequestContext,
        wanted: &RequestsWanted,
        page: &PageRequest,
    ) -> Result<ListPage<SubjectRequest>, WorkflowError> {
        context.check_deadline()?;
        let (gallery, size) = (self.gallery(), page.size()?);
        let mut after = page_token::number(page_token::decode(List::Requests, gallery.id(), &page.token)?)?;
        let RequestsWanted { subject, open, overdue } = wanted.clone();
        let filter = RequestFilter { subject, open, late_at: overdue.then(Timestamp::now) };
        let (mut entries, mut looked_at) = (Vec::new(), 0);
        let next = loop {
            let found = gallery.requests_after(&filter, after, size - entries.len()).await?;
            looked_at += found.requests.len();
            entries.extend(self.reached(context, found.requests).await?);
            match found.more_after {
                None => break None,
                Some(more) => after = more,
            }
            if entries.len() == size || looked_at >= LOOKED_AT_MAX {
                break Some(after);
            }
        };
        let shown = entries.iter().filter_map(|request| request.subject.clone());
        let look = Look::new(Kind::LookUp).of_records(entries.len()).at(shown);
        gallery.enter_look(context, look).await?;
        let next = next.map(|number| page_token::encode(List::Requests, gallery.id(), &number.to_le_bytes()));
        Ok(ListPage { entries, next })
    }

    /// Those about records that a caller reaches.
    async fn reached(
        &self,
        context: &RequestContext,
        requests: Vec<SubjectRequest>,
    ) -> Result<Vec<SubjectRequest>, WorkflowError> {
        if context.reach() == Reach::Everything {
            return Ok(requests);
        }
        let subjects = requests.iter().filter_map(|request| request.subject.clone()).collect();
        let records = self.gallery().read(ReadSet { subjects, ..ReadSet::default() }).await?;
        let is_reached = |request: &SubjectRequest| {
            let head = request.subject.as_ref().and_then(|subject| records.head(subject));
            head.is_some_and(|head| {
                let of = &head.attributes;
                reach::check(context, of.unit.as_deref(), of.province.as_deref()).is_ok()
            })
        };
        Ok(requests.into_iter().filter(is_reached).collect())
    }
}

/// SHA-256 of everything asked for, the request id apart.
fn digest(open: &OpenSubjectRequest) -> [u8; 32] {
    let OpenSubjectRequest { request_id: _, subject, kind, requester, received_at, by, reason } = open;
    let mut digest = ContentDigest::new("open request");
    digest.field(subject.as_str().as_bytes());
    digest.field(kind.name().as_bytes());
    digest.field(&[*requester as u8]);
    digest.field(&received_at.map(|at| at.0.to_le_bytes().to_vec()).unwrap_or_default());
    digest.field(by.as_str().as_bytes());
    digest.field(reason.as_str().as_bytes());
    digest.finish()
}

/// Whether a time of receipt is of a day of Vietnam that has not begun. A later time of today is taken for now:
/// a day is named by its midnight in UTC, which is seven in the morning there.
fn is_to_come(received_at: Timestamp, now: Timestamp) -> bool {
    received_at >= due_at(Timestamp(now.0.saturating_add(AHEAD_MS_MAX)), 0)
}

fn digest_of_answer(answer: &AnswerRequest) -> [u8; 32] {
    let AnswerRequest { number, answer, by, reason } = answer;
    let mut digest = ContentDigest::new("answer request");
    digest.field(&number.to_le_bytes());
    digest.field(answer.state().name().as_bytes());
    digest.field(by.as_str().as_bytes());
    digest.field(reason.as_str().as_bytes());
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_receipt_is_todays_of_vietnam_or_an_earlier_one() {
        let hour = 60 * 60 * 1000;
        // 2026-03-05 00:00 UTC, which is 07:00 of that day in Vietnam.
        let midnight = Timestamp(1_772_668_800_000);
        let at = |hours: u64| Timestamp(midnight.0 + hours * hour);
        let before = |hours: u64| Timestamp(midnight.0 - hours * hour);
        // Named at three and at seven in the morning, and at the end of the day before.
        assert!(!is_to_come(midnight, before(4)) && !is_to_come(midnight, midnight));
        assert!(is_to_come(midnight, before(8)), "tomorrow's date");
        assert!(is_to_come(at(24), at(16)) && !is_to_come(at(24), at(17)), "its day begins at 17:00 UTC");
        assert!(!is_to_come(before(9000), midnight));
        // A clock that is a little ahead just before midnight.
        assert!(!is_to_come(at(17), Timestamp(at(17).0 - 60_000)));
    }
}
