//! Subjects and their templates: the trait every store implements, and the
//! embedded store.

mod embedded;
mod error;
mod types;

pub use embedded::{BackendFactory, EmbeddedGallery, EmbeddedOptions, Progress};
pub use error::{Fault, GalleryError};
pub use types::{
    Attributes, Candidate, EnrolMode, Enrolment, NewTemplate, Receipt, RequestId, Retry, Source, Stats, StoredTemplate,
    Subject, SubjectId, Timestamp,
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

    /// The `k` subjects whose best template scores highest, best first, ties by
    /// subject id.
    async fn nearest(&self, probe: &Template, k: usize) -> Result<Vec<Candidate>, GalleryError>;

    /// Every subject with a template at or above `score`, best first, ties by
    /// subject id.
    async fn within(&self, probe: &Template, score: f32) -> Result<Vec<Candidate>, GalleryError>;

    /// How much is in the store.
    async fn stats(&self) -> Result<Stats, GalleryError>;
}
