//! The dot product behind every comparison score, in a fixed order of summation.
//!
//! The order of summation is part of the contract: value `i` is multiplied and
//! added (never fused) into lane `i % 64`, lanes are then summed by halving
//! (64, 32, … 1). Lanes are independent, so a compiler may use any vector
//! width without changing a bit, and every kernel below gives the same bits.

/// Independent partial sums: four AVX-512 registers, enough to hide the latency of an addition.
const LANES: usize = 64;

/// A kernel for the dot product, chosen once for the machine at hand.
#[derive(Clone, Copy)]
pub struct Dot {
    kernel: fn(&[f32], &[f32]) -> f32,
    name: &'static str,
}

impl Dot {
    /// The fastest kernel this machine runs.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self { kernel: x86::avx512, name: "avx512f" };
            }
            if is_x86_feature_detected!("avx2") {
                return Self { kernel: x86::avx2, name: "avx2" };
            }
        }
        Self::portable()
    }

    /// The kernel that runs everywhere.
    pub const fn portable() -> Self {
        Self { kernel: body, name: "portable" }
    }

    /// Every kernel this machine runs, for tests and benchmarks.
    pub fn all() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self::portable()];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.push(Self { kernel: x86::avx2, name: "avx2" });
            }
            if is_x86_feature_detected!("avx512f") {
                all.push(Self { kernel: x86::avx512, name: "avx512f" });
            }
        }
        all
    }

    /// Name of the instruction set.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Sum of products over the shorter of the two lengths.
    #[inline]
    pub fn score(&self, a: &[f32], b: &[f32]) -> f32 {
        (self.kernel)(a, b)
    }
}

/// [`Dot::best`]`.score(a, b)`.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    Dot::best().score(a, b)
}

#[inline(always)]
fn body(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let mut lanes = [0.0f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += x * y;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::body;

    #[target_feature(enable = "avx2")]
    fn body_avx2(a: &[f32], b: &[f32]) -> f32 {
        body(a, b)
    }

    #[target_feature(enable = "avx512f")]
    fn body_avx512(a: &[f32], b: &[f32]) -> f32 {
        body(a, b)
    }

    /// Only reachable through a [`super::Dot`] made after the check for AVX2.
    #[allow(unsafe_code, reason = "wider instructions, detected before; a safe twin is tested against")]
    pub(super) fn avx2(a: &[f32], b: &[f32]) -> f32 {
        debug_assert!(is_x86_feature_detected!("avx2"));
        // SAFETY: `Dot` hands this function out only where AVX2 was detected.
        unsafe { body_avx2(a, b) }
    }

    /// Only reachable through a [`super::Dot`] made after the check for AVX-512.
    #[allow(unsafe_code, reason = "wider instructions, detected before; a safe twin is tested against")]
    pub(super) fn avx512(a: &[f32], b: &[f32]) -> f32 {
        debug_assert!(is_x86_feature_detected!("avx512f"));
        // SAFETY: `Dot` hands this function out only where AVX-512F was detected.
        unsafe { body_avx512(a, b) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reference implementation of the order of summation.
    fn by_the_contract(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = vec![0.0f32; 64];
        for i in 0..a.len().min(b.len()) {
            lanes[i % 64] += a[i] * b[i];
        }
        while lanes.len() > 1 {
            let half = lanes.split_off(lanes.len() / 2);
            for (lane, other) in lanes.iter_mut().zip(half) {
                *lane += other;
            }
        }
        lanes[0]
    }

    proptest! {
        #[test]
        fn every_kernel_gives_the_same_bits(
            pairs in prop::collection::vec((any::<f32>(), any::<f32>()), 0..700),
            shift in 0usize..8,
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            // An odd start makes unaligned loads at the buffer's edges.
            let (a, b) = (&a[shift.min(a.len())..], &b[shift.min(b.len())..]);
            let expected = by_the_contract(a, b);
            for kernel in Dot::all() {
                let got = kernel.score(a, b);
                prop_assert!(
                    got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan()),
                    "{}: {got:e} instead of {expected:e}", kernel.name()
                );
            }
        }
    }
}
