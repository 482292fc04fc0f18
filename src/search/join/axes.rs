//! The rotation both sides are coded in, and the widths of the codes' steps.
//!
//! Fitted on a sample, strongest axes first; those of the first pass are turned
//! among each other, and so are those of the second, so that all dimensions of a
//! pass have about the same energy and one width of step serves them all: only
//! then are the products of two codes one whole number. Nothing found depends on
//! any of it.

use super::bound::{self, FINE_CODE_MAX, HEAD_CODE_MAX, LENGTH_CODED_MAX};
use super::tuning::{FINE, FINE_RANGE, HEAD, HEAD_RANGE, NORM_ROOM};
use crate::matching::Dot;
use crate::random::SplitMix;
use crate::search::basis::{defect, orthonormal, orthonormalise};

/// Largest defect of a rotation that is put to use. A fitted one has about 1e-6.
const DEFECT_MAX: f64 = 1e-3;

/// Least deviation that steps are made for, so that no step is zero.
const DEVIATION_MIN: f64 = 1e-3;

/// Least range of the norms beyond the first pass: where nothing lies beyond, they
/// hold what the defect and the rounding leave open.
const BEYOND_MIN: f64 = 0.05;

/// Coordinates of a vector: of the first pass, then of the second; zero past the
/// axes there are.
pub(super) type Coordinates = [f32; HEAD + FINE];

/// Axes and steps.
pub(super) struct Axes {
    pub(super) dimension: usize,
    /// Rows of `dimension` values, at most [`HEAD`] + [`FINE`].
    rows: Vec<f32>,
    /// δ: at least the spectral norm of R·Rᵀ − I, R being the rows as stored.
    pub(super) defect: f64,
    /// Δ₁ and Δ₂: widths of a step of the two passes' codes.
    pub(super) steps: [f64; 2],
    /// τ: a query's norm beyond the first pass's axes is counted in these.
    pub(super) beyond_step: f64,
}

impl Axes {
    /// Fits them on `sample`, rows of `dimension` values. `None` where the result
    /// cannot be used.
    pub(super) fn fit(sample: &[f32], dimension: usize, dot: Dot) -> Option<Self> {
        if dimension == 0 || sample.len() < dimension {
            return None;
        }
        let mut axes = orthonormal(sample, dimension, (HEAD + FINE).min(dimension));
        let head = HEAD.min(axes.len() / dimension);
        let (first, second) = axes.split_at_mut(head * dimension);
        mix(first, dimension);
        mix(second, dimension);
        let rows: Vec<f32> = axes.iter().map(|&value| value as f32).collect();
        Self::measured(dimension, rows, sample, dot)
    }

    /// Makes them of axes, with steps as wide as `sample` needs.
    fn measured(dimension: usize, rows: Vec<f32>, sample: &[f32], dot: Dot) -> Option<Self> {
        use rayon::prelude::*;
        let defect = defect(&rows, dimension);
        // Also false for NaN.
        if defect > DEFECT_MAX || defect.is_nan() {
            return None;
        }
        let mut axes = Self { dimension, rows, defect, steps: [1.0; 2], beyond_step: 1.0 };
        // Per row: the energy in either pass, and what lies beyond the first.
        let measured: Vec<[f64; 3]> = sample
            .par_chunks_exact(dimension)
            .map(|row| {
                let coordinates = axes.rotate(dot, row);
                let energy = |part: &[f32]| part.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
                let along = energy(&coordinates[..HEAD]);
                let length = bound::length(row);
                [along, energy(&coordinates[HEAD..]), (length * length - along).max(0.0).sqrt()]
            })
            .collect();
        let used = axes.count();
        let deviation = |at: usize, dimensions: usize| {
            let energy: f64 = measured.iter().map(|row| row[at]).sum();
            (energy / (measured.len().max(1) * dimensions.max(1)) as f64).sqrt().max(DEVIATION_MIN)
        };
        let beyond = measured.iter().map(|row| row[2]).fold(BEYOND_MIN, f64::max) * NORM_ROOM;
        let beyond = beyond.min(LENGTH_CODED_MAX * 1.001);
        axes.beyond_step = beyond / f64::from(bound::BEYOND_QUERY_MAX);
        // The product of the largest norms must fit into the bytes they have.
        let least = (beyond * axes.beyond_step / f64::from(bound::BEYOND_ROW_MAX)).sqrt();
        let head = HEAD_RANGE * deviation(0, used.min(HEAD)) / HEAD_CODE_MAX;
        axes.steps = [
            head.max(least).max(bound::head_step_min()),
            FINE_RANGE * deviation(1, used.saturating_sub(HEAD)) / FINE_CODE_MAX,
        ];
        axes.steps.iter().all(|step| (1e-7..1e3).contains(step)).then_some(axes)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.rows.len() / self.dimension
    }

    /// The coordinates of a vector. By [`Dot`], whose rounding is known.
    pub(super) fn rotate(&self, dot: Dot, vector: &[f32]) -> Coordinates {
        let mut coordinates = [0.0; HEAD + FINE];
        for (coordinate, axis) in coordinates.iter_mut().zip(self.rows.chunks_exact(self.dimension)) {
            *coordinate = dot.score(axis, vector);
        }
        coordinates
    }

    /// Bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<f32>()
    }

    #[cfg(test)]
    pub(super) fn axis(&self, number: usize) -> &[f32] {
        &self.rows[number * self.dimension..][..self.dimension]
    }

    /// Axes as given, for tests.
    #[cfg(test)]
    pub(super) fn from_rows(dimension: usize, rows: Vec<f32>, sample: &[f32]) -> Option<Self> {
        Self::measured(dimension, rows, sample, Dot::portable())
    }
}

/// Turns axes among each other at random.
fn mix(axes: &mut [f64], dimension: usize) {
    let count = axes.len() / dimension;
    let mut random = SplitMix(0x6A6F_696E);
    let mut turn: Vec<f64> = (0..count * count).map(|_| f64::from(random.normal())).collect();
    if count > 0 {
        orthonormalise(&mut turn, count, &mut random);
    }
    let mut turned = vec![0.0; axes.len()];
    for (into, weights) in turned.chunks_exact_mut(dimension).zip(turn.chunks_exact(count.max(1))) {
        for (&weight, axis) in weights.iter().zip(axes.chunks_exact(dimension)) {
            into.iter_mut().zip(axis).for_each(|(sum, &value)| *sum += weight * value);
        }
    }
    axes.copy_from_slice(&turned);
}
