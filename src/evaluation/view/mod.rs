//! Error rates of a set of comparisons, with intervals from a bootstrap over people.
//!
//! A [`ComparisonView`] holds the comparisons near or beyond a threshold, by subject, and the
//! number of all comparisons. Rates are computed for the people as they are, or with each person
//! drawn zero, one or more times: the *bootstrap over subjects*. A comparison of two people then
//! counts as often as the product of their multiplicities; copies of one person are not compared
//! with each other. (The "pigeonhole bootstrap" of Owen, 2007, which is conservative.) Thresholds
//! are determined anew for each repetition.
//!
//! If every pair of people has equal weight, rates are ratios of weights; the error counts are
//! still numbers of comparisons.

mod totals;

use rayon::prelude::*;

use super::histogram::{bin, edge};
use super::pairs::ScoredComparison;
pub(super) use totals::Multiplicities;
pub use totals::{NOBODY, Totals};

/// Fewest errors for a rate to be reported: the rule of 30 (ISO/IEC 19795-1).
pub const ERRORS_MIN: u64 = 30;
/// Share of repetitions that must give a value for an interval to be reported.
const REPETITIONS_SHARE_MIN: f64 = 0.95;

/// A comparison kept in a view: bin of its score, and both people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HeldComparison {
    bin: i32,
    a: u32,
    b: u32,
}

/// The comparisons near errors, and the number of all comparisons.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonView {
    /// Genuine comparisons, ascending; all, or those below some score.
    genuine: Vec<HeldComparison>,
    /// Impostor comparisons, descending; all, or those at or above some score.
    impostor: Vec<HeldComparison>,
    /// Weights of `genuine`; empty if each is 1.
    genuine_weights: Vec<u64>,
    impostor_weights: Vec<u64>,
    /// Whether `impostor` holds all impostor comparisons.
    impostor_complete: bool,
    /// Genuine and impostor comparisons in all.
    comparisons: (u64, u64),
    totals: Totals,
    subjects: usize,
}

/// Parameters of the bootstrap over subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Repetitions.
    pub repetitions: u64,
    /// Seed of the draws.
    pub seed: u64,
}

impl ComparisonView {
    /// A view of `genuine` and `impostor`, in any order. `totals` counts all comparisons, including
    /// those not given: genuine ones that score higher and impostor ones that score lower than
    /// every one given.
    pub fn new(genuine: &[ScoredComparison], impostor: &[ScoredComparison], totals: Totals, subjects: usize) -> Self {
        let entry =
            |pair: &ScoredComparison| HeldComparison { bin: bin(pair.score), a: pair.subject_a, b: pair.subject_b };
        let mut genuine: Vec<HeldComparison> = genuine.iter().map(entry).collect();
        let mut impostor: Vec<HeldComparison> = impostor.iter().map(entry).collect();
        genuine.par_sort_unstable();
        impostor.par_sort_unstable_by(|x, y| y.cmp(x));
        Self::of(genuine, impostor, (Vec::new(), Vec::new()), totals, subjects)
    }

    /// As [`Self::new`] with weighted comparisons; `totals` are in the same unit of weight.
    pub fn weighed(
        genuine: &[ScoredComparison],
        impostor: &[ScoredComparison],
        totals: Totals,
        subjects: usize,
        weight: impl Fn(&ScoredComparison) -> u64,
    ) -> Self {
        let entry = |pair: &ScoredComparison| {
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

    /// The view without impostor comparisons that do not matter at FMRs up to `fmr`, with a margin
    /// for thresholds of bootstrap samples.
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

    /// The view with only those impostor comparisons in `bin` or above; sufficient for fixed
    /// thresholds.
    pub fn above(self, bin: i32) -> Self {
        let keep = self.impostor.partition_point(|entry| entry.bin >= bin);
        self.with_highest(keep)
    }

    /// Whether every impostor comparison in `bin` or above is held.
    pub fn reaches(&self, bin: i32) -> bool {
        self.impostor_complete || self.impostor.last().is_some_and(|last| last.bin < bin)
    }

    /// Rates with each subject drawn as often as `times` says.
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

    /// Rates with each subject once.
    pub(super) fn counted(&self) -> Rates<'_> {
        self.rates(&Multiplicities::once(self.subjects))
    }

    /// Calls `read` with the rates of every bootstrap repetition; results in the order of
    /// repetitions.
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

/// Margin of [`ComparisonView::near`]: the FMR at a threshold rarely varies by this factor.
const NEAR_ROOM: f64 = 20.0;

/// Rates of a view with given multiplicities of subjects.
pub(super) struct Rates<'a> {
    view: &'a ComparisonView,
    /// Cumulative weights parallel to the view's comparisons.
    genuine: Vec<u64>,
    impostor: Vec<u64>,
    /// Total weight of all comparisons.
    pub genuine_total: f64,
    pub impostor_total: f64,
}

impl Rates<'_> {
    /// The bin of the lowest threshold with at most `fmr`; `None` if the view does not reach so far
    /// or has no impostor comparisons.
    pub fn threshold(&self, fmr: f64) -> Option<i32> {
        if self.impostor_total <= 0.0 {
            return None;
        }
        let allowed = fmr * self.impostor_total;
        let kept = self.impostor.partition_point(|sum| *sum as f64 <= allowed);
        match self.view.impostor.get(kept) {
            // Just above the first comparison that must not match, and its ties.
            Some(entry) => Some(entry.bin + 1),
            None if self.view.impostor_complete => self.view.impostor.last().map(|entry| entry.bin),
            None => None,
        }
    }

    /// Number of false matches with the threshold at the lower edge of `bin`, whatever their
    /// weights. With weights only for rates with each subject once.
    pub fn false_matches(&self, bin: i32) -> u64 {
        let count = self.matches_held(bin);
        if self.view.impostor_weights.is_empty() { running(&self.impostor, count) } else { count as u64 }
    }

    /// Number of false non-matches, likewise.
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

    /// Whether comparisons have unequal weights.
    pub fn are_weighed(&self) -> bool {
        !(self.view.impostor_weights.is_empty() && self.view.genuine_weights.is_empty())
    }

    /// Number of genuine comparisons.
    pub fn genuine_comparisons(&self) -> u64 {
        self.view.comparisons.0
    }

    /// Number of impostor comparisons.
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

    /// The lowest bin at which FMR is at most FNMR; `None` if that is beyond what the view holds.
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

    /// The equal error rate: the mean of FMR and FNMR where they cross.
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

/// The 2.5th and 97.5th percentiles of the repetitions' values; `None` if too few have a value.
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
