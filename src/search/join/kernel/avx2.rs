//! AVX2: eight rows a register, sums in sixteen bits. `bound` says why those are
//! enough.

// Numbers instead of iterators: with longer registers switched on for single functions,
// not all of an iterator's code is put in line.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::JoinSurvivor;
use crate::search::i16x16::{kept, pairs};
use crate::search::join::bound::OVER_MAX;
use crate::search::join::codes::PLAIN_WORDS;
use crate::search::join::codes::{
    CODE_WORDS, JoinBlock, JoinChunk, JoinFine, JoinGroup, JoinLine, JoinQueries, LANES, TILE,
};
use crate::search::join::tuning::{AHEAD, BLOCK_QUERIES, FINE};

/// Only reachable through a [`super::JoinKernel`] made after the check for AVX2.
pub(super) fn heads(chunk: &JoinChunk, first: u32, queries: &JoinQueries, survivors: &mut Vec<JoinSurvivor>) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: `JoinKernel` hands this function out only where AVX2 was detected.
    unsafe { heads_wide(chunk, first, queries, survivors) }
}

/// Likewise.
pub(super) fn plain(
    chunk: &JoinChunk<PLAIN_WORDS>,
    first: u32,
    queries: &JoinQueries<PLAIN_WORDS>,
    survivors: &mut Vec<JoinSurvivor>,
) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: as above.
    unsafe { plain_wide(chunk, first, queries, survivors) }
}

/// Likewise.
pub(super) fn fine(survivors: &[JoinSurvivor], rows: &[JoinFine], block: &JoinBlock, sums: &mut Vec<i32>) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: as above.
    unsafe { fine_wide(survivors, rows, block, sums) }
}

#[target_feature(enable = "avx2")]
fn fine_wide(survivors: &[JoinSurvivor], rows: &[JoinFine], block: &JoinBlock, sums: &mut Vec<i32>) {
    for at in 0..survivors.len() {
        if at + AHEAD < survivors.len() {
            let ahead = &rows[survivors[at + AHEAD].row as usize];
            _mm_prefetch::<_MM_HINT_T0>(ahead.0.as_ptr());
        }
        let JoinSurvivor { query, row, .. } = survivors[at];
        sums.push(signed_products(&rows[row as usize], &block.fine[query as usize]));
    }
}

/// The sum of the products of two rows' codes, none of which is −128.
#[inline]
#[target_feature(enable = "avx2")]
fn signed_products(row: &JoinFine, query: &JoinFine) -> i32 {
    const { assert!(FINE.is_multiple_of(32)) };
    let (row, query) = (row.0.as_chunks::<32>().0, query.0.as_chunks::<32>().0);
    let mut sums = _mm256_setzero_si256();
    for i in 0..FINE / 32 {
        // SAFETY: both are 32 bytes; no alignment is asked for.
        let (row, query) =
            unsafe { (_mm256_loadu_si256(row[i].as_ptr().cast()), _mm256_loadu_si256(query[i].as_ptr().cast())) };
        // Two products are at most 2 · 127 · 127 together.
        let products = _mm256_maddubs_epi16(_mm256_abs_epi8(row), _mm256_sign_epi8(query, row));
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
    }
    let half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
    _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter)))
}

/// Half a line: eight rows of four bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn load(line: &JoinLine, half: usize) -> __m256i {
    let rows = &line.0.as_chunks::<8>().0[half];
    // SAFETY: eight rows of four bytes; no alignment is asked for.
    unsafe { _mm256_loadu_si256(rows.as_ptr().cast()) }
}

