//! A client of the service, in the types of the use cases.

mod as_caller;
mod rights;

pub use self::rights::{AnswerCall, RightsCall};

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_stream::{Stream, StreamExt};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Uri;

use super::client_stream::Explained;
use super::convert;
use super::pb;
use super::pb::beneficiary_client::BeneficiaryClient;
use super::pb::cases_client::CasesClient;
use super::pb::gallery_client::GalleryClient;
use super::pb::ledger_client::LedgerClient;
use super::pb::rights_client::RightsClient;
use super::pb::verification_client::VerificationClient;
use super::token_file::TokenFile;
use super::{ClientError, ClientOptions, ServeOptions, client_tls};
use crate::gallery::{
    Attributes, ClearedPair, DecisionFilter, DecisionHead, PairState, Receipt, RecordedBasis, RequestId, Source,
    Standing, SubjectId, Timestamp, Vouched,
};
use crate::ledger::verify::Leaf;
use crate::workflow::beneficiary::{
    BeneficiaryOutcome, BeneficiaryRequest, CaseDecision, CasePictures, ClearPairRequest, IssuedChallenge, ListPage,
    PageRequest, PairChange, RepeatedCapture, ResolveReferral, ResolvedReferral, SubjectCount, SubjectFilter,
    SubjectSummary, UnclearPairRequest,
};
use crate::workflow::ledger::{EntryFilter, ProofOf, ProvenEntry, SignedLedger};
use crate::workflow::{
    AssessOutcome, EnrolOutcome, EnrolRequest, IdentifyOutcome, IdentifyRequest, Kind, VerifyOutcome, VerifyRequest,
    VerifyShown,
};

/// Longest time to wait for the server to accept the connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Largest HTTP/2 frame, in bytes, as the server takes it.
const FRAME_BYTES: u32 = 256 << 10;

/// A connection on which each call carries the client's token.
type WithToken = InterceptedService<Explained, TokenFile>;

/// What a server says of a stored template, without its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateInfo {
    /// Id of the template.
    pub id: u64,
    /// Where its picture came from.
    pub source: Source,
    /// When the picture was taken, where known.
    pub captured_at: Option<Timestamp>,
    /// Quality of the picture, 0–100, where measured.
    pub quality: Option<f32>,
}

/// What a server says of an enrolled subject.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectInfo {
    /// Pseudonymous id of the subject.
    pub id: SubjectId,
    /// Schemes, province and unit.
    pub attributes: Attributes,
    /// The templates, oldest first.
    pub templates: Vec<TemplateInfo>,
    /// Time of the last successful verification of each scheme.
    pub last_verified: BTreeMap<String, Timestamp>,
    /// Time of the first enrolment.
    pub enrolled_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Which templates officers vouched for, oldest first.
    pub vouched: Vec<Vouched>,
    /// Who enrolled any of its templates, as far as requests named them.
    pub enrolled_by: Vec<SubjectId>,
    /// What is said of how the record stands.
    pub standing: Standing,
    /// The legal bases of its enrolments, where they were given, oldest first.
    pub legal_bases: Vec<RecordedBasis>,
}

/// What a server says of a pair it cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClearedInfo {
    /// Number of the commit that carried it; of the latest one where replayed.
    pub commit: u64,
    /// The pair had been cleared before.
    pub replayed: bool,
    /// Officers who have cleared it.
    pub officers: u32,
    /// Officers it takes: with fewer it is not in force.
    pub officers_needed: u32,
}

/// A row of a bulk enrolment that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkFailure {
    /// 0-based number of the row in the order sent.
    pub row: u64,
    /// Stable code of the reason.
    pub reason: String,
    /// Name of the field at fault; empty where there is none.
    pub field: String,
    /// A sentence in English.
    pub en: String,
    /// A sentence in Vietnamese.
    pub vi: String,
}

/// The outcome of a bulk enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BulkOutcome {
    /// How many rows the server received.
    pub rows: u64,
    /// How many of them it made durable.
    pub committed: u64,
    /// How many an earlier request with the same id had made durable.
    pub replayed: u64,
    /// How many failed.
    pub failed: u64,
    /// The failures with the lowest row numbers.
    pub failures: Vec<BulkFailure>,
    /// There were more failures than are listed.
    pub failures_truncated: bool,
}

