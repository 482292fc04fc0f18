//! The rotation into the data's own axes, fitted on the gallery.
//!
//! Nothing found depends on how good it is, nor on its rows being exactly
//! orthonormal: `bound` takes their defect, measured here, into account.

use rayon::prelude::*;

use super::tuning::{FINE, FINE_RANGE, FIT_ROUNDS, HEAD, HEAD_STEP};
use crate::matching::Dot;
use crate::random::SplitMix;

/// Largest defect of a rotation that is put to use. A fitted one has about 1e-6.
const DEFECT_MAX: f64 = 1e-3;
/// Least deviation that steps are made for, so that no step is zero.
const DEVIATION_MIN: f64 = 1e-3;

/// Up to [`FINE`] axes of strongest energy, strongest first, the first [`HEAD`]
/// of them turned among each other so that all have about the same energy.
pub(super) struct RotationBasis {
    dimension: usize,
    /// Rows of `dimension` values.
    rows: Vec<f32>,
    /// δ: at least the spectral norm of R·Rᵀ − I, R being the rows as stored.
    defect: f64,
    /// Width of a step of the four-bit codes.
    head_step: f32,
    /// Widths of the steps of the eight-bit codes.
    fine_steps: [f32; FINE],
}

impl RotationBasis {
    /// Fits one on `sample`, rows of `dimension` values. `None` where there is
    /// nothing to fit on or the result cannot be used.
    pub(super) fn fit(sample: &[f32], dimension: usize) -> Option<Self> {
        if sample.len() < dimension || dimension == 0 {
            return None;
        }
        let axes = mixed(orthonormal(sample, dimension, FINE.min(dimension)), dimension);
        let energies = energies(&axes, sample, dimension);
        let head = HEAD.min(energies.len());
        let head_energy = energies[..head].iter().sum::<f64>() / head as f64;
        let head_step = (HEAD_STEP * head_energy.sqrt().max(DEVIATION_MIN)) as f32;
        let fine_steps = std::array::from_fn(|i| {
            let energy = energies.get(i).copied().unwrap_or(0.0);
            (energy.sqrt().max(DEVIATION_MIN) * FINE_RANGE / 127.0) as f32
        });
        Self::from_parts(dimension, axes.iter().map(|&v| v as f32).collect(), head_step, fine_steps)
    }

    /// Puts one together from its numbers; `None` where they cannot be used.
    pub(super) fn from_parts(
        dimension: usize,
        rows: Vec<f32>,
        head_step: f32,
        fine_steps: [f32; FINE],
    ) -> Option<Self> {
        let whole = dimension > 0 && rows.len() == FINE.min(dimension) * dimension;
        let usable = |step: &f32| (1e-6..1e3).contains(step);
        if !whole || !usable(&head_step) || !fine_steps.iter().all(usable) {
            return None;
        }
        let defect = defect(&rows, dimension);
        // Also false for NaN.
        (defect <= DEFECT_MAX).then_some(Self { dimension, rows, defect, head_step, fine_steps })
    }

    /// Axes: at most [`FINE`].
    pub(super) fn axes(&self) -> usize {
        self.rows.len() / self.dimension
    }

    pub(super) fn rows(&self) -> &[f32] {
        &self.rows
    }

    pub(super) fn defect(&self) -> f64 {
        self.defect
    }

    pub(super) fn head_step(&self) -> f32 {
        self.head_step
    }

    pub(super) fn fine_steps(&self) -> &[f32; FINE] {
        &self.fine_steps
    }

    /// The coordinates of `vector`, zero past the axes there are. By [`Dot`],
    /// whose rounding is known.
    pub(super) fn rotate(&self, dot: Dot, vector: &[f32]) -> [f32; FINE] {
        let mut coordinates = [0.0; FINE];
        for (coordinate, axis) in coordinates.iter_mut().zip(self.rows.chunks_exact(self.dimension)) {
            *coordinate = dot.score(axis, vector);
        }
        coordinates
    }
}

/// The Frobenius norm of R·Rᵀ − I, which is at least its spectral norm, with
/// room for the rounding of the sums here (dimension · 2⁻⁵² each).
pub(super) fn defect(rows: &[f32], dimension: usize) -> f64 {
    let axes: Vec<&[f32]> = rows.chunks_exact(dimension).collect();
    let squares: f64 = (0..axes.len())
        .into_par_iter()
        .map(|i| {
            (0..=i)
                .map(|j| {
                    let product: f64 = axes[i].iter().zip(axes[j]).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                    if i == j { (product - 1.0).powi(2) } else { 2.0 * product * product }
                })
                .sum::<f64>()
        })
        .sum();
    squares.sqrt() + 1e-9
}

/// The `count` orthonormal axes of most energy in `sample`, strongest first, by
/// simultaneous iteration on its second moments (Golub and Van Loan, 8.2.4).
pub(crate) fn orthonormal(sample: &[f32], dimension: usize, count: usize) -> Vec<f64> {
    let moments = moments(sample, dimension);
    let mut random = SplitMix(0x6368_696e_6863_6875);
    let mut axes: Vec<f64> = (0..count * dimension).map(|_| f64::from(random.normal())).collect();
    orthonormalise(&mut axes, dimension, &mut random);
    let mut product = vec![0.0; axes.len()];
    for _ in 0..FIT_ROUNDS {
        product.par_chunks_exact_mut(dimension).zip(axes.par_chunks_exact(dimension)).for_each(|(into, axis)| {
            into.fill(0.0);
            for (&weight, row) in axis.iter().zip(moments.chunks_exact(dimension)) {
                into.iter_mut().zip(row).for_each(|(sum, &moment)| *sum += weight * moment);
            }
        });
        std::mem::swap(&mut axes, &mut product);
        orthonormalise(&mut axes, dimension, &mut random);
    }
    axes
}

