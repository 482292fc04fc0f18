//! The scan that others do, to be measured against: every vector as eight bits a
//! dimension, one after the other.

use rayon::prelude::*;

/// Rows that a thread scans at a time.
const ROWS: usize = 4096;

/// Vectors of eight-bit values. Its scores are not exact; nothing is found with it.
pub struct PlainScan {
    dimension: usize,
    values: Vec<i8>,
}

impl PlainScan {
    /// Takes vectors of `dimension` values, each up to 1, row after row.
    pub fn new(dimension: usize, rows: &[f32]) -> Self {
        Self { dimension: dimension.max(1), values: quantised(rows) }
    }

    /// Appends vectors.
    pub fn extend(&mut self, rows: &[f32]) {
        self.values.extend(quantised(rows));
    }

    /// Bytes that one search reads.
    pub fn bytes(&self) -> usize {
        self.values.len()
    }

    /// The row that scores highest, over all threads of the pool it runs in.
    pub fn best(&self, query: &[f32]) -> Option<usize> {
        let query: Vec<i16> = quantised(query).into_iter().map(i16::from).collect();
        let chunks = self.values.par_chunks(ROWS * self.dimension).enumerate();
        let best = chunks.filter_map(|(chunk, values)| {
            let (score, row) = best(values, &query, self.dimension)?;
            Some((score, chunk * ROWS + row))
        });
        best.max_by_key(|&(score, row)| (score, std::cmp::Reverse(row))).map(|(_, row)| row)
    }
}

/// Half a step is lost at most, and nothing within ±1 cut off much: faces'
/// values stay below a third.
fn quantised(values: &[f32]) -> Vec<i8> {
    values.iter().map(|v| (v * 381.0).round().clamp(-127.0, 127.0) as i8).collect()
}

fn best(values: &[i8], query: &[i16], dimension: usize) -> Option<(i32, usize)> {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            // SAFETY: the features were just detected.
            #[allow(unsafe_code, reason = "wider instructions, detected before; a safe twin is tested against")]
            return unsafe { best_avx512(values, query, dimension) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            #[allow(unsafe_code, reason = "wider instructions, detected before; a safe twin is tested against")]
            return unsafe { best_avx2(values, query, dimension) };
        }
    }
    body(values, query, dimension)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn best_avx512(values: &[i8], query: &[i16], dimension: usize) -> Option<(i32, usize)> {
    body(values, query, dimension)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn best_avx2(values: &[i8], query: &[i16], dimension: usize) -> Option<(i32, usize)> {
    body(values, query, dimension)
}

#[inline(always)]
fn body(values: &[i8], query: &[i16], dimension: usize) -> Option<(i32, usize)> {
    let mut best: Option<(i32, usize)> = None;
    for (row, values) in values.chunks_exact(dimension).enumerate() {
        let score = values.iter().zip(query).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
        if best.is_none_or(|(highest, _)| score > highest) {
            best = Some((score, row));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::{Like, Population};

    #[test]
    fn every_row_finds_itself_whatever_the_instructions() {
        let population = Population::new(Like::Faceplugin, 5);
        let dimension = population.dimension();
        let rows = population.references(0, 40);
        let mut scan = PlainScan::new(dimension, &rows[..dimension]);
        scan.extend(&rows[dimension..]);
        assert_eq!(scan.bytes(), rows.len());
        for (number, row) in rows.chunks_exact(dimension).enumerate() {
            assert_eq!(scan.best(row), Some(number));
            let query: Vec<i16> = quantised(row).into_iter().map(i16::from).collect();
            assert_eq!(best(&scan.values, &query, 512), body(&scan.values, &query, 512));
        }
        assert_eq!(PlainScan::new(3, &[]).best(&[1.0, 0.0, 0.0]), None);
    }
}
