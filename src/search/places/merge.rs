//! Blocks of one piece become blocks of many: their codes are one stream then.

use std::collections::HashMap;
use std::sync::Arc;

use super::Places;
use crate::search::blocks::{Block, State};
use crate::search::codes::Codes;
use crate::search::tuning::{BLOCK_PIECES, PIECE_ROWS};

/// Blocks of one piece each that become one block.
pub(in crate::search) struct Merge<L> {
    parts: Vec<(u32, Arc<Block<L>>)>,
}

impl Places {
    /// The next blocks to put together, where there are enough: single full
    /// pieces with codes of one rotation, or what is left of a block of which
    /// most pieces were given up.
    pub(in crate::search) fn plan_merge<L: Clone>(&mut self, state: &State<L>) -> Option<Merge<L>> {
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
    pub(in crate::search) fn keep_merged<L: Clone>(
        &mut self,
        state: &mut State<L>,
        merge: &Merge<L>,
        merged: Block<L>,
    ) {
        let block = self.new_block();
        let mut index_next = 0;
        let mut moved = HashMap::new();
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
    pub(in crate::search) fn carry_out(&self) -> Block<L> {
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
