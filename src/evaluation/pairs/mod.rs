//! Sources of comparisons: all pairs of photos, listed pairs, fused probes against references.
//!
//! A [`ComparisonSource`] produces comparisons row by row, and rows are processed in parallel.
//! Results are integer sums or sorted afterwards, so the number of threads changes no bit.

use std::collections::HashMap;

use rayon::prelude::*;

use super::groups::{ComparisonRules, PhotoCounts};
use super::histogram::{Histogram, WEIGHT, WeightedHistogram, bin};
use super::set::PhotoSet;
use crate::face::Template;
use crate::matching::{Dot, Weighting, fuse};
use crate::random::SplitMix;

/// One comparison of two photos, or of a probe and a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredComparison {
    /// Its score.
    pub score: f32,
    /// Number of one photo in the set; of a fused probe, its first.
    pub a: u32,
    /// Number of the other photo.
    pub b: u32,
    /// Person of photo `a`.
    pub subject_a: u32,
    /// Person of photo `b`.
    pub subject_b: u32,
    /// Whether both are labelled as one person.
    pub genuine: bool,
}

/// Comparisons that can be produced repeatedly, in rows.
pub trait ComparisonSource: Sync {
    /// Number of rows.
    fn rows(&self) -> usize;
    /// Calls `visit` with the comparisons of one row.
    fn row(&self, row: usize, visit: &mut dyn FnMut(ScoredComparison));
    /// The unit that has equal weight.
    fn weighed(&self) -> Weighting {
        Weighting::Comparisons
    }
    /// Weight of a comparison: 1, or its share of the [`WEIGHT`] of its pair of people, or of its
    /// person if genuine.
    fn weight(&self, _: &ScoredComparison) -> u64 {
        1
    }
}

/// Makes all comparisons with rows in parallel: `visit` accumulates into one `T` per chunk of rows,
/// `join` merges two, the earlier rows first.
pub fn scan<T: Send>(
    source: &(impl ComparisonSource + ?Sized),
    new: impl Fn() -> T + Sync + Send,
    visit: impl Fn(&mut T, ScoredComparison) + Sync + Send,
    join: impl Fn(T, T) -> T + Sync + Send,
) -> T {
    (0..source.rows())
        .into_par_iter()
        .fold(&new, |mut into, row| {
            source.row(row, &mut |pair| visit(&mut into, pair));
            into
        })
        .reduce(&new, join)
}

/// Histograms of the genuine and impostor scores of a source.
pub fn histograms(source: &(impl ComparisonSource + ?Sized)) -> [Histogram; 2] {
    scan(
        source,
        || [Histogram::default(), Histogram::default()],
        |into, pair| into[usize::from(!pair.genuine)].add(pair.score),
        |[a, b], [c, d]| [a.merge(&c), b.merge(&d)],
    )
}

/// Weighted histograms of the genuine and impostor scores of a source.
pub fn tallies(source: &(impl ComparisonSource + ?Sized)) -> [WeightedHistogram; 2] {
    let new = || [WeightedHistogram::new(source.weighed()), WeightedHistogram::new(source.weighed())];
    scan(
        source,
        new,
        |into, pair| into[usize::from(!pair.genuine)].add(pair.score, source.weight(&pair)),
        |[a, b], [c, d]| [a.merge(&c), b.merge(&d)],
    )
}

/// The comparisons that `keep` accepts, in arbitrary order; sort them before use.
pub fn collect(
    source: &(impl ComparisonSource + ?Sized),
    keep: impl Fn(&ScoredComparison, i32) -> bool + Sync + Send,
) -> Vec<ScoredComparison> {
    scan(
        source,
        Vec::new,
        |into: &mut Vec<ScoredComparison>, pair| {
            if keep(&pair, bin(pair.score)) {
                into.push(pair);
            }
        },
        |mut a, mut b| {
            a.append(&mut b);
            a
        },
    )
}

