//! Coding what is there with a new rotation.

use std::sync::Arc;

use rayon::prelude::*;

use super::basis::Basis;
use super::blocks::{Block, State};
use super::codes::{Codes, Encoded};
use super::index::Inner;
use super::places::Places;
use super::tuning::{PIECE_ROWS, SAMPLE_MAX};
use crate::matching::Dot;

/// Vectors to fit a rotation on, from all over the index, row after row. Those
/// that no codes would be made for are left out.
pub(super) fn sample<L: Clone>(state: &State<L>, dimension: usize) -> Vec<f32> {
    let stride = (state.live as usize).div_ceil(SAMPLE_MAX).max(1);
    let pieces = state.blocks.values().flat_map(|block| &block.pieces);
    let rows = pieces.flat_map(|piece| piece.iter(dimension)).map(|(_, _, vector)| vector);
    let usable = |vector: &&[f32]| (1e-3..=super::bound::LENGTH_CODED_MAX).contains(&super::bound::length(vector));
    rows.step_by(stride).filter(usable).flatten().copied().collect()
}

/// The codes of a block with another rotation, spread over threads.
fn encode<L: Clone + Send + Sync>(block: &Block<L>, basis: &Arc<Basis>, dimension: usize, dot: Dot) -> Codes {
    let mut codes = Codes::new(Arc::clone(basis), block.pieces.len() * PIECE_ROWS);
    for piece in &block.pieces {
        if piece.rows() == 0 && block.pieces.len() > 1 {
            codes.push_given_up(PIECE_ROWS);
            continue;
        }
        let vectors: Vec<&[f32]> = piece.vectors(dimension).collect();
        let encoded: Vec<Encoded> = vectors.par_iter().map(|vector| Encoded::new(basis, dot, vector)).collect();
        encoded.iter().for_each(|encoded| codes.push(encoded));
    }
    codes
}

/// Codes the piece that rows are being added to, within the change that makes
/// `basis` the one to use.
pub(super) fn open_piece<L: Clone + Send + Sync>(
    places: &Places,
    state: &mut State<L>,
    basis: &Arc<Basis>,
    inner: &Inner<L>,
) {
    if let Some(block) = places.open_block().and_then(|number| state.blocks.get_mut(&number)) {
        let codes = encode(block, basis, inner.dimension, inner.dot);
        Arc::make_mut(block).codes = Some(Arc::new(codes));
    }
}

/// Codes every other block, one after the other.
pub(super) fn others<L: Clone + Send + Sync>(inner: &Inner<L>, basis: &Arc<Basis>) {
    // A block that is given up, merged or filled meanwhile is passed over here
    // and, where it still has the old codes, found in the next round.
    let mut tried = std::collections::HashSet::new();
    loop {
        let state = inner.state();
        let next = state.blocks.iter().find(|(number, block)| {
            let fits = block.codes.as_ref().is_some_and(|codes| Arc::ptr_eq(&codes.basis, basis));
            !fits && !tried.contains(*number)
        });
        let Some((&number, block)) = next else { return };
        tried.insert(number);
        let codes = encode(block, basis, inner.dimension, inner.dot);
        inner.swap_codes(number, block.codes.as_ref(), codes);
    }
}
