//! Error rates of a set of comparisons, and how sure they are.
//!
//! A [`ComparisonView`] holds what decides errors: the comparisons near or beyond a threshold,
//! by subject, and how many there are in all. Rates are read from it for the people
//! as they are, or with each person taken zero, one or more times: the *bootstrap
//! over subjects*. A comparison of two people then counts the product of their
//! multiplicities, because that is how often it would be in a set in which each came
//! up so often; comparisons between copies of one person do not exist. (Owen's
//! "pigeonhole bootstrap", 2007; it errs towards wide intervals.) The threshold for a
//! rate is found anew each time.
//!
//! Where every pair of people weighs the same, sums are of weights, and rates theirs; the
//! errors that a rate rests on are comparisons all the same.

mod totals;

use rayon::prelude::*;

use super::histogram::{bin, edge};
use super::pairs::Comparison;
pub(super) use totals::Multiplicities;
pub use totals::{NOBODY, Totals};

/// Errors below which a rate is not resolved: the rule of 30 (ISO/IEC 19795-1).
pub const ERRORS_MIN: u64 = 30;
/// Share of repetitions that must give a number for an interval to be one.
const REPETITIONS_SHARE_MIN: f64 = 0.95;

/// A comparison as a view keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HeldComparison {
    bin: i32,
    a: u32,
    b: u32,
}

/// Comparisons that decide errors, and how many there are in all.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonView {
    /// Ascending; all, or those below some score.
    genuine: Vec<HeldComparison>,
    /// Descending; all, or those at or above some score.
    impostor: Vec<HeldComparison>,
    /// What the entries weigh; empty where each weighs 1.
    genuine_weights: Vec<u64>,
    impostor_weights: Vec<u64>,
    /// Whether `impostor` is all there are.
    impostor_complete: bool,
    /// Genuine and impostor comparisons in all.
    comparisons: (u64, u64),
    totals: Totals,
    subjects: usize,
}

/// How often a view is looked at with other people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Repetitions.
    pub repetitions: u64,
    /// Fixes the draws.
    pub seed: u64,
}

impl ComparisonView {
    /// `genuine` and `impostor` in any order; `totals` counts all, those not given
    /// included: genuine ones above, impostor ones below every score given.
    pub fn new(genuine: &[Comparison], impostor: &[Comparison], totals: Totals, subjects: usize) -> Self {
        let entry = |pair: &Comparison| HeldComparison { bin: bin(pair.score), a: pair.subject_a, b: pair.subject_b };
        let mut genuine: Vec<HeldComparison> = genuine.iter().map(entry).collect();
        let mut impostor: Vec<HeldComparison> = impostor.iter().map(entry).collect();
        genuine.par_sort_unstable();
        impostor.par_sort_unstable_by(|x, y| y.cmp(x));
        Self::of(genuine, impostor, (Vec::new(), Vec::new()), totals, subjects)
    }

    /// The same, each comparison with its weight in the measure of `totals`.
    pub fn weighed(
        genuine: &[Comparison],
        impostor: &[Comparison],
        totals: Totals,
        subjects: usize,
        weight: impl Fn(&Comparison) -> u64,
    ) -> Self {
        let entry = |pair: &Comparison| {
            (HeldComparison { bin: bin(pair.score), a: pair.subject_a, b: pair.subject_b }, weight(pair))
        };
        let mut genuine: Vec<(HeldComparison, u64)> = genuine.iter().map(entry).collect();
        let mut impostor: Vec<(HeldComparison, u64)> = impostor.iter().map(entry).collect();
        genuine.par_sort_unstable();
        impostor.par_sort_unstable_by(|x, y| y.cmp(x));
        let (genuine, genuine_weights) = genuine.into_iter().unzip();
        let (impostor, impostor_weights) = impostor.into_iter().unzip();
        Self::of(genuine, impostor, (genuine_weights, impostor_weights), totals, subjects)
    }

