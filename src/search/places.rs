//! Where keys lie, and where the next row goes. Writers only.

use std::sync::Arc;

use hashbrown::HashTable;
use rayon::prelude::*;

use super::basis::Basis;
use super::blocks::{Block, Piece, State};
use super::codes::{Codes, Encoded, Fine, Group, Next};
use super::index::Entry;
use super::inner::Inner;
use super::recode::vectors_of;
use super::tuning::{BLOCK_PIECES, GROUP_ROWS, PIECE_ROWS, PLACE_BYTES};
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
    basis: Option<Arc<Basis>>,
    /// Rows there were when the rotation was last fitted.
    fitted_rows: Option<u64>,
}

/// Memory held, in bytes.
struct Resident {
    /// Codes, keys, labels, places.
    derived: u64,
    vectors: u64,
}

/// Blocks of one piece each that become one block.
pub(super) struct Merge<L> {
    parts: Vec<(u32, Arc<Block<L>>)>,
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
    pub(super) fn set_basis(&mut self, basis: Option<Arc<Basis>>, rows: u64) -> Option<Arc<Basis>> {
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

    /// Bytes of memory held: an estimate that is quickly made, of an open piece as
    /// if it were full.
    fn resident<L>(&self, state: &State<L>, dimension: usize) -> Resident {
        let codes: usize = state.blocks.values().filter_map(|block| block.codes.as_ref()).map(|c| c.bytes()).sum();
        let pieces = self.pieces.len() - self.spare.len();
        let tags = pieces * (PIECE_ROWS * (size_of::<u64>() + size_of::<L>()) + size_of::<Piece<L>>());
        let held = pieces.saturating_sub(state.outside);
        Resident {
            derived: (codes + tags + self.bytes()) as u64,
            vectors: (held * PIECE_ROWS * dimension * size_of::<f32>()) as u64,
        }
    }

    /// Whether `rows` more fit into `bytes_max`, whatever must leave memory for them.
    pub(super) fn fits<L: Clone + Send + Sync>(&self, inner: &Inner<L>, state: &State<L>, rows: u64) -> bool {
        let resident = self.resident(state, inner.dimension);
        let codes = size_of::<Group>() / GROUP_ROWS + size_of::<Next>() + size_of::<Fine>();
        let row = (codes + size_of::<u64>() + size_of::<L>()) as u64;
        let mut needed = resident.derived.saturating_add(rows.saturating_mul(row + PLACE_BYTES));
        // Vectors that cannot leave: all, or those of the open piece.
        let vector = (inner.dimension * size_of::<f32>()) as u64;
        needed = needed.saturating_add(match inner.originals() {
            None => resident.vectors.saturating_add(rows.saturating_mul(vector)),
            Some(_) => PIECE_ROWS as u64 * vector,
        });
        needed <= inner.bytes_max()
    }

    /// Lets the vectors of a block leave memory, the oldest there are, where memory is
    /// short. False where it is not, or where no more can leave.
    pub(super) fn let_go_one<L: Clone + Send + Sync>(&mut self, inner: &Inner<L>) -> bool {
        if inner.originals().is_none() {
            return false;
        }
        let state = inner.state();
        let resident = self.resident(&state, inner.dimension);
        if resident.derived + resident.vectors <= inner.bytes_max() {
            return false;
        }
        let open = self.open_block();
        let leaves = |piece: &Arc<Piece<L>>| piece.rows() > 0 && !piece.is_outside();
        let oldest = state
            .blocks
            .iter()
            .find(|(number, block)| open != Some(**number) && block.codes.is_some() && block.pieces.iter().any(leaves));
        let Some((&number, block)) = oldest else { return false };
        let lighter = block.pieces.iter().map(|piece| leaves(piece).then(|| Arc::new(piece.without_vectors())));
        let lighter: Vec<_> = lighter.collect();
        drop(state);
        let mut published = inner.published();
        let state = Arc::make_mut(&mut *published);
        state.outside += lighter.iter().flatten().count();
        if let Some(block) = state.blocks.get_mut(&number) {
            let pieces = &mut Arc::make_mut(block).pieces;
            for (piece, lighter) in pieces.iter_mut().zip(lighter) {
                if let Some(lighter) = lighter {
                    *piece = lighter;
                }
            }
        }
        true
    }

    /// Empties pieces in which few rows are in use: the rows move to the open
    /// piece, and memory stays within about twice what is in use.
    pub(super) fn thin_out<L: Clone + Send + Sync>(&mut self, inner: &Inner<L>) {
        while let Some(number) = self.thin.pop() {
            let place = self.pieces[number as usize];
            if place.live > THIN || self.open == Some(number) || place.given_up {
                continue;
            }
            let state = inner.state();
            let Some(block) = state.blocks.get(&place.block) else { continue };
            let piece = Arc::clone(&block.pieces[place.index as usize]);
            drop(state);
            // Beside searches.
            let Ok(vectors) = vectors_of(&piece, inner.dimension, inner.originals()) else { continue };
            let entry = |(row, key, label): (usize, u64, &L)| {
                let vector = vectors[row].as_ref()?.to_vec();
                Some(Entry { key, label: label.clone(), vector })
            };
            // Where one cannot be had now, the piece stays as it is.
            let Some(moved) = piece.tags().map(entry).collect::<Option<Vec<_>>>() else { continue };
            let encoded = self.encode(inner.dot, &moved);

            let mut published = inner.published();
            let state = Arc::make_mut(&mut *published);
            let Some(block) = state.blocks.get_mut(&place.block) else { continue };
            // The piece leaves its block; in a block of many its codes stay until
            // the block goes, and find no rows behind them.
            let block = Arc::make_mut(block);
            block.pieces[place.index as usize] = Arc::new(Piece::new());
            if block.pieces.iter().all(|piece| piece.rows() == 0) {
                state.blocks.remove(&place.block);
            }
            state.outside -= usize::from(piece.is_outside());
            for (row, key, _) in piece.tags() {
                let row = number * PIECE_ROWS as u32 + row as u32;
                if let Ok(entry) = self.rows.find_entry(spread(hash(key)), |slot| slot.row == row) {
                    entry.remove();
                }
            }
            self.pieces[number as usize] = PiecePlace { live: 0, given_up: true, ..place };
            self.spare.push(number);
            self.merge_due = true;
            for (entry, encoded) in moved.into_iter().zip(encoded) {
                self.insert(state, entry, encoded.as_ref());
            }
        }
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

    /// The next blocks to put together, where there are enough: single full
    /// pieces with codes of one rotation, or what is left of a block of which
    /// most pieces were given up.
    pub(super) fn plan_merge<L: Clone>(&mut self, state: &State<L>) -> Option<Merge<L>> {
        if !std::mem::take(&mut self.merge_due) {
            return None;
        }
        let open = self.open_block();
        let mut parts: Vec<(u32, Arc<Block<L>>)> = Vec::new();
        let mut pieces = 0;
        for (&number, block) in &state.blocks {
            let Some(codes) = &block.codes else { continue };
            let left = block.pieces.iter().filter(|piece| piece.rows() > 0).count();
            let worn = block.pieces.len() > 1 && left <= block.pieces.len() / 2;
            let full = block.pieces.len() == 1 && codes.rows() == PIECE_ROWS;
            let fits = self.basis.as_ref().is_some_and(|basis| Arc::ptr_eq(basis, &codes.basis));
            if !fits || open == Some(number) || !(worn || full) || pieces + left > BLOCK_PIECES {
                continue;
            }
            pieces += left;
            parts.push((number, Arc::clone(block)));
        }
        let is_worn = |(_, block): &(u32, Arc<Block<L>>)| block.pieces.len() > 1;
        let enough = pieces == BLOCK_PIECES || (pieces >= BLOCK_PIECES / 2 && parts.iter().any(is_worn));
        // There may be more to do after this one.
        self.merge_due = enough;
        enough.then_some(Merge { parts })
    }

    /// Publishes what a merge has made, and notes where its pieces lie now.
    pub(super) fn keep_merged<L: Clone>(&mut self, state: &mut State<L>, merge: &Merge<L>, merged: Block<L>) {
        let block = self.new_block();
        let mut index_next = 0;
        let mut moved = std::collections::HashMap::new();
        for (number, part) in &merge.parts {
            state.blocks.remove(number);
            for (index, piece) in part.pieces.iter().enumerate() {
                if piece.rows() > 0 {
                    moved.insert((*number, index as u32), index_next);
                    index_next += 1;
                }
            }
        }
        for place in self.pieces.iter_mut().filter(|place| !place.given_up) {
            if let Some(&index) = moved.get(&(place.block, place.index)) {
                (place.block, place.index) = (block, index);
            }
        }
        state.blocks.insert(block, Arc::new(merged));
    }
}

impl<L: Clone> Merge<L> {
    /// Copies the codes into one stream; the vectors are shared.
    pub(super) fn carry_out(&self) -> Block<L> {
        let pieces: Vec<_> = self.parts.iter().flat_map(|(_, block)| &block.pieces).filter(|p| p.rows() > 0).collect();
        let mut codes = None;
        for (_, part) in &self.parts {
            let Some(from) = &part.codes else { continue };
            let into = codes.get_or_insert_with(|| Codes::new(Arc::clone(&from.basis), pieces.len() * PIECE_ROWS));
            for (index, _) in part.pieces.iter().enumerate().filter(|(_, piece)| piece.rows() > 0) {
                into.append(from, index);
            }
        }
        Block { codes: codes.map(Arc::new), pieces: pieces.into_iter().map(Arc::clone).collect() }
    }
}