/// Every photo with every other, once.
///
/// Beyond `comparisons_max`, a photo is compared only with those at certain distances in the list:
/// distances are drawn at random, every photo takes part equally often, and all genuine pairs are
/// made.
pub struct AllPairs<'a> {
    set: &'a PhotoSet,
    photos: Vec<u32>,
    /// Sampled distances in `photos`; empty if all pairs are made.
    distances: Vec<usize>,
    of_subject: Vec<Vec<u32>>,
    rules: ComparisonRules<'a>,
    /// By photo: number of its person's photos in its group; empty without weights.
    mates: Vec<u64>,
    dot: Dot,
}

impl<'a> AllPairs<'a> {
    /// All photos of `set` that have a template and that `include` accepts.
    pub fn new(set: &'a PhotoSet, include: impl Fn(u32) -> bool, comparisons_max: u64, seed: u64) -> Self {
        let photos: Vec<u32> = set.with_template().filter(|&photo| include(photo)).collect();
        let (count, mut distances, mut of_subject) = (photos.len(), Vec::new(), Vec::new());
        let all = count as u64 * (count as u64).saturating_sub(1) / 2;
        if all > comparisons_max {
            let mut every: Vec<usize> = (1..=(count - 1) / 2).collect();
            let wanted = usize::try_from(comparisons_max / count as u64).unwrap_or(usize::MAX).clamp(1, every.len());
            SplitMix::stream(seed, 0).choose(&mut every, wanted);
            every.truncate(wanted);
            every.sort_unstable();
            distances = every;
            of_subject = vec![Vec::new(); set.subjects()];
            photos.iter().for_each(|&photo| of_subject[set.subject(photo) as usize].push(photo));
        }
        let (rules, mates) = (ComparisonRules::default(), Vec::new());
        Self { set, photos, distances, of_subject, rules, mates, dot: Dot::best() }
    }

    /// With other rules of comparison: only within groups, or with other weights.
    pub fn with_rules(mut self, rules: ComparisonRules<'a>) -> Self {
        self.rules = rules;
        if rules.weighed == Weighting::People {
            let key = |photo: u32| (rules.comparison_group(photo), self.set.subject(photo));
            let held = PhotoCounts::count(self.photos.iter().map(|&photo| key(photo)));
            self.mates = vec![0; self.set.len()];
            for &photo in &self.photos {
                let (comparison_group, subject) = key(photo);
                self.mates[photo as usize] = held.of(comparison_group, subject);
            }
        }
        self
    }

    /// Whether impostor comparisons are a sample.
    pub fn is_sample(&self) -> bool {
        !self.distances.is_empty()
    }

    fn pair(&self, a: u32, b: u32) -> Option<ScoredComparison> {
        if self.rules.comparison_group(a) != self.rules.comparison_group(b) {
            return None;
        }
        let (one, other) = (self.set.template(a)?, self.set.template(b)?);
        let (subject_a, subject_b) = (self.set.subject(a), self.set.subject(b));
        let score = self.dot.score(one.vector(), other.vector());
        Some(ScoredComparison { score, a, b, subject_a, subject_b, genuine: subject_a == subject_b })
    }
}

impl ComparisonSource for AllPairs<'_> {
    fn rows(&self) -> usize {
        self.photos.len()
    }

    fn row(&self, row: usize, visit: &mut dyn FnMut(ScoredComparison)) {
        let a = self.photos[row];
        if !self.is_sample() {
            self.photos[..row].iter().filter_map(|&b| self.pair(b, a)).for_each(visit);
            return;
        }
        let own = self.set.subject(a);
        let others = self.distances.iter().map(|d| self.photos[(row + d) % self.photos.len()]);
        others.filter(|&b| self.set.subject(b) != own).filter_map(|b| self.pair(a, b)).for_each(&mut *visit);
        let mates = self.of_subject[own as usize].iter().take_while(|&&b| b < a);
        mates.filter_map(|&b| self.pair(b, a)).for_each(visit);
    }

    fn weighed(&self) -> Weighting {
        self.rules.weighed
    }

    fn weight(&self, pair: &ScoredComparison) -> u64 {
        match self.rules.weighed {
            Weighting::Comparisons => 1,
            Weighting::People => {
                let [a, b] = [pair.a, pair.b].map(|photo| self.mates.get(photo as usize).copied().unwrap_or(1));
                share(if pair.genuine { a * a.saturating_sub(1) / 2 } else { a * b })
            }
        }
    }
}

