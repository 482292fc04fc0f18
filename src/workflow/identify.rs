use super::{Engine, WorkflowError};
use crate::face::FaceReport;
use crate::gallery::SubjectId;
use crate::matching::{Fmr, Threshold};

/// Which candidates to return.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum IdentifyScope {
    /// Every subject at or above the score at which a search of a gallery of this
    /// size gives a chance hit with this probability (false positive
    /// identification rate), at most `limit` of them.
    Fpir {
        /// 0…0.5, ends excluded.
        fpir: f64,
        /// Most candidates to return, 1–1000.
        limit: usize,
    },
    /// The best `k`, whatever their score, 1–1000.
    Nearest(usize),
}

/// 1:N: whose face is this?
#[derive(Clone)]
pub struct IdentifyRequest {
    /// 1–5 encoded captures of one person; several are fused.
    pub probes: Vec<Vec<u8>>,
    /// Which candidates to return; `None` takes the engine's default FPIR.
    pub scope: Option<IdentifyScope>,
}

/// A subject found by face.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentifiedCandidate {
    /// Whose template it is.
    pub subject: SubjectId,
    /// Comparison score of its best template.
    pub score: f32,
    /// False match rate of one comparison with this score as threshold.
    pub fmr: Fmr,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentifyOutcome {
    /// Best first.
    pub candidates: Vec<IdentifiedCandidate>,
    /// True where more were at or above the score than the limit let through.
    pub truncated: bool,
    /// The score it took; `None` for a plain nearest search.
    pub threshold: Option<Threshold>,
    /// Templates compared with.
    pub templates: u64,
    /// Chance hits to expect at or above the threshold (or, in a nearest search,
    /// at or above the last candidate's score) in a gallery of this size.
    pub expected_chance_hits: f64,
    /// True where that number rests on the fitted tail.
    pub expected_extrapolated: bool,
    /// Recipe of all templates, as text.
    pub recipe: String,
    /// What was seen in each probe, in order.
    pub probes: Vec<FaceReport>,
}

impl Engine {
    /// Searches the gallery.
    pub async fn identify(&self, _request: IdentifyRequest) -> Result<IdentifyOutcome, WorkflowError> {
        Err(WorkflowError::NoGallery)
    }
}
