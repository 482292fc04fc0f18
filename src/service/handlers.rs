//! The handlers of all methods: they convert the message, wait for the call's turn, run the use
//! case and convert its outcome.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::admission::{Admission, Busy, Turn};
use super::authored::Authored;
use super::desk::Desk;
use super::incoming::Peer;
use super::layers::{Call, TRANSACTION};
use super::redact::Redact;
use super::refusal::{FieldNames, Refusal, ServiceRefusal};
use super::shared::Shared;
use super::{Backend, LogKey, ServeOptions, bulk, convert, pb};
use crate::gallery::{DecisionFilter, GalleryError};
use crate::workflow::WorkflowError;

/// Answers the calls of all services.
pub(super) struct Handlers {
    /// Runs the use cases.
    pub backend: Arc<dyn Backend>,
    /// The calls that take turns.
    pub admission: Arc<Admission>,
    /// One permit per row of a bulk enrolment that is worked on.
    pub rows: Arc<Semaphore>,
    /// Longest time a bulk enrolment may wait for its next row.
    pub rows_idle_max: Duration,
    /// Cancelled when the server begins to drain.
    pub closing: CancellationToken,
    /// The pages, to which benefit systems hand over records.
    desk: Option<Desk>,
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
            desk: shared.desk.clone(),
            log_key,
        }
    }

    /// Writes the digest of a transaction's id into the call's span, so that whoever has the
    /// key finds its line in the log.
    fn log_transaction(&self, id: &str) {
        tracing::Span::current().record(TRANSACTION, self.log_key.digest(id));
    }
}

/// The status of an error of a use case, in the call's language.
fn refuse(call: &Call, names: FieldNames) -> impl Fn(WorkflowError) -> Status + use<> {
    let (language, fields) = (call.language, call.fields);
    move |error| Refusal::of(&error, names).seen_by(fields).into_status(language)
}

/// A request, with its caller as the author.
fn authored<T: Authored>(call: &Call, request: Request<T>) -> Result<T, Status> {
    let mut request = request.into_inner();
    request.author(call).map_err(|refusal| refusal.into_status(call.language))?;
    Ok(request)
}

/// An answer without what the caller may not see.
fn answer<T: Redact>(call: &Call, answer: impl Into<T>) -> Response<T> {
    let mut answer = answer.into();
    answer.redact(call.fields);
    Response::new(answer)
}

/// Waits for the call's turn to have so many photos analysed.
async fn turn(call: &mut Call, photos: usize) -> Result<Turn, Status> {
    let Some(entry) = call.entry.take() else { return Ok(Turn::free()) };
    entry.turn(photos).await.map_err(|Busy { retry_after, .. }| {
        Refusal::from(ServiceRefusal::Busy { retry_after }).into_status(call.language)
    })
}

#[tonic::async_trait]
impl pb::verification_server::Verification for Handlers {
    async fn verify(&self, request: Request<pb::VerifyRequest>) -> Result<Response<pb::VerifyResponse>, Status> {
        let mut call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::VERIFY);
        let request = convert::verify_request(authored(&call, request)?).map_err(&refused)?;
        let turn = turn(&mut call, 1 + request.probes.len()).await?;
        let outcome = turn.of(self.backend.verify(&call.context, request)).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }

    async fn assess(&self, request: Request<pb::AssessRequest>) -> Result<Response<pb::AssessResponse>, Status> {
        let mut call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::VERIFY);
        let (photo, kind) = convert::assess_request(request.into_inner()).map_err(&refused)?;
        let turn = turn(&mut call, 1).await?;
        let outcome = turn.of(self.backend.assess(&call.context, photo, kind)).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }

    async fn identify(&self, request: Request<pb::IdentifyRequest>) -> Result<Response<pb::IdentifyResponse>, Status> {
        let mut call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::IDENTIFY);
        let request = convert::identify_request(request.into_inner()).map_err(&refused)?;
        let turn = turn(&mut call, request.probes.len()).await?;
        let outcome = turn.of(self.backend.identify(&call.context, request)).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }
}

