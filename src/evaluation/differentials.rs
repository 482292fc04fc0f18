//! Demographic differentials: FMR and FNMR of groups at fixed thresholds (ISO/IEC 19795-10).
//!
//! A comparison belongs to a group if both photos do. Thresholds are those of all comparisons of
//! this evaluation, and those of the calibration: at the latter the ratio of a group's FMR to the
//! stated one shows whether the stated rate is true for the group. Intervals of ratios come from a
//! bootstrap over people, with both rates from the same sample.

use serde::Serialize;

use super::groups::{GroupBy, PhotoGroups};
use super::histogram::bin;
use super::material::Material;
use super::rates::{OperatingPoint, Rate};
use super::slices::{Ratio, SLICE_FMRS, over, sizes};
use super::view::{Bootstrap, ComparisonView, Rates, interval};
use crate::matching::Curve;

/// Fewest people for a group to count as the worst; smaller groups are only listed.
const PEOPLE_MIN: usize = 30;

/// A threshold with the FMR it is meant for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FixedThreshold {
    /// Source of the threshold: `these comparisons`, or the calibration's curve, `pooled` or the
    /// name of its worst group.
    pub of: String,
    /// Whether the model pack's calibration states it.
    pub stated: bool,
    /// The FMR it is meant for.
    pub for_fmr: f64,
    /// The threshold.
    pub threshold: f32,
}

/// The groups of one or more columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Differentials {
    /// The columns, joined by `+`.
    pub by: String,
    /// By threshold.
    pub at: Vec<Differential>,
}

/// The groups at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Differential {
    /// The threshold.
    #[serde(flatten)]
    pub threshold: FixedThreshold,
    /// FMR of all comparisons.
    pub fmr: Rate,
    /// Ratio of the FMR counted to the FMR that the threshold is meant for.
    pub fmr_over_stated: Ratio,
    /// FNMR of all comparisons.
    pub fnmr: Rate,
    /// FMR of all comparisons within any group.
    pub within_fmr: Rate,
    /// Ratio of the FMR counted to the FMR that the threshold is meant for.
    pub within_fmr_over_stated: Ratio,
    /// By group.
    pub groups: Vec<GroupRates>,
    /// The highest FMR of a group.
    pub worst_fmr: WorstGroup,
    /// The highest FNMR of a group.
    pub worst_fnmr: WorstGroup,
}

/// A group at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupRates {
    /// Its name.
    pub group: String,
    /// Photos with a template.
    pub photos: usize,
    /// People they are of.
    pub subjects: usize,
    /// FMR between people of this group.
    pub fmr: Rate,
    /// Ratio of the group's FMR to the FMR of all comparisons.
    pub fmr_over_pooled: Ratio,
    /// Ratio of the FMR counted to the FMR that the threshold is meant for.
    pub fmr_over_stated: Ratio,
    /// FNMR within this group.
    pub fnmr: Rate,
    /// Ratio of the group's FNMR to the FNMR of all comparisons.
    pub fnmr_over_pooled: Ratio,
}

/// The group with the highest rate, relative to the others; empty if fewer than two groups have
/// enough people and a rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct WorstGroup {
    /// Its name.
    pub group: Option<String>,
    /// Groups among which it is the worst.
    pub groups: usize,
    /// Ratio of its rate to that of all comparisons.
    pub over_pooled: Ratio,
    /// Ratio of its rate to the geometric mean of the groups' rates.
    pub over_geometric_mean: Ratio,
}

/// Thresholds at which groups are compared: those of this evaluation's operating points, then those
/// of the calibration's `curves`.
pub fn fixed_thresholds(points: &[OperatingPoint], curves: &[Curve]) -> Vec<FixedThreshold> {
    let own = points.iter().filter(|p| SLICE_FMRS.contains(&p.fmr)).filter_map(|p| {
        let of = "these comparisons".to_owned();
        Some(FixedThreshold { of, stated: false, for_fmr: p.fmr, threshold: p.threshold? })
    });
    let stated = curves.iter().flat_map(|curve| {
        SLICE_FMRS.iter().filter_map(|&fmr| {
            let threshold = curve.threshold(fmr).ok()?.score;
            Some(FixedThreshold { of: curve.group.clone(), stated: true, for_fmr: fmr, threshold })
        })
    });
    own.chain(stated).collect()
}

