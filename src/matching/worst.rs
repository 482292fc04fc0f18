//! The curve of the worst group beside the pooled one: what holds between the two.
//!
//! - The worst group's curve never states a lower rate than the pooled one, at any score
//!   ([`never_below`]). Where both are counted that is so of itself; beyond, two tails
//!   that were fitted on different ranges could cross.
//! - For several frames a group may have too few people with so many photos. Its curve is
//!   then *derived* ([`derived`]): fusing frames moves the scores of different people by
//!   about as much in a group as in the population, so the group's single-frame
//!   thresholds are moved by what lies between the pooled ones, and never down.

use super::curve::{Basis, Curve, FMR_FLOOR, Knot, TailFactor};

/// Steps per decade of FMR at which tails are compared.
const STEPS_PER_DECADE: f64 = 8.0;
/// Least distance of two knots' scores: the grid that scores are counted on.
const SCORE_STEP: f64 = 1.0 / 65_536.0;
/// Largest factor: what lies beyond says nothing more.
const FACTOR_MAX: f64 = 1e9;

/// `group` raised to `pooled` wherever it stated less: knots to the pooled rate at their
/// score, the tail flattened until it stays above.
pub fn never_below(mut group: Curve, pooled: &Curve) -> Curve {
    for knot in &mut group.knots {
        knot.fmr = knot.fmr.max(pooled.fmr(knot.score as f32).rate);
    }
    // Raised knots may have become as high as those before them: those are not needed.
    let mut kept: Vec<Knot> = Vec::with_capacity(group.knots.len());
    for knot in group.knots {
        while kept.last().is_some_and(|last| last.fmr <= knot.fmr) {
            kept.pop();
        }
        kept.push(knot);
    }
    group.knots = kept;
    let wanted = |fmr: f64| pooled.threshold(fmr).map_or(f64::MIN, |at| f64::from(at.score));
    flatten(&mut group, wanted);
    group
}

/// The curve of a group for as many frames as `several`: `single` is the group's for one
/// frame, `pooled_single` and `several` are the population's.
///
/// At every rate the threshold is that of `single`, moved up by what lies between the two
/// pooled thresholds; where the pooled one of several frames is lower, it is not moved.
/// Factors are those of `single` and `several` together, as of independent errors. Misses
/// are those of `several`: what they are at a score does not hang on a threshold.
pub fn derived(single: &Curve, pooled_single: &Curve, several: &Curve) -> Curve {
    let threshold = |curve: &Curve, fmr: f64| curve.threshold(fmr).map_or(f64::NAN, |at| f64::from(at.score));
    let moved = |fmr: f64| {
        let by = threshold(several, fmr) - threshold(pooled_single, fmr);
        // Not a number where a rate is outside what curves answer: not moved.
        by.max(0.0)
    };
    let joint = |factor: f64, at: f64| {
        let other = several.fmr_interval(at as f32).map_or(1.0, |ends| {
            let rate = several.fmr(at as f32).rate;
            if ends.low > 0.0 { rate / ends.low } else { FACTOR_MAX }
        });
        factor.ln().hypot(other.ln()).exp().min(FACTOR_MAX)
    };
    let mut knots: Vec<Knot> = Vec::with_capacity(single.knots.len());
    for knot in &single.knots {
        let mut score = knot.score + moved(knot.fmr);
        if let Some(last) = knots.last() {
            score = score.max(last.score + SCORE_STEP);
        }
        knots.push(Knot { score, factor: knot.factor.map(|factor| joint(factor, score)), ..*knot });
    }
    let last = single.knots.last().map_or(0.0, |knot| knot.score);
    let shift = knots.last().map_or(0.0, |knot| knot.score - last);
    let tail_factors = single
        .tail_factors
        .iter()
        .map(|f| TailFactor { score: f.score + shift, factor: joint(f.factor, f.score + shift) })
        .collect();
    let mut curve = Curve {
        probe_frames: several.probe_frames,
        basis: Basis::Derived,
        knots,
        tail_factors,
        genuine_comparisons: several.genuine_comparisons,
        misses_group: several.misses_group.clone(),
        misses: several.misses.clone(),
        ..single.clone()
    };
    flatten(&mut curve, |fmr| threshold(single, fmr) + moved(fmr));
    // The group's curves never cross the pooled one of their own number of frames.
    never_below(curve, several)
}

/// Flattens the tail of `curve` until its threshold at every rate is at least `wanted` of
/// it.
fn flatten(curve: &mut Curve, wanted: impl Fn(f64) -> f64) {
    let Some(&Knot { score: last_score, fmr: last_fmr, .. }) = curve.knots.last() else { return };
    let decades = (last_fmr / FMR_FLOOR).log10().max(0.0);
    let mut share = 1.0f64;
    for step in 1..=(decades * STEPS_PER_DECADE).ceil() as u32 {
        let fall = f64::from(step) / STEPS_PER_DECADE * std::f64::consts::LN_10;
        let fmr = (last_fmr * (-fall).exp()).max(FMR_FLOOR);
        let beyond = wanted(fmr) - last_score;
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
        // Steeper than the pooled one: it would soon state less.
        let pooled = shifted(0.0, 15.0, 0.0, 1, "pooled");
        let group = shifted(0.05, 60.0, 80.0, 1, "g");
        assert!(group.fmr(0.7).rate < pooled.fmr(0.7).rate);
        let raised = never_below(group.clone(), &pooled);
        for step in 0..1500 {
            let score = -0.5 + step as f32 / 1000.0;
            assert!(raised.fmr(score).rate >= pooled.fmr(score).rate * 0.97, "{score}");
        }
        // What was above already stays as it was.
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

    proptest! {
        #[test]
        fn a_derived_curve_is_moved_as_the_pooled_one_and_never_down(
            group_by in 0.0f64..0.15, several_by in -0.05f64..0.1,
            slopes in prop::array::uniform3(10.0f64..60.0), curvature in 0.0f64..80.0, exponent in -11.5f64..-1.0,
        ) {
            let pooled = shifted(0.0, slopes[0], curvature, 1, "pooled");
            let several = shifted(several_by, slopes[1], curvature / 2.0, 3, "pooled");
            let single = never_below(shifted(group_by, slopes[2], curvature, 1, "g"), &pooled);
            let derived = derived(&single, &pooled, &several);
            prop_assert_eq!((derived.probe_frames, derived.basis, &derived.group[..]), (3, Basis::Derived, "g"));
            let fmr = 10f64.powf(exponent);
            let by = (at(&several, fmr) - at(&pooled, fmr)).max(0.0);
            // Between the knots a threshold is interpolated: a hundredth of score at most.
            prop_assert!(at(&derived, fmr) >= at(&single, fmr) + by - 0.01);
            prop_assert!(at(&derived, fmr) >= at(&several, fmr) - 0.01);
            prop_assert!(derived.knots.windows(2).all(|w| w[0].score < w[1].score && w[0].fmr > w[1].fmr));
            // Not surer than what it was derived from.
            for (own, of) in derived.knots.iter().zip(&single.knots) {
                if own.fmr == of.fmr {
                    prop_assert!(own.factor >= of.factor);
                }
            }
        }
    }
}
