//! The status of a call that is refused (AIP-193): a gRPC code, a reason and figures for
//! programs, a sentence in the caller's language for people.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorInfo, LocalizedMessage, RetryInfo, StatusExt};

use super::ERROR_DOMAIN;
use super::language::Language;
use crate::access::Fields;
use crate::access::token::TokenError;
use crate::face::FaceError;
use crate::face::quality::Flaw;
use crate::gallery::GalleryError;
use crate::imaging::ImageError;
use crate::matching::CalibrationError;
use crate::workflow::reason::{Reason, StatusClass};
use crate::workflow::{Field, WorkflowError};

/// Retry hint where the service cannot know how long an outage lasts.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(1);

/// Why the service itself refuses a call, apart from what its use case answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceRefusal {
    /// There is no capacity for the call.
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The call's deadline passed.
    DeadlineExceeded,
    /// A bulk enrolment sent no row for too long.
    Stalled,
    /// Nothing more of a message came for too long.
    UploadStalled,
    /// The server stops.
    ShuttingDown,
    /// The message is larger than the limit.
    MessageTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The bytes are no message of this contract.
    BadMessage,
    /// It is not known who calls, or that caller may not do this.
    NotAuthorised {
        /// Why.
        reason: Reason,
        /// When a try may succeed, where a bound of the caller's was reached.
        retry_after: Option<Duration>,
        /// What is wrong with the token, where it is that.
        token: Option<TokenError>,
    },
}

impl ServiceRefusal {
    fn reason(self) -> Reason {
        match self {
            Self::Busy { .. } => Reason::Busy,
            Self::DeadlineExceeded | Self::Stalled | Self::UploadStalled => Reason::DeadlineExceeded,
            Self::ShuttingDown => Reason::ShuttingDown,
            Self::MessageTooLarge { .. } => Reason::MessageTooLarge,
            Self::BadMessage => Reason::BadMessage,
            Self::NotAuthorised { reason, .. } => reason,
        }
    }
}

/// What the messages of one service call the fields that a [`Field`] names in general.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldNames {
    /// The field that holds the photos.
    pub photos: &'static str,
    /// The field that holds the requested rate.
    pub rate: &'static str,
    /// The field that holds an officer's reason.
    pub note: &'static str,
}

impl FieldNames {
    pub(super) const VERIFY: Self = Self { photos: "probes", rate: "fmr", note: "reason" };
    pub(super) const IDENTIFY: Self = Self { photos: "probes", rate: "fpir.fpir", note: "reason" };
    pub(super) const GALLERY: Self = Self { photos: "photos", rate: "rate", note: "vouch.reason" };
    pub(super) const BENEFICIARY: Self = Self { photos: "frames", rate: "policy", note: "reason" };

    /// The name of a field in these messages.
    fn of(self, field: Field) -> String {
        match field {
            Field::Count => self.photos.to_owned(),
            Field::Rate => self.rate.to_owned(),
            other => other.to_string(),
        }
    }
}

/// The refusal of a call or of a row of a bulk enrolment, before it becomes a status.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// Why, as a stable code with sentences.
    pub reason: Reason,
    /// What happened, in English, with the figures of this case; names no person.
    pub message: String,
    /// The field at fault, by its name in the message, where there is one.
    pub field: Option<String>,
    /// When to try again, where that can help.
    pub retry_after: Option<Duration>,
    /// What is wrong with a capture that was refused.
    pub flaws: Vec<Flaw>,
    /// The figures of the message, by name.
    pub figures: Vec<(&'static str, String)>,
}

