//! Calibration check by random splits: do stated intervals contain the rates of people left out of
//! the fit?
//!
//! People are split into random halves. A curve is fitted on one half, and at its thresholds the
//! FMR is counted on the other. The stated 95 % interval must contain that rate in about 95 % of
//! splits.

use serde::Serialize;

use super::fit::{CurveDescription, FitError, fit_curve, rounded};
use super::groups::ComparisonRules;
use super::histogram::bin;
use super::pairs::{AllPairs, tallies};
use super::set::PhotoSet;
use crate::random::SplitMix;

/// FMRs at which the curves are checked.
const FMRS: [f64; 2] = [1e-3, 1e-4];
/// Seed of the random splits.
const SEED: u64 = 1;

/// Result of the calibration check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// Splits.
    pub splits: u64,
    /// By rate.
    pub rates: Vec<RateCoverage>,
}

/// Coverage of the stated interval at one FMR.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RateCoverage {
    /// The rate asked for.
    pub fmr: f64,
    /// Splits whose stated interval contains the rate counted on the people left out.
    pub inside: u64,
    /// `inside` as a share of the splits.
    pub share: f64,
    /// In the order of the splits.
    pub splits: Vec<SplitOutcome>,
}

/// One split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SplitOutcome {
    /// The threshold fitted on one half.
    pub threshold: f32,
    /// Lower end of the interval stated there.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The rate counted on the other half.
    pub seen: f64,
}

/// Checks calibrations fitted on `splits` random halves of the people of `set`.
///
/// # Errors
/// [`FitError`] where half of the people are too few to fit a curve on.
pub fn coverage(
    set: &PhotoSet,
    rules: ComparisonRules<'_>,
    splits: u64,
    comparisons_max: u64,
) -> Result<Coverage, FitError> {
    let mut outcomes: [Vec<SplitOutcome>; 2] = Default::default();
    for split in 0..splits {
        let mut people: Vec<u32> = (0..set.subjects() as u32).collect();
        let half = people.len() / 2;
        SplitMix::stream(SEED, split).choose(&mut people, half);
        let mut fitted_on = vec![false; set.subjects()];
        people[..half].iter().for_each(|&subject| fitted_on[subject as usize] = true);
        let fitted_on = &fitted_on;
        let side = |first: bool| {
            let include = move |photo: u32| fitted_on[set.subject(photo) as usize] == first;
            AllPairs::new(set, include, comparisons_max, split).with_rules(rules)
        };
        let curve = fit_curve(&side(true), set.subjects(), CurveDescription::unlabelled())?;
        let others = &tallies(&side(false))[1].weights;
        for (outcomes, fmr) in outcomes.iter_mut().zip(FMRS) {
            let Ok(threshold) = curve.threshold(fmr) else { continue };
            let Some(stated) = curve.fmr_interval(threshold.score) else { continue };
            // The bin of the threshold may begin below it, so the next bin is used.
            let at = bin(threshold.score) + 1;
            outcomes.push(SplitOutcome {
                threshold: threshold.score,
                low: rounded(stated.low, 4),
                high: rounded(stated.high, 4),
                seen: rounded(others.at_or_above(at) as f64 / others.count().max(1) as f64, 4),
            });
        }
    }
    let rate = |(splits, fmr): (Vec<SplitOutcome>, f64)| {
        let inside = splits.iter().filter(|s| s.low <= s.seen && s.seen <= s.high).count() as u64;
        RateCoverage { fmr, inside, share: inside as f64 / splits.len().max(1) as f64, splits }
    };
    Ok(Coverage { splits, rates: outcomes.into_iter().zip(FMRS).map(rate).collect() })
}

#[cfg(test)]
mod tests {
    use super::super::set::tests::made_up;
    use super::*;

    #[test]
    fn the_stated_interval_holds_on_people_left_out_and_is_not_boundless() {
        let set = made_up(260, 2, 0.5);
        let coverage = coverage(&set, ComparisonRules::default(), 20, u64::MAX).unwrap();
        assert_eq!(coverage.rates.len(), 2);
        for rate in &coverage.rates {
            assert_eq!(rate.splits.len(), 20);
            assert!(rate.share >= 0.9, "{rate:?}");
        }
        // An interval that says nothing would hold, too.
        let widths: Vec<f64> = coverage.rates[0].splits.iter().map(|s| s.high / s.low).collect();
        assert!(widths.iter().sum::<f64>() / 20.0 < 30.0, "{widths:?}");
    }

    #[test]
    fn too_few_people_are_told() {
        assert!(matches!(
            coverage(&made_up(10, 3, 0.5), ComparisonRules::default(), 2, u64::MAX),
            Err(FitError::TooFew { .. })
        ));
    }
}
