//! The curve of the worst group and its relation to the pooled curve.
//!
//! - The worst group's curve never states a lower rate than the pooled one, at any score
//!   ([`never_below`]). Two fitted tails could otherwise cross.
//! - For several frames a group may have too few people with so many photos. Its curve is then
//!   *derived* ([`derived`]). Fusing frames multiplies the scores of different people: the mean of
//!   `k` unit vectors whose mean cosine is ρ has the length √((1 + (k − 1)ρ) / k), and a score that
//!   all frames share is divided by it. The factor for high impostor scores is measured on the
//!   whole population ([`fusing_factor`]), and the group's single-frame curve is scaled by it.

use super::curve::{Curve, FMR_FLOOR, Knot, Tail, TailFactor};
use super::provenance::CurveBasis;

/// Steps per decade of FMR at which tails are compared.
const STEPS_PER_DECADE: f64 = 8.0;
/// Highest FMR at which thresholds for fused and for single frames are compared; the scores there
/// are those of look-alikes.
const FUSED_FMR_MAX: f64 = 1e-2;
/// Largest factor of an interval; a larger one would say nothing more.
const FACTOR_MAX: f64 = 1e9;

/// `group` with its rates raised to those of `pooled` where they are lower: at the knots to the
/// pooled rate, beyond them by a flatter tail.
pub fn never_below(mut group: Curve, pooled: &Curve) -> Curve {
    let last = group.knots.last().map_or(f64::MIN, |knot| knot.score);
    let rate = |curve: &Curve, score: f64| curve.fmr(score as f32).rate;
    let factor = |score: f64| {
        let ends = group.fmr_interval(score as f32)?;
        Some((ends.high / rate(&group, score)).max(1.0))
    };
    let own = group.knots.iter().map(|knot| Knot { fmr: knot.fmr.max(rate(pooled, knot.score)), ..*knot });
    // The pooled curve's knots are added where its rate is higher.
    let higher = pooled.knots.iter().filter(|knot| knot.score < last && knot.fmr > rate(&group, knot.score));
    let added = higher.map(|knot| Knot { score: knot.score, fmr: knot.fmr, factor: factor(knot.score) });
    let mut all: Vec<Knot> = own.chain(added).collect();
    all.sort_by(|x, y| x.score.total_cmp(&y.score).then(y.fmr.total_cmp(&x.fmr)));
    let mut kept: Vec<Knot> = Vec::with_capacity(all.len());
    for knot in all {
        // Rates must descend: a knot whose rate is not above the next one's is dropped.
        while kept.last().is_some_and(|last| last.fmr <= knot.fmr) {
            kept.pop();
        }
        if kept.last().is_none_or(|last| last.score < knot.score) {
            kept.push(knot);
        }
    }
    group.knots = kept;
    let score_min = |fmr: f64| pooled.threshold(fmr).map_or(f64::MIN, |at| f64::from(at.score));
    flatten(&mut group, score_min);
    group
}

/// The factor by which fusing multiplies high impostor scores: the highest ratio of the thresholds
/// of `several` (fused frames) and `single`, both of the same people, at counted FMRs up to 1e-2;
/// at least 1.
pub fn fusing_factor(single: &Curve, several: &Curve) -> f64 {
    let lowest = single.fmr_supported().max(several.fmr_supported());
    let rates = single.knots.iter().map(|knot| knot.fmr).filter(|fmr| (lowest..=FUSED_FMR_MAX).contains(fmr));
    let ratio = |fmr: f64| {
        let at = |curve: &Curve| curve.threshold(fmr).map(|at| f64::from(at.score));
        match (at(single), at(several)) {
            (Ok(one), Ok(many)) if one > 0.0 => many / one,
            _ => 1.0,
        }
    };
    rates.map(ratio).fold(1.0, f64::max)
}

/// The curve of a group for several frames: its curve for one frame, `single`, with every score
/// multiplied by `factor` ([`fusing_factor`]), which was measured on `several`. `pooled` is the
/// population's curve for this number of frames.
///
/// Interval factors combine those of `single` and `several` as independent errors. The FNMR points
/// are those of `pooled`: FNMR at a score does not depend on how the threshold was found.
pub fn derived(single: &Curve, factor: f64, several: &Curve, pooled: &Curve) -> Curve {
    let joint = |own: f64, score: f64| {
        let other = several.fmr_interval(score as f32).map_or(1.0, |ends| {
            let rate = several.fmr(score as f32).rate;
            if ends.low > 0.0 { rate / ends.low } else { FACTOR_MAX }
        });
        own.ln().hypot(other.ln()).exp().min(FACTOR_MAX)
    };
    let moved = |score: f64| score * factor;
    let curve = Curve {
        probe_frames: pooled.probe_frames,
        basis: CurveBasis::Derived,
        knots: single
            .knots
            .iter()
            .map(|knot| {
                let score = moved(knot.score);
                Knot { score, fmr: knot.fmr, factor: knot.factor.map(|own| joint(own, score)) }
            })
            .collect(),
        tail: Tail { slope: single.tail.slope / factor, curvature: single.tail.curvature / (factor * factor) },
        tail_factors: single
            .tail_factors
            .iter()
            .map(|f| TailFactor { score: moved(f.score), factor: joint(f.factor, moved(f.score)) })
            .collect(),
        genuine_comparisons: pooled.genuine_comparisons,
        misses_group: pooled.misses_group.clone(),
        misses: pooled.misses.clone(),
        ..single.clone()
    };
    // The result must not fall below the pooled curve for the same number of frames.
    never_below(curve, pooled)
}

