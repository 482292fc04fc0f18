//! What the service serves: the use cases of the engine, behind a trait so that tests can put a
//! stand-in in its place.

use async_trait::async_trait;

use crate::context::RequestContext;
use crate::gallery::{
    ClearedPair, DecisionFilter, DecisionHead, GalleryError, PairState, Receipt, RequestId, Subject, SubjectId,
    SubjectRequest, Timestamp,
};
use crate::ledger::verify::Leaf;
use crate::workflow::beneficiary::{
    BeneficiaryOutcome, BeneficiaryRequest, CaseDecision, CasePictures, ClearPairRequest, IssuedChallenge, ListPage,
    PageRequest, PairChange, RepeatedCapture, ResolveReferral, ResolvedReferral, SubjectCount, SubjectFilter,
    SubjectSummary, UnclearPairRequest,
};
use crate::workflow::ledger::{EntryFilter, Noted, ProofOf, ProvenEntry, SignedLedger};
use crate::workflow::requests::{AnswerSubjectRequest, OpenSubjectRequest, RequestOutcome, RequestsWanted};
use crate::workflow::rights::{ErasureOutcome, ErasureRequest, StandingRequest, SubjectReport};
use crate::workflow::{
    AssessOutcome, Engine, EnrolOutcome, EnrolRequest, IdentifyOutcome, IdentifyRequest, Kind, VerifyOutcome,
    VerifyRequest, WorkflowError,
};

