//! Small systems of linear equations.

/// Solves `matrix · x = right` by Gaussian elimination with partial pivoting; `None` if the matrix
/// is singular.
pub(crate) fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    for pivot in 0..N {
        let best = (pivot..N).max_by(|&a, &b| matrix[a][pivot].abs().total_cmp(&matrix[b][pivot].abs()))?;
        matrix.swap(pivot, best);
        right.swap(pivot, best);
        let size = matrix[pivot][pivot].abs();
        if size.is_nan() || size < 1e-12 {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equations_that_say_the_same_twice_have_no_one_answer() {
        assert_eq!(solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0]), None);
        assert_eq!(solve([[f64::NAN, 2.0], [2.0, 4.0]], [1.0, 2.0]), None);
        // A zero pivot only needs a row exchange.
        assert_eq!(solve([[0.0, 1.0], [1.0, 0.0]], [3.0, 4.0]), Some([4.0, 3.0]));
    }

    proptest! {
        #[test]
        fn what_is_solved_fulfils_the_equations(
            values in prop::array::uniform16(-3.0f64..3.0),
            right in prop::array::uniform4(-3.0f64..3.0),
        ) {
            let mut matrix = [[0.0; 4]; 4];
            matrix.iter_mut().zip(values.chunks(4)).for_each(|(row, values)| row.copy_from_slice(values));
            // Diagonally dominant, so well conditioned.
            (0..4).for_each(|at| matrix[at][at] += 12.0);
            let x = solve(matrix, right).unwrap();
            for (row, right) in matrix.iter().zip(right) {
                let sum: f64 = row.iter().zip(x).map(|(a, x)| a * x).sum();
                prop_assert!((sum - right).abs() < 1e-9);
            }
        }
    }
}