impl Refusal {
    /// The refusal of a request that failed with `error`.
    pub(super) fn of(error: &WorkflowError, names: FieldNames) -> Self {
        let reason = Reason::of(error);
        let code = code_of(reason.class());
        let field = match error {
            WorkflowError::Face { field, .. }
            | WorkflowError::OutOfRange { field, .. }
            | WorkflowError::BadId { field }
            | WorkflowError::FaceAmbiguous { field }
            | WorkflowError::NumberAsId { field }
            | WorkflowError::CaptureRefused { field, .. }
            | WorkflowError::NotLive { field } => Some(names.of(*field)),
            WorkflowError::LegalBasisMissing => Some("legal_basis".to_owned()),
            WorkflowError::PhotoCount { .. } | WorkflowError::ProbesDisagree | WorkflowError::FramesRepeated => {
                Some(names.photos.to_owned())
            }
            WorkflowError::PageToken => Some("page_token".to_owned()),
            WorkflowError::Calibration(CalibrationError::BadRate(_)) => Some(names.rate.to_owned()),
            WorkflowError::Gallery(GalleryError::BadSubjectId) => Some("subject_id".to_owned()),
            WorkflowError::Gallery(GalleryError::BadRequestId | GalleryError::RequestIdReused) => {
                Some("request_id".to_owned())
            }
            WorkflowError::Gallery(
                GalleryError::TransactionReused | GalleryError::TransactionClosed | GalleryError::UnknownTransaction,
            ) => Some("transaction_id".to_owned()),
            WorkflowError::Gallery(
                GalleryError::AttemptOutOfOrder { .. } | GalleryError::UnknownAttempt | GalleryError::NotReferred,
            )
            | WorkflowError::Attempts { .. } => Some("attempt".to_owned()),
            WorkflowError::Gallery(GalleryError::AlreadyResolved) => Some("outcome".to_owned()),
            WorkflowError::Gallery(GalleryError::BadNote) => Some(names.note.to_owned()),
            WorkflowError::Gallery(GalleryError::SamePair) => Some("subject_id_b".to_owned()),
            WorkflowError::Policy => Some("policy".to_owned()),
            _ => None,
        };
        let retry_after = match error {
            WorkflowError::Busy { retry_after_ms } => Some(Duration::from_millis(*retry_after_ms)),
            _ => (code == Code::Unavailable).then_some(RETRY_UNAVAILABLE),
        };
        // Paths and the messages of the store are for the log alone.
        let hidden = matches!(code, Code::Internal | Code::DataLoss | Code::Unavailable);
        let message = if hidden {
            tracing::error!(reason = reason.code(), %error, "the engine failed");
            reason.en().to_owned()
        } else {
            error.to_string()
        };
        let flaws = match error {
            WorkflowError::CaptureRefused { flaws, .. } => flaws.clone(),
            _ => Vec::new(),
        };
        let figures = if hidden { Vec::new() } else { figures(error) };
        Self { flaws, figures, ..Self::new(reason, message, field, retry_after) }
    }

    /// The same for a caller who sees these fields alone: what was measured of a picture is told to
    /// nobody in a refusal who would not be told in an answer.
    #[must_use]
    pub(super) fn seen_by(mut self, fields: Fields) -> Self {
        let is_measure = |(name, _): &(&'static str, String)| MEASURES.contains(name);
        if !fields.measures && self.figures.iter().any(is_measure) {
            self.figures.retain(|figure| !is_measure(figure));
            self.message = self.reason.en().to_owned();
        }
        self
    }

    /// The sentences to show, in Vietnamese and in English: that of the reason, and the advice
    /// of each flaw.
    pub(super) fn sentences(&self) -> (String, String) {
        let with = |sentence: &str, of: fn(Flaw) -> &'static str| {
            std::iter::once(sentence).chain(self.flaws.iter().map(|&flaw| of(flaw))).collect::<Vec<_>>().join(" ")
        };
        (with(self.reason.vi(), Flaw::vi), with(self.reason.en(), Flaw::en))
    }

