//! The embeddings of a pack as one vector: weighed, put one behind the other, projected.
//!
//! Each embedding is brought to length 1 and multiplied by the square root of its weight,
//! so that the scalar product of two such vectors is the weighted mean of the cosines. A
//! projection then takes them to fewer values, or to others: where its rows are orthonormal
//! and span what the embedders give, the cosine stays what it is.
//!
//! Everything is summed in `f64`, in one order: the same bits on every processor.

use npyz::NpyFile;

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
    pub fn read(bytes: &[u8], rows: usize, columns: usize) -> Result<Self, String> {
        let file = NpyFile::new(bytes).map_err(|e| format!("it is no .npy file: {e}"))?;
        let affine = file.shape() == [rows as u64, columns as u64 + 1];
        if !affine && file.shape() != [rows as u64, columns as u64] {
            let wanted =
                format!("{rows} rows (`dimension`) and {columns} columns (the embedders' values), or one more");
            return Err(format!("its shape is {:?}, not {wanted}", file.shape()));
        }
        let all_columns = columns + usize::from(affine);
        let fortran = file.order() == npyz::Order::Fortran;
        let values: Vec<f32> = file.into_vec().map_err(|e| format!("it does not hold float32 values: {e}"))?;
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
        if by_column.iter().all(|v| *v == 0.0) {
            return Err("it is zero".to_owned());
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
        let file = npy(&[2, 3], &[1.0, 2.0, 3.0, 0.0, -1.0, 0.5]);
        let projection = Projection::read(&file, 2, 3).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(projection.apply(&[1.0, 10.0, 100.0]), [321.0, 40.0]);
        let moving = Projection::read(&file, 2, 2).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(moving.apply(&[1.0, 10.0]), [24.0, -9.5], "the last column is added");
    }

    #[test]
    fn a_projection_of_another_size_or_without_sense_is_refused_with_both_sizes() {
        let said = Projection::read(&npy(&[2, 3], &[1.0; 6]), 3, 2).err().unwrap();
        assert!(said.contains("[2, 3]") && said.contains("3 rows") && said.contains("2 columns"), "{said}");
        for (file, why) in [
            (npy(&[1, 2], &[0.0; 2]), "zero"),
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
