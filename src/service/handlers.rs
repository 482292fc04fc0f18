//! The calls: message in, workflow, message out.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::admission::{Admission, Refused, Ticket, Turn};
use super::incoming::Peer;
use super::language::Language;
use super::manners::{Shared, TRANSACTION};
use super::refusal::{Manner, Names, Refusal};
use super::{Backend, LogKey, ServeOptions, bulk, convert, pb};
use crate::workflow::WorkflowError;

/// Answers the calls of all services.
pub(super) struct Handlers {
    pub backend: Arc<dyn Backend>,
    /// Whose turn it is.
    pub admission: Arc<Admission>,
    /// One permit per row of a bulk enrolment that is worked on.
    pub rows: Arc<Semaphore>,
    pub rows_idle_max: std::time::Duration,
    /// Cancelled when the server begins to drain.
    pub closing: CancellationToken,
    log_key: LogKey,
}

impl Handlers {
    pub(super) fn new(backend: Arc<dyn Backend>, options: &ServeOptions, log_key: LogKey, shared: &Shared) -> Self {
        Self {
            backend,
            admission: Arc::clone(&shared.admission),
            rows: Arc::new(Semaphore::new(options.bulk_rows_in_flight_max)),
            rows_idle_max: options.bulk_idle_max,
            closing: shared.closing.clone(),
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

/// A call that takes a turn, once its message is understood.
struct Waiting {
    /// `None` where no admission stands before the handlers.
    ticket: Option<Ticket>,
    language: Language,
}

impl Waiting {
    fn of<T>(request: &Request<T>) -> Self {
        let ticket = request.extensions().get::<Ticket>().cloned();
        Self { ticket, language: Language::of(request.metadata().as_ref()) }
    }

    /// Its turn to have so many photos looked at.
    async fn turn(self, photos: usize) -> Result<Turn, Status> {
        let Some(ticket) = self.ticket else { return Ok(Turn::free()) };
        ticket.turn(photos).await.map_err(|Refused { retry_after, .. }| {
            Refusal::from(Manner::Busy { retry_after }).into_status(self.language)
        })
    }
}

#[tonic::async_trait]
impl pb::verification_server::Verification for Handlers {
    async fn verify(&self, request: Request<pb::VerifyRequest>) -> Result<Response<pb::VerifyResponse>, Status> {
        let refused = refuse(&request, Names::VERIFY);
        let waiting = Waiting::of(&request);
        let request = convert::verify_request(request.into_inner()).map_err(&refused)?;
        let turn = waiting.turn(1 + request.probes.len()).await?;
        let outcome = turn.of(self.backend.verify(request)).await.map_err(&refused)?;
        Ok(Response::new(outcome.into()))
    }

    async fn assess(&self, request: Request<pb::AssessRequest>) -> Result<Response<pb::AssessResponse>, Status> {
        let refused = refuse(&request, Names::VERIFY);
        let waiting = Waiting::of(&request);
        let (photo, kind) = convert::assess_request(request.into_inner()).map_err(&refused)?;
        let turn = waiting.turn(1).await?;
        let outcome = turn.of(self.backend.assess(photo, kind)).await.map_err(&refused)?;
        Ok(Response::new(outcome.into()))
    }

    async fn identify(&self, request: Request<pb::IdentifyRequest>) -> Result<Response<pb::IdentifyResponse>, Status> {
        let refused = refuse(&request, Names::IDENTIFY);
        let waiting = Waiting::of(&request);
        let request = convert::identify_request(request.into_inner()).map_err(&refused)?;
        let turn = waiting.turn(request.probes.len()).await?;
        let outcome = turn.of(self.backend.identify(request)).await.map_err(&refused)?;
        Ok(Response::new(outcome.into()))
    }
}

#[tonic::async_trait]
impl pb::gallery_server::Gallery for Handlers {
    async fn enroll(&self, request: Request<pb::EnrollRequest>) -> Result<Response<pb::EnrollResponse>, Status> {
        let refused = refuse(&request, Names::GALLERY);
        let waiting = Waiting::of(&request);
        let request = convert::enrol_request(request.into_inner()).map_err(&refused)?;
        let turn = waiting.turn(request.photos.len()).await?;
        let outcome = turn.of(self.backend.enrol(request)).await.map_err(&refused)?;
        Ok(Response::new(outcome.into()))
    }

    async fn bulk_enroll(
        &self,
        request: Request<Streaming<pb::EnrollRequest>>,
    ) -> Result<Response<pb::BulkEnrollResponse>, Status> {
        let language = Language::of(request.metadata().as_ref());
        let refused = |refusal: Refusal| refusal.into_status(language);
        let peer = request.extensions().get::<Peer>().map_or(0, |peer| peer.number);
        bulk::enroll(self, request.into_inner(), peer, refused).await.map(Response::new)
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
        let waiting = Waiting::of(&request);
        let request = convert::beneficiary_request(request.into_inner()).map_err(&refused)?;
        let turn = waiting.turn(1 + request.frames.len()).await?;
        let outcome = turn.of(self.backend.verify_beneficiary(request)).await.map_err(&refused)?;
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
