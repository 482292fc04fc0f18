//! Cross-fit: are stated rates true for people left out of the fit?
//!
//! People are divided into folds. For every pair of folds (and every fold with itself) curves are
//! fitted, and the worst group chosen, on the people of all other folds; then comparisons between
//! people of the two folds are counted at the thresholds of that fit. So each comparison is
//! evaluated once, by a fit without either of its people, and each fit has nearly all people.

use serde::Serialize;

use super::fit::{FitError, rounded};
use super::groups::PhotoGroups;
use super::histogram::bin;
use super::pairs::{AllPairs, ComparisonSource, scan};
use super::worst_group::{FitInput, fit_population};
use crate::random::SplitMix;

/// FMRs at which the curves are checked.
const FMRS: [f64; 2] = [1e-3, 1e-4];
/// Seed of the assignment of people to folds.
const SEED: u64 = 1;
/// Fewest folds: with two, comparisons between them would leave nobody to fit on.
const FOLDS_MIN: u64 = 3;
/// Name of the row over the comparisons within any group.
const ALL_GROUPS: &str = "all groups";

/// Stated rates and those counted on people left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossFit {
    /// Folds.
    pub folds: u64,
    /// Fits: one for every two folds, and for every fold.
    pub fits: u64,
    /// Which group was the worst, and in how many fits.
    pub worst_groups: Vec<WorstGroupCount>,
    /// By curve and group of comparisons.
    pub rows: Vec<CrossFitRow>,
}

/// How often a group was the worst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorstGroupCount {
    /// Its name.
    pub group: String,
    /// Fits in which it was the worst.
    pub fits: u64,
}

/// The comparisons within a group at the thresholds of one kind of curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossFitRow {
    /// `worst group` or `pooled`.
    pub curve: &'static str,
    /// The group of both people of a comparison, one with enough people to be the worst; `all
    /// groups` for comparisons within any one group.
    pub group: String,
    /// By rate.
    pub at: Vec<CrossFitPoint>,
}

/// A stated rate and the rate counted on people left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossFitPoint {
    /// The rate asked for.
    pub fmr: f64,
    /// Lowest threshold of the fits.
    pub threshold_min: f32,
    /// Highest.
    pub threshold_max: f32,
    /// Lower end of the interval that the fits state there, their geometric mean.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The rate counted on people left out.
    pub seen: f64,
    /// Ratio of the counted to the requested rate.
    pub times: f64,
    /// Whether it is in the stated interval.
    pub inside: Option<bool>,
    /// False matches that the counted rate rests on; fewer than 30 say little.
    pub false_matches: u64,
    /// Impostor comparisons.
    pub comparisons: u64,
}

/// A fit's thresholds for [`FMRS`], and the intervals stated there.
#[derive(Clone, Copy)]
struct StatedThreshold {
    score: f32,
    interval: Option<[f64; 2]>,
}

