//! All pairs at or above a score: the join behind the audit of a whole gallery.
//!
//! Promise: the units of a [`Join`] together return every pair of rows of
//! different groups whose score, by the one dot product of `matching`, is at or
//! above the score asked for, and no other pair, each once; whatever the machine,
//! the number of threads and the instruction set.

mod plan;
#[cfg(test)]
mod tests;
mod tuning;
mod vectors;

use plan::{List, Plan, Shape, Tiles};
pub use vectors::{Matrix, Side, Vectors};

use super::SearchError;
use super::index::check;
use crate::matching::Dot;

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
    lists: [List; 2],
    plan: Plan,
    score: f32,
    dot: Dot,
    dimension: usize,
    two_sided: bool,
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
        if !score.is_finite() {
            return Err(SearchError::BadScore);
        }
        let dimension = sides[0].vectors.dimension();
        if sides[1].vectors.dimension() != dimension {
            return Err(SearchError::Dimension { expected: dimension, found: sides[1].vectors.dimension() });
        }
        let two_sided = shape == Shape::Between;
        let [first, other] = rows;
        let lists = [List { rows: first, second_side: false }, List { rows: other, second_side: two_sided }];
        let plan = Plan::new(shape, [lists[0].rows.len(), lists[1].rows.len()]);
        if u32::try_from(plan.units()).is_err() {
            return Err(SearchError::Full { max: ROWS_MAX });
        }
        let join = Self { sides, lists, plan, score, dot: Dot::best(), dimension, two_sided };
        join.check_vectors()?;
        Ok(join)
    }

    fn check_vectors(&self) -> Result<(), SearchError> {
        use rayon::prelude::*;
        for list in &self.lists {
            let vectors = self.side(list).vectors;
            list.rows.par_chunks(1024).try_for_each_init(
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

    fn side(&self, list: &List) -> Side<'a> {
        self.sides[usize::from(list.second_side)]
    }

    fn other(&self, tiles: &Tiles) -> &List {
        &self.lists[usize::from(tiles.other_is_second)]
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
        let sorted = |list: &List, places: std::ops::Range<usize>| {
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
        let other = sorted(self.other(&tiles), tiles.other.clone());
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
        let tiles = self.plan.tiles_of(u64::from(unit));
        let (mine, theirs) = (&self.lists[0], self.other(&tiles));
        let (my_side, their_side) = (self.side(mine), self.side(theirs));
        let mut found = Vec::new();
        let mut others = vec![0.0; BLOCK_ROWS * self.dimension];
        let mut vector = vec![0.0; self.dimension];
        for start in tiles.other.clone().step_by(BLOCK_ROWS) {
            let places = start..(start + BLOCK_ROWS).min(tiles.other.end);
            let rows = &theirs.rows[places.clone()];
            for (into, &row) in others.chunks_exact_mut(self.dimension.max(1)).zip(rows) {
                their_side.vectors.read(row, into)?;
            }
            for first in tiles.first.clone() {
                let row = mine.rows[first];
                my_side.vectors.read(row, &mut vector)?;
                let group = my_side.groups[row as usize];
                for (place, (other, &other_row)) in
                    places.clone().zip(others.chunks_exact(self.dimension.max(1)).zip(rows))
                {
                    if tiles.is_triangle() && place <= first || their_side.groups[other_row as usize] == group {
                        continue;
                    }
                    let score = self.dot.score(&vector, other);
                    if score >= self.score {
                        if found.len() == pairs_max {
                            return Err(SearchError::TooManyPairs { max: pairs_max });
                        }
                        found.push(self.pair(row, other_row, score));
                    }
                }
            }
        }
        found.sort_unstable_by_key(|pair| (pair.a, pair.b));
        Ok(found)
    }

    fn pair(&self, first: u32, other: u32, score: f32) -> Pair {
        let (a, b) = if self.two_sided || first < other { (first, other) } else { (other, first) };
        Pair { a, b, score }
    }

    /// Memory it holds beside the vectors, in bytes.
    pub fn bytes_held(&self) -> u64 {
        self.lists.iter().map(|list| list.rows.capacity() as u64 * 4).sum()
    }

    /// What [`Join::bytes_held`] will be about, before one is made of `rows` rows in
    /// all of `dimension` values.
    pub fn bytes(rows: usize, dimension: usize) -> u64 {
        let _ = dimension;
        rows as u64 * 4
    }
}

/// Rows of a block that is compared with row after row.
const BLOCK_ROWS: usize = 64;

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
