//! Calibration curves for tests.

use super::provenance::{CurveBasis, POOLED, Weighting};
use super::{Curve, Knot, Reference, Tail};

/// A pooled curve for single frames with knots at (score, FMR), each with the interval factor
/// `factor`, and a straight tail of this slope per unit of score. It has no FNMR points and no
/// factors of the tail.
pub(crate) fn curve(knots: &[(f64, f64)], factor: Option<f64>, slope: f64) -> Curve {
    Curve {
        probe_frames: 1,
        reference: Reference::Any,
        group: POOLED.into(),
        weighed: Weighting::Comparisons,
        basis: CurveBasis::Counted,
        population: "made up".into(),
        date: "2026-01-01".into(),
        subjects: 10,
        impostor_comparisons: 1000,
        knots: knots.iter().map(|&(score, fmr)| Knot { score, fmr, factor }).collect(),
        tail: Tail { slope, curvature: 0.0 },
        tail_factors: Vec::new(),
        genuine_comparisons: 0,
        misses_group: POOLED.into(),
        misses: Vec::new(),
    }
}
