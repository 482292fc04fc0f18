//! The bound: an integer from the codes that proves a row's score to be below
//! what is asked for. This file is the proof that no candidate is lost.
//!
//! # What is to be shown
//! Let s̃(q, x) be the score by [`Dot`], S the score asked for. A row is dropped
//! only where s̃(q, x) < S. Equivalently: U ≥ s̃(q, x) for the upper bound U that
//! is compared with S.
//!
//! # Without rounding
//! Let R have the axes as rows (the float32 numbers as stored, taken as exact),
//! G = R·Rᵀ = I + E, ‖E‖₂ ≤ δ ([`RotationBasis::defect`]). Put y = R·q, z = R·x,
//! t = q − Rᵀ·y, u = x − Rᵀ·z. Then R·u = z − G·z = −E·z, likewise R·t = −E·y, so
//!
//! ```text
//! q·x = (Rᵀy + t)·(Rᵀz + u) = y·Gz + y·Ru + Rt·z + t·u
//!     = y·z − y·Ez + t·u  ≤  y·z + δ|y||z| + |t||u|                        (1)
//! |u|² = |x|² − 2|z|² + z·Gz ≤ |x|² − (1 − δ)|z|², and so for |t|.         (2)
//! ```
//!
//! Both hold for any first rows of R as well: their E is a submatrix of E.
//! Let b be the decoded codes of x and a those of q: any vectors at all. With
//! r = z − b and p = y − a
//!
//! ```text
//! y·z = a·b + y·r + p·b  ≤  a·b + |y||r| + |p||b|.                         (3)
//! ```
//!
//! # As integers
//! First pass: bᵢ = Δ(cᵢ − 7½) with codes cᵢ in 0…15, aᵢ = σwᵢ/Δ with weights wᵢ in
//! −127…127. Of each row are stored e ≥ |r|/ρ and f ≥ |u|/τ in whole steps
//! ([`RESIDUAL_STEP`] ρ, [`REST_STEP`] τ). With whole weights V ≥ |y|ρ/σ and
//! W ≥ |t|τ/σ, (1) and (3) give
//!
//! ```text
//! q·x ≤ σ(Σwᵢcᵢ + Ve + Wf) + C,   C = −7½σΣwᵢ + |p|B + δ|y||z|             (4)
//! ```
//!
//! where B bounds |b|. The sum in brackets is what a kernel computes, exactly:
//! it is below 2³¹.
//!
//! First pass of a batch: the same axes, with seven bits of the third pass's eight.
//! Their codes c₈, decoded sᵢc₈, are 2c + {0, 1} with c in −64…63, and bᵢ = 2sᵢ(c + ¼),
//! aᵢ = σwᵢ/2sᵢ. Of each row is stored e for this b; f is the same. (4) holds with
//! C = +¼σΣwᵢ + …. Its sums have sixteen bits: rows with |b| > B' ([`BATCH_LENGTH_MAX`])
//! are loose, and σ is such that |a|B' ≤ σM with M = [`SUM_MAX`], so that by Cauchy–Schwarz
//! |Σwᵢcᵢ + ¼Σwᵢ| = |a·b|/σ ≤ M. M is 32767 less 4064, which |¼Σwᵢ| is at most: |Σwᵢcᵢ| is
//! at most 32767, and what is added modulo 2¹⁶, in whatever order, is that sum.
//!
//! Second pass: more axes. Part y = (y₁, y₂) and z = (z₁, z₂) into the first pass's
//! axes and those after them; (3) holds for each part, with codes of four and of
//! eight signed bits, and (1) with t' and u', what lies beyond the axes of both:
//!
//! ```text
//! q·x ≤ σ(Σwᵢcᵢ + Ve) + C  +  σ'Σw'ⱼc'ⱼ + |y₂||r₂| + |p₂|B  +  |t'||u'|    (5)
//! ```
//!
//! The first bracket is that of (4) less Wf. Third pass: the form of (4) over all
//! axes, with signed codes of eight bits alone, σ'Σw'ⱼc'ⱼ + |y||r| + |t||u| + C'. The
//! weights w' are 16 bits wide.
//!
//! # With rounding
//! * [`Dot`] adds ⌈d/64⌉ products a lane and halves the lanes six times: each
//!   product goes through at most n = ⌈d/64⌉ + 7 roundings, so its result is
//!   within γ·Σ|qᵢxᵢ| ≤ γ|q||x| of the real sum, γ = nu/(1 − nu), u = 2⁻²⁴ (Higham,
//!   Accuracy and Stability, 3.1), plus d·2⁻¹⁴⁹ where products underflow.
//!   [`error_of`] is that, and is added for s̃ itself.
//! * z is computed by `Dot` too: each coordinate is within γ(1 + δ)|x| and the
//!   underflow, together [`rotation_error`] ε in length. |r| is taken as the
//!   distance of the computed z to b, plus ε; |z| in (2) as its computed length
//!   less ε. So for y.
//! * What remains is computed in float64, in at most some thousand operations
//!   without cancellation worth the name: a relative error below 1e-12. [`UP`] is
//!   a thousand times as much. The threshold is lowered by a whole unit as well.
//! * Rows longer than [`LENGTH_CODED_MAX`], or whose norms or decoded codes do not
//!   fit, have no codes of the first two passes or none at all ("loose"): they always
//!   go through the third pass or are always scored. Queries whose length is
//!   outside [`LENGTH_QUERY`] are answered without codes: float32 could underflow.

