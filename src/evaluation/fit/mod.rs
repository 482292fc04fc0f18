//! Fits a calibration curve on impostor scores: counted knots, a tail beyond them, and prediction
//! intervals of both.

use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::{Histogram, WeightedHistogram, bin, edge};
use super::least_squares::least_squares;
use super::pairs::{ComparisonSource, scan, tallies};
use crate::matching::{Curve, CurveBasis, FnmrPoint, Knot, Reference, Tail, TailFactor};

/// Highest FMR of a knot.
const FMR_MAX: f64 = 0.5;
/// Knots per decade of FMR. The curve is nearly linear in (score, ln FMR) between knots; with eight
/// the interpolation error is far below the counting error.
const KNOTS_PER_DECADE: f64 = 8.0;
/// False matches the last knot must rest on: the rule of 30 (ISO/IEC 19795-1).
const FALSE_MATCHES_MIN: u64 = 30;
/// False non-match rates that the genuine curve is given at; linear in between.
const FNMRS: [f64; 21] = [
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
    0.95,
];
/// Misses that the first of [`FNMRS`] must rest on.
const MISSES_MIN: u64 = 10;
/// Decades of FMR before the last knot that the tail is fitted on.
const TAIL_DECADES: f64 = 2.0;
/// Decades of FMR that the knots must span if more than 30 false matches are required.
const SHAPE_DECADES_MIN: f64 = 1.0;
/// Decades beyond the last knot at which the tail's uncertainty is given.
const TAIL_FACTOR_DECADES: [f64; 6] = [0.5, 1.0, 2.0, 3.0, 4.0, 6.0];
/// Quantile of the normal distribution for an interval of 95 %.
const Z_95: f64 = 1.959_964;
/// Largest interval factor; a larger one would say nothing more.
const FACTOR_MAX: f64 = 1e9;

/// Why no curve could be fitted.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// Not enough comparisons for two decades and 30 false matches.
    #[error(
        "{comparisons} impostor comparisons are too few, at least {comparisons_min} are needed; use more photos of more people"
    )]
    TooFew {
        /// Comparisons available.
        comparisons: u64,
        /// Comparisons needed.
        comparisons_min: u64,
    },
    /// FMR does not fall with the score near the end of the data.
    #[error("the impostor scores have no falling tail; they are not scores of different people")]
    NoTail,
}

/// Descriptive fields of a curve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurveDescription {
    /// Frames fused into a probe.
    pub probe_frames: u32,
    /// Kind of reference.
    pub reference: Reference,
    /// [`POOLED`](crate::matching::POOLED), or the group of people it is fitted on.
    pub group: String,
    /// Population: data set and selection.
    pub population: String,
    /// Day of the fit, `YYYY-MM-DD`.
    pub date: String,
}

/// Fits the curve of a comparison type on its impostor scores; `subjects` bounds the
/// numbers of people in `source`.
///
/// Knots lie at FMRs evenly spaced in their logarithm from 0.5 down to the last that at least 30
/// false matches support. The tail is a parabola in ln FMR, fitted by least squares on the last two
/// decades and attached to the last knot; if the parabola bends upwards, a straight line is fitted
/// instead, which gives higher rates and so is conservative.
///
/// # How sure
/// Comparisons share people and are not independent. The variance of ln FMR is estimated by leaving
/// out one person at a time (the jackknife, which is biased upwards for such statistics: Efron and
/// Stein, 1981), with the tail refitted each time. It is doubled for a prediction interval, since
/// the people observed later are a sample, too, and converted to a 95 % interval.
///
/// # Errors
/// [`FitError`] where there are too few people or comparisons, or scores that no curve fits.
pub fn fit_curve(source: &impl ComparisonSource, subjects: usize, about: CurveDescription) -> Result<Curve, FitError> {
    fit_curve_down_to(source, subjects, about, FALSE_MATCHES_MIN)
}

