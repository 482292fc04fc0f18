//! The scan: every block in turn, three passes, then the exact score.

use std::sync::Arc;

use rayon::prelude::*;

use super::SearchError;
use super::basis::RotationBasis;
use super::blocks::{Block, Piece, State};
use super::bound::{First, Prepared};
use super::codes::{Codes, FineNorms, HEAD_LOOSE, LOOSE};
use super::job::{Job, Waiting};
use super::kernel::{Kernel, Survivor, Task, prefetch};
use super::originals::{Originals, read_all};
use super::threshold_estimate::ThresholdEstimate;
use super::tuning::{
    AHEAD, BATCHED_MIN, FIRST_LOOK, FIRST_LOOK_GROWTH, GROUP_ROWS, LIKELIEST, PARALLEL_VALUES_MIN, READ_AGAIN,
    READ_FIRST, READ_ROWS, SIFTED, STAGE_GROWTH, STAGE_UNITS, SURVIVORS, UNIT_GROUPS,
};
use super::vector::Hit;
use crate::matching::Dot;

/// The queries of all jobs, ready for one basis.
type Queries = Vec<Option<Prepared>>;

/// Least and greatest score of a row that no bound is known for.
const UNKNOWN: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// What one thread scans at a time.
enum ScanUnit<'s, L> {
    /// Rows of a block without codes.
    Plain(&'s Piece<L>),
    /// Groups of a block with codes.
    Coded(Coded<'s, L>),
    /// Single rows that the first pass says nothing of, for the same queries.
    Loose { block: &'s Block<L>, codes: &'s Codes, queries: Arc<Queries> },
    /// Rows of a block with codes, for the queries that cannot use them.
    Uncoded { piece: &'s Piece<L>, queries: Arc<Queries> },
}

/// Groups from `first` on, for the queries that can use codes.
struct Coded<'s, L> {
    block: &'s Block<L>,
    codes: &'s Codes,
    queries: Arc<Queries>,
    first: usize,
}

impl<L> Coded<'_, L> {
    /// Groups up to here.
    fn last(&self) -> usize {
        self.codes.groups.len().min(self.first + UNIT_GROUPS)
    }
}

impl<L: Clone> ScanUnit<'_, L> {
    /// Rows that are seen here for the first time.
    fn rows(&self) -> u64 {
        match self {
            Self::Plain(piece) => piece.rows() as u64,
            Self::Coded(coded) => ((coded.last() - coded.first) * GROUP_ROWS) as u64,
            Self::Loose { .. } | Self::Uncoded { .. } => 0,
        }
    }
}

/// Scores that a search looks for in a first pass: from one on, and below another where it
/// has looked for those above before.
#[derive(Clone, Copy)]
struct Reach {
    from: f32,
    below: Option<f32>,
}

/// What the first pass of one unit left for one search.
struct Left<'u, 's, L> {
    block: &'s Block<L>,
    codes: &'s Codes,
    prepared: &'u Prepared,
    /// The first pass that it was.
    first: &'u First,
    number: usize,
    survivors: Vec<Survivor>,
}

/// One pass over a state for some jobs.
pub(super) struct Scan<'s, 'q, L, F> {
    pub(super) state: &'s State<L>,
    pub(super) dimension: usize,
    pub(super) dot: Dot,
    pub(super) kernel: Kernel,
    pub(super) jobs: &'s [Job<'q, L>],
    pub(super) filter: &'s F,
    /// Of each job, true where the filter is worth asking before a row's second
    /// pass: it lets few rows through, and then floors stay low.
    pub(super) filters_first: &'s [bool],
    pub(super) originals: Option<&'s dyn Originals>,
}