/// Flattens the tail of `curve` until its threshold for every FMR is at least `score_min` of that
/// FMR.
fn flatten(curve: &mut Curve, score_min: impl Fn(f64) -> f64) {
    let Some(&Knot { score: last_score, fmr: last_fmr, .. }) = curve.knots.last() else { return };
    let decades = (last_fmr / FMR_FLOOR).log10().max(0.0);
    let mut share = 1.0f64;
    for step in 1..=(decades * STEPS_PER_DECADE).ceil() as u32 {
        let fall = f64::from(step) / STEPS_PER_DECADE * std::f64::consts::LN_10;
        let fmr = (last_fmr * (-fall).exp()).max(FMR_FLOOR);
        let beyond = score_min(fmr) - last_score;
        if beyond > 0.0 {
            share = share.min((last_fmr / fmr).ln() / curve.tail.ln_fall(beyond));
        }
    }
    if share < 1.0 {
        curve.tail.slope *= share;
        curve.tail.curvature *= share;
    }
}

#[cfg(test)]
mod tests {
    use super::super::curve::tests::curve;
    use super::super::curve::{Tail, TailFactor};
    use super::*;
    use proptest::prelude::*;

    /// A curve shifted to higher scores, with a tail of its own.
    fn shifted(by: f64, slope: f64, curvature: f64, frames: u32, group: &str) -> Curve {
        let mut curve = curve();
        curve.knots.iter_mut().for_each(|k| k.score += by);
        curve.tail_factors =
            vec![TailFactor { score: 0.6 + by, factor: 4.0 }, TailFactor { score: 0.8 + by, factor: 9.0 }];
        curve.tail = Tail { slope, curvature };
        curve.probe_frames = frames;
        curve.group = group.into();
        curve
    }

    fn at(curve: &Curve, fmr: f64) -> f32 {
        curve.threshold(fmr).unwrap().score
    }

    #[test]
    fn tails_that_would_cross_are_kept_apart() {
        // Steeper than the pooled tail, so it would soon fall below it.
        let pooled = shifted(0.0, 15.0, 0.0, 1, "pooled");
        let group = shifted(0.05, 60.0, 80.0, 1, "g");
        assert!(group.fmr(0.7).rate < pooled.fmr(0.7).rate);
        let raised = never_below(group.clone(), &pooled);
        for step in 0..1500 {
            let score = -0.5 + step as f32 / 1000.0;
            assert!(raised.fmr(score).rate >= pooled.fmr(score).rate * 0.97, "{score}");
        }
        // Rates already above the pooled ones are unchanged.
        assert_eq!(raised.knots, group.knots);
    }

    #[test]
    fn a_group_that_is_no_worse_gets_the_pooled_rates() {
        let pooled = shifted(0.1, 25.0, 30.0, 1, "pooled");
        let raised = never_below(shifted(0.0, 25.0, 30.0, 1, "g"), &pooled);
        for fmr in [1e-2, 1e-3, 1e-4, 1e-6, 1e-9] {
            assert!(at(&raised, fmr) >= at(&pooled, fmr) - 0.02, "{fmr}");
        }
        assert!(raised.knots.windows(2).all(|w| w[0].score < w[1].score && w[0].fmr > w[1].fmr));
    }

    #[test]
    fn what_fusing_does_to_high_scores_is_read_from_the_counted_rates() {
        let single = shifted(0.0, 25.0, 30.0, 1, "pooled");
        let mut several = single.clone();
        several.knots.iter_mut().for_each(|k| k.score *= 1.06);
        assert!((fusing_factor(&single, &several) - 1.06).abs() < 1e-3);
        // A ratio below 1 does not lower a threshold.
        assert_eq!(fusing_factor(&several, &single), 1.0);
        // Extrapolated thresholds are not used.
        several.tail.slope = 1.0;
        assert!((fusing_factor(&single, &several) - 1.06).abs() < 1e-3);
    }

    proptest! {
        #[test]
        fn a_derived_curve_has_the_groups_thresholds_multiplied_and_never_less_than_the_pooled(
            group_by in 0.0f64..0.15, several_by in -0.05f64..0.1, factor in 1.0f64..1.2,
            slopes in prop::array::uniform3(10.0f64..60.0), curvature in 0.0f64..80.0, exponent in -11.5f64..-1.0,
        ) {
            let pooled = shifted(0.0, slopes[0], curvature, 1, "pooled");
            let several = shifted(several_by, slopes[1], curvature / 2.0, 3, "pooled");
            let single = never_below(shifted(group_by, slopes[2], curvature, 1, "g"), &pooled);
            let derived = derived(&single, factor, &several, &several);
            prop_assert_eq!((derived.probe_frames, derived.basis, &derived.group[..]), (3, CurveBasis::Derived, "g"));
            let fmr = 10f64.powf(exponent);
            // Between the knots a threshold is interpolated: a hundredth of score at most.
            prop_assert!(f64::from(at(&derived, fmr)) >= f64::from(at(&single, fmr)) * factor - 0.01);
            prop_assert!(at(&derived, fmr) >= at(&several, fmr) - 0.01);
            prop_assert!(derived.knots.windows(2).all(|w| w[0].score < w[1].score && w[0].fmr > w[1].fmr));
            // Its interval is no narrower than that of the curve it was derived from.
            for (own, of) in derived.knots.iter().zip(&single.knots) {
                if own.fmr == of.fmr {
                    prop_assert!(own.factor >= of.factor);
                }
            }
        }
    }
}