/// Mean of x·xᵀ over the rows.
fn moments(sample: &[f32], dimension: usize) -> Vec<f64> {
    let rows = sample.chunks_exact(dimension);
    let count = rows.len().max(1) as f64;
    let mut moments = vec![0.0f64; dimension * dimension];
    moments.par_chunks_exact_mut(dimension).enumerate().for_each(|(i, into)| {
        // Float32 sums of a few rows at a time: half the work, and exactness is
        // not needed here.
        let mut sums = vec![0.0f32; dimension];
        for some in sample.chunks(256 * dimension) {
            sums.fill(0.0);
            for row in some.chunks_exact(dimension) {
                let weight = row[i];
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += weight * value);
            }
            into.iter_mut().zip(&sums).for_each(|(total, &sum)| *total += f64::from(sum));
        }
        into.iter_mut().for_each(|total| *total /= count);
    });
    moments
}

/// Gram–Schmidt, each row twice ("twice is enough", Giraud et al. 2005). A row
/// with nothing of its own is replaced by a random one.
pub(super) fn orthonormalise(axes: &mut [f64], dimension: usize, random: &mut SplitMix) {
    for i in 0..axes.len() / dimension {
        let (before, rest) = axes.split_at_mut(i * dimension);
        let axis = &mut rest[..dimension];
        loop {
            let scale = length(axis);
            let mut left = 0.0;
            if scale.is_normal() {
                axis.iter_mut().for_each(|value| *value /= scale);
                for _ in 0..2 {
                    for other in before.chunks_exact(dimension) {
                        let along: f64 = axis.iter().zip(other).map(|(a, b)| a * b).sum();
                        axis.iter_mut().zip(other).for_each(|(value, &other)| *value -= along * other);
                    }
                }
                left = length(axis);
            }
            // Below, what is left is mostly rounding.
            if left > 1e-9 {
                axis.iter_mut().for_each(|value| *value /= left);
                break;
            }
            axis.iter_mut().for_each(|value| *value = f64::from(random.normal()));
        }
    }
}

/// Turns the first [`HEAD`] axes among each other at random: codes of four bits
/// then lose the same everywhere, and few values are cut off.
fn mixed(mut axes: Vec<f64>, dimension: usize) -> Vec<f64> {
    let head = HEAD.min(axes.len() / dimension);
    let mut random = SplitMix(0x6d69_7865_6400);
    let mut turn: Vec<f64> = (0..head * head).map(|_| f64::from(random.normal())).collect();
    orthonormalise(&mut turn, head, &mut random);
    let mut turned = vec![0.0; head * dimension];
    for (into, weights) in turned.chunks_exact_mut(dimension).zip(turn.chunks_exact(head)) {
        for (&weight, axis) in weights.iter().zip(axes.chunks_exact(dimension)) {
            into.iter_mut().zip(axis).for_each(|(sum, &value)| *sum += weight * value);
        }
    }
    axes[..head * dimension].copy_from_slice(&turned);
    axes
}

/// Mean energy of the rows along each axis.
pub(crate) fn energies(axes: &[f64], rows: &[f32], dimension: usize) -> Vec<f64> {
    let count = (rows.len() / dimension).max(1) as f64;
    let axes: Vec<f32> = axes.iter().map(|&v| v as f32).collect();
    let dot = Dot::best();
    axes.par_chunks_exact(dimension)
        .map(|axis| {
            rows.chunks_exact(dimension).map(|row| f64::from(dot.score(axis, row)).powi(2)).sum::<f64>() / count
        })
        .collect()
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|v| v * v).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_of_any_sample_is_orthonormal_or_none() {
        let mut random = SplitMix(5);
        for dimension in [1, 3, 64, 97, 200] {
            let noise: Vec<f32> = (0..300 * dimension).map(|_| random.normal()).collect();
            let equal: Vec<f32> = (0..300 * dimension).map(|i| ((i % dimension) as f32).cos()).collect();
            let zero = vec![0.0; 300 * dimension];
            for sample in [noise, equal, zero] {
                let basis = RotationBasis::fit(&sample, dimension).expect("a rotation");
                assert!(basis.defect() < 1e-5, "{dimension}: {}", basis.defect());
                assert_eq!(basis.axes(), FINE.min(dimension));
            }
        }
        assert!(RotationBasis::fit(&[], 4).is_none());
    }

    #[test]
    fn numbers_that_make_no_rotation_are_refused() {
        let (eye, steps) = (vec![1.0, 0.0, 0.0, 1.0], [0.01; FINE]);
        assert!(RotationBasis::from_parts(2, eye.clone(), 0.01, steps).is_some());
        assert!(RotationBasis::from_parts(2, vec![1.0, 0.0, 0.1, 1.0], 0.01, steps).is_none());
        assert!(RotationBasis::from_parts(2, vec![1.0, 0.0, f32::NAN, 1.0], 0.01, steps).is_none());
        assert!(RotationBasis::from_parts(2, eye.clone(), 0.0, steps).is_none());
        assert!(RotationBasis::from_parts(2, eye.clone(), f32::INFINITY, steps).is_none());
        assert!(RotationBasis::from_parts(3, eye, 0.01, steps).is_none());
    }
}
