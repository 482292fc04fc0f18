//! What the index holds in memory, and what leaves it: vectors that lie in the database
//! too, pieces that hardly anything is left of.

use std::sync::Arc;

use super::{PiecePlace, Places, THIN, hash, spread};
use crate::search::blocks::{Piece, State};
use crate::search::codes::{Fine, Group, Next};
use crate::search::recode::vectors_of;
use crate::search::shared::Shared;
use crate::search::tuning::{GROUP_ROWS, PIECE_ROWS, PLACE_BYTES};
use crate::search::vector::Entry;

/// Memory held, in bytes.
struct Resident {
    /// Codes, keys, labels, places.
    derived: u64,
    vectors: u64,
}

impl Places {
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
    pub(in crate::search) fn fits<L: Clone + Send + Sync>(
        &self,
        inner: &Shared<L>,
        state: &State<L>,
        rows: u64,
    ) -> bool {
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
    pub(in crate::search) fn let_go_one<L: Clone + Send + Sync>(&mut self, inner: &Shared<L>) -> bool {
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
    pub(in crate::search) fn thin_out<L: Clone + Send + Sync>(&mut self, inner: &Shared<L>) {
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
}
