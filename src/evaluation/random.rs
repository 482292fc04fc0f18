//! Draws that are the same on every machine.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// 2014).
pub(crate) struct SplitMix(pub u64);

impl SplitMix {
    /// A stream of its own for the `index`-th of many repetitions: whatever thread
    /// does it and whenever, it draws the same.
    pub fn stream(seed: u64, index: u64) -> Self {
        let mut own = Self(seed ^ index.wrapping_mul(0xd134_2543_de82_ef95));
        // Neighbouring seeds differ in few bits; one step mixes them.
        Self(own.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0…`bound` − 1, by multiplication; the bias is below 2⁻³² here.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// The first `count` of `items` become a random choice without repetition
    /// (Fisher and Yates), in random order.
    pub fn choose<T>(&mut self, items: &mut [T], count: usize) {
        for at in 0..count.min(items.len()) {
            let other = at + self.below(items.len() - at);
            items.swap(at, other);
        }
    }
}
