use serde::Serialize;

use super::engine::check_count;
use super::{Engine, Field, Frames, WorkflowError, is_reference_picture};
use crate::context::RequestContext;
use crate::face::FaceReport;
use crate::matching::{CurveName, Fmr, Reference, Threshold, compare};

/// 1:1: is the face in the probes the one in the reference?
#[derive(Clone)]
pub struct VerifyRequest {
    /// Encoded photo to compare with.
    pub reference: Vec<u8>,
    /// 1–5 encoded captures of one person; several are fused.
    pub probes: Vec<Vec<u8>>,
    /// False match rate to decide at; `None` takes the engine's default.
    pub fmr: Option<f64>,
    /// What the reference is, where that is known: it is judged by the curve of its kind.
    pub against: Reference,
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
    /// The calibration curve that both rates are of.
    pub curve: CurveName,
    /// What the request says the reference is. Where the calibration has no curve for it,
    /// [`Self::curve`] is of another kind, and says which.
    pub against: Reference,
    /// How many different pictures the probes are: what they count for in both rates.
    pub distinct: u32,
    /// A probe is the reference's own picture, in another file perhaps: its score says
    /// nothing of a person who is there.
    pub copy_of_reference: bool,
    /// Recipe of both templates, as text.
    pub recipe: String,
    /// What was seen in the reference.
    pub reference: FaceReport,
    /// What was seen in each probe, in order.
    pub probes: Vec<FaceReport>,
    /// What they look like together.
    pub frames: Frames,
}

/// What a caller sees of a comparison: a server keeps scores and rates from desks.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyShown {
    /// The decision at the requested rate.
    pub decision: Decision,
    /// What it rests on; `None` where the server keeps it from this caller.
    pub scores: Option<VerifyScores>,
    /// See [`VerifyOutcome::against`].
    pub against: Reference,
    /// See [`VerifyOutcome::distinct`].
    pub distinct: u32,
    /// See [`VerifyOutcome::copy_of_reference`].
    pub copy_of_reference: bool,
    /// See [`VerifyOutcome::recipe`].
    pub recipe: String,
    /// What was seen in the reference.
    pub reference: FaceReport,
    /// What was seen in each probe, in order.
    pub probes: Vec<FaceReport>,
    /// What they look like together.
    pub frames: Frames,
}

/// Score and rates of a comparison; the fields are those of [`VerifyOutcome`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each field is that of VerifyOutcome")]
pub struct VerifyScores {
    pub score: f32,
    pub fmr: Fmr,
    pub fmr_requested: f64,
    pub threshold: Threshold,
    pub curve: CurveName,
}

impl From<VerifyOutcome> for VerifyShown {
    fn from(outcome: VerifyOutcome) -> Self {
        let VerifyOutcome { score, fmr, fmr_requested, threshold, curve, .. } = outcome;
        Self {
            decision: outcome.decision,
            scores: Some(VerifyScores { score, fmr, fmr_requested, threshold, curve }),
            against: outcome.against,
            distinct: outcome.distinct,
            copy_of_reference: outcome.copy_of_reference,
            recipe: outcome.recipe,
            reference: outcome.reference,
            probes: outcome.probes,
            frames: outcome.frames,
        }
    }
}

impl Engine {
    /// Compares. Needs no gallery.
    ///
    /// # Errors
    /// [`WorkflowError::Face`] names the photo that gave no template;
    /// [`WorkflowError::ProbesDisagree`] where the captures show different people;
    /// [`WorkflowError::Calibration`] for a rate that makes no sense;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn verify(
        &self,
        context: &RequestContext,
        request: VerifyRequest,
    ) -> Result<VerifyOutcome, WorkflowError> {
        context.check_deadline()?;
        let fmr_requested = request.fmr.unwrap_or(self.default_fmr());
        // A wrong rate or count is told before any work is done.
        check_count(request.probes.len())?;
        self.curve(request.probes.len(), request.against)?.threshold(fmr_requested)?;

        let ahead = vec![(Field::Reference, request.reference)];
        let (mut ahead, probe) = self.probe(&[self.first()], ahead, request.probes).await?;
        let Some(reference) = ahead.pop() else {
            return Err(WorkflowError::PhotoCount { found: 0, max: 1 });
        };
        let distinct = probe.together.distinct();
        let curve = self.curve(distinct, request.against)?;
        let threshold = curve.threshold(fmr_requested)?;
        let score = compare(&reference.template, &probe.first().probe)?;
        Ok(VerifyOutcome {
            decision: if score >= threshold.score { Decision::Match } else { Decision::NoMatch },
            score,
            fmr: curve.fmr(score),
            fmr_requested,
            threshold,
            curve: curve.name(),
            against: request.against,
            // At most five.
            distinct: distinct as u32,
            copy_of_reference: probe.analyses.iter().any(|frame| is_reference_picture(frame, &reference)),
            recipe: self.recipe().to_string(),
            reference: reference.report,
            probes: probe.analyses.into_iter().map(|frame| frame.report).collect(),
            frames: probe.together.frames,
        })
    }
}
