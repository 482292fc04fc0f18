//! The first pass of a batch: sixty-four rows by six queries at a time, four dimensions of
//! sixteen rows a register.

use std::arch::x86_64::*;

use crate::search::codes::Fine;
use crate::search::kernel::Task;
use crate::search::kernel::batch::{self, Known, LAST_STRIP, Multiplier, RAISED, STRIP, TILE};
use crate::search::tuning::HEAD;

/// Rows whose codes are put side by side.
const ROWS: usize = 64;

/// Sixteens of these rows.
const SIXTEENS: usize = ROWS / 16;

/// Fours of dimensions.
const FOURS: usize = HEAD / 4;

/// Dimensions by rows.
pub(super) struct Codes {
    fours: [[__m512i; SIXTEENS]; FOURS],
    /// The last four bytes of each row: its norms are the last two.
    norms: [__m512i; SIXTEENS],
}

pub(super) type Tile = batch::Tile<FOURS>;

pub(super) enum Vnni {}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,popcnt,bmi1")]
pub(super) fn batch(rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
    // SAFETY: what is needed is switched on here.
    unsafe { batch::batch::<Vnni, ROWS>(rows, first, tasks) }
}

impl Multiplier<ROWS> for Vnni {
    type Codes = Codes;
    type Tile = Tile;

    fn nothing() -> Codes {
        // SAFETY: registers of zeros.
        unsafe { std::mem::zeroed() }
    }

    fn tile(tasks: &[Task<'_>]) -> Tile {
        let mut tile = Tile::NOTHING;
        for (t, task) in tasks.iter().enumerate().take(TILE) {
            for (words, word) in tile.words.iter_mut().zip(task.weights.words) {
                words[t] = word;
            }
            tile.starts[t] = -RAISED * task.weights.sum;
            // Of the last two bytes of four.
            tile.norms[t] = task.weights.norms[0] << 16;
            tile.thresholds[t] = task.threshold;
        }
        tile
    }

    fn place_of_sum(row: usize) -> usize {
        row
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn side_by_side(rows: &[Fine; ROWS], codes: &mut Codes) {
        for number in 0..SIXTEENS {
            for strip in 0..HEAD / STRIP {
                let columns = sixteen(rows, number, strip);
                for four in 0..STRIP / 4 {
                    codes.fours[STRIP / 4 * strip + four][number] = raised(columns[four]);
                }
            }
            [.., codes.norms[number]] = sixteen(rows, number, LAST_STRIP);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn pass<const N: usize>(codes: &Codes, tile: &Tile, known: &mut [Known; N], at: usize) {
        let mut sums = [[_mm512_setzero_si512(); SIXTEENS]; N];
        for t in 0..N {
            sums[t] = [_mm512_set1_epi32(tile.starts[t]); SIXTEENS];
        }
        for four in 0..FOURS {
            let codes = codes.fours[four];
            for t in 0..N {
                let weights = _mm512_set1_epi32(tile.words[four][t]);
                for number in 0..SIXTEENS {
                    sums[t][number] = _mm512_dpbusd_epi32(sums[t][number], codes[number], weights);
                }
            }
        }
        for t in 0..N {
            let (weights, threshold) = (_mm512_set1_epi32(tile.norms[t]), _mm512_set1_epi32(tile.thresholds[t]));
            let mut kept = 0u64;
            for number in 0..SIXTEENS {
                let along = sums[t][number];
                let sum = _mm512_dpbusd_epi32(along, codes.norms[number], weights);
                kept |= u64::from(_mm512_cmpge_epi32_mask(sum, threshold)) << (16 * number);
                let place = known[t].sums(at + 16 * number);
                // SAFETY: 32 bytes are written, which lie there; no alignment is asked for.
                unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(along)) };
            }
            *known[t].kept(at) = kept as u32;
            *known[t].kept(at + 32) = (kept >> 32) as u32;
        }
    }
}

/// Four registers of four bytes each of sixteen rows, in order: bytes from `strip` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sixteen(rows: &[Fine; ROWS], number: usize, strip: usize) -> [__m512i; 4] {
    let mut lines = [_mm512_setzero_si512(); 4];
    for line in 0..4 {
        let mut quarters = [_mm_setzero_si128(); 4];
        for quarter in 0..4 {
            let bytes = &rows[16 * number + 4 * quarter + line].0.as_chunks::<STRIP>().0[strip];
            // SAFETY: 16 bytes lie there; no alignment is asked for.
            quarters[quarter] = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        }
        let [first, second, third, last] = quarters;
        let half = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(first), second);
        lines[line] = _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(half, third), last);
    }
    let [a, b, c, d] = lines;
    // Rows 0 and 1, 2 and 3, of every four: fours of bytes 0 and 1, 2 and 3.
    let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
    let (ab_later, cd_later) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab, cd),
        _mm512_unpackhi_epi64(ab, cd),
        _mm512_unpacklo_epi64(ab_later, cd_later),
        _mm512_unpackhi_epi64(ab_later, cd_later),
    ]
}

/// Seven bits of codes, raised by [`RAISED`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn raised(codes: __m512i) -> __m512i {
    let seven = _mm512_and_si512(_mm512_srli_epi16::<1>(codes), _mm512_set1_epi8(0x7F));
    _mm512_xor_si512(seven, _mm512_set1_epi8(RAISED as i8))
}
