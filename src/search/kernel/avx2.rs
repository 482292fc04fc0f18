//! AVX2: eight rows a register.
//!
//! Sums of products go into 16 bits, two for each row: `bound` makes weights such
//! that they fit (its `LANE_WEIGHT_MAX`), in whatever order they are added.

// Numbers instead of iterators: with longer registers switched on for single functions,
// not all of an iterator's code is put in line.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::{Survivor, Task, portable, prefetch};
use crate::search::bound::{HeadWeights, NextQuery};
use crate::search::codes::{CODE_LINES, FINE_BYTES, Fine, Group, Line, Next};
use crate::search::tuning::{GROUP_ROWS, HEAD};

/// Queries whose sums are held in registers together, a register each, beside two of
/// codes.
const TILE: usize = 8;

/// Eights of rows in a group.
const EIGHTS: usize = GROUP_ROWS / 8;

/// Words of weights, in the order in which they are used: of the low and the high
/// halves of one line after the other.
const WORDS: usize = HEAD / 4;

/// Only reachable through a [`super::Kernel`] made after the check for AVX2.
pub(super) fn scan(groups: &[Group], first: u32, task: &mut Task<'_>) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: `Kernel` hands this function out only where AVX2 was detected.
    unsafe { scan_tile(groups, first, &mut [&mut *task]) }
}

/// Likewise.
pub(super) fn scan_many(groups: &[Group], first: u32, tasks: &mut [Task<'_>]) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    let (tiles, rest) = tasks.as_chunks_mut::<TILE>();
    for tile in tiles {
        // SAFETY: as above.
        unsafe { scan_tile(groups, first, &mut tile.each_mut()) }
    }
    for task in rest {
        scan(groups, first, task);
    }
}

/// Likewise.
pub(super) fn next(row: &Next, weights: &[i16; 64]) -> i32 {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: as above.
    unsafe { signed_by_weights(&row.0, weights) }
}

/// Likewise.
pub(super) fn fine(row: &Fine, weights: &[i16; FINE_BYTES]) -> i32 {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: as above.
    unsafe { signed_by_weights(&row.0, weights) }
}

/// Likewise.
pub(super) fn sift(rows: &[Next], survivors: &[Survivor], query: &NextQuery, floor: f64, left: &mut Vec<Survivor>) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: as above.
    unsafe { sift_wide(rows, survivors, query, floor, left) }
}

#[target_feature(enable = "avx2")]
fn sift_wide(rows: &[Next], survivors: &[Survivor], query: &NextQuery, floor: f64, left: &mut Vec<Survivor>) {
    let next = |row: &Next, weights: &[i16; 64]| signed_by_weights(&row.0, weights);
    portable::sift_by(next, rows, survivors, query, floor, left);
}

/// The sum of signed bytes by their weights, sixteen at a time; the lengths are
/// multiples of that.
#[inline]
#[target_feature(enable = "avx2")]
fn signed_by_weights<const BYTES: usize>(codes: &[u8; BYTES], weights: &[i16; BYTES]) -> i32 {
    const { assert!(BYTES.is_multiple_of(16)) };
    let (codes, weights) = (codes.as_chunks::<16>().0, weights.as_chunks::<16>().0);
    let mut sums = _mm256_setzero_si256();
    for i in 0..BYTES / 16 {
        // SAFETY: 16 bytes and 16 words lie there; no alignment is asked for.
        let (bytes, words) =
            unsafe { (_mm_loadu_si128(codes[i].as_ptr().cast()), _mm256_loadu_si256(weights[i].as_ptr().cast())) };
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_cvtepi8_epi16(bytes), words));
    }
    let half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
    _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter)))
}

/// Half a line: eight rows.
#[target_feature(enable = "avx2")]
fn load(line: &Line, part: usize) -> __m256i {
    let half = &line.0.as_chunks::<32>().0[part];
    // SAFETY: the half is 32 bytes; no alignment is asked for.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
}

