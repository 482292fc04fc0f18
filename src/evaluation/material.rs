//! The comparisons of a set: all counted in histograms, those near errors kept individually, for
//! any number of analyses.

use std::collections::HashMap;

use rayon::prelude::*;

use super::groups::{ComparisonRules, PhotoCounts, PhotoGroups};
use super::histogram::{Histogram, WEIGHT, bin};
use super::pairs::{AllPairs, ComparisonSource, ListedComparisons, ListedPair, ScoredComparison, collect, histograms};
use super::set::PhotoSet;
use super::view::{ComparisonView, Totals};
use crate::matching::Weighting;

/// Most impostor comparisons kept individually: 256 MiB of them.
const IMPOSTORS_HELD_MAX: u64 = 8 << 20;
/// Impostor comparisons are kept from the threshold of this FMR up; intervals are given for FMRs up
/// to half of it.
const FMR_HELD: f64 = 0.1;
/// Most genuine comparisons kept individually, those with the lowest scores.
const GENUINE_HELD_MAX: u64 = 8 << 20;

/// Which comparisons are made.
#[derive(Debug, Clone, Copy)]
pub enum ComparisonPlan<'a> {
    /// Every photo with every other; beyond `comparisons_max`, a sample of the impostor pairs.
    AllPairs {
        /// Most comparisons made.
        comparisons_max: u64,
        /// Seed of the sample.
        seed: u64,
    },
    /// The pairs of a list.
    Listed(&'a [ListedPair]),
}

/// Comparisons of a set: all counted, those near errors kept individually.
pub struct Material<'a> {
    set: &'a PhotoSet,
    plan: ComparisonPlan<'a>,
    rules: ComparisonRules<'a>,
    /// All genuine scores.
    pub genuine: Histogram,
    /// All impostor scores.
    pub impostor: Histogram,
    /// Whether the impostor comparisons are a sample of the possible ones.
    pub is_sample: bool,
    genuine_held: Vec<ScoredComparison>,
    impostor_held: Vec<ScoredComparison>,
    /// Impostor comparisons are kept from this bin up.
    impostor_from: i32,
    share: f64,
}

impl<'a> Material<'a> {
    /// Makes the comparisons in two passes: the first counts all, the second keeps those near
    /// errors.
    pub fn make(set: &'a PhotoSet, plan: ComparisonPlan<'a>) -> Self {
        Self::make_with(ComparisonRules::default(), set, plan)
    }

    /// As [`Self::make`] with other rules of comparison. They do not apply to a list, which defines
    /// its comparisons itself.
    pub fn make_with(rules: ComparisonRules<'a>, set: &'a PhotoSet, plan: ComparisonPlan<'a>) -> Self {
        match plan {
            ComparisonPlan::Listed(pairs) => {
                Self::from_source(ComparisonRules::default(), set, plan, &ListedComparisons { set, pairs }, false)
            }
            ComparisonPlan::AllPairs { comparisons_max, seed } => {
                let source = AllPairs::new(set, |_| true, comparisons_max, seed).with_rules(rules);
                Self::from_source(rules, set, plan, &source, source.is_sample())
            }
        }
    }

    fn from_source(
        rules: ComparisonRules<'a>,
        set: &'a PhotoSet,
        plan: ComparisonPlan<'a>,
        source: &impl ComparisonSource,
        is_sample: bool,
    ) -> Self {
        let [genuine, impostor] = histograms(source);
        let most = ((impostor.count() as f64 * FMR_HELD).ceil() as u64).clamp(1000, IMPOSTORS_HELD_MAX);
        let impostor_from = impostor.holding_above(most).map_or(i32::MIN, |(at, held)| {
            // Many ties at the edge could exceed the bound.
            if held <= IMPOSTORS_HELD_MAX { at } else { at + 1 }
        });
        let genuine_below = genuine.holding_below(GENUINE_HELD_MAX).map_or(i32::MAX, |(at, _)| at);
        let held = collect(source, |pair, bin| if pair.genuine { bin < genuine_below } else { bin >= impostor_from });
        let (mut genuine_held, mut impostor_held): (Vec<_>, Vec<_>) = held.into_iter().partition(|p| p.genuine);
        // Rows were processed in arbitrary order; sorting makes the result deterministic.
        let order =
            |x: &ScoredComparison, y: &ScoredComparison| (bin(x.score), x.a, x.b).cmp(&(bin(y.score), y.a, y.b));
        genuine_held.par_sort_unstable_by(order);
        impostor_held.par_sort_unstable_by(|x, y| order(y, x));
        let mut material = Self {
            set,
            plan,
            rules,
            genuine,
            impostor,
            is_sample,
            genuine_held,
            impostor_held,
            impostor_from,
            share: 1.0,
        };
        if is_sample {
            material.share = material.impostor.count() as f64 / material.possible(set.with_template()).1.max(1) as f64;
        }
        material
    }

