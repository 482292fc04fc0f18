//! The first pass of a batch: thirty-two rows by six queries at a time.
//!
//! The codes of thirty-two rows are put side by side once for all queries, two dimensions of
//! sixteen rows a register, so that each number of a register is the sum of one row. What
//! the loop leaves is a bit for every row and query, and nothing in it depends on these:
//! which rows they are is asked afterwards, of many rows together.

use std::arch::x86_64::*;

use super::{narrowed, over};
use crate::search::codes::{FINE_BYTES, Fine};
use crate::search::kernel::{Survivor, Task, prefetch};
use crate::search::sixteens::pair;
use crate::search::tuning::HEAD;

/// Queries whose sums are held in registers together at most, two registers each: with the
/// codes, a weight and a product all sixteen are in use.
const TILE: usize = 6;

/// Rows whose codes are put side by side.
const ROWS: usize = 32;

/// Rows after which it is asked which were kept: what is known of them then, for all
/// queries, still lies in the second level of the cache.
const PART_ROWS: usize = 512;

/// [`ROWS`] of a part.
const PART: usize = PART_ROWS / ROWS;

/// Twos of dimensions.
const TWOS: usize = HEAD / 2;

/// Bytes of a row that are put side by side together.
const STRIP: usize = 16;

/// What codes are raised by, so that none has a sign.
const RAISED: i32 = 64;

/// Two sixteens of rows for every two dimensions.
type Codes = [[__m256i; 2]; TWOS];

/// What is known of a part for one query.
#[derive(Clone)]
#[repr(C, align(64))]
struct Known {
    /// Sums of codes, where [`place_of_sum`] says.
    sums: [[[i16; ROWS / 2]; 2]; PART],
    /// A bit for each row, in order, set where it was kept.
    kept: [u32; PART],
}

impl Known {
    const NOTHING: Self = Self { sums: [[[0; ROWS / 2]; 2]; PART], kept: [0; PART] };
}

/// What the loop needs of some queries, side by side in the order in which it is used. Every
/// word holds its number twice.
struct Tile {
    words: [[i32; TILE]; TWOS],
    /// What the sums begin without, modulo 2¹⁶: with it they would not fit.
    starts: [i32; TILE],
    norms: [i32; TILE],
    thresholds: [i32; TILE],
}

