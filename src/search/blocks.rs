//! The vectors, in blocks that grow and change one at a time.
//!
//! A block is shared between the index and the searches that run on it. A
//! writer changes it in place when no search holds it and copies it when one
//! does, so a search sees one moment of the index from beginning to end, and
//! growth never moves what is already there.

use std::sync::Arc;

/// Vectors in a block. At 512 values a block is 512 KiB: enough for a core to
/// chew on between two pieces of bookkeeping, little enough to copy (some 50 µs)
/// while a search holds it.
pub(super) const BLOCK_ROWS: usize = 256;

/// A row's key and what the owner of the index wants back with it.
pub(super) type Tag<L> = Option<(u64, L)>;

/// Up to [`BLOCK_ROWS`] vectors side by side. A row without a tag is free.
#[derive(Clone)]
pub(super) struct Block<L> {
    /// One per row. Apart from the values, so that a removal copies no vectors.
    tags: Vec<Tag<L>>,
    /// Rows one after the other.
    values: Arc<Vec<f32>>,
}

impl<L: Clone> Block<L> {
    pub(super) fn new() -> Self {
        Self { tags: Vec::new(), values: Arc::new(Vec::new()) }
    }

    /// Rows in use and free, not counting those never written.
    pub(super) fn rows(&self) -> usize {
        self.tags.len()
    }

    /// Writes row `row`, which is free or the next one.
    pub(super) fn put(&mut self, row: usize, key: u64, label: L, vector: &[f32]) {
        let values = Arc::make_mut(&mut self.values);
        let begin = row * vector.len();
        if row == self.tags.len() {
            values.extend_from_slice(vector);
            self.tags.push(Some((key, label)));
        } else {
            values[begin..begin + vector.len()].copy_from_slice(vector);
            self.tags[row] = Some((key, label));
        }
    }

    /// Frees row `row`. Its values stay until they are written over.
    pub(super) fn free(&mut self, row: usize) {
        self.tags[row] = None;
    }

    /// Every row in use: key, label, vector.
    pub(super) fn iter(&self, dimension: usize) -> impl Iterator<Item = (u64, &L, &[f32])> {
        self.tags
            .iter()
            .zip(self.values.chunks_exact(dimension))
            .filter_map(|(tag, vector)| tag.as_ref().map(|(key, label)| (*key, label, vector)))
    }
}

/// All blocks at one moment.
#[derive(Clone)]
pub(super) struct Blocks<L> {
    pub(super) blocks: Vec<Arc<Block<L>>>,
    /// Rows in use.
    pub(super) live: u64,
}
