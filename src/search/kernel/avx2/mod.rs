//! AVX2: eight rows a register, sixteen in a batch.
//!
//! Sums of products go into 16 bits: `bound` makes weights such that the sum of a row's
//! codes, lowered to lie about zero, fits them (its `WEIGHTS_MAX`; its `SUM_MAX` for
//! batches). What is added in whatever order modulo 2¹⁶ is then that sum.

// Numbers instead of iterators: with longer registers switched on for single functions,
// not all of an iterator's code is put in line.
#![allow(clippy::needless_range_loop)]

mod batch;

use std::arch::x86_64::*;

use super::{Survivor, Task, portable, prefetch};
use crate::search::bound::{NextQuery, WEIGHTS_MAX};
use crate::search::codes::{CODE_LINES, FINE_BYTES, Fine, Group, Line, Next};
use crate::search::i16x16::{kept, pairs};
use crate::search::tuning::{GROUP_ROWS, HEAD, HEAD_LEVELS};

/// Words of weights, in the order in which they are used: of the low and the high
/// halves of one line after the other.
const WORDS: usize = HEAD / 4;

/// AVX2, and what every processor with AVX2 has besides.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("bmi1")
}

/// Only reachable through a [`super::Kernel`] made after [`is_available`].
pub(super) fn scan(groups: &[Group], first: u32, task: &mut Task<'_>) {
    debug_assert!(is_available());
    // SAFETY: `Kernel` hands this function out only where the features were detected.
    unsafe { scan_one(groups, first, task) }
}

/// Likewise.
pub(super) fn batch(rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
    debug_assert!(is_available());
    // SAFETY: as above.
    unsafe { batch::batch(rows, first, tasks) }
}

/// Likewise.
pub(super) fn next(row: &Next, weights: &[i16; 64]) -> i32 {
    debug_assert!(is_available());
    // SAFETY: as above.
    unsafe { signed_by_weights(&row.0, weights) }
}

/// Likewise.
pub(super) fn fine(row: &Fine, weights: &[i16; FINE_BYTES]) -> i32 {
    debug_assert!(is_available());
    // SAFETY: as above.
    unsafe { signed_by_weights(&row.0, weights) }
}

/// Likewise.
pub(super) fn sift(rows: &[Next], survivors: &[Survivor], query: &NextQuery, floor: f64, left: &mut Vec<Survivor>) {
    debug_assert!(is_available());
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
    sum(sums)
}

/// The sum of eight numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn sum(numbers: __m256i) -> i32 {
    let half = _mm_add_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
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

/// What codes are lowered by, so that none is further than so much from zero.
const MIDDLE: i32 = (HEAD_LEVELS as i32 + 1) / 2;

const _: () = assert!(WEIGHTS_MAX * MIDDLE <= i16::MAX as i32);

