//! The loops in plain Rust: what the others are tested against.

use super::{Survivor, Task, prefetch};
use crate::search::bound::{HeadWeights, NextQuery};
use crate::search::codes::{FINE_BYTES, Fine, Group, LOOSE, Next};
use crate::search::tuning::{AHEAD, GROUP_ROWS, HEAD};

pub(super) fn scan(groups: &[Group], first: u32, task: &mut Task<'_>) {
    for (group, first) in groups.iter().zip((first..).step_by(GROUP_ROWS)) {
        for (row, sum) in (first..).zip(sums(group, task)) {
            if sum >= task.threshold {
                task.survivors.push(Survivor { row, sum });
            }
        }
    }
}

pub(super) fn batch(rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
    for task in tasks {
        let &HeadWeights { words, norms: [norms, _], .. } = task.weights;
        for (row, fine) in (first..).zip(rows) {
            let codes = fine.0[..HEAD].as_chunks::<4>().0.iter().zip(words);
            let codes = codes.flat_map(|(codes, word)| codes.iter().zip(word.to_le_bytes()));
            let along: i32 =
                codes.map(|(code, weight)| i32::from(code.cast_signed() >> 1) * i32::from(weight.cast_signed())).sum();
            let sum = along + by_weights(fine.0[FINE_BYTES - 2..].iter().copied(), norms);
            if sum >= task.threshold {
                task.survivors.push(Survivor { row, sum });
            }
        }
    }
}

#[inline(always)]
pub(super) fn next(row: &Next, weights: &[i16; 64]) -> i32 {
    signed_by_weights(&row.0, weights)
}

pub(super) fn sift(rows: &[Next], survivors: &[Survivor], query: &NextQuery, floor: f64, left: &mut Vec<Survivor>) {
    sift_by(next, rows, survivors, query, floor, left);
}

/// The same whatever sums a row's bytes.
#[inline(always)]
pub(super) fn sift_by(
    next: impl Fn(&Next, &[i16; 64]) -> i32,
    rows: &[Next],
    survivors: &[Survivor],
    query: &NextQuery,
    floor: f64,
    left: &mut Vec<Survivor>,
) {
    let ask = |at: usize| {
        if let Some(row) = survivors.get(at).and_then(|later| rows.get(later.row as usize)) {
            prefetch(row);
        }
    };
    for at in 0..AHEAD {
        ask(at);
    }
    for (at, survivor) in survivors.iter().enumerate() {
        ask(at + AHEAD);
        let Some(row) = rows.get(survivor.row as usize) else { continue };
        let norms = row.norms();
        let sum = next(row, &query.weights);
        if norms.rest != LOOSE && query.bound(survivor.sum, sum, norms) >= floor {
            left.push(Survivor { row: survivor.row, sum });
        }
    }
}

#[inline(always)]
pub(super) fn fine(row: &Fine, weights: &[i16; FINE_BYTES]) -> i32 {
    signed_by_weights(&row.0, weights)
}

#[inline(always)]
fn signed_by_weights<const N: usize>(codes: &[u8; N], weights: &[i16; N]) -> i32 {
    codes.iter().zip(weights).map(|(&code, &weight)| i32::from(code.cast_signed()) * i32::from(weight)).sum()
}

fn sums(group: &Group, task: &Task<'_>) -> [i32; GROUP_ROWS] {
    let mut sums = [0i32; GROUP_ROWS];
    for (half, sums) in sums.chunks_exact_mut(16).enumerate() {
        for (sum, norms) in sums.iter_mut().zip(group.norms.0.chunks_exact(4)) {
            *sum += by_weights(norms.iter().copied(), task.weights.norms[half]);
        }
        let lines = group.codes.iter().skip(half).step_by(2);
        for (line, words) in lines.zip(task.weights.words.chunks_exact(2)) {
            for (sum, bytes) in sums.iter_mut().zip(line.0.chunks_exact(4)) {
                *sum += by_weights(bytes.iter().map(|byte| byte & 15), words[0]);
                *sum += by_weights(bytes.iter().map(|byte| byte >> 4), words[1]);
            }
        }
    }
    sums
}

fn by_weights(bytes: impl Iterator<Item = u8>, word: i32) -> i32 {
    bytes.zip(word.to_le_bytes()).map(|(byte, weight)| i32::from(byte) * i32::from(i8::from_le_bytes([weight]))).sum()
}
