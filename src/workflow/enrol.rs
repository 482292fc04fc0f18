use super::{Engine, WorkflowError};
use crate::face::FaceReport;
use crate::gallery::{Attributes, EnrolMode, Receipt, RequestId, Source, Stats, Subject, SubjectId, Timestamp};

/// One photo to enrol.
#[derive(Clone)]
pub struct Photo {
    /// Encoded bytes.
    pub bytes: Vec<u8>,
    /// Where it came from.
    pub source: Source,
    /// When it was taken, where known.
    pub captured_at: Option<Timestamp>,
}

/// Enrol a subject from 1–5 photos; each becomes a template.
#[derive(Clone)]
pub struct EnrolRequest {
    /// Makes a retry safe.
    pub request_id: Option<RequestId>,
    /// Whose.
    pub subject: SubjectId,
    /// How to treat what is there.
    pub mode: EnrolMode,
    /// What is known beside the face.
    pub attributes: Attributes,
    /// 1–5.
    pub photos: Vec<Photo>,
}

/// What an enrolment did.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrolOutcome {
    /// Proof of the commit.
    pub receipt: Receipt,
    /// What was seen in each photo, in order; empty for a replayed request, whose
    /// photos are not looked at again.
    pub photos: Vec<FaceReport>,
}

impl Engine {
    /// Makes templates and stores them in one commit.
    pub async fn enrol(&self, _request: EnrolRequest) -> Result<EnrolOutcome, WorkflowError> {
        Err(WorkflowError::NoGallery)
    }

    /// Removes a subject and its templates.
    pub async fn remove(
        &self,
        _subject: &SubjectId,
        _request_id: Option<RequestId>,
    ) -> Result<Receipt, WorkflowError> {
        Err(WorkflowError::NoGallery)
    }

    /// One subject, or [`GalleryError::UnknownSubject`](crate::gallery::GalleryError::UnknownSubject).
    pub async fn subject(&self, _subject: &SubjectId) -> Result<Subject, WorkflowError> {
        Err(WorkflowError::NoGallery)
    }

    /// Size of the gallery.
    pub async fn stats(&self) -> Result<Stats, WorkflowError> {
        Err(WorkflowError::NoGallery)
    }
}
