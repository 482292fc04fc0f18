//! Score histograms on a fixed grid.
//!
//! A score is counted in the *bin* ⌊score · 2¹⁶⌋. Thresholds are taken at bin edges, which `f32`
//! represents exactly; so rates at them are exact counts, and the threshold for a rate is at most
//! 2⁻¹⁶ (0.000015) above the lowest possible one. Memory does not depend on the number of
//! comparisons, and integer counts do not depend on the order of threads.

use crate::matching::Weighting;

/// Total weight of a pair of people over its impostor comparisons, and of a person over the genuine
/// ones. A large power of two, so that integer shares of it are accurate enough.
pub const WEIGHT: u64 = 1 << 28;

/// Bins per unit of score.
const BINS_PER_UNIT: f32 = 65_536.0;
/// Bins on either side of zero. Rounding may take a cosine a little beyond ±1.
const BINS_HALF: i32 = 65_536 + 64;

/// The bin of a score; scores beyond the grid are counted in its outermost bins.
pub fn bin(score: f32) -> i32 {
    // A float beyond i32 saturates; the product is exact: a power of two.
    ((score * BINS_PER_UNIT).floor() as i32).clamp(-BINS_HALF, BINS_HALF - 1)
}

/// The lowest score in a bin.
pub fn edge(bin: i32) -> f32 {
    bin as f32 / BINS_PER_UNIT
}

/// Number of scores by bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    bins: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: vec![0; 2 * BINS_HALF as usize], count: 0 }
    }
}

impl Histogram {
    /// The histogram of some scores.
    pub fn of(scores: impl IntoIterator<Item = f32>) -> Self {
        let mut histogram = Self::default();
        scores.into_iter().for_each(|score| histogram.add(score));
        histogram
    }

    /// Counts a score; NaN is ignored.
    pub fn add(&mut self, score: f32) {
        if !score.is_nan() {
            self.bins[(bin(score) + BINS_HALF) as usize] += 1;
            self.count += 1;
        }
    }

    /// Counts a score `weight` times; NaN is ignored.
    pub fn add_weight(&mut self, score: f32, weight: u64) {
        if !score.is_nan() {
            self.bins[(bin(score) + BINS_HALF) as usize] += weight;
            self.count += weight;
        }
    }

    /// The sum of both histograms.
    pub fn merge(mut self, other: &Self) -> Self {
        self.bins.iter_mut().zip(&other.bins).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self
    }

    /// The counts minus those of `part`, which must be contained in them.
    pub(crate) fn less(&self, part: &Self) -> Self {
        let bins: Vec<u64> = self.bins.iter().zip(&part.bins).map(|(all, part)| all.saturating_sub(*part)).collect();
        Self { count: bins.iter().sum(), bins }
    }

    /// Number of scores counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Non-empty bins in ascending order, with their counts.
    pub fn bins(&self) -> impl DoubleEndedIterator<Item = (i32, u64)> {
        self.bins.iter().enumerate().filter(|(_, count)| **count > 0).map(|(i, count)| (i as i32 - BINS_HALF, *count))
    }

    /// Number of scores in `bin` or above.
    pub fn at_or_above(&self, bin: i32) -> u64 {
        self.bins().rev().take_while(|(at, _)| *at >= bin).map(|(_, count)| count).sum()
    }

    /// The highest bin with at least `count_min` scores in or above it, and their number; `None` if
    /// there are fewer in all.
    pub fn holding_above(&self, count_min: u64) -> Option<(i32, u64)> {
        let mut sum = 0;
        self.bins().rev().find_map(|(at, count)| {
            sum += count;
            (sum >= count_min).then_some((at, sum))
        })
    }

    /// The lowest bin with more than `rank` scores in or below it, and the number of scores below
    /// it.
    pub fn holding_below(&self, rank: u64) -> Option<(i32, u64)> {
        let mut below = 0;
        self.bins().find_map(|(at, count)| {
            if below + count > rank {
                return Some((at, below));
            }
            below += count;
            None
        })
    }
}

/// A histogram of weighted scores.
///
/// A rate of errors with unequal weights has the uncertainty of the *effective* number of errors
/// with equal weights: (Σw)² / Σw² (Kish, "Survey Sampling", 1965). With equal weights it equals
/// their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedHistogram {
    /// Sums of weights.
    pub weights: Histogram,
    /// Sums of squared weights by bin; empty if every weight is 1.
    squares: Vec<u128>,
    /// Number of scores.
    pub comparisons: u64,
}

