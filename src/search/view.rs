//! One moment of an index, and the scan over it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rayon::prelude::*;

use super::SearchError;
use super::blocks::{Block, Blocks};
use super::index::check;
use crate::matching::Dot;

/// Values above which a scan is spread over threads. Below (some 0.2 ms of one
/// core) waking them costs more than they bring.
const PARALLEL_VALUES_MIN: u64 = 1 << 20;

/// A vector found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit<L = ()> {
    /// Its key.
    pub key: u64,
    /// Its score: the dot product with the query. Always finite.
    pub score: f32,
    /// What was stored with it.
    pub label: L,
}

impl<L> Hit<L> {
    /// Best score first, then lowest key: the order of every answer. Total,
    /// because scores are finite and keys unique.
    fn rank(&self, other: &Self) -> Ordering {
        other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal).then(self.key.cmp(&other.key))
    }
}

/// A hit in a heap whose top is the worst.
struct Ranked<L>(Hit<L>);

impl<L> Ord for Ranked<L> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.rank(&other.0)
    }
}

impl<L> PartialOrd for Ranked<L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<L> PartialEq for Ranked<L> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<L> Eq for Ranked<L> {}

/// An index at one moment. Cheap to take; changes made since are not seen.
pub struct View<L = ()> {
    blocks: Arc<Blocks<L>>,
    dimension: usize,
    dot: Dot,
}

impl<L: Clone + Send + Sync> View<L> {
    pub(super) fn new(blocks: Arc<Blocks<L>>, dimension: usize, dot: Dot) -> Self {
        Self { blocks, dimension, dot }
    }

    /// Vectors in it.
    pub fn len(&self) -> u64 {
        self.blocks.live
    }

    /// True where it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Blocks of memory it lies in.
    #[cfg(test)]
    pub(super) fn blocks(&self) -> usize {
        self.blocks.blocks.len()
    }

    /// Every vector whose dot product with `query` is at or above `score` and
    /// whose key passes `filter`; best first, ties by key.
    pub fn within<F>(&self, query: &[f32], score: f32, filter: F) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64) -> bool + Sync,
    {
        check(query, self.dimension)?;
        if !score.is_finite() {
            return Err(SearchError::BadScore);
        }
        let scan = |mut hits: Vec<Hit<L>>, block: &Arc<Block<L>>| {
            for (key, label, vector) in block.iter(self.dimension) {
                let found = self.dot.score(query, vector);
                if found >= score && filter(key) {
                    hits.push(Hit { key, score: found, label: label.clone() });
                }
            }
            hits
        };
        let mut hits = self.scan(Vec::new, scan, |mut left, mut right| {
            left.append(&mut right);
            left
        });
        hits.sort_unstable_by(Hit::rank);
        Ok(hits)
    }

    /// The `k` vectors with the highest dot product with `query` among those
    /// whose key passes `filter`; best first, ties by key. Fewer where there are
    /// fewer.
    pub fn nearest<F>(&self, query: &[f32], k: usize, filter: F) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64) -> bool + Sync,
    {
        check(query, self.dimension)?;
        let k = k.min(usize::try_from(self.len()).unwrap_or(usize::MAX));
        if k == 0 {
            return Ok(Vec::new());
        }
        let keep = |best: &mut BinaryHeap<Ranked<L>>, hit: Hit<L>| {
            if best.len() < k {
                best.push(Ranked(hit));
            } else if let Some(mut worst) = best.peek_mut()
                && hit.rank(&worst.0).is_lt()
            {
                *worst = Ranked(hit);
            }
        };
        let scan = |mut best: BinaryHeap<Ranked<L>>, block: &Arc<Block<L>>| {
            for (key, label, vector) in block.iter(self.dimension) {
                let score = self.dot.score(query, vector);
                // Most rows end here, before the filter and the label are touched.
                let hopeless = best.len() == k && best.peek().is_some_and(|worst| score < worst.0.score);
                if !hopeless && filter(key) {
                    keep(&mut best, Hit { key, score, label: label.clone() });
                }
            }
            best
        };
        let best = self.scan(BinaryHeap::new, scan, |mut left, right| {
            for Ranked(hit) in right {
                keep(&mut left, hit);
            }
            left
        });
        // Ascending by rank is best first.
        Ok(best.into_sorted_vec().into_iter().map(|Ranked(hit)| hit).collect())
    }

    /// Folds every block, over threads where it pays. The order of folding and
    /// joining is free, so both callers end in an order of their own.
    fn scan<T: Send>(
        &self,
        empty: impl Fn() -> T + Send + Sync,
        fold: impl Fn(T, &Arc<Block<L>>) -> T + Send + Sync,
        join: impl Fn(T, T) -> T + Send + Sync,
    ) -> T {
        let blocks = &self.blocks.blocks;
        if self.blocks.live.saturating_mul(self.dimension as u64) < PARALLEL_VALUES_MIN {
            return blocks.iter().fold(empty(), fold);
        }
        blocks.par_iter().fold(&empty, &fold).reduce(&empty, &join)
    }
}