#[tonic::async_trait]
impl pb::gallery_server::Gallery for Handlers {
    async fn enroll(&self, request: Request<pb::EnrollRequest>) -> Result<Response<pb::EnrollResponse>, Status> {
        let mut call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::GALLERY);
        let request = convert::enrol_request(authored(&call, request)?).map_err(&refused)?;
        let turn = turn(&mut call, request.photos.len()).await?;
        let outcome = turn.of(self.backend.enrol(&call.context, request)).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }

    async fn bulk_enroll(
        &self,
        request: Request<Streaming<pb::EnrollRequest>>,
    ) -> Result<Response<pb::BulkEnrollResponse>, Status> {
        let call = Call::of(&request)?;
        let peer = request.extensions().get::<Peer>().map_or(0, |peer| peer.number);
        bulk::enroll(self, &call, request.into_inner(), peer).await.map(|done| answer(&call, done))
    }

    async fn remove(&self, request: Request<pb::RemoveRequest>) -> Result<Response<pb::RemoveResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::GALLERY);
        let request = request.into_inner();
        let request_id = convert::request_id(request.request_id).map_err(&refused)?;
        let subject = convert::subject_id(request.subject_id).map_err(&refused)?;
        let receipt = self.backend.remove(&call.context, &subject, request_id).await.map_err(&refused)?;
        Ok(answer(&call, pb::RemoveResponse { commit: receipt.commit, replayed: receipt.replayed }))
    }

    async fn get_subject(&self, request: Request<pb::GetSubjectRequest>) -> Result<Response<pb::Subject>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::GALLERY);
        let subject = convert::subject_id(request.into_inner().subject_id).map_err(&refused)?;
        let subject = self.backend.subject(&call.context, &subject).await.map_err(&refused)?;
        Ok(answer(&call, subject))
    }

    async fn list_subjects(
        &self,
        request: Request<pb::ListSubjectsRequest>,
    ) -> Result<Response<pb::ListSubjectsResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::GALLERY);
        let request = request.into_inner();
        let filter = convert::subject_filter(request.scheme, request.province, request.standing).map_err(&refused)?;
        let page = convert::page(request.page_size, request.page_token);
        let found = self.backend.subjects(&call.context, filter, &page).await.map_err(&refused)?;
        Ok(answer(&call, found))
    }

    async fn count_subjects(
        &self,
        request: Request<pb::CountSubjectsRequest>,
    ) -> Result<Response<pb::CountSubjectsResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::GALLERY);
        let request = request.into_inner();
        let filter = convert::subject_filter(request.scheme, request.province, 0).map_err(&refused)?;
        let count = self.backend.count_subjects(&call.context, filter).await.map_err(&refused)?;
        Ok(answer(&call, count))
    }
}

#[tonic::async_trait]
impl pb::beneficiary_server::Beneficiary for Handlers {
    async fn new_challenge(
        &self,
        request: Request<pb::NewChallengeRequest>,
    ) -> Result<Response<pb::NewChallengeResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        self.log_transaction(&request.get_ref().transaction_id);
        let transaction = convert::transaction(request.into_inner().transaction_id).map_err(&refused)?;
        let context = call.context.clone().with_transaction(transaction.as_str());
        let issued = self.backend.new_challenge(&context, &transaction).await.map_err(&refused)?;
        Ok(answer(&call, issued))
    }

    async fn verify_beneficiary(
        &self,
        request: Request<pb::VerifyBeneficiaryRequest>,
    ) -> Result<Response<pb::VerifyBeneficiaryResponse>, Status> {
        let mut call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        self.log_transaction(&request.get_ref().transaction_id);
        if self.desk.as_ref().is_some_and(|desk| desk.is_handed_over_otherwise(request.get_ref())) {
            return Err(refused(GalleryError::TransactionReused.into()));
        }
        let request = convert::beneficiary_request(authored(&call, request)?).map_err(&refused)?;
        let turn = turn(&mut call, 1 + request.frames.len()).await?;
        let context = call.context.clone().with_transaction(request.key.transaction.as_str());
        let outcome = turn.of(self.backend.verify_beneficiary(&context, request)).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }

    async fn resolve_referral(
        &self,
        request: Request<pb::ResolveReferralRequest>,
    ) -> Result<Response<pb::ResolveReferralResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        self.log_transaction(&request.get_ref().transaction_id);
        let request = convert::resolve_referral(authored(&call, request)?).map_err(&refused)?;
        let context = call.context.clone().with_transaction(request.key.transaction.as_str());
        let resolved = self.backend.resolve_referral(&context, request).await.map_err(&refused)?;
        Ok(answer(&call, resolved))
    }

    async fn clear_pair(
        &self,
        request: Request<pb::ClearPairRequest>,
    ) -> Result<Response<pb::ClearPairResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let request = convert::clear_pair(authored(&call, request)?).map_err(&refused)?;
        let outcome = self.backend.clear_pair(&call.context, request).await.map_err(&refused)?;
        Ok(answer(&call, convert::cleared(&outcome)))
    }
}

