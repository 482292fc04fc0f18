//! The loops in plain Rust: what the others are tested against.

use super::JoinSurvivor;
use crate::search::join::bound::OVER_MAX;
use crate::search::join::codes::{JoinBlock, JoinChunk, JoinFine, JoinQueries, LANES, TILE};

pub(super) fn heads<const W: usize>(
    chunk: &JoinChunk<W>,
    first: u32,
    queries: &JoinQueries<W>,
    survivors: &mut Vec<JoinSurvivor>,
) {
    for (tile, (words, starts)) in queries.words.iter().zip(&queries.starts).enumerate() {
        for (at, &start) in starts.iter().enumerate() {
            let query = (tile * TILE + at) as u32;
            for (group, first) in chunk.iter().zip((first..).step_by(LANES)) {
                let mut sums = [start; LANES];
                for (line, words) in group.0.iter().zip(words) {
                    let weights = words[at].to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
                    for (sum, bytes) in sums.iter_mut().zip(&line.0) {
                        *sum += bytes.iter().zip(weights).map(|(&byte, weight)| i32::from(byte) * weight).sum::<i32>();
                    }
                }
                let kept = (first..).zip(sums).filter(|&(_, over)| over >= 0);
                survivors.extend(kept.map(|(row, over)| JoinSurvivor { query, row, over: over.min(OVER_MAX) }));
            }
        }
    }
}

pub(super) fn fine(survivors: &[JoinSurvivor], rows: &[JoinFine], block: &JoinBlock, sums: &mut Vec<i32>) {
    sums.extend(survivors.iter().map(|survivor| {
        let (row, query) = (&rows[survivor.row as usize].0, &block.fine[survivor.query as usize].0);
        row.iter().zip(query).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>()
    }));
}
