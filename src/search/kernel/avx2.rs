//! AVX2: eight rows a register.
//!
//! Sums of products go into 16 bits: `bound` makes weights such that the sum of a row's
//! codes, lowered to lie about zero, fits them (its `WEIGHTS_MAX`; its `SUM_MAX` for
//! batches). What is added in whatever order modulo 2¹⁶ is then that sum.

// Numbers instead of iterators: with longer registers switched on for single functions,
// not all of an iterator's code is put in line.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::{Survivor, Task, portable, prefetch};
use crate::search::bound::{HeadWeights, NextQuery, WEIGHTS_MAX};
use crate::search::codes::{CODE_LINES, FINE_BYTES, Fine, Group, Line, Next};
use crate::search::sixteens::{kept, pairs};
use crate::search::tuning::{GROUP_ROWS, HEAD, HEAD_LEVELS};

/// Queries whose sums are held in registers together, two registers each, for sixteen
/// rows.
const TILE: usize = 4;

/// Words of weights, in the order in which they are used: of the low and the high
/// halves of one line after the other.
const WORDS: usize = HEAD / 4;

/// Only reachable through a [`super::Kernel`] made after the check for AVX2.
pub(super) fn scan(groups: &[Group], first: u32, task: &mut Task<'_>) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: `Kernel` hands this function out only where AVX2 was detected.
    unsafe { scan_one(groups, first, task) }
}