/// [`fit_curve`] whose last knot rests on `matches_min` false matches, at least 30: the more, the
/// less influence a few mislabelled comparisons have.
pub(crate) fn fit_curve_down_to(
    source: &impl ComparisonSource,
    subjects: usize,
    about: CurveDescription,
    matches_min: u64,
) -> Result<Curve, FitError> {
    let [genuine, impostor] = tallies(source);
    let CurveShape { counted, scores, ln_fmr, tail } = CurveShape::of_tally(&impostor, matches_min)?;
    let (last_score, last_ln) = (scores[scores.len() - 1], ln_fmr[ln_fmr.len() - 1]);
    let beyond = TAIL_FACTOR_DECADES.map(|decades| tail.reach(decades * std::f64::consts::LN_10));
    let counts = PerSubject::count(source, subjects, &counted);
    let (people, factors) = counts.factors(&scores, &tail, &beyond);

    let factor_of = |i: usize| Some(factors[i]);
    Ok(Curve {
        probe_frames: about.probe_frames,
        reference: about.reference,
        group: about.group.clone(),
        weighed: source.weighed(),
        basis: CurveBasis::Counted,
        population: about.population,
        date: about.date,
        subjects: people,
        impostor_comparisons: impostor.comparisons,
        knots: scores
            .iter()
            .zip(&ln_fmr)
            .enumerate()
            .map(|(i, (&score, ln))| Knot { score, fmr: rounded(ln.exp(), 8), factor: factor_of(i) })
            .collect(),
        tail: Tail { slope: rounded(tail.slope, 8), curvature: rounded(tail.curvature, 8) },
        tail_factors: beyond
            .iter()
            .enumerate()
            // Scores are cosines, so points far beyond 1 are never used.
            .filter(|(_, beyond)| last_ln.is_finite() && last_score + **beyond < 2.0)
            .map(|(i, beyond)| TailFactor { score: rounded(last_score + beyond, 8), factor: factors[scores.len() + i] })
            .collect(),
        genuine_comparisons: genuine.comparisons,
        misses_group: about.group.clone(),
        misses: misses(&genuine),
    })
}

/// Knots and tail of a curve, without intervals.
pub(crate) struct CurveShape {
    /// Bin of each knot and weight of the false matches at or above it.
    counted: Vec<(i32, u64)>,
    /// The knots' scores, ascending.
    scores: Vec<f64>,
    /// ln FMR there.
    ln_fmr: Vec<f64>,
    tail: Tail,
}

impl CurveDescription {
    /// For a temporary curve of single photos that is not stored.
    pub(crate) fn unlabelled() -> Self {
        Self {
            probe_frames: 1,
            reference: Reference::Any,
            group: crate::matching::POOLED.to_owned(),
            population: String::new(),
            date: String::new(),
        }
    }
}

impl CurveShape {
    /// From impostor scores, down to the last knot with `matches_min` false matches, at least 30.
    pub(crate) fn of(impostor: &Histogram, matches_min: u64) -> Result<Self, FitError> {
        Self::of_counted(impostor, impostor.count(), |bin| impostor.at_or_above(bin) as f64, matches_min)
    }

    /// From weighted scores, with the same number of *effective* false matches
    /// ([`WeightedHistogram`]).
    fn of_tally(impostor: &WeightedHistogram, matches_min: u64) -> Result<Self, FitError> {
        let effective = |bin| impostor.effective_above(bin);
        Self::of_counted(&impostor.weights, impostor.comparisons, effective, matches_min)
    }

    fn of_counted(
        impostor: &Histogram,
        comparisons: u64,
        effective: impl Fn(i32) -> f64,
        matches_min: u64,
    ) -> Result<Self, FitError> {
        let matches_min = matches_min.max(FALSE_MATCHES_MIN);
        let least = FALSE_MATCHES_MIN as f64 * 10f64.powf(TAIL_DECADES);
        let comparisons_min = (least.max(matches_min as f64 * 10f64.powf(SHAPE_DECADES_MIN)) / FMR_MAX) as u64;
        if comparisons < comparisons_min {
            return Err(FitError::TooFew { comparisons, comparisons_min });
        }
        let counted = knots(impostor, effective, matches_min);
        let total = impostor.count() as f64;
        let scores: Vec<f64> = counted.iter().map(|(bin, _)| f64::from(edge(*bin))).collect();
        let ln_fmr: Vec<f64> = counted.iter().map(|(_, weight)| (*weight as f64 / total).ln()).collect();
        let tail = tail(&scores, &ln_fmr).ok_or(FitError::NoTail)?;
        Ok(Self { counted, scores, ln_fmr, tail })
    }

