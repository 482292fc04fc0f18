//! The first pass of a batch on x86-64, whatever multiplies: some rows by a tile of queries
//! at a time.
//!
//! Codes of some rows are put side by side once for all queries. What the loop leaves is a
//! bit for every row and query, and nothing in it depends on these: which rows they are is
//! asked afterwards, of many rows together.

// Numbers instead of iterators: with longer registers switched on for single functions,
// not all of an iterator's code is put in line.
#![allow(clippy::needless_range_loop)]

use super::{Survivor, Task, prefetch};
use crate::search::codes::{FINE_BYTES, Fine};
use crate::search::tuning::HEAD;

/// Queries whose sums are held in registers together at most.
pub(super) const TILE: usize = 6;

/// Rows after which it is asked which were kept: what is known of them then, for all
/// queries, still lies in the second level of the cache.
const PART_ROWS: usize = 512;

/// Rows a word of bits is of.
const WORD_ROWS: usize = u32::BITS as usize;

/// Words of bits of a part.
const WORDS: usize = PART_ROWS / WORD_ROWS;

/// What codes are raised by, so that none has a sign.
pub(super) const RAISED: i32 = 64;

/// Bytes of a row that are put side by side together.
pub(super) const STRIP: usize = 16;

/// The strip that a row's norms are at the end of.
pub(super) const LAST_STRIP: usize = FINE_BYTES / STRIP - 1;

const _: () = assert!(HEAD.is_multiple_of(STRIP) && FINE_BYTES.is_multiple_of(STRIP));

/// Some queries, side by side in the order in which a loop uses them.
pub(super) struct Tile<const WORDS_EACH: usize> {
    pub(super) words: [[i32; TILE]; WORDS_EACH],
    /// What the sums begin without.
    pub(super) starts: [i32; TILE],
    pub(super) norms: [i32; TILE],
    pub(super) thresholds: [i32; TILE],
}

impl<const WORDS_EACH: usize> Tile<WORDS_EACH> {
    pub(super) const NOTHING: Self =
        Self { words: [[0; TILE]; WORDS_EACH], starts: [0; TILE], norms: [0; TILE], thresholds: [0; TILE] };
}

/// How one instruction set multiplies `ROWS` rows by a tile of queries.
pub(super) trait Multiplier<const ROWS: usize> {
    /// The codes and norms of `ROWS` rows.
    type Codes;
    /// What the loop needs of [`TILE`] queries.
    type Tile;

    /// Those of rows of zeros.
    fn nothing() -> Self::Codes;

    /// That of the first [`TILE`] tasks, or of fewer.
    fn tile(tasks: &[Task<'_>]) -> Self::Tile;

    /// Where the sum of a row of a part is written down.
    fn place_of_sum(row: usize) -> usize;

    /// # Safety
    ///
    /// The processor has the instruction set.
    unsafe fn side_by_side(rows: &[Fine; ROWS], codes: &mut Self::Codes);

    /// Writes down, of the first `N` queries of a tile, the sums of codes and which rows are
    /// kept, norms included; more may be where thresholds lie beyond 16 bits. `at` says how
    /// many rows there were of the part so far.
    ///
    /// # Safety
    ///
    /// The processor has the instruction set.
    unsafe fn pass<const N: usize>(codes: &Self::Codes, tile: &Self::Tile, known: &mut [Known; N], at: usize);
}

/// What is known of a part for one query.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct Known {
    /// Sums of codes, where [`Multiplier::place_of_sum`] says.
    sums: [i16; PART_ROWS],
    /// A bit for each row, in order, set where it was kept.
    kept: [u32; WORDS],
}

impl Known {
    const NOTHING: Self = Self { sums: [0; PART_ROWS], kept: [0; WORDS] };

    /// The sums from place `at` on, a multiple of sixteen.
    #[inline]
    pub(super) fn sums(&mut self, at: usize) -> &mut [i16; 16] {
        &mut self.sums.as_chunks_mut::<16>().0[at / 16]
    }