impl<'s, 'q, L, F> Scan<'s, 'q, L, F>
where
    L: Clone + Send + Sync,
    F: Fn(usize, u64, &L) -> bool + Sync,
{
    /// Scans everything, over threads where it pays.
    ///
    /// # Errors
    /// Where a vector outside memory cannot be had.
    pub(super) fn run(&self) -> Result<(), SearchError> {
        if self.jobs.iter().all(Job::is_idle) {
            return Ok(());
        }
        let units = self.units();
        let is_small = self.state.live.saturating_mul(self.dimension as u64) < PARALLEL_VALUES_MIN;
        if self.jobs.iter().all(|job| job.best.is_none()) {
            self.stage(&units, None, is_small);
            return self.fetch();
        }
        let (mut rest, mut next, mut seen) = (units.as_slice(), STAGE_UNITS, 0);
        let mut estimates: Vec<ThresholdEstimate> =
            self.jobs.iter().map(|job| ThresholdEstimate::new(job.best)).collect();
        while !rest.is_empty() {
            let (stage, later) = rest.split_at(next.min(rest.len()));
            let with_stage = seen + stage.iter().map(ScanUnit::rows).sum::<u64>();
            let jobs = self.jobs.iter().zip(&mut estimates);
            let estimated: Vec<f32> =
                jobs.map(|(job, estimate)| estimate.floor(job.floor(), seen, with_stage)).collect();
            self.stage(stage, Some(&estimated), is_small);
            (rest, next, seen) = (later, next * STAGE_GROWTH, with_stage);
        }
        self.fetch()
    }

    /// Scores what waits for vectors outside memory.
    fn fetch(&self) -> Result<(), SearchError> {
        if self.state.outside == 0 {
            return Ok(());
        }
        self.jobs.par_iter().try_for_each(|job| {
            let mut waiting = job.take_waiting();
            if job.best.is_none() {
                waiting.sort_unstable_by_key(|row| row.key);
                return waiting.par_chunks(READ_ROWS).try_for_each(|some| self.read(some, job));
            }
            // Those that may score highest come first, until the best of the rest
            // cannot be a hit any more: no other order reads fewer (Seidl and
            // Kriegel, Optimal Multi-Step k-Nearest Neighbor Search, 1998).
            waiting.sort_unstable_by(|a, b| b.most.total_cmp(&a.most));
            let (mut rest, mut next) = (waiting.as_slice(), READ_FIRST.max(job.best.unwrap_or(0)));
            while !rest.is_empty() {
                let floor = f64::from(job.floor());
                let useful = rest.partition_point(|row| row.most >= floor);
                if useful == 0 {
                    break;
                }
                let (some, later) = rest.split_at(useful.min(next));
                self.read(some, job)?;
                (rest, next) = (later, READ_AGAIN);
            }
            Ok(())
        })
    }

    fn read(&self, rows: &[Waiting<L>], job: &Job<'q, L>) -> Result<(), SearchError> {
        let keys: Vec<u64> = rows.iter().map(|row| row.key).collect();
        read_all(self.originals, &keys, self.dimension, |at, vector| {
            let score = self.dot.score(job.query, vector);
            // The filter was asked before the row was made to wait.
            if score >= job.floor() {
                job.add(Hit { key: rows[at].key, score, label: rows[at].label.clone() });
            }
        })
    }

    /// All passes over some units. What searches for the nearest have left after
    /// the first pass waits until it is known of all units: then the likeliest
    /// come first, and lift the floor for all the others. These are settled unit by
    /// unit for all searches: the codes of a unit stay in the second level of the
    /// cache meanwhile.
    ///
    /// Where `estimated` names floors, the first pass uses these; rows between the floor and
    /// its estimate are scanned again where the estimate was too high.
    fn stage(&self, units: &[ScanUnit<'s, L>], estimated: Option<&[f32]>, is_small: bool) {
        let estimate = |number: usize| estimated.map_or(f32::NEG_INFINITY, |floors| floors[number]);
        let reach = |number: usize| Some(Reach { from: estimate(number).max(self.jobs[number].floor()), below: None });
        let mut left = self.first_pass(units, is_small, |unit| self.unit(unit, &reach));
        let mut of_jobs: Vec<Vec<&mut Left<'_, 's, L>>> = Vec::new();
        of_jobs.resize_with(self.jobs.len(), Vec::new);
        left.iter_mut().for_each(|left| of_jobs[left.number].push(left));
        if is_small {
            of_jobs.iter_mut().for_each(|left| self.lift(left));
        } else {
            of_jobs.par_iter_mut().for_each(|left| self.lift(left));
        }
        let floors: Vec<f32> = self.jobs.iter().map(Job::floor).collect();
        if floors.iter().enumerate().any(|(number, &floor)| floor < estimate(number)) {
            let reach = |number: usize| {
                let (from, below) = (floors[number], estimate(number));
                (from < below).then_some(Reach { from, below: Some(below) })
            };
            // Nothing else uses the estimates.
            left.extend(self.first_pass(units, is_small, |unit| match unit {
                ScanUnit::Coded(coded) => self.coded(coded, &reach),
                _ => Vec::new(),
            }));
        }
        if is_small {
            left.iter_mut().for_each(|left| self.settle(left));
        } else {
            left.par_iter_mut().for_each(|left| self.settle(left));
        }
    }

    /// What `unit` gives for every one, over threads where it pays.
    fn first_pass<'u>(
        &self,
        units: &'u [ScanUnit<'s, L>],
        is_small: bool,
        unit: impl Fn(&'u ScanUnit<'s, L>) -> Vec<Left<'u, 's, L>> + Send + Sync,
    ) -> Vec<Left<'u, 's, L>> {
        if is_small { units.iter().flat_map(unit).collect() } else { units.par_iter().flat_map_iter(unit).collect() }
    }

    /// Scores the likeliest of what a search has left, and takes them out.
    fn lift(&self, left: &mut [&mut Left<'_, 's, L>]) {
        let Some(k) = left.first().and_then(|left| self.jobs[left.number].best) else { return };
        let wanted = FIRST_LOOK + FIRST_LOOK_GROWTH.saturating_mul(k);
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
            let left = &mut *left[unit];
            self.second_pass(left, left.survivors[at]);
            left.survivors[at].row = u32::MAX;
        }
    }

    fn units(&self) -> Vec<ScanUnit<'s, L>> {
        let mut prepared: Vec<(&Arc<RotationBasis>, Arc<Queries>)> = Vec::new();
        let mut units = Vec::new();
        for block in self.state.blocks.values() {
            let Some(codes) = &block.codes else {
                units.extend(block.pieces.iter().map(|piece| ScanUnit::Plain(piece)));
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
            units.extend(
                firsts.map(|first| ScanUnit::Coded(Coded { block, codes, queries: Arc::clone(&queries), first })),
            );
            if !codes.loose.is_empty() {
                units.push(ScanUnit::Loose { block, codes, queries: Arc::clone(&queries) });
            }
            if queries.iter().any(Option::is_none) {
                let pieces = block.pieces.iter();
                units.extend(pieces.map(|piece| ScanUnit::Uncoded { piece, queries: Arc::clone(&queries) }));
            }
        }
        units
    }

    /// Scans a unit for the jobs that `reach` gives something. What is returned waits for
    /// its second pass.
    fn unit<'u>(&self, unit: &'u ScanUnit<'s, L>, reach: &impl Fn(usize) -> Option<Reach>) -> Vec<Left<'u, 's, L>> {
        match unit {
            ScanUnit::Coded(coded) => return self.coded(coded, reach),
            ScanUnit::Plain(piece) => {
                for (number, job) in self.jobs.iter().enumerate() {
                    self.plain(piece, number, job);
                }
            }
            ScanUnit::Uncoded { piece, queries } => {
                let jobs = self.jobs.iter().enumerate().zip(queries.iter());
                for ((number, job), _) in jobs.filter(|(_, prepared)| prepared.is_none()) {
                    self.plain(piece, number, job);
                }
            }
            ScanUnit::Loose { block, codes, queries } => {
                for (number, prepared) in queries.iter().enumerate() {
                    let Some(prepared) = prepared else { continue };
                    for &row in &codes.loose {
                        self.loose(block, codes, prepared, row, number);
                    }
                }
            }
        }
        Vec::new()
    }

    /// Scores every row of a piece.
    fn plain(&self, piece: &Piece<L>, number: usize, job: &Job<'q, L>) {
        if job.is_idle() {
            return;
        }
        for (row, key, label) in piece.tags() {
            self.judge((key, label), piece.vector(row, self.dimension), UNKNOWN, number, job);
        }
    }

    /// The first pass over some groups, and all passes for searches that are not for the
    /// nearest.
    fn coded<'u>(&self, coded: &'u Coded<'s, L>, reach: &impl Fn(usize) -> Option<Reach>) -> Vec<Left<'u, 's, L>> {
        let &Coded { block, codes, ref queries, first } = coded;
        // The same for all passes over a unit: what two different ones sum up cannot be
        // compared.
        let is_batch = self.jobs.len() >= BATCHED_MIN;
        let (mut asking, mut tasks) = (Vec::new(), Vec::new());
        for (number, (job, prepared)) in self.jobs.iter().zip(queries.iter()).enumerate() {
            if !job.is_idle()
                && let Some(prepared) = prepared
                && let Some(Reach { from, below }) = reach(number)
            {
                let first = if is_batch { &prepared.batched } else { &prepared.single };
                asking.push((number, prepared, first, below.map(|below| first.threshold(below))));
                // Searches for the nearest leave some of every unit.
                let survivors = Vec::with_capacity(if job.best.is_some() { SURVIVORS } else { 0 });
                tasks.push(Task { weights: &first.weights, threshold: first.threshold(from), survivors });
            }
        }
        let (last, row) = (coded.last(), first * GROUP_ROWS);
        if is_batch {
            self.kernel.batch(&codes.fine[row..codes.rows().min(last * GROUP_ROWS)], row as u32, &mut tasks);
        } else {
            tasks.iter_mut().for_each(|task| self.kernel.scan(&codes.groups[first..last], row as u32, task));
        }
        // They lie far apart, and there are few for each search of a batch: too few for `sift`
        // to ask ahead.
        let is_soon = |number: usize| is_batch && self.jobs[number].best.is_none();
        let soon = tasks.iter().zip(&asking).filter(|(_, asking)| is_soon(asking.0));
        for survivor in soon.flat_map(|(task, _)| task.survivors.iter().take(AHEAD)) {
            if let Some(next) = codes.next.get(survivor.row as usize) {
                prefetch(next);
            }
        }
        let mut waiting = Vec::new();
        for ((number, prepared, first, below), Task { mut survivors, .. }) in asking.into_iter().zip(tasks) {
            if let Some(below) = below {
                survivors.retain(|survivor| survivor.sum < below);
            }
            if survivors.is_empty() {
                continue;
            }
            let mut left = Left { block, codes, prepared, first, number, survivors };
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

    /// Later passes and exact score of all that is left.
    fn settle(&self, left: &mut Left<'_, 's, L>) {
        let job = &self.jobs[left.number];
        // What a later stage found may have decided over most of them.
        keep(&mut left.survivors, left.first.threshold(job.floor()));
        if self.filters_first.get(left.number) == Some(&true) {
            left.survivors.iter().for_each(|&survivor| self.second_pass(left, survivor));
            return;
        }
        let mut sifted = Vec::new();
        for some in left.survivors.chunks(SIFTED) {
            let floor = f64::from(job.floor());
            self.kernel.sift(&left.codes.next, some, &left.first.next, floor, &mut sifted);
            for Survivor { row, sum } in sifted.drain(..) {
                self.third_pass(left, row, sum);
            }
        }
    }

    fn second_pass(&self, left: &Left<'_, 's, L>, survivor: Survivor) {
        let &Left { block, codes, first, number, .. } = left;
        let row = survivor.row;
        // The last group may be filled up with rows that are not there.
        let Some(next) = codes.next.get(row as usize) else { return };
        let norms = next.norms();
        // Loose rows have a unit of their own.
        if norms.rest == LOOSE || self.is_filtered_first(block, row, number) {
            return;
        }
        let sum = self.kernel.next(next, &first.next.weights);
        if first.next.bound(survivor.sum, sum, norms) >= f64::from(self.jobs[number].floor()) {
            self.third_pass(left, row, sum);
        }
    }

    /// A row that the second pass left; `sum` is its sum there.
    fn third_pass(&self, &Left { block, codes, prepared, number, .. }: &Left<'_, 's, L>, row: u32, sum: i32) {
        if let Some(fine) = codes.fine.get(row as usize) {
            let sum = sum + self.kernel.fine(fine, &prepared.fine);
            self.judge_bounds(block, row, prepared.fine_bounds(sum, fine.norms()), number);
        }
    }

    /// A row that the first pass says nothing of.
    fn loose(&self, block: &Block<L>, codes: &Codes, prepared: &Prepared, row: u32, number: usize) {
        if self.is_filtered_first(block, row, number) {
            return;
        }
        let bounds = match (codes.next.get(row as usize), codes.fine.get(row as usize)) {
            (Some(next), Some(fine)) if fine.norms().residual != LOOSE => {
                let sum =
                    self.kernel.next(next, &prepared.single.next.weights) + self.kernel.fine(fine, &prepared.fine);
                let norms = fine.norms();
                prepared.fine_bounds(sum, FineNorms { residual: norms.residual & !HEAD_LOOSE, ..norms })
            }
            _ => UNKNOWN,
        };
        self.judge_bounds(block, row, bounds, number);
    }

    /// True where the filter is to be asked before a row's bounds, and says no.
    fn is_filtered_first(&self, block: &Block<L>, row: u32, number: usize) -> bool {
        if self.filters_first.get(number) != Some(&true) {
            return false;
        }
        let tag = block.piece(row).and_then(|(piece, row)| piece.tag(row));
        !tag.is_some_and(|(key, label)| (self.filter)(number, key, label))
    }

    /// A row whose score lies within `bounds`.
    fn judge_bounds(&self, block: &Block<L>, row: u32, bounds: (f64, f64), number: usize) {
        let job = &self.jobs[number];
        if bounds.1 >= f64::from(job.floor()) {
            self.score(block, row, bounds, number, job);
        }
    }

    fn score(&self, block: &Block<L>, row: u32, bounds: (f64, f64), number: usize, job: &Job<'q, L>) {
        if !job.is_idle()
            && let Some((piece, row)) = block.piece(row)
            && let Some(tag) = piece.tag(row)
        {
            self.judge(tag, piece.vector(row, self.dimension), bounds, number, job);
        }
    }

    /// The exact score decides. A row whose vector lies outside waits for it.
    fn judge(
        &self,
        (key, label): (u64, &L),
        vector: Option<&[f32]>,
        (least, most): (f64, f64),
        number: usize,
        job: &Job<'q, L>,
    ) {
        let Some(vector) = vector else {
            if (self.filter)(number, key, label) {
                job.wait(Waiting { key, label: label.clone(), most }, least);
            }
            return;
        };
        let score = self.dot.score(job.query, vector);
        // Most rows end here, before the filter and the label are touched.
        if score >= job.floor() && (self.filter)(number, key, label) {
            job.offer(Hit { key, score, label: label.clone() });
        }
    }
}

/// Leaves those whose sums reach `threshold`. About half of them do, and which cannot be
/// foreseen: nothing here depends on it but where the next one is put.
fn keep(survivors: &mut Vec<Survivor>, threshold: i32) {
    let mut kept = 0;
    for at in 0..survivors.len() {
        let survivor = survivors[at];
        survivors[kept] = survivor;
        kept += usize::from(survivor.sum >= threshold);
    }
    survivors.truncate(kept);
}
