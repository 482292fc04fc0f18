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

/// A row's key and what the owner of the index wants back with it.
pub(super) type Tag<L> = Option<(u64, L)>;

/// Up to [`PIECE_ROWS`] vectors. A row without a tag is free.
#[derive(Clone)]
pub(super) struct Piece<L> {
    /// One per row. Apart from the values, so that a removal copies no vectors.
    tags: Vec<Tag<L>>,
    /// [`CHUNK_ROWS`] vectors each, row after row.
    chunks: Vec<Arc<Vec<f32>>>,
}

impl<L: Clone> Piece<L> {
    pub(super) fn new() -> Self {
        Self { tags: Vec::new(), chunks: Vec::new() }
    }

    /// Rows written, in use or freed.
    pub(super) fn rows(&self) -> usize {
        self.tags.len()
    }

    pub(super) fn push(&mut self, key: u64, label: L, vector: &[f32]) {
        if self.tags.len().is_multiple_of(CHUNK_ROWS) {
            self.chunks.push(Arc::new(Vec::with_capacity(CHUNK_ROWS * vector.len())));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            Arc::make_mut(chunk).extend_from_slice(vector);
            self.tags.push(Some((key, label)));
        }
    }

    /// Frees row `row`. Its values stay as long as the piece.
    pub(super) fn free(&mut self, row: usize) {
        self.tags[row] = None;
    }

    /// What lies in row `row`; `None` where it is free.
    pub(super) fn tag(&self, row: usize) -> Option<&(u64, L)> {
        self.tags.get(row)?.as_ref()
    }

    pub(super) fn vector(&self, row: usize, dimension: usize) -> &[f32] {
        &self.chunks[row / CHUNK_ROWS][row % CHUNK_ROWS * dimension..][..dimension]
    }

    /// Every row in use: key, label, vector.
    pub(super) fn iter(&self, dimension: usize) -> impl Iterator<Item = (u64, &L, &[f32])> {
        let rows = self.tags.iter().enumerate();
        rows.filter_map(move |(row, tag)| tag.as_ref().map(|(key, label)| (*key, label, self.vector(row, dimension))))
    }

    /// Every vector written, those of freed rows too, in the order of rows.
    pub(super) fn vectors(&self, dimension: usize) -> impl Iterator<Item = &[f32]> {
        self.chunks.iter().flat_map(move |chunk| chunk.chunks_exact(dimension))
    }

    fn bytes(&self) -> usize {
        let values: usize = self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<f32>()).sum();
        values + self.tags.capacity() * size_of::<Tag<L>>()
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

    /// What lies in row `row` of the block, with its vector.
    pub(super) fn row(&self, row: u32, dimension: usize) -> Option<(&(u64, L), &[f32])> {
        let piece = self.pieces.get(row as usize / PIECE_ROWS)?;
        let row = row as usize % PIECE_ROWS;
        Some((piece.tag(row)?, piece.vector(row, dimension)))
    }

    pub(super) fn bytes(&self) -> Bytes {
        let codes = self.codes.as_ref().map_or(0, |codes| codes.bytes());
        let tags = self.pieces.iter().map(|piece| piece.tags.capacity() * size_of::<Tag<L>>()).sum();
        let all: usize = self.pieces.iter().map(|piece| piece.bytes()).sum();
        Bytes { codes, tags, vectors: all - tags }
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
}

impl<L> Clone for State<L> {
    fn clone(&self) -> Self {
        Self { blocks: self.blocks.clone(), live: self.live }
    }
}
