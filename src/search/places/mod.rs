//! Where keys lie, and where the next row goes. Writers only.

mod memory;
mod merge;

use std::sync::Arc;

use hashbrown::HashTable;
use rayon::prelude::*;

use super::basis::RotationBasis;
use super::blocks::{Block, Piece, State};
use super::codes::{Codes, Encoded};
use super::tuning::PIECE_ROWS;
use super::vector::Entry;
use crate::matching::Dot;

/// Entries above which coding them is spread over threads.
const PARALLEL_ENTRIES_MIN: usize = 64;

/// A piece whose rows in use fall to this is emptied into others.
const THIN: u32 = (PIECE_ROWS / 2) as u32;

/// Where a piece lies, by its number.
#[derive(Clone, Copy, Default)]
struct PiecePlace {
    block: u32,
    /// Its place within the block.
    index: u32,
    /// Rows in use.
    live: u32,
    /// True where it was emptied and its number may be used again.
    given_up: bool,
}

/// A row in use. Half of the hash is kept, so that the table grows without
/// asking for any key.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    /// Piece number times [`PIECE_ROWS`] plus the row in the piece.
    row: u32,
}

/// The writers' own book-keeping.
#[derive(Default)]
pub(super) struct Places {
    /// Rows in use, found by the key that lies there.
    rows: HashTable<Slot>,
    pieces: Vec<PiecePlace>,
    /// Numbers of pieces that were given up.
    spare: Vec<u32>,
    /// The piece that new rows go to.
    open: Option<u32>,
    block_next: u32,
    /// Full pieces that may have become thin.
    thin: Vec<u32>,
    /// True where blocks may have become fit for merging.
    merge_due: bool,
    basis: Option<Arc<RotationBasis>>,
    /// Rows there were when the rotation was last fitted.
    fitted_rows: Option<u64>,
}