/// What is the same for all rows, spread over registers.
struct Spread<const N: usize> {
    words: [[__m256i; N]; WORDS],
    /// For rows 0…15 and 16…31.
    norms: [[__m256i; N]; 2],
    /// One less than the thresholds: "at or above" is "above one less". No sum is the
    /// least number there is.
    below: [__m256i; N],
}

#[target_feature(enable = "avx2")]
fn spread<const N: usize>(tasks: &[&mut Task<'_>; N]) -> Spread<N> {
    let zero = _mm256_setzero_si256();
    let mut spread = Spread { words: [[zero; N]; WORDS], norms: [[zero; N]; 2], below: [zero; N] };
    for t in 0..N {
        let HeadWeights { words, norms } = tasks[t].weights;
        for i in 0..WORDS {
            spread.words[i][t] = _mm256_set1_epi32(words[i]);
        }
        for half in 0..2 {
            spread.norms[half][t] = _mm256_set1_epi32(norms[half]);
        }
        spread.below[t] = _mm256_set1_epi32(tasks[t].threshold.saturating_sub(1));
    }
    spread
}

#[target_feature(enable = "avx2")]
fn scan_tile<const N: usize>(groups: &[Group], first: u32, tasks: &mut [&mut Task<'_>; N]) {
    let Spread { words, norms, below } = spread(tasks);
    let (low, one) = (_mm256_set1_epi8(0x0F), _mm256_set1_epi16(1));
    let mut first = first;
    for number in 0..groups.len() {
        let group = &groups[number];
        // Lines are read every other one, and twice: that is no stream that the
        // processor would read ahead of by itself.
        if number + 1 < groups.len() {
            prefetch(&groups[number + 1]);
        }
        for eight in 0..EIGHTS {
            let (half, part) = (eight / 2, eight % 2);
            let mut sums = [_mm256_setzero_si256(); N];
            for pair in 0..CODE_LINES / 2 {
                let bytes = load(&group.codes[2 * pair + half], part);
                let lows = _mm256_and_si256(bytes, low);
                let highs = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low);
                for t in 0..N {
                    sums[t] = _mm256_add_epi16(sums[t], _mm256_maddubs_epi16(lows, words[2 * pair][t]));
                    sums[t] = _mm256_add_epi16(sums[t], _mm256_maddubs_epi16(highs, words[2 * pair + 1][t]));
                }
            }
            // Norms and their weights are at most 127: 2 · 127 · 127 fits 16 bits.
            let line = load(&group.norms, part);
            let (mut rows, mut any) = ([0u32; N], 0);
            for t in 0..N {
                let along = _mm256_madd_epi16(sums[t], one);
                let beyond = _mm256_madd_epi16(_mm256_maddubs_epi16(line, norms[half][t]), one);
                sums[t] = _mm256_add_epi32(along, beyond);
                let above = _mm256_castsi256_ps(_mm256_cmpgt_epi32(sums[t], below[t]));
                rows[t] = _mm256_movemask_ps(above) as u32;
                any |= rows[t];
            }
            if any != 0 {
                for t in 0..N {
                    if rows[t] != 0 {
                        add(sums[t], rows[t], first + 8 * eight as u32, &mut tasks[t].survivors);
                    }
                }
            }
        }
        first += GROUP_ROWS as u32;
    }
}

#[cold]
#[inline(never)]
#[target_feature(enable = "avx2")]
fn add(sums: __m256i, mut rows: u32, first: u32, survivors: &mut Vec<Survivor>) {
    let mut values = [0i32; 8];
    // SAFETY: the array holds the 32 bytes that are written; no alignment is asked for.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), sums) };
    while rows != 0 {
        let row = rows.trailing_zeros();
        survivors.push(Survivor { row: first + row, sum: values[row as usize & 7] });
        rows &= rows - 1;
    }
}
