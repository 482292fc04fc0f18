//! A calibration curve from impostor scores: counted knots, and a fitted tail
//! beyond them.

use super::Scores;
use crate::matching::{Curve, Knot, Miss, Tail};

/// Highest FMR of a knot.
const FMR_MAX: f64 = 0.5;
/// Knots per decade of FMR. The curve between them is nearly straight in
/// (score, ln FMR); eight keep the error of a straight line far below that of
/// counting.
const KNOTS_PER_DECADE: f64 = 8.0;
/// False matches the last knot must rest on: the rule of 30 (ISO/IEC 19795-1).
const FALSE_MATCHES_MIN: usize = 30;
/// False non-match rates that the genuine curve is given at; linear in between.
const FNMRS: [f64; 21] = [
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
    0.95,
];
/// Misses the first of them must rest on.
const MISSES_MIN: usize = 10;
/// Decades of FMR before the last knot that the tail is fitted on.
const TAIL_DECADES: f64 = 2.0;

/// Why scores gave no curve.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// Not enough comparisons for two decades and 30 false matches.
    #[error(
        "{comparisons} impostor comparisons are too few, at least {comparisons_min} are needed; use more photos of more people"
    )]
    TooFew {
        /// How many there are.
        comparisons: usize,
        /// How many it takes.
        comparisons_min: usize,
    },
    /// FMR does not fall with the score near the end of the data.
    #[error("the impostor scores have no falling tail; they are not scores of different people")]
    NoTail,
}

/// Fits the curve for probes of `probe_frames` frames on impostor scores.
///
/// Knots lie at FMRs evenly spaced in their logarithm from 0.5 down to the last
/// that at least 30 false matches support. The tail is a parabola in ln FMR,
/// fitted by least squares on the last two decades and hung onto the last knot;
/// where the fit bends upwards a straight line takes its place, which gives
/// higher rates and so errs on the safe side.
pub fn fit_curve(
    scores: &Scores,
    probe_frames: u32,
    population: &str,
    date: &str,
    subjects: u64,
) -> Result<Curve, FitError> {
    let impostor = scores.impostor();
    let comparisons = impostor.len();
    let comparisons_min = (FALSE_MATCHES_MIN as f64 / FMR_MAX * 10f64.powf(TAIL_DECADES)) as usize;
    if comparisons < comparisons_min {
        return Err(FitError::TooFew { comparisons, comparisons_min });
    }
    let knots = knots(impostor);
    let tail = tail(&knots).ok_or(FitError::NoTail)?;
    Ok(Curve {
        probe_frames,
        population: population.to_owned(),
        date: date.to_owned(),
        subjects,
        impostor_comparisons: comparisons as u64,
        knots,
        tail,
        genuine_comparisons: scores.genuine().len() as u64,
        misses: misses(scores.genuine()),
    })
}

/// Counted points of the genuine curve: scores and rates rising.
fn misses(genuine: &[f32]) -> Vec<Miss> {
    let count = genuine.len();
    let mut misses: Vec<Miss> = Vec::new();
    for fnmr in FNMRS {
        let wanted = (fnmr * count as f64).round() as usize;
        if wanted < MISSES_MIN || wanted >= count {
            continue;
        }
        let score = genuine[wanted];
        let below = genuine.partition_point(|s| *s < score);
        let miss = Miss { score: f64::from(score), fnmr: below as f64 / count as f64 };
        if misses.last().is_none_or(|last| last.score < miss.score) {
            misses.push(miss);
        }
    }
    misses
}

/// Counted points of the curve: scores rising, rates falling.
fn knots(impostor: &[f32]) -> Vec<Knot> {
    let count = impostor.len();
    let mut knots: Vec<Knot> = Vec::new();
    let mut step = 0;
    loop {
        let fmr = FMR_MAX * 10f64.powf(-f64::from(step) / KNOTS_PER_DECADE);
        let wanted = ((fmr * count as f64).round() as usize).max(FALSE_MATCHES_MIN);
        // The `wanted`-th highest score, and all that match at it as threshold.
        let score = impostor[count - wanted];
        let matches = count - impostor.partition_point(|s| *s < score);
        let knot = Knot { score: f64::from(score), fmr: matches as f64 / count as f64 };
        if knots.last().is_none_or(|last| last.score < knot.score && last.fmr > knot.fmr) {
            knots.push(knot);
        }
        if wanted == FALSE_MATCHES_MIN {
            return knots;
        }
        step += 1;
    }
}

