//! The bound: a whole number from the codes of two rows that proves their score
//! to be below what is asked for. This file is the proof that no pair is lost.
//!
//! # What is to be shown
//! Let s̃(q, x) be the score by [`Dot`](crate::matching::Dot), S the score asked
//! for. A pair is dropped only where s̃(q, x) < S: the upper bound that is compared
//! with S is never below s̃. "Query" and "row" are two rows of a join in two
//! roles; both are coded, which is what differs from `search::bound`.
//!
//! # Without rounding
//! Let R have the axes as rows (the float32 numbers as stored, taken as exact),
//! ‖R·Rᵀ − I‖₂ ≤ δ. Put y = R·q, z = R·x, t = q − Rᵀ·y, u = x − Rᵀ·z. As
//! `search::bound` shows in (1) and (2), for all axes and for any first ones,
//!
//! ```text
//! q·x ≤ y·z + δ|y||z| + |t||u|,   |u|² ≤ |x|² − (1 − δ)|z|², so for |t|.   (1)
//! ```
//!
//! Let a and b be the decoded codes of q and x, p = y − a, r = z − b. Then
//!
//! ```text
//! y·z = (a + p)·z = a·(b + r) + p·z ≤ a·b + |a||r| + |p||z|.              (2)
//! ```
//!
//! # First pass
//! The first [`HEAD`] axes; codes cᵢ in −63…63, decoded Δ₁cᵢ, the same width of
//! step for queries and rows. Of a row are stored E ≥ |r|/ρ and U ≥ |u|/υ, of a
//! query V ≥ |a|ρ/Δ₁² and T ≥ |t|/τ, in whole steps with τυ = Δ₁². So
//!
//! ```text
//! q·x ≤ Δ₁²(Σcᵢc'ᵢ + VE + TU) + C,   C = |p|Z + δYZ                       (3)
//! ```
//!
//! where Z ≥ |z| and Y ≥ |y| for every coded row: [`Z_MAX`]. The sum in brackets is
//! what a kernel computes, and it keeps the pairs whose sum reaches the query's
//! threshold Θ.
//!
//! Sixteen bits are enough for it, without losing a pair:
//! * |a| ≤ [`DECODED_LENGTH_MAX`], or V has no byte; by Cauchy–Schwarz
//!   |Σcᵢc'ᵢ| ≤ |a||b|/Δ₁² ≤ 32767, as Δ₁ ≥ [`head_step_min`]. Sums of products modulo
//!   2¹⁶ are therefore the sums themselves, whatever happens on the way.
//! * VE + TU ≤ 63·127 + 127·190 ≤ 32767, as the bytes' limits say.
//! * Θ is moved into ±32767 ([`Bound::threshold`]). Below that range the sum in
//!   brackets reaches −32767 in any case, above it the least that is left to reach is
//!   lower than asked.
//! * What is compared with zero is (Σcᵢc'ᵢ − Θ) + (VE + TU), cut off to sixteen bits
//!   after either step. Cut off below, the first step gives −32768, and the second one
//!   cannot lift that to zero; without being cut off it would be lower still. Cut off
//!   above it stays 32767, [`OVER_MAX`], and is kept. A pair with that much over the
//!   threshold is scored without asking the second pass.
//!
//! # Second pass
//! All axes, a and b decoded from both passes' codes:
//!
//! ```text
//! q·x ≤ Δ₁²Σcᵢc'ᵢ + Δ₂²Σdᵢd'ᵢ + |a||r| + |p||z| + |t||u| + δYZ            (4)
//! ```
//!
//! with the lengths in float32, rounded up.
//!
//! # With rounding
//! * A score by `Dot` is within [`error_of`] of the real product (the argument is
//!   in `search::bound`); that is added to C for s̃ itself.
//! * y and z are computed by `Dot` too; all their coordinates together are within
//!   ε ([`rotation_error`]) of the real ones. |p| and |r| are taken as the distance
//!   of computed coordinates to decoded codes, plus ε; |z| is taken as its computed
//!   length less ε where it makes |u| smaller and plus ε where it makes a bound.
//! * The rest is computed in float64, in at most some thousand operations without
//!   cancellation worth the name: a relative error below 1e-12; [`UP`] is a thousand
//!   times as much. Thresholds are lowered by a whole unit.
//! * Rows longer than [`LENGTH_CODED_MAX`], or whose norms do not fit their bytes,
//!   have no codes ("loose"): all their pairs are scored. Rows near zero have small
//!   norms and bounds like all others; where products underflow, `error_of` counts it.

use super::axes::{Axes, Coordinates};
use super::tuning::{FINE, HEAD};
use crate::search::bound::length as raised_length;

/// Longest row with codes: unit vectors, their rounding, and a little.
pub(super) const LENGTH_CODED_MAX: f64 = 1.01;

