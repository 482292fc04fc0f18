//! What goes into an index, what is asked of it, and what comes out.

use std::cmp::Ordering;

use super::SearchError;

/// Longest vector accepted, as a power of two: the product of two such lengths
/// bounds every partial sum of a dot product (Cauchy–Schwarz), so that no score
/// is ever infinite or NaN.
const LENGTH_MAX: f64 = (1u64 << 60) as f64;

/// A vector about to be inserted.
#[derive(Clone)]
pub struct Entry<L> {
    /// Its key, not yet in the index.
    pub key: u64,
    /// Handed back with a hit; the index does not look at it.
    pub label: L,
    /// As many values as the index has dimensions.
    pub vector: Vec<f32>,
}

/// A vector found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit<L = ()> {
    /// Its key.
    pub key: u64,
    /// Its score: the dot product with the query. Always finite.
    pub score: f32,
    /// What was stored with it.
    pub label: L,
}

impl<L> Hit<L> {
    /// Best score first, then lowest key: the order of every answer. Total,
    /// because scores are finite and keys unique.
    pub(super) fn rank(&self, other: &Self) -> Ordering {
        other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal).then(self.key.cmp(&other.key))
    }
}

/// What a search asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// Every vector at or above the score.
    Within(f32),
    /// The vectors that score highest, so many.
    Nearest(usize),
}

/// Refuses a vector that cannot be scored.
pub(super) fn check(vector: &[f32], dimension: usize) -> Result<(), SearchError> {
    if vector.len() != dimension {
        return Err(SearchError::Dimension { expected: dimension, found: vector.len() });
    }
    let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    // False for NaN as well.
    if length <= LENGTH_MAX { Ok(()) } else { Err(SearchError::NotFinite) }
}
