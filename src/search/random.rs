//! Random numbers that are the same on every machine and for ever.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One stream for each pair of numbers.
    pub(super) fn stream(seed: u64, number: u64) -> Self {
        let mut of_number = Self(number);
        let mixed = of_number.next() ^ seed;
        Self(Self(mixed).next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Mean 0, variance 1, nearly normal: the sum of four uniform numbers.
    pub(super) fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        // Each is 0…65535 with variance (2^32 − 1) / 12.
        (sum as f32 - 2.0 * 65_535.0) * (1.0 / 37_837.23)
    }
}