fn tail(knots: &[Knot]) -> Option<Tail> {
    let last = knots.last()?;
    let fmr_max = last.fmr * 10f64.powf(TAIL_DECADES);
    // Measured from the last knot, so that the linear term is the slope there.
    let points: Vec<(f64, f64)> =
        knots.iter().filter(|k| k.fmr <= fmr_max).map(|k| (k.score - last.score, k.fmr.ln())).collect();
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

/// Coefficients of the polynomial with `N` terms nearest to the points, constant
/// first: normal equations, solved by elimination with pivoting. `None` where
/// the points do not fix them.
fn least_squares<const N: usize>(points: &[(f64, f64)]) -> Option<[f64; N]> {
    if points.len() < N {
        return None;
    }
    let mut matrix = [[0.0f64; N]; N];
    let mut right = [0.0f64; N];
    for &(x, y) in points {
        for row in 0..N {
            for (column, value) in matrix[row].iter_mut().enumerate() {
                *value += x.powi((row + column) as i32);
            }
            right[row] += y * x.powi(row as i32);
        }
    }
    for pivot in 0..N {
        let best = (pivot..N).max_by(|&a, &b| matrix[a][pivot].abs().total_cmp(&matrix[b][pivot].abs()))?;
        matrix.swap(pivot, best);
        right.swap(pivot, best);
        if matrix[pivot][pivot].abs() < 1e-12 {
            return None;
        }
        for row in pivot + 1..N {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            for column in pivot..N {
                matrix[row][column] -= factor * matrix[pivot][column];
            }
            right[row] -= factor * right[pivot];
        }
    }
    let mut solution = [0.0; N];
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Calibration;

    /// Quantiles of a normal distribution with deviation 0.1, by bisection on a
    /// rational approximation of its tail (Abramowitz and Stegun 26.2.17).
    fn normal_scores(count: usize) -> Vec<f32> {
        (0..count).map(|i| 0.1 * quantile(1.0 - (i as f64 + 0.5) / count as f64) as f32).collect()
    }

    fn upper_tail(x: f64) -> f64 {
        if x < 0.0 {
            return 1.0 - upper_tail(-x);
        }
        let t = 1.0 / (1.0 + 0.231_641_9 * x);
        let poly =
            t * (0.319_381_53 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
        (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly
    }

    fn quantile(upper: f64) -> f64 {
        let (mut low, mut high) = (-8.0, 8.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if upper_tail(middle) > upper { low = middle } else { high = middle }
        }
        low
    }

    fn curve(count: usize) -> Curve {
        let scores = Scores::new(vec![], normal_scores(count));
        fit_curve(&scores, 1, "made up", "2026-01-01", 10).unwrap()
    }

    #[test]
    fn knots_give_the_rates_that_were_counted() {
        let impostor = normal_scores(100_000);
        let scores = Scores::new(vec![], impostor);
        let curve = fit_curve(&scores, 1, "made up", "2026-01-01", 10).unwrap();
        for knot in &curve.knots {
            assert_eq!(scores.fmr(knot.score as f32), knot.fmr);
        }
        let last = curve.knots.last().unwrap();
        assert_eq!((last.fmr * 100_000.0).round(), 30.0);
        assert!((curve.knots[0].fmr - 0.5).abs() < 1e-3);
    }

    #[test]
    fn between_knots_the_curve_stays_near_the_counted_rate() {
        let scores = Scores::new(vec![], normal_scores(100_000));
        let curve = curve(100_000);
        for score in (0..34).map(|i| i as f32 / 100.0) {
            let (counted, read) = (scores.fmr(score), curve.fmr(score).rate);
            assert!((read / counted).ln().abs() < 0.06, "{score}: {read} instead of {counted}");
        }
    }

    #[test]
    fn the_tail_of_a_normal_distribution_goes_on_as_one() {
        let curve = curve(100_000);
        for z in [3.8, 4.2, 4.75] {
            let (true_rate, read) = (upper_tail(z), curve.fmr((0.1 * z) as f32));
            assert!(read.extrapolated);
            assert!((read.rate / true_rate).ln().abs() < 0.4, "{z}: {} instead of {true_rate}", read.rate);
        }
    }

    #[test]
    fn a_tail_heavier_than_exponential_is_continued_as_a_straight_line() {
        let knots: Vec<Knot> = (0..30)
            .map(|i| {
                let score = f64::from(i) / 50.0;
                Knot { score, fmr: 0.5 * (-20.0 * score + 10.0 * score * score).exp() }
            })
            .collect();
        let Tail { slope, curvature } = tail(&knots).unwrap();
        assert!(curvature == 0.0 && slope > 0.0);
    }

    #[test]
    fn what_is_fitted_can_be_stored_and_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.toml");
        let recipe = crate::face::RecipeDigest([7; 32]);
        let fitted = Calibration { version: 1, recipe: recipe.to_string(), curves: vec![curve(20_000)] };
        std::fs::write(&path, toml::to_string(&fitted).unwrap()).unwrap();
        let loaded = Calibration::load(&path, recipe).unwrap();
        assert_eq!(loaded.curve(1).unwrap().knots, fitted.curves[0].knots);
    }

    #[test]
    fn the_genuine_curve_gives_the_misses_that_were_counted() {
        let genuine: Vec<f32> = normal_scores(5000).iter().map(|s| s + 0.6).collect();
        let scores = Scores::new(genuine, normal_scores(20_000));
        let curve = fit_curve(&scores, 1, "made up", "2026-01-01", 10).unwrap();
        assert_eq!(curve.genuine_comparisons, 5000);
        // Five misses in a thousand of 5000 are 25; one in a thousand is 5: too few.
        assert!((curve.misses[0].fnmr - 0.002).abs() < 1e-9);
        for score in [0.35f32, 0.42, 0.5, 0.6] {
            assert!((curve.fnmr(score).unwrap().rate - scores.fnmr(score)).abs() < 0.01);
        }
    }

    #[test]
    fn few_or_senseless_scores_give_no_curve() {
        let few = Scores::new(vec![], normal_scores(1000));
        assert!(matches!(fit_curve(&few, 1, "", "", 1), Err(FitError::TooFew { .. })));
        let flat = Scores::new(vec![], vec![0.5; 10_000]);
        assert_eq!(fit_curve(&flat, 1, "", "", 1).unwrap_err(), FitError::NoTail);
    }
}