/// Cross-fits single photos of `fitting` in `folds` folds, at least three. Only comparisons within
/// its groups are made; all comparisons if it has no groups.
///
/// # Errors
/// [`FitError`] where the people left are too few to fit a curve on.
pub fn cross_fit(fitting: &FitInput<'_>, folds: u64) -> Result<CrossFit, FitError> {
    let (set, folds) = (fitting.set, folds.max(FOLDS_MIN) as usize);
    let mut people: Vec<u32> = (0..set.subjects() as u32).collect();
    let count = people.len();
    SplitMix::stream(SEED, 0).choose(&mut people, count);
    let mut fold_of = vec![0usize; count];
    people.iter().enumerate().for_each(|(i, &subject)| fold_of[subject as usize] = i % folds);
    let fold_of = &fold_of;

    let number = |a: usize, b: usize| a.max(b) * (a.max(b) + 1) / 2 + a.min(b);
    let mut stated: Vec<[Option<[StatedThreshold; 2]>; 2]> = Vec::new();
    let mut worst_groups: Vec<WorstGroupCount> = Vec::new();
    for high in 0..folds {
        for low in 0..=high {
            let include = |photo: u32| {
                let fold = fold_of[set.subject(photo) as usize];
                fold != low && fold != high && (fitting.include)(photo)
            };
            let fitted = fit_population(&FitInput {
                include: &include,
                frames_max: 1,
                about: fitting.about.clone(),
                ..*fitting
            })?;
            let read = |curve: Option<&crate::matching::Curve>| {
                let curve = curve?;
                let at = |fmr: f64| {
                    let threshold = curve.threshold(fmr).ok()?;
                    let interval = curve.fmr_interval(threshold.score).map(|ends| [ends.low, ends.high]);
                    Some(StatedThreshold { score: threshold.score, interval })
                };
                Some([at(FMRS[0])?, at(FMRS[1])?])
            };
            stated.push([read(fitted.worst.first()), read(fitted.pooled.first())]);
            if let Some(worst) = fitted.worst.first() {
                match worst_groups.iter_mut().find(|w| w.group == worst.group) {
                    Some(known) => known.fits += 1,
                    None => worst_groups.push(WorstGroupCount { group: worst.group.clone(), fits: 1 }),
                }
            }
        }
    }
    worst_groups.sort_by(|x, y| y.fits.cmp(&x.fits).then_with(|| x.group.cmp(&y.group)));

    // Within the groups, every comparison at the thresholds of the fit without its people.
    let none = PhotoGroups::default();
    let (groups, count) = fitting.groups.map_or((&none, 1), |groups| (groups, groups.len()));
    let group_of = |photo: u32| if groups.is_empty() { 0 } else { groups.group(photo) };
    let source = AllPairs::new(set, fitting.include, fitting.comparisons_max, SEED).with_rules(fitting.rules);
    let edges: Vec<[[i32; 2]; 2]> = stated
        .iter()
        .map(|curves| curves.map(|at| at.map_or([i32::MAX; 2], |at| at.map(|stated| bin(stated.score) + 1))))
        .collect();
    let new = || vec![GroupCounts::default(); count];
    let counts = scan(
        &source,
        new,
        |counts: &mut Vec<GroupCounts>, pair| {
            let group = group_of(pair.a);
            if pair.genuine || group != group_of(pair.b) {
                return;
            }
            let Some(counts) = counts.get_mut(group as usize) else { return };
            let (weight, at) = (source.weight(&pair), bin(pair.score));
            let fit = number(fold_of[pair.subject_a as usize], fold_of[pair.subject_b as usize]);
            counts.comparisons += 1;
            counts.weight += weight;
            for (matches, edges) in counts.matches.iter_mut().zip(edges[fit]) {
                for ((matches, weights), edge) in matches.iter_mut().zip(edges) {
                    if at >= edge {
                        *matches += 1;
                        *weights += weight;
                    }
                }
            }
        },
        |mut a, b| {
            a.iter_mut().zip(&b).for_each(|(a, b)| a.add(b));
            a
        },
    );
    let people_of = fitting.people(groups);
    let mut rows = Vec::new();
    for (kind, curve) in ["worst group", "pooled"].into_iter().enumerate() {
        let of: Vec<[StatedThreshold; 2]> = stated.iter().filter_map(|curves| curves[kind]).collect();
        // A curve missing in some fits would cover only some comparisons, so it gets no row.
        if of.len() != stated.len() {
            continue;
        }
        let mut row = |group: String, counts: &GroupCounts| {
            let at = (0..FMRS.len()).map(|i| counts.point(kind, i, &of)).collect();
            rows.push(CrossFitRow { curve, group, at });
        };
        let mut all = GroupCounts::default();
        counts.iter().for_each(|counts| all.add(counts));
        row(ALL_GROUPS.to_owned(), &all);
        if groups.len() > 1 {
            let enough = people_of.iter().enumerate().filter(|(_, people)| **people >= fitting.people_min);
            let mut named: Vec<(&str, &GroupCounts)> =
                enough.map(|(g, _)| (groups.name(g as u32), &counts[g])).collect();
            named.sort_by_key(|(name, _)| *name);
            named.into_iter().for_each(|(name, counts)| row(name.to_owned(), counts));
        }
    }
    Ok(CrossFit { folds: folds as u64, fits: stated.len() as u64, worst_groups, rows })
}

