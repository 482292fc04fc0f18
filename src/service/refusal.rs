//! Why a call is refused, and the status that says so: a gRPC code, a reason for
//! programs, a sentence in Vietnamese and in English for people.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorInfo, LocalizedMessage, RetryInfo, StatusExt};

use super::ERROR_DOMAIN;
use crate::face::quality::Flaw;
use crate::gallery::GalleryError;
use crate::matching::CalibrationError;
use crate::workflow::words::{Class, Reason};
use crate::workflow::{Field, WorkflowError};

/// Hint where the service cannot say how long an outage lasts.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(1);

/// A refusal of the service itself, before or beside the workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Every place is taken.
    Busy { retry_after: Duration },
    /// The deadline passed.
    DeadlineExceeded,
    /// No row came for too long.
    Stalled,
    /// The server stops.
    ShuttingDown,
    /// The message is over the limit.
    MessageTooLarge { bytes_max: usize },
    /// Not a message of this contract.
    BadMessage,
}

impl Manner {
    fn reason(self) -> Reason {
        match self {
            Self::Busy { .. } => Reason::Busy,
            Self::DeadlineExceeded | Self::Stalled => Reason::DeadlineExceeded,
            Self::ShuttingDown => Reason::ShuttingDown,
            Self::MessageTooLarge { .. } => Reason::MessageTooLarge,
            Self::BadMessage => Reason::BadMessage,
        }
    }
}

/// What the messages of one call name the parts a [`Field`] speaks of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    /// The field that holds the photos.
    pub photos: &'static str,
    /// The field that holds the requested rate.
    pub rate: &'static str,
}

impl Names {
    pub(super) const VERIFY: Self = Self { photos: "probes", rate: "fmr" };
    pub(super) const IDENTIFY: Self = Self { photos: "probes", rate: "fpir" };
    pub(super) const GALLERY: Self = Self { photos: "photos", rate: "rate" };
    pub(super) const BENEFICIARY: Self = Self { photos: "frames", rate: "policy" };

    fn of(self, field: Field) -> String {
        match field {
            Field::Count => self.photos.to_owned(),
            Field::Rate => self.rate.to_owned(),
            other => other.to_string(),
        }
    }
}

/// A call, or a row of a bulk enrolment, that is refused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub reason: Reason,
    /// English, with the figures of this case; names no person.
    pub message: String,
    pub field: Option<String>,
    pub retry_after: Option<Duration>,
    /// What is wrong with a capture that was refused.
    pub flaws: Vec<Flaw>,
}

impl Refusal {
    /// What a workflow error means to the caller.
    pub(super) fn of(error: &WorkflowError, names: Names) -> Self {
        let reason = Reason::of(error);
        let code = code_of(reason.class());
        let field = match error {
            WorkflowError::Face { field, .. }
            | WorkflowError::OutOfRange { field, .. }
            | WorkflowError::NumberAsId { field }
            | WorkflowError::CaptureRefused { field, .. }
            | WorkflowError::NotLive { field } => Some(names.of(*field)),
            WorkflowError::PhotoCount { .. } => Some(names.photos.to_owned()),
            WorkflowError::Calibration(CalibrationError::BadRate(_)) => Some(names.rate.to_owned()),
            WorkflowError::Gallery(GalleryError::BadSubjectId) => Some("subject_id".to_owned()),
            WorkflowError::Gallery(GalleryError::BadRequestId | GalleryError::RequestIdReused) => {
                Some("request_id".to_owned())
            }
            WorkflowError::Gallery(
                GalleryError::TransactionReused | GalleryError::TransactionClosed | GalleryError::UnknownTransaction,
            ) => Some("transaction_id".to_owned()),
            WorkflowError::Gallery(GalleryError::AttemptOutOfOrder { .. } | GalleryError::NotReferred)
            | WorkflowError::Attempts { .. } => Some("attempt".to_owned()),
            WorkflowError::Gallery(GalleryError::AlreadyResolved) => Some("outcome".to_owned()),
            WorkflowError::Gallery(GalleryError::BadNote) => Some("reason".to_owned()),
            WorkflowError::Gallery(GalleryError::SamePair) => Some("subject_id_b".to_owned()),
            WorkflowError::Policy => Some("policy".to_owned()),
            _ => None,
        };
        let retry_after = match error {
            WorkflowError::Busy { retry_after_ms } => Some(Duration::from_millis(*retry_after_ms)),
            _ => (code == Code::Unavailable).then_some(RETRY_UNAVAILABLE),
        };
        // What went wrong inside (paths, the store's words) is for the log alone.
        let message = match code {
            Code::Internal | Code::DataLoss | Code::Unavailable => {
                tracing::error!(reason = reason.code(), %error, "the engine failed");
                reason.en().to_owned()
            }
            _ => error.to_string(),
        };
        let flaws = match error {
            WorkflowError::CaptureRefused { flaws, .. } => flaws.clone(),
            _ => Vec::new(),
        };
        Self { flaws, ..Self::new(reason, message, field, retry_after) }
    }

