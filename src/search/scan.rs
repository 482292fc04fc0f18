//! The scan: every block in turn, both passes, then the exact score.

use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::basis::Basis;
use super::blocks::{Block, Piece, State};
use super::bound::Prepared;
use super::codes::{Codes, LOOSE};
use super::kernel::{Kernel, Survivor, Task, prefetch};
use super::tuning::{GROUP_ROWS, PARALLEL_VALUES_MIN, STRIP_GROUPS, UNIT_GROUPS};
use super::view::{Hit, Wanted};
use crate::matching::Dot;

/// Survivors whose second pass is asked for ahead of its use.
const AHEAD: usize = 6;

/// A hit in a heap whose top is the worst.
struct Ranked<L>(Hit<L>);

impl<L> Ord for Ranked<L> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.rank(&other.0)
    }
}

impl<L> PartialOrd for Ranked<L> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<L> PartialEq for Ranked<L> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<L> Eq for Ranked<L> {}

/// One search and what it has found so far, shared between threads.
pub(super) struct Job<'q, L> {
    query: &'q [f32],
    /// Hits wanted: all, or the best so many.
    best: Option<usize>,
    /// The score below which nothing is of use any more, as an integer in the
    /// order of floats ([`ordered`]). Only rises.
    floor: AtomicI32,
    found: Mutex<BinaryHeap<Ranked<L>>>,
}

/// An integer that compares as the float does; −0 counts as 0.
fn ordered(score: f32) -> i32 {
    let bits = (score + 0.0).to_bits() as i32;
    if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits }
}

fn float(ordered: i32) -> f32 {
    f32::from_bits(if ordered < 0 { i32::MIN.wrapping_sub(ordered) } else { ordered } as u32)
}

impl<'q, L> Job<'q, L> {
    /// `live` bounds how many there are to be found.
    pub(super) fn new(query: &'q [f32], wanted: Wanted, live: u64) -> Self {
        let (best, floor) = match wanted {
            Wanted::Within(score) => (None, score),
            Wanted::Nearest(k) => (Some(k.min(usize::try_from(live).unwrap_or(usize::MAX))), f32::MIN),
        };
        Self { query, best, floor: AtomicI32::new(ordered(floor)), found: Mutex::new(BinaryHeap::new()) }
    }

    /// Scores below it are of no use.
    fn floor(&self) -> f32 {
        // A floor that is out of date lets more through, nothing else.
        float(self.floor.load(Ordering::Relaxed))
    }

    fn is_idle(&self) -> bool {
        self.best == Some(0)
    }

    fn offer(&self, hit: Hit<L>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match self.best {
            Some(k) if found.len() == k => {
                if let Some(mut worst) = found.peek_mut()
                    && hit.rank(&worst.0).is_lt()
                {
                    *worst = Ranked(hit);
                }
            }
            _ => found.push(Ranked(hit)),
        }
        if let (Some(k), Some(worst)) = (self.best, found.peek())
            && found.len() == k
        {
            self.floor.fetch_max(ordered(worst.0.score), Ordering::Relaxed);
        }
    }

    /// Best first, ties by key.
    pub(super) fn into_hits(self) -> Vec<Hit<L>> {
        // Ascending by rank is best first.
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.into_sorted_vec().into_iter().map(|Ranked(hit)| hit).collect()
    }
}

/// The queries of all jobs, ready for one basis.
type Queries = Vec<Option<Prepared>>;

/// What one thread scans at a time.
enum Unit<'s, L> {
    /// Rows of a block without codes.
    Plain(&'s Piece<L>),
    /// Groups from `first` on, for the queries that can use codes.
    Coded { block: &'s Block<L>, codes: &'s Codes, queries: Arc<Queries>, first: usize },
    /// Single rows without codes, for the same queries.
    Loose { block: &'s Block<L>, codes: &'s Codes, queries: Arc<Queries> },
    /// Rows of a block with codes, for the queries that cannot use them.
    Uncoded { piece: &'s Piece<L>, queries: Arc<Queries> },
}

/// One pass over a state for some jobs.
pub(super) struct Scan<'s, 'q, L, F> {
    state: &'s State<L>,
    dimension: usize,
    dot: Dot,
    kernel: Kernel,
    jobs: &'s [Job<'q, L>],
    filter: &'s F,
}

