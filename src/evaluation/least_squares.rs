//! Least-squares fit of a polynomial.

use crate::linear;

/// Coefficients, constant first, of the polynomial with `N` terms that fits the points best, by the
/// normal equations. `None` if they are singular.
pub(super) fn least_squares<const N: usize>(points: &[(f64, f64)]) -> Option<[f64; N]> {
    if points.len() < N {
        return None;
    }
    let mut matrix = [[0.0f64; N]; N];
    let mut right = [0.0f64; N];
    for &(x, y) in points {
        for row in 0..N {
            for (column, value) in matrix[row].iter_mut().enumerate() {
                *value += x.powi((row + column) as i32);
            }
            right[row] += y * x.powi(row as i32);
        }
    }
    linear::solve(matrix, right)
}
