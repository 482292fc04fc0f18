//! A polynomial through points.

/// Coefficients of the polynomial with `N` terms nearest to the points, constant
/// first: normal equations, solved by elimination with pivoting. `None` where
/// the points do not fix them.
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
    for pivot in 0..N {
        let best = (pivot..N).max_by(|&a, &b| matrix[a][pivot].abs().total_cmp(&matrix[b][pivot].abs()))?;
        matrix.swap(pivot, best);
        right.swap(pivot, best);
        if matrix[pivot][pivot].abs() < 1e-12 {
            return None;
        }
        let (above, below) = matrix.split_at_mut(pivot + 1);
        let lead = &above[pivot];
        for (values, row) in below.iter_mut().zip(pivot + 1..) {
            let factor = values[pivot] / lead[pivot];
            for (value, of_lead) in values.iter_mut().zip(lead).skip(pivot) {
                *value -= factor * of_lead;
            }
            right[row] -= factor * right[pivot];
        }
    }
    let mut solution = [0.0; N];
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    Some(solution)
}
