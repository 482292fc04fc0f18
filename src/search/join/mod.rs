//! All pairs at or above a score: the join behind the audit of a whole gallery.
//!
//! Promise: the units of a [`Join`] together return every pair of rows of
//! different groups whose score, by the one dot product of `matching`, is at or
//! above the score asked for, and no other pair, each once; whatever the machine,
//! the number of threads and the instruction set.

mod axes;
mod bound;
mod codes;
mod kernel;
mod plan;
#[cfg(test)]
mod tests;
mod tuning;
mod unit;
mod vectors;

use rayon::prelude::*;

use axes::Axes;
use bound::{Bound, LENGTH_CODED_MAX};
use codes::{CodedSide, ROW_BYTES};
use kernel::JoinKernel;
use plan::{JoinPlan, RowList, Shape};
use tuning::{CODED_DIMENSION_MIN, CODED_ROWS_MIN, FINE, HEAD, PLAIN_ROWS, SAMPLE_MAX};
use unit::UnitRun;
pub use vectors::{Matrix, Side, Vectors};

/// The loop of the first pass over rows of another width, for what the join is measured against.
pub(crate) mod plain {
    pub(crate) use super::codes::{
        BYTE_OFFSET, GROUPS, JoinChunk, JoinGroup, JoinLine, JoinQueries, LANES, PLAIN_WORDS, TILE,
    };
    pub(crate) use super::kernel::JoinKernel;
    pub(crate) use super::tuning::{BLOCK_QUERIES, CHUNK_ROWS};
}

use super::SearchError;
use super::vector::check;
use crate::matching::Dot;

/// The instruction set of the join's loops on this machine.
pub(super) fn instruction_set() -> &'static str {
    JoinKernel::best().name()
}

/// Two rows that score at or above what was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Row of the first side. Where there is one side only, the lower row.
    pub a: u32,
    /// Row of the second side, or the higher row.
    pub b: u32,
    /// Their dot product.
    pub score: f32,
}

/// All pairs at or above a score, ready to be found unit by unit.
pub struct Join<'a> {
    sides: [Side<'a>; 2],
    lists: [RowList; 2],
    plan: JoinPlan,
    score: f32,
    dot: Dot,
    dimension: usize,
    two_sided: bool,
    codes: Option<Codes>,
}

impl<'a> Join<'a> {
    /// All pairs of rows of different groups within one side at or above `score`.
    ///
    /// # Errors
    /// As [`Join::between`].
    pub fn within(side: Side<'a>, score: f32) -> Result<Self, SearchError> {
        let rows = rows_of(side)?;
        Self::prepare([side, side], [rows, Vec::new()], Shape::Within, score)
    }

    /// Those of the same pairs one of whose rows, or both, `fresh` says true of.
    ///
    /// # Errors
    /// As [`Join::between`]; [`SearchError::Groups`] also where `fresh` has not one
    /// value for every row.
    pub fn within_fresh(side: Side<'a>, fresh: &[bool], score: f32) -> Result<Self, SearchError> {
        let rows = rows_of(side)?;
        if fresh.len() != rows.len() {
            return Err(SearchError::Groups { expected: rows.len(), found: fresh.len() });
        }
        let (fresh, others) = rows.into_iter().partition(|&row| fresh[row as usize]);
        Self::prepare([side, side], [fresh, others], Shape::WithinAndBetween, score)
    }

    /// All pairs of a row of `first` and a row of `second` at or above `score`,
    /// but for those whose groups have the same number.
    ///
    /// # Errors
    /// [`SearchError::BadScore`] where `score` is not finite,
    /// [`SearchError::Groups`] where a side has not one group for every row,
    /// [`SearchError::Dimension`] where the sides differ in dimension,
    /// [`SearchError::NotFinite`] where a vector cannot be scored,
    /// [`SearchError::Full`] where there are too many rows, and whatever reading
    /// the vectors gives.
    pub fn between(first: Side<'a>, second: Side<'a>, score: f32) -> Result<Self, SearchError> {
        let rows = [rows_of(first)?, rows_of(second)?];
        Self::prepare([first, second], rows, Shape::Between, score)
    }