/// Mixes a key's bits (the finaliser of MurmurHash3): keys are chosen by the
/// index's owner, not by strangers.
fn hash(key: u64) -> u32 {
    let key = (key ^ (key >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let key = (key ^ (key >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (key ^ (key >> 33)) as u32
}

/// The table wants its bits at both ends of 64.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn key_at<L: Clone>(pieces: &[PiecePlace], state: &State<L>, row: u32) -> Option<u64> {
    let place = pieces.get(row as usize / PIECE_ROWS)?;
    let piece = state.blocks.get(&place.block)?.pieces.get(place.index as usize)?;
    piece.tag(row as usize % PIECE_ROWS).map(|(key, _)| key)
}

impl Places {
    /// The row of a key.
    pub(super) fn find<L: Clone>(&self, state: &State<L>, key: u64) -> Option<u32> {
        let hash = hash(key);
        let is_it = |slot: &Slot| slot.hash == hash && key_at(&self.pieces, state, slot.row) == Some(key);
        self.rows.find(spread(hash), is_it).map(|slot| slot.row)
    }

    /// Makes room for so many more rows.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.rows.reserve(rows, |slot| spread(slot.hash));
    }

    /// Rows in use.
    pub(super) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(super) fn fitted_rows(&self) -> Option<u64> {
        self.fitted_rows
    }

    /// From now on rows are coded with `basis`; the old one stays where there is
    /// none. The one in use.
    pub(super) fn set_basis(&mut self, basis: Option<Arc<RotationBasis>>, rows: u64) -> Option<Arc<RotationBasis>> {
        self.basis = basis.or(self.basis.take());
        self.fitted_rows = Some(rows);
        self.basis.clone()
    }

    /// The block that new rows go to.
    pub(super) fn open_block(&self) -> Option<u32> {
        self.open.map(|piece| self.pieces[piece as usize].block)
    }

    pub(super) fn bytes(&self) -> usize {
        // One byte of control beside each slot.
        self.rows.capacity() * 8 / 7 * (size_of::<Slot>() + 1) + self.pieces.capacity() * size_of::<PiecePlace>()
    }

    /// Codes of what is about to be inserted; `None` where rows have none yet.
    pub(super) fn encode<L: Sync>(&self, dot: Dot, entries: &[Entry<L>]) -> Vec<Option<Encoded>> {
        let Some(basis) = &self.basis else { return entries.iter().map(|_| None).collect() };
        let encode = |entry: &Entry<L>| Some(Encoded::new(basis, dot, &entry.vector));
        if entries.len() < PARALLEL_ENTRIES_MIN {
            return entries.iter().map(encode).collect();
        }
        entries.par_iter().map(encode).collect()
    }

    /// Puts a row in, at the end of the open piece.
    pub(super) fn insert<L: Clone>(&mut self, state: &mut State<L>, entry: Entry<L>, encoded: Option<&Encoded>) {
        let piece = match self.open {
            Some(piece) => piece,
            None => self.open_piece(state),
        };
        let place = &mut self.pieces[piece as usize];
        let Some(block) = state.blocks.get_mut(&place.block) else { return };
        let block = Arc::make_mut(block);
        block.push(entry.key, entry.label, &entry.vector, encoded);
        place.live += 1;
        let row = block.rows() - 1;
        if row + 1 == PIECE_ROWS {
            self.open = None;
            self.merge_due = true;
            // Rows may have been freed while it was open.
            self.thin.push(piece);
        }
        let slot = Slot { hash: hash(entry.key), row: piece * PIECE_ROWS as u32 + row as u32 };
        self.rows.insert_unique(spread(slot.hash), slot, |slot| spread(slot.hash));
    }

    /// Frees the row of a key, if there is one.
    pub(super) fn remove<L: Clone>(&mut self, state: &mut State<L>, key: u64) {
        let hash = hash(key);
        let is_it = |slot: &Slot| slot.hash == hash && key_at(&self.pieces, state, slot.row) == Some(key);
        let Ok(entry) = self.rows.find_entry(spread(hash), is_it) else { return };
        let (Slot { row, .. }, _) = entry.remove();
        let number = row / PIECE_ROWS as u32;
        let place = &mut self.pieces[number as usize];
        place.live -= 1;
        if place.live <= THIN && self.open != Some(number) {
            self.thin.push(number);
        }
        if let Some(block) = state.blocks.get_mut(&place.block) {
            let piece = &mut Arc::make_mut(block).pieces[place.index as usize];
            Arc::make_mut(piece).free(row as usize % PIECE_ROWS);
        }
    }

    fn open_piece<L: Clone>(&mut self, state: &mut State<L>) -> u32 {
        let number = self.spare.pop().unwrap_or_else(|| {
            self.pieces.push(PiecePlace::default());
            self.pieces.len() as u32 - 1
        });
        let block = self.new_block();
        self.pieces[number as usize] = PiecePlace { block, index: 0, live: 0, given_up: false };
        let codes = self.basis.as_ref().map(|basis| Arc::new(Codes::new(Arc::clone(basis), PIECE_ROWS)));
        state.blocks.insert(block, Arc::new(Block { codes, pieces: vec![Arc::new(Piece::new())] }));
        self.open = Some(number);
        number
    }

    fn new_block(&mut self) -> u32 {
        self.block_next = self.block_next.wrapping_add(1);
        self.block_next
    }

    /// Puts another label on the row of a key, if there is one.
    pub(super) fn relabel<L: Clone>(&mut self, state: &mut State<L>, key: u64, label: L) {
        let Some(row) = self.find(state, key) else { return };
        let place = self.pieces[row as usize / PIECE_ROWS];
        if let Some(block) = state.blocks.get_mut(&place.block) {
            let piece = &mut Arc::make_mut(block).pieces[place.index as usize];
            Arc::make_mut(piece).relabel(row as usize % PIECE_ROWS, label);
        }
    }

    /// The piece that holds a key, and the row in it.
    pub(super) fn locate<L: Clone>(&self, state: &State<L>, key: u64) -> Option<(Arc<Piece<L>>, usize)> {
        let row = self.find(state, key)?;
        let place = self.pieces[row as usize / PIECE_ROWS];
        let piece = state.blocks.get(&place.block)?.pieces.get(place.index as usize)?;
        Some((Arc::clone(piece), row as usize % PIECE_ROWS))
    }

    /// The label of a key.
    pub(super) fn label<L: Clone>(&self, state: &State<L>, key: u64) -> Option<L> {
        let (piece, row) = self.locate(state, key)?;
        piece.tag(row).map(|(_, label)| label.clone())
    }

    /// Takes over a block read from a file, whose vectors all lie outside. False
    /// where a key is there already.
    pub(super) fn adopt<L: Clone>(&mut self, state: &mut State<L>, block: Block<L>) -> bool {
        let number = self.new_block();
        if let Some(codes) = &block.codes {
            self.basis = Some(Arc::clone(&codes.basis));
        }
        let block = Arc::new(block);
        state.blocks.insert(number, Arc::clone(&block));
        for (index, piece) in block.pieces.iter().enumerate().filter(|(_, piece)| piece.rows() > 0) {
            let piece_number = self.pieces.len() as u32;
            self.pieces.push(PiecePlace { block: number, index: index as u32, live: 0, given_up: false });
            let mut live = 0;
            for (row, key, _) in piece.tags() {
                let slot = Slot { hash: hash(key), row: piece_number * PIECE_ROWS as u32 + row as u32 };
                let is_it =
                    |other: &Slot| other.hash == slot.hash && key_at(&self.pieces, state, other.row) == Some(key);
                if self.rows.find(spread(slot.hash), is_it).is_some() {
                    return false;
                }
                self.rows.insert_unique(spread(slot.hash), slot, |slot| spread(slot.hash));
                live += 1;
            }
            self.pieces[piece_number as usize].live = live;
            state.live += u64::from(live);
            state.outside += 1;
            if live <= THIN {
                self.thin.push(piece_number);
            }
        }
        self.merge_due = true;
        self.fitted_rows = Some(state.live);
        true
    }
}