impl<'s, 'q, L, F> Scan<'s, 'q, L, F>
where
    L: Clone + Send + Sync,
    F: Fn(usize, u64, &L) -> bool + Sync,
{
    pub(super) fn new(
        state: &'s State<L>,
        dimension: usize,
        dot: Dot,
        kernel: Kernel,
        jobs: &'s [Job<'q, L>],
        filter: &'s F,
    ) -> Self {
        Self { state, dimension, dot, kernel, jobs, filter }
    }

    /// Scans everything, over threads where it pays.
    pub(super) fn run(&self) {
        if self.jobs.iter().all(Job::is_idle) {
            return;
        }
        let units = self.units();
        if self.state.live.saturating_mul(self.dimension as u64) < PARALLEL_VALUES_MIN {
            units.iter().for_each(|unit| self.unit(unit));
            return;
        }
        // The first unit alone gives every later one a floor to go by.
        let (seed, rest) = units.split_at(units.len().min(1));
        seed.iter().for_each(|unit| self.unit(unit));
        rest.par_iter().for_each(|unit| self.unit(unit));
    }

    fn units(&self) -> Vec<Unit<'s, L>> {
        let mut prepared: Vec<(&Arc<Basis>, Arc<Queries>)> = Vec::new();
        let mut units = Vec::new();
        for block in self.state.blocks.values() {
            let Some(codes) = &block.codes else {
                units.extend(block.pieces.iter().map(|piece| Unit::Plain(piece)));
                continue;
            };
            let queries = match prepared.iter().find(|(basis, _)| Arc::ptr_eq(basis, &codes.basis)) {
                Some((_, queries)) => Arc::clone(queries),
                None => {
                    let queries = self.jobs.iter().map(|job| Prepared::new(&codes.basis, self.dot, job.query));
                    let queries: Arc<Queries> = Arc::new(queries.collect());
                    prepared.push((&codes.basis, Arc::clone(&queries)));
                    queries
                }
            };
            let firsts = (0..codes.groups.len()).step_by(UNIT_GROUPS);
            units.extend(firsts.map(|first| Unit::Coded { block, codes, queries: Arc::clone(&queries), first }));
            if !codes.loose.is_empty() {
                units.push(Unit::Loose { block, codes, queries: Arc::clone(&queries) });
            }
            if queries.iter().any(Option::is_none) {
                let pieces = block.pieces.iter();
                units.extend(pieces.map(|piece| Unit::Uncoded { piece, queries: Arc::clone(&queries) }));
            }
        }
        units
    }

    fn unit(&self, unit: &Unit<'s, L>) {
        match unit {
            Unit::Plain(piece) => {
                for (number, job) in self.jobs.iter().enumerate() {
                    self.plain(piece, number, job);
                }
            }
            Unit::Uncoded { piece, queries } => {
                let jobs = self.jobs.iter().enumerate().zip(queries.iter());
                for ((number, job), _) in jobs.filter(|(_, prepared)| prepared.is_none()) {
                    self.plain(piece, number, job);
                }
            }
            Unit::Loose { block, codes, queries } => {
                let jobs = self.jobs.iter().enumerate().zip(queries.iter());
                for ((number, job), _) in jobs.filter(|(_, prepared)| prepared.is_some()) {
                    for &row in &codes.loose {
                        self.score(block, row, number, job);
                    }
                }
            }
            Unit::Coded { block, codes, queries, first } => self.coded(block, codes, queries, *first),
        }
    }

    /// Scores every row of a piece.
    fn plain(&self, piece: &Piece<L>, number: usize, job: &Job<'q, L>) {
        if job.is_idle() {
            return;
        }
        for (key, label, vector) in piece.iter(self.dimension) {
            self.judge(key, label, vector, number, job);
        }
    }

    fn coded(&self, block: &Block<L>, codes: &Codes, queries: &Queries, first: usize) {
        let groups = &codes.groups[first..codes.groups.len().min(first + UNIT_GROUPS)];
        let (mut numbers, mut tasks) = (Vec::new(), Vec::new());
        for (number, (job, prepared)) in self.jobs.iter().zip(queries).enumerate() {
            if let Some(prepared) = prepared
                && !job.is_idle()
            {
                let threshold = prepared.head_threshold(job.floor());
                numbers.push((number, job, prepared));
                tasks.push(Task { weights: &prepared.head, threshold, survivors: Vec::new() });
            }
        }
        let first = (first * GROUP_ROWS) as u32;
        match tasks.as_mut_slice() {
            [] => {}
            [task] => self.kernel.scan(groups, first, task),
            tasks => {
                for (strip, first) in groups.chunks(STRIP_GROUPS).zip((first..).step_by(STRIP_GROUPS * GROUP_ROWS)) {
                    self.kernel.scan_many(strip, first, tasks);
                }
            }
        }
        for ((number, job, prepared), task) in numbers.into_iter().zip(tasks) {
            self.settle(block, codes, number, job, prepared, task.survivors);
        }
    }

    /// Second pass and exact score of what the first one left.
    fn settle(
        &self,
        block: &Block<L>,
        codes: &Codes,
        number: usize,
        job: &Job<'q, L>,
        prepared: &Prepared,
        mut survivors: Vec<Survivor>,
    ) {
        if let Some(k) = job.best
            && survivors.len() > 2 * k
        {
            // The likeliest first: they lift the floor for all the others.
            survivors.select_nth_unstable_by_key(k, |survivor| std::cmp::Reverse(survivor.sum));
        }
        let mut floor = job.floor();
        let mut threshold = prepared.head_threshold(floor);
        let rows = codes.rows();
        for (at, survivor) in survivors.iter().enumerate() {
            if let Some(later) = survivors.get(at + AHEAD)
                && let Some(fine) = codes.fine.get(later.row as usize)
            {
                prefetch(fine);
            }
            // The last group may be filled up with rows that are not there.
            if survivor.sum < threshold || survivor.row as usize >= rows {
                continue;
            }
            let fine = &codes.fine[survivor.row as usize];
            if fine.residual == LOOSE {
                // Scored with the other loose ones.
                continue;
            }
            let sum = self.kernel.fine(&fine.codes, &prepared.fine);
            if prepared.fine_bound(sum, fine) < f64::from(floor) {
                continue;
            }
            self.score(block, survivor.row, number, job);
            let now = job.floor();
            if now > floor {
                floor = now;
                threshold = prepared.head_threshold(floor);
            }
        }
    }

    fn score(&self, block: &Block<L>, row: u32, number: usize, job: &Job<'q, L>) {
        if !job.is_idle()
            && let Some(((key, label), vector)) = block.row(row, self.dimension)
        {
            self.judge(*key, label, vector, number, job);
        }
    }

    /// The exact score decides.
    fn judge(&self, key: u64, label: &L, vector: &[f32], number: usize, job: &Job<'q, L>) {
        let score = self.dot.score(job.query, vector);
        // Most rows end here, before the filter and the label are touched.
        if score >= job.floor() && (self.filter)(number, key, label) {
            job.offer(Hit { key, score, label: label.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_of_floats_is_that_of_their_integers(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(a.partial_cmp(&b), Some(ordered(a).cmp(&ordered(b))));
            prop_assert_eq!(float(ordered(a)), a);
        }
    }
}
