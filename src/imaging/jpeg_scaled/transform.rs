//! Inverse cosine transforms (T.81 A.3.3) of whole and reduced size.
//!
//! A block decoded at 1/2, 1/4 or 1/8 keeps its 4, 2 or 1 lowest frequencies
//! in each direction and transforms them at that size: the same cosines
//! sampled at fewer places, which is what a smooth filter and a decimation
//! would give. Both directions are independent, so a 4x8 result is as easy as
//! a 4x4 one, and subsampled chroma needs no upsampling until the full size.
//!
//! With X the coefficients and √2·cos in place of the usual ½·C(u)·cos, one
//! direction of size N is `y[n] = X[0] + Σ √2·cos((2n+1)kπ/2N)·X[k]`, and the
//! block is an eighth of doing both. The eight-point transform is that of Arai,
//! Agui and Nakajima (1988): five multiplications, after a scaling of the
//! coefficients that the dequantisation takes along.
//!
//! Coefficients lie block beside block ([`Coefficients`]), so that the same
//! operation on many blocks is plain vector arithmetic with no shuffles until
//! pixels are packed. Arithmetic is in `f32`, never contracted: every processor
//! gives the same bits, and no input overflows.

/// Blocks that are held side by side.
pub(super) const LANES: usize = 32;

/// Blocks that are transformed at once: two vectors of eight floats.
pub(super) const LANES_AT_ONCE: usize = 16;

/// Places for coefficients: 64, and one for those that are discarded.
const PLACES: usize = 65;
const NOWHERE: u16 = (64 * LANES) as u16;

/// Quantised coefficients of [`LANES`] blocks: place `p` of block `b` is at
/// `p * LANES + b`, where `p = v * H + u` for a transform of width `H`.
pub(super) struct Coefficients(Box<[i16; PLACES * LANES]>);

/// The coefficients from one block's first on: its places are [`LANES`] apart.
pub(super) type BlockCoefficients = [i16; (PLACES - 1) * LANES + 1];

impl Coefficients {
    pub(super) fn new() -> Self {
        Self(Box::new([0; PLACES * LANES]))
    }

    /// Clears the coefficients of `places` places.
    #[inline(always)]
    pub(super) fn clear(&mut self, places: usize) {
        self.0[..places * LANES].fill(0);
    }

    /// The block in a lane.
    #[inline(always)]
    pub(super) fn block(&mut self, lane: usize) -> &mut BlockCoefficients {
        const { assert!(LANES.is_power_of_two()) };
        let from = lane & (LANES - 1);
        match self.0[from..].first_chunk_mut() {
            Some(block) => block,
            None => unreachable!("a lane is less than LANES"),
        }
    }
}

/// Place of the k-th coefficient of a block. Indices above 63 and frequencies that the reduced size
/// leaves out are discarded.
pub(super) struct PlaceMap(pub(super) [u16; 256]);

impl PlaceMap {
    /// For blocks transformed to `h` by `v` pixels.
    pub(super) fn new(h: usize, v: usize) -> Self {
        let mut map = [NOWHERE; 256];
        for (k, &natural) in super::markers::ZIGZAG.iter().enumerate() {
            let (row, column) = (usize::from(natural / 8), usize::from(natural % 8));
            if row < v && column < h {
                map[k] = ((row * h + column) * LANES) as u16;
            }
        }
        Self(map)
    }

    /// One past the last index that goes somewhere.
    pub(super) fn end(&self) -> u32 {
        self.0.iter().rposition(|&place| place != NOWHERE).map_or(0, |k| k as u32 + 1)
    }
}

/// Factors from quantised coefficients to what the transforms take, by place.
pub(super) fn factors(quant: &[u8; 64], h: usize, v: usize) -> [f32; 64] {
    let mut factors = [0.0; 64];
    for (k, &natural) in super::markers::ZIGZAG.iter().enumerate() {
        let (row, column) = (usize::from(natural / 8), usize::from(natural % 8));
        if row < v && column < h {
            let scale = axis_factor(v, row) * axis_factor(h, column) / 8.0;
            factors[row * h + column] = (f64::from(quant[k]) * scale) as f32;
        }
    }
    factors
}

/// What the k-th coefficient of a direction is multiplied with: the scaling
/// that the eight-point transform expects, or the weight that an average over
/// the pixels that become one gives to a frequency.
fn axis_factor(size: usize, k: usize) -> f64 {
    let cos = |numerator: usize| (numerator as f64 * std::f64::consts::PI / 16.0).cos();
    match (size, k) {
        (8, 1..) => std::f64::consts::SQRT_2 * cos(k),
        (4, _) => cos(k),
        (2, _) => cos(k) * cos(2 * k),
        _ => 1.0,
    }
}

/// Where all coefficients of some blocks come no later than this index, those
/// beyond the fourth of either direction are zero, and [`inverse`] need not look
/// at them: most chroma is so.
pub(super) const LOW_INDEX_MAX: u32 = 9;

