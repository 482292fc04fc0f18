use super::capture_rules::advice;
use crate::context::DeadlinePassed;
use crate::face::quality::Flaw;
use crate::face::{FaceError, PackError};
use crate::gallery::GalleryError;
use crate::matching::{CalibrationError, RecipeMismatch};

/// Which part of a request an error is about, as callers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The one photo of an assessment.
    Image,
    /// The reference photo.
    Reference,
    /// Probe photo number so and so, from 0.
    Probe(usize),
    /// Capture number so and so of a decision, from 0.
    Frame(usize),
    /// The photo in the chip.
    ChipPhoto,
    /// A field by the name callers know it by.
    Named(&'static str),
    /// Item number so and so of a list, from 0.
    Item(&'static str, usize),
    /// Enrolment photo number so and so, from 0.
    Photo(usize),
    /// What goes with enrolment photo number so and so, by its name.
    PhotoPart(usize, &'static str),
    /// The number of probes or photos.
    Count,
    /// The requested error rate.
    Rate,
    /// The subject id.
    SubjectId,
    /// The request id.
    RequestId,
    /// Anything else.
    Request,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Image => f.write_str("image"),
            Self::Reference => f.write_str("reference"),
            Self::Probe(i) => write!(f, "probes[{i}]"),
            Self::Frame(i) => write!(f, "frames[{i}]"),
            Self::ChipPhoto => f.write_str("chip_files"),
            Self::Named(name) => f.write_str(name),
            Self::Item(name, i) => write!(f, "{name}[{i}]"),
            Self::Photo(i) => write!(f, "photos[{i}]"),
            Self::PhotoPart(i, name) => write!(f, "photos[{i}].{name}"),
            Self::Count => f.write_str("photos"),
            Self::Rate => f.write_str("rate"),
            Self::SubjectId => f.write_str("subject_id"),
            Self::RequestId => f.write_str("request_id"),
            Self::Request => f.write_str("request"),
        }
    }
}

/// Why a use case did not come to an answer.
///
/// [`Reason::of`](super::reason::Reason::of) gives its stable code and its
/// sentences in Vietnamese and English.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// A photo gave no template.
    #[error("{field}: {source}")]
    Face {
        /// Which photo.
        field: Field,
        /// Why.
        source: FaceError,
    },
    /// Two generations found different faces in a photo.
    #[error("{field}: the model packs in use do not agree on which face it shows")]
    FaceAmbiguous {
        /// Which photo.
        field: Field,
    },
    /// A page token of another list or gallery.
    #[error("page_token is not one of this list; begin again without")]
    PageToken,
    /// The second generation is the first one.
    #[error("the second model pack makes the same templates as `{pack}`; name another, or none")]
    SameGeneration {
        /// Name of the first pack.
        pack: String,
    },
    /// Wrong number of photos.
    #[error("{found} photos were sent; send 1 to {max}")]
    PhotoCount {
        /// How many came.
        found: usize,
        /// How many may.
        max: usize,
    },
    /// A capture is not good enough.
    #[error("{field}: the picture is not good enough. {}", advice(.flaws))]
    CaptureRefused {
        /// Which photo.
        field: Field,
        /// What is wrong with it, the gravest first.
        flaws: Vec<Flaw>,
    },
    /// A face does not count as live.
    #[error("{field}: the picture does not show that a living person stands before the camera")]
    NotLive {
        /// Which photo.
        field: Field,
    },
    /// The captures of one probe are one picture, or do not move.
    #[error("the captures are one picture sent more than once, or do not move; take them one after the other")]
    FramesRepeated,
    /// The captures of one probe do not show one person.
    #[error("the captures do not show one and the same person; take them again with only that person in view")]
    ProbesDisagree,
    /// A number in the request is out of its range.
    #[error("{field}: {detail}")]
    OutOfRange {
        /// Which.
        field: Field,
        /// What is allowed.
        detail: String,
    },
    /// An id beside the first of a request that is none.
    #[error(
        "{field}: an id is 1 to 128 bytes of text without control characters, characters that cannot be seen, or spaces \
         around it"
    )]
    BadId {
        /// Which.
        field: Field,
    },
    /// An id that looks like somebody's number.
    #[error(
        "{field} looks like the number of a citizen, an insurance or an identity card; use a pseudonym, or see [ids] \
         in the configuration"
    )]
    NumberAsId {
        /// Which.
        field: Field,
    },
    /// An enrolment without a legal basis, where one is required.
    #[error(
        "the enrolment names no legal basis, and [gallery] legal_basis requires one; give the reference of the law or \
         the consent it rests on"
    )]
    LegalBasisMissing,
    /// What is asked for belongs to another unit or province than the caller's.
    #[error("this belongs to another unit or province than the caller's")]
    OutOfReach,
    /// The deadline of the request had passed before its work began.
    #[error("The answer took too long. Try again.")]
    DeadlineExceeded(#[from] DeadlinePassed),
    /// Every worker is busy and the queue is full.
    #[error("the engine is busy; try again in {retry_after_ms} ms")]
    Busy {
        /// When a try is likely to succeed.
        retry_after_ms: u64,
    },
    /// The pack's calibration cannot answer.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// The pack's calibration cannot answer a rate that a policy names.
    #[error("{key}: {source}")]
    PolicyRate {
        /// The policy's key, as `policies.clinic.chip_fmr`.
        key: String,
        /// Why.
        source: CalibrationError,
    },
    /// Templates of different recipes.
    #[error(transparent)]
    Recipe(#[from] RecipeMismatch),
    /// The gallery refused or failed.
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    /// The model pack cannot be used.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// No such policy is configured.
    #[error("there is no policy of this name; see the sections [policies.NAME] of the configuration")]
    Policy,
    /// More attempts than the policy allows.
    #[error("this policy allows {max} attempts of one transaction; refer the case to an officer")]
    Attempts {
        /// How many it allows.
        max: u32,
    },
    /// The chip check ended without an answer.
    #[error("the check of the chip failed; this is a defect of chinhchu")]
    ChipCheck,
    /// A stored answer that cannot be read.
    #[error("a stored decision cannot be read; it may be of another version")]
    Answer,
    /// The engine was opened without a gallery.
    #[error("this needs a gallery; start with --data DIR")]
    NoGallery,
}
