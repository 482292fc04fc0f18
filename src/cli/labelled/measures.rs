//! Quality measures stored for every photo with its template.

use sha2::{Digest, Sha256};

use crate::evaluation::PhotoMeasure;
use crate::face::quality::Measure;
use crate::face::{FaceReport, Pack};

/// Names of the measures; higher values are expected to be better.
pub(super) const MEASURES: [&str; 8] = [
    "capture quality (0-100)",
    "predicted utility (0-100)",
    "embedding norm",
    "detector score",
    "eye distance (px)",
    "sharpness (octaves)",
    "evenness of light",
    LIVENESS,
];
/// Name of the liveness score.
pub(in crate::cli) const LIVENESS: &str = "liveness";
/// Number of overall measures at the start, which the fusion experiment tries as weights.
const OVERALL: usize = 3;

/// The values of [`MEASURES`].
pub(super) fn measures_of(report: &FaceReport) -> [Option<f32>; MEASURES.len()] {
    let quality = report.quality.as_ref();
    let measure = |of| quality.and_then(|q| q.get(of));
    [
        quality.map(|q| q.capture),
        quality.and_then(|q| q.utility),
        report.norm,
        Some(report.detection),
        Some(report.eye_distance),
        measure(Measure::Sharpness),
        measure(Measure::Evenness),
        report.liveness,
    ]
}

/// An empty column of values.
pub(super) fn measure((i, name): (usize, &&str)) -> PhotoMeasure {
    PhotoMeasure { name: (*name).to_owned(), overall: i < OVERALL, values: Vec::new() }
}

/// Digest of what the values depend on besides the recipe: the pack's quality model.
pub(super) fn revision(pack: &Pack) -> [u8; 32] {
    // Serialising numbers and text cannot fail; if it did, cached measures would only be kept too
    // long.
    Sha256::digest(serde_json::to_vec(&pack.quality()).unwrap_or_default()).into()
}
