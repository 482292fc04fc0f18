//! Each record by itself: captures that do not match each other, and records without a
//! verification for long.

mod same;
mod stale;
mod tables;

use serde::Serialize;

pub use self::same::{Changed, Split, changed};
pub use self::stale::{Stale, StaleScheme, Staleness};
pub use self::tables::{write_same, write_stale};
use super::collection::Collection;
use crate::matching::{CalibrationError, Curve, Fnmr};

/// At which scores captures of one record are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SameAsked {
    /// Share of genuine pairs that score too low.
    pub fnmr: f64,
    /// False match rate at which two captures are alike.
    pub agree_fmr: f64,
    /// False match rate below whose score two captures are apart.
    pub apart_fmr: f64,
}

/// Captures that do not match: the figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Same {
    /// Captures looked at.
    pub templates: u64,
    /// Their subjects.
    pub subjects: u64,
    /// Pairs of captures of one subject.
    pub comparisons: u64,
    /// Pairs that score below it do not match.
    pub threshold: f32,
    /// Share of genuine pairs below the threshold.
    pub fnmr: f64,
    /// Whether that rests on a fitted tail.
    pub fnmr_extrapolated: bool,
    /// Pairs that score below by chance, were all of them of one person.
    pub expected_chance_pairs: f64,
    /// Subjects some of whose captures do not match.
    pub found: u64,
    /// Of those, subjects whose captures fall into groups that are not alike, as those of two
    /// people do: decisions on them refer (`RECORD_DISAGREES`).
    pub disagree: u64,
    /// The score at which two captures are alike.
    pub disagree_threshold: f32,
    /// Of those, subjects whose captures fall apart at a point in time.
    pub split: u64,
}

/// Why captures of one record cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SameError {
    /// No score has the rate asked for.
    #[error("the calibration of the model pack does not say at which score so few genuine pairs are missed")]
    NoScore,
    /// The calibration does not go so far.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
}

/// Looks at the captures of each record: the figures, and who was found.
///
/// # Errors
/// Where the calibration does not say at which scores.
pub fn same(collection: &Collection, curve: &Curve, asked: SameAsked) -> Result<(Same, Vec<Changed>), SameError> {
    let (score, fnmr) = score_at_fnmr(curve, asked.fnmr).ok_or(SameError::NoScore)?;
    let (alike, apart) = (curve.threshold(asked.agree_fmr)?.score, curve.threshold(asked.apart_fmr)?.score);
    let (comparisons, found) = changed(collection, score, (alike, apart));
    let same = Same {
        templates: collection.rows() as u64,
        subjects: collection.subjects_with_templates() as u64,
        comparisons,
        threshold: score,
        fnmr: fnmr.rate,
        fnmr_extrapolated: fnmr.extrapolated,
        expected_chance_pairs: fnmr.rate * comparisons as f64,
        found: found.len() as u64,
        disagree: found.iter().filter(|changed| changed.groups > 1).count() as u64,
        disagree_threshold: alike,
        split: found.iter().filter(|changed| changed.split.is_some()).count() as u64,
    };
    Ok((same, found))
}

/// The lowest score that at most this share of genuine pairs stays below.
fn score_at_fnmr(curve: &Curve, rate: f64) -> Option<(f32, Fnmr)> {
    let (mut low, mut high) = (-1.0f32, 1.0f32);
    curve.fnmr(low).filter(|at| at.rate <= rate)?;
    while low.next_up() < high {
        let middle = low + (high - low) / 2.0;
        let middle = if middle <= low { low.next_up() } else { middle };
        if curve.fnmr(middle)?.rate <= rate { low = middle } else { high = middle }
    }
    curve.fnmr(low).map(|at| (low, at))
}