    /// Number of possible genuine and impostor comparisons between photos.
    fn possible(&self, photos: impl Iterator<Item = u32>) -> (u64, u64) {
        let key = |photo: u32| (self.rules.comparison_group(photo), self.set.subject(photo));
        let (mut genuine, mut impostor) = (0, 0);
        for group in PhotoCounts::count(photos.map(key)).by_group() {
            let sum: u64 = group.iter().map(|(_, n)| n).sum();
            genuine += group.iter().map(|(_, n)| n * n.saturating_sub(1) / 2).sum::<u64>();
            impostor += (sum * sum - group.iter().map(|(_, n)| n * n).sum::<u64>()) / 2;
        }
        (genuine, impostor)
    }

    /// Rules by which comparisons were made.
    pub fn rules(&self) -> ComparisonRules<'a> {
        self.rules
    }

    /// Whether every impostor comparison in `bin` or above is kept.
    pub fn holds(&self, bin: i32) -> bool {
        bin >= self.impostor_from
    }

    /// The set.
    pub fn set(&self) -> &'a PhotoSet {
        self.set
    }

    /// Photos of every genuine comparison, in order.
    pub fn genuine_pairs(&self) -> Vec<(u32, u32)> {
        let made = |photo: u32| self.set.template(photo).is_some();
        match self.plan {
            ComparisonPlan::Listed(pairs) => {
                pairs.iter().filter(|p| p.genuine && made(p.a) && made(p.b)).map(|p| (p.a, p.b)).collect()
            }
            ComparisonPlan::AllPairs { .. } => {
                let mut all = Vec::new();
                for own in self.set.by_subject(|_| true) {
                    for (i, &b) in own.iter().enumerate() {
                        let comparison_group = self.rules.comparison_group(b);
                        all.extend(
                            own[..i]
                                .iter()
                                .filter(|&&a| self.rules.comparison_group(a) == comparison_group)
                                .map(|&a| (a, b)),
                        );
                    }
                }
                all
            }
        }
    }

    /// Genuine comparisons kept, in ascending order of score.
    pub fn genuine_held(&self) -> &[ScoredComparison] {
        &self.genuine_held
    }

    /// Impostor comparisons kept, in descending order of score.
    pub fn impostor_held(&self) -> &[ScoredComparison] {
        &self.impostor_held
    }

    /// The comparisons between photos that `include` lets through.
    pub fn view(&self, include: impl Fn(u32) -> bool + Copy) -> ComparisonView {
        self.view_of(|_| 0, include)
    }

    /// The comparisons between photos of the same group.
    pub fn within(&self, groups: &PhotoGroups) -> ComparisonView {
        self.view_of(|photo| groups.group(photo), |_| true)
    }

    /// All comparisons.
    pub fn whole(&self) -> ComparisonView {
        self.view(|_| true)
    }

    /// The comparisons of two photos with the same `group` that `include` lets through.
    fn view_of(&self, group: impl Fn(u32) -> u32 + Copy, include: impl Fn(u32) -> bool + Copy) -> ComparisonView {
        let keep = |p: &ScoredComparison| include(p.a) && include(p.b) && group(p.a) == group(p.b);
        let filter = |pairs: &[ScoredComparison]| pairs.iter().filter(|p| keep(p)).copied().collect::<Vec<_>>();
        let (genuine, impostor) = (filter(&self.genuine_held), filter(&self.impostor_held));
        let (set, rules, subjects) = (self.set, self.rules, self.set.subjects());
        let grouped = || {
            // Photos are compared within the groups of the rules and of the view.
            let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
            let comparison_groups: Vec<u32> = (0..set.len() as u32)
                .map(|photo| {
                    let next = numbers.len() as u32;
                    *numbers.entry((rules.comparison_group(photo), group(photo))).or_insert(next)
                })
                .collect();
            let photos = set.with_template().filter(|&photo| include(photo));
            let held = PhotoCounts::count(photos.map(|photo| (comparison_groups[photo as usize], set.subject(photo))));
            (comparison_groups, held)
        };
        let (totals, comparison_groups, held) = match self.plan {
            ComparisonPlan::AllPairs { .. } if rules.within.is_none() && rules.weighed == Weighting::Comparisons => {
                let (comparison_groups, held) = grouped();
                match held.by_group().len() {
                    0 | 1 => {
                        let totals = match Totals::all_pairs(&self.photos_by_subject(include)) {
                            Totals::Product { probes, references, genuine, share } => {
                                Totals::Product { probes, references, genuine, share: share * self.share }
                            }
                            other => other,
                        };
                        return ComparisonView::new(&genuine, &impostor, totals, subjects);
                    }
                    _ => (self.groups(&held), comparison_groups, held),
                }
            }
            ComparisonPlan::AllPairs { .. } => {
                let (comparison_groups, held) = grouped();
                (self.groups(&held), comparison_groups, held)
            }
            ComparisonPlan::Listed(pairs) => {
                let made = |photo: u32| set.template(photo).is_some();
                let pairs = pairs
                    .iter()
                    .filter(|p| include(p.a) && include(p.b) && group(p.a) == group(p.b) && made(p.a) && made(p.b));
                let totals = Totals::counted(pairs.map(|p| (set.subject(p.a), set.subject(p.b), p.genuine)));
                return ComparisonView::new(&genuine, &impostor, totals, subjects);
            }
        };
        match rules.weighed {
            Weighting::Comparisons => ComparisonView::new(&genuine, &impostor, totals, subjects),
            Weighting::People => ComparisonView::weighed(&genuine, &impostor, totals, subjects, |pair| {
                let shared = held.sharing(comparison_groups[pair.a as usize], pair.subject_a, pair.subject_b);
                ((WEIGHT + shared / 2) / shared).max(1)
            }),
        }
    }

    fn groups(&self, held: &PhotoCounts) -> Totals {
        Totals::Groups { groups: held.by_group(), weighed: self.rules.weighed, share: self.share }
    }

    /// Photos with a template per subject.
    fn photos_by_subject(&self, include: impl Fn(u32) -> bool) -> Vec<u64> {
        let mut counts = vec![0; self.set.subjects()];
        for photo in self.set.with_template().filter(|&photo| include(photo)) {
            counts[self.set.subject(photo) as usize] += 1;
        }
        counts
    }

    /// Number of genuine and impostor comparison attempts, including those without a score because
    /// of a failure to acquire.
    pub fn attempts(&self) -> (u64, u64) {
        match self.plan {
            ComparisonPlan::Listed(pairs) => {
                let genuine = pairs.iter().filter(|p| p.genuine).count() as u64;
                (genuine, pairs.len() as u64 - genuine)
            }
            ComparisonPlan::AllPairs { .. } => {
                let (genuine, possible) = self.possible(0..self.set.len() as u32);
                (genuine, (possible as f64 * self.share).round() as u64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::set::tests::made_up;
    use super::super::view::Bootstrap;
    use super::*;

    const ALL: ComparisonPlan<'_> = ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 };

    #[test]
    fn a_view_of_some_photos_is_what_those_alone_would_give() {
        let set = made_up(12, 4, 0.6);
        let material = Material::make(&set, ALL);
        let half = material.view(|photo| photo % 2 == 0);
        let mut alone = PhotoSet::default();
        for photo in (0..set.len() as u32).step_by(2) {
            alone.push(set.subject(photo), set.template(photo).cloned());
        }
        let alone = Material::make(&alone, ALL);
        let (half, alone) = (half.counted().threshold(0.02), alone.whole().counted().threshold(0.02));
        assert!(half.is_some() && half == alone);
    }

    #[test]
    fn failed_photos_are_attempts_without_a_score() {
        let mut set = made_up(3, 2, 0.1);
        set.push(0, None);
        let material = Material::make(&set, ALL);
        assert_eq!((material.genuine.count(), material.impostor.count()), (3, 12));
        assert_eq!(material.attempts(), (3 + 2, 12 + 4));
    }

    #[test]
    fn a_sample_gives_about_the_rates_of_all() {
        let set = made_up(150, 3, 0.6);
        let all = Material::make(&set, ALL);
        let sample = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: 30_000, seed: 4 });
        assert!(sample.is_sample && !all.is_sample);
        let (all, view) = (all.whole(), sample.whole());
        assert!((view.counted().impostor_total - sample.impostor.count() as f64).abs() < 1.0);
        let (one, other) = (all.counted().fnmr_at(0.01).unwrap(), view.counted().fnmr_at(0.01).unwrap());
        assert!((one - other).abs() < 0.05, "{one} {other}");
        assert!(
            view.repeat(Bootstrap { repetitions: 10, seed: 1 }, |_, r| r.fnmr_at(0.01)).iter().all(Option::is_some)
        );
    }

    #[test]
    fn a_list_counts_what_is_in_it() {
        let set = made_up(4, 2, 0.2);
        let pairs: Vec<ListedPair> = [(0, 1, true), (2, 3, true), (0, 2, false), (1, 5, false)]
            .map(|(a, b, genuine)| ListedPair { a, b, genuine })
            .to_vec();
        let material = Material::make(&set, ComparisonPlan::Listed(&pairs));
        let view = material.whole();
        let rates = view.counted();
        assert_eq!((rates.genuine_total, rates.impostor_total, material.attempts()), (2.0, 2.0, (2, 2)));
    }
}