    /// The score at which the tail has fallen to `fmr`; the last knot's score if `fmr` is above the
    /// last knot's rate.
    pub(crate) fn tail_score(&self, fmr: f64) -> f64 {
        match (self.scores.last(), self.ln_fmr.last()) {
            (Some(score), Some(ln)) => score + self.tail.reach((ln - fmr.ln()).max(0.0)),
            _ => f64::INFINITY,
        }
    }
}

/// Counted FNMR points; scores and rates ascend.
fn misses(genuine: &WeightedHistogram) -> Vec<FnmrPoint> {
    let count = genuine.weights.count();
    let mut misses: Vec<FnmrPoint> = Vec::new();
    for fnmr in FNMRS {
        let target_count = (fnmr * count as f64).round() as u64;
        let Some((at, below)) = genuine.weights.holding_below(target_count) else { continue };
        // With equal weights this is `target_count`, but for ties.
        let effective = target_count as f64 * (genuine.effective_below(at) / below.max(1) as f64);
        if below == 0 || effective.round() < MISSES_MIN as f64 {
            continue;
        }
        let miss = FnmrPoint { score: f64::from(edge(at)), fnmr: rounded(below as f64 / count as f64, 8) };
        if misses.last().is_none_or(|last| last.score < miss.score) {
            misses.push(miss);
        }
    }
    misses
}

/// Bin of each knot and weight of the false matches at or above it; bins ascend, weights descend.
fn knots(impostor: &Histogram, effective: impl Fn(i32) -> f64, matches_min: u64) -> Vec<(i32, u64)> {
    let count = impostor.count();
    let mut knots: Vec<(i32, u64)> = Vec::new();
    // The highest bin with enough false matches at or above it.
    let Some((last, least)) = lowest_supported(impostor, effective, matches_min) else { return knots };
    for step in 0.. {
        let fmr = FMR_MAX * 10f64.powf(-f64::from(step) / KNOTS_PER_DECADE);
        let target_count = (fmr * count as f64).round() as u64;
        let (at, matches) = match impostor.holding_above(target_count) {
            Some(found) if target_count > least => found,
            _ => (last, least),
        };
        if knots.last().is_none_or(|knot| knot.0 < at && knot.1 > matches) {
            knots.push((at, matches));
        }
        if target_count <= least {
            break;
        }
    }
    knots
}

/// The highest bin with enough false matches at or above it, and their weight.
fn lowest_supported(impostor: &Histogram, effective: impl Fn(i32) -> f64, matches_min: u64) -> Option<(i32, u64)> {
    // With unequal weights the effective number need not be monotonic, though it nearly always is:
    // bisection finds the region, then bins are tested one by one.
    let bins: Vec<i32> = impostor.bins().map(|(at, _)| at).collect();
    let enough = |at: i32| effective(at) >= matches_min as f64;
    let not_enough_from = bins.partition_point(|&at| enough(at));
    let at = *bins[..not_enough_from].last()?;
    Some((at, impostor.at_or_above(at)))
}

fn tail(scores: &[f64], ln_fmr: &[f64]) -> Option<Tail> {
    let (last_score, last_ln) = (scores.last()?, ln_fmr.last()?);
    let ln_max = last_ln + TAIL_DECADES * std::f64::consts::LN_10;
    // Scores relative to the last knot, so that the linear term is the slope there.
    let points: Vec<(f64, f64)> = scores
        .iter()
        .zip(ln_fmr)
        .filter(|(_, ln)| **ln <= ln_max)
        .map(|(score, ln)| (score - last_score, *ln))
        .collect();
    let falls = |slope: f64| slope.is_finite() && slope > 0.0;
    if let Some([_, linear, square]) = least_squares::<3>(&points)
        && falls(-linear)
        && square <= 0.0
    {
        return Some(Tail { slope: -linear, curvature: -square });
    }
    let [_, linear] = least_squares::<2>(&points)?;
    falls(-linear).then_some(Tail { slope: -linear, curvature: 0.0 })
}

