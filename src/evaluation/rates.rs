//! Reported error rates: with comparisons, errors and an interval, or with the reason why there is
//! no rate.

use serde::Serialize;

use super::material::Material;
use super::view::{Bootstrap, ComparisonView, ERRORS_MIN, Multiplicities, Rates, interval};

/// Points of a DET curve per decade of FMR.
const DET_PER_DECADE: f64 = 8.0;
/// Highest FMR of a DET curve: half of that down to which comparisons are kept, so that thresholds
/// of bootstrap samples are covered as well.
const DET_FMR_MAX: f64 = 0.05;

/// An error rate, if the data supports one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rate {
    /// The rate, 0…1; `None` if it rests on too few errors.
    pub rate: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Errors counted.
    pub errors: u64,
    /// Number of comparisons.
    pub comparisons: u64,
    /// Why there is no rate.
    pub not_resolved: Option<String>,
}

impl Rate {
    /// A rate with its interval, or without a value if there are too few errors.
    pub(super) fn new(errors: u64, comparisons: u64, interval: Option<[f64; 2]>) -> Self {
        Self::weighed(errors, comparisons, Some(errors as f64 / comparisons as f64), interval)
    }

    /// As [`Self::new`] with weighted comparisons; `rate` is the weighted rate.
    pub(super) fn weighed(errors: u64, comparisons: u64, rate: Option<f64>, interval: Option<[f64; 2]>) -> Self {
        let too_few = (errors < ERRORS_MIN).then(|| too_few(errors, "errors"));
        let known = too_few.is_none() && comparisons > 0;
        Self {
            rate: rate.filter(|_| known),
            low: interval.filter(|_| known).map(|[low, _]| low),
            high: interval.filter(|_| known).map(|[_, high]| high),
            errors,
            comparisons,
            not_resolved: too_few,
        }
    }
}

/// The reason why a rate with so few errors is not reported.
pub(super) fn too_few(errors: u64, what: &str) -> String {
    format!("{what}: {errors}, fewer than {ERRORS_MIN}: not resolved")
}

/// The false non-match rate at a false match rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperatingPoint {
    /// The false match rate that was asked for.
    pub fmr: f64,
    /// The lowest threshold (to 2⁻¹⁶) with at most this FMR; `None` if it rests on too few errors.
    pub threshold: Option<f32>,
    /// Share of genuine comparisons below the threshold; `None` if it rests on too few errors.
    pub fnmr: Option<f64>,
    /// Lower end of the 95 % interval of `fnmr`, with the threshold determined anew for every
    /// bootstrap sample of people.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Genuine comparisons below the threshold.
    pub misses: Option<u64>,
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons at or above the threshold.
    pub false_matches: Option<u64>,
    /// Impostor comparisons.
    pub impostor: u64,
    /// False rejection rate (19795-1): failures to acquire count as rejections.
    pub frr: Option<f64>,
    /// False acceptance rate (19795-1): a failure to acquire is never accepted.
    pub far: Option<f64>,
    /// Why there is no rate.
    pub not_resolved: Option<String>,
}

/// The equal error rate: FMR and FNMR where they are equal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EqualError {
    /// The rate; `None` where it is not resolved.
    pub rate: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The threshold.
    pub threshold: Option<f32>,
}

/// A point of a DET curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DetPoint {
    /// False match rate.
    pub fmr: f64,
    /// The threshold for it.
    pub threshold: f32,
    /// False non-match rate there.
    pub fnmr: f64,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// Rates of all comparisons.
#[derive(Debug, Clone, PartialEq)]
pub struct Overall {
    /// FNMR at the FMRs asked for.
    pub points: Vec<OperatingPoint>,
    /// The equal error rate.
    pub equal_error: EqualError,
    /// The DET curve, as far as both rates rest on enough errors.
    pub det: Vec<DetPoint>,
}

/// Rates of all comparisons of `material` at `fmrs`.
pub fn overall(material: &Material<'_>, fmrs: &[f64], bootstrap: Bootstrap) -> Overall {
    let view = material.whole();
    let rates = view.counted();
    let (genuine, impostor) = (material.genuine.count(), material.impostor.count());
    let det_fmrs = det_fmrs(impostor);
    let all_fmrs: Vec<f64> = fmrs.iter().chain(&det_fmrs).copied().collect();
    let repeated = view.repeat(bootstrap, |_, rates| {
        let fnmrs: Vec<Option<f64>> = all_fmrs.iter().map(|&fmr| rates.fnmr_at(fmr)).collect();
        (fnmrs, rates.equal_error_rate())
    });
    let interval_of = |index: usize| interval(repeated.iter().map(|(fnmrs, _)| fnmrs[index]));

    let attempts = material.attempts();
    let points = fmrs.iter().enumerate().map(|(i, &fmr)| {
        let mut point = operating_point(&rates, fmr, genuine, impostor, attempts);
        if let (Some(_), Some([low, high])) = (point.fnmr, interval_of(i)) {
            (point.low, point.high) = (Some(low), Some(high));
        }
        point
    });
    let det = det_fmrs.iter().enumerate().filter_map(|(i, &fmr)| {
        let at = rates.threshold(fmr)?;
        let supported = !rates.are_weighed() || rates.false_matches(at) >= ERRORS_MIN;
        let resolved = supported && rates.misses(at) >= ERRORS_MIN;
        let [low, high] = interval_of(fmrs.len() + i).map_or([None; 2], |ends| ends.map(Some));
        resolved.then_some(DetPoint { fmr, threshold: Rates::score(at), fnmr: rates.fnmr(at)?, low, high })
    });
    let at = rates.crossing().filter(|&at| rates.misses(at).min(rates.false_matches(at)) >= ERRORS_MIN);
    let ends = at.and_then(|_| interval(repeated.iter().map(|(_, rate)| *rate)));
    let equal_error = EqualError {
        rate: at.and_then(|_| rates.equal_error_rate()),
        low: ends.map(|[low, _]| low),
        high: ends.map(|[_, high]| high),
        threshold: at.map(Rates::score),
    };
    Overall { points: points.collect(), equal_error, det: det.collect() }
}