/// The use cases that the service calls: the [`Engine`], or a stand-in that is slow, full or
/// broken where a test needs one.
///
/// Dropping a future must drop the work behind it: that is how deadlines and callers that have
/// gone take effect. Every use case refuses a request whose deadline has passed.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Compares 1:1.
    async fn verify(&self, context: &RequestContext, request: VerifyRequest) -> Result<VerifyOutcome, WorkflowError>;
    /// Assesses the quality of a capture.
    async fn assess(
        &self,
        context: &RequestContext,
        photo: Vec<u8>,
        kind: Kind,
    ) -> Result<AssessOutcome, WorkflowError>;
    /// Searches 1:N.
    async fn identify(
        &self,
        context: &RequestContext,
        request: IdentifyRequest,
    ) -> Result<IdentifyOutcome, WorkflowError>;
    /// Enrols one subject.
    async fn enrol(&self, context: &RequestContext, request: EnrolRequest) -> Result<EnrolOutcome, WorkflowError>;
    /// Removes one subject.
    async fn remove(
        &self,
        context: &RequestContext,
        subject: &SubjectId,
        request_id: Option<RequestId>,
    ) -> Result<Receipt, WorkflowError>;
    /// Looks up one subject.
    async fn subject(&self, context: &RequestContext, subject: &SubjectId) -> Result<Subject, WorkflowError>;
    /// Issues a challenge for the chip of a card that is read in a transaction.
    async fn new_challenge(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
    ) -> Result<IssuedChallenge, WorkflowError>;
    /// Decides about a beneficiary, and stores the decision.
    async fn verify_beneficiary(
        &self,
        context: &RequestContext,
        request: BeneficiaryRequest,
    ) -> Result<BeneficiaryOutcome, WorkflowError>;
    /// Stores an officer's answer to a referral.
    async fn resolve_referral(
        &self,
        context: &RequestContext,
        request: ResolveReferral,
    ) -> Result<ResolvedReferral, WorkflowError>;
    /// Marks two subjects as two people who look alike.
    async fn clear_pair(
        &self,
        context: &RequestContext,
        request: ClearPairRequest,
    ) -> Result<PairChange, WorkflowError>;
    /// Ends that.
    async fn unclear_pair(
        &self,
        context: &RequestContext,
        request: UnclearPairRequest,
    ) -> Result<PairChange, WorkflowError>;
    /// Looks up a decision, the last of the transaction where no attempt is named.
    async fn case(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CaseDecision>, WorkflowError>;
    /// The pictures of a decision that waits for an officer; `None` where there is no such decision.
    async fn pictures(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CasePictures>, WorkflowError> {
        let (_, _, _) = (context, transaction, attempt);
        Err(WorkflowError::NoGallery)
    }

    /// Whether pictures of cases that wait are kept at present. Cheap.
    fn keeps_pictures(&self) -> bool {
        false
    }

    /// A page of decisions.
    async fn decisions(
        &self,
        context: &RequestContext,
        filter: &DecisionFilter,
        page: &PageRequest,
    ) -> Result<ListPage<DecisionHead>, WorkflowError>;
    /// A page of decisions with captures that were used before.
    async fn repeated_captures(
        &self,
        context: &RequestContext,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        page: &PageRequest,
    ) -> Result<ListPage<RepeatedCapture>, WorkflowError>;
    /// A page of cleared pairs.
    async fn pairs(
        &self,
        context: &RequestContext,
        state: Option<PairState>,
        page: &PageRequest,
    ) -> Result<ListPage<ClearedPair>, WorkflowError>;
    /// A page of subjects.
    async fn subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
        page: &PageRequest,
    ) -> Result<ListPage<SubjectSummary>, WorkflowError>;
    /// How many subjects there are.
    async fn count_subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
    ) -> Result<SubjectCount, WorkflowError>;
    /// Restricts or holds a record, or ends that.
    async fn change_standing(
        &self,
        context: &RequestContext,
        request: StandingRequest,
    ) -> Result<Receipt, WorkflowError> {
        let (_, _) = (context, request);
        Err(WorkflowError::NoGallery)
    }

    /// Erases what is kept of a subject, or restricts the record.
    async fn erase(&self, context: &RequestContext, request: ErasureRequest) -> Result<ErasureOutcome, WorkflowError> {
        let (_, _) = (context, request);
        Err(WorkflowError::NoGallery)
    }

    /// What is kept of a subject, and who looked.
    async fn report(&self, context: &RequestContext, subject: &SubjectId) -> Result<SubjectReport, WorkflowError> {
        let (_, _) = (context, subject);
        Err(WorkflowError::NoGallery)
    }

    /// Enters a request of a person.
    async fn open_request(
        &self,
        context: &RequestContext,
        open: OpenSubjectRequest,
    ) -> Result<RequestOutcome, WorkflowError> {
        let (_, _) = (context, open);
        Err(WorkflowError::NoGallery)
    }

    /// Acknowledges or ends a request of a person.
    async fn answer_request(
        &self,
        context: &RequestContext,
        answer: AnswerSubjectRequest,
    ) -> Result<RequestOutcome, WorkflowError> {
        let (_, _) = (context, answer);
        Err(WorkflowError::NoGallery)
    }

    /// A page of requests of people.
    async fn requests(
        &self,
        context: &RequestContext,
        wanted: &RequestsWanted,
        page: &PageRequest,
    ) -> Result<ListPage<SubjectRequest>, WorkflowError> {
        let (_, _, _) = (context, wanted, page);
        Err(WorkflowError::NoGallery)
    }

    /// Checks that it can serve at present. It is asked every few seconds for the health
    /// service, so it must be cheap.
    async fn ready(&self) -> Result<(), WorkflowError>;

    /// The receipt of an entry in the transparency log.
    async fn prove(&self, context: &RequestContext, of: ProofOf) -> Result<ProvenEntry, WorkflowError> {
        let (_, _) = (context, of);
        Err(GalleryError::NoLedger.into())
    }

    /// The log's newest checkpoint, and that it goes on from an earlier one.
    async fn checkpoint(&self, context: &RequestContext, since: Option<u64>) -> Result<SignedLedger, WorkflowError> {
        let (_, _) = (context, since);
        Err(GalleryError::NoLedger.into())
    }

    /// Entries of the log.
    async fn entries(
        &self,
        context: &RequestContext,
        filter: &EntryFilter,
        page: &PageRequest,
    ) -> Result<ListPage<Leaf>, WorkflowError> {
        let (_, _, _) = (context, filter, page);
        Err(GalleryError::NoLedger.into())
    }

    /// Whether a transparency log is kept, and [`Backend::note`] enters anything.
    fn keeps_ledger(&self) -> bool {
        false
    }

    /// Enters what came of calls of a caller that stored nothing.
    async fn note(&self, context: &RequestContext, noted: Noted) -> Result<(), WorkflowError> {
        let (_, _) = (context, noted);
        Ok(())
    }
}

#[async_trait]
impl Backend for Engine {
    async fn verify(&self, context: &RequestContext, request: VerifyRequest) -> Result<VerifyOutcome, WorkflowError> {
        Engine::verify(self, context, request).await
    }

    async fn assess(
        &self,
        context: &RequestContext,
        photo: Vec<u8>,
        kind: Kind,
    ) -> Result<AssessOutcome, WorkflowError> {
        Engine::assess(self, context, photo, kind).await
    }

    async fn identify(
        &self,
        context: &RequestContext,
        request: IdentifyRequest,
    ) -> Result<IdentifyOutcome, WorkflowError> {
        Engine::identify(self, context, request).await
    }

    async fn enrol(&self, context: &RequestContext, request: EnrolRequest) -> Result<EnrolOutcome, WorkflowError> {
        Engine::enrol(self, context, request).await
    }

    async fn remove(
        &self,
        context: &RequestContext,
        subject: &SubjectId,
        request_id: Option<RequestId>,
    ) -> Result<Receipt, WorkflowError> {
        Engine::remove(self, context, subject, request_id).await
    }

    async fn subject(&self, context: &RequestContext, subject: &SubjectId) -> Result<Subject, WorkflowError> {
        Engine::subject(self, context, subject).await
    }

