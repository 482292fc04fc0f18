//! Signs of keyed random projections (SimHash): bits of which two vectors differ in a share
//! that is the angle between them over a half turn (Charikar 2002, "Similarity estimation
//! techniques from rounding algorithms").
//!
//! Whole numbers throughout: the same bits on every machine, and a sum of zero is a set bit.

use super::key::FingerprintKey;

/// Directions that only the holder of the key knows.
#[derive(Clone, Default)]
pub(super) struct Projection {
    inputs: usize,
    /// Row after row, one for each bit; nearly normal numbers from -4 to 4.
    rows: Vec<i8>,
}

impl Projection {
    /// `bits` directions among vectors of `inputs` numbers, for one purpose.
    pub(super) fn new(key: &FingerprintKey, purpose: &'static [u8], inputs: usize, bits: usize) -> Self {
        let bytes = (0_u32..).flat_map(|block| key.digest(purpose, &[&block.to_le_bytes()]));
        // Ones among 8 fair bits: a binomial number, its mean taken off.
        Self { inputs, rows: bytes.take(inputs * bits).map(|byte| byte.count_ones() as i8 - 4).collect() }
    }

    /// The place of `values` along each direction. Values that lack are zero; the sizes of
    /// all of them add up to less than 2^29.
    pub(super) fn along(&self, values: &[i32]) -> Vec<i32> {
        let place = |(&by, &value): (&i8, &i32)| i32::from(by).wrapping_mul(value);
        let sum = |row: &[i8]| row.iter().zip(values).map(place).fold(0, i32::wrapping_add);
        self.rows.chunks_exact(self.inputs.max(1)).map(sum).collect()
    }

    /// The signs of that, a bit each.
    pub(super) fn signs<const WORDS: usize>(&self, values: &[i32]) -> [u64; WORDS] {
        signs(&self.along(values))
    }
}

/// A bit for each number: set where it is not below zero.
pub(super) fn signs<const WORDS: usize>(along: &[i32]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, numbers) in words.iter_mut().zip(along.chunks(64)) {
        *word = numbers.iter().rev().fold(0, |bits, &number| bits << 1 | u64::from(number >= 0));
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::distance;
    use super::*;

    #[test]
    fn directions_are_the_keys_own_and_the_same_every_time() {
        let of = |seed, purpose| Projection::new(&FingerprintKey::from_bytes([seed; 32]), purpose, 30, 64).rows;
        assert_eq!(of(1, b"a"), of(1, b"a"));
        assert_ne!(of(1, b"a"), of(2, b"a"));
        assert_ne!(of(1, b"a"), of(1, b"b"));
        assert!(of(1, b"a").iter().all(|number| (-4..=4).contains(number)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn bits_differ_in_the_share_of_the_angle(
            values in prop::collection::vec(-1000i32..1000, 64),
            others in prop::collection::vec(-1000i32..1000, 64),
            seed: [u8; 32],
        ) {
            let projection = Projection::new(&FingerprintKey::from_bytes(seed), b"test", 64, 512);
            let dot = |a: &[i32], b: &[i32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let cosine = dot(&values, &others) / (dot(&values, &values) * dot(&others, &others)).sqrt();
            let share = f64::from(distance::<8>(&projection.signs(&values), &projection.signs(&others))) / 512.0;
            // Six standard deviations of 512 throws.
            prop_assert!((share - cosine.acos() / std::f64::consts::PI).abs() < 0.14);
        }

        #[test]
        fn brightness_of_a_vector_changes_no_bit(values in prop::collection::vec(-1000i32..1000, 64), by in 1i32..200) {
            let projection = Projection::new(&FingerprintKey::from_bytes([5; 32]), b"test", 64, 256);
            let longer: Vec<i32> = values.iter().map(|value| value * by).collect();
            prop_assert_eq!(projection.signs::<4>(&values), projection.signs::<4>(&longer));
        }
    }
}