use super::basis::RotationBasis;
use super::codes::{FINE_BYTES, FineNorms, NextNorms, parted};
use super::tuning::{FINE, HEAD, HEAD_LEVELS, NEXT};
use crate::matching::Dot;

/// Longest row with codes: unit vectors, their rounding, and a little.
pub(super) const LENGTH_CODED_MAX: f64 = 1.01;

/// Lengths of a query that codes are used for.
const LENGTH_QUERY: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

/// ρ: the first pass's residuals reach to 0.25; 0.1 is usual.
pub(super) const RESIDUAL_STEP: f64 = 0.25 / 127.0;

/// τ: what lies beyond the first pass's axes may be the whole row.
pub(super) const REST_STEP: f64 = LENGTH_CODED_MAX * 1.001 / 127.0;

/// Norms of 16 bits reach to 1.3.
pub(super) const FINE_STEP: f64 = 2e-5;

/// The second pass's residuals reach to 0.025; 0.004 is usual.
pub(super) const NEXT_STEP: f64 = 1e-4;

/// What the weights of the first pass come to at most, signs aside. Some kernels add up
/// their products with codes in 16 signed bits, after taking 8 from each code: what is
/// left is at most 8 either way, and 8 · 4095 fits.
pub(super) const WEIGHTS_MAX: i32 = 4095;

/// B': the length that codes of a batch's first pass decode to at most.
pub(super) const BATCH_LENGTH_MAX: f64 = LENGTH_CODED_MAX * 1.03;

/// What |a||b|/σ is at most in a batch's first pass: 16 bits less a quarter of all
/// weights.
const SUM_MAX: f64 = (i16::MAX as i32 - HEAD as i32 * 127 / 4) as f64;

/// Where the codes of a batch's first pass lie in their steps.
pub(super) const BATCH_MIDDLE: f64 = 0.25;

/// Factor that outweighs every rounding of float64 here.
const UP: f64 = 1.0 + 1e-9;

/// At least the length of a vector.
pub(super) fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt() * UP
}

/// How far a score by [`Dot`] can be from the real product of two vectors of
/// `dimension` values whose lengths have the product `lengths`.
fn error_of(dimension: usize, lengths: f64) -> f64 {
    let n = (dimension.div_ceil(64) + 7) as f64;
    let u = 2f64.powi(-24);
    (n * u / (1.0 - n * u) * lengths + dimension as f64 * 2f64.powi(-149)) * UP
}

/// ε: how far all computed coordinates together can be from the real ones.
pub(super) fn rotation_error(basis: &RotationBasis, length: f64) -> f64 {
    let dimension = basis.rows().len() / basis.axes().max(1);
    (basis.axes() as f64).sqrt() * error_of(dimension, (1.0 + basis.defect()) * length) * UP
}

/// At least the length of what lies beyond the axes of `coordinates`: (2).
pub(super) fn rest(basis: &RotationBasis, length: f64, coordinates: &[f32], error: f64) -> f64 {
    let along = (self::length(coordinates) / (UP * UP) - error).max(0.0);
    (length * length - (1.0 - basis.defect()) * along * along).max(0.0).sqrt() * UP
}

