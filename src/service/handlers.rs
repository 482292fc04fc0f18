//! The calls: message in, workflow, message out.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::refusal::{Names, Refusal};
use super::{Backend, ServeOptions, bulk, convert, pb};
use crate::workflow::WorkflowError;

/// Answers the calls of all services.
pub(super) struct Handlers {
    pub backend: Arc<dyn Backend>,
    /// One permit per row of a bulk enrolment that is worked on.
    pub rows: Arc<Semaphore>,
    pub rows_idle_max: std::time::Duration,
    /// Cancelled when the server begins to drain.
    pub closing: CancellationToken,
}

impl Handlers {
    pub(super) fn new(backend: Arc<dyn Backend>, options: &ServeOptions, closing: CancellationToken) -> Self {
        Self {
            backend,
            rows: Arc::new(Semaphore::new(options.bulk_rows_in_flight_max)),
            rows_idle_max: options.bulk_idle_max,
            closing,
        }
    }
}

fn status(names: Names) -> impl Fn(WorkflowError) -> Status {
    move |error| Refusal::of(&error, names).into_status()
}

#[tonic::async_trait]
impl pb::verification_server::Verification for Handlers {
    async fn verify(&self, request: Request<pb::VerifyRequest>) -> Result<Response<pb::VerifyResponse>, Status> {
        let request = convert::verify_request(request.into_inner()).map_err(status(Names::VERIFY))?;
        let outcome = self.backend.verify(request).await.map_err(status(Names::VERIFY))?;
        Ok(Response::new(outcome.into()))
    }

    async fn assess(&self, request: Request<pb::AssessRequest>) -> Result<Response<pb::AssessResponse>, Status> {
        let (photo, kind) = convert::assess_request(request.into_inner()).map_err(status(Names::VERIFY))?;
        let outcome = self.backend.assess(photo, kind).await.map_err(status(Names::VERIFY))?;
        Ok(Response::new(outcome.into()))
    }

    async fn identify(&self, request: Request<pb::IdentifyRequest>) -> Result<Response<pb::IdentifyResponse>, Status> {
        let request = convert::identify_request(request.into_inner()).map_err(status(Names::IDENTIFY))?;
        let outcome = self.backend.identify(request).await.map_err(status(Names::IDENTIFY))?;
        Ok(Response::new(outcome.into()))
    }
}

#[tonic::async_trait]
impl pb::gallery_server::Gallery for Handlers {
    async fn enroll(&self, request: Request<pb::EnrollRequest>) -> Result<Response<pb::EnrollResponse>, Status> {
        let request = convert::enrol_request(request.into_inner()).map_err(status(Names::GALLERY))?;
        let outcome = self.backend.enrol(request).await.map_err(status(Names::GALLERY))?;
        Ok(Response::new(outcome.into()))
    }

    async fn bulk_enroll(
        &self,
        request: Request<Streaming<pb::EnrollRequest>>,
    ) -> Result<Response<pb::BulkEnrollResponse>, Status> {
        bulk::enroll(self, request.into_inner()).await.map(Response::new)
    }

    async fn remove(&self, request: Request<pb::RemoveRequest>) -> Result<Response<pb::RemoveResponse>, Status> {
        let request = request.into_inner();
        let request_id = convert::request_id(request.request_id).map_err(status(Names::GALLERY))?;
        let subject = convert::subject_id(request.subject_id).map_err(status(Names::GALLERY))?;
        let receipt = self.backend.remove(&subject, request_id).await.map_err(status(Names::GALLERY))?;
        Ok(Response::new(pb::RemoveResponse { commit: receipt.commit, replayed: receipt.replayed }))
    }

    async fn get_subject(&self, request: Request<pb::GetSubjectRequest>) -> Result<Response<pb::Subject>, Status> {
        let subject = convert::subject_id(request.into_inner().subject_id).map_err(status(Names::GALLERY))?;
        let subject = self.backend.subject(&subject).await.map_err(status(Names::GALLERY))?;
        Ok(Response::new(subject.into()))
    }
}

#[tonic::async_trait]
impl pb::beneficiary_server::Beneficiary for Handlers {
    async fn verify_beneficiary(
        &self,
        request: Request<pb::VerifyBeneficiaryRequest>,
    ) -> Result<Response<pb::VerifyBeneficiaryResponse>, Status> {
        let request = convert::beneficiary_request(request.into_inner()).map_err(status(Names::BENEFICIARY))?;
        let outcome = self.backend.verify_beneficiary(request).await.map_err(status(Names::BENEFICIARY))?;
        Ok(Response::new(outcome.into()))
    }

    async fn resolve_referral(
        &self,
        request: Request<pb::ResolveReferralRequest>,
    ) -> Result<Response<pb::ResolveReferralResponse>, Status> {
        let request = convert::resolve_referral(request.into_inner()).map_err(status(Names::BENEFICIARY))?;
        let resolved = self.backend.resolve_referral(request).await.map_err(status(Names::BENEFICIARY))?;
        Ok(Response::new(resolved.into()))
    }

    async fn clear_pair(
        &self,
        request: Request<pb::ClearPairRequest>,
    ) -> Result<Response<pb::ClearPairResponse>, Status> {
        let request = convert::clear_pair(request.into_inner()).map_err(status(Names::BENEFICIARY))?;
        let receipt = self.backend.clear_pair(request).await.map_err(status(Names::BENEFICIARY))?;
        Ok(Response::new(pb::ClearPairResponse { commit: receipt.commit, replayed: receipt.replayed }))
    }
}
