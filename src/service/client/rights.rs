//! How records stand, erasure, and what is kept of a person. Where the client's token names the
//! caller, a request says nothing of who it is.

use super::{Client, ClientError, SubjectInfo};
use crate::gallery::{Note, Receipt, RequestId, Requester, StandingAction, SubjectId};
use crate::service::{convert, pb};
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
            StandingAction::Lift => {
                let message = pb::LiftRestrictionRequest { request_id, subject_id, by_id, reason };
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

    /// What is kept of a subject, and who looked at it.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn report(&self, subject: &SubjectId) -> Result<SubjectReport<SubjectInfo>, ClientError> {
        let request = self.request(pb::ReportSubjectRequest { subject_id: subject.as_str().to_owned() });
        Ok(convert::subject_report(self.rights.clone().report_subject(request).await?.into_inner())?)
    }
}