    /// The refusal of a message in JSON that is none of the method's, in words that repeat nothing of it.
    pub(super) fn bad_json(message: String, field: Option<String>, figures: Vec<(&'static str, String)>) -> Self {
        Self { figures, ..Self::new(Reason::BadMessage, message, field, None) }
    }

    fn new(reason: Reason, message: String, field: Option<String>, retry_after: Option<Duration>) -> Self {
        Self { reason, message, field, retry_after, flaws: Vec::new(), figures: Vec::new() }
    }

    /// Its gRPC code.
    pub(super) fn code(&self) -> Code {
        code_of(self.reason.class())
    }

    /// The status with all its details, in the caller's language.
    pub(super) fn into_status(self, language: Language) -> Status {
        let code = self.code();
        let (vi, en) = self.sentences();
        let mut metadata = HashMap::from([(MESSAGE_VI.to_owned(), vi.clone()), (MESSAGE_EN.to_owned(), en.clone())]);
        metadata.extend(self.figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)));
        if let Some(field) = &self.field {
            metadata.insert(FIELD.to_owned(), field.clone());
        }
        if !self.flaws.is_empty() {
            let codes: Vec<_> = self.flaws.iter().map(|flaw| flaw.code()).collect();
            metadata.insert("flaws".to_owned(), codes.join(","));
        }
        let spoken = match language {
            Language::Vietnamese => vi,
            Language::English => en,
        };
        let mut details: Vec<ErrorDetail> = vec![
            ErrorInfo::new(self.reason.code(), ERROR_DOMAIN, metadata).into(),
            LocalizedMessage::new(language.tag(), spoken).into(),
        ];
        // Only an invalid request has a field that is at fault by itself.
        if let Some(field) = self.field.filter(|_| code == Code::InvalidArgument) {
            details.push(BadRequest::with_violation(field, self.message.clone()).into());
        }
        if let Some(delay) = self.retry_after {
            details.push(RetryInfo::new(Some(delay)).into());
        }
        Status::with_error_details_vec(code, self.message, details)
    }
}

/// Figures that were measured of a picture.
const MEASURES: [&str; 2] = ["eyeDistance", "eyeDistanceMin"];

/// Key in `ErrorInfo.metadata` of the field at fault. More keys are those of [`figures`], and
/// `flaws`.
pub(super) const FIELD: &str = "field";
/// Key of the sentence in Vietnamese.
pub(super) const MESSAGE_VI: &str = "messageVi";
/// Key of the sentence in English.
pub(super) const MESSAGE_EN: &str = "messageEn";