/// Why there is no decision that was asked for.
fn unknown_decision(attempt: Option<u32>) -> WorkflowError {
    match attempt {
        Some(_) => GalleryError::UnknownAttempt.into(),
        None => GalleryError::UnknownTransaction.into(),
    }
}

#[tonic::async_trait]
impl pb::cases_server::Cases for Handlers {
    async fn get_decision(
        &self,
        request: Request<pb::GetDecisionRequest>,
    ) -> Result<Response<pb::GetDecisionResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        self.log_transaction(&request.get_ref().transaction_id);
        let (transaction, attempt) = convert::get_decision(request.into_inner()).map_err(&refused)?;
        let context = call.context.clone().with_transaction(transaction.as_str());
        let found = self.backend.case(&context, &transaction, attempt).await.map_err(&refused)?;
        Ok(answer(&call, found.ok_or_else(|| refused(unknown_decision(attempt)))?))
    }

    async fn get_pictures(
        &self,
        request: Request<pb::GetPicturesRequest>,
    ) -> Result<Response<pb::GetPicturesResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        self.log_transaction(&request.get_ref().transaction_id);
        let (transaction, attempt) = convert::get_pictures(request.into_inner()).map_err(&refused)?;
        let context = call.context.clone().with_transaction(transaction.as_str());
        let found = self.backend.pictures(&context, &transaction, attempt).await.map_err(&refused)?;
        Ok(answer(&call, found.ok_or_else(|| refused(unknown_decision(attempt)))?))
    }

    async fn list_decisions(
        &self,
        request: Request<pb::ListDecisionsRequest>,
    ) -> Result<Response<pb::ListDecisionsResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let (filter, page) = convert::list_decisions(request.into_inner()).map_err(&refused)?;
        let found = self.backend.decisions(&call.context, &filter, &page).await.map_err(&refused)?;
        Ok(answer(&call, found))
    }

    async fn list_referrals(
        &self,
        request: Request<pb::ListReferralsRequest>,
    ) -> Result<Response<pb::ListReferralsResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let request = request.into_inner();
        let page = convert::page(request.page_size, request.page_token);
        let filter = DecisionFilter { waiting: true, ..DecisionFilter::default() };
        let found = self.backend.decisions(&call.context, &filter, &page).await.map_err(&refused)?;
        Ok(answer(&call, found))
    }

    async fn list_repeated_captures(
        &self,
        request: Request<pb::ListRepeatedCapturesRequest>,
    ) -> Result<Response<pb::ListRepeatedCapturesResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let (since, until, page) = convert::list_repeated_captures(request.into_inner()).map_err(&refused)?;
        let found = self.backend.repeated_captures(&call.context, since, until, &page).await.map_err(&refused)?;
        Ok(answer(&call, found))
    }

    async fn list_cleared_pairs(
        &self,
        request: Request<pb::ListClearedPairsRequest>,
    ) -> Result<Response<pb::ListClearedPairsResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let (state, page) = convert::list_pairs(request.into_inner()).map_err(&refused)?;
        let found = self.backend.pairs(&call.context, state, &page).await.map_err(&refused)?;
        Ok(answer(&call, found))
    }

    async fn unclear_pair(
        &self,
        request: Request<pb::UnclearPairRequest>,
    ) -> Result<Response<pb::UnclearPairResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let request = convert::unclear_pair(authored(&call, request)?).map_err(&refused)?;
        let outcome = self.backend.unclear_pair(&call.context, request).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }
}

