//! What is compared with what.
//!
//! A [`ComparisonSource`] gives comparisons row by row, and rows are scored side by side.
//! Whatever is made of them is a sum of counts, or sorted afterwards: the number of
//! threads changes no bit.

use std::collections::HashMap;

use rayon::prelude::*;

use super::groups::{ComparisonRules, PhotoCounts};
use super::histogram::{Histogram, WEIGHT, WeightedHistogram, bin};
use super::set::PhotoSet;
use crate::face::Template;
use crate::matching::{Dot, Weighting, fuse};
use crate::random::SplitMix;

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Its score.
    pub score: f32,
    /// One photo (of a fused probe, the first), by its number in the set.
    pub a: u32,
    /// The other.
    pub b: u32,
    /// Whose the one is.
    pub subject_a: u32,
    /// Whose the other is.
    pub subject_b: u32,
    /// Whether both are said to be of one person.
    pub genuine: bool,
}

/// Comparisons that can be made again and again, in rows.
pub trait ComparisonSource: Sync {
    /// Number of rows.
    fn rows(&self) -> usize;
    /// Makes the comparisons of one row.
    fn row(&self, row: usize, visit: &mut dyn FnMut(Comparison));
    /// What counts the same.
    fn weighed(&self) -> Weighting {
        Weighting::Comparisons
    }
    /// What a comparison counts: 1, or its share of [`WEIGHT`], which a pair of people
    /// has, and in genuine comparisons a person.
    fn weight(&self, _: &Comparison) -> u64 {
        1
    }
}

/// Makes all comparisons, rows side by side: `visit` into one `T` per piece of work,
/// `join` of two, the earlier first.
pub fn scan<T: Send>(
    source: &(impl ComparisonSource + ?Sized),
    new: impl Fn() -> T + Sync + Send,
    visit: impl Fn(&mut T, Comparison) + Sync + Send,
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

/// Genuine and impostor scores of a source, counted.
pub fn histograms(source: &(impl ComparisonSource + ?Sized)) -> [Histogram; 2] {
    scan(
        source,
        || [Histogram::default(), Histogram::default()],
        |into, pair| into[usize::from(!pair.genuine)].add(pair.score),
        |[a, b], [c, d]| [a.merge(&c), b.merge(&d)],
    )
}

/// The same with weights.
pub fn tallies(source: &(impl ComparisonSource + ?Sized)) -> [WeightedHistogram; 2] {
    let new = || [WeightedHistogram::new(source.weighed()), WeightedHistogram::new(source.weighed())];
    scan(
        source,
        new,
        |into, pair| into[usize::from(!pair.genuine)].add(pair.score, source.weight(&pair)),
        |[a, b], [c, d]| [a.merge(&c), b.merge(&d)],
    )
}

/// The pairs a filter lets through, in any order; sort them before use.
pub fn collect(
    source: &(impl ComparisonSource + ?Sized),
    keep: impl Fn(&Comparison, i32) -> bool + Sync + Send,
) -> Vec<Comparison> {
    scan(
        source,
        Vec::new,
        |into: &mut Vec<Comparison>, pair| {
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
/// Where that is more than `comparisons_max`, photos meet those at some distances in
/// the list only: distances are drawn, every photo takes part equally often, and
/// genuine pairs are all made.
pub struct AllPairs<'a> {
    set: &'a PhotoSet,
    photos: Vec<u32>,
    /// Distances in `photos`; empty where all are made.
    distances: Vec<usize>,
    of_subject: Vec<Vec<u32>>,
    terms: ComparisonRules<'a>,
    /// By photo, how many of its owner are in its group; empty where nothing is weighed.
    mates: Vec<u64>,
    dot: Dot,
}

impl<'a> AllPairs<'a> {
    /// All photos of `set` with a template whose number `include` lets through.
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
        let (terms, mates) = (ComparisonRules::default(), Vec::new());
        Self { set, photos, distances, of_subject, terms, mates, dot: Dot::best() }
    }

    /// The same on other terms: only within groups, and weighed otherwise.
    pub fn on(mut self, terms: ComparisonRules<'a>) -> Self {
        self.terms = terms;
        if terms.weighed == Weighting::People {
            let key = |photo: u32| (terms.cell(photo), self.set.subject(photo));
            let held = PhotoCounts::count(self.photos.iter().map(|&photo| key(photo)));
            self.mates = vec![0; self.set.len()];
            for &photo in &self.photos {
                let (cell, subject) = key(photo);
                self.mates[photo as usize] = held.of(cell, subject);
            }
        }
        self
    }

    /// Whether impostor comparisons are a sample.
    pub fn is_sample(&self) -> bool {
        !self.distances.is_empty()
    }

    fn pair(&self, a: u32, b: u32) -> Option<Comparison> {
        if self.terms.cell(a) != self.terms.cell(b) {
            return None;
        }
        let (one, other) = (self.set.template(a)?, self.set.template(b)?);
        let (subject_a, subject_b) = (self.set.subject(a), self.set.subject(b));
        let score = self.dot.score(one.vector(), other.vector());
        Some(Comparison { score, a, b, subject_a, subject_b, genuine: subject_a == subject_b })
    }
}

impl ComparisonSource for AllPairs<'_> {
    fn rows(&self) -> usize {
        self.photos.len()
    }

    fn row(&self, row: usize, visit: &mut dyn FnMut(Comparison)) {
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
        self.terms.weighed
    }

    fn weight(&self, pair: &Comparison) -> u64 {
        match self.terms.weighed {
            Weighting::Comparisons => 1,
            Weighting::People => {
                let [a, b] = [pair.a, pair.b].map(|photo| self.mates.get(photo as usize).copied().unwrap_or(1));
                share(if pair.genuine { a * a.saturating_sub(1) / 2 } else { a * b })
            }
        }
    }
}

/// The weight of one of so many comparisons that share one.
fn share(of: u64) -> u64 {
    ((WEIGHT + of / 2) / of.max(1)).max(1)
}

/// A comparison somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPair {
    /// One photo, by its number in the set.
    pub a: u32,
    /// The other.
    pub b: u32,
    /// Whether both are said to be of one person.
    pub genuine: bool,
}

