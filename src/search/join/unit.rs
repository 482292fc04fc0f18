//! One unit of work: both passes, then the exact score.

use std::ops::Range;

use super::codes::{CodedSide, GROUPS, JoinBlock, LANES};
use super::kernel::JoinSurvivor;
use super::plan::{RowList, Tiles};
use super::tuning::{BLOCK_QUERIES, CANDIDATES_WANTED, CHUNK_ROWS, PLAIN_ROWS, STRIP_ROWS, SURVIVORS_WANTED};
use super::{Codes, Join, Pair, Side};
use crate::search::SearchError;

/// A list, whose vectors it names, and its codes where there are any.
#[derive(Clone, Copy)]
struct Part<'j, 'a> {
    list: &'j RowList,
    side: Side<'a>,
    coded: Option<&'j CodedSide>,
}

/// A unit being run.
pub(super) struct UnitRun<'j, 'a> {
    join: &'j Join<'a>,
    tiles: Tiles,
    mine: Part<'j, 'a>,
    theirs: Part<'j, 'a>,
    pairs_max: usize,
    found: Vec<Pair>,
    /// Places in either list of pairs to be scored.
    candidates: Vec<(u32, u32)>,
    vectors: [Vec<f32>; 2],
}

impl<'j, 'a> UnitRun<'j, 'a> {
    pub(super) fn new(join: &'j Join<'a>, tiles: Tiles, pairs_max: usize) -> Self {
        let part = |list: usize| Part {
            list: &join.lists[list],
            side: join.side(&join.lists[list]),
            coded: join.codes.as_ref().map(|codes| &codes.lists[list]),
        };
        let (mine, theirs) = (part(0), part(usize::from(tiles.other_is_second)));
        let vectors = [vec![0.0; join.dimension], vec![0.0; join.dimension]];
        Self { join, tiles, mine, theirs, pairs_max, found: Vec::new(), candidates: Vec::new(), vectors }
    }

    /// Every pair of the unit, sorted.
    pub(super) fn run(mut self) -> Result<Vec<Pair>, SearchError> {
        match (&self.join.codes, self.mine.coded, self.theirs.coded) {
            (Some(codes), Some(mine), Some(theirs)) => {
                self.coded(codes, mine, theirs)?;
                self.loose(mine, theirs)?;
            }
            _ => {
                let held: Vec<u32> = self.tiles.first.clone().map(|place| place as u32).collect();
                let triangle = self.tiles.is_triangle();
                self.plain(&held, false, |first, other| !triangle || first < other)?;
            }
        }
        self.found.sort_unstable_by_key(|pair| (pair.a, pair.b));
        Ok(self.found)
    }

    /// The pairs of rows that have codes.
    fn coded(&mut self, codes: &Codes, mine: &CodedSide, theirs: &CodedSide) -> Result<(), SearchError> {
        let triangle = self.tiles.is_triangle();
        let Range { start, end } = self.tiles.other.clone();
        // Rows past the end of the list are loose.
        let end = end.next_multiple_of(CHUNK_ROWS);
        let mut block = JoinBlock::new();
        let mut survivors = Vec::with_capacity(SURVIVORS_WANTED + BLOCK_QUERIES * CHUNK_ROWS);
        let mut sums = Vec::new();
        for strip in (start..end).step_by(STRIP_ROWS) {
            let strip = strip..(strip + STRIP_ROWS).min(end);
            for first in self.tiles.first.clone().step_by(BLOCK_QUERIES) {
                // Of a tile with itself, pairs with the later row in `other` count.
                let from = if triangle { strip.start.max(first) } else { strip.start };
                if from >= strip.end {
                    break;
                }
                block.load(&codes.bound, mine, first, self.join.score);
                let (chunks, _) = theirs.heads[from / LANES..strip.end / LANES].as_chunks::<GROUPS>();
                let numbers = (from - strip.start..).step_by(CHUNK_ROWS);
                for (chunk, number) in chunks.iter().zip(numbers) {
                    codes.kernel.heads(chunk, number as u32, &block.heads, &mut survivors);
                    if survivors.len() >= SURVIVORS_WANTED {
                        self.second_pass(codes, (mine, first, &block), (theirs, &strip), &mut survivors, &mut sums)?;
                    }
                }
                self.second_pass(codes, (mine, first, &block), (theirs, &strip), &mut survivors, &mut sums)?;
            }
        }
        self.score_candidates()
    }