/// `value` in whole steps, rounded up; `None` beyond `max` steps or where it is
/// no number.
pub(super) fn steps_up(value: f64, step: f64, max: f64) -> Option<u32> {
    let steps = (value * UP / step).ceil();
    (0.0..=max).contains(&steps).then_some(steps as u32)
}

/// Rounding makes the weights larger by half a unit each.
const ROUNDED_UP: f64 = HEAD as f64 / 2.0;

/// At least any sum of the first pass, norms included, and of the second.
const HEAD_SUM_MAX: f64 = (HEAD as i32 * 127 * HEAD_LEVELS as i32 + 2 * 127 * 127) as f64;
/// See [`HEAD_SUM_MAX`].
const NEXT_SUM_MAX: f64 = NEXT as f64 * 128.0 * 32_768.0;

/// Weights of the first pass, packed as the kernels take them: four signed bytes
/// a word, the first in the lowest.
#[derive(Clone)]
pub(super) struct HeadWeights {
    /// Word `2j` belongs to the low halves of lines `1 + 2j` and `2 + 2j`, word
    /// `2j + 1` to the high halves.
    pub(super) words: [i32; HEAD / 4],
    /// The sum of all these weights.
    pub(super) sum: i32,
    /// For the norms of the rows 0…15 and 16…31.
    pub(super) norms: [i32; 2],
}

/// What the second pass takes of a query.
#[derive(Clone)]
pub(super) struct NextQuery {
    /// For the bytes of a row's line, none for the norms.
    pub(super) weights: [i16; 64],
    /// σ, and σW.
    pub(super) head_scale: f64,
    pub(super) head_rest: f64,
    /// σ'.
    pub(super) scale: f64,
    /// |y₂| per [`NEXT_STEP`], |t'| per [`FINE_STEP`].
    pub(super) along: f64,
    pub(super) beyond: f64,
    /// C, |p₂|B, and all rounding.
    pub(super) offset: f64,
}

impl NextQuery {
    /// At least the score of the row with these sums in the first pass and over its
    /// line of the second: (5).
    #[inline(always)]
    pub(super) fn bound(&self, head: i32, next: i32, row: NextNorms) -> f64 {
        let along = self.head_scale * f64::from(head) - self.head_rest * f64::from(row.head_rest);
        let beyond = self.along * f64::from(row.residual) + self.beyond * f64::from(row.rest);
        along + self.scale * f64::from(next) + beyond + self.offset
    }
}

/// What a first pass takes of a query, and the second pass after it.
pub(super) struct First {
    pub(super) weights: HeadWeights,
    /// σ.
    scale: f64,
    /// C and the error of the score itself.
    offset: f64,
    pub(super) next: NextQuery,
}

impl First {
    /// The least sum with which a row can reach `score`: rows below it are dropped.
    pub(super) fn threshold(&self, score: f32) -> i32 {
        let least = (f64::from(score) - self.offset) / self.scale;
        // One unit outweighs the rounding here: where the quotient is so large
        // that it does not, no sum reaches it, or every sum does.
        (least - least.abs() * 1e-9 - 1.0).ceil().clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32
    }

    /// At least the score of any row with this sum.
    #[cfg(test)]
    pub(super) fn bound(&self, sum: i32) -> f64 {
        (self.scale * f64::from(sum) + self.offset) + 1e-9
    }
}

/// How the codes of a first pass are decoded, and what its sums have to fit.
struct Coding {
    /// Widths of steps.
    steps: [f64; HEAD],
    /// What is added to a code before it is multiplied by its step.
    middle: f64,
    /// B.
    length_max: f64,
    /// The least σ with which sums fit.
    scale_min: f64,
    /// The greatest |a|/σ with which they do.
    query_max: f64,
}

impl Coding {
    /// Four bits, sums as [`WEIGHTS_MAX`] says.
    fn four_bits(basis: &RotationBasis, coordinates: &[f32]) -> Self {
        let step = f64::from(basis.head_step());
        let sum: f64 = coordinates.iter().map(|v| f64::from(v.abs())).sum();
        Self {
            steps: [step; HEAD],
            middle: -f64::from(HEAD_LEVELS) / 2.0,
            length_max: LENGTH_CODED_MAX,
            scale_min: sum * step * UP / (f64::from(WEIGHTS_MAX) - ROUNDED_UP),
            query_max: f64::INFINITY,
        }
    }

