//! A graph of fixed points, by hnsw_rs.

use std::time::Instant;

use hnsw_rs::anndists::dist::distances::Distance;
use hnsw_rs::hnsw::Hnsw;
use rayon::prelude::*;

use super::GraphOptions;
use crate::search::SearchError;
use crate::search::join::Vectors;
use crate::search::vector::check;

/// Layers at most: what the library allows for.
const LAYERS: usize = 16;

/// Neighbours among which a point must find itself, and the effort for it. Never more
/// than searches make, so that what is found here is found there.
const SELF_NEIGHBOURS: usize = 8;
/// See [`SELF_NEIGHBOURS`].
const SELF_EFFORT: usize = 48;

/// What a unit vector's value is in eight bits; faces' values stay below a third.
const SCALE: f32 = 381.0;

/// Points that are inserted at a time.
const ROWS: usize = 4096;

/// Products of codes, so that more alike is nearer; never negative.
struct Products;

impl Distance<i8> for Products {
    fn eval(&self, a: &[i8], b: &[i8]) -> f32 {
        let limit = a.len().min(b.len()) as i32 * 127 * 127;
        // Below 2²⁴ for up to a thousand values: exact.
        (limit - product(a, b)) as f32
    }
}

/// The eight-bit copy of a vector.
pub(super) fn codes(vector: &[f32]) -> Vec<i8> {
    vector.iter().map(|value| (value * SCALE).round().clamp(-127.0, 127.0) as i8).collect()
}

pub(super) struct Built {
    hnsw: Hnsw<'static, i8, Products>,
    keys: Vec<u64>,
    /// Rows that do not find themselves.
    unfound: Vec<usize>,
    seconds: f64,
}

impl Built {
    /// Inserts all rows, then looks for each.
    pub(super) fn new(keys: Vec<u64>, vectors: &dyn Vectors, options: GraphOptions) -> Result<Self, SearchError> {
        let begin = Instant::now();
        let hnsw = Hnsw::new(options.links, keys.len().max(1), LAYERS, options.build_effort, Products);
        let read = |row: usize, vector: &mut [f32]| {
            match vectors.read(u32::try_from(row).map_err(|_| SearchError::Unreadable)?, vector) {
                // Removed since.
                Err(SearchError::Missing) => return Ok(None),
                read => read?,
            }
            check(vector, vectors.dimension())?;
            Ok(Some(codes(vector)))
        };
        let vector = || vec![0.0; vectors.dimension()];
        for first in (0..keys.len()).step_by(ROWS) {
            let rows = first..(first + ROWS).min(keys.len());
            rows.into_par_iter().try_for_each_init(vector, |vector, row| {
                if let Some(codes) = read(row, vector)? {
                    hnsw.insert_slice((&codes, row));
                }
                Ok::<_, SearchError>(())
            })?;
        }
        let effort = SELF_EFFORT.min(options.effort);
        let unfound = (0..keys.len()).into_par_iter().map_init(vector, |vector, row| {
            let Some(codes) = read(row, vector)? else { return Ok(None) };
            let near = hnsw.search(&codes, SELF_NEIGHBOURS.min(effort), effort);
            let found = near.iter().any(|point| point.d_id == row);
            Ok((!found).then_some(row))
        });
        let unfound: Vec<Option<usize>> = unfound.collect::<Result<_, SearchError>>()?;
        let unfound = unfound.into_iter().flatten().collect();
        Ok(Self { hnsw, keys, unfound, seconds: begin.elapsed().as_secs_f64() })
    }

    pub(super) fn points(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Keys of points that the graph may not lead to.
    pub(super) fn unfound(&self) -> impl Iterator<Item = u64> {
        self.unfound.iter().filter_map(|&row| self.keys.get(row)).copied()
    }

    /// Keys of the `effort` points met that are nearest, nearest first.
    pub(super) fn walk(&self, codes: &[i8], effort: usize) -> impl Iterator<Item = u64> {
        let effort = effort.min(self.keys.len()).max(1);
        self.hnsw.search(codes, effort, effort).into_iter().filter_map(|point| self.keys.get(point.d_id).copied())
    }
}

fn product(a: &[i8], b: &[i8]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            // SAFETY: the features were just detected.
            #[allow(unsafe_code, reason = "wider instructions, detected before; a safe twin is tested against")]
            return unsafe { product_avx512(a, b) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            #[allow(unsafe_code, reason = "wider instructions, detected before; a safe twin is tested against")]
            return unsafe { product_avx2(a, b) };
        }
    }
    body(a, b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn product_avx512(a: &[i8], b: &[i8]) -> i32 {
    body(a, b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn product_avx2(a: &[i8], b: &[i8]) -> i32 {
    body(a, b)
}

#[inline(always)]
fn body(a: &[i8], b: &[i8]) -> i32 {
    // By way of sixteen bits, for which there is one instruction.
    a.iter().zip(b).map(|(&a, &b)| i32::from(i16::from(a) * i16::from(b))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_product_is_the_same_by_all_instructions(
            pairs in prop::collection::vec((-127i8..=127, -127i8..=127), 0..200),
        ) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.into_iter().unzip();
            let expected: i32 = a.iter().zip(&b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
            prop_assert_eq!(product(&a, &b), expected);
            prop_assert_eq!(body(&a, &b), expected);
            prop_assert!(Products.eval(&a, &b) >= 0.0);
        }
    }
}