/// Z and Y: (1 + δ)|x| with δ ≤ 1e-3 and ε.
pub(super) const Z_MAX: f64 = LENGTH_CODED_MAX * 1.002;

/// Largest code of the first pass: with 64 added, two products of a query's and a
/// row's code fit sixteen bits.
pub(super) const HEAD_CODE_MAX: f64 = 63.0;

/// Largest code of the second pass.
pub(super) const FINE_CODE_MAX: f64 = 127.0;

/// Largest T.
pub(super) const BEYOND_QUERY_MAX: u8 = 127;

/// Largest U.
pub(super) const BEYOND_ROW_MAX: u8 = 190;

/// Largest V.
pub(super) const DECODED_MAX: u8 = 63;

/// Largest E.
pub(super) const RESIDUAL_MAX: u8 = 127;

/// What a pair is above the threshold at most, or that it is more.
pub(super) const OVER_MAX: i32 = i16::MAX as i32;

const _: () =
    assert!(DECODED_MAX as i32 * RESIDUAL_MAX as i32 + BEYOND_QUERY_MAX as i32 * BEYOND_ROW_MAX as i32 <= OVER_MAX);

/// Largest |a| of a row with codes.
const DECODED_LENGTH_MAX: f64 = Z_MAX * 1.02;

/// Least Δ₁: products of codes add up to 32767 at most.
pub(super) fn head_step_min() -> f64 {
    DECODED_LENGTH_MAX / f64::from(OVER_MAX).sqrt() * UP
}

/// Factor that outweighs every rounding of float64 here.
const UP: f64 = 1.0 + 1e-9;

/// At least the length of a vector.
pub(super) fn length(vector: &[f32]) -> f64 {
    raised_length(vector)
}

/// How far a score by `Dot` can be from the real product of two vectors of
/// `dimension` values whose lengths have the product `lengths`.
pub(super) fn error_of(dimension: usize, lengths: f64) -> f64 {
    let n = (dimension.div_ceil(64) + 7) as f64;
    let u = 2f64.powi(-24);
    (n * u / (1.0 - n * u) * lengths + dimension as f64 * 2f64.powi(-149)) * UP
}

/// ε: how far all computed coordinates together can be from the real ones.
fn rotation_error(axes: &Axes, length: f64) -> f64 {
    (axes.count() as f64).sqrt() * error_of(axes.dimension, (1.0 + axes.defect) * length) * UP
}

/// `value` in whole steps, rounded up; `None` beyond `max` steps or where it is
/// no number.
fn steps_up(value: f64, step: f64, max: u8) -> Option<u8> {
    let steps = (value * UP / step).ceil();
    (0.0..=f64::from(max)).contains(&steps).then_some(steps as u8)
}

/// A float32 that is at least `value`.
fn up(value: f64) -> f32 {
    // The nearest float32 is at most half a step below.
    ((value * UP) as f32).next_up()
}

/// What belongs to a row's codes: their sums, and lengths, in both roles.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(super) struct Norms {
    /// |a| or |b|, both passes.
    decoded: f32,
    /// |p| or |r|, both passes; infinite where the row is loose.
    residual: f32,
    /// |y| or |z|, all axes.
    along: f32,
    /// |t| or |u|, all axes.
    beyond: f32,
    /// |p| of the first pass alone.
    head_residual: f32,
    /// E, U as a row.
    pub(super) residual_steps: u8,
    pub(super) beyond_steps: u8,
    /// V, T as a query.
    pub(super) decoded_weight: u8,
    pub(super) beyond_weight: u8,
    /// Sums of the codes of either pass.
    pub(super) head_sum: i16,
    pub(super) fine_sum: i16,
}

impl Norms {
    /// Those of a row without codes.
    pub(super) const LOOSE: Self = Self {
        decoded: 0.0,
        residual: f32::INFINITY,
        along: 0.0,
        beyond: 0.0,
        head_residual: 0.0,
        residual_steps: 0,
        beyond_steps: 0,
        decoded_weight: 0,
        beyond_weight: 0,
        head_sum: 0,
        fine_sum: 0,
    };

    pub(super) fn is_loose(&self) -> bool {
        self.residual == f32::INFINITY
    }
}

/// The codes of a row: of the first pass, then of the second.
pub(super) type RowCodes = [i8; HEAD + FINE];

/// What the numbers of two coded rows mean; the same for all rows of a join.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    steps: [f64; 2],
    /// ρ, τ, υ.
    residual_step: f64,
    beyond_query_step: f64,
    beyond_row_step: f64,
    /// δYZ and the error of the score.
    common: f64,
}

