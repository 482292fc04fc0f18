//! Coding what is there with a new rotation.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::SearchError;
use super::basis::RotationBasis;
use super::blocks::{Block, Piece, State};
use super::codes::{Codes, Encoded};
use super::originals::{Originals, read_all};
use super::places::Places;
use super::shared::Shared;
use super::tuning::{PIECE_ROWS, SAMPLE_MAX};

/// Fits a rotation on what is there and codes every block with it. Searches
/// and writes go on: a block is as exact with the old codes as with the new.
pub(super) fn refit<L: Clone + Send + Sync>(inner: &Shared<L>) {
    let sample = sample(&inner.state(), inner.dimension, inner.originals());
    let fitted = RotationBasis::fit(&sample, inner.dimension).map(Arc::new);
    let basis = {
        let mut places = inner.places();
        let rows = places.rows();
        let basis = places.set_basis(fitted, rows);
        if let Some(basis) = &basis {
            open_piece(&places, Arc::make_mut(&mut *inner.published()), basis, inner);
        }
        basis
    };
    if let Some(basis) = basis {
        others(inner, &basis);
    }
    inner.fitting.store(false, Ordering::Release);
}

/// Vectors to fit a rotation on, from all over the index, row after row. Those
/// that no codes would be made for are left out, and those that cannot be read.
fn sample<L: Clone>(state: &State<L>, dimension: usize, originals: Option<&dyn Originals>) -> Vec<f32> {
    let stride = (state.live as usize).div_ceil(SAMPLE_MAX).max(1);
    let pieces = state.blocks.values().flat_map(|block| &block.pieces);
    let rows = pieces.flat_map(|piece| piece.tags().map(move |(row, key, _)| (piece, row, key)));
    let mut sample = Vec::new();
    let mut add = |vector: &[f32]| {
        if (1e-3..=super::bound::LENGTH_CODED_MAX).contains(&super::bound::length(vector)) {
            sample.extend_from_slice(vector);
        }
    };
    let mut outside = Vec::new();
    for (piece, row, key) in rows.step_by(stride) {
        match piece.vector(row, dimension) {
            Some(vector) => add(vector),
            None => outside.push(key),
        }
    }
    if !outside.is_empty() && read_all(originals, &outside, dimension, |_, vector| add(vector)).is_err() {
        tracing::warn!("some vectors outside memory could not be read; the rotation is fitted on the others");
    }
    sample
}

/// The vectors of a piece's rows; `None` for rows in use that could not be found
/// and for freed rows that are not in memory.
pub(super) fn vectors_of<'p, L: Clone>(
    piece: &'p Piece<L>,
    dimension: usize,
    originals: Option<&dyn Originals>,
) -> Result<Vec<Option<Cow<'p, [f32]>>>, SearchError> {
    if !piece.is_outside() {
        return Ok((0..piece.rows()).map(|row| piece.vector(row, dimension).map(Cow::Borrowed)).collect());
    }
    let mut vectors: Vec<Option<Cow<'p, [f32]>>> = vec![None; piece.rows()];
    let (rows, keys): (Vec<usize>, Vec<u64>) = piece.tags().map(|(row, key, _)| (row, key)).unzip();
    let read =
        read_all(originals, &keys, dimension, |at, vector| vectors[rows[at]] = Some(Cow::Owned(vector.to_vec())));
    match read {
        // A row that was removed meanwhile: its owner knows first.
        Ok(()) | Err(SearchError::Missing) if originals.is_some() => Ok(vectors),
        other => other.map(|()| vectors),
    }
}

/// The codes of a block with another rotation, spread over threads.
fn encode<L: Clone + Send + Sync>(
    block: &Block<L>,
    basis: &Arc<RotationBasis>,
    inner: &Shared<L>,
) -> Result<Codes, SearchError> {
    let mut codes = Codes::new(Arc::clone(basis), block.pieces.len() * PIECE_ROWS);
    for piece in &block.pieces {
        if piece.rows() == 0 && block.pieces.len() > 1 {
            codes.push_given_up(PIECE_ROWS);
            continue;
        }
        let vectors = vectors_of(piece, inner.dimension, inner.originals())?;
        // Rows that could not be found are always scored, and so noticed.
        let encode = |vector: &Option<Cow<'_, [f32]>>| match vector {
            Some(vector) => Encoded::new(basis, inner.dot, vector),
            None => Encoded::loose(),
        };
        let encoded: Vec<Encoded> = vectors.par_iter().map(encode).collect();
        encoded.iter().for_each(|encoded| codes.push(encoded));
    }
    Ok(codes)
}

/// Codes the piece that rows are being added to, within the change that makes
/// `basis` the one to use.
fn open_piece<L: Clone + Send + Sync>(
    places: &Places,
    state: &mut State<L>,
    basis: &Arc<RotationBasis>,
    inner: &Shared<L>,
) {
    if let Some(block) = places.open_block().and_then(|number| state.blocks.get_mut(&number))
        // Its vectors are in memory: reading them cannot fail.
        && let Ok(codes) = encode(block, basis, inner)
    {
        Arc::make_mut(block).codes = Some(Arc::new(codes));
    }
}

/// Codes every other block, one after the other.
fn others<L: Clone + Send + Sync>(inner: &Shared<L>, basis: &Arc<RotationBasis>) {
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
        match encode(block, basis, inner) {
            Ok(codes) => inner.swap_codes(number, block.codes.as_ref(), codes),
            // The old codes are as exact, only less sharp.
            Err(error) => tracing::warn!(%error, "some rows keep the codes of an older rotation"),
        }
    }
}
