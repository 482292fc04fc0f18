//! AVX2: bytes widened to sixteen bits, four rows a register.

// Numbers instead of iterators: with longer registers switched on for single functions,
// not all of an iterator's code is put in line.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::{Survivor, portable};
use crate::search::join::codes::{Block, Chunk, Fine, LANES, Line, Queries, TILE};

/// Only reachable through a [`super::Kernel`] made after the check for AVX2.
pub(super) fn heads<const W: usize>(chunk: &Chunk<W>, first: u32, queries: &Queries<W>, survivors: &mut Vec<Survivor>) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: `Kernel` hands this function out only where AVX2 was detected.
    unsafe { heads_wide(chunk, first, queries, survivors) }
}

/// Likewise.
pub(super) fn fine(survivors: &[Survivor], rows: &[Fine], block: &Block, sums: &mut Vec<i32>) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: as above.
    unsafe { fine_wide(survivors, rows, block, sums) }
}

/// The same code; the compiler makes the instructions.
#[target_feature(enable = "avx2")]
fn fine_wide(survivors: &[Survivor], rows: &[Fine], block: &Block, sums: &mut Vec<i32>) {
    portable::fine(survivors, rows, block, sums);
}

/// Quarters of a line: four rows of four bytes.
const QUARTERS: usize = 4;

/// Sixteen bits for each byte of a quarter.
#[inline]
#[target_feature(enable = "avx2")]
fn widened(line: &Line, quarter: usize) -> __m256i {
    let bytes = &line.0[4 * quarter..4 * quarter + 4];
    // SAFETY: the quarter is four rows of four bytes; no alignment is asked for.
    _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

#[target_feature(enable = "avx2")]
fn heads_wide<const W: usize>(chunk: &Chunk<W>, first: u32, queries: &Queries<W>, survivors: &mut Vec<Survivor>) {
    for (tile, (words, starts)) in queries.words.iter().zip(&queries.starts).enumerate() {
        // Four weights of sixteen bits, the same for all rows of a register.
        let mut wide = [[_mm256_setzero_si256(); TILE]; W];
        for word in 0..W {
            for t in 0..TILE {
                wide[word][t] = _mm256_cvtepi8_epi16(_mm_set1_epi32(words[word][t]));
            }
        }
        for (group, lines) in chunk.iter().enumerate() {
            for half in 0..QUARTERS / 2 {
                let mut sums = [[_mm256_setzero_si256(); 2]; TILE];
                for word in 0..W {
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
                    add(sums[t], starts[t], rows, (tile * TILE + t) as u32, survivors);
                }
            }
        }
    }
}

/// Adds those of eight rows whose sums, two halves each, reach zero.
#[inline]
#[target_feature(enable = "avx2")]
fn add(sums: [__m256i; 2], start: i32, first: u32, query: u32, survivors: &mut Vec<Survivor>) {
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
        survivors.push(Survivor { query, row: first + ROWS[at], over: values[at] });
        kept &= kept - 1;
    }
}