/// The pairs of a list.
pub struct ListedComparisons<'a> {
    /// Whose photos.
    pub set: &'a PhotoSet,
    /// Which pairs.
    pub pairs: &'a [ListedPair],
}

/// Pairs of a list in a row.
const LISTED_ROW: usize = 1024;

impl ComparisonSource for ListedComparisons<'_> {
    fn rows(&self) -> usize {
        self.pairs.len().div_ceil(LISTED_ROW)
    }

    fn row(&self, row: usize, visit: &mut dyn FnMut(Comparison)) {
        let dot = Dot::best();
        for &ListedPair { a, b, genuine } in self.pairs.iter().skip(row * LISTED_ROW).take(LISTED_ROW) {
            if let (Some(one), Some(other)) = (self.set.template(a), self.set.template(b)) {
                let score = dot.score(one.vector(), other.vector());
                visit(Comparison {
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
    terms: ComparisonRules<'a>,
    /// Probes and references by group and owner.
    held: [PhotoCounts; 2],
    /// References that a probe is made of, by group and owner: it never meets them.
    own: HashMap<(u32, u32), u64>,
    dot: Dot,
}

impl<'a> ProbeComparisons<'a> {
    /// Probes of `frames` photos of one person, drawn without repetition from those
    /// `probe` lets through and fused, against every photo `reference` lets through
    /// that is not in the probe. `draws` probes per person who has enough photos;
    /// `seed` fixes which. Probes are of one group of `terms`, and meet its photos alone.
    pub fn drawn(
        set: &'a PhotoSet,
        probe: impl Fn(u32) -> bool,
        reference: impl Fn(u32) -> bool,
        frames: usize,
        draws: usize,
        seed: u64,
    ) -> Self {
        Self::drawn_on(ComparisonRules::default(), set, probe, reference, frames, draws, seed)
    }

    /// The same on other terms: only within groups, and weighed otherwise.
    pub fn drawn_on(
        terms: ComparisonRules<'a>,
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
            // One person's probes do not depend on who else is in the set.
            let mut random = SplitMix::stream(seed, subject as u64);
            for own in by_cell(own, terms) {
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
            Self { set, probes, references, terms, held: Default::default(), own: HashMap::new(), dot: Dot::best() };
        if terms.weighed == Weighting::People {
            let key = |photo: u32| (terms.cell(photo), set.subject(photo));
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

/// Photos by the group they are compared in, in the order of the groups' numbers.
fn by_cell(mut photos: Vec<u32>, terms: ComparisonRules<'_>) -> Vec<Vec<u32>> {
    if terms.within.is_none() {
        return vec![photos];
    }
    photos.sort_by_key(|&photo| terms.cell(photo));
    photos.chunk_by(|&a, &b| terms.cell(a) == terms.cell(b)).map(<[u32]>::to_vec).collect()
}

/// Ways to choose `chosen` of `from`, or a number too large to matter.
fn combinations(from: usize, chosen: usize) -> usize {
    (0..chosen).fold(1usize, |ways, i| ways.saturating_mul(from - i) / (i + 1))
}

impl ComparisonSource for ProbeComparisons<'_> {
    fn rows(&self) -> usize {
        self.probes.len()
    }

    fn row(&self, row: usize, visit: &mut dyn FnMut(Comparison)) {
        let (probe, members) = &self.probes[row];
        let (a, subject_a) = (members[0], self.set.subject(members[0]));
        let cell = self.terms.cell(a);
        let others = self.references.iter().filter(|b| self.terms.cell(**b) == cell && !members.contains(b));
        for &b in others {
            let Some(reference) = self.set.template(b) else { continue };
            let score = self.dot.score(probe.vector(), reference.vector());
            let subject_b = self.set.subject(b);
            visit(Comparison { score, a, b, subject_a, subject_b, genuine: subject_a == subject_b });
        }
    }

    fn weighed(&self) -> Weighting {
        self.terms.weighed
    }

    fn weight(&self, pair: &Comparison) -> u64 {
        if self.terms.weighed == Weighting::Comparisons {
            return 1;
        }
        // A pair of people meets with either's probes; in genuine comparisons a probe does
        // not meet its own photos.
        let cell = self.terms.cell(pair.a);
        let [probes, references] = &self.held;
        let one_way = |a: u32, b: u32| probes.of(cell, a) * references.of(cell, b);
        share(if pair.genuine {
            let own = self.own.get(&(cell, pair.subject_a)).copied().unwrap_or(0);
            one_way(pair.subject_a, pair.subject_a) - own.min(one_way(pair.subject_a, pair.subject_a))
        } else {
            one_way(pair.subject_a, pair.subject_b) + one_way(pair.subject_b, pair.subject_a)
        })
    }
}

#[cfg(test)]
mod tests;
