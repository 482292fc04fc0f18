use super::super::pairs::ScoredComparison;
use super::*;
use crate::matching::{CALIBRATION_VERSION, Calibration};
use crate::random::SplitMix;

/// Scores assigned to random pairs of people.
struct Scores {
    genuine: Vec<f32>,
    impostor: Vec<f32>,
    people: usize,
}

impl ComparisonSource for Scores {
    fn rows(&self) -> usize {
        1
    }

    fn row(&self, _: usize, visit: &mut dyn FnMut(ScoredComparison)) {
        let mut random = SplitMix(5);
        let mut pair = |score: &f32, genuine| {
            let (a, step) = (random.below(self.people), 1 + random.below(self.people - 1));
            let b = (a + step) % self.people;
            visit(ScoredComparison { score: *score, a: 0, b: 0, subject_a: a as u32, subject_b: b as u32, genuine });
        };
        self.genuine.iter().for_each(|s| pair(s, true));
        self.impostor.iter().for_each(|s| pair(s, false));
    }
}

fn about() -> CurveDescription {
    CurveDescription { population: "made up".into(), date: "2026-01-01".into(), ..CurveDescription::unlabelled() }
}

fn fit(genuine: Vec<f32>, impostor: Vec<f32>) -> Result<Curve, FitError> {
    fit_curve(&Scores { genuine, impostor, people: 50 }, 50, about())
}

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

fn counted(scores: &[f32], threshold: f32) -> f64 {
    scores.iter().filter(|s| **s >= threshold).count() as f64 / scores.len() as f64
}

fn curve(count: usize) -> Curve {
    fit(vec![], normal_scores(count)).unwrap()
}

#[test]
fn knots_give_the_rates_that_were_counted() {
    let impostor = normal_scores(100_000);
    let curve = curve(100_000);
    for knot in &curve.knots {
        assert!((counted(&impostor, knot.score as f32) / knot.fmr - 1.0).abs() < 1e-6);
    }
    let last = curve.knots.last().unwrap();
    assert_eq!((last.fmr * 100_000.0).round(), 30.0);
    assert!((curve.knots[0].fmr - 0.5).abs() < 1e-3);
}

#[test]
fn between_knots_the_curve_stays_near_the_counted_rate() {
    let impostor = normal_scores(100_000);
    let curve = curve(100_000);
    for score in (0..34).map(|i| i as f32 / 100.0) {
        let (counted, read) = (counted(&impostor, score), curve.fmr(score).rate);
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
    let scores: Vec<f64> = (0..30).map(|i| f64::from(i) / 50.0).collect();
    let ln: Vec<f64> = scores.iter().map(|s| 0.5f64.ln() - 20.0 * s + 10.0 * s * s).collect();
    let Tail { slope, curvature } = tail(&scores, &ln).unwrap();
    assert!(curvature == 0.0 && slope > 0.0);
}

#[test]
fn what_is_fitted_can_be_stored_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calibration.toml");
    let recipe = crate::face::RecipeDigest([7; 32]);
    let fitted = Calibration { version: CALIBRATION_VERSION, recipe: recipe.to_string(), curves: vec![curve(20_000)] };
    std::fs::write(&path, fitted.to_toml()).unwrap();
    assert_eq!(Calibration::load(&path, recipe).unwrap(), fitted);
}

#[test]
fn the_genuine_curve_gives_the_misses_that_were_counted() {
    let genuine: Vec<f32> = normal_scores(5000).iter().map(|s| s + 0.6).collect();
    let curve = fit(genuine.clone(), normal_scores(20_000)).unwrap();
    assert_eq!(curve.genuine_comparisons, 5000);
    // Two misses in a thousand of 5000 are 10; one in a thousand is 5: too few.
    assert!((curve.misses[0].fnmr - 0.002).abs() < 1e-9);
    for score in [0.35f32, 0.42, 0.5, 0.6] {
        assert!((curve.fnmr(score).unwrap().rate - (1.0 - counted(&genuine, score))).abs() < 0.01);
    }
}

#[test]
fn few_or_senseless_scores_give_no_curve() {
    assert!(matches!(fit(vec![], normal_scores(1000)), Err(FitError::TooFew { .. })));
    assert_eq!(fit(vec![], vec![0.5; 10_000]).unwrap_err(), FitError::NoTail);
}

#[test]
fn independent_comparisons_vary_as_counts_do_and_look_alikes_widen_the_interval() {
    // A rate counted 1000 times has a deviation of about 1/√1000, for prediction √2
    // times that, in an interval twice that either way: a factor of about 1.09.
    let even = curve(200_000);
    let at = |curve: &Curve, fmr: f64| {
        let knot = curve.knots.iter().min_by_key(|k| ((k.fmr / fmr).ln().abs() * 1e6) as u64).unwrap();
        knot.factor.unwrap()
    };
    assert!((1.05..1.2).contains(&at(&even, 5e-3)), "{}", at(&even, 5e-3));
    // The same scores, but two of fifty people have all the high ones.
    struct Alike(Vec<f32>);
    impl ComparisonSource for Alike {
        fn rows(&self) -> usize {
            1
        }
        fn row(&self, _: usize, visit: &mut dyn FnMut(ScoredComparison)) {
            for (i, &score) in self.0.iter().enumerate() {
                let (subject_a, subject_b) =
                    if score > 0.25 { (0, 1) } else { (2 + i as u32 % 48, 2 + (i as u32 + 7) % 48) };
                visit(ScoredComparison { score, a: 0, b: 0, subject_a, subject_b, genuine: false });
            }
        }
    }
    let alike = fit_curve(&Alike(normal_scores(200_000)), 50, about()).unwrap();
    assert!(at(&alike, 5e-3) > 3.0 * at(&even, 5e-3), "{}", at(&alike, 5e-3));
    assert!(alike.tail_factors.last().unwrap().factor > alike.knots[0].factor.unwrap());
}