/// Weight of impostor comparisons by subject and by the highest knot they reach; each comparison
/// counts for both subjects.
struct PerSubject {
    /// `counts[subject][level]`: weight of those that reach exactly `level` knots.
    counts: Vec<Vec<u64>>,
    /// The same over all comparisons, each counted once.
    total: Vec<u64>,
    /// The mean weight.
    unit: u64,
}

impl PerSubject {
    fn count(source: &impl ComparisonSource, subjects: usize, knots: &[(i32, u64)]) -> Self {
        let levels = knots.len() + 1;
        // Integer sums do not depend on the order of threads.
        let counts: Vec<AtomicU64> = (0..subjects * levels).map(|_| AtomicU64::new(0)).collect();
        let (total, comparisons) = scan(
            source,
            || (vec![0u64; levels], 0u64),
            |(total, comparisons), pair| {
                if !pair.genuine {
                    let at = bin(pair.score);
                    let level = knots.partition_point(|(knot, _)| *knot <= at);
                    let weight = source.weight(&pair);
                    total[level] += weight;
                    *comparisons += 1;
                    for subject in [pair.subject_a, pair.subject_b] {
                        counts[subject as usize * levels + level].fetch_add(weight, Ordering::Relaxed);
                    }
                }
            },
            |(mut a, n), (b, m)| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                (a, n + m)
            },
        );
        let unit = (total.iter().sum::<u64>() / comparisons.max(1)).max(1);
        let counts: Vec<u64> = counts.into_iter().map(AtomicU64::into_inner).collect();
        Self { counts: counts.chunks(levels).map(<[u64]>::to_vec).collect(), total, unit }
    }

    /// Number of people, and the interval factors at all knots and then at the scores `beyond` the
    /// last.
    fn factors(&self, scores: &[f64], tail_of_all: &Tail, beyond: &[f64]) -> (u64, Vec<f64>) {
        let knots = scores.len();
        // Comparisons that reach a knot are those of its level and all above.
        let reaching = |levels: &[u64]| -> Vec<u64> {
            let mut sums = levels.to_vec();
            (0..knots).rev().for_each(|level| sums[level] += sums[level + 1]);
            sums
        };
        let all = reaching(&self.total);
        let mut left_out: Vec<Vec<f64>> = Vec::new();
        for levels in self.counts.iter().filter(|levels| levels.iter().any(|c| *c > 0)) {
            let own = reaching(levels);
            if all[0] <= own[0] {
                continue;
            }
            // One match if this person had all of them, so that the logarithm is finite.
            let ln =
                |level: usize| ((all[level] - own[level]).max(self.unit) as f64).ln() - ((all[0] - own[0]) as f64).ln();
            let mut row: Vec<f64> = (1..=knots).map(ln).collect();
            let tail = tail(scores, &row).unwrap_or(*tail_of_all);
            let last = row[knots - 1];
            row.extend(beyond.iter().map(|beyond| last - tail.ln_fall(*beyond)));
            left_out.push(row);
        }
        let people = left_out.len() as f64;
        let factor = |column: usize| {
            let mean = left_out.iter().map(|row| row[column]).sum::<f64>() / people;
            let squares = left_out.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>();
            let variance = (people - 1.0) / people * squares;
            let factor = (Z_95 * (2.0 * variance).sqrt()).exp();
            // With one or two people nothing is known of others.
            if factor.is_finite() && people > 2.0 { rounded(factor.min(FACTOR_MAX), 5) } else { FACTOR_MAX }
        };
        (left_out.len() as u64, (0..knots + beyond.len()).map(factor).collect())
    }
}

/// `value` rounded to `digits` significant digits, which keeps files short.
pub(super) fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests;
