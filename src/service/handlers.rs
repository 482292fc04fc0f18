//! The calls: message in, workflow, message out.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::language::Language;
use super::manners::TRANSACTION;
use super::refusal::{Names, Refusal};
use super::{Backend, LogKey, ServeOptions, bulk, convert, pb};
use crate::workflow::WorkflowError;

/// Answers the calls of all services.
pub(super) struct Handlers {
    pub backend: Arc<dyn Backend>,
    /// One permit per row of a bulk enrolment that is worked on.
    pub rows: Arc<Semaphore>,
    pub rows_idle_max: std::time::Duration,
    /// Cancelled when the server begins to drain.
    pub closing: CancellationToken,
    log_key: LogKey,
}

impl Handlers {
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        options: &ServeOptions,
        log_key: LogKey,
        closing: CancellationToken,
    ) -> Self {
        Self {
            backend,
            rows: Arc::new(Semaphore::new(options.bulk_rows_in_flight_max)),
            rows_idle_max: options.bulk_idle_max,
            closing,
            log_key,
        }
    }

    /// Lets the call's line in the log say which transaction it is of, to those who have the
    /// key.
    fn name_transaction(&self, id: &str) {
        tracing::Span::current().record(TRANSACTION, self.log_key.digest(id));
    }
}

/// How the calls of one caller are refused: in the language that `request` asks for.
fn refuse<T>(request: &Request<T>, names: Names) -> impl Fn(WorkflowError) -> Status + use<T> {
    let language = Language::of(request.metadata().as_ref());
    move |error| Refusal::of(&error, names).into_status(language)
}

#[tonic::async_trait]
impl pb::verification_server::Verification for Handlers {
    async fn verify(&self, request: Request<pb::VerifyRequest>) -> Result<Response<pb::VerifyResponse>, Status> {
        let refused = refuse(&request, Names::VERIFY);
        let request = convert::verify_request(request.into_inner()).map_err(&refused)?;
        let outcome = self.backend.verify(request).await.map_err(&refused)?;
        Ok(Response::new(outcome.into()))
    }

    async fn assess(&self, request: Request<pb::AssessRequest>) -> Result<Response<pb::AssessResponse>, Status> {
        let refused = refuse(&request, Names::VERIFY);
        let (photo, kind) = convert::assess_request(request.into_inner()).map_err(&refused)?;
        let outcome = self.backend.assess(photo, kind).await.map_err(&refused)?;
        Ok(Response::new(outcome.into()))
    }

    async fn identify(&self, request: Request<pb::IdentifyRequest>) -> Result<Response<pb::IdentifyResponse>, Status> {
        let refused = refuse(&request, Names::IDENTIFY);
        let request = convert::identify_request(request.into_inner()).map_err(&refused)?;
        let outcome = self.backend.identify(request).await.map_err(&refused)?;
        Ok(Response::new(outcome.into()))
    }
}

#[tonic::async_trait]
impl pb::gallery_server::Gallery for Handlers {
    async fn enroll(&self, request: Request<pb::EnrollRequest>) -> Result<Response<pb::EnrollResponse>, Status> {
        let refused = refuse(&request, Names::GALLERY);
        let request = convert::enrol_request(request.into_inner()).map_err(&refused)?;
        let outcome = self.backend.enrol(request).await.map_err(&refused)?;
        Ok(Response::new(outcome.into()))
    }

    async fn bulk_enroll(
        &self,
        request: Request<Streaming<pb::EnrollRequest>>,
    ) -> Result<Response<pb::BulkEnrollResponse>, Status> {
        let language = Language::of(request.metadata().as_ref());
        let refused = |refusal: Refusal| refusal.into_status(language);
        bulk::enroll(self, request.into_inner(), refused).await.map(Response::new)
    }

    async fn remove(&self, request: Request<pb::RemoveRequest>) -> Result<Response<pb::RemoveResponse>, Status> {
        let refused = refuse(&request, Names::GALLERY);
        let request = request.into_inner();
        let request_id = convert::request_id(request.request_id).map_err(&refused)?;
        let subject = convert::subject_id(request.subject_id).map_err(&refused)?;
        let receipt = self.backend.remove(&subject, request_id).await.map_err(&refused)?;
        Ok(Response::new(pb::RemoveResponse { commit: receipt.commit, replayed: receipt.replayed }))
    }

    async fn get_subject(&self, request: Request<pb::GetSubjectRequest>) -> Result<Response<pb::Subject>, Status> {
        let refused = refuse(&request, Names::GALLERY);
        let subject = convert::subject_id(request.into_inner().subject_id).map_err(&refused)?;
        let subject = self.backend.subject(&subject).await.map_err(&refused)?;
        Ok(Response::new(subject.into()))
    }
}

#[tonic::async_trait]
impl pb::beneficiary_server::Beneficiary for Handlers {
    async fn verify_beneficiary(
        &self,
        request: Request<pb::VerifyBeneficiaryRequest>,
    ) -> Result<Response<pb::VerifyBeneficiaryResponse>, Status> {
        let refused = refuse(&request, Names::BENEFICIARY);
        self.name_transaction(&request.get_ref().transaction_id);
        let request = convert::beneficiary_request(request.into_inner()).map_err(&refused)?;
        let outcome = self.backend.verify_beneficiary(request).await.map_err(&refused)?;
        Ok(Response::new(outcome.into()))
    }

    async fn resolve_referral(
        &self,
        request: Request<pb::ResolveReferralRequest>,
    ) -> Result<Response<pb::ResolveReferralResponse>, Status> {
        let refused = refuse(&request, Names::BENEFICIARY);
        self.name_transaction(&request.get_ref().transaction_id);
        let request = convert::resolve_referral(request.into_inner()).map_err(&refused)?;
        let resolved = self.backend.resolve_referral(request).await.map_err(&refused)?;
        Ok(Response::new(resolved.into()))
    }

    async fn clear_pair(
        &self,
        request: Request<pb::ClearPairRequest>,
    ) -> Result<Response<pb::ClearPairResponse>, Status> {
        let refused = refuse(&request, Names::BENEFICIARY);
        let request = convert::clear_pair(request.into_inner()).map_err(&refused)?;
        let receipt = self.backend.clear_pair(request).await.map_err(&refused)?;
        Ok(Response::new(pb::ClearPairResponse { commit: receipt.commit, replayed: receipt.replayed }))
    }
}