/// Transforms blocks `lane..lane + LANES_AT_ONCE` to `H` by `V` pixels each.
/// Row `r` of all blocks is written from `out[r * stride]` on. `IN` is 4 where
/// no index is above [`LOW_INDEX_MAX`], else 8; the result is the same.
#[inline(always)]
pub(super) fn inverse<const H: usize, const V: usize, const IN: usize>(
    coefficients: &Coefficients,
    lane: usize,
    factors: &[f32; 64],
    out: &mut [u8],
    stride: usize,
) {
    const N: usize = LANES_AT_ONCE;
    let mut columns = [[[0_f32; N]; V]; H];
    for (u, column) in columns.iter_mut().enumerate().take(IN) {
        let mut input = [&[0_i16; N]; V];
        let mut factor = [0_f32; V];
        for v in 0..V.min(IN) {
            let place = v * H + u;
            if let Some(line) = coefficients.0[place * LANES + lane..].first_chunk() {
                input[v] = line;
            }
            factor[v] = factors[place];
        }
        for l in 0..N {
            let mut x = [0.0; V];
            for v in 0..V.min(IN) {
                x[v] = f32::from(input[v][l]) * factor[v];
            }
            points::<V, IN>(&mut x);
            for v in 0..V {
                column[v][l] = x[v];
            }
        }
    }
    for v in 0..V {
        let mut pixels = [[0_f32; N]; H];
        for l in 0..N {
            let mut x = [0.0; H];
            for u in 0..H.min(IN) {
                x[u] = columns[u][v][l];
            }
            points::<H, IN>(&mut x);
            for u in 0..H {
                pixels[u][l] = x[u];
            }
        }
        pack::<H>(&pixels, &mut out[v * stride..][..N * H]);
    }
}

/// The transform itself, in place. With `IN` of 4, the coefficients from the
/// fifth on are zero.
#[inline(always)]
fn points<const S: usize, const IN: usize>(x: &mut [f32; S]) {
    match *x.as_mut_slice() {
        [ref mut x0, ref mut x1] => (*x0, *x1) = (*x0 + *x1, *x0 - *x1),
        [ref mut x0, ref mut x1, ref mut x2, ref mut x3] => {
            const A: f32 = 1.306_563; // √2·cos(π/8)
            const B: f32 = 0.541_196_1; // √2·cos(3π/8)
            let (even_0, even_1) = (*x0 + *x2, *x0 - *x2);
            let (odd_0, odd_1) = (A * *x1 + B * *x3, B * *x1 - A * *x3);
            (*x0, *x1, *x2, *x3) = (even_0 + odd_0, even_1 + odd_1, even_1 - odd_1, even_0 - odd_0);
        }
        [ref mut x0, ref mut x1, ref mut x2, ref mut x3, ref mut x4, ref mut x5, ref mut x6, ref mut x7] => {
            const C: f32 = std::f32::consts::SQRT_2;
            const D: f32 = 1.847_759_1; // 2·cos(π/8)
            const E: f32 = 1.082_392_2; // 2·(cos(π/8) − cos(3π/8))
            const F: f32 = 2.613_126; // 2·(cos(π/8) + cos(3π/8))
            // Adding a zero is not nothing to a compiler: it would turn -0 into 0.
            let (sum_04, difference_04) = if IN > 4 { (*x0 + *x4, *x0 - *x4) } else { (*x0, *x0) };
            let (sum_26, minus_26) = if IN > 4 { (*x2 + *x6, *x2 - *x6) } else { (*x2, *x2) };
            let (sum_53, difference_53) = if IN > 4 { (*x5 + *x3, *x5 - *x3) } else { (*x3, -*x3) };
            let (sum_17, difference_17) = if IN > 4 { (*x1 + *x7, *x1 - *x7) } else { (*x1, *x1) };
            let difference_26 = minus_26 * C - sum_26;
            let (e0, e3) = (sum_04 + sum_26, sum_04 - sum_26);
            let (e1, e2) = (difference_04 + difference_26, difference_04 - difference_26);
            let o7 = sum_17 + sum_53;
            let middle = (sum_17 - sum_53) * C;
            let turn = (difference_53 + difference_17) * D;
            let o6 = turn - difference_53 * F - o7;
            let o5 = middle - o6;
            let o4 = turn - difference_17 * E - o5;
            (*x0, *x7) = (e0 + o7, e0 - o7);
            (*x1, *x6) = (e1 + o6, e1 - o6);
            (*x2, *x5) = (e2 + o5, e2 - o5);
            (*x3, *x4) = (e3 + o4, e3 - o4);
        }
        _ => {}
    }
}

/// Level shift, rounding to nearest and clamping to a byte, as the low bits of
/// a word.
#[inline(always)]
fn byte(x: f32) -> u32 {
    // Adding 2²³ leaves the rounded integer in the low mantissa bits.
    ((x + 128.0).clamp(0.0, 255.0) + 8_388_608.0).to_bits() & 0xFF
}

/// Columns of many blocks to rows of bytes.
#[inline(always)]
fn pack<const H: usize>(pixels: &[[f32; LANES_AT_ONCE]; H], out: &mut [u8]) {
    const N: usize = LANES_AT_ONCE;
    let word = |l: usize, from: usize| {
        byte(pixels[from][l])
            | byte(pixels[from + 1][l]) << 8
            | byte(pixels[from + 2][l]) << 16
            | byte(pixels[from + 3][l]) << 24
    };
    match H {
        1 => {
            for (l, out) in out.iter_mut().enumerate().take(N) {
                *out = byte(pixels[0][l]) as u8;
            }
        }
        2 => {
            for (l, out) in out.chunks_exact_mut(2).enumerate().take(N) {
                out.copy_from_slice(&((byte(pixels[0][l]) | byte(pixels[1][l]) << 8) as u16).to_le_bytes());
            }
        }
        4 => {
            for (l, out) in out.chunks_exact_mut(4).enumerate().take(N) {
                out.copy_from_slice(&word(l, 0).to_le_bytes());
            }
        }
        _ => {
            for (l, out) in out.chunks_exact_mut(8).enumerate().take(N) {
                let (low, high) = (u64::from(word(l, 0)), u64::from(word(l, 4)));
                out.copy_from_slice(&(low | high << 32).to_le_bytes());
            }
        }
    }
}
