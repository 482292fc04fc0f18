//! AVX2: eight rows a register.

use std::arch::x86_64::*;

use super::{Survivor, Task, portable};
use crate::search::bound::HeadWeights;
use crate::search::codes::{Group, Line};
use crate::search::tuning::{FINE, GROUP_ROWS, HEAD};

/// Sums of two products go into 16 bits: codes are at most 15 and weights at most
/// 127, so eight of them (2 · 15 · 127 · 8 = 30,480) fit. That is four pairs of
/// words between two widenings.
const PAIRS_MAX: usize = 4;

/// Only reachable through a [`super::Kernel`] made after the check for AVX2.
pub(super) fn scan(groups: &[Group], first: u32, task: &mut Task<'_>) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: `Kernel` hands this function out only where AVX2 was detected.
    unsafe { scan_wide(groups, first, task) }
}

/// Likewise.
pub(super) fn scan_many(groups: &[Group], first: u32, tasks: &mut [Task<'_>]) {
    for task in tasks {
        scan(groups, first, task);
    }
}

/// Likewise.
pub(super) fn fine(codes: &[i8; FINE], weights: &[i16; FINE]) -> i32 {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: as above.
    unsafe { fine_wide(codes, weights) }
}

/// The same code; the compiler makes the instructions.
#[target_feature(enable = "avx2")]
fn fine_wide(codes: &[i8; FINE], weights: &[i16; FINE]) -> i32 {
    portable::fine(codes, weights)
}

/// Half a line: eight rows.
#[target_feature(enable = "avx2")]
fn load(line: &Line, part: usize) -> __m256i {
    let half = &line.0.as_chunks::<32>().0[part];
    // SAFETY: the half is 32 bytes; no alignment is asked for.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn scan_wide(groups: &[Group], first: u32, task: &mut Task<'_>) {
    let HeadWeights { words, norms } = task.weights;
    let words: [__m256i; HEAD / 4] = words.map(|word| _mm256_set1_epi32(word));
    let norms = norms.map(|word| _mm256_set1_epi32(word));
    // "At or above" is "above one less".
    let threshold = _mm256_set1_epi32(task.threshold.saturating_sub(1));
    let all = task.threshold == i32::MIN;
    let (low, one) = (_mm256_set1_epi8(0x0F), _mm256_set1_epi16(1));
    for (group, first) in groups.iter().zip((first..).step_by(GROUP_ROWS)) {
        let mut sums = [_mm256_setzero_si256(); 4];
        for (quarter, sum) in sums.iter_mut().enumerate() {
            let (half, part) = (quarter / 2, quarter % 2);
            // Norms and their weights are at most 127: 2 · 127 · 127 fits 16 bits.
            *sum = _mm256_madd_epi16(_mm256_maddubs_epi16(load(&group.norms, part), norms[half]), one);
            let lines = group.codes.as_chunks::<2>().0.chunks(PAIRS_MAX);
            for (lines, words) in lines.zip(words.as_chunks::<2>().0.chunks(PAIRS_MAX)) {
                let mut narrow = _mm256_setzero_si256();
                for (pair, words) in lines.iter().zip(words) {
                    let bytes = load(&pair[half], part);
                    let lows = _mm256_maddubs_epi16(_mm256_and_si256(bytes, low), words[0]);
                    let highs = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low), words[1]);
                    narrow = _mm256_add_epi16(narrow, _mm256_add_epi16(lows, highs));
                }
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(narrow, one));
            }
        }
        let rows = sums.map(|sum| _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(sum, threshold))) as u32);
        let mut rows = rows[0] | rows[1] << 8 | rows[2] << 16 | rows[3] << 24;
        if all {
            rows = u32::MAX;
        }
        if rows == 0 {
            continue;
        }
        let mut values = [[0i32; 8]; 4];
        for (values, sum) in values.iter_mut().zip(sums) {
            // SAFETY: the array holds the 32 bytes that are written; no alignment is asked for.
            unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), sum) };
        }
        while rows != 0 {
            let row = rows.trailing_zeros();
            task.survivors.push(Survivor { row: first + row, sum: values.as_flattened()[row as usize] });
            rows &= rows - 1;
        }
    }
}