    async fn new_challenge(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
    ) -> Result<IssuedChallenge, WorkflowError> {
        Engine::new_challenge(self, context, transaction).await
    }

    async fn verify_beneficiary(
        &self,
        context: &RequestContext,
        request: BeneficiaryRequest,
    ) -> Result<BeneficiaryOutcome, WorkflowError> {
        Engine::verify_beneficiary(self, context, request).await
    }

    async fn resolve_referral(
        &self,
        context: &RequestContext,
        request: ResolveReferral,
    ) -> Result<ResolvedReferral, WorkflowError> {
        Engine::resolve_referral(self, context, request).await
    }

    async fn clear_pair(
        &self,
        context: &RequestContext,
        request: ClearPairRequest,
    ) -> Result<PairChange, WorkflowError> {
        Engine::clear_pair(self, context, request).await
    }

    async fn unclear_pair(
        &self,
        context: &RequestContext,
        request: UnclearPairRequest,
    ) -> Result<PairChange, WorkflowError> {
        Engine::unclear_pair(self, context, request).await
    }

    async fn case(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CaseDecision>, WorkflowError> {
        Engine::case(self, context, transaction, attempt).await
    }

    async fn pictures(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CasePictures>, WorkflowError> {
        self.case_pictures(context, transaction, attempt).await
    }

    fn keeps_pictures(&self) -> bool {
        Engine::keeps_pictures(self)
    }

    async fn decisions(
        &self,
        context: &RequestContext,
        filter: &DecisionFilter,
        page: &PageRequest,
    ) -> Result<ListPage<DecisionHead>, WorkflowError> {
        Engine::decisions(self, context, filter, page).await
    }

    async fn repeated_captures(
        &self,
        context: &RequestContext,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        page: &PageRequest,
    ) -> Result<ListPage<RepeatedCapture>, WorkflowError> {
        Engine::repeated_captures(self, context, since, until, page).await
    }

    async fn pairs(
        &self,
        context: &RequestContext,
        state: Option<PairState>,
        page: &PageRequest,
    ) -> Result<ListPage<ClearedPair>, WorkflowError> {
        Engine::pairs(self, context, state, page).await
    }

    async fn subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
        page: &PageRequest,
    ) -> Result<ListPage<SubjectSummary>, WorkflowError> {
        Engine::subjects(self, context, filter, page).await
    }

    async fn count_subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
    ) -> Result<SubjectCount, WorkflowError> {
        Engine::count_subjects(self, context, filter).await
    }

    async fn ready(&self) -> Result<(), WorkflowError> {
        match self.stats(&RequestContext::internal("readiness")).await {
            // Verify works without a gallery.
            Ok(_) | Err(WorkflowError::NoGallery) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn change_standing(
        &self,
        context: &RequestContext,
        request: StandingRequest,
    ) -> Result<Receipt, WorkflowError> {
        self.rights()?.change_standing(context, request).await
    }

    async fn erase(&self, context: &RequestContext, request: ErasureRequest) -> Result<ErasureOutcome, WorkflowError> {
        self.rights()?.erase(context, request).await
    }

    async fn report(&self, context: &RequestContext, subject: &SubjectId) -> Result<SubjectReport, WorkflowError> {
        self.rights()?.report(context, subject).await
    }

    async fn open_request(
        &self,
        context: &RequestContext,
        open: OpenSubjectRequest,
    ) -> Result<RequestOutcome, WorkflowError> {
        self.rights()?.open_request(context, open).await
    }

    async fn answer_request(
        &self,
        context: &RequestContext,
        answer: AnswerSubjectRequest,
    ) -> Result<RequestOutcome, WorkflowError> {
        self.rights()?.answer_request(context, answer).await
    }

    async fn requests(
        &self,
        context: &RequestContext,
        wanted: &RequestsWanted,
        page: &PageRequest,
    ) -> Result<ListPage<SubjectRequest>, WorkflowError> {
        self.rights()?.requests(context, wanted, page).await
    }

    async fn prove(&self, context: &RequestContext, of: ProofOf) -> Result<ProvenEntry, WorkflowError> {
        self.ledger()?.prove(context, of).await
    }

    async fn checkpoint(&self, context: &RequestContext, since: Option<u64>) -> Result<SignedLedger, WorkflowError> {
        self.ledger()?.checkpoint(context, since).await
    }

    async fn entries(
        &self,
        context: &RequestContext,
        filter: &EntryFilter,
        page: &PageRequest,
    ) -> Result<ListPage<Leaf>, WorkflowError> {
        self.ledger()?.entries(context, filter, page).await
    }

    fn keeps_ledger(&self) -> bool {
        self.ledger().is_ok_and(|ledger| ledger.is_kept())
    }

    async fn note(&self, context: &RequestContext, noted: Noted) -> Result<(), WorkflowError> {
        self.ledger()?.note(context, noted).await
    }
}