/// All queries by each group of the chunk.
#[target_feature(enable = "avx2")]
fn heads_wide(chunk: &JoinChunk, first: u32, queries: &JoinQueries, survivors: &mut Vec<JoinSurvivor>) {
    for (number, group) in chunk.iter().enumerate() {
        let rows = first + (number * LANES) as u32;
        // Two bytes a row, U and E, in the order in which `hadd` puts the sums below.
        let norms = &group.0[CODE_WORDS];
        let norms = _mm256_packus_epi32(load(norms, 0), load(norms, 1));
        for tile in 0..BLOCK_QUERIES / TILE {
            heads_tile(group, norms, rows, queries, tile, survivors);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn heads_tile(
    group: &JoinGroup,
    norms: __m256i,
    first: u32,
    queries: &JoinQueries,
    tile: usize,
    survivors: &mut Vec<JoinSurvivor>,
) {
    let words = &queries.words[tile];
    // Two sums of a row side by side, the first begun with what raising the codes
    // adds too much, modulo 2¹⁶.
    let mut sums = [[_mm256_setzero_si256(); 2]; TILE];
    for t in 0..TILE {
        sums[t] = [_mm256_set1_epi32(queries.lowered[tile][t]); 2];
    }
    for word in 0..CODE_WORDS {
        let (one, other) = (load(&group.0[word], 0), load(&group.0[word], 1));
        for t in 0..TILE {
            let weights = _mm256_set1_epi32(words[word][t]);
            sums[t][0] = _mm256_add_epi16(sums[t][0], _mm256_maddubs_epi16(one, weights));
            sums[t][1] = _mm256_add_epi16(sums[t][1], _mm256_maddubs_epi16(other, weights));
        }
    }
    let mut over = [_mm256_setzero_si256(); TILE];
    let mut none = _mm256_set1_epi8(-1);
    for t in 0..TILE {
        let along = _mm256_hadd_epi16(sums[t][0], sums[t][1]);
        let along = _mm256_subs_epi16(along, pairs(queries.thresholds[tile][t]));
        let beyond = _mm256_maddubs_epi16(norms, _mm256_set1_epi32(words[CODE_WORDS][t]));
        over[t] = _mm256_adds_epi16(along, beyond);
        none = _mm256_and_si256(none, over[t]);
    }
    if kept(none) != 0 {
        for t in 0..TILE {
            add(over[t], first, (tile * TILE + t) as u32, survivors);
        }
    }
}

/// Adds those of sixteen rows whose sums are zero or above.
#[inline]
#[target_feature(enable = "avx2")]
fn add(over: __m256i, first: u32, query: u32, survivors: &mut Vec<JoinSurvivor>) {
    // `hadd` and `packus` take four rows of one register, then four of the other.
    const ROWS: [u32; 16] = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];
    let mut kept = kept(over);
    if kept == 0 {
        return;
    }
    let mut values = [0i16; 16];
    // SAFETY: the array holds the 32 bytes that are written; no alignment is asked for.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), over) };
    while kept != 0 {
        let at = kept.trailing_zeros() as usize / 2;
        survivors.push(JoinSurvivor { query, row: first + ROWS[at], over: i32::from(values[at]) });
        kept &= kept - 1;
    }
}

/// For the plain loop, whose sums need 32 bits, bytes are widened to sixteen bits,
/// four rows a register. Quarters of a line: four rows of four bytes.
const QUARTERS: usize = 4;

/// Sixteen bits for each byte of a quarter.
#[inline]
#[target_feature(enable = "avx2")]
fn widened(line: &JoinLine, quarter: usize) -> __m256i {
    let bytes = &line.0[4 * quarter..4 * quarter + 4];
    // SAFETY: the quarter is four rows of four bytes; no alignment is asked for.
    _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

#[target_feature(enable = "avx2")]
fn plain_wide(
    chunk: &JoinChunk<PLAIN_WORDS>,
    first: u32,
    queries: &JoinQueries<PLAIN_WORDS>,
    survivors: &mut Vec<JoinSurvivor>,
) {
    for (tile, (words, starts)) in queries.words.iter().zip(&queries.starts).enumerate() {
        // Four weights of sixteen bits, the same for all rows of a register.
        let mut wide = [[_mm256_setzero_si256(); TILE]; PLAIN_WORDS];
        for word in 0..PLAIN_WORDS {
            for t in 0..TILE {
                wide[word][t] = _mm256_cvtepi8_epi16(_mm_set1_epi32(words[word][t]));
            }
        }
        for (group, lines) in chunk.iter().enumerate() {
            for half in 0..QUARTERS / 2 {
                let mut sums = [[_mm256_setzero_si256(); 2]; TILE];
                for word in 0..PLAIN_WORDS {
                    let line = &lines.0[word];
                    let (one, other) = (widened(line, 2 * half), widened(line, 2 * half + 1));
                    for t in 0..TILE {
                        // 255 · 127 · 2 fits the 32 bits of a pair's sum.
                        sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(one, wide[word][t]));
                        sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(other, wide[word][t]));
                    }
                }
                let rows = first + (group * LANES + half * LANES / 2) as u32;
                for t in 0..TILE {
                    add_plain(sums[t], starts[t], rows, (tile * TILE + t) as u32, survivors);
                }
            }
        }
    }
}

/// Adds those of eight rows whose sums, two halves each, reach zero.
#[inline]
#[target_feature(enable = "avx2")]
fn add_plain(sums: [__m256i; 2], start: i32, first: u32, query: u32, survivors: &mut Vec<JoinSurvivor>) {
    // Rows 0, 1 of the first register, 0, 1 of the second; then 2, 3 and 2, 3.
    const ROWS: [u32; 8] = [0, 1, 4, 5, 2, 3, 6, 7];
    let sums = _mm256_add_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_set1_epi32(start));
    let mut kept = !_mm256_movemask_ps(_mm256_castsi256_ps(sums)) as u32 & 0xFF;
    if kept == 0 {
        return;
    }
    let mut values = [0i32; 8];
    // SAFETY: the array holds the 32 bytes that are written; no alignment is asked for.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), sums) };
    while kept != 0 {
        let at = kept.trailing_zeros() as usize;
        survivors.push(JoinSurvivor { query, row: first + ROWS[at], over: values[at].min(OVER_MAX) });
        kept &= kept - 1;
    }
}