/// The figures of an error's message with their keys in `ErrorInfo.metadata`, so that no
/// program has to read them out of a sentence.
fn figures(error: &WorkflowError) -> Vec<(&'static str, String)> {
    let pairs: &[(&'static str, &dyn std::fmt::Display)] = match error {
        WorkflowError::PhotoCount { found, max } => &[("photos", found), ("photosMax", max)],
        WorkflowError::Attempts { max } => &[("attemptsMax", max)],
        WorkflowError::Gallery(error) => match error {
            GalleryError::AttemptOutOfOrder { expected } => &[("attemptExpected", expected)],
            GalleryError::TemplateCount { found, max } => &[("templates", found), ("templatesMax", max)],
            GalleryError::OtherRecipe { gallery, template } => &[("recipe", template), ("recipeExpected", gallery)],
            _ => &[],
        },
        WorkflowError::Face { source, .. } => match source {
            FaceError::FaceTooSmall { eye_distance, eye_distance_min } => {
                &[("eyeDistance", eye_distance), ("eyeDistanceMin", eye_distance_min)]
            }
            FaceError::Image(ImageError::TooManyBytes { bytes, bytes_max }) => {
                &[("bytes", bytes), ("bytesMax", bytes_max)]
            }
            FaceError::Image(ImageError::TooMuchMemory { bytes, bytes_max }) => {
                &[("memoryBytes", bytes), ("memoryBytesMax", bytes_max)]
            }
            FaceError::Image(ImageError::TooManyPixels { width, height, pixels_max }) => {
                &[("width", width), ("height", height), ("pixelsMax", pixels_max)]
            }
            _ => &[],
        },
        _ => &[],
    };
    pairs.iter().map(|(name, figure)| (*name, figure.to_string())).collect()
}

impl From<ServiceRefusal> for Refusal {
    fn from(refusal: ServiceRefusal) -> Self {
        let reason = refusal.reason();
        let message = match refusal {
            ServiceRefusal::Stalled => {
                "no row came for too long; send the list again, with the same request ids".to_owned()
            }
            ServiceRefusal::UploadStalled => "the message did not come; check the line and send it again".to_owned(),
            ServiceRefusal::MessageTooLarge { bytes_max } => {
                format!("the message is larger than the limit of {bytes_max} bytes; send smaller or fewer photos")
            }
            ServiceRefusal::BadMessage => {
                "the bytes are no message of chinhchu.v1; check the client's proto files".to_owned()
            }
            ServiceRefusal::Busy { .. }
            | ServiceRefusal::DeadlineExceeded
            | ServiceRefusal::ShuttingDown
            | ServiceRefusal::NotAuthorised { token: None, .. } => reason.en().to_owned(),
            ServiceRefusal::NotAuthorised { token: Some(token), .. } => token.en().to_owned(),
        };
        let retry_after = match refusal {
            ServiceRefusal::Busy { retry_after } => Some(retry_after),
            ServiceRefusal::ShuttingDown => Some(RETRY_UNAVAILABLE),
            ServiceRefusal::NotAuthorised { retry_after, .. } => retry_after,
            _ => None,
        };
        let figures = match refusal {
            ServiceRefusal::MessageTooLarge { bytes_max } => vec![("bytesMax", bytes_max.to_string())],
            ServiceRefusal::NotAuthorised { token: Some(token), .. } => vec![("token", token.code().to_owned())],
            _ => Vec::new(),
        };
        Self { figures, ..Self::new(reason, message, None, retry_after) }
    }
}

/// The gRPC code of a status class.
fn code_of(class: StatusClass) -> Code {
    match class {
        StatusClass::InvalidArgument => Code::InvalidArgument,
        StatusClass::FailedPrecondition => Code::FailedPrecondition,
        StatusClass::NotFound => Code::NotFound,
        StatusClass::AlreadyExists => Code::AlreadyExists,
        StatusClass::ResourceExhausted => Code::ResourceExhausted,
        StatusClass::Unavailable => Code::Unavailable,
        StatusClass::Internal => Code::Internal,
        StatusClass::DataLoss => Code::DataLoss,
        StatusClass::Cancelled => Code::Cancelled,
        StatusClass::DeadlineExceeded => Code::DeadlineExceeded,
        StatusClass::Unauthenticated => Code::Unauthenticated,
        StatusClass::PermissionDenied => Code::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::Field;

    #[test]
    fn whoever_sees_no_measures_is_told_none_in_a_refusal() {
        let small = FaceError::FaceTooSmall { eye_distance: 21.0, eye_distance_min: 32.0 };
        let error = WorkflowError::Face { field: Field::Reference, source: small };
        let of = |fields| Refusal::of(&error, FieldNames::VERIFY).seen_by(fields).into_status(Language::English);
        let told = |status: &Status| {
            let info = status.get_error_details().error_info().cloned().unwrap();
            (info.metadata.contains_key("eyeDistance"), status.message().contains("21"), info.metadata["field"].clone())
        };
        assert_eq!(told(&of(Fields::ALL)), (true, true, "reference".to_owned()));
        assert_eq!(told(&of(Fields::default())), (false, false, "reference".to_owned()));
        // What is no measure stays.
        let error = WorkflowError::Attempts { max: 3 };
        let kept =
            Refusal::of(&error, FieldNames::BENEFICIARY).seen_by(Fields::default()).into_status(Language::English);
        assert_eq!(kept.get_error_details().error_info().unwrap().metadata["attemptsMax"], "3");
    }
}