    /// Seven bits, sums as [`SUM_MAX`] says.
    fn seven_bits(basis: &RotationBasis, coordinates: &[f32]) -> Self {
        Self {
            steps: std::array::from_fn(|i| 2.0 * f64::from(basis.fine_steps()[i])),
            middle: BATCH_MIDDLE,
            length_max: BATCH_LENGTH_MAX,
            // A little more, so that most weights may be rounded.
            scale_min: length(coordinates) * BATCH_LENGTH_MAX * 1.001 / SUM_MAX,
            query_max: SUM_MAX / (BATCH_LENGTH_MAX * UP),
        }
    }
}

/// A query along the axes of the first pass.
struct Along<'a> {
    coordinates: &'a [f32],
    /// |y|, |t| and ε.
    along: f64,
    beyond: f64,
    error: f64,
    /// The error of the score itself, and of the axes.
    common: f64,
}

impl Along<'_> {
    /// Weights for a first pass, its σ, C and σW.
    fn weighed(&self, coding: &Coding) -> Option<(HeadWeights, [f64; 3])> {
        let products: [f64; HEAD] = std::array::from_fn(|i| f64::from(self.coordinates[i]) * coding.steps[i]);
        let largest = products.iter().fold(0.0, |max: f64, product| max.max(product.abs()));
        let (residual, rest) = (self.along * RESIDUAL_STEP, self.beyond * REST_STEP);
        // Wide enough for every weight to fit into seven bits and a sign, and such that
        // the weight of the rest, the largest term, comes out whole.
        let least = (largest.max(residual).max(rest) * UP / 127.0).max(coding.scale_min);
        let whole = (rest / least).floor().clamp(1.0, 127.0);
        let scale = least.max(rest / whole);
        let weigh = |round: fn(f64) -> f64| products.map(|product| round(product / scale).clamp(-127.0, 127.0) as i8);
        let mut weights = weigh(f64::round);
        let squares = weights.iter().zip(&coding.steps).map(|(&weight, step)| (f64::from(weight) / step).powi(2));
        if squares.sum::<f64>().sqrt() > coding.query_max {
            // No |aᵢ| is above |yᵢ| so, and |a|/σ not above what the least σ is for.
            weights = weigh(f64::trunc);
        }
        let missed = weights.iter().zip(&coding.steps).zip(self.coordinates);
        let missed = missed.map(|((&w, step), &y)| (f64::from(y) - f64::from(w) * scale / step).powi(2)).sum::<f64>();
        let missed = (missed.sqrt() + self.error) * coding.length_max * UP;
        let sum: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
        let [residual, rest] = [steps_up(residual, scale, 127.0)? as u8, steps_up(rest, scale, 127.0)? as u8];
        let words =
            std::array::from_fn(|i| i32::from_le_bytes(std::array::from_fn(|b| weights[4 * i + b].cast_unsigned())));
        let norms = [i32::from_le_bytes([residual, rest, 0, 0]), i32::from_le_bytes([0, 0, residual, rest])];
        let offset = coding.middle * scale * f64::from(sum) + missed + self.common;
        Some((HeadWeights { words, sum, norms }, [scale, offset, scale * f64::from(rest)]))
    }
}

/// A query, ready for rows coded with one basis.
pub(super) struct Prepared {
    /// For one query by itself, and for one of a batch.
    pub(super) single: First,
    pub(super) batched: First,
    /// For the bytes that the third pass adds, none for the norms.
    pub(super) fine: [i16; FINE_BYTES],
    /// σ'.
    fine_scale: f64,
    fine_offset: f64,
    /// |y| and |t| over all axes, per [`FINE_STEP`].
    fine_along: f64,
    fine_beyond: f64,
}

