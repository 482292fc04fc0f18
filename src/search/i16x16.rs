//! Sixteen 16-bit integers in an AVX2 register: what the loops of scan and join share.

use std::arch::x86_64::*;

/// Two numbers in a word.
#[inline]
pub(super) fn pair([low, high]: [i16; 2]) -> i32 {
    i32::from(low) & 0xFFFF | i32::from(high) << 16
}

/// Two numbers, again and again.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn pairs(numbers: [i16; 2]) -> __m256i {
    _mm256_set1_epi32(pair(numbers))
}

/// The upper bit of a pair of bits for each number that is not negative.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn kept(over: __m256i) -> u32 {
    !_mm256_movemask_epi8(over).cast_unsigned() & 0xAAAA_AAAA
}
