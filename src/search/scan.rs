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
use super::tuning::{
    AHEAD, GROUP_ROWS, LIKELIEST, PARALLEL_VALUES_MIN, STAGE_GROWTH, STAGE_UNITS, STRIP_GROUPS, UNIT_GROUPS,
};
use super::view::{Hit, Wanted};
use crate::matching::Dot;

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

/// What the first pass of one unit left for one search.
struct Left<'u, 's, L> {
    block: &'s Block<L>,
    codes: &'s Codes,
    prepared: &'u Prepared,
    number: usize,
    survivors: Vec<Survivor>,
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
        let is_small = self.state.live.saturating_mul(self.dimension as u64) < PARALLEL_VALUES_MIN;
        if self.jobs.iter().all(|job| job.best.is_none()) {
            self.stage(&units, is_small);
            return;
        }
        let (mut rest, mut next) = (units.as_slice(), STAGE_UNITS);
        while !rest.is_empty() {
            let (stage, later) = rest.split_at(next.min(rest.len()));
            self.stage(stage, is_small);
            (rest, next) = (later, next * STAGE_GROWTH);
        }
    }

    /// Both passes over some units. What searches for the nearest have left after
    /// the first pass waits until it is known of all units: then the likeliest
    /// come first, and lift the floor for all the others.
    fn stage(&self, units: &[Unit<'s, L>], is_small: bool) {
        let mut left: Vec<Left<'_, 's, L>> = if is_small {
            units.iter().flat_map(|unit| self.unit(unit)).collect()
        } else {
            units.par_iter().flat_map_iter(|unit| self.unit(unit)).collect()
        };
        left.sort_by_key(|left| left.number);
        let mut of_jobs: Vec<_> = left.chunk_by_mut(|a, b| a.number == b.number).collect();
        if is_small {
            of_jobs.iter_mut().for_each(|left| self.lift(left));
            left.iter_mut().for_each(|left| self.settle(left));
        } else {
            of_jobs.par_iter_mut().for_each(|left| self.lift(left));
            left.par_iter_mut().for_each(|left| self.settle(left));
        }
    }

    /// Scores the likeliest of what a search has left, and takes them out.
    fn lift(&self, left: &mut [Left<'_, 's, L>]) {
        let Some(k) = left.first().and_then(|left| self.jobs[left.number].best) else { return };
        let wanted = k + LIKELIEST;
        // Within each unit the likeliest are in front.
        let mut likeliest: Vec<(i32, usize, usize)> = Vec::new();
        for (unit, left) in left.iter().enumerate() {
            let front = left.survivors.iter().take(LIKELIEST).enumerate();
            likeliest.extend(front.map(|(at, survivor)| (survivor.sum, unit, at)));
        }
        if likeliest.len() > wanted {
            likeliest.select_nth_unstable_by_key(wanted, |&(sum, ..)| std::cmp::Reverse(sum));
            likeliest.truncate(wanted);
        }
        for (_, unit, at) in likeliest {
            let left = &mut left[unit];
            self.second_pass(left, left.survivors[at]);
            left.survivors[at].row = u32::MAX;
        }
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

    /// Scans a unit. What is returned waits for its second pass.
    fn unit<'u>(&self, unit: &'u Unit<'s, L>) -> Vec<Left<'u, 's, L>> {
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
            Unit::Coded { block, codes, queries, first } => return self.coded(block, codes, queries, *first),
        }
        Vec::new()
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

    fn coded<'u>(
        &self,
        block: &'s Block<L>,
        codes: &'s Codes,
        queries: &'u Queries,
        first: usize,
    ) -> Vec<Left<'u, 's, L>> {
        let groups = &codes.groups[first..codes.groups.len().min(first + UNIT_GROUPS)];
        let (mut numbers, mut tasks) = (Vec::new(), Vec::new());
        for (number, (job, prepared)) in self.jobs.iter().zip(queries).enumerate() {
            if let Some(prepared) = prepared
                && !job.is_idle()
            {
                let threshold = prepared.head_threshold(job.floor());
                numbers.push((number, prepared));
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
        let mut waiting = Vec::new();
        for ((number, prepared), Task { survivors, .. }) in numbers.into_iter().zip(tasks) {
            if survivors.is_empty() {
                continue;
            }
            let mut left = Left { block, codes, prepared, number, survivors };
            if self.jobs[number].best.is_none() {
                self.settle(&mut left);
                continue;
            }
            if left.survivors.len() > LIKELIEST {
                left.survivors.select_nth_unstable_by_key(LIKELIEST, |survivor| std::cmp::Reverse(survivor.sum));
            }
            waiting.push(left);
        }
        waiting
    }

    /// Second pass and exact score of all that is left.
    fn settle(&self, left: &mut Left<'_, 's, L>) {
        let job = &self.jobs[left.number];
        let mut floor = job.floor();
        let mut threshold = left.prepared.head_threshold(floor);
        // What a later stage found may have decided over most of them.
        left.survivors.retain(|survivor| survivor.sum >= threshold);
        let ask = |at: usize| {
            if let Some(fine) = left.survivors.get(at).and_then(|later| left.codes.fine.get(later.row as usize)) {
                prefetch(fine);
            }
        };
        (0..AHEAD).for_each(ask);
        for (at, &survivor) in left.survivors.iter().enumerate() {
            ask(at + AHEAD);
            if survivor.sum < threshold {
                continue;
            }
            self.second_pass(left, survivor);
            if job.floor() > floor {
                floor = job.floor();
                threshold = left.prepared.head_threshold(floor);
            }
        }
    }

    fn second_pass(&self, left: &Left<'_, 's, L>, survivor: Survivor) {
        // The last group may be filled up with rows that are not there.
        let Some(fine) = left.codes.fine.get(survivor.row as usize) else { return };
        // Loose rows are scored in a unit of their own.
        if fine.residual == LOOSE {
            return;
        }
        let sum = self.kernel.fine(&fine.codes, &left.prepared.fine);
        let job = &self.jobs[left.number];
        if left.prepared.fine_bound(sum, fine) >= f64::from(job.floor()) {
            self.score(left.block, survivor.row, left.number, job);
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
