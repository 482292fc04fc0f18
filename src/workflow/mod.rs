//! The use cases, free of transport: verify, enrol, identify, remove, and the
//! decision about a beneficiary.

pub mod beneficiary;
mod capture;
mod capture_rules;
mod case_rules;
mod content_digest;
mod copies;
pub mod danger;
mod engine;
mod enrol;
mod error;
mod generation;
mod identify;
mod ids;
pub mod ledger;
mod merge;
mod page_token;
mod photos_analysed;
mod probe;
mod reach;
pub mod reason;
#[cfg(test)]
mod reasons_page;
pub mod requests;
pub mod rights;
mod verify;

pub use capture::AssessOutcome;
pub use capture_rules::{CaptureRules, Kind, LIVENESS_MIN, Level};
pub use case_rules::CaseRules;
pub use copies::{Frames, is_reference_picture, is_same_frame};
pub use engine::{Engine, EngineOptions, check_rates};
pub use enrol::{AGREE_FMR, APART_FMR, EnrolOutcome, EnrolRequest, Photo};
pub use error::{Field, WorkflowError};
pub use generation::{GENERATIONS_MAX, Generation, GenerationOptions};
pub use identify::{
    CANDIDATES_DEFAULT, CANDIDATES_MAX, IdentifiedCandidate, IdentifyOutcome, IdentifyRequest, IdentifyScope,
};
pub use ids::{LegalBasisRule, NumberIds};
pub use photos_analysed::on_photos_analysed;
pub use verify::{Decision, VerifyOutcome, VerifyRequest, VerifyScores, VerifyShown};

/// Most captures in one probe.
pub const PROBE_FRAMES_MAX: usize = 5;
