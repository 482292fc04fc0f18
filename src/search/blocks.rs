//! The vectors and their codes, in blocks that grow and change one at a time.
//!
//! Rows are numbered for good: a row that is freed is not written again. They
//! lie in pieces of [`PIECE_ROWS`]. A new piece is a block of its own; when
//! [`BLOCK_PIECES`] are full they become one block, whose codes are one stream.
//!
//! Whatever is written is shared between the index and the searches that run on
//! it: a writer changes it in place when no search holds it and copies the part
//! it changes when one does. So a search sees one moment of the index from
//! beginning to end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codes::{Codes, Encoded};
use super::tuning::{CHUNK_ROWS, PIECE_ROWS};

/// Words of a bit for each row of a piece.
pub(super) const FREE_WORDS: usize = PIECE_ROWS / 64;

/// Up to [`PIECE_ROWS`] vectors.
#[derive(Clone)]
pub(super) struct Piece<L> {
    /// Per row written. Apart from the values, so that a removal copies no vectors.
    keys: Vec<u64>,
    labels: Vec<L>,
    /// A bit per row, set where it was freed.
    free: [u64; FREE_WORDS],
    /// [`CHUNK_ROWS`] vectors each, row after row. None where they lie outside.
    chunks: Vec<Arc<Vec<f32>>>,
    /// True where the vectors are left to [`Originals`](super::Originals).
    outside: bool,
}

impl<L: Clone> Piece<L> {
    pub(super) fn new() -> Self {
        Self { keys: Vec::new(), labels: Vec::new(), free: [0; FREE_WORDS], chunks: Vec::new(), outside: false }
    }

    /// A full piece whose vectors lie outside; `None` where the parts do not fit.
    pub(super) fn outside(keys: Vec<u64>, labels: Vec<L>, free: [u64; FREE_WORDS]) -> Option<Self> {
        let full = keys.len() == PIECE_ROWS && labels.len() == PIECE_ROWS;
        full.then_some(Self { keys, labels, free, chunks: Vec::new(), outside: true })
    }

    /// The same without the vectors.
    pub(super) fn without_vectors(&self) -> Self {
        let Self { keys, labels, free, .. } = self;
        Self { keys: keys.clone(), labels: labels.clone(), free: *free, chunks: Vec::new(), outside: true }
    }

    /// True where the vectors lie outside.
    pub(super) fn is_outside(&self) -> bool {
        self.outside
    }

    /// Rows written, in use or freed.
    pub(super) fn rows(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn push(&mut self, key: u64, label: L, vector: &[f32]) {
        if self.keys.len().is_multiple_of(CHUNK_ROWS) {
            self.chunks.push(Arc::new(Vec::with_capacity(CHUNK_ROWS * vector.len())));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            Arc::make_mut(chunk).extend_from_slice(vector);
            self.keys.push(key);
            self.labels.push(label);
        }
    }

    /// Frees row `row`. Its values stay as long as the piece.
    pub(super) fn free(&mut self, row: usize) {
        self.free[row / 64] |= 1 << (row % 64);
    }

    /// Puts another label on row `row`.
    pub(super) fn relabel(&mut self, row: usize, label: L) {
        self.labels[row] = label;
    }

    /// What lies in row `row`; `None` where it is free.
    pub(super) fn tag(&self, row: usize) -> Option<(u64, &L)> {
        let key = *self.keys.get(row)?;
        (self.free[row / 64] >> (row % 64) & 1 == 0).then(|| (key, &self.labels[row]))
    }

    /// The vector of row `row`; `None` where it lies outside.
    pub(super) fn vector(&self, row: usize, dimension: usize) -> Option<&[f32]> {
        Some(&self.chunks.get(row / CHUNK_ROWS)?[row % CHUNK_ROWS * dimension..][..dimension])
    }

    /// Every row in use: its number, key and label.
    pub(super) fn tags(&self) -> impl Iterator<Item = (usize, u64, &L)> {
        (0..self.rows()).filter_map(|row| self.tag(row).map(|(key, label)| (row, key, label)))
    }

    /// Keys, labels and freed rows, of all rows written.
    pub(super) fn parts(&self) -> (&[u64], &[L], &[u64; FREE_WORDS]) {
        (&self.keys, &self.labels, &self.free)
    }

    fn tag_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<u64>() + self.labels.capacity() * size_of::<L>() + size_of::<Self>()
    }

    fn vector_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<f32>()).sum()
    }
}

/// Pieces side by side, with codes of all their rows or none at all.
pub(super) struct Block<L> {
    pub(super) codes: Option<Arc<Codes>>,
    pub(super) pieces: Vec<Arc<Piece<L>>>,
}

impl<L> Clone for Block<L> {
    fn clone(&self) -> Self {
        Self { codes: self.codes.clone(), pieces: self.pieces.clone() }
    }
}

impl<L: Clone> Block<L> {
    /// Appends a row to the last piece. `encoded` is there where the block has
    /// codes.
    pub(super) fn push(&mut self, key: u64, label: L, vector: &[f32], encoded: Option<&Encoded>) {
        if let (Some(codes), Some(encoded)) = (&mut self.codes, encoded) {
            Arc::make_mut(codes).push(encoded);
        }
        if let Some(piece) = self.pieces.last_mut() {
            Arc::make_mut(piece).push(key, label, vector);
        }
    }

    /// Rows up to the last one written.
    pub(super) fn rows(&self) -> usize {
        let last = self.pieces.last().map_or(0, |piece| piece.rows());
        (self.pieces.len().max(1) - 1) * PIECE_ROWS + last
    }

    /// Rows that codes are for: those of pieces that were given up too.
    pub(super) fn coded_rows(&self) -> usize {
        if self.pieces.len() > 1 { self.pieces.len() * PIECE_ROWS } else { self.rows() }
    }

    /// The piece of row `row` of the block, and its place there.
    pub(super) fn piece(&self, row: u32) -> Option<(&Piece<L>, usize)> {
        Some((self.pieces.get(row as usize / PIECE_ROWS)?, row as usize % PIECE_ROWS))
    }

    pub(super) fn bytes(&self) -> Bytes {
        let codes = self.codes.as_ref().map_or(0, |codes| codes.bytes());
        let tags = self.pieces.iter().map(|piece| piece.tag_bytes()).sum();
        let vectors = self.pieces.iter().map(|piece| piece.vector_bytes()).sum();
        Bytes { codes, tags, vectors }
    }
}

/// Bytes of memory, by what they hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) codes: usize,
    pub(super) tags: usize,
    pub(super) vectors: usize,
}

/// All blocks at one moment, by number.
pub(super) struct State<L> {
    pub(super) blocks: BTreeMap<u32, Arc<Block<L>>>,
    /// Rows in use.
    pub(super) live: u64,
    /// Pieces whose vectors lie outside memory.
    pub(super) outside: usize,
}

impl<L> State<L> {
    pub(super) fn empty() -> Self {
        Self { blocks: BTreeMap::new(), live: 0, outside: 0 }
    }
}

impl<L> Clone for State<L> {
    fn clone(&self) -> Self {
        Self { blocks: self.blocks.clone(), live: self.live, outside: self.outside }
    }
}