/// FMR and FNMR of one group at every threshold, as counted and by bootstrap repetition.
struct GroupRatesByThreshold {
    /// By threshold: FMR and FNMR.
    rates: Vec<[Rate; 2]>,
    repeated: Vec<Vec<[Option<f64>; 2]>>,
}

impl GroupRatesByThreshold {
    fn at(view: &ComparisonView, edges: &[Option<i32>], bootstrap: Bootstrap) -> Self {
        let read = |rates: &Rates<'_>| -> Vec<[Option<f64>; 2]> {
            edges.iter().map(|edge| edge.map_or([None; 2], |edge| [rates.fmr(edge), rates.fnmr(edge)])).collect()
        };
        let counted = view.counted();
        let values = read(&counted);
        let repeated = view.repeat(bootstrap, |_, rates| read(rates));
        let rates = edges.iter().enumerate().map(|(i, edge)| {
            let ends = |kind: usize| interval(repeated.iter().map(|row| row[i][kind]));
            let errors = edge.map_or([0; 2], |edge| [counted.false_matches(edge), counted.misses(edge)]);
            let totals = [counted.impostor_comparisons(), counted.genuine_comparisons()];
            [0, 1].map(|kind| Rate::weighed(errors[kind], totals[kind], values[i][kind], ends(kind)))
        });
        Self { rates: rates.collect(), repeated }
    }

    fn rate(&self, threshold: usize, kind: usize) -> &Rate {
        &self.rates[threshold][kind]
    }

    /// Ratio to another group's rate, if both rest on enough errors.
    fn over(&self, other: &Self, threshold: usize, kind: usize) -> Ratio {
        let (own, all) = (self.rate(threshold, kind), other.rate(threshold, kind));
        let values = self.repeated.iter().zip(&other.repeated).map(|(own, all)| {
            let at = |rows: &[[Option<f64>; 2]]| rows[threshold][kind];
            over(at(own), at(all))
        });
        ratio(over(own.rate, all.rate), values)
    }

    fn over_number(&self, number: f64, threshold: usize, kind: usize) -> Ratio {
        let values = self.repeated.iter().map(|row| over(row[threshold][kind], Some(number)));
        ratio(over(self.rate(threshold, kind).rate, Some(number)), values)
    }
}

fn ratio(times: Option<f64>, repeated: impl Iterator<Item = Option<f64>>) -> Ratio {
    let ends = times.and_then(|_| interval(repeated));
    Ratio { times, low: ends.map(|e| e[0]), high: ends.map(|e| e[1]) }
}

