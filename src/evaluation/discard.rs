//! Error-versus-discard characteristics of quality measures (ISO/IEC 29794-1).

use serde::Serialize;

use super::material::Material;
use super::pairs::ScoredComparison;
use super::rates::Rate;
use super::set::PhotoMeasure;
use super::view::{Bootstrap, ComparisonView, ERRORS_MIN, Totals, interval};

/// FMR that fixes the threshold.
const FMR: f64 = 1e-3;
/// Shares discarded.
const SHARES: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];

/// Error-versus-discard characteristic of one measure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiscardCurve {
    /// The measure.
    pub measure: String,
    /// The FMR over all photos that fixes the threshold.
    pub fmr: f64,
    /// FNMR with nothing discarded.
    pub fnmr: Rate,
    /// By share discarded.
    pub points: Vec<DiscardPoint>,
}

/// FNMR after discarding a share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiscardPoint {
    /// Share of the photos, or of the comparisons, with the lowest values.
    pub discarded: f64,
    /// Photos left where photos are discarded.
    pub photos: usize,
    /// FNMR of the photos left, at the threshold fixed over all photos.
    pub fnmr: Rate,
    /// FNMR of the photos left, at the threshold that gives the FMR on them.
    pub fnmr_threshold_anew: Rate,
    /// Relative reduction of `fnmr_threshold_anew` against nothing discarded; given even if the
    /// rates rest on too few errors, with a correspondingly wide interval.
    pub lowered_by: Option<f64>,
    /// Lower end of its 95 % interval.
    pub lowered_by_low: Option<f64>,
    /// Upper end.
    pub lowered_by_high: Option<f64>,
    /// As in ISO/IEC 29794-1: FNMR with *comparisons* discarded by the lower value of their two
    /// photos, at the fixed threshold.
    pub fnmr_by_comparison: Rate,
}

/// One curve per measure; none if the threshold rests on too few false matches.
///
/// A photo without a value is kept.
pub fn discard_curves(material: &Material<'_>, measures: &[PhotoMeasure], bootstrap: Bootstrap) -> Vec<DiscardCurve> {
    let whole = material.whole().near(FMR);
    let rates = whole.counted();
    let Some(threshold) = rates.threshold(FMR) else { return Vec::new() };
    if rates.false_matches(threshold) < ERRORS_MIN - 1 {
        return Vec::new();
    }
    let base = whole.repeat(bootstrap, |_, rates| [rates.fnmr(threshold), rates.fnmr_at(FMR)]);
    let counted = rates.fnmr_at(FMR);
    let ends = interval(base.iter().map(|row| row[0]));
    let none = Rate::weighed(rates.misses(threshold), rates.genuine_comparisons(), rates.fnmr(threshold), ends);
    let points = |measure: &PhotoMeasure| -> Vec<DiscardPoint> {
        SHARES.iter().map(|&share| point(material, measure, share, threshold, &base, counted, bootstrap)).collect()
    };
    measures
        .iter()
        .filter(|measure| measure.values.iter().any(Option::is_some))
        .map(|measure| DiscardCurve {
            measure: measure.name.clone(),
            fmr: FMR,
            fnmr: none.clone(),
            points: points(measure),
        })
        .collect()
}

fn point(
    material: &Material<'_>,
    measure: &PhotoMeasure,
    share: f64,
    threshold: i32,
    base: &[[Option<f64>; 2]],
    counted: Option<f64>,
    bootstrap: Bootstrap,
) -> DiscardPoint {
    let set = material.set();
    let value = |photo: u32| measure.values.get(photo as usize).copied().flatten();
    let mut order: Vec<(f32, u32)> = set.with_template().filter_map(|photo| Some((value(photo)?, photo))).collect();
    order.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
    let mut kept = vec![true; set.len()];
    let discarded_count = (share * order.len() as f64).floor() as usize;
    order[..discarded_count].iter().for_each(|(_, photo)| kept[*photo as usize] = false);
    let kept = &kept;
    let view = material.view(|photo| kept[photo as usize]).near(FMR);
    let rates = view.counted();
    let repeated = view.repeat(bootstrap, |_, rates| [rates.fnmr(threshold), rates.fnmr_at(FMR)]);
    let total = rates.genuine_comparisons();
    let ends = |column: usize| interval(repeated.iter().map(|row| row[column]));
    let fnmr = Rate::weighed(rates.misses(threshold), total, rates.fnmr(threshold), ends(0));
    let anew = rates.threshold(FMR).map_or(0, |at| rates.misses(at));
    let fnmr_threshold_anew = Rate::weighed(anew, total, rates.fnmr_at(FMR), ends(1));
    let lowered = |now: Option<f64>, before: Option<f64>| Some(1.0 - now? / before.filter(|b| *b > 0.0)?);
    let ends = interval(repeated.iter().zip(base).map(|(now, before)| lowered(now[1], before[1])));
    DiscardPoint {
        discarded: share,
        photos: set.with_template().count() - discarded_count,
        fnmr,
        fnmr_threshold_anew,
        lowered_by: lowered(rates.fnmr_at(FMR), counted),
        lowered_by_low: ends.map(|e| e[0]),
        lowered_by_high: ends.map(|e| e[1]),
        fnmr_by_comparison: by_comparison(material, &value, share, threshold, bootstrap),
    }
}