impl Tile {
    fn new(tasks: &[Task<'_>]) -> Self {
        let mut tile = Self { words: [[0; TILE]; TWOS], starts: [0; TILE], norms: [0; TILE], thresholds: [0; TILE] };
        let twice = |number: i16| pair([number; 2]);
        for (t, task) in tasks.iter().enumerate().take(TILE) {
            for (two, word) in tile.words.as_chunks_mut::<2>().0.iter_mut().zip(task.weights.words) {
                [two[0][t], two[1][t]] = [twice(word as i16), twice((word >> 16) as i16)];
            }
            tile.starts[t] = twice((RAISED * task.weights.sum).wrapping_neg() as i16);
            tile.norms[t] = twice(task.weights.norms[0] as i16);
            tile.thresholds[t] = twice(narrowed(task.threshold.into()));
        }
        tile
    }
}

#[target_feature(enable = "avx2,popcnt,bmi1")]
pub(super) fn batch(rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
    let tiles: Vec<Tile> = tasks.chunks(TILE).map(Tile::new).collect();
    let mut known = vec![Known::NOTHING; tasks.len()];
    let mut codes: Codes = [[_mm256_setzero_si256(); 2]; TWOS];
    let mut last = [Fine([0; FINE_BYTES]); ROWS];
    let mut places = [0; PART_ROWS + FOUR];
    let each = ROWS.div_ceil(tiles.len().max(1));
    let mut begin = 0;
    while begin < rows.len() {
        let part = &rows[begin..rows.len().min(begin + PART_ROWS)];
        for at in 0..part.len().div_ceil(ROWS) {
            let here = begin + at * ROWS;
            let later = rows.get(here + ROWS..).unwrap_or_default();
            let mut ahead = Ahead { rows: &later[..later.len().min(ROWS)], each };
            let rows = match rows[here..].first_chunk::<ROWS>() {
                Some(rows) => rows,
                None => {
                    last[..rows.len() - here].copy_from_slice(&rows[here..]);
                    &last
                }
            };
            side_by_side(rows, &mut codes);
            let norms = norms(rows);
            for (tile, known) in tiles.iter().zip(known.chunks_mut(TILE)) {
                ahead.ask();
                match known.len() {
                    1 => pass::<1>(&codes, norms, tile, known, at),
                    2 => pass::<2>(&codes, norms, tile, known, at),
                    3 => pass::<3>(&codes, norms, tile, known, at),
                    4 => pass::<4>(&codes, norms, tile, known, at),
                    5 => pass::<5>(&codes, norms, tile, known, at),
                    _ => pass::<TILE>(&codes, norms, tile, known, at),
                }
            }
        }
        for number in 0..tasks.len() {
            add(part, first + begin as u32, &mut known[number], &mut places, &mut tasks[number]);
        }
        begin += PART_ROWS;
    }
}

/// Adds the rows of a part that were kept and whose sums reach the threshold. `first` is
/// the number of the first row.
#[target_feature(enable = "avx2,popcnt,bmi1")]
fn add(part: &[Fine], first: u32, known: &mut Known, places: &mut [u16; PART_ROWS + FOUR], task: &mut Task<'_>) {
    // Nothing is known of rows that are not there.
    known.kept[part.len().div_ceil(ROWS)..].fill(0);
    if !part.len().is_multiple_of(ROWS) {
        known.kept[part.len() / ROWS] &= (1 << (part.len() % ROWS)) - 1;
    }
    let count = set_bits(&known.kept, places);
    let [for_residual, for_rest, ..] = task.weights.norms[0].to_le_bytes().map(i32::from);
    task.survivors.reserve(count);
    for &place in &places[..count] {
        let place = usize::from(place);
        let [.., residual, rest] = part[place].0;
        let along = known.sums.as_flattened().as_flattened()[place_of_sum(place)];
        let sum = i32::from(along) + for_residual * i32::from(residual) + for_rest * i32::from(rest);
        // Not always: thresholds beyond 16 bits were cut off.
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

/// Where the sum of a row of a part lies: of [`ROWS`] there are first rows 0…7 and 16…23,
/// then the others, as [`sixteen`] takes them.
fn place_of_sum(row: usize) -> usize {
    row & !24 | (row & 8) << 1 | (row & 16) >> 1
}

/// Sixteen of [`ROWS`] rows, in an order that `packs` makes that of rows: rows 0…7 and
/// 16…23, or the others. Bytes from `strip` on, two of every row a register.
#[inline]
#[target_feature(enable = "avx2")]
fn sixteen(rows: &[Fine; ROWS], number: usize, strip: usize) -> [__m256i; 8] {
    let mut lines = [_mm256_setzero_si256(); 8];
    for row in 0..8 {
        let low = &rows[8 * number + row].0.as_chunks::<STRIP>().0[strip];
        let high = &rows[16 + 8 * number + row].0.as_chunks::<STRIP>().0[strip];
        // SAFETY: 16 bytes lie at either place; no alignment is asked for.
        lines[row] = unsafe { _mm256_loadu2_m128i(high.as_ptr().cast(), low.as_ptr().cast()) };
    }
    // Rows 0 and 1, 2 and 3, …, first the lower twos of bytes.
    let mut twos = lines;
    for pair in 0..4 {
        let (one, other) = (lines[2 * pair], lines[2 * pair + 1]);
        twos[pair] = _mm256_unpacklo_epi16(one, other);
        twos[4 + pair] = _mm256_unpackhi_epi16(one, other);
    }
    // Rows 0…3 and 4…7: twos 0 and 1, 2 and 3, 4 and 5, 6 and 7.
    let mut fours = lines;
    for half in 0..2 {
        for pair in 0..2 {
            let (one, other) = (twos[4 * half + 2 * pair], twos[4 * half + 2 * pair + 1]);
            fours[4 * half + pair] = _mm256_unpacklo_epi32(one, other);
            fours[4 * half + 2 + pair] = _mm256_unpackhi_epi32(one, other);
        }
    }
    let mut eights = lines;
    for four in 0..4 {
        let (one, other) = (fours[2 * four], fours[2 * four + 1]);
        eights[2 * four] = _mm256_unpacklo_epi64(one, other);
        eights[2 * four + 1] = _mm256_unpackhi_epi64(one, other);
    }
    eights
}

/// Seven bits of codes, raised by [`RAISED`].
#[inline]
#[target_feature(enable = "avx2")]
fn raised(codes: __m256i) -> __m256i {
    let unsigned = _mm256_xor_si256(codes, _mm256_set1_epi8(i8::MIN));
    _mm256_and_si256(_mm256_srli_epi16::<1>(unsigned), _mm256_set1_epi8(0x7F))
}

#[inline]
#[target_feature(enable = "avx2")]
fn side_by_side(rows: &[Fine; ROWS], codes: &mut Codes) {
    const { assert!(HEAD.is_multiple_of(STRIP)) };
    for strip in 0..HEAD / STRIP {
        for number in 0..2 {
            let columns = sixteen(rows, number, strip);
            for two in 0..STRIP / 2 {
                codes[STRIP / 2 * strip + two][number] = raised(columns[two]);
            }
        }
    }
}

/// The norms of two sixteens of rows, at the end of each row.
#[inline]
#[target_feature(enable = "avx2")]
fn norms(rows: &[Fine; ROWS]) -> [__m256i; 2] {
    const { assert!(FINE_BYTES.is_multiple_of(STRIP)) };
    let mut norms = [_mm256_setzero_si256(); 2];
    for number in 0..2 {
        [.., norms[number]] = sixteen(rows, number, FINE_BYTES / STRIP - 1);
    }
    norms
}

/// Thirty-two rows by `N` queries of a tile.
#[inline]
#[target_feature(enable = "avx2")]
fn pass<const N: usize>(codes: &Codes, norms: [__m256i; 2], tile: &Tile, known: &mut [Known], at: usize) {
    let Some(known) = known.first_chunk_mut::<N>() else { return };
    let mut sums = [[_mm256_setzero_si256(); 2]; N];
    for t in 0..N {
        sums[t] = [_mm256_set1_epi32(tile.starts[t]); 2];
    }
    // Two together: there is less to count.
    for pair in 0..TWOS / 2 {
        for two in [2 * pair, 2 * pair + 1] {
            let codes = codes[two];
            for t in 0..N {
                let weights = _mm256_set1_epi32(tile.words[two][t]);
                for sixteen in 0..2 {
                    let product = _mm256_maddubs_epi16(codes[sixteen], weights);
                    sums[t][sixteen] = _mm256_add_epi16(sums[t][sixteen], product);
                }
            }
        }
    }
    for t in 0..N {
        let (weights, threshold) = (_mm256_set1_epi32(tile.norms[t]), _mm256_set1_epi32(tile.thresholds[t]));
        let first = over(sums[t][0], norms[0], weights, threshold);
        let second = over(sums[t][1], norms[1], weights, threshold);
        let [low, high] = &mut known[t].sums[at];
        // SAFETY: the halves hold the 32 bytes each that are written; no alignment is asked
        // for.
        unsafe {
            _mm256_storeu_si256(low.as_mut_ptr().cast(), sums[t][0]);
            _mm256_storeu_si256(high.as_mut_ptr().cast(), sums[t][1]);
        }
        // Bytes have the signs of the words.
        known[t].kept[at] = !_mm256_movemask_epi8(_mm256_packs_epi16(first, second)).cast_unsigned();
    }
}

/// Set bits that are written down together, whether there are so many or not: how many
/// there are cannot be foreseen, and to guess wrongly costs more.
const FOUR: usize = 4;

/// Writes down which bits are set, and returns how many are.
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1")]
fn set_bits(masks: &[u32; PART], places: &mut [u16; PART_ROWS + FOUR]) -> usize {
    const { assert!(ROWS == 32 && PART.is_multiple_of(8)) };
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
