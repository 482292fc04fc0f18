//! How records stand, erasure, and what is kept of a person. Where the client's token names the
//! caller, a request says nothing of who it is.

use super::{Client, ClientError, SubjectInfo};
use crate::gallery::{
    Note, Receipt, RequestAnswer, RequestId, RequestKind, Requester, StandingAction, SubjectId, SubjectRequest,
    Timestamp,
};
use crate::service::{convert, pb};
use crate::workflow::beneficiary::{ListPage, PageRequest};
use crate::workflow::requests::{RequestOutcome, RequestsWanted};
use crate::workflow::rights::{ErasureOutcome, SubjectReport};

/// What a request about a record's standing has besides what it does.
#[derive(Debug, Clone, Copy)]
pub struct RightsCall<'a> {
    /// Makes a retry safe.
    pub request_id: Option<&'a RequestId>,
    /// Whose record.
    pub subject: &'a SubjectId,
    /// Who does it; `None` where the server knows who calls.
    pub by: Option<&'a SubjectId>,
    /// Why.
    pub reason: &'a Note,
}

/// An answer to a request of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerCall<'a> {
    /// Makes a retry safe.
    pub request_id: Option<&'a RequestId>,
    /// Number of the request of the person.
    pub number: u64,
    /// What is answered.
    pub answer: RequestAnswer,
    /// Who answers; `None` where the server knows who calls.
    pub by: Option<&'a SubjectId>,
    /// Why.
    pub reason: &'a Note,
}

impl RightsCall<'_> {
    fn request_id(&self) -> String {
        self.request_id.map(|id| id.as_str().to_owned()).unwrap_or_default()
    }

    fn by(&self) -> String {
        self.by.map(|by| by.as_str().to_owned()).unwrap_or_default()
    }
}

impl Client {
    /// Restricts or holds a record, or ends that. An erasure is asked for by [`Client::erase`].
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn change_standing(&self, call: RightsCall<'_>, action: &StandingAction) -> Result<Receipt, ClientError> {
        let (request_id, by_id) = (call.request_id(), call.by());
        let (subject_id, reason) = (call.subject.as_str().to_owned(), call.reason.as_str().to_owned());
        let mut rights = self.rights.clone();
        let answer = match action {
            StandingAction::Restrict(requester) | StandingAction::AskErasure { requester, .. } => {
                let message = convert::wire_restrict(request_id, subject_id, *requester, by_id, reason);
                rights.restrict(self.request(message)).await?
            }
            StandingAction::Lift | StandingAction::LiftOne(_) => {
                let number = match action {
                    StandingAction::LiftOne(number) => *number,
                    _ => 0,
                };
                let message = pb::LiftRestrictionRequest { request_id, subject_id, by_id, reason, number };
                rights.lift_restriction(self.request(message)).await?
            }
            StandingAction::Hold(name) => {
                let hold = name.as_str().to_owned();
                let message = pb::HoldRequest { request_id, subject_id, hold, by_id, reason };
                rights.hold(self.request(message)).await?
            }
            StandingAction::Release(name) => {
                let hold = name.as_str().to_owned();
                let message = pb::ReleaseHoldRequest { request_id, subject_id, hold, by_id, reason };
                rights.release_hold(self.request(message)).await?
            }
        };
        let pb::StandingResponse { commit, replayed } = answer.into_inner();
        Ok(Receipt { commit, templates: 0, replayed })
    }

    /// Erases what is kept of a subject, or has the record restricted until that can be.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn erase(
        &self,
        call: RightsCall<'_>,
        requester: Requester,
        finding_open: bool,
    ) -> Result<ErasureOutcome, ClientError> {
        let message =
            convert::wire_erase(call.request_id(), call.subject, requester, finding_open, call.by(), call.reason);
        Ok(self.rights.clone().erase(self.request(message)).await?.into_inner().try_into()?)
    }

    /// Enters a request of a person; without a time of receipt it was received now.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn open_request(
        &self,
        call: RightsCall<'_>,
        kind: RequestKind,
        requester: Requester,
        received_at: Option<Timestamp>,
    ) -> Result<RequestOutcome, ClientError> {
        let of = (call.subject, kind, requester);
        let message = convert::wire_open(call.request_id(), of, received_at, call.by(), call.reason);
        Ok(self.rights.clone().open_request(self.request(message)).await?.into_inner().try_into()?)
    }

    /// Acknowledges or ends the request of a person with this number.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn answer_request(&self, call: AnswerCall<'_>) -> Result<RequestOutcome, ClientError> {
        let AnswerCall { request_id, number, answer, by, reason } = call;
        let text = |id: Option<&str>| id.unwrap_or_default().to_owned();
        let (request_id, by_id) = (text(request_id.map(RequestId::as_str)), text(by.map(SubjectId::as_str)));
        let reason = reason.as_str().to_owned();
        let mut rights = self.rights.clone();
        let outcome = match answer {
            RequestAnswer::Acknowledge => {
                let message = pb::AcknowledgeRequestRequest { request_id, number, by_id, reason };
                return Ok(rights.acknowledge_request(self.request(message)).await?.into_inner().try_into()?);
            }
            RequestAnswer::Complete => pb::RequestState::Completed,
            RequestAnswer::Refuse => pb::RequestState::Refused,
        };
        let message = pb::CloseRequestRequest { request_id, number, outcome: outcome.into(), by_id, reason };
        Ok(rights.close_request(self.request(message)).await?.into_inner().try_into()?)
    }

    /// A page of requests of people.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn requests(
        &self,
        wanted: &RequestsWanted,
        page: PageRequest,
    ) -> Result<ListPage<SubjectRequest>, ClientError> {
        let request = self.request(convert::wire_list_requests(wanted, page));
        Ok(convert::requests_page(self.rights.clone().list_requests(request).await?.into_inner())?)
    }

    /// What is kept of a subject, and who looked at it.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn report(&self, subject: &SubjectId) -> Result<SubjectReport<SubjectInfo>, ClientError> {
        let request = self.request(pb::ReportSubjectRequest { subject_id: subject.as_str().to_owned() });
        Ok(convert::subject_report(self.rights.clone().report_subject(request).await?.into_inner())?)
    }
}
