use serde::Serialize;

use super::{Engine, WorkflowError};
use crate::face::FaceReport;
use crate::matching::{Fmr, Threshold};

/// 1:1: is the face in the probes the one in the reference?
#[derive(Clone)]
pub struct VerifyRequest {
    /// Encoded photo to compare with.
    pub reference: Vec<u8>,
    /// 1–5 encoded captures of one person; several are fused.
    pub probes: Vec<Vec<u8>>,
    /// False match rate to decide at; `None` takes the engine's default.
    pub fmr: Option<f64>,
}

/// Answer of a plain 1:1 comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Score at or above the threshold.
    Match,
    /// Score below it.
    NoMatch,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyOutcome {
    /// The decision at the requested rate.
    pub decision: Decision,
    /// Comparison score.
    pub score: f32,
    /// False match rate with this score as threshold.
    pub fmr: Fmr,
    /// False match rate that was asked for.
    pub fmr_requested: f64,
    /// The score it takes.
    pub threshold: Threshold,
    /// Recipe of both templates, as text.
    pub recipe: String,
    /// What was seen in the reference.
    pub reference: FaceReport,
    /// What was seen in each probe, in order.
    pub probes: Vec<FaceReport>,
}

impl Engine {
    /// Compares. Needs no gallery.
    pub async fn verify(&self, _request: VerifyRequest) -> Result<VerifyOutcome, WorkflowError> {
        Err(WorkflowError::NoGallery)
    }
}