/// FMRs of a DET curve: from the highest down to the last that 30 false matches support.
fn det_fmrs(impostor: u64) -> Vec<f64> {
    let least = ERRORS_MIN as f64 / impostor.max(1) as f64;
    (0..)
        .map(|step| DET_FMR_MAX * 10f64.powf(-f64::from(step) / DET_PER_DECADE))
        .take_while(|fmr| *fmr >= least)
        .collect()
}

fn operating_point(rates: &Rates<'_>, fmr: f64, genuine: u64, impostor: u64, attempts: (u64, u64)) -> OperatingPoint {
    let is_weighed = rates.are_weighed();
    let allowed = match (is_weighed, rates.threshold(fmr)) {
        // The number of comparisons at the threshold, whatever their weights.
        (true, Some(at)) => rates.false_matches(at),
        _ => (fmr * impostor as f64) as u64,
    };
    let none = |why: String| OperatingPoint {
        fmr,
        threshold: None,
        fnmr: None,
        low: None,
        high: None,
        misses: None,
        genuine,
        false_matches: None,
        impostor,
        frr: None,
        far: None,
        not_resolved: Some(why),
    };
    if allowed < ERRORS_MIN {
        return none(too_few(allowed, "false matches among these comparisons"));
    }
    let Some(at) = rates.threshold(fmr) else { return none("more comparisons than are held: not resolved".to_owned()) };
    let misses = rates.misses(at);
    let rejected = misses + (attempts.0 - genuine);
    let resolved = misses >= ERRORS_MIN;
    OperatingPoint {
        threshold: Some(Rates::score(at)),
        fnmr: rates.fnmr(at).filter(|_| resolved),
        misses: Some(misses),
        false_matches: Some(rates.false_matches(at)),
        // Attempts without a template have no weight, so no rate with weights.
        frr: (rejected >= ERRORS_MIN && !is_weighed).then(|| rejected as f64 / attempts.0 as f64),
        far: (!is_weighed).then(|| rates.false_matches(at) as f64 / attempts.1 as f64),
        not_resolved: (!resolved).then(|| too_few(misses, "misses")),
        ..none(String::new())
    }
}

/// FNMR at an FMR, as counted and in every bootstrap repetition.
pub(super) fn fnmr_at(view: &ComparisonView, fmr: f64, bootstrap: Bootstrap) -> (Option<f64>, Vec<Option<f64>>) {
    (view.counted().fnmr_at(fmr), view.repeat(bootstrap, |_: &Multiplicities, rates| rates.fnmr_at(fmr)))
}

#[cfg(test)]
mod tests {
    use super::super::material::ComparisonPlan;
    use super::super::set::tests::made_up;
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { repetitions: 200, seed: 1 };

    #[test]
    fn no_rate_is_given_that_the_data_does_not_support() {
        let set = made_up(40, 4, 0.8);
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        // 12,480 impostor comparisons: 124 false matches at 1e-2, 12 at 1e-3.
        let overall = overall(&material, &[1e-2, 1e-3], BOOTSTRAP);
        let [ref sure, ref unsure] = overall.points[..] else { panic!() };
        assert!(sure.fnmr.is_some() && sure.low < sure.fnmr && sure.fnmr < sure.high, "{sure:?}");
        assert_eq!(sure.false_matches, Some(124));
        assert_eq!((unsure.fnmr, unsure.threshold), (None, None));
        assert!(unsure.not_resolved.as_ref().unwrap().ends_with(": 12, fewer than 30: not resolved"), "{unsure:?}");
        assert!(overall.det.iter().all(|p| p.fmr * 12_480.0 >= 30.0 && p.fnmr * 240.0 >= 30.0));
    }

    #[test]
    fn people_told_apart_without_fail_have_no_miss_rate() {
        let set = made_up(40, 4, 0.01);
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let point = overall(&material, &[1e-2], BOOTSTRAP).points.remove(0);
        assert_eq!((point.fnmr, point.misses, point.frr), (None, Some(0), None));
        assert!(point.threshold.is_some() && point.not_resolved.unwrap().contains("misses"));
    }

    #[test]
    fn failures_to_acquire_are_rejections() {
        let mut set = made_up(40, 4, 0.8);
        (0..40).for_each(|subject| set.push(subject, None));
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let point = overall(&material, &[1e-2], BOOTSTRAP).points.remove(0);
        // Four more comparisons per person, all lost.
        let rejected = (point.misses.unwrap() + 160) as f64;
        assert_eq!(point.frr, Some(rejected / 400.0));
        assert!(point.frr > point.fnmr && point.far.unwrap() < 1e-2);
    }

    #[test]
    fn the_equal_error_rate_lies_where_the_errors_are_equal() {
        let set = made_up(100, 4, 0.75);
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let equal = overall(&material, &[], BOOTSTRAP).equal_error;
        let (rate, at) = (equal.rate.unwrap(), equal.threshold.unwrap());
        let view = material.whole();
        let rates = view.counted();
        let bin = super::super::histogram::bin(at);
        assert!((rates.fmr(bin).unwrap() - rate).abs() < 0.02 && (rates.fnmr(bin).unwrap() - rate).abs() < 0.02);
    }
}