/// Weight of one of `of` comparisons that share [`WEIGHT`].
fn share(of: u64) -> u64 {
    ((WEIGHT + of / 2) / of.max(1)).max(1)
}

/// A pair of photos from a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPair {
    /// Number of one photo in the set.
    pub a: u32,
    /// Number of the other photo.
    pub b: u32,
    /// Whether both are labelled as one person.
    pub genuine: bool,
}

/// The pairs of a list.
pub struct ListedComparisons<'a> {
    /// The photos.
    pub set: &'a PhotoSet,
    /// The pairs.
    pub pairs: &'a [ListedPair],
}

/// Pairs per row.
const LISTED_ROW: usize = 1024;

impl ComparisonSource for ListedComparisons<'_> {
    fn rows(&self) -> usize {
        self.pairs.len().div_ceil(LISTED_ROW)
    }

    fn row(&self, row: usize, visit: &mut dyn FnMut(ScoredComparison)) {
        let dot = Dot::best();
        for &ListedPair { a, b, genuine } in self.pairs.iter().skip(row * LISTED_ROW).take(LISTED_ROW) {
            if let (Some(one), Some(other)) = (self.set.template(a), self.set.template(b)) {
                let score = dot.score(one.vector(), other.vector());
                visit(ScoredComparison {
                    score,
                    a,
                    b,
                    subject_a: self.set.subject(a),
                    subject_b: self.set.subject(b),
                    genuine,
                });
            }
        }
    }
}

/// Probes against references: fused probes, or photos of one kind against another.
pub struct ProbeComparisons<'a> {
    set: &'a PhotoSet,
    probes: Vec<(Template, Vec<u32>)>,
    references: Vec<u32>,
    rules: ComparisonRules<'a>,
    /// Numbers of probes and of references by group and person.
    held: [PhotoCounts; 2],
    /// References that are part of a probe, by group and person: a probe is not compared with them.
    own: HashMap<(u32, u32), u64>,
    dot: Dot,
}

impl<'a> ProbeComparisons<'a> {
    /// Probes fused from `frames` photos of one person, drawn without repetition among those that
    /// `probe` accepts, against every photo that `reference` accepts and that is not in the probe.
    /// `draws` probes per person with enough photos; `seed` fixes the draws. A probe is made and
    /// compared within one group of `rules`.
    pub fn drawn(
        set: &'a PhotoSet,
        probe: impl Fn(u32) -> bool,
        reference: impl Fn(u32) -> bool,
        frames: usize,
        draws: usize,
        seed: u64,
    ) -> Self {
        Self::drawn_with(ComparisonRules::default(), set, probe, reference, frames, draws, seed)
    }

