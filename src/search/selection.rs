//! Vectors selected by key, and their exact scores: for candidates that come from elsewhere than
//! a scan.

use std::sync::Arc;

use super::SearchError;
use super::blocks::Piece;
use super::originals::{Originals, read_all};
use super::vector::{Hit, check};
use crate::matching::Dot;

/// Vectors selected by key at one moment. They can be read however the index changes
/// afterwards; a key that was removed before is not in it.
pub struct Selection<L> {
    rows: Vec<(u64, Arc<Piece<L>>, usize)>,
    dimension: usize,
    dot: Dot,
}

impl<L: Clone> Selection<L> {
    pub(super) fn new(rows: Vec<(u64, Arc<Piece<L>>, usize)>, dimension: usize, dot: Dot) -> Self {
        Self { rows, dimension, dot }
    }

    /// Scores those whose key and label pass `filter` by the one dot product, in no
    /// order. `originals` are read for vectors that are not in memory.
    ///
    /// # Errors
    /// [`SearchError::Dimension`] and [`SearchError::NotFinite`] for a query that cannot be
    /// scored; [`SearchError::Missing`] where `originals` do not hold a vector (any more),
    /// and what they fail with.
    pub fn score<F>(
        &self,
        query: &[f32],
        filter: F,
        originals: Option<&dyn Originals>,
    ) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64, &L) -> bool,
    {
        check(query, self.dimension)?;
        let mut hits = Vec::with_capacity(self.rows.len());
        let (mut outside, mut labels) = (Vec::new(), Vec::new());
        for (key, piece, row) in &self.rows {
            let Some((_, label)) = piece.tag(*row).filter(|(_, label)| filter(*key, label)) else { continue };
            match piece.vector(*row, self.dimension) {
                Some(vector) => {
                    hits.push(Hit { key: *key, score: self.dot.score(query, vector), label: label.clone() });
                }
                None => {
                    outside.push(*key);
                    labels.push(label);
                }
            }
        }
        if !outside.is_empty() {
            read_all(originals, &outside, self.dimension, |at, vector| {
                let label = labels[at].clone();
                hits.push(Hit { key: outside[at], score: self.dot.score(query, vector), label });
            })?;
        }
        Ok(hits)
    }

    /// Copies the only vector selected.
    pub(super) fn copy(&self, into: &mut [f32], originals: Option<&dyn Originals>) -> Result<(), SearchError> {
        if into.len() != self.dimension {
            return Err(SearchError::Dimension { expected: self.dimension, found: into.len() });
        }
        let (key, piece, row) = self.rows.first().ok_or(SearchError::Missing)?;
        match piece.vector(*row, self.dimension) {
            Some(vector) => into.copy_from_slice(vector),
            None => read_all(originals, &[*key], self.dimension, |_, vector| into.copy_from_slice(vector))?,
        }
        Ok(())
    }
}
