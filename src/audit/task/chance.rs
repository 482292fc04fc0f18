//! What chance is expected to give of what is compared, and the score that follows from it.

use super::{Sides, TaskError};
use crate::audit::chance::{Chance, SamplingPlan, SamplingSide};
use crate::audit::collection::Collection;
use crate::audit::results::ThresholdAsked;
use crate::audit::shared_templates::SharedTemplates;
use crate::matching::Curve;

/// Fixes the sample of non-mates.
const SEED: u64 = 1;

/// Samples what chance gives. `comparisons` counts each pair of templates once.
pub(super) fn sampled(
    collection: &Collection,
    sides: &Sides<'_>,
    shared: Option<&SharedTemplates>,
    comparisons: u64,
    calibration: Option<&Curve>,
    sampled_max: u64,
) -> Result<Chance, TaskError> {
    let strata = strata(collection);
    // Where only one of the two is known of anybody, that one tells alike from unlike.
    let known = strata.iter().any(Option::is_some);
    let (first, second) = strata.split_at(collection.first_rows());
    let rows = |side, strata| SamplingSide { side, strata: known.then_some(strata) };
    let plan = SamplingPlan {
        first: rows(sides.first(), first),
        second: collection.has_second().then(|| rows(sides.second(), second)),
        shared,
        comparisons,
        calibration,
        sampled_max,
        seed: SEED,
    };
    Ok(Chance::sample(&plan)?)
}

/// By row, the number of its combination of sex and age group, where either is known.
fn strata(collection: &Collection) -> Vec<Option<u32>> {
    let stratum = |&group: &u32| {
        let info = collection.subject_facts(group);
        let known = info.sex > 0 || info.age > 0;
        known.then(|| u32::from(info.sex) << 16 | u32::from(info.age))
    };
    collection.groups().iter().map(stratum).collect()
}

/// The score that was asked for.
pub(super) fn threshold(asked: ThresholdAsked, chance: &Chance, calibration: Option<&Curve>) -> Result<f32, TaskError> {
    match asked {
        ThresholdAsked::Score(score) => Ok(score),
        ThresholdAsked::ExpectChance(pairs) => {
            chance.score_for(pairs).ok_or_else(|| TaskError::NoScore { pairs, why: chance.not_own.clone() })
        }
        ThresholdAsked::Fmr(fmr) => Ok(calibration.ok_or(TaskError::NoCalibration)?.threshold(fmr)?.score),
    }
}