    /// The sentences to show: the reason's, and what each flaw advises.
    pub(super) fn sentences(&self) -> (String, String) {
        let with = |sentence: &str, of: fn(Flaw) -> &'static str| {
            std::iter::once(sentence).chain(self.flaws.iter().map(|&flaw| of(flaw))).collect::<Vec<_>>().join(" ")
        };
        (with(self.reason.vi(), Flaw::vi), with(self.reason.en(), Flaw::en))
    }

    fn new(reason: Reason, message: String, field: Option<String>, retry_after: Option<Duration>) -> Self {
        Self { reason, message, field, retry_after, flaws: Vec::new() }
    }

    /// The gRPC code.
    pub(super) fn code(&self) -> Code {
        code_of(self.reason.class())
    }

    /// The status that carries it, details and all.
    pub(super) fn into_status(self) -> Status {
        let code = self.code();
        let mut metadata = HashMap::new();
        if let Some(field) = &self.field {
            metadata.insert("field".to_owned(), field.clone());
        }
        if !self.flaws.is_empty() {
            let codes: Vec<_> = self.flaws.iter().map(|flaw| flaw.code()).collect();
            metadata.insert("flaws".to_owned(), codes.join(","));
        }
        let (vi, en) = self.sentences();
        let mut details: Vec<ErrorDetail> = vec![
            ErrorInfo::new(self.reason.code(), ERROR_DOMAIN, metadata).into(),
            LocalizedMessage::new("vi", vi).into(),
            LocalizedMessage::new("en", en).into(),
        ];
        if let Some(field) = self.field {
            details.push(BadRequest::with_violation(field, self.message.clone()).into());
        }
        if let Some(delay) = self.retry_after {
            details.push(RetryInfo::new(Some(delay)).into());
        }
        Status::with_error_details_vec(code, self.message, details)
    }
}

impl From<Manner> for Refusal {
    fn from(manner: Manner) -> Self {
        let reason = manner.reason();
        let message = match manner {
            Manner::Stalled => "no row came for too long; send the list again, with the same request ids".to_owned(),
            Manner::MessageTooLarge { bytes_max } => {
                format!("the message is larger than the limit of {bytes_max} bytes; send smaller or fewer photos")
            }
            Manner::BadMessage => "the bytes are no message of chinhchu.v1; check the client's proto files".to_owned(),
            Manner::Busy { .. } | Manner::DeadlineExceeded | Manner::ShuttingDown => reason.en().to_owned(),
        };
        let retry_after = match manner {
            Manner::Busy { retry_after } => Some(retry_after),
            Manner::ShuttingDown => Some(RETRY_UNAVAILABLE),
            _ => None,
        };
        Self::new(reason, message, None, retry_after)
    }
}

fn code_of(class: Class) -> Code {
    match class {
        Class::InvalidArgument => Code::InvalidArgument,
        Class::FailedPrecondition => Code::FailedPrecondition,
        Class::NotFound => Code::NotFound,
        Class::AlreadyExists => Code::AlreadyExists,
        Class::ResourceExhausted => Code::ResourceExhausted,
        Class::Unavailable => Code::Unavailable,
        Class::Internal => Code::Internal,
        Class::DataLoss => Code::DataLoss,
        Class::Cancelled => Code::Cancelled,
        Class::DeadlineExceeded => Code::DeadlineExceeded,
    }
}
