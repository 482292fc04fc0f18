//! The embeddings of a pack as one vector: weighed, put one behind the other, projected.
//!
//! Each embedding is brought to length 1 and multiplied by the square root of its weight,
//! so that the scalar product of two such vectors is the weighted mean of the cosines. A
//! projection then takes them to fewer values, or to others. Its rows are orthonormal: where
//! they span what the embedders give, the cosine stays what it is.
//!
//! A projection is refused where the scalar product of two of its rows is not 0, or that of a
//! row with itself not 1, by more than 1e-5. Those of the packs here are off by at most 1.4e-8,
//! the rounding of their values to float32. What is added to the product is at most 1 long: it
//! moves the origin to a mean of vectors that are 1 long. In the packs here it is 0.23 and 0.25 long.
//!
//! Everything is summed in `f64`, in one order: the same bits on every processor.

use npyz::NpyFile;

/// Most that a scalar product of two rows may be off from 0, or from 1 for a row with itself.
const ORTHONORMAL_WITHIN: f64 = 1e-5;
/// Greatest length of what is added, with room for rounding.
const ADDED_LENGTH_MAX: f64 = 1.0 + 1e-5;
/// Sums kept side by side in a scalar product of two rows, so that they need not wait for
/// each other.
const LANES: usize = 8;

/// A matrix, stored by columns: value `r` of column `c` at `c · rows + r`; and what is added
/// to the product.
pub(super) struct Projection {
    rows: usize,
    by_column: Vec<f32>,
    added: Vec<f32>,
}

impl Projection {
    /// Reads a `.npy` file of float32: `rows` rows, and `columns` columns, or one more
    /// whose values are added to the product. The error is a sentence.
    ///
    /// # Errors
    /// Another format, shape or type of value, a value that is not finite, rows that are not
    /// orthonormal, a last column longer than 1, or bytes after the matrix.
    pub fn read(bytes: &[u8], rows: usize, columns: usize) -> Result<Self, String> {
        let mut rest = bytes;
        let file = NpyFile::new(&mut rest).map_err(|e| format!("it is no .npy file: {e}"))?;
        let affine = file.shape() == [rows as u64, columns as u64 + 1];
        if !affine && file.shape() != [rows as u64, columns as u64] {
            let wanted =
                format!("{rows} rows (`dimension`) and {columns} columns (the embedders' values), or one more");
            return Err(format!("its shape is {:?}, not {wanted}", file.shape()));
        }
        let all_columns = columns + usize::from(affine);
        let fortran = file.order() == npyz::Order::Fortran;
        let values: Vec<f32> = file.into_vec().map_err(|e| format!("it does not hold float32 values: {e}"))?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow its matrix", rest.len()));
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err("a value is not finite".to_owned());
        }
        let mut by_column = match fortran {
            true => values,
            false => {
                let places = (0..all_columns).flat_map(|c| (0..rows).map(move |r| r * all_columns + c));
                places.map(|at| values[at]).collect()
            }
        };
        let mut added = by_column.split_off(rows * columns);
        added.resize(rows, 0.0);
        check_rows(&by_column, rows, columns)?;
        let long = length(&added);
        if long > ADDED_LENGTH_MAX {
            return Err(format!("its last column, which is added, is {long:.3e} long, at most 1 makes sense"));
        }
        Ok(Self { rows, by_column, added })
    }

    /// The product with `vector`, which has as many values as there are columns, moved.
    pub fn apply(&self, vector: &[f64]) -> Vec<f32> {
        debug_assert_eq!(vector.len() * self.rows, self.by_column.len());
        let mut sums: Vec<f64> = self.added.iter().map(|&v| f64::from(v)).collect();
        for (column, &value) in self.by_column.chunks_exact(self.rows).zip(vector) {
            for (sum, &factor) in sums.iter_mut().zip(column) {
                *sum += f64::from(factor) * value;
            }
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    }
}

/// A sentence where two rows of a matrix that is stored by columns are not orthonormal.
fn check_rows(by_column: &[f32], rows: usize, columns: usize) -> Result<(), String> {
    if rows > columns {
        return Err(format!("its {rows} rows cannot be orthonormal with {columns} columns"));
    }
    let all: Vec<ProjectionRow> = (0..rows).map(|row| ProjectionRow::of(by_column, rows, row)).collect();
    for (index, row) in all.iter().enumerate() {
        let long = row.product(row).sqrt();
        if (long * long - 1.0).abs() > ORTHONORMAL_WITHIN {
            return Err(format!("its row {} is {long:.3e} long, not 1 (within {ORTHONORMAL_WITHIN:e})", index + 1));
        }
        for (earlier, other) in all[..index].iter().enumerate() {
            let product = row.product(other);
            if product.abs() > ORTHONORMAL_WITHIN {
                return Err(format!(
                    "its rows {} and {} are not orthogonal: their scalar product is {product:.3e}, not 0 (within \
                     {ORTHONORMAL_WITHIN:e})",
                    earlier + 1,
                    index + 1
                ));
            }
        }
    }
    Ok(())
}

/// A row of a matrix without the zeros at its ends: rows of one embedder have them for the
/// values of all others.
struct ProjectionRow {
    first: usize,
    values: Vec<f64>,
}

impl ProjectionRow {
    fn of(by_column: &[f32], rows: usize, row: usize) -> Self {
        let mut values: Vec<f64> = by_column.iter().skip(row).step_by(rows).map(|&v| f64::from(v)).collect();
        let first = values.iter().position(|v| *v != 0.0).unwrap_or(values.len());
        let end = values.iter().rposition(|v| *v != 0.0).map_or(first, |last| last + 1);
        values.truncate(end);
        values.drain(..first);
        Self { first, values }
    }

