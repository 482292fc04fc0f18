//! AVX-512 with VNNI: sixteen rows a register, four products an instruction.

// Numbers instead of iterators: with longer registers switched on for single functions,
// not all of an iterator's code is put in line.
#![allow(clippy::needless_range_loop)]

mod batch;

use std::arch::x86_64::*;

use super::{Survivor, Task};
use crate::search::codes::{CODE_LINES, Fine, Group, Line};
use crate::search::tuning::{GROUP_ROWS, HEAD};

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
}

/// Only reachable through a [`super::Kernel`] made after [`is_available`].
pub(super) fn scan(groups: &[Group], first: u32, task: &mut Task<'_>) {
    debug_assert!(is_available());
    // SAFETY: `Kernel` hands this function out only where the features were detected.
    unsafe { scan_vnni(groups, first, task) }
}

/// Likewise.
pub(super) fn batch(rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
    debug_assert!(is_available());
    // SAFETY: as above.
    unsafe { batch::batch(rows, first, tasks) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn load(line: &Line) -> __m512i {
    // SAFETY: a line is 64 bytes, aligned to 64.
    unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn scan_vnni(groups: &[Group], first: u32, task: &mut Task<'_>) {
    let mut words = [_mm512_setzero_si512(); HEAD / 4];
    for word in 0..HEAD / 4 {
        words[word] = _mm512_set1_epi32(task.weights.words[word]);
    }
    let [norms_below, norms_above] = task.weights.norms;
    let norms = [_mm512_set1_epi32(norms_below), _mm512_set1_epi32(norms_above)];
    let threshold = _mm512_set1_epi32(task.threshold);
    let (low, high) = (_mm512_set1_epi8(0x0F), _mm512_set1_epi8(0xF0u8 as i8));
    let zero = _mm512_setzero_si512();
    for number in 0..groups.len() {
        let group = &groups[number];
        let line = load(&group.norms);
        // And sixteen times the sums of the high halves: spares the shifts.
        let (mut sums, mut sixteenfold) = ([zero; 2], [zero; 2]);
        for half in 0..2 {
            sums[half] = _mm512_dpbusd_epi32(zero, line, norms[half]);
        }
        for pair in 0..CODE_LINES / 2 {
            for half in 0..2 {
                let line = load(&group.codes[2 * pair + half]);
                sums[half] = _mm512_dpbusd_epi32(sums[half], _mm512_and_si512(line, low), words[2 * pair]);
                let highs = _mm512_and_si512(line, high);
                sixteenfold[half] = _mm512_dpbusd_epi32(sixteenfold[half], highs, words[2 * pair + 1]);
            }
        }
        for half in 0..2 {
            sums[half] = _mm512_add_epi32(sums[half], _mm512_srai_epi32::<4>(sixteenfold[half]));
        }
        keep(sums, threshold, first + (GROUP_ROWS * number) as u32, &mut task.survivors);
    }
}

/// Adds the rows whose sums reach the threshold.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn keep(sums: [__m512i; 2], threshold: __m512i, first: u32, survivors: &mut Vec<Survivor>) {
    let [below, above] = sums;
    let below = u32::from(_mm512_cmpge_epi32_mask(below, threshold));
    let rows = below | u32::from(_mm512_cmpge_epi32_mask(above, threshold)) << 16;
    if rows != 0 {
        add(sums, rows, first, survivors);
    }
}

#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add(sums: [__m512i; 2], mut rows: u32, first: u32, survivors: &mut Vec<Survivor>) {
    let mut values = [[0i32; 16]; 2];
    for (values, sums) in values.iter_mut().zip(sums) {
        // SAFETY: the array holds the 64 bytes that are written; no alignment is asked for.
        unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), sums) };
    }
    while rows != 0 {
        let row = rows.trailing_zeros();
        survivors.push(Survivor { row: first + row, sum: values.as_flattened()[row as usize] });
        rows &= rows - 1;
    }
}