impl WeightedHistogram {
    /// An empty histogram.
    pub fn new(weighed: Weighting) -> Self {
        let squares = match weighed {
            Weighting::Comparisons => Vec::new(),
            Weighting::People => vec![0; 2 * BINS_HALF as usize],
        };
        Self { weights: Histogram::default(), squares, comparisons: 0 }
    }

    /// Counts a score; NaN is ignored.
    pub fn add(&mut self, score: f32, weight: u64) {
        if !score.is_nan() {
            self.weights.add_weight(score, weight);
            self.comparisons += 1;
            if let Some(square) = self.squares.get_mut((bin(score) + BINS_HALF) as usize) {
                *square += u128::from(weight) * u128::from(weight);
            }
        }
    }

    /// The sum of both histograms.
    pub fn merge(mut self, other: &Self) -> Self {
        self.weights = self.weights.merge(&other.weights);
        self.squares.iter_mut().zip(&other.squares).for_each(|(mine, theirs)| *mine += theirs);
        self.comparisons += other.comparisons;
        self
    }

    /// Effective number of scores in `bin` or above.
    pub fn effective_above(&self, bin: i32) -> f64 {
        let from = usize::try_from(bin + BINS_HALF).unwrap_or(0);
        self.effective(self.weights.at_or_above(bin), from..self.squares.len())
    }

    /// Effective number of scores below `bin`.
    pub fn effective_below(&self, bin: i32) -> f64 {
        let to = usize::try_from(bin + BINS_HALF).unwrap_or(0);
        self.effective(self.weights.count() - self.weights.at_or_above(bin), 0..to)
    }

    fn effective(&self, weight: u64, bins: std::ops::Range<usize>) -> f64 {
        match self.squares.get(bins).map(|squares| squares.iter().sum::<u128>()) {
            Some(squares) if squares > 0 => weight as f64 * (weight as f64 / squares as f64),
            _ => weight as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rate_at_a_bins_edge_is_exact(scores in prop::collection::vec(-1.0f32..=1.0, 1..200), at in -70_000i32..70_000) {
            let histogram = Histogram::of(scores.iter().copied());
            let counted = scores.iter().filter(|s| **s >= edge(at)).count() as u64;
            prop_assert_eq!(histogram.at_or_above(at), counted);
            prop_assert_eq!(histogram.count(), scores.len() as u64);
        }

        #[test]
        fn a_bin_begins_at_its_edge(score in -1.0f32..=1.0) {
            prop_assert!(edge(bin(score)) <= score && score < edge(bin(score) + 1));
        }

        #[test]
        fn the_highest_bin_that_holds_so_many(scores in prop::collection::vec(-1.0f32..=1.0, 1..200), count_min in 1u64..200) {
            let histogram = Histogram::of(scores.iter().copied());
            match histogram.holding_above(count_min) {
                Some((at, count)) => {
                    prop_assert_eq!(count, histogram.at_or_above(at));
                    prop_assert!(count >= count_min && histogram.at_or_above(at + 1) < count_min);
                }
                None => prop_assert!((scores.len() as u64) < count_min),
            }
        }
    }

    #[test]
    fn the_effective_number_is_that_of_equal_weights_which_vary_as_much() {
        let mut tally = WeightedHistogram::new(Weighting::People);
        // Four scores of weight 5 and a hundred of weight 1, all above; one below.
        (0..4).for_each(|_| tally.add(0.5, 5));
        (0..100).for_each(|_| tally.add(0.6, 1));
        tally.add(-0.5, 7);
        assert_eq!(tally.comparisons, 105);
        assert!((tally.effective_above(bin(0.4)) - 120.0 * 120.0 / 200.0).abs() < 1e-9);
        assert!((tally.effective_above(bin(0.55)) - 100.0).abs() < 1e-9);
        assert!((tally.effective_below(bin(0.0)) - 1.0).abs() < 1e-9);
        let mut unweighted = WeightedHistogram::new(Weighting::Comparisons);
        (0..30).for_each(|_| unweighted.add(0.5, 1));
        assert_eq!(unweighted.effective_above(bin(0.5)), 30.0);
    }

    #[test]
    fn rounding_beyond_one_and_no_number_do_no_harm() {
        let histogram = Histogram::of([1.000_001, -1.000_001, f32::NAN, f32::INFINITY]);
        assert_eq!((histogram.count(), histogram.at_or_above(0)), (3, 2));
        assert_eq!(histogram.holding_below(1), Some((BINS_HALF.min(bin(1.000_001)), 1)));
    }
}