    fn prepare(sides: [Side<'a>; 2], rows: [Vec<u32>; 2], shape: Shape, score: f32) -> Result<Self, SearchError> {
        let mut join = Self::planned(sides, rows, shape, score)?;
        let rows = join.lists.iter().map(|list| list.rows.len()).sum();
        if is_coded(rows, join.dimension) {
            join.code(JoinKernel::best())?
        } else {
            join.check_vectors()?
        }
        Ok(join)
    }

    /// A join that compares rows as they are.
    fn planned(sides: [Side<'a>; 2], rows: [Vec<u32>; 2], shape: Shape, score: f32) -> Result<Self, SearchError> {
        if !score.is_finite() {
            return Err(SearchError::BadScore);
        }
        let dimension = sides[0].vectors.dimension();
        if sides[1].vectors.dimension() != dimension {
            return Err(SearchError::Dimension { expected: dimension, found: sides[1].vectors.dimension() });
        }
        if dimension == 0 && rows.iter().any(|rows| !rows.is_empty()) {
            return Err(SearchError::Dimension { expected: 1, found: 0 });
        }
        let two_sided = shape == Shape::Between;
        let [first, other] = rows;
        let lists = [RowList { rows: first, second_side: false }, RowList { rows: other, second_side: two_sided }];
        let plan = JoinPlan::new(shape, [lists[0].rows.len(), lists[1].rows.len()]);
        if u32::try_from(plan.units()).is_err() {
            return Err(SearchError::Full { max: ROWS_MAX });
        }
        Ok(Self { sides, lists, plan, score, dot: Dot::best(), dimension, two_sided, codes: None })
    }

    /// Fits a rotation to all rows and codes them. Reads and checks each.
    fn code(&mut self, kernel: JoinKernel) -> Result<(), SearchError> {
        let Some(axes) = Axes::fit(&self.sample()?, self.dimension, self.dot) else {
            return self.check_vectors();
        };
        let coded = |list: &RowList| CodedSide::new(&axes, self.side(list).vectors, &list.rows, self.dot);
        let lists = [coded(&self.lists[0])?, coded(&self.lists[1])?];
        self.codes = Some(Codes { lists, bound: Bound::new(&axes), kernel, axes_bytes: axes.bytes() });
        Ok(())
    }

    /// Vectors from all over the lists, row after row; without those that no codes
    /// would be made for.
    fn sample(&self) -> Result<Vec<f32>, SearchError> {
        let rows: usize = self.lists.iter().map(|list| list.rows.len()).sum();
        let stride = rows.div_ceil(SAMPLE_MAX).max(1);
        let mut sample = Vec::with_capacity(SAMPLE_MAX.min(rows) * self.dimension);
        let mut vector = vec![0.0; self.dimension];
        for list in &self.lists {
            for &row in list.rows.iter().step_by(stride) {
                self.side(list).vectors.read(row, &mut vector)?;
                if (1e-3..=LENGTH_CODED_MAX).contains(&bound::length(&vector)) {
                    sample.extend_from_slice(&vector);
                }
            }
        }
        Ok(sample)
    }

    fn check_vectors(&self) -> Result<(), SearchError> {
        for list in &self.lists {
            let vectors = self.side(list).vectors;
            list.rows.par_chunks(PLAIN_ROWS).try_for_each_init(
                || vec![0.0; self.dimension],
                |vector, rows| {
                    rows.iter().try_for_each(|&row| {
                        vectors.read(row, vector)?;
                        check(vector, self.dimension)
                    })
                },
            )?;
        }
        Ok(())
    }

    fn side(&self, list: &RowList) -> Side<'a> {
        self.sides[usize::from(list.second_side)]
    }

    /// Units of work, numbered from 0, each to be done by [`Join::run`] in any
    /// order and on any thread. The same for the same input, on every machine.
    pub fn units(&self) -> u32 {
        // Checked when it was made.
        self.plan.units() as u32
    }

    /// Pairs of different groups that unit `unit` decides: over all units, exactly
    /// the number of such pairs.
    pub fn comparisons(&self, unit: u32) -> u64 {
        if unit >= self.units() {
            return 0;
        }
        let tiles = self.plan.tiles_of(u64::from(unit));
        let sorted = |list: &RowList, places: std::ops::Range<usize>| {
            let groups = self.side(list).groups;
            let mut groups: Vec<u32> = list.rows[places].iter().map(|&row| groups[row as usize]).collect();
            groups.sort_unstable();
            groups
        };
        let first = sorted(&self.lists[0], tiles.first.clone());
        if tiles.is_triangle() {
            let pairs = |count: usize| (count as u64) * (count as u64).saturating_sub(1) / 2;
            let same: u64 = first.chunk_by(|a, b| a == b).map(|same| pairs(same.len())).sum();
            return pairs(first.len()) - same;
        }
        let other = sorted(&self.lists[usize::from(tiles.other_is_second)], tiles.other.clone());
        let mut left = other.chunk_by(|a, b| a == b).peekable();
        let mut same = 0u64;
        for mine in first.chunk_by(|a, b| a == b) {
            while left.next_if(|theirs| theirs[0] < mine[0]).is_some() {}
            if let Some(theirs) = left.peek().filter(|theirs| theirs[0] == mine[0]) {
                same += mine.len() as u64 * theirs.len() as u64;
            }
        }
        first.len() as u64 * other.len() as u64 - same
    }

    /// Every pair of unit `unit` at or above the score and no other, sorted by
    /// (a, b); nothing where there is no such unit. Runs on the calling thread.
    ///
    /// # Errors
    /// [`SearchError::TooManyPairs`] where the unit has more than `pairs_max`, and
    /// whatever reading the vectors gives.
    pub fn run(&self, unit: u32, pairs_max: usize) -> Result<Vec<Pair>, SearchError> {
        if unit >= self.units() {
            return Ok(Vec::new());
        }
        UnitRun::new(self, self.plan.tiles_of(u64::from(unit)), pairs_max).run()
    }

    /// Memory it holds beside the vectors, in bytes.
    pub fn bytes_held(&self) -> u64 {
        let rows: usize = self.lists.iter().map(|list| list.rows.capacity() * size_of::<u32>()).sum();
        let codes = self
            .codes
            .as_ref()
            .map_or(0, |codes| codes.lists.iter().map(CodedSide::bytes).sum::<usize>() + codes.axes_bytes);
        (rows + codes) as u64
    }

    /// What [`Join::bytes_held`] will be about, for `rows` rows in all of `dimension`
    /// values each.
    pub fn bytes(rows: usize, dimension: usize) -> u64 {
        let a_row = if is_coded(rows, dimension) { ROW_BYTES } else { 0 } + size_of::<u32>();
        let axes = if is_coded(rows, dimension) { (HEAD + FINE).min(dimension) * dimension * 4 } else { 0 };
        rows as u64 * a_row as u64 + axes as u64
    }

    /// Name of the instruction set.
    pub fn kernel(&self) -> &'static str {
        self.codes.as_ref().map_or(self.dot.name(), |codes| codes.kernel.name())
    }
}

/// The codes of both lists.
struct Codes {
    lists: [CodedSide; 2],
    bound: Bound,
    kernel: JoinKernel,
    axes_bytes: usize,
}

/// Whether so many rows are worth being coded.
fn is_coded(rows: usize, dimension: usize) -> bool {
    rows >= CODED_ROWS_MIN && dimension >= CODED_DIMENSION_MIN
}

/// Most rows of a side: with those, units still have 32-bit numbers.
const ROWS_MAX: u64 = 1 << 31;

fn rows_of(side: Side<'_>) -> Result<Vec<u32>, SearchError> {
    let rows = side.vectors.rows();
    if side.groups.len() != rows {
        return Err(SearchError::Groups { expected: rows, found: side.groups.len() });
    }
    match u32::try_from(rows) {
        Ok(rows) if u64::from(rows) <= ROWS_MAX => Ok((0..rows).collect()),
        _ => Err(SearchError::Full { max: ROWS_MAX }),
    }
}