    fn of(
        genuine: Vec<HeldComparison>,
        impostor: Vec<HeldComparison>,
        (genuine_weights, impostor_weights): (Vec<u64>, Vec<u64>),
        totals: Totals,
        subjects: usize,
    ) -> Self {
        let comparisons = totals.comparisons(subjects);
        let impostor_complete = impostor.len() as u64 >= comparisons.1;
        Self { genuine, impostor, genuine_weights, impostor_weights, impostor_complete, comparisons, totals, subjects }
    }

    /// The same with those impostor comparisons alone that matter at an FMR of at most
    /// `fmr`, with room for thresholds to vary.
    pub fn near(self, fmr: f64) -> Self {
        let room = fmr * self.totals.weighted(&Multiplicities::once(self.subjects)).1 * NEAR_ROOM;
        let keep = match self.impostor_weights.is_empty() {
            true => room.ceil() as usize,
            false => {
                let mut sum = 0u64;
                let below = |weight: &&u64| {
                    sum += **weight;
                    (sum as f64) < room
                };
                self.impostor_weights.iter().take_while(below).count() + 1
            }
        };
        self.with_highest(keep)
    }

    fn with_highest(mut self, keep: usize) -> Self {
        if keep < self.impostor.len() {
            self.impostor.truncate(keep);
            self.impostor_weights.truncate(keep);
            self.impostor_complete = false;
        }
        self
    }

    /// The same with those impostor comparisons alone that reach `bin`: enough where the
    /// threshold is fixed.
    pub fn above(self, bin: i32) -> Self {
        let keep = self.impostor.partition_point(|entry| entry.bin >= bin);
        self.with_highest(keep)
    }

    /// Whether every impostor comparison that reaches `bin` is held.
    pub fn reaches(&self, bin: i32) -> bool {
        self.impostor_complete || self.impostor.last().is_some_and(|last| last.bin < bin)
    }

    /// Rates with every subject taken so often.
    pub(super) fn rates(&self, times: &Multiplicities) -> Rates<'_> {
        let sums = |entries: &[HeldComparison], weights: &[u64]| {
            let mut sum = 0;
            let add = |(i, entry): (usize, &HeldComparison)| {
                sum += times.both(entry.a, entry.b) * weights.get(i).unwrap_or(&1);
                sum
            };
            entries.iter().enumerate().map(add).collect::<Vec<u64>>()
        };
        let (genuine_total, impostor_total) = self.totals.weighted(times);
        Rates {
            view: self,
            genuine: sums(&self.genuine, &self.genuine_weights),
            impostor: sums(&self.impostor, &self.impostor_weights),
            genuine_total,
            impostor_total,
        }
    }

    /// Rates as they were counted.
    pub(super) fn counted(&self) -> Rates<'_> {
        self.rates(&Multiplicities::once(self.subjects))
    }

    /// Numbers read from the rates of every repetition, by repetition.
    pub(super) fn repeat<T: Send>(
        &self,
        bootstrap: Bootstrap,
        read: impl Fn(&Multiplicities, &Rates<'_>) -> T + Sync + Send,
    ) -> Vec<T> {
        (0..bootstrap.repetitions)
            .into_par_iter()
            .map(|repetition| {
                let times = Multiplicities::drawn(self.subjects, bootstrap.seed, repetition);
                read(&times, &self.rates(&times))
            })
            .collect()
    }
}

/// Room that [`ComparisonView::near`] leaves: an FMR at a threshold seldom varies this much.
const NEAR_ROOM: f64 = 20.0;

/// The rates of a view, each subject taken some number of times.
pub(super) struct Rates<'a> {
    view: &'a ComparisonView,
    /// Running sums beside the view's entries, weighed.
    genuine: Vec<u64>,
    impostor: Vec<u64>,
    /// What all comparisons weigh.
    pub genuine_total: f64,
    pub impostor_total: f64,
}

