use async_trait::async_trait;

use crate::gallery::{Receipt, RequestId, Subject, SubjectId};
use crate::workflow::beneficiary::{
    BeneficiaryOutcome, BeneficiaryRequest, ClearPairRequest, ResolveReferral, ResolvedReferral,
};
use crate::workflow::{
    AssessOutcome, Engine, EnrolOutcome, EnrolRequest, IdentifyOutcome, IdentifyRequest, Kind, VerifyOutcome,
    VerifyRequest, WorkflowError,
};

/// What the service serves: the [`Engine`], or a stand-in where a test needs one
/// that is slow, full or broken.
///
/// Dropping a future must drop the work behind it: that is how deadlines and
/// callers that have gone take effect.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// 1:1.
    async fn verify(&self, request: VerifyRequest) -> Result<VerifyOutcome, WorkflowError>;
    /// What is wrong with a capture.
    async fn assess(&self, photo: Vec<u8>, kind: Kind) -> Result<AssessOutcome, WorkflowError>;
    /// 1:N.
    async fn identify(&self, request: IdentifyRequest) -> Result<IdentifyOutcome, WorkflowError>;
    /// Enrols one subject.
    async fn enrol(&self, request: EnrolRequest) -> Result<EnrolOutcome, WorkflowError>;
    /// Removes one subject.
    async fn remove(&self, subject: &SubjectId, request_id: Option<RequestId>) -> Result<Receipt, WorkflowError>;
    /// One subject.
    async fn subject(&self, subject: &SubjectId) -> Result<Subject, WorkflowError>;
    /// One decision about a beneficiary.
    async fn verify_beneficiary(&self, request: BeneficiaryRequest) -> Result<BeneficiaryOutcome, WorkflowError>;
    /// An officer's answer to a referral.
    async fn resolve_referral(&self, request: ResolveReferral) -> Result<ResolvedReferral, WorkflowError>;
    /// Two subjects who share a face for a good reason.
    async fn clear_pair(&self, request: ClearPairRequest) -> Result<Receipt, WorkflowError>;
    /// Whether it can serve at present; asked every few seconds for the health
    /// service, so it must be cheap.
    async fn ready(&self) -> Result<(), WorkflowError>;
}

#[async_trait]
impl Backend for Engine {
    async fn verify(&self, request: VerifyRequest) -> Result<VerifyOutcome, WorkflowError> {
        Engine::verify(self, request).await
    }

    async fn assess(&self, photo: Vec<u8>, kind: Kind) -> Result<AssessOutcome, WorkflowError> {
        Engine::assess(self, photo, kind).await
    }

    async fn identify(&self, request: IdentifyRequest) -> Result<IdentifyOutcome, WorkflowError> {
        Engine::identify(self, request).await
    }

    async fn enrol(&self, request: EnrolRequest) -> Result<EnrolOutcome, WorkflowError> {
        Engine::enrol(self, request).await
    }

    async fn remove(&self, subject: &SubjectId, request_id: Option<RequestId>) -> Result<Receipt, WorkflowError> {
        Engine::remove(self, subject, request_id).await
    }

    async fn subject(&self, subject: &SubjectId) -> Result<Subject, WorkflowError> {
        Engine::subject(self, subject).await
    }

    async fn verify_beneficiary(&self, request: BeneficiaryRequest) -> Result<BeneficiaryOutcome, WorkflowError> {
        Engine::verify_beneficiary(self, request).await
    }

    async fn resolve_referral(&self, request: ResolveReferral) -> Result<ResolvedReferral, WorkflowError> {
        Engine::resolve_referral(self, request).await
    }

    async fn clear_pair(&self, request: ClearPairRequest) -> Result<Receipt, WorkflowError> {
        Engine::clear_pair(self, request).await
    }

    async fn ready(&self) -> Result<(), WorkflowError> {
        match self.stats().await {
            // Without a gallery Verify still works.
            Ok(_) | Err(WorkflowError::NoGallery) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