/// Comparisons of a group: number, weight, and matches by curve and FMR.
#[derive(Clone, Default)]
struct GroupCounts {
    comparisons: u64,
    weight: u64,
    matches: [[(u64, u64); 2]; 2],
}

impl GroupCounts {
    fn add(&mut self, other: &Self) {
        self.comparisons += other.comparisons;
        self.weight += other.weight;
        for (mine, theirs) in self.matches.iter_mut().flatten().zip(other.matches.iter().flatten()) {
            (mine.0, mine.1) = (mine.0 + theirs.0, mine.1 + theirs.1);
        }
    }

    fn point(&self, kind: usize, rate: usize, stated: &[[StatedThreshold; 2]]) -> CrossFitPoint {
        let fmr = FMRS[rate];
        let (false_matches, weight) = self.matches[kind][rate];
        let seen = rounded(weight as f64 / self.weight.max(1) as f64, 4);
        let scores = stated.iter().map(|at| at[rate].score);
        let ends: Option<Vec<[f64; 2]>> = stated.iter().map(|at| at[rate].interval).collect();
        let mean = |end: usize| {
            let ends = ends.as_ref()?;
            Some(rounded((ends.iter().map(|e| e[end].ln()).sum::<f64>() / ends.len() as f64).exp(), 4))
        };
        let (low, high) = (mean(0), mean(1));
        CrossFitPoint {
            fmr,
            threshold_min: scores.clone().fold(f32::INFINITY, f32::min),
            threshold_max: scores.fold(f32::NEG_INFINITY, f32::max),
            low,
            high,
            seen,
            times: rounded(seen / fmr, 4),
            inside: low.zip(high).map(|(low, high)| low <= seen && seen <= high),
            false_matches,
            comparisons: self.comparisons,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fit::CurveDescription;
    use super::super::groups::{ComparisonRules, GroupBy};
    use super::super::worst_group::tests::alike;
    use super::*;
    use crate::matching::Weighting;

    #[test]
    fn the_worst_groups_curve_is_true_for_it_and_the_pooled_one_is_not() {
        let set = alike(240, 3, 0);
        let groups = PhotoGroups::of(&set, &GroupBy::parse("kind").unwrap()).unwrap();
        let fitting = FitInput {
            set: &set,
            rules: ComparisonRules { within: None, weighed: Weighting::People },
            groups: Some(&groups),
            people_min: 50,
            include: &|_| true,
            references: None,
            frames_max: 5,
            comparisons_max: u64::MAX,
            about: CurveDescription::unlabelled(),
        };
        let checked = cross_fit(&fitting, 4).unwrap();
        assert_eq!((checked.folds, checked.fits), (4, 10));
        assert_eq!(checked.worst_groups, [WorstGroupCount { group: "alike".into(), fits: 10 }]);
        let at = |curve: &str, group: &str| {
            let row = checked.rows.iter().find(|row| row.curve == curve && row.group == group).unwrap();
            row.at[0].clone()
        };
        let (own, pooled) = (at("worst group", "alike"), at("pooled", "alike"));
        // Every comparison within the group, once: of 120 people with three photos each.
        assert_eq!(own.comparisons, 120 * 119 / 2 * 9);
        assert!((0.5..1.6).contains(&own.times) && own.inside == Some(true), "{own:?}");
        assert!(pooled.times > 1.6, "{pooled:?}");
        assert!(at("worst group", "plain").times < 0.2);
        let all = at("worst group", ALL_GROUPS);
        assert_eq!(all.comparisons, 2 * own.comparisons);
    }

    #[test]
    fn too_few_people_are_told() {
        let set = alike(12, 3, 0);
        let fitting = FitInput {
            set: &set,
            rules: ComparisonRules::default(),
            groups: None,
            people_min: 0,
            include: &|_| true,
            references: None,
            frames_max: 1,
            comparisons_max: u64::MAX,
            about: CurveDescription::unlabelled(),
        };
        assert!(matches!(cross_fit(&fitting, 4), Err(FitError::TooFew { .. })));
    }
}