    fn product(&self, other: &Self) -> f64 {
        let start = self.first.max(other.first);
        let end = (self.first + self.values.len()).min(other.first + other.values.len());
        if start >= end {
            return 0.0;
        }
        product(
            &self.values[start - self.first..end - self.first],
            &other.values[start - other.first..end - other.first],
        )
    }
}

/// Scalar product of vectors of one length.
fn product(x: &[f64], y: &[f64]) -> f64 {
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (y, y_rest) = y.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (x, y) in x.iter().zip(y) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// Appends an embedding, brought to the length `share`. `None` where it has no length.
pub(super) fn append(raw: &[f32], share: f64, to: &mut Vec<f64>) -> Option<()> {
    let norm = length(raw);
    if !norm.is_finite() || norm < f64::from(f32::MIN_POSITIVE) {
        return None;
    }
    to.extend(raw.iter().map(|&v| f64::from(v) / norm * share));
    Some(())
}

/// Euclidean length.
pub(super) fn length(raw: &[f32]) -> f64 {
    raw.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use npyz::WriterBuilder;
    use proptest::prelude::*;

    use super::*;

    fn npy(shape: &[u64], values: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn a_projection_multiplies_by_rows() {
        let file = npy(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, -1.0]);
        let projection = Projection::read(&file, 2, 3).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(projection.apply(&[1.0, 10.0, 100.0]), [10.0, -100.0]);
        let file = npy(&[2, 3], &[0.0, 1.0, 0.25, -1.0, 0.0, -0.5]);
        let moving = Projection::read(&file, 2, 2).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(moving.apply(&[1.0, 10.0]), [10.25, -1.5], "the last column is added");
    }

    #[test]
    fn a_projection_that_is_not_orthonormal_or_that_moves_too_far_is_refused() {
        let huge = 3e38f32;
        for (shape, values, why) in [
            ([2u64, 2], vec![1.0, 0.0, 1.0, 0.0], "rows 1 and 2 are not orthogonal"),
            ([2, 2], vec![1.0, 0.0, 0.0, 0.0], "row 2 is 0.000e0 long"),
            ([2, 2], vec![1.0, 0.0, 0.0, huge], "row 2 is 3.000e38 long"),
            ([2, 2], vec![1.0, 0.0, 2e-5, 1.0], "rows 1 and 2"),
            ([2, 2], vec![1.0, 0.0, 0.0, 1.00001], "row 2"),
            ([2, 3], vec![1.0, 0.0, huge, 0.0, 1.0, 0.0], "last column"),
            ([2, 3], vec![1.0, 0.0, 0.8, 0.0, 1.0, -0.8], "last column"),
            ([2, 3], vec![1.0, 0.0, f32::INFINITY, 0.0, 1.0, 0.0], "not finite"),
        ] {
            let said = Projection::read(&npy(&shape, &values), 2, 2).err().unwrap_or_else(|| panic!("{values:?}"));
            assert!(said.contains(why), "{said}");
        }
        let said = Projection::read(&npy(&[2, 1], &[1.0, 0.0]), 2, 1).err().unwrap();
        assert!(said.contains("cannot be orthonormal"), "{said}");
        // What float32 rounds off is no fault.
        let turn = [0.6f32.cos(), 0.6f32.sin(), -(0.6f32.sin()), 0.6f32.cos()];
        assert!(Projection::read(&npy(&[2, 2], &turn), 2, 2).is_ok());
    }

    #[test]
    fn bytes_after_the_matrix_are_refused() {
        let mut file = npy(&[1, 2], &[0.6, 0.8]);
        assert!(Projection::read(&file, 1, 2).is_ok());
        file.extend([7; 32]);
        let said = Projection::read(&file, 1, 2).err().unwrap();
        assert!(said.contains("32 bytes follow"), "{said}");
    }

    #[test]
    fn a_projection_of_another_size_or_without_sense_is_refused_with_both_sizes() {
        let said = Projection::read(&npy(&[2, 3], &[1.0; 6]), 3, 2).err().unwrap();
        assert!(said.contains("[2, 3]") && said.contains("3 rows") && said.contains("2 columns"), "{said}");
        for (file, why) in [
            (npy(&[1, 2], &[0.0; 2]), "0.000e0 long"),
            (npy(&[1, 2], &[f32::NAN, 1.0]), "finite"),
            (b"no matrix".to_vec(), "npy"),
            (npy(&[1, 2], &[1.0; 2])[..100].to_vec(), ""),
        ] {
            let said = Projection::read(&file, 1, 2).err().unwrap();
            assert!(said.contains(why), "{said}");
        }
    }

    proptest! {
        #[test]
        fn the_score_of_fused_embeddings_is_the_weighted_mean_of_their_cosines(
            a in prop::collection::vec(-1.0f32..1.0, 9), b in prop::collection::vec(-1.0f32..1.0, 9), weight in 0.1f64..0.9,
        ) {
            let fused = |raw: &[f32]| {
                let mut vector = Vec::new();
                append(&raw[..4], weight.sqrt(), &mut vector)?;
                append(&raw[4..], (1.0 - weight).sqrt(), &mut vector)?;
                Some(vector)
            };
            let (Some(x), Some(y)) = (fused(&a), fused(&b)) else { return Ok(()) };
            let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            let cosine = |x: &[f32], y: &[f32]| {
                let dot: f64 = x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                dot / length(x) / length(y)
            };
            let mean = weight * cosine(&a[..4], &b[..4]) + (1.0 - weight) * cosine(&a[4..], &b[4..]);
            prop_assert!((dot(&x, &y) - mean).abs() < 1e-9);
        }
    }
}