    /// Takes the survivors of one block and one strip to the second pass, and what
    /// that leaves to the candidates.
    fn second_pass(
        &mut self,
        codes: &Codes,
        (mine, first, block): (&CodedSide, usize, &JoinBlock),
        (theirs, strip): (&CodedSide, &Range<usize>),
        survivors: &mut Vec<JoinSurvivor>,
        sums: &mut Vec<i32>,
    ) -> Result<(), SearchError> {
        let triangle = self.tiles.is_triangle();
        sums.clear();
        codes.kernel.fine(survivors, &theirs.fine[strip.clone()], block, sums);
        let wanted = f64::from(self.join.score);
        let (queries, rows) = (&mine.norms[first..], &theirs.norms[strip.clone()]);
        for (survivor, &fine) in survivors.iter().zip(&*sums) {
            let (query, row) = (&queries[survivor.query as usize], &rows[survivor.row as usize]);
            let threshold = block.threshold(survivor.query);
            if codes.bound.of(query, row, threshold, survivor.over, fine) < wanted || row.is_loose() {
                continue;
            }
            let places = (first as u32 + survivor.query, strip.start as u32 + survivor.row);
            if !triangle || places.0 < places.1 {
                self.candidates.push(places);
            }
        }
        survivors.clear();
        if self.candidates.len() >= CANDIDATES_WANTED { self.score_candidates() } else { Ok(()) }
    }

    /// Scores the candidates.
    fn score_candidates(&mut self) -> Result<(), SearchError> {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.retain(|&(first, other)| self.mine.group(first) != self.theirs.group(other));
        candidates.sort_unstable();
        for same in candidates.chunk_by(|a, b| a.0 == b.0) {
            let row = self.mine.row(same[0].0);
            self.mine.side.vectors.read(row, &mut self.vectors[0])?;
            for &(_, other) in same {
                let other = self.theirs.row(other);
                self.theirs.side.vectors.read(other, &mut self.vectors[1])?;
                let score = self.join.dot.score(&self.vectors[0], &self.vectors[1]);
                self.offer(row, other, score)?;
            }
        }
        candidates.clear();
        self.candidates = candidates;
        Ok(())
    }

    /// The pairs one of whose rows, or both, has no codes.
    fn loose(&mut self, mine: &CodedSide, theirs: &CodedSide) -> Result<(), SearchError> {
        let within = |coded: &CodedSide, places: &Range<usize>| -> Vec<u32> {
            let loose = coded.loose.iter().copied();
            loose.filter(|&place| places.contains(&(place as usize))).collect()
        };
        let (first, other) = (within(mine, &self.tiles.first), within(theirs, &self.tiles.other));
        if self.tiles.is_triangle() {
            // The later one of two that are loose is not asked again.
            let loose = |place: u32| mine.norms[place as usize].is_loose();
            return self.plain(&first, false, |held, place| held < place || held != place && !loose(place));
        }
        self.plain(&first, false, |_, _| true)?;
        self.plain(&other, true, |place, _| !mine.norms[place as usize].is_loose())
    }

    /// Scores rows at the places `held` of the one list with every row of the unit
    /// in the other: `held` are of `first`'s list, or of the other one where
    /// `swapped`. `counts` is asked with a place in `first` and one in `other`; in a
    /// triangle the two may come in either order.
    fn plain(&mut self, held: &[u32], swapped: bool, counts: impl Fn(u32, u32) -> bool) -> Result<(), SearchError> {
        let dimension = self.join.dimension;
        let (holder, passing, places) = match swapped {
            false => (self.mine, self.theirs, self.tiles.other.clone()),
            true => (self.theirs, self.mine, self.tiles.first.clone()),
        };
        let mut values = vec![0.0; PLAIN_ROWS.min(held.len()) * dimension];
        let mut vector = vec![0.0; dimension];
        for held in held.chunks(PLAIN_ROWS) {
            for (into, &place) in values.chunks_exact_mut(dimension).zip(held) {
                holder.side.vectors.read(holder.row(place), into)?;
            }
            for place in places.clone() {
                let place = place as u32;
                passing.side.vectors.read(passing.row(place), &mut vector)?;
                for (&held, values) in held.iter().zip(values.chunks_exact(dimension)) {
                    let (first, other) = if swapped { (place, held) } else { (held, place) };
                    if counts(first, other) && self.mine.group(first) != self.theirs.group(other) {
                        let score = self.join.dot.score(values, &vector);
                        self.offer(self.mine.row(first), self.theirs.row(other), score)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn offer(&mut self, first: u32, other: u32, score: f32) -> Result<(), SearchError> {
        if score < self.join.score {
            return Ok(());
        }
        if self.found.len() == self.pairs_max {
            return Err(SearchError::TooManyPairs { max: self.pairs_max });
        }
        let (a, b) = if self.join.two_sided || first < other { (first, other) } else { (other, first) };
        self.found.push(Pair { a, b, score });
        Ok(())
    }
}

impl Part<'_, '_> {
    fn row(&self, place: u32) -> u32 {
        self.list.rows[place as usize]
    }

    fn group(&self, place: u32) -> u32 {
        self.side.groups[self.row(place) as usize]
    }
}