impl Rates<'_> {
    /// The bin of the lowest threshold that keeps `fmr`; `None` where the view does
    /// not reach so far, or has no impostor comparisons.
    pub fn threshold(&self, fmr: f64) -> Option<i32> {
        if self.impostor_total <= 0.0 {
            return None;
        }
        let allowed = fmr * self.impostor_total;
        let kept = self.impostor.partition_point(|sum| *sum as f64 <= allowed);
        match self.view.impostor.get(kept) {
            // Just above the first that must not match; ties go with it.
            Some(entry) => Some(entry.bin + 1),
            None if self.view.impostor_complete => self.view.impostor.last().map(|entry| entry.bin),
            None => None,
        }
    }

    /// False matches with a threshold at the lower edge of `bin`: comparisons, however
    /// they are weighed. Where they are, people must be as they are.
    pub fn false_matches(&self, bin: i32) -> u64 {
        let count = self.matches_held(bin);
        if self.view.impostor_weights.is_empty() { running(&self.impostor, count) } else { count as u64 }
    }

    /// False non-matches, likewise.
    pub fn misses(&self, bin: i32) -> u64 {
        let count = self.misses_held(bin);
        if self.view.genuine_weights.is_empty() { running(&self.genuine, count) } else { count as u64 }
    }

    fn matches_held(&self, bin: i32) -> usize {
        self.view.impostor.partition_point(|entry| entry.bin >= bin)
    }

    fn misses_held(&self, bin: i32) -> usize {
        self.view.genuine.partition_point(|entry| entry.bin < bin)
    }

    /// Whether comparisons do not all weigh the same.
    pub fn are_weighed(&self) -> bool {
        !(self.view.impostor_weights.is_empty() && self.view.genuine_weights.is_empty())
    }

    /// Genuine comparisons, each once.
    pub fn genuine_comparisons(&self) -> u64 {
        self.view.comparisons.0
    }

    /// Impostor comparisons, likewise.
    pub fn impostor_comparisons(&self) -> u64 {
        self.view.comparisons.1
    }

    /// False match rate; `None` without impostor comparisons.
    pub fn fmr(&self, bin: i32) -> Option<f64> {
        let weight = running(&self.impostor, self.matches_held(bin));
        (self.impostor_total > 0.0).then(|| weight as f64 / self.impostor_total)
    }

    /// False non-match rate; `None` without genuine comparisons.
    pub fn fnmr(&self, bin: i32) -> Option<f64> {
        let weight = running(&self.genuine, self.misses_held(bin));
        (self.genuine_total > 0.0).then(|| weight as f64 / self.genuine_total)
    }

    /// The false non-match rate at the threshold for a false match rate.
    pub fn fnmr_at(&self, fmr: f64) -> Option<f64> {
        self.fnmr(self.threshold(fmr)?)
    }

    /// The bin from which on FMR is at most FNMR; `None` where that is beyond what
    /// the view holds.
    pub fn crossing(&self) -> Option<i32> {
        let held = self.view.impostor.last()?.bin;
        let crossed = |bin: i32| Some(self.fmr(bin)? <= self.fnmr(bin)?);
        // Thresholds up to a bin above the highest score: there FMR is 0.
        let (mut low, mut high) = (held, self.view.impostor.first()?.bin + 1);
        if crossed(low)? {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if crossed(middle)? { high = middle } else { low = middle }
        }
        Some(high)
    }

    /// The rate at which FMR and FNMR are equal: the mean of both where they cross.
    pub fn equal_error_rate(&self) -> Option<f64> {
        let at = self.crossing()?;
        Some((self.fmr(at)? + self.fnmr(at)?) / 2.0)
    }

    /// The threshold of a bin.
    pub fn score(bin: i32) -> f32 {
        edge(bin)
    }
}

fn running(sums: &[u64], count: usize) -> u64 {
    count.checked_sub(1).and_then(|last| sums.get(last)).copied().unwrap_or(0)
}

/// The 2.5th and 97.5th percentile of what the repetitions gave; `None` where too few
/// of them gave a number.
pub(super) fn interval(values: impl IntoIterator<Item = Option<f64>>) -> Option<[f64; 2]> {
    let all: Vec<Option<f64>> = values.into_iter().collect();
    let mut values: Vec<f64> = all.iter().flatten().copied().filter(|v| v.is_finite()).collect();
    if values.is_empty() || (values.len() as f64) < REPETITIONS_SHARE_MIN * all.len() as f64 {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    Some([at(0.025), at(0.975)])
}

#[cfg(test)]
mod tests;