/// Likewise.
pub(super) fn batch(rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
    debug_assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: as above.
    unsafe { batch_tiles(rows, first, tasks) }
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

/// What codes are lowered by, so that none is further than so much from zero.
const MIDDLE: i32 = (HEAD_LEVELS as i32 + 1) / 2;

const _: () = assert!(WEIGHTS_MAX * MIDDLE <= i16::MAX as i32);

/// What the codes of a batch's first pass are raised by, so that none has a sign.
const RAISED: i32 = 64;

/// The sum of a query's weights.
fn weight(weights: &HeadWeights) -> i32 {
    let weights = weights.words.iter().flat_map(|word| word.to_le_bytes());
    weights.map(|weight| i32::from(weight.cast_signed())).sum()
}

/// What a kernel needs of `N` queries, side by side in the order in which it is used.
#[repr(C, align(64))]
struct Tile<const N: usize> {
    words: [[i32; N]; WORDS],
    /// What the sums begin without, modulo 2¹⁶: with it they would not fit.
    starts: [[i16; 2]; N],
    norms: [[i16; 2]; N],
    /// Thresholds of the sums so lowered, moved into 16 bits: to lower ones all sums
    /// lie above anyway, and where higher ones are asked for `add` looks once more.
    thresholds: [[i16; 2]; N],
    /// What is to be added to these sums.
    lowered: [i32; N],
}

impl<const N: usize> Tile<N> {
    /// For four bits: codes are counted from zero.
    fn of_groups(tasks: &[Task<'_>; N]) -> Self {
        let lowered = tasks.each_ref().map(|task| MIDDLE * weight(task.weights));
        Self::new(tasks, lowered, lowered)
    }

    /// For seven bits: codes have a sign.
    fn of_batch(tasks: &[Task<'_>; N]) -> Self {
        Self::new(tasks, tasks.each_ref().map(|task| RAISED * weight(task.weights)), [0; N])
    }

    fn new(tasks: &[Task<'_>; N], without: [i32; N], lowered: [i32; N]) -> Self {
        Self {
            words: std::array::from_fn(|word| tasks.each_ref().map(|task| task.weights.words[word])),
            // Every row has two sums, of which one begins so.
            starts: without.map(|without| [without.wrapping_neg() as i16, 0]),
            norms: tasks.each_ref().map(|task| [task.weights.norms[0] as i16; 2]),
            thresholds: std::array::from_fn(|t| {
                let threshold = i64::from(tasks[t].threshold) - i64::from(lowered[t]);
                [threshold.clamp(i16::MIN.into(), i16::MAX.into()) as i16; 2]
            }),
            lowered,
        }
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

/// The codes of sixteen rows, a byte each: two eights of rows for each word.
type Codes = [[__m256i; 2]; WORDS];

/// Those of one line.
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
    let tile = Tile::of_groups(std::array::from_ref(&*task));
    let mut words = [_mm256_setzero_si256(); WORDS];
    for word in 0..WORDS {
        words[word] = _mm256_set1_epi32(tile.words[word][0]);
    }
    let mut first = first;
    for number in 0..groups.len() {
        let group = &groups[number];
        ask_for_next(groups, number);
        for half in 0..2 {
            let mut sums = [pairs(tile.starts[0]); 2];
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
            let kept = kept(over(along, norms, &tile, 0));
            if kept != 0 {
                add(along, norms, kept, first, (tile.norms[0], tile.lowered[0]), task);
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

/// Rows whose codes are unpacked together.
const ROWS: usize = 16;

/// Sixteen rows are put side by side once for all queries.
#[target_feature(enable = "avx2")]
fn batch_tiles(rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
    let (tasks, rest) = tasks.as_chunks_mut::<TILE>();
    let tiles: Vec<Tile<TILE>> = tasks.iter().map(Tile::of_batch).collect();
    let ones: Vec<Tile<1>> = rest.iter().map(|task| Tile::of_batch(std::array::from_ref(task))).collect();
    let mut unpacked: Codes = [[_mm256_setzero_si256(); 2]; WORDS];
    let mut last = [Fine([0; FINE_BYTES]); ROWS];
    let (sixteens, few) = rows.as_chunks::<ROWS>();
    last[..few.len()].copy_from_slice(few);
    let mut place = first;
    for number in 0..sixteens.len() + usize::from(!few.is_empty()) {
        if number + 1 < sixteens.len() {
            prefetch(&sixteens[number + 1]);
        }
        let rows = if number < sixteens.len() { &sixteens[number] } else { &last };
        let norms = unpack(rows, &mut unpacked);
        for number in 0..tiles.len() {
            pass(&unpacked, norms, place, &tiles[number], &mut tasks[number]);
        }
        for number in 0..ones.len() {
            pass(&unpacked, norms, place, &ones[number], std::array::from_mut(&mut rest[number]));
        }
        place += ROWS as u32;
    }
    if !few.is_empty() {
        let end = first + rows.len() as u32;
        for task in tasks.as_flattened_mut().iter_mut().chain(rest) {
            while task.survivors.last().is_some_and(|survivor| survivor.row >= end) {
                task.survivors.pop();
            }
        }
    }
}

/// The codes of sixteen rows for the first pass of a batch, raised by [`RAISED`], and
/// their norms in the order in which `hadd` puts sums.
#[inline]
#[target_feature(enable = "avx2")]
fn unpack(rows: &[Fine; ROWS], codes: &mut Codes) -> __m256i {
    const NORMS: usize = FINE_BYTES / 4 - 1;
    const { assert!(FINE_BYTES.is_multiple_of(32) && WORDS <= NORMS) };
    let (sign, seven) = (_mm256_set1_epi8(i8::MIN), _mm256_set1_epi8(0x7F));
    let mut norms = [_mm256_setzero_si256(); 2];
    for eight in 0..2 {
        for part in 0..FINE_BYTES / 32 {
            let words = transposed(&rows.as_chunks::<8>().0[eight], part);
            for word in 0..8 {
                let number = 8 * part + word;
                if number < WORDS {
                    let raised = _mm256_srli_epi16::<1>(_mm256_xor_si256(words[word], sign));
                    codes[number][eight] = _mm256_and_si256(raised, seven);
                } else if number == NORMS {
                    norms[eight] = _mm256_srli_epi32::<16>(words[word]);
                }
            }
        }
    }
    _mm256_packus_epi32(norms[0], norms[1])
}

/// Eight words of eight rows, 32 bytes from `part` on: the first words of all rows, then
/// the second ones.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: &[Fine; 8], part: usize) -> [__m256i; 8] {
    let mut lines = [_mm256_setzero_si256(); 8];
    for row in 0..8 {
        let bytes = &rows[row].0.as_chunks::<32>().0[part];
        // SAFETY: 32 bytes lie there; no alignment is asked for.
        lines[row] = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
    }
    let mut twos = lines;
    for pair in 0..4 {
        let (one, other) = (lines[2 * pair], lines[2 * pair + 1]);
        twos[2 * pair] = _mm256_unpacklo_epi32(one, other);
        twos[2 * pair + 1] = _mm256_unpackhi_epi32(one, other);
    }
    // Words 0 and 4, 1 and 5, 2 and 6, 3 and 7 of rows 0…3, then of rows 4…7.
    let mut fours = lines;
    for half in 0..2 {
        for two in 0..2 {
            let (one, other) = (twos[4 * half + two], twos[4 * half + two + 2]);
            fours[4 * half + 2 * two] = _mm256_unpacklo_epi64(one, other);
            fours[4 * half + 2 * two + 1] = _mm256_unpackhi_epi64(one, other);
        }
    }
    let mut words = lines;
    for word in 0..4 {
        words[word] = _mm256_permute2x128_si256::<0x20>(fours[word], fours[4 + word]);
        words[4 + word] = _mm256_permute2x128_si256::<0x31>(fours[word], fours[4 + word]);
    }
    words
}

/// Sixteen rows by the queries of a tile: adds to every task which rows reach its
/// threshold.
#[inline]
#[target_feature(enable = "avx2")]
fn pass<const N: usize>(codes: &Codes, norms: __m256i, first: u32, tile: &Tile<N>, tasks: &mut [Task<'_>; N]) {
    // Of each query: the sums of two eights of rows, two for each row, which are to be
    // added.
    let mut sums = [[_mm256_setzero_si256(); 2]; N];
    for t in 0..N {
        sums[t] = [pairs(tile.starts[t]); 2];
    }
    for two in 0..WORDS / 2 {
        for word in [2 * two, 2 * two + 1] {
            let codes = codes[word];
            for t in 0..N {
                let weights = _mm256_set1_epi32(tile.words[word][t]);
                for eight in 0..2 {
                    let product = _mm256_maddubs_epi16(codes[eight], weights);
                    sums[t][eight] = _mm256_add_epi16(sums[t][eight], product);
                }
            }
        }
    }
    let mut along = [_mm256_setzero_si256(); N];
    let mut over = [_mm256_setzero_si256(); N];
    let mut none = _mm256_set1_epi8(-1);
    for t in 0..N {
        along[t] = _mm256_hadd_epi16(sums[t][0], sums[t][1]);
        over[t] = self::over(along[t], norms, tile, t);
        none = _mm256_and_si256(none, over[t]);
    }
    if kept(none) != 0 {
        for t in 0..N {
            let kept = kept(over[t]);
            if kept != 0 {
                add(along[t], norms, kept, first, (tile.norms[t], tile.lowered[t]), &mut tasks[t]);
            }
        }
    }
}

/// What the sums of sixteen rows are above the threshold.
#[inline]
#[target_feature(enable = "avx2")]
fn over<const N: usize>(along: __m256i, norms: __m256i, tile: &Tile<N>, t: usize) -> __m256i {
    // Norms and their weights are at most 127: 2 · 127 · 127 fits 16 bits. What is
    // cut off above keeps the sign it has; what the first step cuts off below is
    // not lifted to zero by the second.
    let beyond = _mm256_maddubs_epi16(norms, pairs(tile.norms[t]));
    _mm256_adds_epi16(_mm256_subs_epi16(along, pairs(tile.thresholds[t])), beyond)
}

/// Adds those of sixteen rows that were kept, with their sums of codes `along`, lowered,
/// and of norms.
#[inline(never)]
#[target_feature(enable = "avx2")]
fn add(
    along: __m256i,
    norms: __m256i,
    kept: u32,
    first: u32,
    (weights, lowered): ([i16; 2], i32),
    task: &mut Task<'_>,
) {
    let beyond = _mm256_maddubs_epi16(norms, pairs(weights));
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
        let sum = i32::from(codes[at]) + i32::from(norms[at]) + lowered;
        if sum >= task.threshold {
            task.survivors.push(Survivor { row: first + row, sum });
        }
        rows &= rows - 1;
    }
}