/// Rates of the groups of each of `by` at the thresholds.
pub fn differentials(
    material: &Material<'_>,
    thresholds: &[FixedThreshold],
    by: &[GroupBy],
    bootstrap: Bootstrap,
) -> Vec<Differentials> {
    if by.is_empty() || thresholds.is_empty() {
        return Vec::new();
    }
    // The bin of a stated threshold may begin below it, so the next bin is used. Thresholds below
    // the comparisons held have no rate.
    let edges: Vec<Option<i32>> = thresholds
        .iter()
        .map(|t| if t.stated { bin(t.threshold) + 1 } else { bin(t.threshold) })
        .map(|edge| Some(edge).filter(|&edge| material.holds(edge)))
        .collect();
    let lowest = edges.iter().flatten().min().copied().unwrap_or(i32::MAX);
    let rates_by_threshold = |view: ComparisonView| GroupRatesByThreshold::at(&view.above(lowest), &edges, bootstrap);
    let pooled = rates_by_threshold(material.whole());
    let mut all = Vec::new();
    for by in by {
        let Some(groups) = PhotoGroups::of(material.set(), by) else { continue };
        let within = rates_by_threshold(material.within(&groups));
        let sizes = sizes(material.set(), &groups);
        let group_rates: Vec<GroupRatesByThreshold> = sizes
            .iter()
            .map(|&(group, ..)| rates_by_threshold(material.view(|photo| groups.group(photo) == group)))
            .collect();
        let at = thresholds.iter().enumerate().map(|(i, threshold)| {
            let rows = sizes.iter().zip(&group_rates).map(|(&(group, photos, subjects), own)| GroupRates {
                group: groups.name(group).to_owned(),
                photos,
                subjects,
                fmr: own.rate(i, 0).clone(),
                fmr_over_pooled: own.over(&pooled, i, 0),
                fmr_over_stated: own.over_number(threshold.for_fmr, i, 0),
                fnmr: own.rate(i, 1).clone(),
                fnmr_over_pooled: own.over(&pooled, i, 1),
            });
            let count: Vec<(&str, &GroupRatesByThreshold)> = sizes
                .iter()
                .zip(&group_rates)
                .filter(|((_, _, subjects), _)| *subjects >= PEOPLE_MIN)
                .map(|(&(group, ..), own)| (groups.name(group), own))
                .collect();
            Differential {
                threshold: threshold.clone(),
                fmr: pooled.rate(i, 0).clone(),
                fmr_over_stated: pooled.over_number(threshold.for_fmr, i, 0),
                fnmr: pooled.rate(i, 1).clone(),
                within_fmr: within.rate(i, 0).clone(),
                within_fmr_over_stated: within.over_number(threshold.for_fmr, i, 0),
                groups: rows.collect(),
                worst_fmr: worst(&count, &pooled, i, 0),
                worst_fnmr: worst(&count, &pooled, i, 1),
            }
        });
        all.push(Differentials { by: by.name(), at: at.collect() });
    }
    all
}

