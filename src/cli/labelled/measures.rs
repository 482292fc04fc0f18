//! The numbers that are kept of every photo, beside its template.

use sha2::{Digest, Sha256};

use crate::evaluation::PhotoMeasure;
use crate::face::quality::Measure;
use crate::face::{FaceReport, Pack};

/// Numbers kept of every photo, whose higher values are expected to be better.
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
/// Those that say how much a photo is worth: tried as weights of fused captures.
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

/// A column of values to come.
pub(super) fn measure((i, name): (usize, &&str)) -> PhotoMeasure {
    PhotoMeasure { name: (*name).to_owned(), overall: i < OVERALL, values: Vec::new() }
}

/// What values depend on beside the recipe: the pack's model of quality.
pub(super) fn revision(pack: &Pack) -> [u8; 32] {
    // Serialising numbers and text cannot fail; were it to, measures would be kept longer.
    Sha256::digest(serde_json::to_vec(&pack.quality()).unwrap_or_default()).into()
}