/// A connection to a running `chinhchu serve`. Cheap to clone; clones share the connection,
/// which is made anew when it breaks.
///
/// # Errors
/// Every call fails with a [`ClientError`] where the server refuses it, cannot be reached, or
/// answers what this client does not understand.
#[derive(Debug, Clone)]
pub struct Client {
    verification: VerificationClient<WithToken>,
    gallery: GalleryClient<WithToken>,
    beneficiary: BeneficiaryClient<WithToken>,
    cases: CasesClient<WithToken>,
    ledger: LedgerClient<WithToken>,
    rights: RightsClient<WithToken>,
    deadline: Duration,
}

impl Client {
    /// Connects to `http://HOST:PORT`, in plain text.
    ///
    /// # Errors
    /// As [`Client::connect_with`].
    pub async fn connect(url: &str) -> Result<Self, ClientError> {
        Self::connect_with(url, &ClientOptions::default()).await
    }

    /// Connects to `http://HOST:PORT`, or inside TLS to `https://HOST:PORT`.
    ///
    /// # Errors
    /// [`ClientError`] `BAD_ADDRESS` for another kind of address, or one that does not go with the
    /// options, `SERVER_UNREACHABLE` where nothing answers there, `TLS_FILE` where a file cannot be
    /// used, and `SERVER_NOT_TRUSTED`, `CERTIFICATE_REFUSED` or `TLS_FAILED` where no TLS comes about.
    /// A server that refuses the client's certificate may say so at the first call only.
    pub async fn connect_with(url: &str, options: &ClientOptions) -> Result<Self, ClientError> {
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(ClientError::bad_address(
                "the address must begin with https:// or http://, as in https://engine.example:50051 or \
                 http://127.0.0.1:50051"
                    .to_owned(),
            ));
        }
        let uri = Uri::try_from(url)
            .map_err(|error| ClientError::bad_address(format!("the address cannot be used: {error}")))?;
        let channel =
            client_tls::connect(uri, options, |one| one.connect_timeout(CONNECT_MAX).max_frame_size(FRAME_BYTES))
                .await?;
        let token = TokenFile::new(options.token_file.clone());
        let channel = InterceptedService::new(channel, token);
        Ok(Self {
            verification: VerificationClient::new(channel.clone()),
            gallery: GalleryClient::new(channel.clone()),
            beneficiary: BeneficiaryClient::new(channel.clone()),
            cases: CasesClient::new(channel.clone()),
            ledger: LedgerClient::new(channel.clone()),
            rights: RightsClient::new(channel),
            deadline: ServeOptions::default().deadline_max,
        })
    }

    /// The same client that gives every call but [`Client::bulk_enrol`] this much time.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.deadline);
        request
    }

    /// Compares 1:1.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn verify(&self, request: VerifyRequest) -> Result<VerifyOutcome, ClientError> {
        let request = self.request(pb::VerifyRequest::from(request));
        Ok(self.verification.clone().verify(request).await?.into_inner().try_into()?)
    }

    /// The same for whoever calls: a server that knows its callers keeps scores and rates from desks,
    /// of which [`Client::verify`] takes no answer.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn verify_shown(&self, request: VerifyRequest) -> Result<VerifyShown, ClientError> {
        let request = self.request(pb::VerifyRequest::from(request));
        Ok(self.verification.clone().verify(request).await?.into_inner().try_into()?)
    }

    /// Assesses the quality of a capture.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn assess(&self, image: Vec<u8>, kind: Kind) -> Result<AssessOutcome, ClientError> {
        let request = self.request(pb::AssessRequest { image, kind: pb::CaptureKind::from(kind).into() });
        Ok(self.verification.clone().assess(request).await?.into_inner().try_into()?)
    }

    /// Searches 1:N.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn identify(&self, request: IdentifyRequest) -> Result<IdentifyOutcome, ClientError> {
        let request = self.request(pb::IdentifyRequest::from(request));
        Ok(self.verification.clone().identify(request).await?.into_inner().try_into()?)
    }

    /// Asks for a challenge for the chip of a card that is read in a transaction.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn new_challenge(&self, transaction: &RequestId) -> Result<IssuedChallenge, ClientError> {
        let request = self.request(pb::NewChallengeRequest { transaction_id: transaction.as_str().to_owned() });
        Ok(self.beneficiary.clone().new_challenge(request).await?.into_inner().try_into()?)
    }

    /// Decides about a beneficiary. Safe to repeat: the same transaction, attempt and content
    /// give the same answer.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn verify_beneficiary(&self, request: BeneficiaryRequest) -> Result<BeneficiaryOutcome, ClientError> {
        let request = self.request(pb::VerifyBeneficiaryRequest::from(request));
        Ok(self.beneficiary.clone().verify_beneficiary(request).await?.into_inner().try_into()?)
    }

    /// Stores an officer's answer to a referral. Safe to repeat.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn resolve_referral(&self, request: ResolveReferral) -> Result<ResolvedReferral, ClientError> {
        let key = request.key.clone();
        let request = self.request(pb::ResolveReferralRequest::from(request));
        let answer = self.beneficiary.clone().resolve_referral(request).await?.into_inner();
        Ok(convert::resolved_referral(answer, key)?)
    }

    /// Marks two subjects as two people who look alike, such as twins. Safe to repeat.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn clear_pair(&self, request: ClearPairRequest) -> Result<ClearedInfo, ClientError> {
        let request = self.request(pb::ClearPairRequest::from(request));
        let answer = self.beneficiary.clone().clear_pair(request).await?.into_inner();
        let pb::ClearPairResponse { commit, replayed, officers, officers_needed, .. } = answer;
        Ok(ClearedInfo { commit, replayed, officers, officers_needed })
    }

    /// Ends the clearing of a pair. Safe to repeat.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn unclear_pair(&self, request: UnclearPairRequest) -> Result<PairChange, ClientError> {
        let request = self.request(convert::wire_unclear_pair(request));
        Ok(self.cases.clone().unclear_pair(request).await?.into_inner().try_into()?)
    }

    /// Looks up a decision, the last of the transaction where no attempt is named.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn case(&self, transaction: &RequestId, attempt: Option<u32>) -> Result<CaseDecision, ClientError> {
        let transaction_id = transaction.as_str().to_owned();
        let request = self.request(pb::GetDecisionRequest { transaction_id, attempt: attempt.unwrap_or(0) });
        Ok(self.cases.clone().get_decision(request).await?.into_inner().try_into()?)
    }

    /// The pictures of a decision that waits for an officer, of the last of the transaction where no attempt
    /// is named.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn pictures(&self, transaction: &RequestId, attempt: Option<u32>) -> Result<CasePictures, ClientError> {
        let transaction_id = transaction.as_str().to_owned();
        let request = self.request(pb::GetPicturesRequest { transaction_id, attempt: attempt.unwrap_or(0) });
        let answer = self.cases.clone().get_pictures(request).await?.into_inner();
        Ok(convert::case_pictures(answer, transaction.clone())?)
    }

    /// A page of decisions; those alone that wait for an officer where the filter says so, and then
    /// nothing else of it counts.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn decisions(
        &self,
        filter: DecisionFilter,
        page: PageRequest,
    ) -> Result<ListPage<DecisionHead>, ClientError> {
        let mut cases = self.cases.clone();
        if filter.waiting {
            let request = pb::ListReferralsRequest { page_size: convert::wire_size(&page), page_token: page.token };
            let answer = cases.list_referrals(self.request(request)).await?.into_inner();
            return Ok(convert::decisions_page(answer.referrals, answer.next_page_token)?);
        }
        let request = self.request(convert::wire_list_decisions(filter, page));
        let answer = cases.list_decisions(request).await?.into_inner();
        Ok(convert::decisions_page(answer.decisions, answer.next_page_token)?)
    }

    /// A page of decisions with captures that were used before.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn repeated_captures(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        page: PageRequest,
    ) -> Result<ListPage<RepeatedCapture>, ClientError> {
        let request = self.request(pb::ListRepeatedCapturesRequest {
            since: since.map(convert::to_wire),
            until: until.map(convert::to_wire),
            page_size: convert::wire_size(&page),
            page_token: page.token,
        });
        let answer = self.cases.clone().list_repeated_captures(request).await?.into_inner();
        Ok(convert::repeated_captures_page(answer)?)
    }

    /// A page of cleared pairs.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn pairs(
        &self,
        state: Option<PairState>,
        page: PageRequest,
    ) -> Result<ListPage<ClearedPair>, ClientError> {
        let request = self.request(pb::ListClearedPairsRequest {
            state: state.map_or(pb::PairState::Unspecified, pb::PairState::from).into(),
            page_size: convert::wire_size(&page),
            page_token: page.token,
        });
        Ok(convert::pairs_page(self.cases.clone().list_cleared_pairs(request).await?.into_inner())?)
    }

    /// The receipt of an entry of the transparency log.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn prove(&self, of: ProofOf) -> Result<ProvenEntry, ClientError> {
        let request = self.request(convert::wire_prove(of));
        Ok(convert::proven(self.ledger.clone().prove(request).await?.into_inner())?)
    }

    /// The log's newest checkpoint, not verified, and the proof that it goes on from the log of an
    /// earlier size.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn checkpoint(&self, since: Option<u64>) -> Result<SignedLedger, ClientError> {
        let request = self.request(pb::GetCheckpointRequest { size: since.unwrap_or(0) });
        Ok(convert::signed(self.ledger.clone().get_checkpoint(request).await?.into_inner())?)
    }

    /// A page of the log's entries.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn entries(&self, filter: EntryFilter, page: PageRequest) -> Result<ListPage<Leaf>, ClientError> {
        let request = self.request(convert::wire_list_entries(filter, page));
        Ok(convert::entries_page(self.ledger.clone().list_entries(request).await?.into_inner())?)
    }

    /// A page of subjects.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn subjects(
        &self,
        filter: SubjectFilter,
        page: PageRequest,
    ) -> Result<ListPage<SubjectSummary>, ClientError> {
        let request = self.request(pb::ListSubjectsRequest {
            scheme: filter.scheme.unwrap_or_default(),
            province: filter.province.unwrap_or_default(),
            page_size: convert::wire_size(&page),
            page_token: page.token,
            standing: convert::wire_standing_filter(filter.standing),
        });
        Ok(convert::subjects_page(self.gallery.clone().list_subjects(request).await?.into_inner())?)
    }

    /// How many subjects there are.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn count_subjects(&self, filter: SubjectFilter) -> Result<SubjectCount, ClientError> {
        let request = self.request(pb::CountSubjectsRequest {
            scheme: filter.scheme.unwrap_or_default(),
            province: filter.province.unwrap_or_default(),
        });
        Ok(self.gallery.clone().count_subjects(request).await?.into_inner().into())
    }

    /// Enrols one subject.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn enrol(&self, request: EnrolRequest) -> Result<EnrolOutcome, ClientError> {
        let request = self.request(pb::EnrollRequest::from(request));
        Ok(self.gallery.clone().enroll(request).await?.into_inner().try_into()?)
    }

    /// Enrols the subjects of a stream, which is read as fast as the server works. Where rows
    /// have request ids, the whole stream can be sent again.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn bulk_enrol(
        &self,
        rows: impl Stream<Item = EnrolRequest> + Send + 'static,
    ) -> Result<BulkOutcome, ClientError> {
        let rows = rows.map(pb::EnrollRequest::from);
        let answer = self.gallery.clone().bulk_enroll(rows).await?.into_inner();
        let failures = answer.failures.into_iter().map(|failure| BulkFailure {
            row: failure.row,
            reason: failure.reason,
            field: failure.field,
            en: failure.message_en,
            vi: failure.message_vi,
        });
        Ok(BulkOutcome {
            rows: answer.rows,
            committed: answer.committed,
            replayed: answer.replayed,
            failed: answer.failed,
            failures: failures.collect(),
            failures_truncated: answer.failures_truncated,
        })
    }

    /// Removes a subject.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn remove(&self, subject: &SubjectId, request_id: Option<RequestId>) -> Result<Receipt, ClientError> {
        let request = self.request(pb::RemoveRequest {
            request_id: request_id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            subject_id: subject.as_str().to_owned(),
        });
        let answer = self.gallery.clone().remove(request).await?.into_inner();
        Ok(Receipt { commit: answer.commit, templates: 0, replayed: answer.replayed })
    }

    /// Looks up what is stored of a subject.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn subject(&self, subject: &SubjectId) -> Result<SubjectInfo, ClientError> {
        let request = self.request(pb::GetSubjectRequest { subject_id: subject.as_str().to_owned() });
        let answer = self.gallery.clone().get_subject(request).await?.into_inner();
        Ok(convert::subject_info(answer)?)
    }
}
