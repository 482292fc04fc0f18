//! What is joined: vectors somebody else holds, and whose they are.

use crate::search::SearchError;

/// Vectors to be compared pair by pair, in an order of the caller's.
///
/// They must stay the same as long as a [`Join`](super::Join) of them is in use.
pub trait Vectors: Sync {
    /// How many there are.
    fn rows(&self) -> usize;

    /// Values in each.
    fn dimension(&self) -> usize;

    /// Copies row `row`, less than [`Vectors::rows`], into `into`, which has
    /// [`Vectors::dimension`] values. The vector is about one long; any other
    /// length below 2⁶⁰ is only slower.
    ///
    /// # Errors
    /// [`SearchError::Unreadable`] where the row cannot be had.
    fn read(&self, row: u32, into: &mut [f32]) -> Result<(), SearchError>;
}

/// Vectors in memory, row after row: `Matrix<Vec<f32>>`, or `Matrix<&[f32]>`
/// where somebody else owns them.
#[derive(Debug, Clone)]
pub struct Matrix<V> {
    dimension: usize,
    values: V,
}

impl<V: AsRef<[f32]>> Matrix<V> {
    /// Takes rows of `dimension` values each.
    ///
    /// # Errors
    /// [`SearchError::Dimension`] where `values` are not whole rows.
    pub fn new(dimension: usize, values: V) -> Result<Self, SearchError> {
        let found = values.as_ref().len();
        if dimension == 0 && found > 0 || dimension > 0 && !found.is_multiple_of(dimension) {
            return Err(SearchError::Dimension { expected: dimension, found: found % dimension.max(1) });
        }
        Ok(Self { dimension, values })
    }
}

impl<V: AsRef<[f32]> + Sync> Vectors for Matrix<V> {
    fn rows(&self) -> usize {
        self.values.as_ref().len() / self.dimension.max(1)
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn read(&self, row: u32, into: &mut [f32]) -> Result<(), SearchError> {
        let first = row as usize * self.dimension;
        let values = self.values.as_ref().get(first..first + self.dimension).ok_or(SearchError::Unreadable)?;
        if into.len() != values.len() {
            return Err(SearchError::Dimension { expected: values.len(), found: into.len() });
        }
        into.copy_from_slice(values);
        Ok(())
    }
}

/// One side of a join.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Its vectors.
    pub vectors: &'a dyn Vectors,
    /// Of each row, the number of its subject. Rows of the same number are not
    /// compared.
    pub groups: &'a [u32],
}
