//! AVX-512 with VNNI: sixteen rows a register, four products an instruction.

use std::arch::x86_64::*;

use super::JoinSurvivor;
use crate::search::join::bound::OVER_MAX;
use crate::search::join::codes::{BYTE_OFFSET, GROUPS, JoinBlock, JoinChunk, JoinFine, JoinLine, JoinQueries, TILE};
use crate::search::join::tuning::{AHEAD, FINE};

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
}

/// Only reachable through a [`super::JoinKernel`] made after [`is_available`].
pub(super) fn heads<const W: usize>(
    chunk: &JoinChunk<W>,
    first: u32,
    queries: &JoinQueries<W>,
    survivors: &mut Vec<JoinSurvivor>,
) {
    debug_assert!(is_available());
    // SAFETY: `JoinKernel` hands this function out only where the features were detected.
    unsafe { heads_vnni(chunk, first, queries, survivors) }
}

/// Likewise.
pub(super) fn fine(survivors: &[JoinSurvivor], rows: &[JoinFine], block: &JoinBlock, sums: &mut Vec<i32>) {
    debug_assert!(is_available());
    // SAFETY: as above.
    unsafe { fine_vnni(survivors, rows, block, sums) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn load(line: &JoinLine) -> __m512i {
    // SAFETY: a line is 64 bytes, aligned to 64.
    unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn heads_vnni<const W: usize>(
    chunk: &JoinChunk<W>,
    first: u32,
    queries: &JoinQueries<W>,
    survivors: &mut Vec<JoinSurvivor>,
) {
    for (tile, (words, starts)) in queries.words.iter().zip(&queries.starts).enumerate() {
        // Of each query: the sums of the chunk's four groups.
        let mut sums = starts.map(|start| [_mm512_set1_epi32(start); GROUPS]);
        for (word, weights) in words.iter().enumerate() {
            let lines = [0, 1, 2, 3].map(|group: usize| load(&chunk[group].0[word]));
            for (sums, &weights) in sums.iter_mut().zip(weights) {
                let weights = _mm512_set1_epi32(weights);
                for (sum, line) in sums.iter_mut().zip(lines) {
                    *sum = _mm512_dpbusd_epi32(*sum, line, weights);
                }
            }
        }
        for (t, sums) in sums.into_iter().enumerate() {
            let [a, b, c, d] = sums;
            // Saturated to bytes, signs stay: one bit for each of 64 rows.
            let bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
            let kept = !_mm512_movepi8_mask(bytes);
            if kept != 0 {
                add(sums, kept, first, (tile * TILE + t) as u32, survivors);
            }
        }
    }
}

/// Adds the rows of `kept`, in whose bits every four stand for the same four lanes
/// of one group after the other.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add(sums: [__m512i; GROUPS], mut kept: u64, first: u32, query: u32, survivors: &mut Vec<JoinSurvivor>) {
    let mut values = [[0i32; 16]; GROUPS];
    for (values, sums) in values.iter_mut().zip(sums) {
        // SAFETY: the array holds the 64 bytes that are written; no alignment is asked for.
        unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), sums) };
    }
    while kept != 0 {
        let bit = kept.trailing_zeros();
        let row = (bit / 4 % 4) * 16 + bit / 16 * 4 + bit % 4;
        survivors.push(JoinSurvivor {
            query,
            row: first + row,
            over: values.as_flattened()[row as usize].min(OVER_MAX),
        });
        kept &= kept - 1;
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn fine_vnni(survivors: &[JoinSurvivor], rows: &[JoinFine], block: &JoinBlock, sums: &mut Vec<i32>) {
    const { assert!(FINE.is_multiple_of(64)) };
    let sign = _mm512_set1_epi8(BYTE_OFFSET.cast_signed());
    for (at, survivor) in survivors.iter().enumerate() {
        if let Some(row) = survivors.get(at + AHEAD).and_then(|next| rows.get(next.row as usize)) {
            for line in row.0.chunks(64) {
                _mm_prefetch::<_MM_HINT_T0>(line.as_ptr());
            }
        }
        let (row, query) = (&rows[survivor.row as usize], &block.fine[survivor.query as usize]);
        let mut sum = _mm512_setzero_si512();
        for (row, query) in row.0.as_chunks::<64>().0.iter().zip(query.0.as_chunks::<64>().0) {
            // SAFETY: both are 64 bytes; no alignment is asked for.
            let (row, query) =
                unsafe { (_mm512_loadu_si512(row.as_ptr().cast()), _mm512_loadu_si512(query.as_ptr().cast())) };
            sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(row, sign), query);
        }
        sums.push(_mm512_reduce_add_epi32(sum) - block.fine_offsets[survivor.query as usize]);
    }
}