/// FNMR without the genuine comparisons of the lowest values.
fn by_comparison(
    material: &Material<'_>,
    value: &impl Fn(u32) -> Option<f32>,
    share: f64,
    threshold: i32,
    bootstrap: Bootstrap,
) -> Rate {
    let lower = |pair: &ScoredComparison| match (value(pair.a), value(pair.b)) {
        (Some(a), Some(b)) => a.min(b),
        _ => f32::INFINITY,
    };
    let mut order: Vec<(f32, usize)> =
        material.genuine_held().iter().enumerate().map(|(i, pair)| (lower(pair), i)).collect();
    order.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
    let discarded_count = (share * order.len() as f64).floor() as usize;
    let left: Vec<ScoredComparison> =
        order[discarded_count..].iter().map(|(_, i)| material.genuine_held()[*i]).collect();
    let totals = Totals::counted(left.iter().map(|p| (p.subject_a, p.subject_b, true)));
    let view = ComparisonView::new(&left, &[], totals, material.set().subjects());
    let rates = view.counted();
    let repeated = view.repeat(bootstrap, |_, rates| rates.fnmr(threshold));
    Rate::new(rates.misses(threshold), left.len() as u64, interval(repeated))
}

#[cfg(test)]
mod tests {
    use super::super::material::ComparisonPlan;
    use super::super::set::PhotoSet;
    use super::super::set::tests::made_up;
    use super::*;
    use crate::face::Template;
    use crate::random::SplitMix;

    const BOOTSTRAP: Bootstrap = Bootstrap { repetitions: 100, seed: 1 };

    #[test]
    fn a_value_that_foretells_errors_lowers_them_and_one_that_does_not_does_not() {
        let without_errors = made_up(100, 5, 0.35);
        let mut random = SplitMix(3);
        let mut unit = || random.next() as f32 / u64::MAX as f32;
        let (mut set, mut predictive, mut unrelated) = (PhotoSet::default(), Vec::new(), Vec::new());
        for photo in 0..without_errors.len() as u32 {
            let (of, spoilt) = (without_errors.template(photo).unwrap(), unit() < 0.08);
            let raw: Vec<f32> =
                of.vector().iter().map(|v| v + if spoilt { 0.6 * (unit() - 0.5) } else { 0.0 }).collect();
            set.push(without_errors.subject(photo), Some(Template::from_raw(of.recipe(), &raw).unwrap()));
            predictive.push(Some(if spoilt { unit() } else { 1.0 + unit() }));
            unrelated.push(Some(unit()));
        }
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let measures = [
            PhotoMeasure { name: "good".into(), overall: true, values: predictive },
            PhotoMeasure { name: "idle".into(), overall: true, values: unrelated },
            PhotoMeasure { name: "unknown".into(), overall: true, values: vec![None; set.len()] },
        ];
        let curves = discard_curves(&material, &measures, BOOTSTRAP);
        let [predictive, unrelated] = &curves[..] else { panic!("{}", curves.len()) };
        let tenth = |curve: &DiscardCurve| curve.points.iter().find(|p| p.discarded == 0.1).unwrap().clone();
        let (predictive, unrelated) = (tenth(predictive), tenth(unrelated));
        assert_eq!(predictive.photos, 450);
        assert!(predictive.lowered_by.unwrap() > 0.5 && predictive.lowered_by_low.unwrap() > 0.2, "{predictive:?}");
        assert!(unrelated.lowered_by_low.unwrap() < 0.1, "{unrelated:?}");
        assert!(predictive.fnmr.errors < unrelated.fnmr.errors);
        assert_eq!(predictive.fnmr_by_comparison.comparisons, 900);
    }
}