    /// The bits from row `at` on, a multiple of 32.
    #[inline]
    pub(super) fn kept(&mut self, at: usize) -> &mut u32 {
        &mut self.kept[at / WORD_ROWS]
    }
}

/// The first pass of a batch. `first` is the number of the first row.
///
/// # Safety
///
/// The processor has what `M` needs, POPCNT and BMI1.
// In line in a function with the instruction set switched on: what this calls is put in
// line there as well.
#[inline(always)]
pub(super) unsafe fn batch<M: Multiplier<ROWS>, const ROWS: usize>(rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
    const { assert!(PART_ROWS.is_multiple_of(ROWS) && ROWS.is_multiple_of(WORD_ROWS)) };
    let tiles: Vec<M::Tile> = tasks.chunks(TILE).map(M::tile).collect();
    let mut known = vec![Known::NOTHING; tasks.len()];
    let mut codes = M::nothing();
    let mut last = [Fine([0; FINE_BYTES]); ROWS];
    let mut places = [0; PART_ROWS + FOUR];
    let each = ROWS.div_ceil(tiles.len().max(1));
    let mut begin = 0;
    while begin < rows.len() {
        let part = &rows[begin..rows.len().min(begin + PART_ROWS)];
        for at in (0..part.len()).step_by(ROWS) {
            let here = begin + at;
            let later = rows.get(here + ROWS..).unwrap_or_default();
            let mut ahead = Ahead { rows: &later[..later.len().min(ROWS)], each };
            let rows = match rows[here..].first_chunk::<ROWS>() {
                Some(rows) => rows,
                None => {
                    last[..rows.len() - here].copy_from_slice(&rows[here..]);
                    &last
                }
            };
            // SAFETY: the caller's promise.
            unsafe { M::side_by_side(rows, &mut codes) };
            for number in 0..tiles.len() {
                ahead.ask();
                let known = &mut known[number * TILE..tasks.len().min((number + 1) * TILE)];
                // SAFETY: as above.
                unsafe { pass::<M, ROWS>(&codes, &tiles[number], known, at) };
            }
        }
        for number in 0..tasks.len() {
            let (known, task) = (&mut known[number], &mut tasks[number]);
            // SAFETY: as above.
            unsafe { add(part, first + begin as u32, known, M::place_of_sum, &mut places, task) };
        }
        begin += PART_ROWS;
    }
}

/// The pass of a tile of as many queries as there is something known of.
///
/// # Safety
///
/// The processor has what `M` needs.
#[inline(always)]
unsafe fn pass<M: Multiplier<ROWS>, const ROWS: usize>(
    codes: &M::Codes,
    tile: &M::Tile,
    known: &mut [Known],
    at: usize,
) {
    const { assert!(TILE == 6) };
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(known) = known.first_chunk_mut::<TILE>() {
            M::pass(codes, tile, known, at);
        } else if let Some(known) = known.first_chunk_mut::<5>() {
            M::pass(codes, tile, known, at);
        } else if let Some(known) = known.first_chunk_mut::<4>() {
            M::pass(codes, tile, known, at);
        } else if let Some(known) = known.first_chunk_mut::<3>() {
            M::pass(codes, tile, known, at);
        } else if let Some(known) = known.first_chunk_mut::<2>() {
            M::pass(codes, tile, known, at);
        } else if let Some(known) = known.first_chunk_mut::<1>() {
            M::pass(codes, tile, known, at);
        }
    }
}

/// Adds the rows of a part that were kept and whose sums reach the threshold. `first` is
/// the number of the first row.
#[inline]
#[target_feature(enable = "popcnt,bmi1")]
fn add(
    part: &[Fine],
    first: u32,
    known: &mut Known,
    place_of_sum: impl Fn(usize) -> usize,
    places: &mut [u16; PART_ROWS + FOUR],
    task: &mut Task<'_>,
) {
    // Nothing is known of rows that are not there.
    known.kept[part.len().div_ceil(WORD_ROWS)..].fill(0);
    if !part.len().is_multiple_of(WORD_ROWS) {
        known.kept[part.len() / WORD_ROWS] &= (1 << (part.len() % WORD_ROWS)) - 1;
    }
    let count = set_bits(&known.kept, places);
    let [for_residual, for_rest, ..] = task.weights.norms[0].to_le_bytes().map(i32::from);
    task.survivors.reserve(count);
    for &place in &places[..count] {
        let place = usize::from(place);
        let [.., residual, rest] = part[place].0;
        let along = known.sums[place_of_sum(place)];
        let sum = i32::from(along) + for_residual * i32::from(residual) + for_rest * i32::from(rest);
        if sum >= task.threshold {
            task.survivors.push(Survivor { row: first + place as u32, sum });
        }
    }
}

/// Rows whose memory is asked for ahead of their turn, some before each tile: all at once
/// would be more than the processor keeps in mind.
struct Ahead<'r> {
    rows: &'r [Fine],
    each: usize,
}

impl Ahead<'_> {
    #[inline]
    fn ask(&mut self) {
        let (now, later) = self.rows.split_at(self.rows.len().min(self.each));
        now.iter().for_each(prefetch);
        self.rows = later;
    }
}

/// Set bits that are written down together, whether there are so many or not: how many
/// there are cannot be foreseen, and to guess wrongly costs more.
const FOUR: usize = 4;

/// Writes down which bits are set, and returns how many are.
#[inline]
#[target_feature(enable = "popcnt,bmi1")]
fn set_bits(masks: &[u32; WORDS], places: &mut [u16; PART_ROWS + FOUR]) -> usize {
    const { assert!(WORDS.is_multiple_of(8)) };
    let mut count = 0;
    for (number, eight) in masks.as_chunks::<8>().0.iter().enumerate() {
        if *eight == [0; 8] {
            continue;
        }
        for (two, &[low, high]) in eight.as_chunks::<2>().0.iter().enumerate() {
            let mut mask = u64::from(low) | u64::from(high) << 32;
            let first = (256 * number + 64 * two) as u16;
            let end = count + mask.count_ones() as usize;
            loop {
                for place in &mut places[count..count + FOUR] {
                    // Of no bit, where there are fewer: to be overwritten.
                    *place = first + mask.trailing_zeros() as u16;
                    mask &= mask.wrapping_sub(1);
                }
                count += FOUR;
                if count >= end {
                    break;
                }
            }
            count = end;
        }
    }
    count
}
