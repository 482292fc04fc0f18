//! AVX-512 with VNNI: sixteen rows a register, four products an instruction.

use std::arch::x86_64::*;

use super::{Survivor, Task};
use crate::search::bound::HeadWeights;
use crate::search::codes::{Group, Line};
use crate::search::tuning::{GROUP_ROWS, HEAD, STRIP_GROUPS};

/// Queries whose sums are held in registers together: four registers each, for
/// the rows of two groups, beside eight of codes.
const TILE: usize = 4;

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
pub(super) fn scan_many(groups: &[Group], first: u32, tasks: &mut [Task<'_>]) {
    debug_assert!(is_available());
    let firsts = (first..).step_by(STRIP_GROUPS * GROUP_ROWS);
    for (strip, first) in groups.chunks(STRIP_GROUPS).zip(firsts) {
        let (tiles, rest) = tasks.as_chunks_mut::<TILE>();
        for tile in tiles {
            // SAFETY: as above.
            unsafe { scan_tile(strip, first, tile) }
        }
        for task in rest {
            scan(strip, first, task);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn load(line: &Line) -> __m512i {
    // SAFETY: a line is 64 bytes, aligned to 64.
    unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn scan_vnni(groups: &[Group], first: u32, task: &mut Task<'_>) {
    let HeadWeights { words, norms } = task.weights;
    let words: [__m512i; HEAD / 4] = words.map(|word| _mm512_set1_epi32(word));
    let norms = norms.map(|word| _mm512_set1_epi32(word));
    let threshold = _mm512_set1_epi32(task.threshold);
    let (low, high) = (_mm512_set1_epi8(0x0F), _mm512_set1_epi8(0xF0u8 as i8));
    let zero = _mm512_setzero_si512();
    for (group, first) in groups.iter().zip((first..).step_by(GROUP_ROWS)) {
        let line = load(&group.norms);
        let mut sums = norms.map(|norms| _mm512_dpbusd_epi32(zero, line, norms));
        // Sixteen times the sums of the high halves: spares the shifts.
        let mut sixteenfold = [zero; 2];
        for (lines, words) in group.codes.as_chunks::<2>().0.iter().zip(words.as_chunks::<2>().0) {
            for half in 0..2 {
                let line = load(&lines[half]);
                sums[half] = _mm512_dpbusd_epi32(sums[half], _mm512_and_si512(line, low), words[0]);
                sixteenfold[half] = _mm512_dpbusd_epi32(sixteenfold[half], _mm512_and_si512(line, high), words[1]);
            }
        }
        let sums = [0, 1].map(|half| _mm512_add_epi32(sums[half], _mm512_srai_epi32::<4>(sixteenfold[half])));
        keep(sums, threshold, first, &mut task.survivors);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn scan_tile(groups: &[Group], first: u32, tasks: &mut [Task<'_>; TILE]) {
    let low = _mm512_set1_epi8(0x0F);
    let zero = _mm512_setzero_si512();
    // Words of all queries side by side, in the order in which they are used.
    let mut words = [[0i32; TILE]; HEAD / 4];
    let mut norms = [[0i32; TILE]; 2];
    for (t, task) in tasks.iter().enumerate() {
        words.iter_mut().zip(&task.weights.words).for_each(|(words, &word)| words[t] = word);
        norms.iter_mut().zip(&task.weights.norms).for_each(|(norms, &word)| norms[t] = word);
    }
    let (pairs, rest) = groups.as_chunks::<2>();
    let mut firsts = (first..).step_by(GROUP_ROWS);
    for pair in pairs {
        let lines = [load(&pair[0].norms), load(&pair[1].norms)];
        // Of each query: rows 0…15 and 16…31 of the one group, then of the other.
        let mut sums = [[zero; 4]; TILE];
        for t in 0..TILE {
            let norms = [_mm512_set1_epi32(norms[0][t]), _mm512_set1_epi32(norms[1][t])];
            for i in 0..4 {
                sums[t][i] = _mm512_dpbusd_epi32(zero, lines[i / 2], norms[i % 2]);
            }
        }
        for (j, words) in words.as_chunks::<2>().0.iter().enumerate() {
            let lines = [0, 1, 2, 3].map(|i| load(&pair[i / 2].codes[2 * j + i % 2]));
            let lows = lines.map(|line| _mm512_and_si512(line, low));
            let highs = lines.map(|line| _mm512_and_si512(_mm512_srli_epi16::<4>(line), low));
            for t in 0..TILE {
                let (for_low, for_high) = (_mm512_set1_epi32(words[0][t]), _mm512_set1_epi32(words[1][t]));
                for i in 0..4 {
                    sums[t][i] = _mm512_dpbusd_epi32(sums[t][i], lows[i], for_low);
                }
                for i in 0..4 {
                    sums[t][i] = _mm512_dpbusd_epi32(sums[t][i], highs[i], for_high);
                }
            }
        }
        let (one, other) = (firsts.next().unwrap_or(first), firsts.next().unwrap_or(first));
        for (task, [a, b, c, d]) in tasks.iter_mut().zip(sums) {
            let threshold = _mm512_set1_epi32(task.threshold);
            keep([a, b], threshold, one, &mut task.survivors);
            keep([c, d], threshold, other, &mut task.survivors);
        }
    }
    if !rest.is_empty() {
        let first = firsts.next().unwrap_or(first);
        tasks.iter_mut().for_each(|task| scan_vnni(rest, first, task));
    }
}

/// Adds the rows whose sums reach the threshold.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn keep(sums: [__m512i; 2], threshold: __m512i, first: u32, survivors: &mut Vec<Survivor>) {
    let [below, above] = sums.map(|sums| u32::from(_mm512_cmpge_epi32_mask(sums, threshold)));
    let rows = below | above << 16;
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