    /// With other rules of comparison: only within groups, or with other weights.
    pub fn drawn_with(
        rules: ComparisonRules<'a>,
        set: &'a PhotoSet,
        probe: impl Fn(u32) -> bool,
        reference: impl Fn(u32) -> bool,
        frames: usize,
        draws: usize,
        seed: u64,
    ) -> Self {
        let references: Vec<u32> = set.with_template().filter(|&photo| reference(photo)).collect();
        let mut probes: Vec<(Template, Vec<u32>)> = Vec::new();
        for (subject, own) in set.by_subject(&probe).into_iter().enumerate() {
            // A person's probes do not depend on the other people of the set.
            let mut random = SplitMix::stream(seed, subject as u64);
            for own in by_comparison_group(own, rules) {
                let all_used = own.len() == frames && own.iter().all(|&p| reference(p));
                if own.len() < frames || all_used {
                    continue;
                }
                for _ in 0..draws.min(combinations(own.len(), frames)) {
                    let mut pick = own.clone();
                    random.choose(&mut pick, frames);
                    pick.truncate(frames);
                    let captures: Vec<Template> =
                        pick.iter().filter_map(|&photo| set.template(photo).cloned()).collect();
                    if let Some(probe) = fuse(&captures) {
                        probes.push((probe, pick));
                    }
                }
            }
        }
        let mut this =
            Self { set, probes, references, rules, held: Default::default(), own: HashMap::new(), dot: Dot::best() };
        if rules.weighed == Weighting::People {
            let key = |photo: u32| (rules.comparison_group(photo), set.subject(photo));
            this.held = [
                PhotoCounts::count(this.probes.iter().map(|(_, pick)| key(pick[0]))),
                PhotoCounts::count(this.references.iter().map(|&photo| key(photo))),
            ];
            for (_, pick) in &this.probes {
                *this.own.entry(key(pick[0])).or_insert(0) += pick.iter().filter(|&&p| reference(p)).count() as u64;
            }
        }
        this
    }
}

/// Photos by the group within which they are compared, in the order of group numbers.
fn by_comparison_group(mut photos: Vec<u32>, rules: ComparisonRules<'_>) -> Vec<Vec<u32>> {
    if rules.within.is_none() {
        return vec![photos];
    }
    photos.sort_by_key(|&photo| rules.comparison_group(photo));
    photos.chunk_by(|&a, &b| rules.comparison_group(a) == rules.comparison_group(b)).map(<[u32]>::to_vec).collect()
}

/// Binomial coefficient, saturating.
fn combinations(from: usize, chosen: usize) -> usize {
    (0..chosen).fold(1usize, |ways, i| ways.saturating_mul(from - i) / (i + 1))
}

impl ComparisonSource for ProbeComparisons<'_> {
    fn rows(&self) -> usize {
        self.probes.len()
    }

    fn row(&self, row: usize, visit: &mut dyn FnMut(ScoredComparison)) {
        let (probe, members) = &self.probes[row];
        let (a, subject_a) = (members[0], self.set.subject(members[0]));
        let comparison_group = self.rules.comparison_group(a);
        let others = self
            .references
            .iter()
            .filter(|b| self.rules.comparison_group(**b) == comparison_group && !members.contains(b));
        for &b in others {
            let Some(reference) = self.set.template(b) else { continue };
            let score = self.dot.score(probe.vector(), reference.vector());
            let subject_b = self.set.subject(b);
            visit(ScoredComparison { score, a, b, subject_a, subject_b, genuine: subject_a == subject_b });
        }
    }

    fn weighed(&self) -> Weighting {
        self.rules.weighed
    }

    fn weight(&self, pair: &ScoredComparison) -> u64 {
        if self.rules.weighed == Weighting::Comparisons {
            return 1;
        }
        // Two people are compared with either's probes; in genuine comparisons a probe is not
        // compared with its own photos.
        let comparison_group = self.rules.comparison_group(pair.a);
        let [probes, references] = &self.held;
        let one_way = |a: u32, b: u32| probes.of(comparison_group, a) * references.of(comparison_group, b);
        share(if pair.genuine {
            let own = self.own.get(&(comparison_group, pair.subject_a)).copied().unwrap_or(0);
            one_way(pair.subject_a, pair.subject_a) - own.min(one_way(pair.subject_a, pair.subject_a))
        } else {
            one_way(pair.subject_a, pair.subject_b) + one_way(pair.subject_b, pair.subject_a)
        })
    }
}

#[cfg(test)]
mod tests;