impl Bound {
    pub(super) fn new(axes: &Axes) -> Self {
        let unit = axes.steps[0] * axes.steps[0];
        Self {
            steps: axes.steps,
            // V at its largest is the largest |a|, rounding included.
            residual_step: f64::from(DECODED_MAX) * unit / DECODED_LENGTH_MAX,
            beyond_query_step: axes.beyond_step,
            // Rounding of the quotient is outweighed by `UP` in `steps_up`.
            beyond_row_step: unit / axes.beyond_step,
            common: (error_of(axes.dimension, LENGTH_CODED_MAX * LENGTH_CODED_MAX) + axes.defect * Z_MAX * Z_MAX) * UP,
        }
    }

    /// Codes a row of which the coordinates are known; `None` where it is loose.
    pub(super) fn encode(&self, axes: &Axes, vector: &[f32], coordinates: &Coordinates) -> Option<(RowCodes, Norms)> {
        let length = length(vector);
        if length > LENGTH_CODED_MAX {
            return None;
        }
        let error = rotation_error(axes, length);
        let mut codes = [0i8; HEAD + FINE];
        // Of either pass: squares of what is missed, of what is decoded, of what is there.
        let mut squares = [[0.0f64; 3]; 2];
        for (i, (code, &coordinate)) in codes.iter_mut().zip(coordinates).enumerate() {
            let pass = usize::from(i >= HEAD);
            let (step, coordinate) = (self.steps[pass], f64::from(coordinate));
            let max = [HEAD_CODE_MAX, FINE_CODE_MAX][pass];
            *code = (coordinate / step).round().clamp(-max, max) as i8;
            let value = step * f64::from(*code);
            let [missed, decoded, along] = &mut squares[pass];
            *missed += (coordinate - value).powi(2);
            *decoded += value * value;
            *along += coordinate * coordinate;
        }
        let [head, fine] = squares;
        let all = [0, 1, 2].map(|i| head[i] + fine[i]);
        let beyond = |along: f64| {
            let along = (along.sqrt() / UP - error).max(0.0);
            (length * length - (1.0 - axes.defect) * along * along).max(0.0).sqrt() * UP
        };
        let head_residual = head[0].sqrt() * UP + error;
        let head_beyond = beyond(head[2]);
        if all[2].sqrt() * UP + error > Z_MAX {
            return None;
        }
        let unit = self.steps[0] * self.steps[0];
        // At most 127 · 77 either way.
        let sum = |codes: &[i8]| codes.iter().map(|&code| i16::from(code)).sum();
        let norms = Norms {
            head_sum: sum(&codes[..HEAD]),
            fine_sum: sum(&codes[HEAD..]),
            decoded: up(all[1].sqrt()),
            residual: up(all[0].sqrt() * UP + error),
            along: up(all[2].sqrt() * UP + error),
            beyond: up(beyond(all[2])),
            head_residual: up(head_residual),
            residual_steps: steps_up(head_residual, self.residual_step, RESIDUAL_MAX)?,
            beyond_steps: steps_up(head_beyond, self.beyond_row_step, BEYOND_ROW_MAX)?,
            decoded_weight: steps_up(head[1].sqrt() * self.residual_step, unit, DECODED_MAX)?,
            beyond_weight: steps_up(head_beyond, self.beyond_query_step, BEYOND_QUERY_MAX)?,
        };
        Some((codes, norms))
    }

    /// Θ: no pair of this query whose sum in the first pass is lower reaches `score`.
    /// Within ±[`OVER_MAX`].
    pub(super) fn threshold(&self, query: &Norms, score: f32) -> i16 {
        let unit = self.steps[0] * self.steps[0];
        let offset = (f64::from(query.head_residual) * Z_MAX + self.common) * UP;
        let least = (f64::from(score) - offset) / unit;
        (least - least.abs() * 1e-9 - 1.0).ceil().clamp(-f64::from(OVER_MAX), f64::from(OVER_MAX)) as i16
    }

    /// At least the score of a pair. `over` is what its sum of the first pass is above
    /// `threshold`, `fine` the sum of products of the second pass's codes.
    #[inline]
    pub(super) fn of(&self, query: &Norms, row: &Norms, threshold: i32, over: i32, fine: i32) -> f64 {
        if over >= OVER_MAX {
            return f64::INFINITY;
        }
        let sum = threshold + over;
        let [head, tail] = self.steps;
        let norms = i32::from(query.decoded_weight) * i32::from(row.residual_steps)
            + i32::from(query.beyond_weight) * i32::from(row.beyond_steps);
        let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
        let bound = head * head * f64::from(sum - norms)
            + tail * tail * f64::from(fine)
            + product(query.decoded, row.residual)
            + product(query.residual, row.along)
            + product(query.beyond, row.beyond)
            + self.common;
        // The terms are below 2 each: their rounding is below this.
        bound + 1e-9
    }
}