/// `threshold` moved into 16 bits: all sums lie above lower ones anyway, and of higher ones
/// it is left to whoever adds survivors to look once more.
fn narrowed(threshold: i64) -> i16 {
    threshold.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// What the loop needs of a query.
struct Query {
    /// What the sums begin without, modulo 2¹⁶: with it they would not fit. It is also what
    /// is to be added to them in the end.
    lowered: i32,
    norms: [i16; 2],
    /// Of the sums so lowered.
    threshold: [i16; 2],
}

impl Query {
    fn new(task: &Task<'_>) -> Self {
        let lowered = MIDDLE * task.weights.sum;
        let threshold = narrowed(i64::from(task.threshold) - i64::from(lowered));
        Self { lowered, norms: [task.weights.norms[0] as i16; 2], threshold: [threshold; 2] }
    }
}

/// The norms of sixteen rows, two bytes each, in the order in which `hadd` puts sums.
#[inline]
#[target_feature(enable = "avx2")]
fn norms(line: &Line, half: usize) -> __m256i {
    let (one, other) = (load(line, 0), load(line, 1));
    if half == 0 {
        let low = _mm256_set1_epi32(0xFFFF);
        _mm256_packus_epi32(_mm256_and_si256(one, low), _mm256_and_si256(other, low))
    } else {
        _mm256_packus_epi32(_mm256_srli_epi32::<16>(one), _mm256_srli_epi32::<16>(other))
    }
}

/// The codes of sixteen rows in one line, a byte each: two eights of rows for each word.
#[inline]
#[target_feature(enable = "avx2")]
fn codes(line: &Line) -> [[__m256i; 2]; 2] {
    let low = _mm256_set1_epi8(0x0F);
    let bytes = [load(line, 0), load(line, 1)];
    let lows = [_mm256_and_si256(bytes[0], low), _mm256_and_si256(bytes[1], low)];
    let highs = [_mm256_srli_epi16::<4>(bytes[0]), _mm256_srli_epi16::<4>(bytes[1])];
    [lows, [_mm256_and_si256(highs[0], low), _mm256_and_si256(highs[1], low)]]
}

#[target_feature(enable = "avx2")]
fn scan_one(groups: &[Group], first: u32, task: &mut Task<'_>) {
    let query = Query::new(task);
    let mut words = [_mm256_setzero_si256(); WORDS];
    for word in 0..WORDS {
        words[word] = _mm256_set1_epi32(task.weights.words[word]);
    }
    // Every row has two sums, of which one begins so.
    let start = pairs([query.lowered.wrapping_neg() as i16, 0]);
    let mut first = first;
    for number in 0..groups.len() {
        let group = &groups[number];
        ask_for_next(groups, number);
        for half in 0..2 {
            let mut sums = [start; 2];
            for pair in 0..CODE_LINES / 2 {
                let codes = codes(&group.codes[2 * pair + half]);
                for eight in 0..2 {
                    for nibble in 0..2 {
                        let product = _mm256_maddubs_epi16(codes[nibble][eight], words[2 * pair + nibble]);
                        sums[eight] = _mm256_add_epi16(sums[eight], product);
                    }
                }
            }
            let norms = norms(&group.norms, half);
            let along = _mm256_hadd_epi16(sums[0], sums[1]);
            let kept = kept(over(along, norms, pairs(query.norms), pairs(query.threshold)));
            if kept != 0 {
                add(along, norms, kept, first, &query, task);
            }
            first += GROUP_ROWS as u32 / 2;
        }
    }
}

/// Lines are read every other one, and twice: that is no stream that the processor
/// would read ahead of by itself.
#[inline]
fn ask_for_next(groups: &[Group], number: usize) {
    if number + 1 < groups.len() {
        prefetch(&groups[number + 1]);
    }
}

/// What the sums of sixteen rows are above the threshold.
#[inline]
#[target_feature(enable = "avx2")]
fn over(along: __m256i, norms: __m256i, weights: __m256i, threshold: __m256i) -> __m256i {
    // Norms and their weights are at most 127: 2 · 127 · 127 fits 16 bits. What is
    // cut off above keeps the sign it has; what the first step cuts off below is
    // not lifted to zero by the second.
    _mm256_adds_epi16(_mm256_subs_epi16(along, threshold), _mm256_maddubs_epi16(norms, weights))
}

/// Adds those of sixteen rows that were kept, with their sums of codes `along`, lowered,
/// and of norms.
#[inline(never)]
#[target_feature(enable = "avx2")]
fn add(along: __m256i, norms: __m256i, kept: u32, first: u32, query: &Query, task: &mut Task<'_>) {
    let beyond = _mm256_maddubs_epi16(norms, pairs(query.norms));
    // `hadd` takes four rows of one register and four of the other, and again.
    const PLACES: [u8; 16] = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];
    let (mut codes, mut norms) = ([0i16; 16], [0i16; 16]);
    // SAFETY: the arrays hold the 32 bytes each that are written; no alignment is asked for.
    unsafe {
        _mm256_storeu_si256(codes.as_mut_ptr().cast(), along);
        _mm256_storeu_si256(norms.as_mut_ptr().cast(), beyond);
    }
    let mut rows = (kept & 0xFF00_00FF) | (kept & 0x00FF_0000) >> 8 | (kept & 0x0000_FF00) << 8;
    while rows != 0 {
        let row = rows.trailing_zeros() / 2;
        let at = usize::from(PLACES[row as usize & 15]);
        let sum = i32::from(codes[at]) + i32::from(norms[at]) + query.lowered;
        if sum >= task.threshold {
            task.survivors.push(Survivor { row: first + row, sum });
        }
        rows &= rows - 1;
    }
}
