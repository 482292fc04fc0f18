//! Subjects and their templates: the trait every store implements, and the
//! embedded store.

mod decision;
mod embedded;
mod error;
mod scheme;
mod snapshot;
mod types;

pub(crate) use decision::next_attempt;
pub use decision::{
    ANSWER_BYTES_MAX, ATTEMPTS_MAX, ClearedPair, DecisionKey, NewDecision, Note, Outcome, Resolution, StoredDecision,
};
pub use embedded::{BackendFactory, EmbeddedGallery, EmbeddedOptions, Progress};
pub use error::{Fault, GalleryError};
pub use scheme::Scheme;
pub(crate) use scheme::{province_code, same_province, same_scheme};
pub use snapshot::{GallerySnapshot, SnapshotHead, SnapshotPart};
pub(crate) use types::groups_of_one_record;
pub use types::{
    Agreement, Answered, Attributes, Candidate, EnrolMode, Enrolment, Filter, GalleryId, Instead, LookUp, NewTemplate,
    Receipt, RequestId, Retry, Scope, Source, Stats, StoredTemplate, Subject, SubjectId, Timestamp, Vouch, Vouched,
};

use async_trait::async_trait;

use crate::face::{RecipeDigest, Template};

/// A store of subjects that can be searched by face.
///
/// Asynchronous because an implementation may be remote. Acknowledged means
/// durable: when a write returns `Ok`, it survives a killed process and a power
/// cut, and every search that begins afterwards sees it.
#[async_trait]
pub trait Gallery: Send + Sync {
    /// The recipe of every template in the store; others are refused.
    fn recipe(&self) -> RecipeDigest;

    /// Adds or changes one subject. With a [`Retry`], doing it again with the same
    /// request id and content returns the first receipt and changes nothing; the
    /// same id with other content is [`GalleryError::RequestIdReused`].
    async fn enrol(&self, enrolment: Enrolment, retry: Option<Retry>) -> Result<Receipt, GalleryError>;

    /// Removes a subject with all its templates;
    /// [`GalleryError::UnknownSubject`] where there is none.
    async fn remove(&self, subject: &SubjectId, retry: Option<Retry>) -> Result<Receipt, GalleryError>;

    /// The receipt of an earlier write with this request id, so that a retry need
    /// not even be computed. Other content is [`GalleryError::RequestIdReused`].
    async fn receipt(&self, retry: &Retry) -> Result<Option<Receipt>, GalleryError>;

    /// One subject with its templates.
    async fn subject(&self, subject: &SubjectId) -> Result<Option<Subject>, GalleryError>;

    /// Up to `limit` subject ids in byte order, those after `after`.
    async fn list(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError>;

    /// Subjects by face, best first, ties by subject id, those alone who pass the
    /// filter. Exact: what searching all and leaving the others out would give.
    async fn search(&self, probe: &Template, scope: Scope, filter: &Filter) -> Result<Vec<Candidate>, GalleryError>;

    /// Templates of all subjects who pass the filter: how many a search compares with.
    async fn templates_in(&self, filter: &Filter) -> Result<u64, GalleryError>;

    /// The `k` subjects whose best template scores highest, for somebody who looks through
    /// a gallery: where the store keeps a graph for it, some of them may be missed; the
    /// scores of those found are exact, and nobody is found who does not pass the filter.
    /// Never what a decision rests on. A store without a graph answers exactly.
    async fn look_up(&self, probe: &Template, k: usize, filter: &Filter) -> Result<LookUp, GalleryError> {
        let candidates = self.search(probe, Scope::Nearest(k), filter).await?;
        Ok(LookUp { candidates, answered: Answered::ExactlyInstead(Instead::Off) })
    }

    /// The `k` subjects whose best template scores highest, best first, ties by
    /// subject id.
    async fn nearest(&self, probe: &Template, k: usize) -> Result<Vec<Candidate>, GalleryError> {
        self.search(probe, Scope::Nearest(k), &Filter::default()).await
    }

    /// Every subject with a template at or above `score`, best first, ties by
    /// subject id.
    async fn within(&self, probe: &Template, score: f32) -> Result<Vec<Candidate>, GalleryError> {
        self.search(probe, Scope::Within(score), &Filter::default()).await
    }

    /// Stores a decision with its transaction id and whatever must be there together
    /// with it: an enrolment, and where it approves, the time of this verification
    /// for its scheme. The flag says that an earlier call with the same content had
    /// done it; the decision returned is then the earlier one.
    ///
    /// # Errors
    /// [`GalleryError::TransactionReused`] for other content under a used key or
    /// another subject or scheme under a used transaction;
    /// [`GalleryError::AttemptOutOfOrder`]; [`GalleryError::TransactionClosed`] after
    /// an approval or a resolution; [`GalleryError::SubjectExists`] where the
    /// enrolment came too late.
    async fn decide(&self, decision: NewDecision) -> Result<(StoredDecision, bool), GalleryError>;

    /// One decision.
    async fn decision(&self, key: &DecisionKey) -> Result<Option<StoredDecision>, GalleryError>;

    /// The last attempt of a transaction.
    async fn last_decision(&self, transaction: &RequestId) -> Result<Option<StoredDecision>, GalleryError>;

    /// Records what an officer made of a referral, and where that is an approval the
    /// time of this verification. The flag as in [`Gallery::decide`].
    ///
    /// # Errors
    /// [`GalleryError::UnknownTransaction`], [`GalleryError::UnknownAttempt`]; [`GalleryError::NotReferred`] where it
    /// was decided otherwise or a later attempt follows;
    /// [`GalleryError::AlreadyResolved`] where an officer answered otherwise before.
    async fn resolve(&self, key: &DecisionKey, resolution: Resolution) -> Result<(StoredDecision, bool), GalleryError>;

    /// Remembers that two subjects share a face for a good reason, at least one of
    /// whom is enrolled. A pair that is cleared stays as it was cleared first, and the
    /// receipt says replayed. Removing or replacing either subject forgets it.
    async fn clear_pair(&self, pair: ClearedPair) -> Result<Receipt, GalleryError>;

    /// Those with whom a subject shares a face for a good reason, in byte order.
    async fn cleared_with(&self, subject: &SubjectId) -> Result<Vec<SubjectId>, GalleryError>;

    /// Up to `limit` cleared pairs in byte order of their ids, those after `after`.
    async fn cleared_pairs(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError>;

    /// Everything as it is now, to be read while the store is in use.
    async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError>;

    /// How much is in the store.
    async fn stats(&self) -> Result<Stats, GalleryError>;
}
