//! Random numbers: [`SplitMix`] is deterministic, the same on every machine and in every version,
//! and predictable; [`secret`] takes bytes from the operating system, for keys and ids.

use std::io;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
///
/// Published figures, the rotations of stored indexes and bootstraps depend on its sequences, which
/// must not change.
pub struct SplitMix(pub u64);

impl SplitMix {
    /// An independent stream for repetition `index`, so that results do not depend on threads or
    /// their order.
    pub(crate) fn stream(seed: u64, index: u64) -> Self {
        let mut own = Self(seed ^ index.wrapping_mul(0xd134_2543_de82_ef95));
        // Neighbouring seeds differ in few bits; one step mixes them.
        Self(own.next())
    }

    /// An independent stream for person `number` of a population; mixes the number before the seed.
    pub(crate) fn stream_of_number(seed: u64, number: u64) -> Self {
        let mixed = Self(number).next() ^ seed;
        Self(Self(mixed).next())
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0…`bound` − 1, by multiplication; the bias is below 2⁻³² here.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// Mean 0, variance 1, nearly normal: the sum of four uniform numbers.
    pub(crate) fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        // Each is 0…65535 with variance (2^32 − 1) / 12.
        (sum as f32 - 2.0 * 65_535.0) * (1.0 / 37_837.23)
    }

    /// The first `count` of `items` become a random choice without repetition (Fisher and
    /// Yates), in random order.
    pub(crate) fn choose<T>(&mut self, items: &mut [T], count: usize) {
        for at in 0..count.min(items.len()) {
            let other = at + self.below(items.len() - at);
            items.swap(at, other);
        }
    }
}

/// Unpredictable bytes.
///
/// # Errors
/// Where the system has no random numbers.
pub(crate) fn secret<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers are those of the authors' program; the streams are those that stored
    /// rotations, published figures and planted galleries were drawn from.
    #[test]
    fn the_sequences_are_the_same_for_ever() {
        let first = |mut random: SplitMix| [random.next(), random.next(), random.next()];
        assert_eq!(first(SplitMix(0)), [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
        assert_eq!(
            first(SplitMix::stream(1, 2)),
            [0xde24_7210_6ae1_f0c5, 0xbcf5_9cb5_d394_7948, 0x1dda_c8a7_a390_a713]
        );
        assert_eq!(
            first(SplitMix::stream_of_number(1, 2)),
            [0x90b9_6b4d_d23b_d6eb, 0xbfcb_6b6d_8a2f_dfb5, 0xaa03_4247_b907_7ec2]
        );
        let mut items = [0, 1, 2, 3, 4, 5, 6, 7];
        SplitMix(5).choose(&mut items, 4);
        assert_eq!(items, [3, 6, 0, 2, 4, 5, 1, 7]);
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(secret::<16>().unwrap(), secret::<16>().unwrap());
    }
}