impl Prepared {
    /// `None` where the query must be answered without codes.
    pub(super) fn new(basis: &RotationBasis, dot: Dot, query: &[f32]) -> Option<Self> {
        let length = length(query);
        if !LENGTH_QUERY.contains(&length) {
            return None;
        }
        let error = rotation_error(basis, length);
        let coordinates = basis.rotate(dot, query);
        // Of the score itself, and of the axes: |y| ≤ (1 + δ)|q|, and so for z.
        let skew = basis.defect() * (1.0 + basis.defect()).powi(2) * length * LENGTH_CODED_MAX;
        let common = (error_of(query.len(), length * LENGTH_CODED_MAX) + skew) * UP;

        let of_head = &coordinates[..HEAD];
        let head = Along {
            coordinates: of_head,
            along: self::length(of_head) + error,
            beyond: rest(basis, length, of_head, error),
            error,
            common,
        };
        let single = head.weighed(&Coding::four_bits(basis, of_head))?;
        let batched = head.weighed(&Coding::seven_bits(basis, of_head))?;

        let along = self::length(&coordinates) + error;
        let beyond = rest(basis, length, &coordinates, error);
        let steps = basis.fine_steps();
        let largest = coordinates.iter().zip(steps).fold(0.0, |max: f64, (&v, &s)| max.max(f64::from(v * s).abs()));
        let fine_scale = (largest * UP * UP / 32_767.0).max(f64::MIN_POSITIVE);
        let mut weights = [0i16; FINE];
        let (mut missed, mut missed_next) = (0.0, 0.0);
        for (i, weight) in weights.iter_mut().enumerate() {
            let (coordinate, step) = (f64::from(coordinates[i]), f64::from(steps[i]));
            *weight = (coordinate * step / fine_scale).round().clamp(-32_767.0, 32_767.0) as i16;
            let square = (coordinate - f64::from(*weight) * fine_scale / step).powi(2);
            missed += square;
            missed_next += if (HEAD..HEAD + NEXT).contains(&i) { square } else { 0.0 };
        }
        let fine_offset = (missed.sqrt() + error) * LENGTH_CODED_MAX * UP + common;
        let next_offset = (missed_next.sqrt() + error) * LENGTH_CODED_MAX * UP;
        let next_along = self::length(&coordinates[HEAD..HEAD + NEXT]) + error;
        let next_beyond = rest(basis, length, &coordinates[..HEAD + NEXT], error);
        let (mut of_line, mut fine) = ([0; 64], [0; FINE_BYTES]);
        let (of_next, of_others) = parted(&weights);
        of_line[..NEXT].copy_from_slice(&of_next);
        fine[..of_others.len()].copy_from_slice(&of_others);
        let usable = |scale: f64, offset: f64| scale.is_normal() && offset.is_finite();
        let first = |(weights, [scale, offset, head_rest]): (HeadWeights, [f64; 3])| {
            let mut next = NextQuery {
                weights: of_line,
                head_scale: scale,
                head_rest,
                scale: fine_scale,
                along: next_along * NEXT_STEP * UP,
                beyond: next_beyond * FINE_STEP * UP,
                offset: offset + next_offset,
            };
            // The terms of the bound are at most so large, their rounding a millionth of a
            // billionth of that; and one unit of σ'.
            let largest =
                scale * HEAD_SUM_MAX + fine_scale * NEXT_SUM_MAX + next.along * 255.0 + next.beyond * 65_535.0;
            next.offset += (largest + offset.abs() + next_offset) * 1e-9 + fine_scale;
            usable(scale, offset).then_some(First { weights, scale, offset, next })
        };
        let (single, batched) = (first(single)?, first(batched)?);
        usable(fine_scale, fine_offset).then_some(Self {
            single,
            batched,
            fine,
            fine_scale,
            fine_offset,
            fine_along: along * FINE_STEP * UP,
            fine_beyond: beyond * FINE_STEP * UP,
        })
    }

    /// At most and at least the score of the row: `sum` is that of the third pass, over
    /// the row's line of the second as well.
    #[inline]
    pub(super) fn fine_bounds(&self, sum: i32, row: FineNorms) -> (f64, f64) {
        let middle = self.fine_scale * f64::from(sum);
        let doubt =
            self.fine_along * f64::from(row.residual) + self.fine_beyond * f64::from(row.rest) + self.fine_offset;
        let doubt = doubt + (middle.abs() + doubt) * 1e-9 + self.fine_scale;
        (middle - doubt, middle + doubt)
    }
}