#[tonic::async_trait]
impl pb::rights_server::Rights for Handlers {
    async fn restrict(&self, request: Request<pb::RestrictRequest>) -> Result<Response<pb::StandingResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let request = convert::restrict(authored(&call, request)?).map_err(&refused)?;
        let receipt = self.backend.change_standing(&call.context, request).await.map_err(&refused)?;
        Ok(answer(&call, receipt))
    }

    async fn lift_restriction(
        &self,
        request: Request<pb::LiftRestrictionRequest>,
    ) -> Result<Response<pb::StandingResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let request = convert::lift(authored(&call, request)?).map_err(&refused)?;
        let receipt = self.backend.change_standing(&call.context, request).await.map_err(&refused)?;
        Ok(answer(&call, receipt))
    }

    async fn hold(&self, request: Request<pb::HoldRequest>) -> Result<Response<pb::StandingResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let request = convert::hold(authored(&call, request)?).map_err(&refused)?;
        let receipt = self.backend.change_standing(&call.context, request).await.map_err(&refused)?;
        Ok(answer(&call, receipt))
    }

    async fn release_hold(
        &self,
        request: Request<pb::ReleaseHoldRequest>,
    ) -> Result<Response<pb::StandingResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let request = convert::release(authored(&call, request)?).map_err(&refused)?;
        let receipt = self.backend.change_standing(&call.context, request).await.map_err(&refused)?;
        Ok(answer(&call, receipt))
    }

    async fn erase(&self, request: Request<pb::EraseRequest>) -> Result<Response<pb::EraseResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let request = convert::erase(authored(&call, request)?).map_err(&refused)?;
        let outcome = self.backend.erase(&call.context, request).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }

    async fn report_subject(
        &self,
        request: Request<pb::ReportSubjectRequest>,
    ) -> Result<Response<pb::SubjectReport>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let subject = convert::subject_id(request.into_inner().subject_id).map_err(&refused)?;
        let report = self.backend.report(&call.context, &subject).await.map_err(&refused)?;
        Ok(answer(&call, report))
    }

    async fn open_request(
        &self,
        request: Request<pb::OpenRequestRequest>,
    ) -> Result<Response<pb::SubjectRequestResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let open = convert::open_request(authored(&call, request)?).map_err(&refused)?;
        let outcome = self.backend.open_request(&call.context, open).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }

    async fn acknowledge_request(
        &self,
        request: Request<pb::AcknowledgeRequestRequest>,
    ) -> Result<Response<pb::SubjectRequestResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let of = convert::acknowledge_request(authored(&call, request)?).map_err(&refused)?;
        let outcome = self.backend.answer_request(&call.context, of).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }

    async fn close_request(
        &self,
        request: Request<pb::CloseRequestRequest>,
    ) -> Result<Response<pb::SubjectRequestResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let of = convert::close_request(authored(&call, request)?).map_err(&refused)?;
        let outcome = self.backend.answer_request(&call.context, of).await.map_err(&refused)?;
        Ok(answer(&call, outcome))
    }

    async fn list_requests(
        &self,
        request: Request<pb::ListRequestsRequest>,
    ) -> Result<Response<pb::ListRequestsResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let (wanted, page) = convert::list_requests(request.into_inner()).map_err(&refused)?;
        let found = self.backend.requests(&call.context, &wanted, &page).await.map_err(&refused)?;
        Ok(answer(&call, found))
    }
}

#[tonic::async_trait]
impl pb::ledger_server::Ledger for Handlers {
    async fn prove(&self, request: Request<pb::ProveRequest>) -> Result<Response<pb::ProveResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        self.log_transaction(&request.get_ref().transaction_id);
        let of = convert::prove(request.into_inner()).map_err(&refused)?;
        let proven = self.backend.prove(&call.context, of).await.map_err(&refused)?;
        Ok(answer(&call, proven))
    }

    async fn get_checkpoint(
        &self,
        request: Request<pb::GetCheckpointRequest>,
    ) -> Result<Response<pb::GetCheckpointResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let size = request.into_inner().size;
        let signed = self.backend.checkpoint(&call.context, (size > 0).then_some(size)).await.map_err(&refused)?;
        Ok(answer(&call, signed))
    }

    async fn list_entries(
        &self,
        request: Request<pb::ListEntriesRequest>,
    ) -> Result<Response<pb::ListEntriesResponse>, Status> {
        let call = Call::of(&request)?;
        let refused = refuse(&call, FieldNames::BENEFICIARY);
        let (filter, page) = convert::list_entries(request.into_inner()).map_err(&refused)?;
        let found = self.backend.entries(&call.context, &filter, &page).await.map_err(&refused)?;
        Ok(answer(&call, found))
    }
}