/// The group with the highest rate among those that have one.
fn worst(
    groups: &[(&str, &GroupRatesByThreshold)],
    pooled: &GroupRatesByThreshold,
    threshold: usize,
    kind: usize,
) -> WorstGroup {
    let known: Vec<(&str, &GroupRatesByThreshold)> =
        groups.iter().filter(|(_, own)| own.rate(threshold, kind).rate.is_some()).copied().collect();
    let rate = |own: &GroupRatesByThreshold| own.rate(threshold, kind).rate.unwrap_or(0.0);
    let highest = known.iter().max_by(|(_, x), (_, y)| rate(x).total_cmp(&rate(y)));
    let Some(&(name, _)) = highest.filter(|_| known.len() > 1) else {
        return WorstGroup { groups: known.len(), ..WorstGroup::default() };
    };
    // The highest rate, and its ratio to the geometric mean; `None` if a rate is 0 or unknown.
    let read = |rates: &[Option<f64>]| -> Option<[f64; 2]> {
        let rates = rates.iter().copied().collect::<Option<Vec<f64>>>()?;
        let highest = rates.iter().copied().fold(0.0, f64::max);
        let mean = (rates.iter().map(|r| r.ln()).sum::<f64>() / rates.len() as f64).exp();
        Some([highest, highest / mean])
    };
    let counted = read(&known.iter().map(|(_, own)| own.rate(threshold, kind).rate).collect::<Vec<_>>());
    let repetitions = pooled.repeated.len();
    let repeated: Vec<(Option<[f64; 2]>, Option<f64>)> = (0..repetitions)
        .map(|r| {
            let rates: Vec<Option<f64>> = known.iter().map(|(_, own)| own.repeated[r][threshold][kind]).collect();
            (read(&rates), pooled.repeated[r][threshold][kind])
        })
        .collect();
    let pooled_rate = pooled.rate(threshold, kind).rate;
    WorstGroup {
        group: Some(name.to_owned()),
        groups: known.len(),
        over_pooled: ratio(
            over(counted.map(|c| c[0]), pooled_rate),
            repeated.iter().map(|(groups, all)| over(groups.map(|g| g[0]), *all)),
        ),
        over_geometric_mean: ratio(counted.map(|c| c[1]), repeated.iter().map(|(groups, _)| groups.map(|g| g[1]))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups::ComparisonRules;
    use super::super::material::ComparisonPlan;
    use super::super::rates::overall;
    use super::super::worst_group::tests::alike;
    use super::*;
    use crate::matching::{Weighting, fixture};

    const BOOTSTRAP: Bootstrap = Bootstrap { repetitions: 100, seed: 1 };

    fn stated(threshold: f64) -> Curve {
        fixture::curve(&[(-1.0, 0.5), (threshold, 1e-3), (threshold + 0.05, 1e-4)], None, 40.0)
    }

    #[test]
    fn groups_that_are_more_alike_are_told_by_how_many_times() {
        let set = alike(240, 4, 4);
        for weighed in [Weighting::Comparisons, Weighting::People] {
            let rules = ComparisonRules { within: None, weighed };
            let material =
                Material::make_with(rules, &set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
            let points = overall(&material, &SLICE_FMRS, BOOTSTRAP).points;
            // A curve that states 1e-3 at a threshold that far more comparisons reach.
            let thresholds = fixed_thresholds(&points, &[stated(0.62)]);
            assert_eq!(thresholds.iter().map(|t| t.stated).collect::<Vec<_>>(), [false, false, true, true]);
            let by = [GroupBy::parse("kind").unwrap()];
            let found = differentials(&material, &thresholds, &by, BOOTSTRAP);
            let at = &found[0].at[0];
            assert_eq!((&found[0].by[..], at.groups.len()), ("kind", 3));
            let [alike, few, _] = &at.groups[..] else { panic!() };
            let times = alike.fmr_over_pooled;
            assert!(times.times.unwrap() > 2.0 && times.low.unwrap() > 1.0 && times.high > times.times, "{times:?}");
            // A group of four people is listed but is not the worst.
            assert!(few.subjects == 4 && few.fmr.rate > alike.fmr.rate, "{few:?}");
            assert_ne!(at.worst_fmr.group.as_deref(), Some("few"));
            // The ratio shows that the stated rate is wrong.
            let understated = &found[0].at[2];
            assert!(understated.fmr_over_stated.times.unwrap() > 2.0, "{:?}", understated.fmr_over_stated);
            assert!(understated.groups[0].fmr_over_stated.low.unwrap() > 2.0);
            let own = &found[0].at[0].fmr_over_stated;
            assert!((own.times.unwrap() - 1.0).abs() < 0.05, "{own:?}");
        }
    }

    #[test]
    fn the_summary_is_the_worst_over_all_and_over_the_geometric_mean() {
        let set = alike(240, 4, 0);
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let of = |threshold: f32| {
            let fixed = FixedThreshold { of: "made up".into(), stated: false, for_fmr: 1e-2, threshold };
            differentials(&material, &[fixed], &[GroupBy::parse("kind").unwrap()], BOOTSTRAP).remove(0).at.remove(0)
        };
        let at = of(0.5);
        let rates: Vec<f64> = at.groups.iter().map(|g| g.fmr.rate.unwrap()).collect();
        let (highest, mean) = (rates[0].max(rates[1]), (rates[0] * rates[1]).sqrt());
        assert_eq!((at.worst_fmr.group.as_deref(), at.worst_fmr.groups), (Some("alike"), 2));
        assert!((at.worst_fmr.over_geometric_mean.times.unwrap() - highest / mean).abs() < 1e-9);
        assert!((at.worst_fmr.over_pooled.times.unwrap() - highest / at.fmr.rate.unwrap()).abs() < 1e-9);
        assert!(at.worst_fmr.over_pooled.low.unwrap() > 1.0);
        // With a rate in only one group there is no worst group.
        assert_eq!(of(0.999).worst_fmr.group, None);
    }

    #[test]
    fn all_groups_together_are_the_comparisons_within_any() {
        let set = alike(120, 3, 0);
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let fixed = FixedThreshold { of: "made up".into(), stated: false, for_fmr: 1e-2, threshold: 0.6 };
        let at =
            differentials(&material, &[fixed], &[GroupBy::parse("kind").unwrap()], BOOTSTRAP).remove(0).at.remove(0);
        let sum = |of: fn(&Rate) -> u64| at.groups.iter().map(|g| of(&g.fmr)).sum::<u64>();
        assert_eq!(at.within_fmr.errors, sum(|r| r.errors));
        assert_eq!(at.within_fmr.comparisons, sum(|r| r.comparisons));
    }
}
