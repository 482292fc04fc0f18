//! The first pass of a batch: thirty-two rows by six queries at a time, two dimensions of
//! sixteen rows a register, so that each number of a register is the sum of one row.

use std::arch::x86_64::*;

use super::{narrowed, over};
use crate::search::codes::Fine;
use crate::search::i16x16::pair;
use crate::search::kernel::Task;
use crate::search::kernel::batch::{self, Known, LAST_STRIP, Multiplier, RAISED, STRIP, TILE};
use crate::search::tuning::HEAD;

/// Rows whose codes are put side by side.
const ROWS: usize = 32;

/// Twos of dimensions.
const TWOS: usize = HEAD / 2;

/// Two groups of 16 rows.
pub(super) struct Codes {
    twos: [[__m256i; 2]; TWOS],
    /// The last two bytes of each row.
    norms: [__m256i; 2],
}

/// Every word holds its number twice; `starts` are modulo 2¹⁶, as with them the sums would
/// not fit. With two registers of sums a query, the codes, a weight and a product all
/// sixteen are in use.
pub(super) type Tile = batch::Tile<TWOS>;

pub(super) enum Avx2 {}

#[target_feature(enable = "avx2,popcnt,bmi1")]
pub(super) fn batch(rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
    // SAFETY: what is needed is switched on here.
    unsafe { batch::batch::<Avx2, ROWS>(rows, first, tasks) }
}

impl Multiplier<ROWS> for Avx2 {
    type Codes = Codes;
    type Tile = Tile;

    fn nothing() -> Codes {
        // SAFETY: registers of zeros.
        unsafe { std::mem::zeroed() }
    }

    fn tile(tasks: &[Task<'_>]) -> Tile {
        let mut tile = Tile::NOTHING;
        let twice = |number: i16| pair([number; 2]);
        for (t, task) in tasks.iter().enumerate().take(TILE) {
            for (two, word) in tile.words.as_chunks_mut::<2>().0.iter_mut().zip(task.weights.words) {
                [two[0][t], two[1][t]] = [twice(word as i16), twice((word >> 16) as i16)];
            }
            tile.starts[t] = twice((RAISED * task.weights.sum).wrapping_neg() as i16);
            tile.norms[t] = twice(task.weights.norms[0] as i16);
            tile.thresholds[t] = twice(narrowed(task.threshold.into()));
        }
        tile
    }

    /// Of [`ROWS`] there are first rows 0…7 and 16…23, then the others, as [`sixteen`] takes
    /// them.
    fn place_of_sum(row: usize) -> usize {
        row & !24 | (row & 8) << 1 | (row & 16) >> 1
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn side_by_side(rows: &[Fine; ROWS], codes: &mut Codes) {
        for number in 0..2 {
            for strip in 0..HEAD / STRIP {
                let columns = sixteen(rows, number, strip);
                for two in 0..STRIP / 2 {
                    codes.twos[STRIP / 2 * strip + two][number] = raised(columns[two]);
                }
            }
            [.., codes.norms[number]] = sixteen(rows, number, LAST_STRIP);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn pass<const N: usize>(codes: &Codes, tile: &Tile, known: &mut [Known; N], at: usize) {
        let mut sums = [[_mm256_setzero_si256(); 2]; N];
        for t in 0..N {
            sums[t] = [_mm256_set1_epi32(tile.starts[t]); 2];
        }
        // Two together: there is less to count.
        for pair in 0..TWOS / 2 {
            for two in [2 * pair, 2 * pair + 1] {
                let codes = codes.twos[two];
                for t in 0..N {
                    let weights = _mm256_set1_epi32(tile.words[two][t]);
                    for sixteen in 0..2 {
                        let product = _mm256_maddubs_epi16(codes[sixteen], weights);
                        sums[t][sixteen] = _mm256_add_epi16(sums[t][sixteen], product);
                    }
                }
            }
        }
        for t in 0..N {
            let (weights, threshold) = (_mm256_set1_epi32(tile.norms[t]), _mm256_set1_epi32(tile.thresholds[t]));
            let first = over(sums[t][0], codes.norms[0], weights, threshold);
            let second = over(sums[t][1], codes.norms[1], weights, threshold);
            for sixteen in 0..2 {
                let place = known[t].sums(at + 16 * sixteen);
                // SAFETY: 32 bytes are written, which lie there; no alignment is asked for.
                unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), sums[t][sixteen]) };
            }
            // Bytes have the signs of the words.
            *known[t].kept(at) = !_mm256_movemask_epi8(_mm256_packs_epi16(first, second)).cast_unsigned();
        }
    }
}

/// Sixteen of [`ROWS`] rows, in an order that `packs` makes that of rows: rows 0…7 and
/// 16…23, or the others. Bytes from `strip` on, two of every row a register.
#[inline]
#[target_feature(enable = "avx2")]
fn sixteen(rows: &[Fine; ROWS], number: usize, strip: usize) -> [__m256i; 8] {
    let mut lines = [_mm256_setzero_si256(); 8];
    for row in 0..8 {
        let low = &rows[8 * number + row].0.as_chunks::<STRIP>().0[strip];
        let high = &rows[16 + 8 * number + row].0.as_chunks::<STRIP>().0[strip];
        // SAFETY: 16 bytes lie at either place; no alignment is asked for.
        lines[row] = unsafe { _mm256_loadu2_m128i(high.as_ptr().cast(), low.as_ptr().cast()) };
    }
    // Rows 0 and 1, 2 and 3, …, first the lower twos of bytes.
    let mut twos = lines;
    for pair in 0..4 {
        let (one, other) = (lines[2 * pair], lines[2 * pair + 1]);
        twos[pair] = _mm256_unpacklo_epi16(one, other);
        twos[4 + pair] = _mm256_unpackhi_epi16(one, other);
    }
    // Rows 0…3 and 4…7: twos 0 and 1, 2 and 3, 4 and 5, 6 and 7.
    let mut fours = lines;
    for half in 0..2 {
        for pair in 0..2 {
            let (one, other) = (twos[4 * half + 2 * pair], twos[4 * half + 2 * pair + 1]);
            fours[4 * half + pair] = _mm256_unpacklo_epi32(one, other);
            fours[4 * half + 2 + pair] = _mm256_unpackhi_epi32(one, other);
        }
    }
    let mut eights = lines;
    for four in 0..4 {
        let (one, other) = (fours[2 * four], fours[2 * four + 1]);
        eights[2 * four] = _mm256_unpacklo_epi64(one, other);
        eights[2 * four + 1] = _mm256_unpackhi_epi64(one, other);
    }
    eights
}

/// Seven bits of codes, raised by [`RAISED`].
#[inline]
#[target_feature(enable = "avx2")]
fn raised(codes: __m256i) -> __m256i {
    let unsigned = _mm256_xor_si256(codes, _mm256_set1_epi8(i8::MIN));
    _mm256_and_si256(_mm256_srli_epi16::<1>(unsigned), _mm256_set1_epi8(0x7F))
}
